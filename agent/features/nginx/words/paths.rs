//! Paths and URLs: of files, of requests, of answers.

use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{is_one_line, is_plain, word};
use crate::terms::AbsolutePath;

/// The absolute path of a file or directory that nginx reads; without `$`, which nginx would take for a variable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(extend("pattern" = r"^/[^$]*$"))]
pub struct ConfigPath(String);

impl ConfigPath {
    /// The path.
    pub fn as_path(&self) -> &Path {
        Path::new(&self.0)
    }

    /// The path as a word of a directive.
    pub fn word(&self) -> String {
        word(&self.0)
    }
}

impl TryFrom<String> for ConfigPath {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let path = String::from(AbsolutePath::try_from(text)?);
        if is_one_line(&path) && !path.contains('$') {
            return Ok(Self(path));
        }
        Err(format!(
            "`{}` is not a path that nginx can read\nhint: without `$` and control characters",
            path.escape_debug()
        ))
    }
}

/// Which requests a location takes, in nginx's forms: `/api/` (what begins with it), `= /api` (exactly it), `^~ /api/`
/// (what begins with it, before any regular expression), `~ \.php$` and `~* \.jpg$` (a regular expression, `~*` in any
/// case), `@name` (none; others lead there).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(extend("pattern" = r"^(/|= ?/|\^~ ?/|~\*? ?.|@\w)"))]
pub struct LocationPath {
    modifier: String,
    path: String,
}

impl LocationPath {
    /// Everything that no other location takes.
    pub fn root() -> Self {
        Self { modifier: String::new(), path: "/".to_owned() }
    }

    /// The words after `location`.
    pub fn words(&self) -> String {
        let path = word(&self.path);
        if self.modifier.is_empty() { path } else { format!("{} {path}", self.modifier) }
    }

    /// What requests begin with, if that is how it chooses.
    pub fn prefix(&self) -> Option<&str> {
        (matches!(self.modifier.as_str(), "" | "^~") && self.path.starts_with('/')).then_some(self.path.as_str())
    }
}

impl TryFrom<String> for LocationPath {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let modifiers = ["^~", "~*", "~", "="];
        let modifier = modifiers.into_iter().find(|modifier| text.starts_with(modifier)).unwrap_or("");
        let path = text.strip_prefix(modifier).unwrap_or(&text).trim_start();
        let fits = match modifier {
            "~" | "~*" => !path.is_empty(),
            "" if path.starts_with('@') => {
                path.len() > 1 && path.chars().skip(1).all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'))
            }
            _ => path.starts_with('/'),
        };
        if fits && is_one_line(path) {
            return Ok(Self { modifier: modifier.to_owned(), path: path.to_owned() });
        }
        Err(format!(
            "`{}` is not the path of a location\nhint: such as `/api/`, `= /health`, `~ \\.php$` or `@fallback`",
            text.escape_debug()
        ))
    }
}

/// A path within a site, such as `/assets/`: begins with `/`; plain characters, no variables.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(extend("pattern" = r"^/"))]
pub struct UrlPath(String);

impl UrlPath {
    /// A path known to the program.
    pub fn known(path: &'static str) -> Self {
        Self(path.to_owned())
    }

    /// The path.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for UrlPath {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if text.starts_with('/') && is_plain(&text) && !text.contains(['$', '?']) {
            return Ok(Self(text));
        }
        Err(format!(
            "`{}` is not a path within the site\nhint: it begins with `/` and has no space, `$` or `?`, such as `/assets/`",
            text.escape_debug()
        ))
    }
}

/// A fixed address to send people to: `https://` or `http://`, a host, perhaps a path. No variables.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(extend("pattern" = r"^https?://[^\s$]+$"))]
pub struct Url(String);

impl Url {
    /// The address; with `$request_uri` where it names a host alone, so that path and query are kept.
    pub fn keeping_request(&self) -> String {
        let host = self.0.strip_suffix('/').unwrap_or(&self.0);
        let bare = host.split_once("://").is_some_and(|(_, rest)| !rest.contains(['/', '?']));
        if bare { format!("{host}$request_uri") } else { self.0.clone() }
    }
}

impl TryFrom<String> for Url {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")).unwrap_or_default();
        if host.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '[') && is_plain(&text) && !text.contains('$') {
            return Ok(Self(text));
        }
        let hint = if text.contains('$') {
            "without variables: the path and query of the request are kept where it names a host alone"
        } else {
            "such as `https://www.example.org`"
        };
        Err(format!("`{}` is not an address to redirect to\nhint: {hint}", text.escape_debug()))
    }
}

