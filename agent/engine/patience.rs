//! How long the engine waits for a resource, whatever it is that hangs: a program, a server, the service manager.
//!
//! What hostagent waits for has mostly a time of its own, and a better error when that is up. These times are longer: they
//! end what has none, and what only seems to get on.

use std::time::Duration;

use super::failure::Cause;
use super::resource::Boxed;
use super::run::guarded;
use crate::host::doing::in_time;

/// How long a resource may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// For one look.
    pub looking: Duration,
    /// For being put right, without the look that follows.
    pub applying: Duration,
}

impl Patience {
    /// For what does not say otherwise. Programs that only ask have two minutes, those that change something mostly ten, and
    /// jobs of systemd fifteen.
    pub const USUAL: Self = Self { looking: Duration::from_mins(5), applying: Duration::from_mins(20) };

    /// The longest that a step may say of itself, but for a `[[run]]`, whose time is in the recipe. After it is asked to stop
    /// a run may take as long, so the units wait that long too.
    pub const LONGEST: Duration = Duration::from_mins(90);

    /// The usual one, but this long for being put right.
    pub const fn applying(applying: Duration) -> Self {
        Self { applying, ..Self::USUAL }
    }

    /// Long enough for both.
    #[must_use]
    pub fn max(self, other: Self) -> Self {
        Self { looking: self.looking.max(other.looking), applying: self.applying.max(other.applying) }
    }
}

/// Does it, unless its time is up before; a panic in it is its failure.
pub(super) async fn bounded<T>(patience: Duration, work: Boxed<'_, Result<T, Cause>>) -> Result<T, Cause> {
    in_time(patience, guarded(work)).await.unwrap_or_else(|at| Err(late(patience, at)))
}

fn late(patience: Duration, at: Option<String>) -> Cause {
    let at = at.map_or_else(String::new, |what| format!(", while {what}"));
    Cause::new(LATE, format!("was not done after {} and was given up{at}", in_words(patience)))
        .hint("find out what that waits for, and run again; the rest of the run did not wait")
}

/// The code of what was given up.
pub(super) const LATE: &str = "step-slow";

/// A time as a person says it: `90 s`, `20 min`, `1 h 30 min`.
pub(crate) fn in_words(time: Duration) -> String {
    let seconds = time.as_secs();
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, _) if seconds == 0 => format!("{} ms", time.as_millis()),
        (0, minutes, 0) if minutes > 0 => format!("{minutes} min"),
        (hours, 0, 0) if hours > 0 => format!("{hours} h"),
        (hours, minutes, 0) if hours > 0 => format!("{hours} h {minutes} min"),
        (0, minutes, rest) if minutes > 1 => format!("{minutes} min {rest} s"),
        _ => format!("{seconds} s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_as_a_person_says_them() {
        let told = [30, 60, 90, 150, 1200, 3600, 5400, 7201].map(|seconds| in_words(Duration::from_secs(seconds)));
        assert_eq!(told, ["30 s", "1 min", "90 s", "2 min 30 s", "20 min", "1 h", "1 h 30 min", "7201 s"]);
        assert_eq!(in_words(Duration::from_millis(40)), "40 ms");
    }
}
