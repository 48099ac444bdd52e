//! Secrets: a reference until the moment of use.
//!
//! A recipe holds a [`SecretRef`], never a value: it has no string form. A [`Secret`] is a value: it cannot be printed or
//! serialised, and is wiped when dropped.
//!
//! ```compile_fail
//! let secret = hostagent::secret::Secret::new("x".to_owned());
//! println!("{secret}");
//! ```

use std::fmt;
use std::path::{Path, PathBuf};

use rand::RngExt as _;
use schemars::JsonSchema;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::aws::{NotHad, Session};
use crate::engine::Cause;
use crate::host::files::Access;
use crate::host::{CONF_DIR, Look, Touch};
use crate::terms::{AbsolutePath, Address};

/// Where a secret is to be had.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Written")]
pub enum SecretRef {
    /// The content of a file, without its last line end.
    File(AbsolutePath),
    /// That many random letters and digits, made once and kept under `/etc/hostagent/secrets/`, readable by root.
    Generate(u16),
    /// A parameter of Parameter Store.
    Ssm(String),
    /// A secret of Secrets Manager.
    SecretsManager {
        /// Its name or ARN.
        name: String,
        /// If its value is a JSON object: what is wanted of it.
        key: Option<String>,
    },
}

/// Where a secret is to be had. Exactly one of `file`, `generate`, `ssm` and `secretsmanager`.
#[derive(Deserialize, JsonSchema)]
#[serde(rename = "SecretRef", deny_unknown_fields)]
struct Written {
    /// A path: the content of that file, without its last line end.
    file: Option<AbsolutePath>,
    /// So many random letters and digits (16 to 128), made once and kept under `/etc/hostagent/secrets/`, readable by root.
    #[schemars(range(min = 16, max = 128))]
    generate: Option<u16>,
    /// The path of a parameter of Parameter Store, such as `"/bookings/db_password"`. Asked for at every look.
    ssm: Option<String>,
    /// The name or ARN of a secret of Secrets Manager. Asked for at every look.
    secretsmanager: Option<String>,
    /// With `secretsmanager`: if its value is a JSON object, what is wanted of it. Default: the whole value.
    key: Option<String>,
}

impl TryFrom<Written> for SecretRef {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        let Written { file, generate, ssm, secretsmanager, key } = written;
        if key.is_some() && secretsmanager.is_none() {
            return Err("`key` goes with `secretsmanager`\nhint: take it out".to_owned());
        }
        let mut forms = [
            file.map(Self::File),
            generate.map(Self::Generate),
            ssm.map(Self::Ssm),
            secretsmanager.map(|name| Self::SecretsManager { name, key }),
        ]
        .into_iter()
        .flatten();
        match (forms.next(), forms.next()) {
            (Some(form), None) => Ok(form),
            (None, _) => Err(format!("it does not say where the secret is\nhint: {FORMS}")),
            (Some(_), Some(_)) => Err("it says more than one place\nhint: keep one of them".to_owned()),
        }
    }
}

impl JsonSchema for SecretRef {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        Self::NAME.into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        Written::json_schema(generator)
    }
}

/// Without its value, which it does not have.
impl fmt::Display for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "the secret in `{path}`"),
            Self::Generate(_) => f.write_str("the generated secret"),
            Self::Ssm(path) => write!(f, "the secret `ssm:{path}`"),
            Self::SecretsManager { name, key: None } => write!(f, "the secret `{name}` of Secrets Manager"),
            Self::SecretsManager { name, key: Some(key) } => {
                write!(f, "`{key}` of the secret `{name}` of Secrets Manager")
            }
        }
    }
}

