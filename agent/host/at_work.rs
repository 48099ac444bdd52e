//! Programs that a killed run left at work: the next run waits for them before it touches anything.
//!
//! Killing hostagent does not kill what it started (each program has a process group of its own), and must not: dpkg that is
//! ended half-way leaves packages half-configured, and a `[[run]]` of the recipe may be anything. But a run that begins
//! beside them would race them: the same `[[run]]` twice at once, files of packages under its hands. So:
//!
//! - Before a program that changes the machine is started, a note is put into `/run/hostagent/at-work/`, which root alone
//!   may read: until when the program may work. It is taken away when the program has ended. Where no note is left nothing
//!   is looked for, and a run with nothing to do pays one look at a directory.
//! - Each such program carries the name of its note in its environment ([`MARK`]). A run that finds notes of another run
//!   looks for processes that carry one of their names, and takes the place of that run: it waits for them, says so, and
//!   ends their process group when the time in the note is up, as the killed run would have. Nothing is ended earlier,
//!   dpkg least of all.
//! - What a process says of itself counts for nothing more: programs are run as others than root too, who can hand their
//!   mark to anybody. So no one is waited for much longer than the note says, whatever carries its name by then.
//! - It waits for the programs themselves, the leaders of their process groups, as hostagent does: a daemon that a program
//!   has left behind on purpose is nobody's to wait for.
//!
//! An inherited lock would not do, as such a daemon would hold it for ever; neither would `PR_SET_PDEATHSIG`, which ends
//! whatever it is at, and only the child itself.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::sys::signal::{Signal, killpg};
use nix::time::{ClockId, clock_gettime};
use nix::unistd::{Pid, getpgid};

use super::programs::Program;
use super::{Error, RUN_DIR, Touch};

/// The environment variable by which such a program is known: the name of its note.
const MARK: &str = "HOSTAGENT_PROGRAM";
/// How often those that are waited for are looked at.
const PAUSE: Duration = Duration::from_millis(100);
/// How often a waiting run says so.
const NEWS: Duration = Duration::from_secs(10);
/// How long after its time, when its group has been ended, a program is still waited for.
const GRACE: Duration = Duration::from_secs(5);
/// No program is waited for longer, whatever its note says: one that cannot be read, or that was damaged.
const LONGEST: Duration = Duration::from_hours(24);

/// Says that a program is at work, until dropped.
#[derive(Debug)]
pub(super) struct Note {
    name: String,
    place: PathBuf,
}

impl Note {
    /// The program, to be known by this note.
    pub(super) fn on(&self, program: &Program) -> Program {
        program.clone().env(MARK, &self.name)
    }
}

impl Drop for Note {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.place) {
            tracing::debug!(%error, "a note of a program stays; the next run looks, and takes it away");
        }
    }
}

/// Until when the programs of other runs may work, by the names of their notes: a time since
/// the boot, which nobody sets.
type Notes = BTreeMap<String, Duration>;

/// A program of another run that is still at work.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Orphan {
    pid: i32,
    command: String,
    until: Duration,
}

/// What came of waiting for such programs.
#[derive(Debug, Default)]
pub(super) struct Waited {
    /// What was waited for, in words.
    pub(super) said: Vec<String>,
    /// What did not end.
    pub(super) trouble: Option<Error>,
}

