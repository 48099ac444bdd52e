//! `hostagent converge`: make the host what the recipe says.

use std::time::{Duration, SystemTime};

use clap::Args;

use crate::host::{Host, state};
use crate::report::json::About;

use super::deadline::Allowed;
use super::open::{self, Opened, Wanted};
use super::work::{self, Show};
use super::{Exit, Manner, Refusal};

/// Make this host what its recipe says
///
/// Puts right what differs, and only that: again at once, it changes nothing. What fails skips what depends on it; the
/// rest goes on. What hangs is given up after its time, and has failed. Ctrl-C, or the deadline, finishes the steps in hand
/// and says what is left. A run that was killed is finished by the next.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sudo hostagent converge                                    the recipe of this host
  sudo hostagent converge web.toml --var domain=example.org
  sudo hostagent converge --only nginx                       one table and what it needs
  sudo hostagent converge --wait 600                         let another run end first
  sudo hostagent converge --deadline 20m                     begin nothing after 20 minutes

Exit codes: 0 as wanted · 1 something failed · 2 the recipe is wrong, nothing was touched · 4 another run is going on
  5 EC2's metadata service did not answer what the recipe reads; nothing was touched
`hostagent status` tells of the run afterwards; so does the journal: `journalctl -t hostagent`")]
pub(super) struct Converge {
    #[command(flatten)]
    wanted: Wanted,
    /// Print JSON when it has ended
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    allowed: Allowed,
    /// How long to wait for another run to end
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    wait: u32,
}

impl Converge {
    pub(super) async fn run(self, manner: Manner) -> Result<Exit, Refusal> {
        let command = format!("hostagent converge{}", self.wanted.argument());
        let Self { wanted, json, allowed, wait } = self;
        Errand { wanted, json, allowed, wait, command }.run(manner, |_, _| Ok(())).await
    }
}

/// A converge, whatever verb asks for it.
#[derive(Debug)]
pub(super) struct Errand {
    pub(super) wanted: Wanted,
    pub(super) json: bool,
    pub(super) allowed: Allowed,
    pub(super) wait: u32,
    /// What others read of it while it goes on.
    pub(super) command: String,
}

impl Errand {
    /// Does it. `prepare` is called under the lock, when it is known what is wanted and before anything is done for it.
    pub(super) async fn run(
        self,
        manner: Manner,
        prepare: impl FnOnce(&Opened, &Host) -> Result<(), Refusal>,
    ) -> Result<Exit, Refusal> {
        let mut lead = manner.lead();
        if !state::is_root() {
            // What is wrong with the command is told before who gave it.
            self.wanted.named_must_be_there("converge")?;
            let says = "only root can change a host";
            return Err(Refusal::wrong(
                says,
                format!("`sudo {}`; `hostagent plan` shows what it would do", self.wanted.again()),
            ));
        }
        let patience = Duration::from_secs(u64::from(self.wait));
        // Held until the report is written. Before anything is read: while another run goes on, what it says changes.
        let _lock = work::lock(patience, &self.command).await?;
        let deadline = self.allowed.begins_now();
        lead.passed("lock");
        let (began, host) = (SystemTime::now(), Host::here()?);
        let mut opened = match open::open(&self.wanted, "converge", &mut lead).await {
            Ok(opened) => opened,
            Err(refusal) => {
                // A name that was typed wrong says nothing of this host.
                if self.wanted.is_of_this_host() {
                    let about = About { verb: Some("converge"), boot: host.look().boot_id(), ..About::default() };
                    work::begin(&host, &about)?;
                    work::refused(&host, &about, began, refusal.code(), &refusal)?;
                }
                return Err(refusal);
            }
        };
        // Only now: what was noted meanwhile is known.
        let host = Host::here()?;
        prepare(&opened, &host)?;
        opened.about.verb = Some("converge");
        opened.about.boot = host.look().boot_id();
        work::begin(&host, &opened.about)?;
        let show = Show { manner, json: self.json, again: self.wanted.again(), deadline };
        work::perform(opened, &host, lead, &show).await
    }
}
