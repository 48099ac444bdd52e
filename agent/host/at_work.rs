//! Programs that a killed run left at work: the next run waits for them before it touches anything.
//!
//! Killing hostagent does not kill what it started (each program has a process group of its own), and must not: dpkg that is
//! ended half-way leaves packages half-configured, and a `[[run]]` of the recipe may be anything. But a run that begins
//! beside them would race them: the same `[[run]]` twice at once, files of packages under its hands. So:
//!
//! - Before a program that changes the machine is started, a note is put into `/run/hostagent/at-work/`, and taken away when
//!   it has ended. Where no note is left nothing is looked for, and a run with nothing to do pays one look at a directory.
//! - Each such program carries in its environment who started it and until when it may work ([`MARK`]). A run that finds a
//!   note looks for processes that carry the mark of another run, and takes the place of that run: it waits for them,
//!   says so, and ends their process group when their time is up, as the killed run would have. Nothing is ended earlier,
//!   dpkg least of all.
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
use nix::unistd::{Pid, getpgid};

use super::programs::Program;
use super::{Error, RUN_DIR, Touch};

/// The environment variable by which such a program is known: `RUN:UNTIL`, the latter in seconds since the epoch.
pub(super) const MARK: &str = "HOSTAGENT_PROGRAM";
/// How often those that are waited for are looked at.
const PAUSE: Duration = Duration::from_millis(100);
/// How often a waiting run says so.
const NEWS: Duration = Duration::from_secs(10);

/// Says that a program is at work, until dropped.
#[derive(Debug)]
pub(super) struct Note(PathBuf);

impl Drop for Note {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.0) {
            tracing::debug!(%error, "a note of a program stays; the next run looks, and takes it away");
        }
    }
}

/// A program of another run that is still at work.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Orphan {
    pid: i32,
    command: String,
    /// Seconds since the epoch.
    until: u64,
}

