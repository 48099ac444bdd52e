//! "Did you mean": the known word that a mistyped one was meant to be.

/// Longer words are not compared: the comparison takes the square of the length.
const LONGEST: usize = 64;

/// The known word nearest to `word`, if it is near enough to be worth a question.
///
/// Case, `-` for `_` and a plural `s` count as nothing; else one slip for every three letters is forgiven.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if word.len() > LONGEST {
        return None;
    }
    let wanted = plain(word);
    let allowed = (wanted.chars().count() / 3).max(1);
    known
        .into_iter()
        .filter(|candidate| *candidate != word && candidate.len() <= LONGEST)
        .filter_map(|candidate| distance(&wanted, &plain(candidate)).map(|slips| (slips, candidate)))
        .filter(|(slips, candidate)| *slips <= allowed && *slips < candidate.chars().count())
        .min()
        .map(|(_, candidate)| candidate)
}

/// The slips between two words; `None` when they have nothing in common.
fn distance(wanted: &str, candidate: &str) -> Option<usize> {
    if wanted == candidate || plural_of(wanted, candidate) || plural_of(candidate, wanted) {
        return Some(0);
    }
    // A word of one or two letters is one slip away from anything.
    if wanted.chars().count() < 3 && !candidate.starts_with(wanted) {
        return None;
    }
    Some(strsim::osa_distance(wanted, candidate))
}

fn plain(word: &str) -> String {
    word.to_lowercase().replace('-', "_")
}

fn plural_of(plural: &str, singular: &str) -> bool {
    !singular.is_empty() && plural.strip_suffix('s') == Some(singular)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_forgiven_and_strangers_are_not() {
        let known = ["listen_addresses", "port", "settings", "role", "database"];
        for (word, expected) in [
            ("listen_adresses", Some("listen_addresses")),
            ("listen-addresses", Some("listen_addresses")),
            ("Port", Some("port")),
            ("roles", Some("role")),
            ("prot", Some("port")),
            ("setings", Some("settings")),
            ("db", None),
            ("certificate", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, known), expected, "{word}");
        }
    }
}
