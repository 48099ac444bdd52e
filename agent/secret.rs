//! Secrets: a reference until the moment of use.
//!
//! A recipe holds a [`SecretRef`], never a value: it has no string form. A [`Secret`] is a value: it cannot be printed or
//! serialised, and is wiped when dropped.
//!
//! ```compile_fail
//! let secret = hostagent::secret::Secret::new("x".to_owned());
//! println!("{secret}");
//! ```

use std::path::{Path, PathBuf};

use rand::RngExt as _;
use schemars::JsonSchema;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use crate::engine::Cause;
use crate::host::files::Access;
use crate::host::{CONF_DIR, Look, Touch};
use crate::terms::AbsolutePath;

/// Where a secret is to be had. Exactly one of its forms.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum SecretRef {
    /// `{ file = "/run/credentials/db" }`: the content of a file, without its last line end.
    File(AbsolutePath),
    /// `{ generate = 32 }`: that many random letters and digits (16 to 128), made once and kept under
    /// `/etc/hostagent/secrets/`, readable by root.
    Generate(#[schemars(range(min = 16, max = 128))] u16),
}

/// The value of a secret.
#[derive(Debug)]
pub struct Secret(SecretString);

impl Secret {
    /// Takes a value in.
    pub fn new(value: String) -> Self {
        Self(SecretString::from(value))
    }

    /// Lends the value. Whoever calls this must not show, log or keep it.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl SecretRef {
    /// The name of the type, by which a recipe's reader knows that a value in its place must not be shown.
    pub const NAME: &str = "SecretRef";

    /// Checks what a recipe can be told without touching the host.
    ///
    /// # Errors
    /// What is wrong, and a hint after `\nhint: `.
    pub fn validate(&self) -> Result<(), String> {
        match self {
            Self::Generate(length) if !(16..=128).contains(length) => {
                let says = if *length < 16 { "too short" } else { "too long" };
                Err(format!(
                    "a generated secret of {length} characters is {says}\nhint: 16 to 128; 32 is a good length"
                ))
            }
            _ => Ok(()),
        }
    }

    /// The value, or `None` if it is still to be generated. `name` tells generated secrets apart, such as
    /// `postgres.role.booking`.
    ///
    /// # Errors
    /// When the file is not there or holds no text.
    pub fn value(&self, name: &str, host: &Look) -> Result<Option<Secret>, Cause> {
        let path = match self {
            Self::File(path) => path.as_path().to_owned(),
            Self::Generate(_) => place_of(name),
        };
        let Some(bytes) = host.read(&path)? else {
            return match self {
                Self::Generate(_) => Ok(None),
                Self::File(path) => {
                    Err(Cause::new("secret-missing", format!("the secret's file `{path}` is not there"))
                        .hint("put it there, readable by root only, or name another source"))
                }
            };
        };
        let Ok(text) = String::from_utf8(bytes) else {
            return Err(Cause::new("secret-not-text", format!("the secret in `{}` is not text", path.display())));
        };
        let value = text.strip_suffix('\n').unwrap_or(&text);
        if value.is_empty() {
            return Err(Cause::new("secret-empty", format!("the secret in `{}` is empty", path.display())));
        }
        Ok(Some(Secret::new(value.to_owned())))
    }

    /// The value; one that is still to be generated is made and kept.
    ///
    /// # Errors
    /// When it cannot be read, or not be kept.
    pub fn value_or_made(&self, name: &str, host: &Touch) -> Result<Secret, Cause> {
        if let Some(secret) = self.value(name, host)? {
            return Ok(secret);
        }
        let length = match self {
            Self::Generate(length) => usize::from(*length),
            Self::File(_) => 32,
        };
        let mut random = rand::rng();
        let value: String = (0..length).map(|_| char::from(random.sample(rand::distr::Alphanumeric))).collect();
        host.make_directory(&Path::new(CONF_DIR).join("secrets"), Access { uid: 0, gid: 0, mode: 0o700 })?;
        host.replace(&place_of(name), format!("{value}\n").as_bytes(), Access { uid: 0, gid: 0, mode: 0o600 })?;
        Ok(Secret::new(value))
    }
}

/// Where a generated secret is kept. Two names never have one place: what cannot be in a file's name is escaped as in URLs.
pub fn place_of(name: &str) -> PathBuf {
    let escaped = |byte: u8| match char::from(byte) {
        c if c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_') => c.to_string(),
        _ => format!("%{byte:02X}"),
    };
    Path::new(CONF_DIR).join("secrets").join(name.bytes().map(escaped).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_names_never_share_a_generated_secret() {
        let name = |role: &str| place_of(&format!("postgres.role.{role}")).display().to_string();
        assert_eq!(name("booking"), "/etc/hostagent/secrets/postgres.role.booking");
        assert_eq!(name("a-b"), "/etc/hostagent/secrets/postgres.role.a-b");
        assert_eq!(name("a b"), "/etc/hostagent/secrets/postgres.role.a%20b");
        assert_eq!(name("a%20b"), "/etc/hostagent/secrets/postgres.role.a%2520b");
        assert_eq!(name("../ä"), "/etc/hostagent/secrets/postgres.role...%2F%C3%A4");
    }
}
