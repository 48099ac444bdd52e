//! Places: where nginx logs, and where it keeps answers.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::is_plain;

/// Where requests are logged, as in nginx's `access_log`: a path and perhaps the name of a format and parameters
/// (`/var/log/nginx/api.log main buffer=16k flush=5s`), `syslog:server=…`, or `off`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(extend("pattern" = r"^(off$|/|syslog:)"))]
pub struct AccessLog(String);

impl AccessLog {
    /// nginx's own on Debian.
    pub fn usual() -> Self {
        Self("/var/log/nginx/access.log".to_owned())
    }

    /// The words.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for AccessLog {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let begins = text == "off" || text.starts_with('/') || text.starts_with("syslog:");
        if begins && text.split(' ').all(is_plain) {
            return Ok(Self(text));
        }
        Err(format!(
            "`{}` is no place to log requests to\nhint: such as `/var/log/nginx/api.log`, `/var/log/nginx/api.log main buffer=16k`, `syslog:server=unix:/dev/log` or `off`",
            text.escape_debug()
        ))
    }
}

/// Where nginx logs its troubles, as in its `error_log`: a path, `stderr` or `syslog:server=…`, and perhaps a level from
/// `debug` to `emerg`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(extend("pattern" = r"^(stderr|/\S+|syslog:\S+)( (debug|info|notice|warn|error|crit|alert|emerg))?$"))]
pub struct ErrorLog(String);

impl ErrorLog {
    /// nginx's own on Debian.
    pub fn usual() -> Self {
        Self("/var/log/nginx/error.log".to_owned())
    }

    /// The words.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The file, if it is one.
    pub fn path(&self) -> Option<&str> {
        self.0.split(' ').next().filter(|path| path.starts_with('/'))
    }
}

impl TryFrom<String> for ErrorLog {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        const LEVELS: [&str; 8] = ["debug", "info", "notice", "warn", "error", "crit", "alert", "emerg"];
        let mut words = text.split(' ');
        let place = words.next().unwrap_or_default();
        let begins = place == "stderr" || place.starts_with('/') || place.starts_with("syslog:");
        if begins
            && is_plain(place)
            && words.next().is_none_or(|level| LEVELS.contains(&level))
            && words.next().is_none()
        {
            return Ok(Self(text));
        }
        Err(format!(
            "`{}` is no place to log errors to\nhint: a path and perhaps a level, such as `/var/log/nginx/error.log warn`; `stderr` goes to the journal",
            text.escape_debug()
        ))
    }
}

/// A cache of answers, as in nginx's `proxy_cache_path`: a directory and parameters, of which `keys_zone=NAME:SIZE` is
/// needed; such as `/var/cache/nginx levels=1:2 keys_zone=main:10m max_size=1g`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(extend("pattern" = r"^/\S+ .*keys_zone=\S+"))]
pub struct CachePath(String);

impl CachePath {
    /// The words.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for CachePath {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if text.starts_with('/') && text.contains(" keys_zone=") && text.split(' ').all(is_plain) {
            return Ok(Self(text));
        }
        Err(format!(
            "`{}` is not a cache\nhint: a directory and its zone, such as `/var/cache/nginx keys_zone=main:10m max_size=1g`",
            text.escape_debug()
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::super::all;
    use super::*;

    #[test]
    fn every_place_has_its_rule() {
        all::<AccessLog>(
            &["off", "/var/log/a.log", "/var/log/a.log main buffer=16k", "syslog:server=unix:/dev/log"],
            &["", "on", "a.log", "/a;", "/a b;c", "off main", "/a  b"],
        );
        all::<ErrorLog>(
            &["stderr", "/a.log warn", "syslog:server=10.0.0.1 error"],
            &["", "a.log", "/a.log loud", "/a warn x", "/a;b"],
        );
        all::<CachePath>(
            &["/var/cache/nginx keys_zone=main:10m"],
            &["", "/var/cache/nginx", "x keys_zone=a:1m", "/x keys_zone=a:1m;"],
        );
    }
}
