//! Names: of sites, upstreams, servers.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The name of a site, and of its file without `.conf`: letters, digits, `.`, `_` and `-`, beginning with a letter or
/// digit, at most 64.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(extend("pattern" = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"))]
pub struct SiteName(String);

impl SiteName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for SiteName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if is_label(&text) {
            return Ok(Self(text));
        }
        Err(format!(
            "`{text}` is not a name for a site\nhint: it names a file: at most 64 letters, digits, `.`, `_` and `-`, such as `api`"
        ))
    }
}

impl fmt::Display for SiteName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The name of a group of servers: letters, digits, `.`, `_` and `-`. Ids such as `app:bingo` and `container:bingo` are
/// kept for what brings a group in later versions; nothing does in this one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(extend("pattern" = r"^((app|container):)?[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"))]
pub struct UpstreamName(String);

impl UpstreamName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is the id of a resource that brings the group.
    pub fn is_id(&self) -> bool {
        self.0.contains(':')
    }

    /// Its name in the configuration, where a colon would begin a port.
    pub fn in_config(&self) -> String {
        self.0.replace(':', "_")
    }
}

impl TryFrom<String> for UpstreamName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let (kind, name) = text.split_once(':').unwrap_or(("app", &text));
        if is_label(name) && matches!(kind, "app" | "container") {
            return Ok(Self(text));
        }
        Err(format!(
            "`{text}` is not a name for an upstream\nhint: letters, digits, `.`, `_` and `-`, such as `backend`"
        ))
    }
}

impl fmt::Display for UpstreamName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A plain name, of a file or a log format: letters, digits, `.`, `_` and `-`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(extend("pattern" = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"))]
#[schemars(rename = "NginxName")]
pub struct Name(String);

impl Name {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Name {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if is_label(&text) {
            return Ok(Self(text));
        }
        Err(format!(
            "`{}` is not a plain name\nhint: at most 64 letters, digits, `.`, `_` and `-`, beginning with a letter or digit",
            text.escape_debug()
        ))
    }
}

fn is_label(text: &str) -> bool {
    text.len() <= 64
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'))
}

/// A name that a site answers to, in nginx's forms: `www.example.org`, `*.example.org`, `www.example.*`,
/// `.example.org`, an address, or a regular expression such as `~^www\d+\.example\.org$`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
pub struct ServerName(String);

impl ServerName {
    /// The name, in lower case unless it is a regular expression.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is exactly one name, which a redirect can lead to.
    pub fn is_exact(&self) -> bool {
        !self.0.contains('*') && !self.0.starts_with(['.', '~', '_'])
    }
}

impl TryFrom<String> for ServerName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if let Some(regex) = text.strip_prefix('~') {
            if !regex.is_empty() && super::is_one_line(regex) {
                return Ok(Self(text));
            }
            return Err("a regular expression for a server name is empty or has more than one line\nhint: such as `~^www\\d+\\.example\\.org$`".into());
        }
        let lower = text.to_ascii_lowercase();
        let name = lower.strip_prefix("*.").or_else(|| lower.strip_prefix('.')).unwrap_or(&lower);
        let body = name.strip_suffix(".*").unwrap_or(name);
        let address = lower.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>().is_ok();
        if address || is_dns(body) {
            return Ok(Self(lower));
        }
        let hint = match &text {
            url if url.contains("://") => "only the name, without `http://` and path",
            port if port.contains(':') => "the name alone; `listen` says the port",
            foreign if !foreign.is_ascii() => "write it as DNS does, in its `xn--` form",
            _ => "such as `www.example.org`, `*.example.org`, `.example.org` or `~^regex$`; one name an entry",
        };
        Err(format!("`{text}` is not a server name\nhint: {hint}"))
    }
}

/// A name that is looked up in the DNS: labels of letters, digits, `_` and `-`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(extend("pattern" = r"^[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})*\.?$"))]
pub struct DnsName(String);

impl DnsName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for DnsName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if is_dns(text.strip_suffix('.').unwrap_or(&text)) {
            return Ok(Self(text));
        }
        let hint = if text.contains(':') { "the name alone; `port` says the port" } else { "such as `api.internal`" };
        Err(format!("`{text}` is not a DNS name\nhint: {hint}"))
    }
}

pub(super) fn is_dns(text: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len()) && label.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'))
    };
    text.len() <= 253 && text.split('.').all(is_label)
}

/// How requests are spread over the servers of a group: `least_conn`, `ip_hash`, `random`, or `hash KEY [consistent]`
/// such as `hash $remote_addr consistent`. Without one they take turns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(extend("pattern" = r"^(least_conn|ip_hash|random|hash \S+( consistent)?)$"))]
pub struct Strategy(String);

impl Strategy {
    /// The directive.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether nginx refuses `backup` servers with it.
    pub fn refuses_backup(&self) -> bool {
        self.0 != "least_conn"
    }
}

impl TryFrom<String> for Strategy {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let words: Vec<&str> = text.split(' ').collect();
        match words.as_slice() {
            ["least_conn" | "ip_hash" | "random"] => Ok(Self(text)),
            ["hash", key] | ["hash", key, "consistent"] if super::is_plain(key) => Ok(Self(text)),
            _ => Err(format!(
                "`{text}` is not a way to spread requests\nhint: `least_conn`, `ip_hash`, `random` or `hash $remote_addr consistent`; without one the servers take turns"
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(text: &str) -> Result<ServerName, String> {
        ServerName::try_from(text.to_owned())
    }

    #[test]
    fn every_form_of_a_server_name_is_taken_and_nothing_breaks_out() {
        for fine in [
            "example.org",
            "*.example.org",
            ".example.org",
            "www.example.*",
            "_",
            "~^www\\d+\\.example\\.org$",
            "10.0.0.1",
            "[::1]",
            "a_b.internal",
        ] {
            assert!(server(fine).is_ok(), "{fine}");
        }
        for wrong in
            ["", "a b", "a;", "a}", "a{", "http://a", "a:80", "a*.org", "münchen.de", "a\n", "a\"", "$host", "*.", "~"]
        {
            assert!(server(wrong).is_err(), "{wrong}");
        }
        assert_eq!(server("API.Example.org").unwrap().as_str(), "api.example.org");
        assert!(server("http://a.org").unwrap_err().ends_with("without `http://` and path"));
    }

    #[test]
    fn a_site_names_a_file_and_no_path() {
        let site = |text: &str| SiteName::try_from(text.to_owned());
        assert!(site("www.example.org").is_ok() && site("api-2").is_ok());
        for wrong in ["", "../x", "a/b", ".hidden", "-x", "a b", "*"] {
            assert!(site(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_strategy_is_one_of_nginx_s() {
        let strategy = |text: &str| Strategy::try_from(text.to_owned());
        assert!(strategy("least_conn").is_ok() && strategy("hash $request_uri consistent").is_ok());
        for wrong in ["round_robin", "hash", "hash $a;", "hash a b", "least_conn "] {
            assert!(strategy(wrong).is_err(), "{wrong}");
        }
    }
}
