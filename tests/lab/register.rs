//! Which machines exist, whose they are, and how each is unmade.
//!
//! Why a lock and not a process id: the owner of a machine holds a lock on its `owner` file, and the
//! kernel lets go of a lock when its holder dies, however it dies. A watchdog waits for that lock,
//! so an interrupted, panicking or killed test leaves nothing behind, and `undo.sh` is the one way
//! a machine is unmade.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};
use std::{env, process};

use super::{place, sum, tool};

const UNDO: &str = include_str!("undo.sh");

/// How many machines tests may have at once, unless `$HOSTAGENT_LAB_MACHINES` says so.
const MACHINES: usize = 6;

/// A machine's folder in the register.
#[derive(Debug)]
pub struct Entry {
    /// The machine's name.
    pub name: String,
    /// `/run/hostagent-lab/machines/NAME`
    pub folder: PathBuf,
    /// Held as long as the machine is ours; `None` for one that stays.
    owner: Option<File>,
}

impl Entry {
    /// Registers a new machine, and the watchdog that unmakes it when this process is gone.
    pub fn new(name: Option<&str>) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = name
            .map_or_else(|| format!("ha-{}-{}", process::id(), COUNT.fetch_add(1, Ordering::Relaxed)), str::to_owned);
        let folder = folder(&name);
        assert!(!folder.exists(), "there is a machine `{name}` already\nhint: cargo lab down {name}");

        let owner = {
            let _registering = lock();
            fs::create_dir_all(&folder).expect("/run can be written");
            let owner = File::create(folder.join("owner")).expect("/run can be written");
            owner.lock().expect("a lock can be taken");
            owner
        };
        let entry = Self { name, folder, owner: Some(owner) };
        entry.watch();
        entry
    }

    /// The machine of this name, as a visitor.
    pub fn existing(name: &str) -> Self {
        let folder = folder(name);
        assert!(folder.exists(), "there is no machine `{name}`\nhint: cargo lab list");
        Self { name: name.to_owned(), folder, owner: None }
    }

    /// Notes something about the machine for whoever comes later.
    pub fn note(&self, what: &str, text: &str) {
        fs::write(self.folder.join(what), text).expect("/run can be written");
    }

    /// What was noted, if it was.
    pub fn noted(&self, what: &str) -> Option<String> {
        fs::read_to_string(self.folder.join(what)).ok()
    }

    /// Whether this process made the machine and has to unmake it.
    pub fn is_ours(&self) -> bool {
        self.owner.is_some()
    }

    /// Lets the machine outlive this process, until `cargo lab down`.
    pub fn keep(&mut self) {
        self.note("keep", "");
        self.owner = None;
    }

    /// Whether it stays until somebody takes it down.
    pub fn is_kept(&self) -> bool {
        self.folder.join("keep").exists()
    }

    /// Unmakes the machine: its processes, namespaces, loop devices, mounts and this entry.
    pub fn undo(&self) {
        let script = script();
        // Not `tool::run`: this also runs while a test is panicking.
        match Command::new("sh").arg(script).arg(&self.folder).output() {
            Ok(output) if !self.folder.exists() && output.stderr.is_empty() => {}
            Ok(output) => {
                eprint!("lab: unmaking {}: {}", self.name, String::from_utf8_lossy(&output.stderr));
            }
            Err(error) => eprintln!("lab: cannot unmake {}: {error}", self.name),
        }
    }

    /// In a session of its own, so that what is sent to the test's terminal or group does not reach it.
    fn watch(&self) {
        let folder = self.folder.display();
        let undo = format!("[ -e {folder}/keep ] || sh {} {folder}", script().display());
        let owner = self.folder.join("owner");
        let mut command = Command::new("setsid");
        command.arg("--fork").arg("flock").arg(owner).args(["sh", "-c", &undo]).current_dir("/");
        let null = process::Stdio::null;
        let status = command.stdin(null()).stdout(null()).stderr(null()).status();
        assert!(status.is_ok_and(|status| status.success()), "cannot run {command:?}");
    }
}

/// Every machine there is, sorted by name.
pub fn all() -> Vec<Entry> {
    let mut names: Vec<_> = fs::read_dir(machines())
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect();
    names.sort();
    names.iter().map(|name| Entry::existing(name)).collect()
}

/// Unmakes every machine whose owner is gone and that nobody kept; returns their names.
pub fn sweep() -> Vec<String> {
    let abandoned: Vec<_> = all().into_iter().filter(is_abandoned).collect();
    abandoned.iter().for_each(Entry::undo);
    abandoned.into_iter().map(|entry| entry.name).collect()
}

fn is_abandoned(entry: &Entry) -> bool {
    let _registering = lock();
    if entry.is_kept() {
        return false;
    }
    match File::open(entry.folder.join("owner")) {
        Ok(owner) => owner.try_lock().is_ok(),
        Err(_) => entry.folder.exists(),
    }
}

/// Leave to have a machine; given back when dropped.
#[derive(Debug)]
pub struct Slot {
    _held: File,
}

/// Waits until fewer machines than allowed exist on this host.
pub fn slot() -> Slot {
    let limit = env::var("HOSTAGENT_LAB_MACHINES")
        .map_or(MACHINES, |text| text.parse().expect("HOSTAGENT_LAB_MACHINES is a number"));
    let folder = place::run().join("slots");
    fs::create_dir_all(&folder).expect("/run can be written");
    let begun = Instant::now();
    loop {
        for number in 0..limit {
            let file = File::create(folder.join(number.to_string())).expect("/run can be written");
            match file.try_lock() {
                Ok(()) => return Slot { _held: file },
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => panic!("cannot lock a slot: {error}"),
            }
        }
        assert!(
            begun.elapsed() < Duration::from_mins(30),
            "no room for another machine within half an hour\nhint: HOSTAGENT_LAB_MACHINES, now {limit}"
        );
        sleep(Duration::from_millis(100));
    }
}

/// Where what is known of a machine is. A name is never a path: this folder is unmade with the machine.
fn folder(name: &str) -> PathBuf {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    assert!(
        name.chars().all(fits) && name.starts_with(|c: char| c.is_ascii_lowercase()) && name.len() <= 32,
        "`{name}` cannot be a machine's name: lower case, digits and dashes"
    );
    machines().join(name)
}

fn machines() -> PathBuf {
    place::run().join("machines")
}

/// Held while a machine is registered or judged abandoned, so that a new one is never taken for an old one.
fn lock() -> File {
    fs::create_dir_all(machines()).expect("/run can be written");
    let lock = File::create(place::run().join("lock")).expect("/run can be written");
    lock.lock().expect("a lock can be taken");
    lock
}

/// `undo.sh`, where a watchdog finds it when this program is gone.
fn script() -> PathBuf {
    let path = place::run().join(format!("undo-{}", sum::short(UNDO)));
    if !path.exists() {
        write_whole(&path, UNDO);
    }
    path
}

fn write_whole(path: &Path, text: &str) {
    let draft = path.with_extension(process::id().to_string());
    fs::write(&draft, text).expect("/run can be written");
    tool::run("mv", &[&draft, path]);
}
