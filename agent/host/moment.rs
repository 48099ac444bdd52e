//! A moment, to the second: what is kept of one on the disk, and what is reckoned with it, cannot overflow or panic.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Seconds since the epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Moment(i64);

impl Moment {
    /// What this host's clock says.
    pub fn now() -> Self {
        Self(Timestamp::now().as_second())
    }

    /// So many seconds after the epoch.
    pub const fn at(second: i64) -> Self {
        Self(second)
    }

    /// A moment as RFC 3339 writes it.
    pub fn parse(text: &str) -> Option<Self> {
        text.trim().parse::<Timestamp>().ok().map(|moment| Self(moment.as_second()))
    }

    /// As RFC 3339 writes it.
    pub fn rfc3339(self) -> String {
        Timestamp::from_second(self.0).map_or_else(|_| self.0.to_string(), |moment| moment.to_string())
    }

    /// Seconds since the epoch.
    pub const fn second(self) -> i64 {
        self.0
    }

    /// So much later.
    #[must_use]
    pub fn later(self, by: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(by.as_secs()).unwrap_or(i64::MAX)))
    }

    /// So much earlier.
    #[must_use]
    pub fn earlier(self, by: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(by.as_secs()).unwrap_or(i64::MAX)))
    }

    /// How long after `other` it is; nothing if it is before.
    pub fn since(self, other: Self) -> Duration {
        Duration::from_secs(u64::try_from(self.0.saturating_sub(other.0)).unwrap_or(0))
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Timestamp::from_second(self.0) {
            Ok(moment) => write!(f, "{}", moment.strftime("%Y-%m-%d %H:%M UTC")),
            Err(_) => write!(f, "second {}", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_told_in_utc_and_never_overflows() {
        let moment = Moment::parse("2026-11-21T19:33:27Z").unwrap();
        assert_eq!(moment.to_string(), "2026-11-21 19:33 UTC");
        assert_eq!(Moment::parse("2026-11-21T20:33:27+01:00"), Some(moment));
        assert_eq!(Moment::parse("tomorrow"), None);
        assert_eq!(moment.since(moment.later(Duration::from_secs(5))), Duration::ZERO);
        assert_eq!(moment.later(Duration::MAX).second(), i64::MAX);
        assert!(moment.later(Duration::MAX).to_string().starts_with("second "));
        assert_eq!(Moment::at(10).earlier(Duration::from_secs(4)), Moment::at(6));
    }
}
