//! What hostagent remembers of its own work on this host: `/var/lib/hostagent/ledger.jsonl`.
//!
//! It answers three questions that the host itself cannot: was this file made by hostagent (so that it may remove it),
//! was this value once as wanted (so that a difference is drift and not a new wish), and what has a server loaded.
//! One JSON line a fact, appended before the act it speaks of, so that a kill loses nothing but an unused line;
//! a torn last line is passed over. That something was made is on the disk before the thing itself is: after a power cut
//! nobody else knows that it may be taken away again. It is rewritten whole when more than half of it is history.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::Error;
use super::systemd::full_name;

/// What was last applied for one resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// A digest of what was wanted then.
    pub wanted: String,
    /// What it left on the host that can be taken away again.
    pub traces: Vec<Trace>,
}

/// Something on the host that a resource put there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trace {
    /// A file, link or directory.
    Path(PathBuf),
    /// A systemd unit that read the paths, and has to load that they are gone.
    Reader(String),
    /// A systemd unit that was enabled and started; stopped and disabled before its files go.
    Unit(String),
    /// The keys of the recipe in the `authorized_keys` of this account. The rest of the file is somebody else's.
    Keys(String),
}

/// A path that hostagent wrote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Written {
    /// SHA-256 of what it wrote; none for a directory, a link, or a file whose content does not count.
    pub sha256: Option<String>,
    /// Whether nothing stood there before: then hostagent may remove it.
    pub made: bool,
    /// Whether it is a file whose content is nobody's to edit, such as a swap file.
    #[serde(default)]
    pub opaque: bool,
}

/// What a running unit has read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loaded {
    /// The unit's InvocationID (systemd.exec(5)) at that time.
    pub invocation: String,
    /// A digest of every file it reads.
    pub digest: String,
    /// A digest of what its unit files say, as far as it was started with that.
    #[serde(default)]
    pub settings: String,
}

/// One line of the file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Line {
    Resource { id: String, record: Option<Record> },
    Path { path: PathBuf, written: Option<Written> },
    Unit { unit: String, loaded: Option<Loaded> },
    Account { account: String },
}

/// What hostagent remembers. Reading it costs one file.
#[derive(Debug, Default)]
pub struct Ledger {
    path: PathBuf,
    file: Option<File>,
    /// Whether a line says that something was made, and may not be on the disk yet.
    unsynced: bool,
    lines: usize,
    resources: BTreeMap<String, Record>,
    paths: BTreeMap<PathBuf, Written>,
    units: BTreeMap<String, Loaded>,
    accounts: BTreeSet<String>,
}

impl Ledger {
    /// Reads the ledger in a state directory; one that is not there is empty.
    ///
    /// # Errors
    /// When it is there and cannot be read.
    pub fn read(directory: &Path) -> Result<Self, Error> {
        let path = directory.join("ledger.jsonl");
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            // Without root a plan is still worth having: everything then looks like a new wish.
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied) => {
                String::new()
            }
            Err(source) => return Err(Error::File { doing: "read", path, source }),
        };
        let mut ledger = Self { path, ..Self::default() };
        for line in text.lines().filter_map(|line| serde_json::from_str(line).ok()) {
            ledger.lines += 1;
            ledger.take(line);
        }
        Ok(ledger)
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

    /// What a unit had loaded when hostagent last started or reloaded it.
    pub fn loaded(&self, unit: &str) -> Option<&Loaded> {
        self.units.get(&full_name(unit))
    }

    /// Whether hostagent made this user: one that was there before is not its own to lock or to give a shell.
    pub fn made_account(&self, name: &str) -> bool {
        self.accounts.contains(name)
    }

    /// Notes that hostagent is about to make a user.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub fn making_account(&mut self, name: &str) -> Result<(), Error> {
        if self.made_account(name) {
            return Ok(());
        }
        self.put(Line::Account { account: name.to_owned() })?;
        self.sync_made()
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
        self.path_is(path, Written { sha256: Some(sha256.to_owned()), made, opaque: false })
    }

    /// Notes that hostagent makes a directory, a link or a file without a content of its own where nothing stood.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub fn made(&mut self, path: &Path) -> Result<(), Error> {
        self.path_is(path, Written { sha256: None, made: true, opaque: false })
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
        if let (true, Some(file)) = (self.unsynced, &self.file) {
            file.sync_data().map_err(|source| self.fail(source))?;
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
        if self.lines > 64 && self.lines > 2 * facts {
            return self.rewrite().map_err(|source| self.fail(source));
        }
        match &self.file {
            Some(file) => file.sync_data().map_err(|source| self.fail(source))?,
            None => return Ok(()),
        }
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
        self.append(&line).map_err(|source| self.fail(source))?;
        self.unsynced |= match &line {
            Line::Path { path, written } => {
                written.as_ref().is_some_and(|written| written.made)
                    && !self.paths.get(path).is_some_and(|known| known.made)
            }
            Line::Account { .. } => true,
            Line::Resource { .. } | Line::Unit { .. } => false,
        };
        self.lines += 1;
        self.take(line);
        Ok(())
    }

    fn append(&mut self, line: &Line) -> io::Result<()> {
        if self.file.is_none() {
            let directory = self.path.parent().unwrap_or(Path::new("/"));
            fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
            let mut file = OpenOptions::new().append(true).create(true).mode(0o600).open(&self.path)?;
            if file.metadata()?.len() > 0 {
                // A kill may have torn the last line; what follows must not be glued to it.
                file.write_all(b"\n")?;
            } else {
                // A new one: its lines are on the disk only if its name is.
                super::files::sync_directory(directory)?;
                super::files::sync_directory(directory.parent().unwrap_or(Path::new("/")))?;
            }
            self.file = Some(file);
        }
        let Some(file) = &mut self.file else { return Ok(()) };
        let mut text = serde_json::to_vec(line)?;
        text.push(b'\n');
        let written = file.write_all(&text);
        if written.is_err() {
            // Half a line may stand there now: opening it again ends that line first.
            self.file = None;
        }
        written
    }

    fn rewrite(&mut self) -> io::Result<()> {
        let resources =
            self.resources.iter().map(|(id, record)| Line::Resource { id: id.clone(), record: Some(record.clone()) });
        let paths =
            self.paths.iter().map(|(path, written)| Line::Path { path: path.clone(), written: Some(written.clone()) });
        let units =
            self.units.iter().map(|(unit, loaded)| Line::Unit { unit: unit.clone(), loaded: Some(loaded.clone()) });
        let accounts = self.accounts.iter().map(|account| Line::Account { account: account.clone() });
        let mut text = Vec::new();
        let mut lines = 0;
        for line in resources.chain(paths).chain(units).chain(accounts) {
            serde_json::to_writer(&mut text, &line)?;
            text.push(b'\n');
            lines += 1;
        }
        let fresh = self.path.with_extension("jsonl.new");
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
        file.write_all(&text)?;
        file.sync_all()?;
        fs::rename(&fresh, &self.path)?;
        self.file = None;
        self.unsynced = false;
        self.lines = lines;
        super::files::sync_directory(self.path.parent().unwrap_or(Path::new("/")))
    }

    fn take(&mut self, line: Line) {
        match line {
            Line::Resource { id, record } => put_or_take(&mut self.resources, id, record),
            Line::Path { path, written } => put_or_take(&mut self.paths, path, written),
            Line::Unit { unit, loaded } => put_or_take(&mut self.units, unit, loaded),
            Line::Account { account } => drop(self.accounts.insert(account)),
        }
    }

    fn fail(&self, source: io::Error) -> Error {
        Error::File { doing: "write", path: self.path.clone(), source }
    }
}

