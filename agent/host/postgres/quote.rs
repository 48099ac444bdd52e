//! Names and values inside SQL, where the protocol has no place for a bound value.
//!
//! The sessions that use these have `standard_conforming_strings = on`, set in `connect.rs`.

/// A name, quoted: `pg-db` becomes `"pg-db"`. A NUL cannot be part of a name and is left out.
pub fn ident(name: &str) -> String {
    format!("\"{}\"", name.replace('\0', "").replace('"', "\"\""))
}

/// A value, quoted: `it's` becomes `'it''s'`. One with a backslash becomes an escape string, as `quote_literal` does.
pub fn literal(value: &str) -> String {
    let doubled = value.replace('\0', "").replace('\'', "''");
    if doubled.contains('\\') { format!("E'{}'", doubled.replace('\\', "\\\\")) } else { format!("'{doubled}'") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_leave_its_quotes() {
        for (name, quoted) in [
            ("booking", "\"booking\""),
            ("with-hyphen", "\"with-hyphen\""),
            ("Camel Case", "\"Camel Case\""),
            ("a\"; drop table b; --", "\"a\"\"; drop table b; --\""),
            ("nul\0l", "\"null\""),
        ] {
            assert_eq!(ident(name), quoted);
        }
    }

    #[test]
    fn a_value_cannot_leave_its_quotes() {
        for (value, quoted) in [
            ("", "''"),
            ("it's", "'it''s'"),
            ("\\'; drop table b; --", "E'\\\\''; drop table b; --'"),
            ("C:\\dir", "E'C:\\\\dir'"),
            ("$$", "'$$'"),
        ] {
            assert_eq!(literal(value), quoted);
        }
    }
}
