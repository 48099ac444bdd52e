//! The files that one server reads: rendered whole, written together, checked by the server's own checker, and put back
//! byte for byte if it says no. So the disk never keeps a configuration that its server refuses. Where a checker can be
//! given copies (`check`) a refused configuration never gets to the disk at all.
//!
//! The old versions stay (`host::undo`) until the server runs with the new ones: a value that the checker likes and the
//! start refuses is put back too. A refused set differs again at the next look, so it fails every run until it is mended.

mod check;
mod fitting;
pub mod ssh_access;
pub mod sshd;
pub mod sudoers;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::Serialize;

pub use check::ConfigCheck;
pub use fitting::Fitting;

use super::file::{content, owned, places_above};
use crate::engine::{Cause, Changes, Id, Resource, Shown};
use crate::host::files::Access;
use crate::host::ledger::Trace;
use crate::host::probe::Probe;
use crate::host::{Look, Touch};
use crate::terms::{AccountName, Mode};

/// A set of configuration files that stand or fall together.
#[derive(Debug, Clone, Serialize)]
pub struct ConfigSet {
    /// Its name: the server's, such as `nginx`.
    pub name: String,
    /// The files, whole.
    pub files: Vec<ConfigFile>,
    /// Files or links that must not be there, such as a distribution's default site.
    pub absent: Vec<PathBuf>,
    /// Who must like the files before they may stay. All of them are asked.
    pub checks: Vec<ConfigCheck>,
    /// The unit that reads the files, if one does: a change here makes it load them.
    pub read_by: Option<String>,
    /// What must be right of the host for the files to be there at all.
    pub guard: Option<Guard>,
    /// What makes the files for the host as it is, where `files` are only what can be told without asking it.
    pub fitting: Option<Fitting>,
}

/// Something beside the files that decides whether they may be there.
#[derive(Debug, Clone, Serialize)]
pub struct Guard {
    /// What is wrong, if something is. Asked by a look, which counts on what is to come, and again before the writing.
    pub probe: Probe,
    /// What must be right first, as in [`Resource::needs`].
    pub needs: Vec<Id>,
    /// A stable word for machines.
    pub code: &'static str,
    /// What to do about it.
    pub hint: String,
}

impl Guard {
    async fn ask(&self, host: &Look) -> Result<(), Cause> {
        match self.probe.ask(host).await? {
            Some(says) => Err(Cause::new(self.code, says).hint(self.hint.clone())),
            None => Ok(()),
        }
    }
}

/// One file of a set.
#[derive(Debug, Clone, Serialize)]
pub struct ConfigFile {
    /// Where.
    pub path: PathBuf,
    /// Every byte of it.
    pub content: Vec<u8>,
    /// Permission bits.
    pub mode: Mode,
    /// Who owns it.
    pub owner: AccountName,
    /// Which group owns it.
    pub group: AccountName,
}

impl ConfigFile {
    /// A file of root's that everybody may read.
    pub fn new(path: impl Into<PathBuf>, content: impl Into<Vec<u8>>) -> Self {
        let (owner, group) = (AccountName::root(), AccountName::root());
        Self { path: path.into(), content: content.into(), mode: Mode::FILE, owner, group }
    }
}

impl ConfigSet {
    /// A set without checks.
    pub fn new(name: impl Into<String>, files: Vec<ConfigFile>) -> Self {
        Self {
            name: name.into(),
            files,
            absent: Vec::new(),
            checks: Vec::new(),
            read_by: None,
            guard: None,
            fitting: None,
        }
    }

