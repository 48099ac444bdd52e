//! Names of hosts.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The longest name that Linux takes (hostname(7)).
const LONGEST: usize = 64;

/// A host name, plain or with its domain: letters, digits, `-`, and dots between; at most 64 characters. The rule is
/// hostname(7)'s.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(extend("pattern" = r"^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$", "maxLength" = 64))]
pub struct HostName(String);

impl HostName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The part before the first dot.
    pub fn short(&self) -> &str {
        self.0.split('.').next().unwrap_or_default()
    }
}

kept_as_text!(HostName);

impl TryFrom<String> for HostName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let is_label = |label: &str| {
            let plain = label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
            plain && (1..=63).contains(&label.len()) && !label.starts_with('-') && !label.ends_with('-')
        };
        if text.len() > LONGEST {
            return Err(format!(
                "`{text}` is longer than {LONGEST} characters\nhint: take the part before the first dot"
            ));
        }
        if !text.split('.').all(is_label) {
            return Err(format!("`{text}` is not a host name\nhint: letters, digits and `-`, with dots between"));
        }
        Ok(Self(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_name_has_labels() {
        for good in ["web", "web-1.example.org", "1a"] {
            assert!(HostName::try_from(good.to_owned()).is_ok(), "{good}");
        }
        for bad in ["", "a..b", "a_b", "-a", "a-", "web.", &"a".repeat(65)] {
            assert!(HostName::try_from(bad.to_owned()).is_err(), "{bad}");
        }
    }
}
