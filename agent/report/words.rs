//! Numbers, times and names in words.

use std::time::{Duration, SystemTime};

use jiff::Timestamp;

use super::moment::Moment;

/// The longest list of names that is shown whole.
const NAMES: usize = 3;

/// `1 change`, `2 changes`.
pub(crate) fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

/// `a, b, c and 4 more`.
pub(crate) fn list<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let all: Vec<&str> = names.into_iter().collect();
    let shown = if all.len() == NAMES + 1 { all.len() } else { NAMES };
    let text = all.iter().take(shown).copied().collect::<Vec<_>>().join(", ");
    match all.len().saturating_sub(shown) {
        0 => text,
        more => format!("{text} and {more} more"),
    }
}

/// `8 ms`, `2.4 s`, `34.0 s`, `3 min 20 s`, `2 h 5 min`.
pub(crate) fn took(time: Duration) -> String {
    match time.as_secs() {
        0 => format!("{} ms", time.as_millis()),
        1..60 => format!("{:.1} s", time.as_secs_f64()),
        secs @ 60..3600 => format!("{} min {} s", secs / 60, secs % 60),
        secs => format!("{} h {} min", secs / 3600, secs % 3600 / 60),
    }
}

/// `0.42 ms`, `8.13 ms`, `124 ms`, `2.39 s`, `13.3 s`, `3 min 20 s`: for times that are compared.
pub(crate) fn measured(time: Moment) -> String {
    let ms = time.ms();
    // Each bound is where the words before it would round to a number too many.
    match ms {
        ..9.995 => format!("{ms:.2} ms"),
        ..999.5 => format!("{ms:.0} ms"),
        ..9_995.0 => format!("{:.2} s", ms / 1000.0),
        ..59_950.0 => format!("{:.1} s", ms / 1000.0),
        _ => took(time.length()),
    }
}

/// `84%`, `<1%`, `0%`.
pub(crate) fn percent(share: f64) -> String {
    if share > 0.0 && share < 0.005 { "<1%".to_owned() } else { format!("{:.0}%", (share * 100.0).round()) }
}

/// A text that is too long loses its end.
pub(crate) fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}

/// How long ago, with one unit: `just now`, `3 min ago`, `2 days ago`.
pub(crate) fn ago(then: Timestamp, now: Timestamp) -> String {
    match now.as_second().saturating_sub(then.as_second()) {
        ..60 => "just now".to_owned(),
        secs @ 60..3600 => format!("{} min ago", secs / 60),
        secs @ 3600..172_800 => format!("{} h ago", secs / 3600),
        secs => format!("{} days ago", secs / 86_400),
    }
}

/// How far away, with one unit: `in 23 days`, `in 3 h`, `now`; of what is over how long ago.
pub(crate) fn away(then: Timestamp, now: Timestamp) -> String {
    match then.as_second().saturating_sub(now.as_second()) {
        ..-60 => ago(then, now),
        -60..60 => "now".to_owned(),
        secs @ 60..3600 => format!("in {} min", secs / 60),
        secs @ 3600..172_800 => format!("in {} h", secs / 3600),
        secs => format!("in {} days", secs / 86_400),
    }
}

/// RFC 3339 in UTC, to the millisecond.
pub(crate) fn rfc3339(time: SystemTime) -> String {
    Timestamp::try_from(time).unwrap_or_default().strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

/// A text without anything that a terminal would obey: file contents and servers' words may hold any byte.
pub(crate) fn tame(text: &str) -> String {
    let mut tamed = String::with_capacity(text.len());
    for c in text.chars() {
        // Bidirectional marks can make a line read as another one (CVE-2021-42574).
        let bidi = matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}');
        if (c.is_control() && c != '\t') || bidi {
            tamed.extend(c.escape_default());
        } else {
            tamed.push(c);
        }
    }
    tamed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_as_a_person_would() {
        let told = |ms| took(Duration::from_millis(ms));
        assert_eq!(
            [told(8), told(2_449), told(34_000), told(200_000), told(7_500_000)],
            ["8 ms", "2.4 s", "34.0 s", "3 min 20 s", "2 h 5 min"]
        );
        let now = Timestamp::from_second(1_000_000).unwrap();
        let since = |secs: i64| ago(Timestamp::from_second(1_000_000 - secs).unwrap(), now);
        assert_eq!(
            [since(3), since(200), since(90_000), since(300_000)],
            ["just now", "3 min ago", "25 h ago", "3 days ago"]
        );
    }

    #[test]
    fn what_is_to_come_is_told_by_how_far_away_it_is() {
        let now = Timestamp::from_second(1_000_000).unwrap();
        let told = |secs: i64| away(Timestamp::from_second(1_000_000 + secs).unwrap(), now);
        assert_eq!(
            [told(-90_000), told(-5), told(59), told(600), told(90_000), told(2_000_000)],
            ["25 h ago", "now", "now", "in 10 min", "in 25 h", "in 23 days"]
        );
    }

    #[test]
    fn times_that_are_compared_have_three_figures() {
        let told = |micros| measured(Moment::micros(micros));
        assert_eq!(
            [told(0), told(420), told(8_134), told(9_996), told(124_400), told(999_600), told(2_394_000)],
            ["0.00 ms", "0.42 ms", "8.13 ms", "10 ms", "124 ms", "1.00 s", "2.39 s"]
        );
        assert_eq!([told(9_996_000), told(13_304_000), told(200_000_000)], ["10.0 s", "13.3 s", "3 min 20 s"]);
        assert_eq!([percent(0.0), percent(0.004), percent(0.005), percent(0.84)], ["0%", "<1%", "1%", "84%"]);
    }

    #[test]
    fn one_more_name_is_shorter_than_the_words_for_it() {
        assert_eq!(list(["a", "b", "c", "d"]), "a, b, c, d");
        assert_eq!(list(["a", "b", "c", "d", "e"]), "a, b, c and 2 more");
    }

    #[test]
    fn a_terminal_obeys_nothing_that_is_shown() {
        assert_eq!(tame("a\tb\u{1b}[2Jc\r\u{202e}"), "a\tb\\u{1b}[2Jc\\r\\u{202e}");
    }
}
