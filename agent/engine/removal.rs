//! What the recipe stopped naming: taken away if hostagent made it, else reported and left.
//!
//! Data is never taken away: a resource that may hold some leaves no traces, and is *released*. A directory goes after
//! all that leaves with it, the deepest first, and stays if it holds anything else.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::ffi::OsString;
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
use crate::host::systemd::is_unit_file;
use crate::host::{Host, Look, Touch};

/// How many names of what keeps a directory are told.
const SHOWN: usize = 3;

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
        let traces: Vec<Trace> = record.traces.iter().filter(|trace| !kept.contains(trace)).cloned().collect();
        let made = traces.iter().any(|trace| match trace {
            // What was there before stays, and whose it is and what it was is told.
            Trace::Path(path) => host.ledger().written(path).is_some(),
            Trace::Unit(_) => true,
            Trace::Reader(_) => false,
            // What cannot be looked at is told when it is to go.
            Trace::Keys(user) => host.without_login_keys(user).map_or(true, |keys| keys.is_some()),
        });
        if made || record.is_only_intended() {
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
                && matches!(standing(host, path, &going), Ok(Standing::Ours))
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
        let is_directory =
            |path: &&PathBuf| matches!(host.found(path), Ok(Some(found)) if found.kind == Kind::Directory);
        let paths = self.traces.iter().filter_map(|trace| match trace {
            Trace::Path(path) => Some(path),
            _ => None,
        });
        paths.filter(is_directory).map(|path| path.components().count()).min().unwrap_or(usize::MAX)
    }

    /// Lets the looks of this run count on its being gone.
    pub(crate) fn foresee(&self, host: &Host) {
        let look = host.look();
        for trace in &self.traces {
            if let Trace::Path(path) = trace
                && matches!(standing(&look, path, &self.going), Ok(Standing::Ours))
            {
                host.expect(&self.id);
                look.foresee(&self.id, path, None);
            }
        }
    }

    /// Whether it goes before anything is put right: a unit is restarted without the settings it loses. Everything else
    /// goes last, when nothing that is put right refers to it any more.
    pub(crate) fn goes_first(&self) -> bool {
        self.traces.iter().all(|trace| matches!(trace, Trace::Path(path) if is_unit_file(path)))
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
            changes = match trace {
                Trace::Unit(unit) => changes.disappears("unit", unit),
                Trace::Reader(_) => changes,
                Trace::Keys(user) => match host.without_login_keys(user)? {
                    Some((path, _)) => changes.disappears("keys", path.display()),
                    None => changes,
                },
                Trace::Path(path) => match standing(host, path, &self.going)? {
                    Standing::Gone => changes,
                    Standing::Ours => changes.disappears("path", path.display()),
                    Standing::Edited => {
                        changes.note(format!("`{}` was edited by hand since, and is kept", path.display()))
                    }
                    Standing::Holds(names) => changes.note(format!(
                        "`{}` holds what is not hostagent's ({}), and is kept",
                        path.display(),
                        names.join(", ")
                    )),
                    Standing::Foreign => changes.note(foreign(host, path)),
                },
            };
        }
        Ok(changes)
    }

    async fn take_away(&self, host: &Touch) -> Result<(), Cause> {
        for trace in &self.traces {
            match trace {
                Trace::Unit(unit) => host.retire_unit(unit).await?,
                Trace::Keys(user) => host.take_login_keys(user)?,
                Trace::Path(_) | Trace::Reader(_) => {}
            }
        }
        let mut gone = Vec::new();
        for trace in self.traces.iter().rev() {
            if let Trace::Path(path) = trace
                && let Standing::Ours = standing(host, path, &self.going)?
            {
                if host.ledger().written(path).is_some_and(|written| written.opaque) {
                    host.swap_off(path).await?;
                }
                host.remove(path)?;
                gone.push(path.as_path());
            }
        }
        host.forget_units(&gone).await?;
        for trace in &self.traces {
            match trace {
                Trace::Reader(unit) if !gone.is_empty() => host.load_again(unit).await?,
                // What is kept is from here on whoever's edited it.
                Trace::Path(path) => host.ledger_mut().removed(path)?,
                _ => {}
            }
        }
        host.ledger_mut().released(self.id.as_str())?;
        Ok(())
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

/// What is said of a file that was there before.
fn foreign(host: &Look, path: &Path) -> String {
    let says = format!("`{}` was there before hostagent, and is kept", path.display());
    match host.original_of(path) {
        Some(copy) => format!("{says} as it is now; what it was at first is in `{}`", copy.display()),
        None => says,
    }
}

/// Whose a path is.
pub(crate) enum Standing {
    Gone,
    /// Made by hostagent and as it left it.
    Ours,
    /// Made by hostagent and changed by somebody.
    Edited,
    /// A directory made by hostagent that holds something which does not go: some of the names.
    Holds(Vec<String>),
    /// Was there before.
    Foreign,
}

/// Tells whose a path is, where everything in `going` is taken away before it.
pub(crate) fn standing(host: &Look, path: &Path, going: &BTreeSet<PathBuf>) -> Result<Standing, Cause> {
    let Some(found) = host.found(path)? else { return Ok(Standing::Gone) };
    let Some(written) = host.ledger().written(path).cloned().filter(|written| written.made) else {
        return Ok(Standing::Foreign);
    };
    Ok(match (found.kind, written.sha256.clone()) {
        (Kind::File, wrote @ Some(_)) if host.sha256(path)? == wrote => Standing::Ours,
        (Kind::File, None) if written.opaque => Standing::Ours,
        // One that a person has turned elsewhere is theirs. Of those made by an older hostagent nobody knows it.
        (Kind::Link, None) if written.target.is_none() || host.link_target(path)? == written.target => Standing::Ours,
        (Kind::Directory, None) => {
            let stays = |name: &OsString| !going.contains(&path.join(name));
            let names: Vec<OsString> = host.names_in(path)?.into_iter().filter(stays).collect();
            let shown: Vec<String> = names.iter().take(SHOWN).map(|name| format!("`{}`", name.display())).collect();
            let more = names.len().saturating_sub(SHOWN);
            match (shown.is_empty(), more) {
                (true, _) => Standing::Ours,
                (false, 0) => Standing::Holds(shown),
                (false, more) => Standing::Holds([shown, vec![format!("and {more} more")]].concat()),
            }
        }
        _ => Standing::Edited,
    })
}
