//! What resources leave on a host ([`Trace`]), and how it is taken away again.
//!
//! What a server reads goes as it came: its own checker must like what is left before the server loads it, and if it does
//! not, or the server does not come up, the files are back as if nothing had been. They are kept as those of a change are
//! (`undo`), so a kill in between is put right by the next run.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::files::Kind;
use super::ledger::Trace;
use super::programs::{Failed, Program};
use super::systemd::is_unit_file;
use super::{Error, Look, Touch};

/// How many names of what keeps a directory are told.
const SHOWN: usize = 3;

impl Trace {
    /// The path that it is, if it is one.
    pub fn path(&self) -> Option<&Path> {
        if let Self::Path(path) = self { Some(path) } else { None }
    }

    /// Whether it is nothing but who must like what is left.
    pub fn is_a_judge(&self) -> bool {
        matches!(self, Self::Checker { .. })
    }

    /// Whether it is a file that systemd reads.
    pub fn is_of_a_unit(&self) -> bool {
        self.path().is_some_and(is_unit_file)
    }
}

/// What becomes of a trace that nobody wants any more.
#[derive(Debug, PartialEq, Eq)]
pub enum Fate {
    /// Nothing is to be done.
    Nothing,
    /// It is taken away.
    Goes {
        /// What it is, such as `path`.
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// It is not hostagent's to take away: why.
    Stays(String),
}

/// Whose a path is.
enum Standing {
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

impl Look {
    /// Whether a resource that is no longer wanted has left something on the host that goes, or that is to be told of.
    pub fn has_left(&self, id: &str, traces: &[Trace]) -> bool {
        let left = |trace: &Trace| match trace {
            // What was there before stays, and whose it is and what it was is told.
            Trace::Path(path) => self.ledger().written(path).is_some(),
            Trace::Unit(_) => true,
            Trace::Reader(_) | Trace::Checker { .. } => false,
            // What cannot be looked at is told when it is to go.
            Trace::Keys(user) => self.without_login_keys(user).map_or(true, |keys| keys.is_some()),
        };
        traces.iter().any(left) || self.was_going(id)
    }

    /// What becomes of a trace, where everything in `going` is taken away before it.
    ///
    /// # Errors
    /// When it cannot be looked at.
    pub fn fate(&self, trace: &Trace, going: &BTreeSet<PathBuf>) -> Result<Fate, Error> {
        let goes = |what, name| Fate::Goes { what, name };
        Ok(match trace {
            Trace::Reader(_) | Trace::Checker { .. } => Fate::Nothing,
            Trace::Unit(unit) => goes("unit", unit.clone()),
            Trace::Keys(user) => match self.without_login_keys(user)? {
                Some((path, _)) => goes("keys", path.display().to_string()),
                None => Fate::Nothing,
            },
            Trace::Path(path) => match self.standing(path, going)? {
                Standing::Gone => Fate::Nothing,
                Standing::Ours => goes("path", path.display().to_string()),
                Standing::Edited => Fate::Stays(format!("`{}` was edited by hand since, and is kept", path.display())),
                Standing::Holds(names) => Fate::Stays(format!(
                    "`{}` holds what is not hostagent's ({}), and is kept",
                    path.display(),
                    names.join(", ")
                )),
                Standing::Foreign => Fate::Stays(self.foreign(path)),
            },
        })
    }

    /// What is said of a file that was there before.
    fn foreign(&self, path: &Path) -> String {
        let says = format!("`{}` was there before hostagent, and is kept", path.display());
        match self.original_of(path) {
            Some(copy) => format!("{says} as it is now; what it was at first is in `{}`", copy.display()),
            None => says,
        }
    }

