//! A run: its lock, its work, its report. What `boot` and `converge` have in common.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use crate::engine::run::{self, Event, Stop};
use crate::engine::{Outcome, Plan};
use crate::host::Host;
use crate::host::lock::{Lock, NoLock};
use crate::report::json::About;
use crate::report::terminal::Page;
use crate::report::{Detail, Lead, Report, Screen, journal, last_run, out};

use super::deadline::Deadline;
use super::open::Opened;
use super::signals::Signals;
use super::{Exit, Manner, Refusal, tls};

/// How a run shows itself, and how long it may take.
#[derive(Debug)]
pub(super) struct Show {
    pub(super) manner: Manner,
    pub(super) json: bool,
    /// The command that does it again.
    pub(super) again: String,
    /// When the run is to stop, however far it got.
    pub(super) deadline: Deadline,
}

impl Show {
    fn screen(&self, plan: &Plan) -> Screen {
        let detail = if self.manner.full { Detail::Full } else { Detail::Brief };
        let page = Page::for_ids(self.manner.ink(), detail, &self.again, plan.ids());
        if self.json || crate::log::stdout_is_journal() {
            Screen::quiet(page)
        } else if self.manner.debug {
            // Moving lines and a log on one terminal tear each other apart.
            Screen::plain(page)
        } else {
            Screen::new(page)
        }
    }
}

/// Takes the lock. `command` is what others read of this run.
///
/// # Errors
/// When another run still holds it after `patience`.
pub(super) async fn lock(patience: Duration, command: &str) -> Result<Lock, Refusal> {
    let taken = match Lock::take(Duration::ZERO, command).await {
        Err(NoLock::Held(holder)) if !patience.is_zero() => {
            out::complain(&format!("waiting up to {} s for another run to end: {holder}\n", patience.as_secs()));
            Lock::take(patience, command).await
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

/// Notes that a run begins, and whether the one before it came to its end.
///
/// # Errors
/// When that cannot be read or written.
pub(super) fn begin(host: &Host, about: &About) -> Result<(), Refusal> {
    if last_run::was_cut_off(&host.look())? {
        host.touch().suspect_drafts()?;
    }
    Ok(last_run::begin(&host.touch(), about)?)
}

/// Reports a run that came to nothing: it was refused before anything was touched.
///
/// # Errors
/// When the report cannot be kept.
pub(super) fn refused(
    host: &Host,
    about: &About,
    began: SystemTime,
    code: &str,
    refusal: &Refusal,
) -> Result<(), Refusal> {
    journal::refused(code, &refusal.headline());
    let report = Report::refused(about, began, refusal.trouble(code)).exits(refusal.exit().code());
    Ok(last_run::finish(&host.touch(), &report)?)
}

/// Makes the host what was opened, and reports it. The run must have been noted as begun.
///
/// # Errors
/// When its report cannot be kept or shown.
pub(super) async fn perform(opened: Opened, host: &Host, mut lead: Lead, show: &Show) -> Result<Exit, Refusal> {
    if !show.json {
        opened.tell();
    }
    let Opened { plan, services, certificates, learned, bases, about } = opened;
    learned.remember(&host.touch())?;
    bases.keep(&host.touch())?;
    about.notes.iter().for_each(|note| journal::note(note));
    // Their packages leave their start to them, also to those that `--only` leaves out this time: they are not to run
    // with the configuration of the distribution.
    host.starts_units(services);

    let screen = Rc::new(RefCell::new(show.screen(&plan)));
    lead.passed("state");
    let outcome = converge(&plan, host, &show.deadline, &screen).await?;

    journal::end(&outcome);
    let exit = if outcome.is_good() { Exit::AS_WANTED } else { Exit::FAILED };
    let report = Report::of(&outcome, &about).after(&lead, &outcome).exits(exit.code());
    tls::watch::tell(host, &certificates).await;
    let kept = last_run::finish(&host.touch(), &report);
    if show.json {
        out::print(&report.text())?;
    } else {
        screen.borrow().end(&outcome)?;
    }
    kept?;
    Ok(exit)
}

/// Runs the plan, and has it stop when a signal comes or its time is up.
async fn converge(
    plan: &Plan,
    host: &Host,
    deadline: &Deadline,
    screen: &Rc<RefCell<Screen>>,
) -> Result<Outcome, Refusal> {
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
            // First: a run without any time begins nothing.
            biased;
            () = deadline.comes(), if !stop.asked() => {
                stop.time_is_up(deadline.after());
                screen.borrow_mut().out_of_time();
            }
            outcome = &mut run => return Ok(outcome),
            () = signals.next() => {
                stop.ask();
                screen.borrow_mut().stopping();
            }
        }
    }
}
