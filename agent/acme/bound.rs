//! An account that the CA knows from elsewhere (external account binding, RFC 8555, 7.3.4). The library makes such an
//! account only with a key of its own; ours is on the disk before.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use hyper::Request;
use hyper::body::Bytes;
use secrecy::{ExposeSecret as _, SecretSlice, SecretString};
use serde_json::{Value, json};
use sha2::Sha256;

use super::account;
use super::directory::Directory;
use super::http::{Wire, problem};
use super::order::Trouble;
use super::refusal::{Kind, Refusal};
use crate::host::tls_store::keys;

/// How often a nonce may be rejected.
const NONCES: u32 = 17;

/// By what a CA knows somebody: a key ID, and a key that both know.
#[derive(Debug, Clone)]
pub struct Binding {
    kid: String,
    key: SecretSlice<u8>,
}

impl Binding {
    /// Of the key as CAs show it: base64url.
    ///
    /// # Errors
    /// When it is no base64url.
    pub fn new(kid: &str, hmac: &SecretString) -> Result<Self, Refusal> {
        let text = hmac.expose_secret().trim().trim_end_matches('=');
        // What cannot be decoded is not quoted: it may be the key but for one letter.
        let key = URL_SAFE_NO_PAD.decode(text).ok().filter(|key| !key.is_empty()).ok_or_else(|| {
            let says = format!("the HMAC key for the key ID `{kid}` is no base64url");
            Refusal::new(Kind::Refused, says).fix("copy it again, all of it, as the CA shows it")
        })?;
        Ok(Self { kid: kid.to_owned(), key: key.into() })
    }

    /// The account's public half, signed with the key that both know.
    fn bind(&self, jwk: &str, url: &str) -> Value {
        let protected = encoded(json!({ "alg": "HS256", "kid": self.kid, "url": url }).to_string());
        let payload = encoded(jwk);
        // HMAC takes a key of any length, so the empty answer is never seen.
        let signature = Hmac::<Sha256>::new_from_slice(self.key.expose_secret())
            .map(|hmac| hmac.chain_update(format!("{protected}.{payload}")).finalize().into_bytes().to_vec())
            .unwrap_or_default();
        json!({ "protected": protected, "payload": payload, "signature": encoded(signature) })
    }
}

/// Makes the account for this key, or finds it; its address.
///
/// # Errors
/// When the CA does not take it.
pub(super) async fn register(wire: &Wire, says: &Directory, key: &str, binding: &Binding) -> Result<String, Trouble> {
    let url = &says.new_account;
    let jwk = account::public_of(key)?.to_string();
    let payload = json!({ "termsOfServiceAgreed": true, "externalAccountBinding": binding.bind(&jwk, url) });
    let payload = encoded(payload.to_string());
    let odd = |what: &str| Refusal::new(Kind::Unusable, format!("what the CA said makes no sense: {what}"));
    let mut tries = 0;
    loop {
        tries += 1;
        let nonce = asked(wire, "HEAD", &says.new_nonce, Bytes::new()).await?;
        let nonce = nonce.headers().get("replay-nonce").and_then(|nonce| nonce.to_str().ok());
        let nonce = nonce.ok_or_else(|| odd("it gives no nonce"))?;
        let jwk: Value = serde_json::from_str(&jwk).unwrap_or_default();
        let protected = encoded(json!({ "alg": "ES256", "jwk": jwk, "nonce": nonce, "url": url }).to_string());
        let signature = keys::sign(key, format!("{protected}.{payload}").as_bytes())?;
        let body = json!({ "protected": protected, "payload": payload, "signature": encoded(signature) });
        let answer = asked(wire, "POST", url, Bytes::from(body.to_string())).await?;
        if answer.status().is_success() {
            let place = answer.headers().get("location").and_then(|place| place.to_str().ok());
            return Ok(place.ok_or_else(|| odd("it does not say where the account is"))?.to_owned());
        }
        let refusal = problem(&answer, wire.aside().retry_after);
        if refusal.kind != Kind::BadNonce || tries >= NONCES {
            return Err(explained(refusal, &binding.kid).into());
        }
    }
}

/// With what to do about it, where the CA did not take what it knows somebody by.
fn explained(mut refusal: Refusal, kid: &str) -> Refusal {
    if !matches!(refusal.kind, Kind::Refused | Kind::NoAccount | Kind::Unproven) {
        return refusal;
    }
    let fix =
        format!("are `kid` (`{kid}`) and the HMAC key of one pair, and not used up? have the CA give you a new pair");
    refusal.kind = Kind::Refused;
    refusal.fix(fix)
}

async fn asked(wire: &Wire, method: &str, url: &str, body: Bytes) -> Result<hyper::Response<Bytes>, Refusal> {
    let request = Request::builder().method(method).uri(url).header("content-type", "application/jose+json").body(body);
    wire.send(request.map_err(|error| Refusal::new(Kind::Refused, format!("`{url}` is no address: {error}")))?).await
}

fn encoded(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::terms::KeyType;

    #[test]
    fn a_key_is_taken_with_its_padding_or_without_and_what_is_none_is_not_quoted() {
        for text in ["AAEC", "AAE=", "AAE", "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W\n"] {
            assert!(Binding::new("kid-1", &text.into()).is_ok(), "{text}");
        }
        for text in ["canary canary", "", "\n"] {
            let refusal = Binding::new("kid-1", &text.into()).unwrap_err();
            assert!(refusal.says.contains("kid-1") && !refusal.says.contains("canary"), "{refusal}");
        }
        let binding = Binding::new("kid-1", &"Y2FuYXJ5".into()).unwrap();
        assert!(!format!("{binding:?}").contains("canary") && !format!("{binding:?}").contains("Y2FuYXJ5"));
    }

    #[test]
    fn what_binds_is_the_public_half_signed_with_the_common_key() {
        // RFC 4231, test case 2: the key `Jefe`.
        let binding = Binding::new("kid-1", &"SmVmZQ".into()).unwrap();
        let key = keys::generate(KeyType::EcdsaP256).unwrap();
        let jwk = account::public_of(&key).unwrap().to_string();
        let bound = binding.bind(&jwk, "https://ca.example/new");
        let text = |part: &str| {
            let bytes = URL_SAFE_NO_PAD.decode(bound[part].as_str().unwrap()).unwrap();
            String::from_utf8(bytes).unwrap()
        };
        assert_eq!(text("payload"), jwk);
        assert_eq!(text("protected"), r#"{"alg":"HS256","kid":"kid-1","url":"https://ca.example/new"}"#);
        let said = format!("{}.{}", bound["protected"].as_str().unwrap(), bound["payload"].as_str().unwrap());
        let expected = Hmac::<Sha256>::new_from_slice(b"Jefe").unwrap().chain_update(said).finalize().into_bytes();
        assert_eq!(bound["signature"], encoded(expected));
    }
}
