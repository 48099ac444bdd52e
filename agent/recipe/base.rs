//! What `base` may say: the name of a recipe of this host, or the address of one elsewhere.
//!
//! ```toml
//! base = "nano"                                               # beside this recipe, or of the image
//! base = "s3://recipes/web.toml"                              # what is there now
//! base = "ssm:/hostagent/web"
//! base = { url = "https://example.org/web.toml", sha256 = "9f86d08…" }   # exactly this
//! ```
//! With a digest it is always the same text, wherever it comes from. HTTPS alone says only who has sent it, so there the
//! digest must be given.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::document::{Entry, Node, Value};
use crate::problem::{Problem, Problems, Span};
use crate::terms::{Address, Remote, sha256};

/// How `base` is written, for the schema; it is read before the tables are.
#[derive(Debug)]
pub(super) struct Written;

impl JsonSchema for Written {
    fn schema_name() -> Cow<'static, str> {
        "Base".into()
    }

    /// Beside the key: what is a definition may be woven and unset, and this may not.
    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [{ "type": "string" }, {
            "type": "object",
            "properties": {
                "url": {
                    "type": "string",
                    "description": "`s3://BUCKET/KEY`, `ssm:/PATH` or `https://…`.",
                },
                "sha256": {
                    "type": "string",
                    "pattern": "^[0-9a-fA-F]{64}$",
                    "description": "SHA-256 of every byte of it, in hexadecimal. Needed for `https://…`. A base that has \
                                    one is fetched once.",
                },
            },
            "required": ["url"],
            "additionalProperties": false,
        }] })
    }
}

/// What a recipe extends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Base {
    /// A recipe of this host, by its name.
    Named(String),
    /// One elsewhere.
    Remote(Remote),
}

impl fmt::Display for Base {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Named(name) => f.write_str(name),
            Self::Remote(remote) => remote.fmt(f),
        }
    }
}

const FORMS: &str =
    "write `base = \"NAME\"`, `\"s3://BUCKET/KEY\"`, `\"ssm:/PATH\"` or `{ url = \"https://…\", sha256 = \"…\" }`";

/// Reads the value of `base`; `None` when it is wrong, and that is noted.
pub(super) fn read(node: &Node, problems: &mut Problems) -> Option<Base> {
    match &node.value {
        Value::String(text) if text.contains("{{") => problem(problems, &node.span, woven()),
        Value::String(text) if Address::is_meant(text) => {
            let address = address(text, &node.span, problems)?;
            remote(address, None, &node.span, problems)
        }
        Value::String(name) => Some(Base::Named(name.clone())),
        Value::Table(_) => pinned(node, problems),
        Value::Withheld => None,
        _ => problem(problems, &node.span, ("expected the name or the address of a base".to_owned(), FORMS.to_owned())),
    }
}

fn pinned(node: &Node, problems: &mut Problems) -> Option<Base> {
    let table = node.table()?;
    let strange = table.iter().find(|(key, _)| !["url", "sha256"].contains(&key.as_str()));
    if let Some((key, entry)) = strange {
        let found = Problem::new(&entry.key, format!("unknown key `{key}` in `base`"));
        problems.push(found.hint(FORMS).did_you_mean(key, ["url", "sha256"]));
        return None;
    }
    let Some(url) = table.get("url") else {
        return problem(problems, &node.span, ("the base has no `url`".to_owned(), FORMS.to_owned()));
    };
    let words = |entry: &Entry| entry.value.string().map(str::to_owned);
    let Some(text) = words(url) else {
        return problem(problems, &url.value.span, ("expected an address, in quotes".to_owned(), FORMS.to_owned()));
    };
    if text.contains("{{") {
        return problem(problems, &url.value.span, woven());
    }
    let address = address(&text, &url.value.span, problems)?;
    let digest = match table.get("sha256") {
        None => None,
        Some(entry) => {
            let digest = words(entry).as_deref().and_then(sha256);
            if digest.is_none() {
                let hint = "64 hexadecimal digits, as `sha256sum` prints them".to_owned();
                return problem(problems, &entry.value.span, ("not a SHA-256".to_owned(), hint));
            }
            digest
        }
    };
    remote(address, digest, &url.value.span, problems)
}

fn remote(address: Address, sha256: Option<String>, span: &Span, problems: &mut Problems) -> Option<Base> {
    if matches!(address, Address::Https(_)) && sha256.is_none() {
        let says = format!("nothing says what must come from `{address}`");
        let hint = format!("write `base = {{ url = \"{address}\", sha256 = \"…\" }}`, as `sha256sum` prints it");
        return problem(problems, span, (says, hint));
    }
    Some(Base::Remote(Remote { address, sha256 }))
}

fn address(text: &str, span: &Span, problems: &mut Problems) -> Option<Address> {
    match Address::try_from(text) {
        Ok(address) => Some(address),
        Err(words) => {
            let (says, hint) = words.split_once("\nhint: ").unwrap_or((&words, FORMS));
            problem(problems, span, (says.to_owned(), hint.to_owned()))
        }
    }
}

fn woven() -> (String, String) {
    ("a base is read before variables are known".to_owned(), "write its name out".to_owned())
}

fn problem<T>(problems: &mut Problems, span: &Span, (says, hint): (String, String)) -> Option<T> {
    problems.push(Problem::new(span, says).hint(hint));
    None
}