    fn standing(&self, path: &Path, going: &BTreeSet<PathBuf>) -> Result<Standing, Error> {
        let Some(found) = self.found(path)? else { return Ok(Standing::Gone) };
        let Some(written) = self.ledger().written(path).cloned().filter(|written| written.made) else {
            return Ok(Standing::Foreign);
        };
        Ok(match (found.kind, written.sha256.clone()) {
            (Kind::File, wrote @ Some(_)) if self.sha256(path)? == wrote => Standing::Ours,
            (Kind::File, None) if written.opaque => Standing::Ours,
            // One that a person has turned elsewhere is theirs. Of those made by an older hostagent nobody knows it.
            (Kind::Link, None) if written.target.is_none() || self.link_target(path)? == written.target => {
                Standing::Ours
            }
            (Kind::Directory, None) => {
                let stays = |name: &OsString| !going.contains(&path.join(name));
                let names: Vec<OsString> = self.names_in(path)?.into_iter().filter(stays).collect();
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

    /// Whether a run was cut off after files of this id had gone and before their reader had loaded that.
    fn was_going(&self, id: &str) -> bool {
        // What cannot be read is told when it is to go.
        self.undo(id).map_or(true, |undo| undo.is_some())
    }

    /// What the checkers dislike of the files as they are, in their own words. One that is gone has no say.
    async fn complaints(&self, traces: &[Trace]) -> Result<Option<String>, Error> {
        let mut complaints = Vec::new();
        for trace in traces {
            let Trace::Checker { argv, user } = trace else { continue };
            let mut words = argv.iter().cloned();
            let mut program = Program::asks(words.next().unwrap_or_default()).args(words);
            if let Some(name) = user {
                let (Ok(uid), Ok(gid)) = (self.uid(name), self.gid(name)) else { continue };
                program = program.as_user(uid, gid);
            }
            match self.complaint(&program).await {
                Err(Error::Program(Failed::Start { source, .. })) if source.kind() == std::io::ErrorKind::NotFound => {}
                answer => complaints.extend(answer?),
            }
        }
        Ok((!complaints.is_empty()).then(|| complaints.join("\n")))
    }

    /// Whether one of the units that read the paths runs.
    async fn is_read_now(&self, traces: &[Trace]) -> Result<bool, Error> {
        for trace in traces {
            if let Trace::Reader(unit) = trace
                && self.has_systemd()
                && self.unit(unit).await?.is_up()
            {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

impl Touch {
    /// Takes away what the resource of this id has left, but for what is somebody else's.
    ///
    /// # Errors
    /// When something cannot be taken away; or when who reads it does not like it to be gone: then it is back.
    pub async fn take_away(&self, id: &str, traces: &[Trace], going: &BTreeSet<PathBuf>) -> Result<(), Error> {
        for trace in traces {
            match trace {
                Trace::Unit(unit) => self.retire_unit(unit).await?,
                Trace::Keys(user) => self.take_login_keys(user)?,
                Trace::Path(_) | Trace::Reader(_) | Trace::Checker { .. } => {}
            }
        }
        let mut gone = Vec::new();
        for path in traces.iter().rev().filter_map(Trace::path) {
            if let Standing::Ours = self.standing(path, going)? {
                gone.push(path);
            }
        }
        if traces.iter().any(|trace| matches!(trace, Trace::Reader(_) | Trace::Checker { .. })) {
            self.take_from_reader(id, traces, &gone).await?;
        } else {
            self.remove_all(&gone).await?;
            self.forget_units(&gone).await?;
        }
        for path in traces.iter().filter_map(Trace::path) {
            // What is kept is from here on whoever's edited it.
            self.ledger_mut().removed(path)?;
        }
        Ok(())
    }

    async fn remove_all(&self, paths: &[&Path]) -> Result<(), Error> {
        for path in paths {
            if self.ledger().written(path).is_some_and(|written| written.opaque) {
                self.swap_off(path).await?;
            }
            self.remove(path)?;
        }
        Ok(())
    }

    /// Takes away what a server reads, if its checker and the server like that.
    async fn take_from_reader(&self, id: &str, traces: &[Trace], gone: &[&Path]) -> Result<(), Error> {
        if gone.is_empty() && !self.was_going(id) {
            return Ok(());
        }
        // What was refused before is not refused for this; and what nobody runs with does no harm.
        let is_judged = self.is_read_now(traces).await? || self.complaints(traces).await?.is_none();
        let mut files = Vec::new();
        for path in gone {
            let kind = self.found(path)?.map(|found| found.kind);
            files.extend(matches!(kind, Some(Kind::File | Kind::Link)).then(|| path.to_path_buf()));
        }
        let mut undo = self.keep_old(id, &files)?;
        let done = async {
            self.remove_all(gone).await?;
            match self.complaints(traces).await? {
                Some(says) if is_judged => {
                    let hint =
                        "what still needs them must go first; the files are back and the server was not disturbed";
                    Err(Error::said_with_hint("config-refused", says, hint))
                }
                _ => self.undo_is_checked(&mut undo),
            }
        };
        if let Err(error) = done.await {
            return Err(match self.put_back(&undo) {
                Ok(()) => error,
                Err(second) => not_back(&error, &second),
            });
        }
        self.forget_units(gone).await?;
        for trace in traces {
            let Trace::Reader(unit) = trace else { continue };
            if let Err(error) = self.load_again(unit).await {
                if let Err(second) = self.put_back(&undo) {
                    return Err(not_back(&error, &second));
                }
                // With the files that it ran with.
                let back = self.reload_or_restart(unit).await;
                let hint = match back {
                    Ok(()) => {
                        format!("`{unit}` could not go on without them; the files are back and it runs with them")
                    }
                    Err(second) => {
                        format!("the files are back, and `{unit}` does not come up with them either: {second}")
                    }
                };
                return Err(Error::said_with_hint("config-refused", error.to_string(), hint));
            }
        }
        self.forget_old(id)
    }
}

fn not_back(error: &Error, second: &Error) -> Error {
    let hint = format!("the old files could not be put back ({second}); copies are in /var/lib/hostagent/undo");
    Error::said_with_hint("config-refused", error.to_string(), hint)
}
