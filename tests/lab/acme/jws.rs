//! What a client said under its signature.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::Value;

/// Bytes as everything in ACME is written.
pub(super) fn encoded(bytes: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

/// The protected header and the payload of a signed body; `null` where there is none, or not in JSON.
pub(super) fn opened(body: &[u8]) -> (Value, Value) {
    let whole: Value = serde_json::from_slice(body).unwrap_or_default();
    let part = |name: &str| {
        let text = whole.get(name).and_then(Value::as_str)?;
        serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(text).ok()?).ok()
    };
    (part("protected").unwrap_or_default(), part("payload").unwrap_or_default())
}
