//! `hostagent status`: how did the last run go?

use std::time::Duration;

use clap::Args;
use serde_json::json;

use crate::host::{Host, lock, state};
use crate::report::last_run::{self, LastRun};
use crate::report::{out, status};

use super::waiting::{self, Waited};
use super::{Exit, Manner, Refusal, tls};

/// Tell how the last run went
///
/// When it was, what failed and what to do about it, what somebody had changed and it put right, and whether it was cut
/// off before its end.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sudo hostagent status
  sudo hostagent status --wait && echo ready        after a start of the machine
  sudo hostagent status --json | jq '.resources[] | select(.verdict == \"failed\")'

Exit codes: 0 the last run converged · 1 it failed or was cut off, or there was none · 2, 5 as of `hostagent boot`
  1 also when a certificate cannot be renewed and little of it is left: `hostagent tls list`
With --wait also: 1 nothing has run since the machine started, and nothing will · 4 not over when the time was")]
pub(super) struct Status {
    /// Print the report of the last run as it is kept, as JSON
    #[arg(long)]
    json: bool,
    /// Wait until the run that belongs to the start of the machine is over
    #[arg(long)]
    wait: bool,
    /// How long to wait, at most
    #[arg(long, value_name = "SECONDS", default_value_t = 1800, requires = "wait")]
    timeout: u32,
}

impl Status {
    pub(super) async fn run(self, manner: Manner) -> Result<Exit, Refusal> {
        if !state::is_root() {
            return Err(Refusal::wrong("only root can read how a run went", "`sudo hostagent status`"));
        }
        let host = Host::here()?;
        let patience = Duration::from_secs(u64::from(self.timeout));
        let waited = if self.wait { Some(waiting::for_boot(&host.look(), patience).await?) } else { None };
        let status = status::Status { last: last_run::read(&host.look())?, running: lock::holder() };
        if let Some(said) = waited.as_ref().and_then(Waited::says) {
            out::complain(&format!("{said}\n"));
        }
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
        let endangered = tls::watch::endangered(&host.look())?;
        for (name, says) in &endangered {
            let line = format!("certificate `{name}`: {says}\nhint: `hostagent tls list` says what to do\n");
            if self.json { out::complain(&line) } else { out::print(&line)? }
        }
        let is_of_this_boot = is_of_this_boot(&status.last, &host);
        if waited == Some(Waited::Over) && !is_of_this_boot {
            out::complain(
                "the run at the start of this machine left no report\nhint: see `journalctl -b -u hostagent-boot`\n",
            );
        }
        Ok(match waited {
            Some(Waited::TooLong(_)) => Exit::LOCKED,
            // What an earlier boot came to says nothing of this one.
            Some(_) if !is_of_this_boot => Exit::FAILED,
            _ if status.exit() == 0 && !endangered.is_empty() => Exit::FAILED,
            _ => Exit::noted(status.exit()),
        })
    }
}

fn is_of_this_boot(last: &LastRun, host: &Host) -> bool {
    matches!(last, LastRun::Told(report) if report.boot.is_some() && report.boot == host.look().boot_id())
}