fn put_or_take<K: Ord, V>(map: &mut BTreeMap<K, V>, key: K, value: Option<V>) {
    match value {
        Some(value) => drop(map.insert(key, value)),
        None => drop(map.remove(&key)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_there_after_a_torn_line() {
        let directory = tempfile::tempdir().unwrap();
        let mut ledger = Ledger::read(directory.path()).unwrap();
        ledger.writing(Path::new("/etc/motd"), "aa", true).unwrap();
        OpenOptions::new()
            .append(true)
            .open(directory.path().join("ledger.jsonl"))
            .unwrap()
            .write_all(b"{\"path\":{\"pa")
            .unwrap();

        let mut ledger = Ledger::read(directory.path()).unwrap();
        ledger.made(Path::new("/srv/www")).unwrap();

        let ledger = Ledger::read(directory.path()).unwrap();
        assert_eq!(
            ledger.written(Path::new("/etc/motd")),
            Some(&Written { sha256: Some("aa".into()), made: true, opaque: false })
        );
        assert!(ledger.written(Path::new("/srv/www")).unwrap().made);
    }

    #[test]
    fn that_something_is_made_is_on_the_disk_before_it_is() {
        use crate::host::files::Access;
        use crate::host::{Host, programs::Real};
        let root = tempfile::tempdir().unwrap();
        let touch = Host::at(root.path(), Box::new(Real)).unwrap().touch();
        let (uid, gid) = (nix::unistd::geteuid().as_raw(), nix::unistd::getegid().as_raw());
        let own = Access { uid, gid, mode: 0o755 };
        let durable = || !touch.ledger().unsynced;
        touch.make_directory(Path::new("/above/made"), own).unwrap();
        assert!(
            durable()
                && ["/above", "/above/made"].iter().all(|path| touch.ledger().written(path.as_ref()).unwrap().made)
        );
        touch.replace(Path::new("/file"), b"", own).unwrap();
        assert!(durable());
        touch.link(Path::new("/link"), Path::new("/file")).unwrap();
        assert!(durable());
        touch.ledger_mut().made(Path::new("/another")).unwrap();
        assert!(!durable());
        // One that is there already is nobody's news.
        std::fs::create_dir(root.path().join("theirs")).unwrap();
        touch.make_directory(Path::new("/theirs"), own).unwrap();
        assert!(touch.ledger().written(Path::new("/theirs")).is_none());
    }

    #[test]
    fn a_file_it_made_stays_its_own_through_later_writes() {
        let directory = tempfile::tempdir().unwrap();
        let mut ledger = Ledger::read(directory.path()).unwrap();
        ledger.writing(Path::new("/a"), "1", true).unwrap();
        ledger.writing(Path::new("/a"), "2", false).unwrap();
        ledger.writing(Path::new("/b"), "1", false).unwrap();
        assert!(ledger.written(Path::new("/a")).unwrap().made);
        assert!(!ledger.written(Path::new("/b")).unwrap().made);
    }

    #[test]
    fn history_is_dropped_when_it_is_the_larger_part() {
        let directory = tempfile::tempdir().unwrap();
        let mut ledger = Ledger::read(directory.path()).unwrap();
        ledger.making_account("ops").unwrap();
        for n in 0..200 {
            ledger.writing(Path::new("/a"), &n.to_string(), true).unwrap();
        }
        ledger.settle().unwrap();
        let text = fs::read_to_string(directory.path().join("ledger.jsonl")).unwrap();
        assert_eq!(text.lines().count(), 2);
        assert!(Ledger::read(directory.path()).unwrap().made_account("ops"));
        assert_eq!(
            Ledger::read(directory.path()).unwrap().written(Path::new("/a")).unwrap().sha256.as_deref(),
            Some("199")
        );
    }
}
