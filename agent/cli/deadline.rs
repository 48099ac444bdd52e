//! How long a run may take.

use std::time::Duration;

use clap::Args;
use tokio::time::{Instant, sleep_until};

use crate::terms::Period;

/// How long a run may take unless it is told: long enough for any first converge, and the same for all verbs. The units of
/// the package wait longer, see the test below.
const USUAL: &str = "2h";

/// A time for the whole run.
#[derive(Debug, Clone, Args)]
pub(super) struct Allowed {
    /// How long the run may take: then it finishes the steps in hand, begins no other, and says what is left
    #[arg(long, value_name = "TIME", default_value = USUAL, value_parser = period)]
    deadline: Period,
}

impl Allowed {
    /// The deadline of a run that begins now.
    pub(super) fn begins_now(&self) -> Deadline {
        let after = self.deadline.duration();
        Deadline { after, at: Instant::now() + after }
    }
}

fn period(text: &str) -> Result<Period, String> {
    Period::try_from(text.to_owned())
}

/// When a run is to stop.
#[derive(Debug)]
pub(super) struct Deadline {
    after: Duration,
    at: Instant,
}

impl Deadline {
    /// Waits for it.
    pub(super) async fn comes(&self) {
        // A timer is never up at its first poll.
        if Instant::now() < self.at {
            sleep_until(self.at).await;
        }
    }

    /// How long after the run's beginning it is.
    pub(super) fn after(&self) -> Duration {
        self.after
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::boot;
    use crate::engine::Patience;

    const UNITS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/packer/root/usr/lib/systemd/system/");

    /// A setting of a unit.
    fn setting(unit: &str, name: &str) -> String {
        let text = std::fs::read_to_string(format!("{UNITS}{unit}")).unwrap();
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        value.unwrap_or_else(|| panic!("{unit} has no {name}")).to_owned()
    }

    #[test]
    fn the_units_wait_until_a_run_has_finished_what_is_in_hand_at_its_deadline() {
        let run = period(USUAL).unwrap().duration() + Patience::LONGEST;
        let wait = setting("hostagent-converge.service", "ExecStart");
        let wait = Duration::from_secs(wait.rsplit(' ').next().unwrap().parse().unwrap());
        for (unit, lock) in [("hostagent-boot.service", boot::PATIENCE), ("hostagent-converge.service", wait)] {
            let most = period(&setting(unit, "RuntimeMaxSec")).unwrap().duration();
            assert!(most > lock + run, "{unit} would end a run that is finishing");
            // Less than that and somebody waits for nothing.
            assert!(most < lock + run + Duration::from_hours(1), "{unit} waits for what has long ended");
        }
    }

    #[tokio::test]
    async fn a_deadline_comes_when_its_time_is_up() {
        let deadline = Allowed { deadline: period("20ms").unwrap() }.begins_now();
        let began = Instant::now();
        deadline.comes().await;
        assert!(began.elapsed() >= Duration::from_millis(19) && deadline.after() == Duration::from_millis(20));
        assert!(period("5").unwrap_err().contains("is not a time"));
    }
}
