//! What hostagent remembers of its own work on this host: `/var/lib/hostagent/ledger.jsonl`.
//!
//! It answers three questions that the host itself cannot: was this file made by hostagent (so that it may remove it),
//! was this value once as wanted (so that a difference is drift and not a new wish), and what has a server loaded.
//! One JSON line a fact, appended before the act it speaks of, so that a kill loses nothing but an unused line (`lines`).
//! That something was made is on the disk before the thing itself is: after a power cut nobody else knows that it may be
//! taken away again.

mod lines;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use self::lines::{Line, Lines, Making};
use super::Error;
use super::systemd::full_name;

/// What was last applied for one resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// A digest of what was wanted then.
    pub wanted: String,
    /// What it left on the host that can be taken away again.
    pub traces: Vec<Trace>,
}

impl Record {
    /// Nothing was applied yet, and something is about to be.
    pub fn intended() -> Self {
        Self { wanted: String::new(), traces: Vec::new() }
    }

    /// Whether nothing came of it, as far as is known.
    pub fn is_only_intended(&self) -> bool {
        self.wanted.is_empty()
    }
}

/// Something on the host that a resource put there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trace {
    /// A file, link or directory.
    Path(PathBuf),
    /// A systemd unit that read the paths, and has to load that they are gone.
    Reader(String),
    /// A program that must like the paths being gone, before their reader loads that.
    Checker {
        /// Its command line.
        argv: Vec<String>,
        /// Who runs it, if not root.
        user: Option<String>,
    },
    /// A systemd unit that was enabled and started; stopped and disabled before its files go.
    Unit(String),
    /// The keys of the recipe in the `authorized_keys` of this account. The rest of the file is somebody else's.
    Keys(String),
}

/// A path that hostagent wrote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Written {
    /// SHA-256 of what it wrote; none for a directory, a link, or a file whose content does not count.
    pub sha256: Option<String>,
    /// Whether nothing stood there before: then hostagent may remove it.
    pub made: bool,
    /// Whether it is a file whose content is nobody's to edit, such as a swap file.
    #[serde(default, skip_serializing_if = "is_false")]
    pub opaque: bool,
    /// Where the link points that it made; none for what is no link, and for links of an older hostagent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<PathBuf>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives references")]
fn is_false(it: &bool) -> bool {
    !it
}

/// What a running unit has read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Loaded {
    /// The unit's InvocationID (systemd.exec(5)) at that time.
    pub invocation: String,
    /// A digest of every file it reads.
    pub digest: String,
    /// A digest of what its unit files say, as far as it was started with that.
    #[serde(default)]
    pub settings: String,
    /// The files and directory trees that it reads.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reads: Vec<PathBuf>,
}

/// What hostagent remembers. Reading it costs one file.
#[derive(Debug, Default)]
pub struct Ledger {
    lines: Lines,
    /// Whether a line says that something was made, and may not be on the disk yet.
    unsynced: bool,
    resources: BTreeMap<String, Record>,
    paths: BTreeMap<PathBuf, Written>,
    units: BTreeMap<String, Loaded>,
    /// The users it made or is making, by their names.
    accounts: BTreeMap<String, Making>,
}

impl Ledger {
    /// Reads the ledger in a state directory; one that is not there is empty.
    ///
    /// # Errors
    /// When it is there and cannot be read.
    pub fn read(directory: &Path) -> Result<Self, Error> {
        let (lines, known) = Lines::read(directory.join("ledger.jsonl"))?;
        let mut ledger = Self { lines, ..Self::default() };
        for line in known {
            ledger.take(line);
        }
        Ok(ledger)
    }

    /// What is to be known of lines that this hostagent cannot read, if there are any.
    pub fn doubt(&self) -> Option<String> {
        self.lines.doubt()
    }

    /// What was last applied for a resource.
    pub fn record(&self, id: &str) -> Option<&Record> {
        self.resources.get(id)
    }

    /// Every resource it knows, by id.
    pub fn records(&self) -> impl Iterator<Item = (&str, &Record)> {
        self.resources.iter().map(|(id, record)| (id.as_str(), record))
    }

    /// What hostagent wrote at a path.
    pub fn written(&self, path: &Path) -> Option<&Written> {
        self.paths.get(path)
    }

