//! `hostagent converge`: make the host what the recipe says.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use clap::Args;

use crate::engine::run::{self, Event, Stop};
use crate::engine::{Outcome, Plan};
use crate::host::lock::{Lock, NoLock};
use crate::host::{Host, state};
use crate::report::terminal::Page;
use crate::report::{Detail, Report, Screen, journal, last_run, out};

use super::open::{self, Opened, Wanted};
use super::signals::Signals;
use super::{Exit, Manner, Refusal};

/// Make this host what its recipe says
///
/// Puts right what differs, and only that: again at once, it changes nothing. What fails skips what depends on it; the
/// rest goes on. Ctrl-C finishes the steps in hand and says what is left. A run that was killed is finished by the next.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sudo hostagent converge                                    the recipe in /etc/hostagent
  sudo hostagent converge web.toml --var domain=example.org
  sudo hostagent converge --only nginx                       one table and what it needs
  sudo hostagent converge --wait 600                         let another run end first

Exit codes: 0 as wanted · 1 something failed · 2 the recipe is wrong, nothing was touched · 4 another run is going on
  5 EC2's metadata service did not answer what the recipe reads; nothing was touched
`hostagent status` tells of the run afterwards; so does the journal: `journalctl -t hostagent`")]
pub(super) struct Converge {
    #[command(flatten)]
    wanted: Wanted,
    /// Print JSON when it has ended
    #[arg(long)]
    json: bool,
    /// How long to wait for another run to end
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    wait: u32,
}

impl Converge {
    pub(super) async fn run(self, manner: Manner) -> Result<Exit, Refusal> {
        let mut lead = manner.lead();
        self.wanted.must_be_there("converge")?;
        if !state::is_root() {
            let says = "only root can change a host";
            return Err(Refusal::wrong(
                says,
                format!("`sudo {}`; `hostagent plan` shows what it would do", self.wanted.again()),
            ));
        }
        let mut opened = open::open(&self.wanted, "converge", &mut lead).await?;
        // Held until the report is written.
        let (_lock, waited) = self.lock().await?;
        lead.passed("lock");
        if waited {
            // The recipe and what is true of the host may have changed meanwhile.
            opened = open::open(&self.wanted, "converge", &mut lead).await?;
        }
        let Opened { plan, services, learned } = opened;
        // Only now: what the run before this one remembered is known when it has ended.
        let host = Host::here()?;
        // Their packages leave their start to them, also to those that `--only` leaves out this time: they are not to run
        // with the configuration of the distribution.
        host.starts_units(services);
        host.follows_a_cut_off_run(last_run::was_cut_off(&host.look())?);
        learned.remember(&host.touch())?;
        last_run::begin(&host.touch(), &self.wanted.about())?;

        let screen = Rc::new(RefCell::new(self.screen(&plan, manner)));
        lead.passed("state");
        let outcome = converge(&plan, &host, &screen).await?;

        journal::end(&outcome);
        let report = Report::of(&outcome, &self.wanted.about()).after(&lead, &outcome);
        let kept = last_run::finish(&host.touch(), &report);
        if self.json {
            out::print(&report.text())?;
        } else {
            screen.borrow().end(&outcome)?;
        }
        kept?;
        Ok(if outcome.is_good() { Exit::AS_WANTED } else { Exit::FAILED })
    }

    fn screen(&self, plan: &Plan, manner: Manner) -> Screen {
        let detail = if manner.full { Detail::Full } else { Detail::Brief };
        let page = Page::for_ids(manner.ink(), detail, &self.wanted.again(), plan.ids());
        if self.json || crate::log::stdout_is_journal() {
            Screen::quiet(page)
        } else if manner.debug {
            // Moving lines and a log on one terminal tear each other apart.
            Screen::plain(page)
        } else {
            Screen::new(page)
        }
    }

    /// Takes the lock; says whether another run was waited for.
    async fn lock(&self) -> Result<(Lock, bool), Refusal> {
        let patience = Duration::from_secs(u64::from(self.wait));
        let command = format!("hostagent converge {}", self.wanted.path().display());
        let taken = match Lock::take(Duration::ZERO, &command).await.map(|lock| (lock, false)) {
            Err(NoLock::Held(holder)) if self.wait > 0 => {
                out::complain(&format!("waiting up to {} s for another run to end: {holder}\n", self.wait));
                Lock::take(patience, &command).await.map(|lock| (lock, true))
            }
            taken => taken,
        };
        taken.map_err(|no| match no {
            NoLock::Failed(error) => error.into(),
            NoLock::Held(holder) => Refusal::Said {
                says: format!("another run is going on: {holder}"),
                hint: Some("wait for it, or let this one wait: `--wait 600`".to_owned()),
                exit: Exit::LOCKED,
            },
        })
    }
}

/// Runs the plan, and asks it to stop when a signal comes.
async fn converge(plan: &Plan, host: &Host, screen: &Rc<RefCell<Screen>>) -> Result<Outcome, Refusal> {
    let stop = Stop::new();
    let mut signals = Signals::taken()?;
    let listener = Rc::clone(screen);
    host.listen(move |news| listener.borrow_mut().waiting(news));
    let mut watch = |event: Event<'_>| {
        journal::see(&event);
        screen.borrow_mut().see(&event);
    };
    let run = run::converge(plan, host, &stop, &mut watch);
    tokio::pin!(run);
    loop {
        tokio::select! {
            outcome = &mut run => return Ok(outcome),
            () = signals.next() => {
                stop.ask();
                screen.borrow_mut().stopping();
            }
        }
    }
}
