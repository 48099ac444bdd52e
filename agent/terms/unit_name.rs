//! Names of systemd units.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The name of a systemd unit: letters, digits and `:-_.\@`, at most 255 (systemd.unit(5)). Without a suffix such as
/// `.socket` it is a service.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(extend("pattern" = r"^[A-Za-z0-9:_.\\@-]+$"))]
pub struct UnitName(String);

impl UnitName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

kept_as_text!(UnitName);

impl TryFrom<String> for UnitName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        // The longest suffix that may be added is `.service`.
        let long = text.is_empty() || text.len() > 255 - ".service".len();
        if long || !text.chars().all(|c| c.is_ascii_alphanumeric() || r":-_.\@".contains(c)) {
            return Err(format!(
                "`{}` is not the name of a unit\nhint: letters, digits and `:-_.\\@`, such as `nginx` or `docker.socket`",
                text.escape_debug()
            ));
        }
        if text.strip_suffix(".service").unwrap_or(&text).ends_with('@') {
            return Err(format!(
                "`{text}` is a template and no unit\nhint: name an instance of it, such as `{}`",
                text.replacen('@', "@main", 1)
            ));
        }
        Ok(Self(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_that_systemd_takes() {
        for name in ["nginx", "postgresql@15-main", "docker.socket", "-.slice", r"dev-sda\x2d1.swap"] {
            assert!(UnitName::try_from(name.to_owned()).is_ok(), "{name}");
        }
        for name in ["", "a b", "../etc", "a/b", "getty@", "getty@.service"] {
            assert!(UnitName::try_from(name.to_owned()).is_err(), "{name}");
        }
    }
}