    /// Every path that it wrote or made.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.paths.keys().map(PathBuf::as_path)
    }

    /// What a unit had loaded when hostagent last started or reloaded it.
    pub fn loaded(&self, unit: &str) -> Option<&Loaded> {
        self.units.get(&full_name(unit))
    }

    /// Whether hostagent made the user who has this name and this number: one that was there before is not its own to
    /// lock or to give a shell, and neither is one that somebody made after its own was gone.
    pub fn made_account(&self, name: &str, uid: u32) -> bool {
        self.accounts.get(name).is_some_and(|made| made.uid().is_none_or(|made| made == uid))
    }

    /// Every user that it made, with their number; none where it is not known whether it came to that.
    pub fn accounts(&self) -> impl Iterator<Item = (&str, Option<u32>)> {
        self.accounts.iter().map(|(name, made)| (name.as_str(), made.uid()))
    }

    /// Notes that hostagent is about to make a user, or to give one that it made another number.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub fn making_account(&mut self, name: &str) -> Result<(), Error> {
        self.account_is(name, Making::Begun)?;
        self.sync_made()
    }

    /// Notes that it has made a user, and the number that it has; none if there is no such user, or it is somebody else's.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub fn has_made_account(&mut self, name: &str, uid: Option<u32>) -> Result<(), Error> {
        self.account_is(name, uid.map_or(Making::Gone, |uid| Making::Done { uid }))
    }

    fn account_is(&mut self, name: &str, is: Making) -> Result<(), Error> {
        if self.accounts.get(name).copied().unwrap_or(Making::Gone) == is {
            return Ok(());
        }
        self.put(Line::Account { account: name.to_owned(), is })
    }

    /// Remembers what was applied for a resource; writes only what is new.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub fn applied(&mut self, id: &str, record: Record) -> Result<(), Error> {
        if self.resources.get(id) == Some(&record) {
            return Ok(());
        }
        self.put(Line::Resource { id: id.to_owned(), record: Some(record) })
    }

    /// Forgets a resource.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub fn released(&mut self, id: &str) -> Result<(), Error> {
        if !self.resources.contains_key(id) {
            return Ok(());
        }
        self.put(Line::Resource { id: id.to_owned(), record: None })
    }

    /// Notes that hostagent is about to write a file; `absent` says that nothing stands there.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub fn writing(&mut self, path: &Path, sha256: &str, absent: bool) -> Result<(), Error> {
        let made = absent || self.paths.get(path).is_some_and(|written| written.made);
        self.path_is(path, Written { sha256: Some(sha256.to_owned()), made, opaque: false, target: None })
    }

    /// Notes that hostagent makes a directory where nothing stood.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub fn made(&mut self, path: &Path) -> Result<(), Error> {
        self.path_is(path, Written { sha256: None, made: true, opaque: false, target: None })
    }

    /// Notes that hostagent makes a link to `target` where nothing stood, or something of its own.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub fn linking(&mut self, path: &Path, target: &Path) -> Result<(), Error> {
        self.path_is(path, Written { sha256: None, made: true, opaque: false, target: Some(target.to_owned()) })
    }

    /// Forgets a path that is gone.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub fn removed(&mut self, path: &Path) -> Result<(), Error> {
        if !self.paths.contains_key(path) {
            return Ok(());
        }
        self.put(Line::Path { path: path.to_owned(), written: None })
    }

    /// Knows of a path what it knew when its old version, now back, was there.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub fn written_again(&mut self, path: &Path, written: Option<Written>) -> Result<(), Error> {
        match written {
            Some(written) => self.path_is(path, written),
            None => self.removed(path),
        }
    }

    /// Notes what a unit has loaded, after a successful start, restart or reload.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub fn has_loaded(&mut self, unit: &str, loaded: Loaded) -> Result<(), Error> {
        let unit = full_name(unit);
        if self.units.get(&unit) == Some(&loaded) {
            return Ok(());
        }
        self.put(Line::Unit { unit, loaded: Some(loaded) })
    }

    /// Notes that files a unit reads are about to change: whatever it has loaded does not count any more.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub fn must_load(&mut self, unit: &str) -> Result<(), Error> {
        let unit = full_name(unit);
        if !self.units.contains_key(&unit) {
            return Ok(());
        }
        self.put(Line::Unit { unit, loaded: None })
    }

    /// Makes durable what was noted of things that are about to be made. What is noted of others may be lost in a power
    /// cut: then it is found out again.
    ///
    /// # Errors
    /// When it cannot be written: then nothing may be made.
    pub fn sync_made(&mut self) -> Result<(), Error> {
        if self.unsynced {
            self.lines.sync().map_err(|source| self.fail(source))?;
            self.unsynced = false;
        }
        Ok(())
    }

    /// Makes what was appended durable, and rewrites the file if most of it is history.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub fn settle(&mut self) -> Result<(), Error> {
        let facts = self.resources.len() + self.paths.len() + self.units.len() + self.accounts.len();
        self.lines.settle(facts).map_err(|source| self.fail(source))?;
        self.unsynced = false;
        Ok(())
    }

    fn path_is(&mut self, path: &Path, written: Written) -> Result<(), Error> {
        if self.paths.get(path) == Some(&written) {
            return Ok(());
        }
        self.put(Line::Path { path: path.to_owned(), written: Some(written) })
    }

    fn put(&mut self, line: Line) -> Result<(), Error> {
        self.lines.append(&line).map_err(|source| self.fail(source))?;
        self.unsynced |= match &line {
            Line::Path { path, written } => {
                written.as_ref().is_some_and(|written| written.made)
                    && !self.paths.get(path).is_some_and(|known| known.made)
            }
            Line::Account { is, .. } => matches!(is, Making::Begun),
            Line::Resource { .. } | Line::Unit { .. } => false,
        };
        self.take(line);
        Ok(())
    }

    fn take(&mut self, line: Line) {
        match line {
            Line::Resource { id, record } => put_or_take(&mut self.resources, id, record),
            Line::Path { path, written } => put_or_take(&mut self.paths, path, written),
            Line::Unit { unit, loaded } => put_or_take(&mut self.units, unit, loaded),
            Line::Account { account, is } => {
                put_or_take(&mut self.accounts, account, Some(is).filter(|is| *is != Making::Gone));
            }
        }
    }

    fn fail(&self, source: io::Error) -> Error {
        Error::File { doing: "write", path: self.lines.path().to_owned(), source }
    }
}

fn put_or_take<K: Ord, V>(map: &mut BTreeMap<K, V>, key: K, value: Option<V>) {
    match value {
        Some(value) => drop(map.insert(key, value)),
        None => drop(map.remove(&key)),
    }
}

#[cfg(test)]
mod tests;
