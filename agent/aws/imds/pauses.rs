//! How long is waited before the next try.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(5);
/// So that instances that were told the same time do not come back at the same moment.
const SPREAD: Duration = Duration::from_millis(250);

/// Pauses that double, each of them up to a half shorter by chance.
#[derive(Debug)]
pub(super) struct Pauses(Duration);

impl Pauses {
    pub(super) fn new() -> Self {
        Self(FIRST)
    }

    pub(super) fn next(&mut self) -> Duration {
        let pause = self.0;
        self.0 = (pause * 2).min(LONGEST);
        pause.mul_f64(rand::random_range(0.5..=1.0))
    }
}

/// The pause that a server asked for, and a little more.
pub(super) fn asked_for(pause: Duration) -> Duration {
    pause + SPREAD.mul_f64(rand::random_range(0.0..=1.0))
}

/// What `Retry-After` says. A date would need a clock that is right, which a host that boots need not have.
pub(super) fn retry_after(text: &str) -> Option<Duration> {
    let seconds = text.trim();
    let is_number = !seconds.is_empty() && seconds.len() <= 6 && seconds.bytes().all(|b| b.is_ascii_digit());
    is_number.then(|| seconds.parse().ok().map(Duration::from_secs)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_five_seconds_and_no_further() {
        let mut pauses = Pauses::new();
        let first = pauses.next();
        assert!(first >= FIRST / 2 && first <= FIRST, "{first:?}");
        let last = (0..20).fold(first, |_, _| pauses.next());
        assert!(last >= LONGEST / 2 && last <= LONGEST, "{last:?}");
    }

    #[test]
    fn a_server_says_how_long_to_wait_in_seconds() {
        assert_eq!(retry_after(" 2"), Some(Duration::from_secs(2)));
        for other in ["", "-1", "1.5", "Fri, 31 Dec 1999 23:59:59 GMT", "99999999999999999999"] {
            assert_eq!(retry_after(other), None, "{other}");
        }
        assert!(asked_for(Duration::from_secs(2)) >= Duration::from_secs(2));
    }
}
