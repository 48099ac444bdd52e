//! `hostagent plan`: how does the host differ from the recipe? Changes nothing.

use clap::Args;

use crate::engine::run;
use crate::host::{Host, state};
use crate::report::terminal::Page;
use crate::report::{Detail, Ink, Report, out};

use super::open::{self, Opened, Wanted};
use super::{Exit, Manner, Refusal};

/// Show how this host differs from its recipe; changes nothing
///
/// Every resource that differs is shown with its difference, texts as a unified diff, secrets never:
/// `+` appears, `~` differs, `-` goes, `!` follows from others (a reload), `=` is as it should be, `x` could not look.
/// "drift" marks what somebody changed on this host since hostagent last left it.
#[derive(Debug, Args)]
#[command(
    verbatim_doc_comment,
    after_help = "\
Examples:
  sudo hostagent plan                                    the recipe in /etc/hostagent
  sudo hostagent plan web.toml --var domain=example.org
  sudo hostagent plan web.toml --only nginx              one table and what it needs
  sudo hostagent plan --json | jq '.resources[].id'

Without root it shows what it can; what may not be read is \"could not look\".
Exit codes: 0 nothing to do · 3 changes are pending · 1 something could not be looked at · 2 the recipe is wrong
  5 EC2's metadata service did not answer what the recipe reads"
)]
pub(super) struct Plan {
    #[command(flatten)]
    wanted: Wanted,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Plan {
    pub(super) async fn run(self, manner: Manner) -> Result<Exit, Refusal> {
        let mut lead = manner.lead();
        let opened = open::open(&self.wanted, "plan", &mut lead).await?;
        if !self.json {
            opened.tell();
        }
        let Opened { plan, about, .. } = opened;
        let host = Host::here()?;
        let outcome = run::preview(&plan, &host, &mut |_event| {}).await;
        if self.json {
            out::print(&Report::of(&outcome, &about).after(&lead, &outcome).text())?;
        } else {
            let detail = if manner.full { Detail::Full } else { Detail::Diffs };
            let page = Page::for_ids(manner.ink(), detail, &self.wanted.again(), plan.ids());
            out::print(&page.plan(&outcome))?;
            if outcome.count("failed") > 0 && !state::is_root() {
                let hint = Ink::for_stderr(manner.colour).label("hint:");
                out::complain(&format!("{hint} root sees everything: `sudo hostagent plan`\n"));
            }
        }
        Ok(if !outcome.is_good() {
            Exit::FAILED
        } else if outcome.count("pending") > 0 {
            Exit::PENDING
        } else {
            Exit::AS_WANTED
        })
    }
}