const FORMS: &str = "`file = \"/…\"`, `generate = 32`, `ssm = \"/…\"` or `secretsmanager = \"…\"`";

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

    /// The key that says where it is.
    pub fn form(&self) -> &'static str {
        match self {
            Self::File(_) => "file",
            Self::Generate(_) => "generate",
            Self::Ssm(_) => "ssm",
            Self::SecretsManager { .. } => "secretsmanager",
        }
    }

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
            Self::Ssm(path) => Address::try_from(format!("ssm:{path}").as_str()).map(drop).map_err(|_wrong| {
                format!("`{path}` names no parameter\nhint: write its whole path, such as `\"/bookings/db_password\"`")
            }),
            Self::SecretsManager { name, .. } if name.is_empty() || name.len() > 2048 => {
                Err("it names no secret\nhint: write its name or its ARN".to_owned())
            }
            _ => Ok(()),
        }
    }

    /// The value, or `None` if it is still to be generated. `name` tells generated secrets apart, such as
    /// `postgres.role.booking`.
    ///
    /// # Errors
    /// When it cannot be had, or is no text.
    pub async fn value(&self, name: &str, host: &Look) -> Result<Option<Secret>, Cause> {
        let value = match self {
            Self::File(path) => self.in_file(path.as_path(), host)?.ok_or_else(|| {
                let says = format!("the secret's file `{path}` is not there");
                Cause::new("secret-missing", says).hint("put it there, readable by root only, or name another source")
            })?,
            Self::Generate(_) => match self.in_file(&place_of(name), host)? {
                Some(value) => value,
                None => return Ok(None),
            },
            Self::Ssm(path) => Session::of(host).parameter(path).await.map_err(|why| self.not_had(&why))?,
            Self::SecretsManager { name, key } => {
                let value = Session::of(host).secret(name).await.map_err(|why| self.not_had(&why))?;
                match key {
                    Some(key) => self.part(&value, key)?,
                    None => value,
                }
            }
        };
        if value.expose_secret().is_empty() {
            return Err(Cause::new("secret-empty", format!("{self} is empty")));
        }
        Ok(Some(Secret(value)))
    }

    /// The value; one that is still to be generated is made and kept.
    ///
    /// # Errors
    /// When it cannot be had, or not be kept.
    pub async fn value_or_made(&self, name: &str, host: &Touch) -> Result<Secret, Cause> {
        if let Some(secret) = self.value(name, host).await? {
            return Ok(secret);
        }
        let length = if let Self::Generate(length) = self { usize::from(*length) } else { 32 };
        let mut random = rand::rng();
        let value: String = (0..length).map(|_| char::from(random.sample(rand::distr::Alphanumeric))).collect();
        host.make_directory(&Path::new(CONF_DIR).join("secrets"), Access { uid: 0, gid: 0, mode: 0o700 })?;
        host.replace(&place_of(name), format!("{value}\n").as_bytes(), Access { uid: 0, gid: 0, mode: 0o600 })?;
        Ok(Secret::new(value))
    }

    fn in_file(&self, path: &Path, host: &Look) -> Result<Option<SecretString>, Cause> {
        let Some(bytes) = host.read(path)? else { return Ok(None) };
        let Ok(mut text) = String::from_utf8(bytes) else {
            return Err(Cause::new("secret-not-text", format!("{self} is not text")));
        };
        if text.ends_with('\n') {
            text.pop();
        }
        Ok(Some(SecretString::from(text)))
    }

    /// One value of a JSON object. What is wrong with the object is not told: it would cite it.
    fn part(&self, object: &SecretString, key: &str) -> Result<SecretString, Cause> {
        let wrong = |says: &str| Cause::new("secret-wrong", format!("{self} cannot be had: {says}"));
        let Ok(Value::Object(mut object)) = serde_json::from_str::<Value>(object.expose_secret()) else {
            return Err(
                wrong("the value is no JSON object").hint("leave `key` out, or keep the secret as key and value")
            );
        };
        match object.remove(key) {
            Some(Value::String(text)) => Ok(SecretString::from(text)),
            Some(Value::Number(number)) => Ok(SecretString::from(number.to_string())),
            Some(_) => Err(wrong("it is neither text nor a number")),
            None => Err(wrong("there is no such key").hint("is the key right? see the secret in the console")),
        }
    }

    fn not_had(&self, why: &NotHad) -> Cause {
        Cause::new(why.code, format!("{self} cannot be had: {why}")).hint(why.hint.clone())
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

    fn written(toml: &str) -> Result<SecretRef, String> {
        #[derive(Deserialize)]
        struct Table {
            password: SecretRef,
        }
        toml::from_str::<Table>(&format!("password = {toml}"))
            .map(|table| table.password)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn a_reference_says_one_place() {
        let manager = |key: Option<&str>| SecretRef::SecretsManager { name: "db".into(), key: key.map(str::to_owned) };
        for (toml, wanted) in [
            ("{ generate = 32 }", SecretRef::Generate(32)),
            ("{ ssm = \"/db\" }", SecretRef::Ssm("/db".into())),
            ("{ secretsmanager = \"db\" }", manager(None)),
            ("{ secretsmanager = \"db\", key = \"password\" }", manager(Some("password"))),
        ] {
            assert_eq!(written(toml), Ok(wanted));
        }
        for (toml, says) in [
            ("{}", "it does not say where the secret is"),
            ("{ ssm = \"/db\", generate = 32 }", "it says more than one place"),
            ("{ ssm = \"/db\", key = \"password\" }", "`key` goes with `secretsmanager`"),
        ] {
            assert!(written(toml).unwrap_err().contains(says), "{toml}");
        }
        assert!(SecretRef::Ssm("db".into()).validate().unwrap_err().starts_with("`db` names no parameter"));
        assert!(SecretRef::Ssm("/db".into()).validate().is_ok());
    }

    #[test]
    fn a_value_of_a_json_object_is_had_and_nothing_of_it_told() {
        let reference = SecretRef::SecretsManager { name: "db".into(), key: Some("password".into()) };
        let part = |text: &str| reference.part(&SecretString::from(text), "password");
        assert_eq!(part(r#"{ "user": "x", "password": "canary" }"#).unwrap().expose_secret(), "canary");
        assert_eq!(part(r#"{ "password": 1234 }"#).unwrap().expose_secret(), "1234");
        for text in ["canary", r#"{ "passwrod": "canary" }"#, r#"{ "password": ["canary"] }"#] {
            let cause = part(text).unwrap_err();
            assert!(
                cause.says.starts_with("`password` of the secret `db` of Secrets Manager cannot be had: "),
                "{cause:?}"
            );
            assert!(!format!("{cause:?}").contains("canary"));
        }
    }
}
