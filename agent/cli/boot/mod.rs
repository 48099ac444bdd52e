//! `hostagent boot`: make an instance what it was started to be.
//!
//! ```text
//!  metadata ──answer──► choice ──► the recipe ──► kept for later ──► converge
//!     └── none: what was kept, if it is this instance's; or else nothing at all
//! ```
//! Nothing is done with half an answer: an instance whose user-data cannot be read is not one without user-data.

mod choice;
mod platform;

use std::time::SystemTime;

use clap::Args;

use crate::host::{Host, state};
use crate::report::json::{About, Report};
use crate::report::{Lead, last_run, out};

use super::deadline::Allowed;
use super::kept::Kept;
use super::open::{self, Opened, Wanted};
use super::origin::Origin;
use super::patience::Patience;
use super::waiting;
use super::work::{self, Show};
use super::{Exit, Manner, Refusal};
use choice::{Choice, Ended};

/// How long a boot waits for another run to end: as long as a first converge may take.
pub(super) const PATIENCE: std::time::Duration = std::time::Duration::from_mins(30);

/// How long the rest of the machine's start is waited for. Something of it may wait for this run: then not for ever.
const START: std::time::Duration = std::time::Duration::from_mins(1);

/// Make this instance what its user-data says
///
/// Asks the metadata service for user-data and tags, keeps what it says, and converges. Without user-data the recipe is
/// the one that the tag `hostagent:recipe` names, or else /etc/hostagent/recipe.toml. When nobody answers, the recipe of
/// the last boot is used. hostagent-boot.service runs it at every boot.
#[derive(Debug, Args)]
#[command(after_help = "\
User-data is a recipe, or a few lines over one that the image has; gzip is fine:
  base = \"nano\"
  [vars]
  domain = \"api.example.org\"

Examples:
  sudo hostagent boot
  hostagent status --wait            wait for the boot's run, and tell how it went
  journalctl -b -u hostagent-boot    what it said

Exit codes: 0 as wanted, or there is no recipe · 1 something failed · 2 the recipe is wrong, nothing was touched
4 another run is going on · 5 the metadata service could not be asked, and nothing was kept: nothing was touched")]
pub(super) struct Boot {
    /// Print JSON when it has ended
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    allowed: Allowed,
    #[command(flatten)]
    patience: Patience,
}

impl Boot {
    pub(super) async fn run(self, manner: Manner) -> Result<Exit, Refusal> {
        if !state::is_root() {
            return Err(Refusal::wrong("only root can change a host", "`sudo hostagent boot`"));
        }
        // Held until the report is written. Before anybody is asked: a timer's run comes after this one, with its recipe.
        let mut lead = manner.lead();
        let _lock = work::lock(PATIENCE, "hostagent boot").await?;
        let deadline = self.allowed.begins_now();
        lead.passed("lock");
        let host = Host::here()?;
        let began = SystemTime::now();
        let mut about = About { verb: Some("boot"), boot: host.look().boot_id(), ..About::default() };
        work::begin(&host, &about)?;

        match prepared(&host, &mut about, self.patience, &mut lead).await {
            Ok(Some(mut opened)) => {
                if !waiting::for_start(&host.look(), START).await {
                    let note = format!("the machine was still starting after {} s", START.as_secs());
                    opened.about.notes.push(note);
                }
                lead.passed("start");
                last_run::begin(&host.touch(), &opened.about)?;
                let show = Show { manner, json: self.json, again: "hostagent boot".to_owned(), deadline };
                let exit = work::perform(opened, &host, lead, &show).await?;
                if exit != Exit::AS_WANTED && crate::log::stdout_is_journal() {
                    // The console has nothing of the journal.
                    out::complain(
                        "error: not everything is as the recipe says\nhint: `hostagent status` says what failed\n",
                    );
                }
                Ok(exit)
            }
            Ok(None) => {
                let report = Report::nothing(&about, began).exits(Exit::AS_WANTED.code());
                last_run::finish(&host.touch(), &report)?;
                if self.json {
                    out::print(&report.text())?;
                } else {
                    about.notes.iter().try_for_each(|note| out::print(&format!("{note}\n")))?;
                }
                Ok(Exit::AS_WANTED)
            }
            Err(Ended { code, refusal }) => {
                work::refused(&host, &about, began, code, &refusal)?;
                Err(refusal)
            }
        }
    }
}

/// What is to be done at this boot; `None` if there is no recipe. Notes what is to be known of it.
async fn prepared(
    host: &Host,
    about: &mut About,
    patience: Patience,
    lead: &mut Lead,
) -> Result<Option<Opened>, Ended> {
    let look = host.look();
    let (answer, session) = platform::ask(&look, patience.for_all().budget).await.map_err(Refusal::from)?;
    lead.passed("metadata");
    // What is damaged can be had again, unless nobody answers: then there is nothing.
    let kept = Kept::read(&look).unwrap_or_default();
    let Choice { told, is_new, notes } = choice::of(answer, kept)?;
    about.notes = notes;

    let wanted = Wanted { recipe: None, vars: Vec::new(), only: Vec::new(), patience };
    let origin = Origin::instance(told.clone());
    about.recipe = origin.name();
    if origin.told().is_none() && look.found_through(&origin.file).map_err(Refusal::from)?.is_none() {
        about.recipe = String::new();
        about.notes.push(format!(
            "there is no recipe: neither user-data, nor an instance tag, nor `{}`",
            origin.file.display()
        ));
        if is_new {
            told.keep(&host.touch())?;
        }
        return Ok(None);
    }
    let mut opened = open::open_from(&wanted, &origin, "boot", async || session, lead).await?;
    if is_new {
        told.keep(&host.touch())?;
    }
    opened.about.notes.splice(0..0, about.notes.clone());
    opened.about.verb = about.verb;
    opened.about.boot.clone_from(&about.boot);
    Ok(Some(opened))
}
