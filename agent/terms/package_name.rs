//! Names of Debian packages.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The name of a package: at least two of `a-z`, `0-9`, `+`, `-` and `.`, beginning with a letter or digit, and after it
/// `:amd64` or another architecture where the host's own is not meant. The rule is Debian Policy's, 5.6.1.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(extend("pattern" = r"^[a-z0-9][a-z0-9+.-]+(:[a-z0-9-]+)?$"))]
pub struct PackageName(String);

impl PackageName {
    /// A name known to the program.
    pub fn known(name: &'static str) -> Self {
        Self(name.to_owned())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

kept_as_text!(PackageName);

impl TryFrom<String> for PackageName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let (name, arch) = text.split_once(':').unwrap_or((text.as_str(), "any"));
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        let name_fits =
            name.len() > 1 && name.starts_with(plain) && name.chars().all(|c| plain(c) || "+-.".contains(c));
        if name_fits && !arch.is_empty() && arch.chars().all(|c| plain(c) || c == '-') {
            return Ok(Self(text));
        }
        let hint = match text.split_once('=') {
            Some((name, version)) => {
                format!("a version stands by itself: `{{ name = \"{name}\", version = \"{version}\" }}`")
            }
            None => "lower-case letters, digits, `+`, `-` and `.`, as `apt-cache search` shows it".to_owned(),
        };
        Err(format!("`{text}` is not the name of a package\nhint: {hint}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_as_debian_policy_has_it() {
        for good in ["g++", "libc6:amd64", "python3.11", "0ad"] {
            assert!(PackageName::try_from(good.to_owned()).is_ok(), "{good}");
        }
        for bad in ["", "a", "-y", "Nginx", "nginx curl", "nginx/bookworm", "libc6:"] {
            assert!(PackageName::try_from(bad.to_owned()).is_err(), "{bad}");
        }
        let error = PackageName::try_from("nginx=1.22".to_owned()).unwrap_err();
        assert!(error.ends_with("`{ name = \"nginx\", version = \"1.22\" }`"), "{error}");
    }
}
