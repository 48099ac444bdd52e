//! The process group of a program: ended with all that is in it when nobody waits for the program any more.

use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::process::Child;

/// How long a program that is asked to end may tidy up.
const GRACE: Duration = Duration::from_secs(2);

/// A program that runs, with whatever it has started; ended when dropped.
#[derive(Debug)]
pub(super) struct Group {
    leader: Option<Pid>,
    /// Whether it comes to its own end when it is dropped.
    outlives: bool,
}

impl Group {
    /// The group that a child leads.
    pub(super) fn of(child: &Child, outlives: bool) -> Self {
        let leader = child.id().and_then(|pid| i32::try_from(pid).ok()).map(Pid::from_raw);
        Self { leader, outlives }
    }

    /// Notes that its leader has ended: what is left is there on purpose, and its number may soon be another's.
    pub(super) fn has_ended(&mut self) {
        self.leader = None;
    }

    /// Asks all of it to end, and ends what does not.
    pub(super) async fn end(mut self, child: &mut Child) {
        let Some(leader) = self.leader else { return };
        let _ = killpg(leader, Signal::SIGTERM);
        // Watched and not waited for: who has been waited for has no group any more, and the others would be left.
        let begun = tokio::time::Instant::now();
        while begun.elapsed() < GRACE && is_alive(leader) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let _ = killpg(leader, Signal::SIGKILL);
        self.leader = None;
        let _ = tokio::time::timeout(GRACE, child.wait()).await;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let (Some(leader), false) = (self.leader, self.outlives) {
            let _ = killpg(leader, Signal::SIGKILL);
        }
    }
}

/// Whether it is more than a zombie that has yet to be waited for.
fn is_alive(leader: Pid) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{leader}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}
