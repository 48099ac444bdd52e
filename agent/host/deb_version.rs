//! Versions of Debian packages, deb-version(7).

use std::cmp::Ordering;

/// Whether a version is the one wanted: equal by Debian's rule, or matched by a pattern with `*`.
pub fn satisfies(version: &str, wanted: &str) -> bool {
    if wanted.contains('*') { matches(version, wanted) } else { compare(version, wanted) == Ordering::Equal }
}

/// Whether every piece between the stars comes, in order.
fn matches(version: &str, pattern: &str) -> bool {
    let mut pieces: Vec<&str> = pattern.split('*').collect();
    let last = if pieces.len() > 1 { pieces.pop().unwrap_or_default() } else { "" };
    let mut rest = version;
    for (number, piece) in pieces.into_iter().enumerate() {
        if number == 0 {
            let Some(after) = rest.strip_prefix(piece) else { return false };
            rest = after;
            continue;
        }
        let Some(at) = rest.find(piece) else { return false };
        rest = rest.get(at + piece.len()..).unwrap_or_default();
    }
    rest.ends_with(last)
}

/// The order of two versions.
pub fn compare(a: &str, b: &str) -> Ordering {
    let ((epoch_a, upstream_a, revision_a), (epoch_b, upstream_b, revision_b)) = (parts(a), parts(b));
    epoch_a.cmp(&epoch_b).then_with(|| text(upstream_a, upstream_b)).then_with(|| text(revision_a, revision_b))
}

/// Epoch, upstream version and Debian revision.
fn parts(version: &str) -> (u64, &str, &str) {
    let (epoch, rest) =
        version.split_once(':').map_or((0, version), |(epoch, rest)| (epoch.parse().unwrap_or(0), rest));
    let (upstream, revision) = rest.rsplit_once('-').unwrap_or((rest, ""));
    (epoch, upstream, revision)
}

/// Compares by turns what is not a digit and what is a number.
fn text(mut a: &str, mut b: &str) -> Ordering {
    while !a.is_empty() || !b.is_empty() {
        let (words_a, words_b) = (take(&mut a, |c| !c.is_ascii_digit()), take(&mut b, |c| !c.is_ascii_digit()));
        let (number_a, number_b) = (take(&mut a, |c| c.is_ascii_digit()), take(&mut b, |c| c.is_ascii_digit()));
        let order = words(words_a, words_b).then_with(|| number(number_a, number_b));
        if order != Ordering::Equal {
            return order;
        }
    }
    Ordering::Equal
}

fn take<'v>(text: &mut &'v str, want: impl Fn(char) -> bool) -> &'v str {
    let (taken, rest) = text.split_at(text.find(|c| !want(c)).unwrap_or(text.len()));
    *text = rest;
    taken
}

/// Letters come before everything else, and `~` before the end.
fn words(a: &str, b: &str) -> Ordering {
    let weight = |c: char| match c {
        '~' => -1,
        c if c.is_ascii_alphabetic() => i64::from(u32::from(c)),
        c => i64::from(u32::from(c)) + 256,
    };
    // Each ends with a 0, so that one that goes on is compared with it.
    let (weights_a, weights_b) = (a.chars().map(weight).chain([0]), b.chars().map(weight).chain([0]));
    weights_a.cmp(weights_b)
}

/// Numbers of any length.
fn number(a: &str, b: &str) -> Ordering {
    let (digits_a, digits_b) = (a.trim_start_matches('0'), b.trim_start_matches('0'));
    digits_a.len().cmp(&digits_b.len()).then_with(|| digits_a.cmp(digits_b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_ordered_as_dpkg_orders_them() {
        // Each was put to `dpkg --compare-versions`.
        let ascending = [
            "0~",
            "0",
            "0.9",
            "1.0~beta1~svn1245",
            "1.0~beta1",
            "1.0",
            "1.0-1~bpo12+1",
            "1.0-1",
            "1.0-1+b1",
            "1.0-1+deb12u1",
            "1.0-1+deb12u10",
            "1.0-1.1",
            "1.0a",
            "1.0+dfsg-1",
            "1.0.1",
            "1.10",
            "15+248",
            "1:0.1",
            "2:0~rc1",
        ];
        for (n, a) in ascending.iter().enumerate() {
            for (m, b) in ascending.iter().enumerate() {
                assert_eq!(compare(a, b), n.cmp(&m), "{a} {b}");
            }
        }
        assert_eq!(compare("1.0", "1.0-0"), Ordering::Equal);
        assert_eq!(compare("1.01", "0:1.1"), Ordering::Equal);
    }

    #[test]
    fn a_star_stands_for_anything() {
        assert!(satisfies("1.22.1-9+deb12u2", "1.22.*"));
        assert!(satisfies("1.22.1-9+deb12u2", "1.*-9*"));
        assert!(satisfies("1.22.1-9", "1.22.1-9"));
        assert!(!satisfies("1.22.1-9+deb12u2", "1.22.1-9"));
        assert!(!satisfies("1.220.1", "1.22.*"));
        assert!(!satisfies("1.22.1", "*-9"));
    }
}
