//! nginx's quoting, as `ngx_conf_read_token` undoes it: within quotes a backslash counts only before a quote, a
//! backslash, `t`, `r` or `n`.

/// The text in quotes, so that nginx reads exactly it: in double quotes, or in single ones where that needs fewer
/// backslashes. Variables (`$name`) stay variables: nginx has no way to quote those.
pub fn quoted(text: &str) -> String {
    let quote = if text.contains('"') && !text.contains('\'') { '\'' } else { '"' };
    let mut out = String::with_capacity(text.len() + 2);
    out.push(quote);
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            _ if c == quote => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            // Elsewhere it stays single, so that a regular expression reads as it was written.
            '\\' if matches!(rest.peek(), None | Some('"' | '\'' | '\\' | 't' | 'r' | 'n')) => out.push_str("\\\\"),
            _ => out.push(c),
        }
    }
    out.push(quote);
    out
}

/// The text as one word of a directive: in quotes only where it needs them.
pub fn word(text: &str) -> String {
    if super::is_plain(text) { text.to_owned() } else { quoted(text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What nginx makes of a quoted token (`ngx_conf_file.c`).
    fn read(token: &str) -> String {
        let quote = token.chars().next().unwrap();
        let inner = token.strip_prefix(quote).unwrap().strip_suffix(quote).unwrap();
        let (mut out, mut rest) = (String::new(), inner.chars());
        while let Some(c) = rest.next() {
            let next = rest.clone().next();
            match (c, next) {
                ('\\', Some(q @ ('"' | '\'' | '\\'))) => out.push(q),
                ('\\', Some('t')) => out.push('\t'),
                ('\\', Some('r')) => out.push('\r'),
                ('\\', Some('n')) => out.push('\n'),
                _ => {
                    assert_ne!(c, quote, "the quote ends early: {token}");
                    out.push(c);
                    continue;
                }
            }
            rest.next();
        }
        out
    }

    #[test]
    fn nginx_reads_back_what_was_quoted() {
        for text in [
            r#"say "hi""#,
            r"^/a\.b$",
            r"a\nb",
            r"a\\b",
            "a\nb\tc",
            r"ends in \",
            "'; }",
            r#"\""#,
            "",
            "ä",
            "it's \"so\"",
        ] {
            assert_eq!(read(&quoted(text)), text, "{text:?} as {}", quoted(text));
        }
        assert_eq!(quoted(r#"{"uri":"$uri"}"#), r#"'{"uri":"$uri"}'"#);
        assert_eq!(quoted(r"\.(?:js|css)$"), r#""\.(?:js|css)$""#);
    }

    #[test]
    fn a_plain_word_needs_no_quotes() {
        assert_eq!(word("/srv/www/app"), "/srv/www/app");
        assert_eq!(word("/srv/my site"), "\"/srv/my site\"");
        assert_eq!(word("max-age=60; x"), "\"max-age=60; x\"");
        assert_eq!(word(""), "\"\"");
    }
}