impl Touch {
    /// Notes that a program is about to change the machine.
    pub(super) fn note_at_work(&self, program: &Program) -> Result<Note, Error> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let name = format!("{}-{}", this_run(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = directory().join(name);
        let real = self.place(&path);
        let write = || {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(real.parent().unwrap_or(Path::new("/")))?;
            fs::write(&real, program.argv().first().map_or("", String::as_str))
        };
        write().map_err(|source| Error::File { doing: "write", path, source })?;
        Ok(Note(real))
    }

    /// Waits for the programs of a run that was killed; says what it waited for.
    ///
    /// # Errors
    /// When it cannot be found out whether there are any: then nothing may be touched.
    pub(super) async fn wait_for_orphans(&self) -> Result<Vec<String>, Error> {
        let notes = self.names_in(&directory())?;
        let own = this_run();
        let of_others = |name: &&std::ffi::OsString| !name.to_string_lossy().starts_with(own);
        let notes: Vec<PathBuf> = notes.iter().filter(of_others).map(|name| directory().join(name)).collect();
        if notes.is_empty() {
            return Ok(Vec::new());
        }
        let mut waited = BTreeMap::new();
        let mut said: Option<std::time::Instant> = None;
        loop {
            let orphans = orphans()?;
            let Some(first) = orphans.first() else { break };
            if said.is_none_or(|when| when.elapsed() >= NEWS) {
                self.tell(&format!(
                    "waiting for `{}` (process {}), which a run that was killed had started",
                    first.command, first.pid
                ));
                said = Some(std::time::Instant::now());
            }
            for orphan in orphans {
                let ended = now() >= orphan.until;
                if ended {
                    let _ = killpg(Pid::from_raw(orphan.pid), Signal::SIGKILL);
                }
                let how = if ended { "ended, as its time was up" } else { "waited for" };
                waited
                    .insert(orphan.pid, format!("{how} `{}`, which a run that was killed had started", orphan.command));
            }
            tokio::time::sleep(PAUSE).await;
        }
        for note in notes {
            match fs::remove_file(self.place(&note)) {
                Err(source) if source.kind() != io::ErrorKind::NotFound => {
                    return Err(Error::File { doing: "remove", path: note, source });
                }
                _ => {}
            }
        }
        Ok(waited.into_values().collect())
    }
}

/// The programs of other runs that are still at work. Always of this machine, whatever the root.
fn orphans() -> Result<Vec<Orphan>, Error> {
    let proc = Path::new("/proc");
    let fail = |source| Error::File { doing: "list", path: proc.into(), source };
    let mut orphans = Vec::new();
    for entry in fs::read_dir(proc).map_err(fail)? {
        let Ok(pid) = entry.map_err(fail)?.file_name().to_string_lossy().parse::<i32>() else { continue };
        orphans.extend(orphan(pid));
    }
    orphans.sort_by_key(|orphan| orphan.pid);
    Ok(orphans)
}

/// This process, if it is such a program. One that has ended and that nobody has waited for has no environment.
fn orphan(pid: i32) -> Option<Orphan> {
    let environ = fs::read(format!("/proc/{pid}/environ")).ok()?;
    let mark =
        environ.split(|byte| *byte == 0).find_map(|entry| entry.strip_prefix(MARK.as_bytes())?.strip_prefix(b"="));
    let (run, until) = std::str::from_utf8(mark?).ok()?.split_once(':')?;
    let leads = getpgid(Some(Pid::from_raw(pid))).is_ok_and(|group| group == Pid::from_raw(pid));
    if run == this_run() || !leads || is_daemon(pid) || !is_of_this_machine(pid) {
        return None;
    }
    let command = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    Some(Orphan { pid, command: command.replace('\0', " ").trim_end().to_owned(), until: until.parse().ok()? })
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

/// The value of [`MARK`] for a program that may take this long.
pub(super) fn mark(patience: Duration) -> String {
    format!("{}:{}", this_run(), now().saturating_add(patience.as_secs()))
}

/// A name for this process that no other has, also after a reboot.
fn this_run() -> &'static str {
    static RUN: OnceLock<String> = OnceLock::new();
    RUN.get_or_init(|| {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        format!("{}.{}", std::process::id(), since.as_nanos())
    })
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

fn directory() -> PathBuf {
    Path::new(RUN_DIR).join("at-work")
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::CommandExt as _;
    use std::process::{Child, Command};
    use std::time::Instant;

    use super::*;
    use crate::host::Host;
    use crate::host::programs::Real;

    /// A host on which a run was killed, and what that run had started, which may work for so many more seconds.
    fn killed(script: &str, seconds: u64) -> (tempfile::TempDir, Touch, Child) {
        let root = tempfile::tempdir().unwrap();
        let touch = Host::at(root.path(), Box::new(Real)).unwrap().touch();
        fs::create_dir_all(root.path().join("run/hostagent/at-work")).unwrap();
        // Of this test's own: tests run side by side, and each looks at all processes.
        fs::write(root.path().join("run/hostagent/at-work/1.1-0"), "sh").unwrap();
        let mut command = Command::new("sh");
        let mark = format!("1.1:{}", now() + seconds);
        let child = command.args(["-c", script]).env(MARK, mark).process_group(0).spawn().unwrap();
        (root, touch, child)
    }

    /// The end of a child: somebody has to wait for it, as init does for orphans.
    fn reap(mut child: Child) -> std::thread::JoinHandle<std::process::ExitStatus> {
        std::thread::spawn(move || child.wait().unwrap())
    }

    #[tokio::test(flavor = "current_thread")]
    async fn what_a_killed_run_started_is_waited_for_and_not_ended() {
        let began = Instant::now();
        let (root, touch, child) = killed("sleep 0.7; exit 3", 60);
        let (pid, end) = (child.id(), reap(child));
        assert!(orphans().unwrap().iter().any(|orphan| orphan.pid.unsigned_abs() == pid));
        let said = touch.wait_for_orphans().await.unwrap();
        assert!(began.elapsed() >= Duration::from_millis(700));
        assert!(
            said.contains(&"waited for `sh -c sleep 0.7; exit 3`, which a run that was killed had started".to_owned()),
            "{said:?}"
        );
        assert_eq!(end.join().unwrap().code(), Some(3), "it came to its own end");
        assert_eq!(fs::read_dir(root.path().join("run/hostagent/at-work")).unwrap().count(), 0);
    }

    #[tokio::test(flavor = "current_thread")]
    async fn what_has_had_its_time_is_ended_with_its_children() {
        let (_root, touch, child) = killed("sleep 20; true", 0);
        let end = reap(child);
        touch.wait_for_orphans().await.unwrap();
        assert!(!end.join().unwrap().success());
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_program_is_noted_and_marked_while_it_works_and_no_longer() {
        let root = tempfile::tempdir().unwrap();
        let touch = Host::at(root.path(), Box::new(Real)).unwrap().touch();
        let place = root.path().join("run/hostagent/at-work");
        let script = format!("ls {} | wc -l; echo ${MARK}", place.display());
        let output = touch.run(&Program::does("sh").args(["-c", &script])).await.unwrap();
        let (count, mark) = output.stdout.split_once('\n').unwrap();
        assert_eq!(count, "1");
        assert!(mark.starts_with(&format!("{}:", this_run())), "{mark}");
        assert_eq!(fs::read_dir(place).unwrap().count(), 0);
        // Those of this run are not waited for.
        let note = touch.note_at_work(&Program::does("x")).unwrap();
        assert!(touch.wait_for_orphans().await.unwrap().is_empty());
        drop(note);
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_daemon_that_a_program_left_behind_is_not_waited_for() {
        let (_root, touch, mut child) = killed("setsid sleep 3 >/dev/null 2>&1 & exit 0", 60);
        child.wait().unwrap();
        let began = Instant::now();
        touch.wait_for_orphans().await.unwrap();
        assert!(began.elapsed() < Duration::from_secs(2));
    }
}