    /// The files as this host is to have them.
    async fn fitted(&self, host: &Look) -> Result<Cow<'_, [ConfigFile]>, Cause> {
        match &self.fitting {
            Some(fitting) => Ok(Cow::Owned(fitting.files(host).await?)),
            None => Ok(Cow::Borrowed(&self.files)),
        }
    }

    /// What it wrote earlier and does not want any more.
    fn orphans(&self, host: &Look) -> Vec<PathBuf> {
        let wanted: BTreeSet<&Path> = self.files.iter().map(|file| file.path.as_path()).collect();
        let ledger = host.ledger();
        let earlier = ledger.record(self.id().as_str()).into_iter().flat_map(|record| &record.traces);
        let paths = earlier.filter_map(|trace| match trace {
            Trace::Path(path) if !wanted.contains(path.as_path()) => Some(path.clone()),
            _ => None,
        });
        let made = paths.filter(|path| ledger.written(path).is_some_and(|written| written.made));
        made.filter(|path| !host.is_wanted(path)).collect()
    }

    /// Of what it no longer wants: what stands there as it was left, and what somebody edited.
    fn leaving(&self, host: &Look) -> Result<(Vec<PathBuf>, Vec<PathBuf>), Cause> {
        let (mut ours, mut edited) = (Vec::new(), Vec::new());
        for path in self.orphans(host) {
            let Some(now) = host.sha256(&path)? else { continue };
            let left = host.ledger().written(&path).and_then(|written| written.sha256.clone());
            if left == Some(now) { ours.push(path) } else { edited.push(path) }
        }
        Ok((ours, edited))
    }

    /// Asks those about copies who can be given some: nothing is written before they like what is to be.
    async fn rehearse(&self, host: &Touch, files: &[ConfigFile], leaving: &[PathBuf]) -> Result<(), Cause> {
        let gone: Vec<&Path> = self.absent.iter().chain(leaving).map(PathBuf::as_path).collect();
        let mut complaints = Vec::new();
        for check in &self.checks {
            complaints.extend(check.complaint_of_copies(host, self.id().as_str(), files, &gone).await?);
        }
        if complaints.is_empty() {
            return Ok(());
        }
        Err(Cause::new("config-refused", complaints.join("\n")).hint("correct the recipe; nothing was written"))
    }

    async fn write(&self, host: &Touch, files: &[ConfigFile], leaving: &[PathBuf]) -> Result<(), Cause> {
        for file in files {
            let (uid, gid) = (host.uid(file.owner.as_str())?, host.gid(file.group.as_str())?);
            let access = Access { uid, gid, mode: file.mode.bits() };
            if host.read(&file.path)?.as_deref() == Some(&file.content) {
                host.set_access(&file.path, access)?;
            } else {
                host.replace(&file.path, &file.content, access)?;
            }
        }
        for path in self.absent.iter().chain(leaving) {
            host.remove(path)?;
        }
        let mut complaints = Vec::new();
        for check in &self.checks {
            complaints.extend(check.complaint(host).await?);
        }
        if complaints.is_empty() {
            return Ok(());
        }
        Err(Cause::new("config-refused", complaints.join("\n"))
            .hint("correct the recipe; the old files are back and the server was not disturbed"))
    }
}

impl Resource for ConfigSet {
    fn id(&self) -> Id {
        Id::new("config_set", &self.name)
    }

    fn needs(&self) -> Vec<Id> {
        let mut needs: Vec<Id> = self.files.iter().flat_map(|file| places_above(&file.path)).collect();
        needs.extend(self.files.iter().flat_map(|file| [Id::new("user", &file.owner), Id::new("group", &file.group)]));
        needs.push(Id::every("package"));
        needs.extend(self.guard.iter().flat_map(|guard| guard.needs.clone()));
        needs.extend(self.fitting.iter().flat_map(Fitting::needs).cloned());
        needs
    }

