//! Fingerprints of OpenPGP keys.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The whole fingerprint of a primary OpenPGP key: 40 hex digits (64 for a version 6 key). Spaces and the case of letters
/// do not matter. A key ID, which is the end of a fingerprint, is not enough: anybody can make a key with the same one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(extend("pattern" = r"^[0-9A-Fa-f ]+$"))]
pub struct Fingerprint(String);

impl Fingerprint {
    /// The fingerprint of a digest.
    pub(crate) fn of(digest: &[u8]) -> Self {
        use fmt::Write as _;
        Self(digest.iter().fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02X}");
            text
        }))
    }
}

kept_as_text!(Fingerprint);

impl TryFrom<String> for Fingerprint {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let digits: String = text.chars().filter(|c| !c.is_whitespace()).map(|c| c.to_ascii_uppercase()).collect();
        if matches!(digits.len(), 40 | 64) && digits.chars().all(|c| c.is_ascii_hexdigit()) {
            return Ok(Self(digits));
        }
        Err(format!(
            "`{text}` is not a fingerprint\nhint: the 40 hex digits that `gpg --show-keys FILE` prints; a key ID is not enough"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_may_be_written_as_gpg_shows_it_and_not_as_a_key_id() {
        let shown = Fingerprint::try_from("b97b 0afc aa1a 47f0 44f2  44a0 7fcc 7d46 accc 4cf8".to_owned()).unwrap();
        assert_eq!(shown.to_string(), "B97B0AFCAA1A47F044F244A07FCC7D46ACCC4CF8");
        assert!(Fingerprint::try_from("ACCC4CF8".to_owned()).is_err());
    }
}
