//! Names of users and groups.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The name of a user or group: lower-case letters, digits, `_` and `-`, not beginning with a digit or `-`, at most 32
/// characters. The rule is useradd(8)'s.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(extend("pattern" = r"^[a-z_][a-z0-9_-]*\$?$"))]
pub struct AccountName(String);

impl AccountName {
    /// The name of the superuser and of its group.
    pub fn root() -> Self {
        Self("root".to_owned())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

kept_as_text!(AccountName);

impl TryFrom<String> for AccountName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let body = text.strip_suffix('$').unwrap_or(&text);
        let starts = body.starts_with(|c: char| c.is_ascii_lowercase() || c == '_');
        let rest = body.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-');
        if starts && rest && text.len() <= 32 {
            return Ok(Self(text));
        }
        Err(format!(
            "`{text}` is not a name for a user or group\nhint: at most 32 of a-z, 0-9, `_` and `-`, beginning with a letter or `_`"
        ))
    }
}
