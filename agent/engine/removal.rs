//! What the recipe stopped naming: taken away if hostagent made it, else reported and left.
//!
//! Data is never taken away: a resource that may hold some leaves no traces, and is *released*. A directory goes after
//! all that leaves with it, the deepest first, and stays if it holds anything else.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Instant;

use super::changes::Changes;
use super::course::{Course, Doing, Span};
use super::failure::{Cause, Failure, Phase};
use super::outcome::{Told, Verdict};
use super::plan::Plan;
use super::resource::Id;
use super::run::guarded;
use crate::host::files::Kind;
use crate::host::ledger::Trace;
use crate::host::traces::Fate;
use crate::host::{Host, Look, Touch};

/// What the ledger knows and the plan does not.
#[derive(Debug, Default)]
pub(crate) struct Leaving {
    pub(crate) removals: Vec<Removal>,
    pub(crate) released: Vec<Id>,
}

/// A resource to be taken away.
#[derive(Debug)]
pub(crate) struct Removal {
    id: Id,
    traces: Vec<Trace>,
    /// Everything that is taken away with it or before it: a directory that holds nothing else is empty then.
    going: Rc<BTreeSet<PathBuf>>,
}

/// Finds what the plan no longer has, in the order in which it goes. A plan of a part of the recipe tells nothing of that.
pub(crate) fn leaving(plan: &Plan, host: &Look) -> Leaving {
    if plan.partial {
        return Leaving::default();
    }
    let wanted: BTreeSet<&str> = plan.ids().map(Id::as_str).collect();
    // What stands under a resource that is still wanted is that resource's business.
    let kept: BTreeSet<Trace> = plan.steps.iter().flat_map(|step| step.resource.traces()).collect();
    let mut leaving = Leaving::default();
    for (id, record) in host.ledger().records().filter(|(id, _)| !wanted.contains(id)) {
        // Who must like what is left is asked, whoever else asks them.
        let leaves = |trace: &&Trace| !kept.contains(trace) || trace.is_a_judge();
        let traces: Vec<Trace> = record.traces.iter().filter(leaves).cloned().collect();
        if host.has_left(id, &traces) || record.is_only_intended() {
            leaving.removals.push(Removal { id: Id::from(id), traces, going: Rc::default() });
        } else {
            leaving.released.push(Id::from(id));
        }
    }
    leaving.removals.reverse();
    // Stable: what is no directory goes first, and keeps its order.
    leaving.removals.sort_by_key(|gone| Reverse(gone.depth(host)));
    let going = Rc::new(going(&leaving.removals, host));
    leaving.removals.iter_mut().for_each(|gone| gone.going = Rc::clone(&going));
    leaving
}

/// The paths that go: files and links that are as they were left, and directories that hold nothing else.
fn going(removals: &[Removal], host: &Look) -> BTreeSet<PathBuf> {
    let mut going = BTreeSet::new();
    for gone in removals {
        for trace in gone.traces.iter().rev() {
            if let Trace::Path(path) = trace
                && matches!(host.fate(trace, &going), Ok(Fate::Goes { .. }))
            {
                going.insert(path.clone());
            }
        }
    }
    going
}

impl Removal {
    /// How deep its directory lies; what has none comes before all that have.
    fn depth(&self, host: &Look) -> usize {
        let is_directory = |path: &&Path| matches!(host.found(path), Ok(Some(found)) if found.kind == Kind::Directory);
        let paths = self.traces.iter().filter_map(Trace::path);
        paths.filter(is_directory).map(|path| path.components().count()).min().unwrap_or(usize::MAX)
    }

    /// Lets the looks of this run count on its being gone.
    pub(crate) fn foresee(&self, host: &Host) {
        let look = host.look();
        for trace in &self.traces {
            if let Trace::Path(path) = trace
                && matches!(look.fate(trace, &self.going), Ok(Fate::Goes { .. }))
            {
                host.expect(&self.id);
                look.foresee(&self.id, path, None);
            }
        }
    }

    /// Whether it goes before anything is put right: a unit is restarted without the settings it loses. Everything else
    /// goes last, when nothing that is put right refers to it any more.
    pub(crate) fn goes_first(&self) -> bool {
        self.traces.iter().all(Trace::is_of_a_unit)
    }

    /// What would be taken away.
    pub(crate) fn preview(self, host: &Look, began: Instant) -> Told {
        let started = Instant::now();
        let verdict = match self.changes(host) {
            Ok(changes) if changes.is_empty() => (Verdict::Ok, changes),
            Ok(changes) => (Verdict::Pending(changes.clone()), changes),
            Err(cause) => {
                (Verdict::Failed(Failure { id: self.id.clone(), phase: Phase::Looking, cause }), Changes::none())
            }
        };
        self.told(verdict, began, started, Doing::Surveying)
    }

    /// Takes it away.
    pub(crate) async fn apply(self, host: &Touch, began: Instant) -> Told {
        let started = Instant::now();
        let verdict = match self.changes(host) {
            Err(cause) => {
                (Verdict::Failed(Failure { id: self.id.clone(), phase: Phase::Looking, cause }), Changes::none())
            }
            Ok(changes) => match guarded(Box::pin(self.take_away(host))).await {
                Ok(()) if changes.is_empty() => (Verdict::Ok, changes),
                Ok(()) => (Verdict::Changed(changes.clone()), changes),
                Err(cause) => {
                    (Verdict::Failed(Failure { id: self.id.clone(), phase: Phase::Applying, cause }), changes)
                }
            },
        };
        self.told(verdict, began, started, Doing::Applying)
    }

    /// It stays for now, because something else failed.
    pub(crate) fn held_back(self, began: Instant) -> Told {
        let reason = "goes when everything else is right".to_owned();
        let told = self.told((Verdict::Skipped(reason), Changes::none()), began, Instant::now(), Doing::Looking);
        Told { course: Course::default(), ..told }
    }

    fn changes(&self, host: &Look) -> Result<Changes, Cause> {
        let mut changes = Changes::none();
        for trace in &self.traces {
            changes = match host.fate(trace, &self.going)? {
                Fate::Nothing => changes,
                Fate::Goes { what, name } => changes.disappears(what, name),
                Fate::Stays(why) => changes.note(why),
            };
        }
        Ok(changes)
    }

    async fn take_away(&self, host: &Touch) -> Result<(), Cause> {
        host.take_away(self.id.as_str(), &self.traces, &self.going).await?;
        Ok(host.ledger_mut().released(self.id.as_str())?)
    }

    fn told(self, (verdict, changes): (Verdict, Changes), began: Instant, started: Instant, doing: Doing) -> Told {
        let notes = changes.notes().to_vec();
        let (from, till) = (started.saturating_duration_since(began), began.elapsed());
        let course = Course { spans: vec![Span { doing, from, till }], ended: Some(till), ..Course::default() };
        Told {
            id: self.id,
            verdict,
            drift: false,
            removal: true,
            notes,
            started: from,
            took: started.elapsed(),
            course,
        }
    }
}
