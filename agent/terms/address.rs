//! Where something is that is not on this host.

use std::fmt;

/// The address of a text that a service has.
///
/// Two addresses of one thing are two: what is kept of one is not what is kept of the other.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Address {
    /// `s3://BUCKET/KEY`
    S3 {
        /// The bucket.
        bucket: String,
        /// The key of the object, as it is: nothing in it is decoded.
        key: String,
    },
    /// `ssm:/PATH`, also with a version or label after a colon.
    Ssm(String),
    /// `https://…`
    Https(String),
}

/// What is to be had at an address.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Remote {
    /// Where.
    pub address: Address,
    /// The SHA-256 of every byte of it, in lower-case hex, if that is known beforehand.
    pub sha256: Option<String>,
}

impl Address {
    /// Whether a text is meant to be an address, a wrong one perhaps, and not a name.
    pub fn is_meant(text: &str) -> bool {
        text.contains("://") || text.starts_with("ssm:")
    }

    /// The whole address, by which one is told from another. A query may be a signature: it is not for people.
    pub fn whole(&self) -> String {
        match self {
            Self::S3 { bucket, key } => format!("s3://{bucket}/{key}"),
            Self::Ssm(path) => format!("ssm:{path}"),
            Self::Https(url) => url.clone(),
        }
    }
}

impl TryFrom<&str> for Address {
    type Error = String;

    fn try_from(text: &str) -> Result<Self, String> {
        let (scheme, rest) = text.split_once(':').unwrap_or((text, ""));
        match scheme.to_ascii_lowercase().as_str() {
            "s3" => s3(text, rest),
            "ssm" => ssm(text, rest),
            "https" => https(text, rest),
            "http" => Err(format!(
                "`{text}` is not protected on its way\nhint: use `https://`, `s3://BUCKET/KEY` or `ssm:/PATH`"
            )),
            _ => Err(format!("`{text}` is no address\nhint: use `s3://BUCKET/KEY`, `ssm:/PATH` or `https://…`")),
        }
    }
}

/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html>
fn s3(text: &str, rest: &str) -> Result<Address, String> {
    let (bucket, key) = rest.strip_prefix("//").and_then(|rest| rest.split_once('/')).unwrap_or_default();
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let is_bucket = (3..=63).contains(&bucket.len())
        && bucket.chars().all(|c| is_plain(c) || matches!(c, '-' | '.'))
        && bucket.starts_with(is_plain)
        && bucket.ends_with(is_plain);
    if is_bucket && (1..=1024).contains(&key.len()) && !key.contains(char::is_control) {
        Ok(Address::S3 { bucket: bucket.to_owned(), key: key.to_owned() })
    } else {
        Err(format!("`{text}` names no object of S3\nhint: write `s3://BUCKET/KEY`, such as `s3://recipes/web.toml`"))
    }
}

/// <https://docs.aws.amazon.com/systems-manager/latest/userguide/sysman-paramstore-su-create.html>
fn ssm(text: &str, path: &str) -> Result<Address, String> {
    let (name, version) = path.split_once(':').map_or((path, None), |(name, version)| (name, Some(version)));
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    let is_name = name.strip_prefix('/').is_some_and(|rest| {
        !rest.is_empty() && name.len() <= 1011 && rest.split('/').all(|part| !part.is_empty() && part.chars().all(fits))
    });
    if is_name && version.is_none_or(|word| !word.is_empty() && word.chars().all(fits)) {
        Ok(Address::Ssm(path.to_owned()))
    } else {
        Err(format!("`{text}` names no parameter\nhint: write `ssm:/PATH`, such as `ssm:/hostagent/web`"))
    }
}

fn https(text: &str, rest: &str) -> Result<Address, String> {
    let host = rest.strip_prefix("//").and_then(|rest| rest.split(['/', '?', '#']).next()).unwrap_or_default();
    if host.is_empty() || text.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Err(format!("`{text}` is no URL\nhint: write it as `https://example.org/web.toml`"));
    }
    if host.contains('@') {
        let says = "the URL holds a user name or password";
        return Err(format!("{says}\nhint: use an address that needs none, or `s3://BUCKET/KEY`"));
    }
    Ok(Address::Https(text.to_owned()))
}

/// For people: without what may be a signature.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Https(url) => f.write_str(url.split(['?', '#']).next().unwrap_or_default()),
            other => f.write_str(&other.whole()),
        }
    }
}

impl fmt::Display for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.address.fmt(f)
    }
}

/// The SHA-256 that a text is, in lower case; `None` if it is none.
pub fn sha256(text: &str) -> Option<String> {
    let is_one = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_one.then(|| text.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_as_it_was_meant() {
        let s3 = |bucket: &str, key: &str| Address::S3 { bucket: bucket.to_owned(), key: key.to_owned() };
        for (text, wanted) in [
            ("s3://recipes/web.toml", s3("recipes", "web.toml")),
            ("s3://my.recipes-1/a/b c%20d?e.toml", s3("my.recipes-1", "a/b c%20d?e.toml")),
            ("ssm:/hostagent/web", Address::Ssm("/hostagent/web".to_owned())),
            ("ssm:/hostagent/web:prod", Address::Ssm("/hostagent/web:prod".to_owned())),
            ("https://example.org/web.toml", Address::Https("https://example.org/web.toml".to_owned())),
        ] {
            let address = Address::try_from(text).unwrap();
            assert_eq!((&address, address.whole().as_str()), (&wanted, text));
            assert!(Address::is_meant(text));
        }
    }

    #[test]
    fn what_is_no_address_is_refused_with_what_to_write() {
        for (text, says) in [
            ("s3://recipes", "`s3://recipes` names no object of S3"),
            ("s3://recipes/", "`s3://recipes/` names no object of S3"),
            ("s3://Recipes/web.toml", "`s3://Recipes/web.toml` names no object of S3"),
            ("s3:recipes/web.toml", "`s3:recipes/web.toml` names no object of S3"),
            ("ssm://hostagent/web", "`ssm://hostagent/web` names no parameter"),
            ("ssm:web", "`ssm:web` names no parameter"),
            ("ssm:/web:", "`ssm:/web:` names no parameter"),
            ("https:///web.toml", "`https:///web.toml` is no URL"),
            ("https://me:pw@example.org/", "the URL holds a user name or password"),
            ("http://example.org/", "`http://example.org/` is not protected on its way"),
            ("ftp://example.org/", "`ftp://example.org/` is no address"),
        ] {
            let refused = Address::try_from(text).unwrap_err();
            let (said, hint) = refused.split_once("\nhint: ").unwrap();
            assert_eq!(said, says);
            assert!(!hint.is_empty());
        }
        assert!(!Address::is_meant("nano"));
    }

    #[test]
    fn a_signature_in_a_url_is_not_shown() {
        let url = "https://b.s3.amazonaws.com/web.toml?X-Amz-Signature=abc";
        let address = Address::try_from(url).unwrap();
        assert_eq!(address.to_string(), "https://b.s3.amazonaws.com/web.toml");
        assert_eq!(address.whole(), url);
    }

    #[test]
    fn a_digest_has_64_digits() {
        let upper = "AB".repeat(32);
        assert_eq!(sha256(&upper), Some("ab".repeat(32)));
        assert_eq!(sha256("ab"), None);
        assert_eq!(sha256(&"zz".repeat(32)), None);
    }
}