    async fn check(&self, host: &Look) -> Result<Changes, Cause> {
        if let Some(guard) = &self.guard {
            guard.ask(host).await?;
        }
        let mut changes = Changes::none();
        let mut there = 0;
        for file in self.fitted(host).await?.iter() {
            let path = file.path.display();
            match host.read_itself(&file.path)? {
                None => changes = content(changes, &path.to_string(), None, &file.content, false),
                Some((found, now)) => {
                    there += 1;
                    let inner = owned(host, Changes::none(), &found, file.mode, &file.owner, &file.group);
                    let inner = content(inner, "", Some(&now), &file.content, false);
                    changes = changes.within(&path.to_string(), inner);
                }
            }
        }
        // A run starts with putting such files back; a plan must know that the wanted ones are still to prove themselves.
        if host.undo(self.id().as_str())?.is_some_and(|undo| !undo.is_checked()) {
            changes = changes.follows("check", Shown::Plain("due".to_owned()), Shown::Plain("done".to_owned()));
        }
        let (ours, edited) = self.leaving(host)?;
        for path in self.absent.iter().filter(|path| host.found(path).is_ok_and(|found| found.is_some())).chain(&ours) {
            changes = changes.disappears(&path.display().to_string(), "present");
        }
        for path in edited {
            changes =
                changes.note(format!("`{}` was edited by hand since, and is kept; remove it yourself", path.display()));
        }
        Ok(if there == 0 { changes.creating() } else { changes })
    }

    async fn apply(&self, host: &Touch) -> Result<(), Cause> {
        let (leaving, _edited) = self.leaving(host)?;
        if let Some(guard) = &self.guard {
            guard.ask(host).await?;
        }
        let files = self.fitted(host).await?;
        self.rehearse(host, &files, &leaving).await?;
        let written = files.iter().map(|file| file.path.clone());
        let paths: Vec<PathBuf> = written.chain(self.absent.iter().cloned()).chain(leaving.iter().cloned()).collect();
        let mut undo = host.keep_old(self.id().as_str(), &paths)?;
        let loaded = self.read_by.as_ref().and_then(|unit| host.ledger().loaded(unit).cloned());
        if let Some(unit) = &self.read_by {
            host.ledger_mut().must_load(unit)?;
        }
        match self.write(host, &files, &leaving).await {
            Ok(()) if self.read_by.is_some() => Ok(host.undo_is_checked(&mut undo)?),
            // Nobody loads these later: the check was the proof.
            Ok(()) => Ok(host.forget_old(self.id().as_str())?),
            Err(mut cause) => {
                match host.put_back(&undo) {
                    // What the server has loaded is on disk again, and nobody asked it to load anything in between.
                    Ok(..) => {
                        if let (Some(unit), Some(loaded)) = (&self.read_by, loaded) {
                            host.ledger_mut().has_loaded(unit, loaded)?;
                        }
                    }
                    Err(error) => {
                        cause.hint = Some(format!(
                            "the old files could not be put back ({error}); copies are in /var/lib/hostagent/undo"
                        ));
                    }
                }
                Err(cause)
            }
        }
    }

    fn when_absent(&self) -> Changes {
        let add =
            |changes, file: &ConfigFile| content(changes, &file.path.display().to_string(), None, &file.content, false);
        self.files.iter().fold(Changes::none(), add).creating()
    }

    fn cut_off(&self, host: &Touch) -> Result<(), Cause> {
        match host.undo(self.id().as_str())? {
            Some(undo) if !undo.is_checked() => Ok(host.put_back(&undo)?),
            _ => Ok(()),
        }
    }

    fn claims(&self) -> Vec<PathBuf> {
        self.files.iter().map(|file| &file.path).chain(&self.absent).cloned().collect()
    }

    fn traces(&self) -> Vec<Trace> {
        let reader = self.read_by.iter().map(|unit| Trace::Reader(unit.clone()));
        // Of what is gone nobody can say whether it is right: only whoever judges the whole that a server reads is asked.
        let whole =
            |check: &&ConfigCheck| self.read_by.is_some() && !self.files.iter().any(|file| check.names(&file.path));
        let checkers = self.checks.iter().filter(whole).filter_map(ConfigCheck::trace);
        self.files.iter().map(|file| Trace::Path(file.path.clone())).chain(reader).chain(checkers).collect()
    }
}

#[cfg(test)]
mod tests;
