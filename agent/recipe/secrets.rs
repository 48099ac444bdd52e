//! What must not be seen of a recipe: secrets do not belong there, yet it happens, and a report of problems goes to logs.

use super::document::{Node, Table, Value};
use crate::problem::{Sources, Span};

/// How the name of a secret ends.
const ENDINGS: [&str; 14] = [
    "password",
    "passwd",
    "passphrase",
    "passwort",
    "pass",
    "pwd",
    "secret",
    "secrets",
    "token",
    "credentials",
    "authorization",
    "privatekey",
    "apikey",
    "hmac",
];

/// Words whose slips of the pen are secrets too, and how many slips are forgiven.
const MEANT: [(&str, usize); 3] = [("password", 2), ("passphrase", 3), ("secret", 1)];

/// Where a secret is to be had: these are not secret themselves.
const REFERENCES: [&str; 5] = ["file", "path", "ssm", "secretsmanager", "key"];

/// Whether what stands under this key is likely a secret, also when the key is mistyped.
pub(super) fn is_secret(key: &str) -> bool {
    let lower = key.to_lowercase();
    let words = || lower.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    let whole: String = words().collect();
    // A hash of a password can be tried at leisure.
    let name = whole.strip_suffix("hash").unwrap_or(&whole);
    let last = words().rfind(|word| *word != "hash").unwrap_or_default();
    ENDINGS.iter().any(|ending| name.ends_with(ending))
        || MEANT.iter().any(|(word, slips)| strsim::osa_distance(last, word) <= *slips)
}

/// Keeps every scalar below `node` out of cited lines, except where it says where the secret is.
pub(super) fn hide(node: &Node, sources: &mut Sources) {
    match &node.value {
        Value::String(_) | Value::Integer(_) | Value::Float(_) => sources.hide(&node.span),
        Value::Array(elements) => elements.iter().for_each(|element| hide(element, sources)),
        Value::Table(table) => {
            let secret = table.iter().filter(|(key, _)| !REFERENCES.contains(&key.as_str()) && *key != "generate");
            let words = ["required", "about"];
            secret.filter(|(key, _)| !words.contains(&key.as_str())).for_each(|(_, it)| hide(&it.value, sources));
        }
        Value::Bool(_) | Value::Withheld => {}
    }
}

/// Keeps the content of a file that says `secret = true` out of cited lines.
pub(super) fn hide_content(table: &Table, sources: &mut Sources) {
    if table.get("secret").is_some_and(|it| it.value.value == Value::Bool(true))
        && let Some(content) = table.get("content")
    {
        hide(&content.value, sources);
    }
}

/// Keeps the user and password of a URL out of cited lines.
pub(super) fn hide_in_url(string: &Span, sources: &mut Sources) {
    let text = sources.text(string);
    let secret = text.find("://").and_then(|at| {
        let start = at + "://".len();
        let place = text.get(start..)?.split(['/', '"', '\'', ' ']).next()?;
        let end = place.rfind('@')?;
        place.get(..end)?.contains(':').then_some(start..start + end)
    });
    if let Some(range) = secret {
        let start = string.range.start;
        sources.hide(&Span::new(string.source, start + range.start..start + range.end));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::{Problem, Problems, Style};
    use crate::recipe::document::parse;

    #[test]
    fn a_secret_is_known_by_its_key_even_mistyped() {
        for key in [
            "password",
            "db_password",
            "DB-Password",
            "dbPassword",
            "pasword",
            "passwrod",
            "pssword",
            "password_hash",
            "pasword_hash",
            "passphrase",
            "api_token",
            "client-secret",
            "private_key",
            "API_KEY",
            "Authorization",
            "db_pass",
        ] {
            assert!(is_secret(key), "{key}");
        }
        for key in ["name", "password_encryption", "server_tokens", "locked_password_age", "packages", "path", "sever"]
        {
            assert!(!is_secret(key), "{key}");
        }
    }

    #[test]
    fn no_line_with_a_secret_is_cited_with_it() {
        let text = "\
pasword = 'hunter2'
password = [\"hunter2\", 1234]
token = { value = \"hunter2\", file = \"/run/there\" }
secret = { required = \"what it is\", default = \"hunter2\" }
file = { content = \"hunter2\", secret = true }
uris = [\"https://me:hunter2@example.org/debian\"]
";
        let mut problems = Problems::default();
        let source = problems.sources_mut().add("r.toml", text);
        parse(source, text, &mut problems).unwrap();
        let mut at = 0;
        for line in text.lines() {
            problems.push(Problem::new(Span::new(source, at..at + 1), "wrong"));
            at += line.len() + 1;
        }
        let shown = problems.render(Style::Plain);
        assert!(!shown.contains("hunter2") && !shown.contains("1234"), "{shown}");
        assert!(
            shown.contains("/run/there") && shown.contains("what it is") && shown.contains("@example.org"),
            "{shown}"
        );
    }
}
