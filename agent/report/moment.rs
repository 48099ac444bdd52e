//! Times in reports: milliseconds since the run began, with decimals.

use std::ops::Sub;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A moment or a length, to the microsecond. Before the run it is negative. JSON has it in milliseconds: `7612.483`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(from = "f64", into = "f64")]
pub struct Moment(i64);

/// Microseconds in a millisecond.
const PER_MS: f64 = 1000.0;

impl Moment {
    /// So many microseconds.
    pub const fn micros(count: i64) -> Self {
        Self(count)
    }

    /// In milliseconds.
    pub fn ms(self) -> f64 {
        self.into()
    }

    /// As a length: none if it is negative.
    pub fn length(self) -> Duration {
        Duration::from_micros(u64::try_from(self.0).unwrap_or_default())
    }

    /// How often another goes into it.
    pub(crate) fn count_of(self, other: Self) -> i64 {
        self.0.div_euclid(other.0.max(1))
    }

    /// So many times it.
    pub(crate) fn times(self, count: i64) -> Self {
        Self(self.0.saturating_mul(count))
    }

    /// How much of another it is: 0 to 1.
    pub fn share_of(self, whole: Self) -> f64 {
        if whole.0 > 0 { self.ms() / whole.ms() } else { 0.0 }
    }
}

impl From<Duration> for Moment {
    fn from(time: Duration) -> Self {
        Self(i64::try_from(time.as_micros()).unwrap_or(i64::MAX))
    }
}

impl From<f64> for Moment {
    #[expect(clippy::cast_possible_truncation, reason = "what is no time saturates")]
    fn from(ms: f64) -> Self {
        Self((ms * PER_MS).round() as i64)
    }
}

impl From<Moment> for f64 {
    #[expect(clippy::cast_precision_loss, reason = "exact for 285 years")]
    fn from(moment: Moment) -> Self {
        moment.0 as Self / PER_MS
    }
}

impl Sub for Moment {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl std::ops::Add for Moment {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl std::iter::Sum for Moment {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self(0), |sum, one| sum + one)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_stays_what_it_is_through_json() {
        for (micros, text) in
            [(7_612_483, "7612.483"), (-18_204, "-18.204"), (0, "0.0"), (1, "0.001"), (1_005, "1.005")]
        {
            let moment = Moment::micros(micros);
            assert_eq!(serde_json::to_string(&moment).unwrap(), text);
            assert_eq!(serde_json::from_str::<Moment>(text).unwrap(), moment);
        }
        assert_eq!(serde_json::from_str::<Moment>("12").unwrap(), Moment::micros(12_000));
    }
}
