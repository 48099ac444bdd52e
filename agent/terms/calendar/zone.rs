//! Time zones at the end of a calendar event.

use super::{WORDS, weekday};

/// Names of the tz database that are no `Area/City` and too long, too short or too odd for an abbreviation.
const NAMES: [&str; 22] = [
    "CST6CDT",
    "EST5EDT",
    "Factory",
    "GB",
    "GB-Eire",
    "GMT+0",
    "GMT-0",
    "GMT0",
    "Greenwich",
    "Hongkong",
    "Jamaica",
    "Kwajalein",
    "MST7MDT",
    "NZ",
    "NZ-CHAT",
    "PST8PDT",
    "Portugal",
    "Singapore",
    "Universal",
    "W-SU",
    "localtime",
    "posixrules",
];

/// The text without a time zone at its end.
pub(super) fn stripped(text: &str) -> &str {
    match text.rsplit_once(' ') {
        Some((rest, word)) if is_zone(word) => rest,
        _ => text,
    }
}

/// Whether a host may know a time zone of this name: of the tz database, or an abbreviation of its own zone, such as
/// `CEST` or `-03`.
fn is_zone(word: &str) -> bool {
    if NAMES.contains(&word) {
        return true;
    }
    if word.contains('/') {
        let part =
            |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"_+-".contains(&b));
        return word.starts_with(|c: char| c.is_ascii_alphabetic()) && word.split('/').all(part);
    }
    let is_number = word
        .strip_prefix(['+', '-'])
        .is_some_and(|digits| matches!(digits.len(), 2 | 4) && digits.bytes().all(|b| b.is_ascii_digit()));
    let is_letters = (3..=6).contains(&word.len()) && word.bytes().all(|b| b.is_ascii_alphabetic());
    let is_event = weekday(word).is_some() || WORDS.iter().any(|known| known.eq_ignore_ascii_case(word));
    is_number || is_letters && !is_event
}