impl Touch {
    /// Notes that a program is about to change the machine.
    pub(super) fn note_at_work(&self, program: &Program) -> Result<Note, Error> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let name = format!("{}-{}", this_run(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = directory().join(&name);
        let place = self.place(&path);
        let until = since_boot().saturating_add(program.may_take());
        let write = || {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(place.parent().unwrap_or(Path::new("/")))?;
            fs::write(&place, format!("{}\n", until.as_secs()))
        };
        write().map_err(|source| Error::File { doing: "write", path, source })?;
        Ok(Note { name, place })
    }

    /// Waits for the programs of a run that was killed.
    ///
    /// # Errors
    /// When it cannot be found out whether there are any: then nothing may be touched.
    pub(super) async fn wait_for_orphans(&self) -> Result<Waited, Error> {
        let notes = self.notes_of_others()?;
        if notes.is_empty() {
            return Ok(Waited::default());
        }
        let mut waited = BTreeMap::new();
        let mut said: Option<std::time::Instant> = None;
        let left = loop {
            let orphans = orphans(&notes)?;
            let now = since_boot();
            // What is left then was ended, and its end is all that it can still come to.
            if orphans.iter().all(|orphan| now >= orphan.until.saturating_add(GRACE)) {
                break orphans;
            }
            if let Some(first) = orphans.first()
                && said.is_none_or(|when| when.elapsed() >= NEWS)
            {
                self.tell(&format!(
                    "waiting for `{}` (process {}), which a run that was killed had started",
                    first.command, first.pid
                ));
                said = Some(std::time::Instant::now());
            }
            for orphan in orphans {
                let ended = now >= orphan.until;
                if ended {
                    let _ = killpg(Pid::from_raw(orphan.pid), Signal::SIGKILL);
                }
                let how = if ended { "ended, as its time was up" } else { "waited for" };
                waited
                    .insert(orphan.pid, format!("{how} `{}`, which a run that was killed had started", orphan.command));
            }
            tokio::time::sleep(PAUSE).await;
        };
        for name in notes.keys() {
            let note = directory().join(name);
            match fs::remove_file(self.place(&note)) {
                Err(source) if source.kind() != io::ErrorKind::NotFound => {
                    return Err(Error::File { doing: "remove", path: note, source });
                }
                _ => {}
            }
        }
        for orphan in &left {
            waited.remove(&orphan.pid);
        }
        Ok(Waited { said: waited.into_values().collect(), trouble: left.first().map(does_not_end) })
    }

    /// What was noted by other runs than this. A note that says nothing, or too much, counts for the longest time.
    fn notes_of_others(&self) -> Result<Notes, Error> {
        let (own, longest) = (format!("{}-", this_run()), since_boot().saturating_add(LONGEST));
        let mut notes = Notes::new();
        for name in self.names_in(&directory())? {
            let Ok(name) = name.into_string() else { continue };
            if name.starts_with(&own) {
                continue;
            }
            let text = self.read_text(&directory().join(&name))?.unwrap_or_default();
            let until = text.trim().parse().map_or(longest, |seconds| Duration::from_secs(seconds).min(longest));
            notes.insert(name, until);
        }
        Ok(notes)
    }
}

fn does_not_end(orphan: &Orphan) -> Error {
    let Orphan { pid, command, .. } = orphan;
    let says = format!(
        "`{command}` (process {pid}), which a run that was killed had started, is still there although its time was up and it was ended"
    );
    let hint =
        format!("see `ps -o pid,ppid,user,stat,wchan,args -p {pid}` for what holds it; this run went on without it");
    Error::said_with_hint("program-stays", says, hint)
}

/// The programs of other runs that are still at work. Always of this machine, whatever the root.
fn orphans(notes: &Notes) -> Result<Vec<Orphan>, Error> {
    let proc = Path::new("/proc");
    let fail = |source| Error::File { doing: "list", path: proc.into(), source };
    let mut orphans = Vec::new();
    for entry in fs::read_dir(proc).map_err(fail)? {
        let Ok(pid) = entry.map_err(fail)?.file_name().to_string_lossy().parse::<i32>() else { continue };
        orphans.extend(orphan(pid, notes));
    }
    orphans.sort_by_key(|orphan| orphan.pid);
    Ok(orphans)
}

/// This process, if it is such a program. One that has ended and that nobody has waited for has no environment.
fn orphan(pid: i32, notes: &Notes) -> Option<Orphan> {
    let environ = fs::read(format!("/proc/{pid}/environ")).ok()?;
    let mark =
        environ.split(|byte| *byte == 0).find_map(|entry| entry.strip_prefix(MARK.as_bytes())?.strip_prefix(b"="));
    let until = *notes.get(std::str::from_utf8(mark?).ok()?)?;
    let leads = getpgid(Some(Pid::from_raw(pid))).is_ok_and(|group| group == Pid::from_raw(pid));
    if !leads || is_daemon(pid) || !is_of_this_machine(pid) {
        return None;
    }
    let command = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    Some(Orphan { pid, command: command.replace('\0', " ").trim_end().to_owned(), until })
}

/// Whether it has begun a session of its own, as daemons do: hostagent's programs never had one.
fn is_daemon(pid: i32) -> bool {
    nix::unistd::getsid(Some(Pid::from_raw(pid))).is_ok_and(|session| session == Pid::from_raw(pid))
}

/// Whether it is of this machine, and not of a container on it with a hostagent of its own.
fn is_of_this_machine(pid: i32) -> bool {
    let space = |pid: &str| fs::read_link(format!("/proc/{pid}/ns/pid")).ok();
    space(&pid.to_string()) == space("self")
}

/// A name for this process that no other has, also after a reboot.
fn this_run() -> &'static str {
    static RUN: OnceLock<String> = OnceLock::new();
    RUN.get_or_init(|| {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        format!("{}.{}", std::process::id(), since.as_nanos())
    })
}

/// The time that patience is measured in.
fn since_boot() -> Duration {
    clock_gettime(ClockId::CLOCK_MONOTONIC).map(Duration::from).unwrap_or_default()
}

fn directory() -> PathBuf {
    Path::new(RUN_DIR).join("at-work")
}

#[cfg(test)]
mod tests;
