//! What comes before a run: from the first step of the process to the first look.

use std::time::Instant;

use super::json::Stretch;
use super::moment::Moment;

/// The way to a run, told by the moments at which its parts ended.
#[derive(Debug, Clone)]
pub struct Lead {
    from: Instant,
    ends: Vec<(&'static str, Instant)>,
}

impl Lead {
    /// A way that began then.
    pub fn since(from: Instant) -> Self {
        Self { from, ends: Vec::new() }
    }

    /// Notes that a part has ended now.
    pub fn passed(&mut self, part: &'static str) {
        self.ends.push((part, Instant::now()));
    }

    /// Its parts, by a clock on which the run began at 0.
    pub(crate) fn parts(&self, run: Instant) -> Vec<Stretch> {
        let at = |instant| Moment::default() - Moment::from(run.saturating_duration_since(instant));
        let mut from_ms = at(self.from);
        let parts = self.ends.iter().map(|(part, end)| {
            let till_ms = at(*end);
            Stretch { doing: (*part).to_owned(), from_ms: std::mem::replace(&mut from_ms, till_ms), till_ms }
        });
        parts.collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_way_to_a_run_has_negative_times_without_gaps() {
        let from = Instant::now();
        let at = |ms| from + Duration::from_millis(ms);
        let lead = Lead { from, ends: vec![("recipe", at(3)), ("facts", at(5))] };
        let parts: Vec<_> =
            lead.parts(at(6)).into_iter().map(|part| (part.doing, part.from_ms.ms(), part.till_ms.ms())).collect();
        assert_eq!(parts, [("recipe".to_owned(), -6.0, -3.0), ("facts".to_owned(), -3.0, -1.0)]);
    }
}
