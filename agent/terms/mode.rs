//! Permission bits.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

/// Permission bits as chmod(1) writes them: a string of three or four octal digits, such as `"0644"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(extend("pattern" = r"^[0-7]{3,4}$"))]
pub struct Mode(u32);

impl Mode {
    /// Everybody reads, the owner writes: 0644.
    pub const FILE: Self = Self(0o644);
    /// Everybody enters, the owner writes: 0755.
    pub const DIRECTORY: Self = Self(0o755);

    /// Permission bits known to the program.
    pub const fn new(bits: u32) -> Self {
        Self(bits & 0o7777)
    }

    /// The bits.
    pub fn bits(self) -> u32 {
        self.0
    }
}

impl<'de> Deserialize<'de> for Mode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        super::from_text(deserializer, "a mode in quotes, such as \"0644\"")
    }
}

impl TryFrom<String> for Mode {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let octal = matches!(text.len(), 3 | 4) && text.bytes().all(|b| (b'0'..=b'7').contains(&b));
        match u32::from_str_radix(&text, 8) {
            Ok(bits) if octal => Ok(Self(bits)),
            _ => Err(format!("`{text}` is not a mode\nhint: three or four octal digits, such as `\"0644\"`")),
        }
    }
}

impl From<Mode> for String {
    fn from(mode: Mode) -> Self {
        mode.to_string()
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04o}", self.0)
    }
}
