//! File names that are made of ids, paths and whatever else: one way for all of them.

use std::fmt::Write as _;

use super::files::sha256_of;

/// How long such a name may be, in bytes: of the 255 that a file name may have, others need some for what is put around it.
const LONGEST: usize = 180;

/// A file name for any text, another for each, as readable as it can be: a long one ends in a digest of all of it. It has no
/// letter that a program may take for more than that (visudo(8) reads a list of paths at a `:`, and others take a `*` for
/// any name), and does not begin with a dot, as drafts do.
pub(crate) fn file_name(text: &str) -> String {
    let mut name = String::new();
    for (index, byte) in text.bytes().enumerate() {
        if byte.is_ascii_alphanumeric() || b"_-@+=,".contains(&byte) || (byte == b'.' && index > 0) {
            name.push(char::from(byte));
        } else {
            let _ = write!(name, "%{byte:02X}");
        }
    }
    if name.is_empty() {
        // No text has this name: after a `%` there are two digits.
        return "%".to_owned();
    }
    if name.len() <= LONGEST {
        return name;
    }
    // Nor this one.
    let digest = format!("%~{}", sha256_of(text.as_bytes()));
    name.truncate(LONGEST.saturating_sub(digest.len()));
    name + &digest
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_short_name_can_be_read() {
        assert_eq!(file_name("config_set:nginx"), "config_set%3Anginx");
        assert_eq!(file_name("etc/nginx/nginx.conf"), "etc%2Fnginx%2Fnginx.conf");
        assert_eq!(file_name("a 1*.conf"), "a%201%2A.conf");
    }

    #[test]
    fn every_text_has_a_name_of_its_own_that_a_file_can_have() {
        let long = "/srv/größe".repeat(300);
        let texts = ["", ".", "..", "...", "%", "%25", "%2F", "/", "a/b", "a%2Fb", "a:b", ".hidden", "%2Ehidden"];
        let lengths = (0..long.len()).filter_map(|end| long.get(..end));
        let all: BTreeSet<&str> = texts.into_iter().chain(lengths).chain([long.as_str()]).collect();
        // A name that was made is a text like any other.
        let again: Vec<String> = all.iter().map(|text| file_name(text)).collect();
        let all: BTreeSet<&str> = all.into_iter().chain(again.iter().map(String::as_str)).collect();
        let names: BTreeSet<String> = all.iter().map(|text| file_name(text)).collect();
        assert_eq!(names.len(), all.len());
        for name in &names {
            assert!(!name.is_empty() && name.len() <= LONGEST && !name.starts_with('.'), "{name}");
            assert!(!name.contains(['/', ':']), "{name}");
        }
    }
}
