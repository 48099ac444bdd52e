//! `hostagent status`: how did the last run go?

use clap::Args;
use serde_json::json;

use crate::host::{Host, lock, state};
use crate::report::last_run::{self, LastRun};
use crate::report::{out, status};

use super::{Exit, Manner, Refusal};

/// Tell how the last run went
///
/// When it was, what failed and what to do about it, what somebody had changed and it put right, and whether it was cut
/// off before its end.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sudo hostagent status
  sudo hostagent status --json | jq '.resources[] | select(.verdict == \"failed\")'

Exit codes: 0 the last run converged · 1 it failed or was cut off, or there was none")]
pub(super) struct Status {
    /// Print the report of the last run as it is kept, as JSON
    #[arg(long)]
    json: bool,
}

impl Status {
    pub(super) fn run(self, manner: Manner) -> Result<Exit, Refusal> {
        if !state::is_root() {
            return Err(Refusal::wrong("only root can read how a run went", "`sudo hostagent status`"));
        }
        let host = Host::here()?;
        let status = status::Status { last: last_run::read(&host.look())?, running: lock::holder() };
        if self.json {
            let text = match &status.last {
                LastRun::Told(report) => report.text(),
                LastRun::Never => format!("{}\n", json!({ "outcome": "never" })),
                LastRun::Damaged => format!("{}\n", json!({ "outcome": "failed", "unfinished": true })),
            };
            out::print(&text)?;
        } else {
            out::print(&status.text(manner.ink(), jiff::Timestamp::now()))?;
        }
        Ok(if status.is_good() { Exit::AS_WANTED } else { Exit::FAILED })
    }
}