/// Where an answer leads: a URL or a path, variables allowed, such as `https://example.org$request_uri`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(extend("pattern" = r"^(https?://|\$scheme://|/)\S*$"))]
#[schemars(rename = "NginxTarget")]
pub struct Target(String);

impl Target {
    /// The words.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Target {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let begins = ["https://", "http://", "$scheme://", "/"].iter().any(|start| text.starts_with(start));
        if begins && is_plain(&text) {
            return Ok(Self(text));
        }
        Err(format!(
            "`{}` leads nowhere\nhint: a URL or a path, such as `https://example.org$request_uri` or `/login`",
            text.escape_debug()
        ))
    }
}

/// What stands in for an error: a path of the site (`/404.html`), a named location (`@fallback`) or a URL.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(extend("pattern" = r"^(/|@|https?://)\S*$"))]
pub struct ErrorPage(String);

impl ErrorPage {
    /// The words.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for ErrorPage {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let begins = ["/", "@", "https://", "http://"].iter().any(|start| text.starts_with(start));
        if begins && is_plain(&text) {
            return Ok(Self(text));
        }
        Err(format!(
            "`{}` is not a page for errors\nhint: such as `/404.html`, `@fallback` or a URL",
            text.escape_debug()
        ))
    }
}

/// Statuses of errors, one or several with a space between: `404`, `500 502 503 504`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(extend("pattern" = r"^[345]\d\d( [345]\d\d)*$"))]
pub struct StatusCodes(String);

impl StatusCodes {
    /// The words.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for StatusCodes {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let fits = |code: &str| {
            code.len() == 3 && code.parse::<u16>().is_ok_and(|number| (300..600).contains(&number) && number != 499)
        };
        if !text.is_empty() && text.split(' ').all(fits) {
            return Ok(Self(text));
        }
        Err(format!(
            "`{}` is not a list of statuses\nhint: 300 to 599 with a space between, such as `404` or `\"500 502 503 504\"`",
            text.escape_debug()
        ))
    }
}

/// What `try_files` tries: a file (`$uri`), a directory (`$uri/`), and last a path, a named location or a status (`=404`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(extend("pattern" = r"^[/$@=]\S*$"))]
pub struct TryFile(String);

impl TryFile {
    /// The word.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for TryFile {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if text.starts_with(['/', '$', '@', '=']) && is_plain(&text) {
            return Ok(Self(text));
        }
        Err(format!(
            "`{}` is nothing that `try_files` can try\nhint: one entry each, such as `[\"$uri\", \"$uri/\", \"=404\"]`",
            text.escape_debug()
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_keeps_its_form_and_cannot_end_early() {
        let location = |text: &str| LocationPath::try_from(text.to_owned());
        for (text, words) in [
            ("/api/", "/api/"),
            ("= /health", "= /health"),
            ("=/health", "= /health"),
            ("^~ /assets/", "^~ /assets/"),
            (r"~ \.php$", r#"~ "\.php$""#),
            (r"~* \.(?:jpg|png)$", r#"~* "\.(?:jpg|png)$""#),
            ("@fallback", "@fallback"),
            ("/a b/", "\"/a b/\""),
            ("/x { } ; y", "\"/x { } ; y\""),
            ("~ ^/[0-9]{3}$", "~ \"^/[0-9]{3}$\""),
        ] {
            assert_eq!(location(text).unwrap().words(), words);
        }
        for wrong in ["", "api", "=", "= api", "~", "@", "@a b", "/a\nb", "^~"] {
            assert!(location(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_redirect_to_a_host_keeps_the_request() {
        let url = |text: &str| Url::try_from(text.to_owned());
        for (text, words) in [
            ("https://www.example.org", "https://www.example.org$request_uri"),
            ("https://www.example.org/", "https://www.example.org$request_uri"),
            ("https://www.example.org/new", "https://www.example.org/new"),
            ("https://www.example.org?x=1", "https://www.example.org?x=1"),
        ] {
            assert_eq!(url(text).unwrap().keeping_request(), words);
        }
        for wrong in
            ["www.example.org", "https://", "https://a b", "https://$host", "ftp://a", "https://a;b", "https:///x"]
        {
            assert!(url(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn files_pages_and_statuses_stay_one_word() {
        assert_eq!(ConfigPath::try_from("/srv/my site/".to_owned()).unwrap().word(), "\"/srv/my site\"");
        assert!(ConfigPath::try_from("/srv/$host".to_owned()).is_err());
        assert!(
            StatusCodes::try_from("500 502".to_owned()).is_ok() && StatusCodes::try_from("500;".to_owned()).is_err()
        );
        assert!(
            ErrorPage::try_from("/50x.html;".to_owned()).is_err() && TryFile::try_from("$uri /x".to_owned()).is_err()
        );
    }
}
