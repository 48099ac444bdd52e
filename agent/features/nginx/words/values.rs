//! Values: amounts, headers, statuses.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use super::{is_one_line, quoted};
use crate::terms::TextOrNumber;

/// An amount of bytes in nginx's words: a number with `k`, `m` or `g`, such as `20m`; `0` where it means no limit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(extend("pattern" = r"^\d+[kmgKMG]?$"))]
#[schemars(rename = "NginxSize")]
pub struct Buffer(String);

impl Buffer {
    /// An amount known to the program.
    pub fn known(text: &'static str) -> Self {
        Self(text.to_owned())
    }

    /// The word.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Buffer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        crate::terms::from_text(deserializer, "a size in quotes, such as \"20m\"")
    }
}

impl TryFrom<String> for Buffer {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let number = text.strip_suffix(['k', 'm', 'g', 'K', 'M', 'G']).unwrap_or(&text);
        if (1..=12).contains(&number.len()) && number.bytes().all(|b| b.is_ascii_digit()) {
            return Ok(Self(text));
        }
        Err(format!("`{text}` is not a size\nhint: a number with `k`, `m` or `g`, such as `\"20m\"`"))
    }
}

/// The name of a header: letters, digits, `-` and `_`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(extend("pattern" = r"^[A-Za-z0-9_-]+$"))]
pub struct HeaderName(String);

impl HeaderName {
    /// A header known to the program.
    pub fn known(name: &'static str) -> Self {
        Self(name.to_owned())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether they are the same header: case does not count.
    pub fn is(&self, other: &str) -> bool {
        self.0.eq_ignore_ascii_case(other)
    }
}

impl TryFrom<String> for HeaderName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_')) {
            return Ok(Self(text));
        }
        Err(format!(
            "`{}` is not the name of a header\nhint: letters, digits, `-` and `_`, such as `X-Robots-Tag`",
            text.escape_debug()
        ))
    }
}

/// The value of a header, on one line; nginx's variables (`$request_id`) may be in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
pub struct HeaderValue(String);

impl HeaderValue {
    /// A value that the program makes.
    pub fn made(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The value as a word of a directive.
    pub fn word(&self) -> String {
        quoted_unless_variable(&self.0)
    }
}

/// Values are quoted as people do; a lone variable is not.
fn quoted_unless_variable(text: &str) -> String {
    let lone = text.strip_prefix('$').is_some_and(|name| name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'));
    if lone { text.to_owned() } else { quoted(text) }
}

impl TryFrom<String> for HeaderValue {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if is_one_line(&text) {
            return Ok(Self(text));
        }
        Err("the value of a header has more than one line\nhint: keep it on one line".to_owned())
    }
}

/// Text that an answer consists of, or that is logged; nginx's variables may be in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(rename = "NginxText")]
pub struct Text(String);

impl Text {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Text {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if text.chars().all(|c| !c.is_control() || matches!(c, '\n' | '\r' | '\t')) {
            return Ok(Self(text));
        }
        Err("control characters other than line ends and tabs cannot stand here\nhint: take them out".to_owned())
    }
}

/// A status that an answer may have: 200 to 599, and nginx's own 444 (no answer at all).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "u16")]
#[schemars(extend("minimum" = 200, "maximum" = 599))]
pub struct StatusCode(u16);

impl StatusCode {
    /// The number.
    pub fn code(self) -> u16 {
        self.0
    }

    /// Whether it leads elsewhere.
    pub fn redirects(self) -> bool {
        matches!(self.0, 301 | 302 | 303 | 307 | 308)
    }
}

impl TryFrom<u16> for StatusCode {
    type Error = String;

    fn try_from(code: u16) -> Result<Self, String> {
        if (200..600).contains(&code) {
            return Ok(Self(code));
        }
        Err(format!(
            "{code} is not a status to answer with\nhint: 200 to 599, such as 204 or 404; 444 closes without an answer"
        ))
    }
}

/// How many requests in a second or minute: `20r/s`, `30r/m`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(extend("pattern" = r"^[1-9]\d*r/[sm]$"))]
#[schemars(rename = "NginxRate")]
pub struct Rate(String);

impl Rate {
    /// The word.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Rate {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let number = text.strip_suffix("r/s").or_else(|| text.strip_suffix("r/m")).unwrap_or_default();
        let digits = (1..=6).contains(&number.len()) && number.bytes().all(|byte| byte.is_ascii_digit());
        if digits && !number.starts_with('0') {
            return Ok(Self(text));
        }
        Err(format!(
            "`{}` is not a rate\nhint: requests in a second or minute, such as `\"20r/s\"`",
            text.escape_debug()
        ))
    }
}

/// When a request goes on to the next server, as in nginx's `proxy_next_upstream`: `error`, `timeout`, `invalid_header`,
/// `http_500`, `http_502`, `http_503`, `http_504`, `http_403`, `http_404`, `http_429`, `non_idempotent`, or `off`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(extend("pattern" = r"^[a-z_0-9]+$"))]
#[schemars(rename = "NginxNextUpstream")]
pub struct NextUpstream(String);

impl NextUpstream {
    /// The word.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for NextUpstream {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        const WORDS: [&str; 12] = [
            "error",
            "timeout",
            "invalid_header",
            "http_500",
            "http_502",
            "http_503",
            "http_504",
            "http_403",
            "http_404",
            "http_429",
            "non_idempotent",
            "off",
        ];
        if WORDS.contains(&text.as_str()) {
            return Ok(Self(text));
        }
        Err(format!(
            "`{}` is no reason to ask the next server\nhint: one of `{}`",
            text.escape_debug(),
            WORDS.join("`, `")
        ))
    }
}

/// How many worker processes: a number, or `auto` for one a processor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "TextOrNumber")]
#[schemars(with = "TextOrNumber")]
pub struct WorkerProcesses(String);

impl WorkerProcesses {
    /// One a processor.
    pub fn auto() -> Self {
        Self("auto".to_owned())
    }

    /// The word.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<TextOrNumber> for WorkerProcesses {
    type Error = String;

    fn try_from(TextOrNumber(text): TextOrNumber) -> Result<Self, String> {
        if text == "auto" || text.parse::<u16>().is_ok_and(|count| (1..=1024).contains(&count)) {
            return Ok(Self(text));
        }
        Err(format!("`{text}` is not a number of worker processes\nhint: `\"auto\"` for one a processor, or 1 to 1024"))
    }
}

#[cfg(test)]
mod tests {
    use super::super::all;
    use super::*;

    #[test]
    fn every_value_has_its_rule() {
        all::<Buffer>(&["0", "8k", "20M", "1g"], &["", "20mb", "m", "1.5m", "20m;", "20 m"]);
        all::<HeaderName>(&["X-Robots-Tag", "x_y"], &["", "X Y", "X:", "X\n", "X;"]);
        all::<HeaderValue>(&["", "a; b", "say \"hi\"", "$request_id"], &["a\nb", "a\0"]);
        all::<Rate>(&["1r/s", "20r/s", "30r/m"], &["", "20", "0r/s", "20r/h", "20 r/s", "r/s", "20r/s;"]);
        all::<NextUpstream>(&["error", "http_503", "off"], &["", "http_418", "error;", "Error"]);
        all::<Text>(&["", "ok\n"], &["a\0"]);
    }

    #[test]
    fn a_lone_variable_stands_without_quotes() {
        assert_eq!(HeaderValue("$request_id".into()).word(), "$request_id");
        assert_eq!(HeaderValue("id $request_id".into()).word(), "\"id $request_id\"");
        assert_eq!(HeaderValue("no-cache".into()).word(), "\"no-cache\"");
    }
}
