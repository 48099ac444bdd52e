//! One run at a time: an flock(2) on `/run/hostagent/lock`, which the kernel drops when its holder dies.
//!
//! The file is never unlinked (a second run could then lock another inode) and holds the holder's name for whoever waits.

use std::fs::{self, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use nix::sys::stat::{major, minor};

use super::{Error, RUN_DIR};

/// How often a waiting run tries again.
const PAUSE: Duration = Duration::from_millis(100);

/// The right to change this host, until dropped.
#[derive(Debug)]
pub struct Lock {
    _held: Flock<fs::File>,
}

/// Why there is no lock.
#[derive(Debug)]
pub enum NoLock {
    /// Another run holds it: its process, verb and recipe, as it wrote them.
    Held(String),
    /// It could not be asked for.
    Failed(Error),
}

impl Lock {
    /// Takes the lock, waiting at most `patience` for another run to end. `command` tells others which run this
    /// is: without the values of variables, as anyone who is turned away reads it.
    ///
    /// # Errors
    /// [`NoLock::Held`] when the other run is still going after that.
    pub async fn take(patience: Duration, command: &str) -> Result<Self, NoLock> {
        Self::take_in(Path::new(RUN_DIR), patience, command).await
    }

    async fn take_in(directory: &Path, patience: Duration, command: &str) -> Result<Self, NoLock> {
        let path = directory.join("lock");
        let fail = |source| NoLock::Failed(Error::File { doing: "lock", path: path.clone(), source });
        fs::DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(fail)?;
        let until = tokio::time::Instant::now() + patience;
        loop {
            // Rust opens with O_CLOEXEC, so no daemon that a run starts keeps the lock.
            let open = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&path);
            match Flock::lock(open.map_err(fail)?, FlockArg::LockExclusiveNonblock) {
                Ok(mut held) => {
                    sign(&mut held, command).map_err(fail)?;
                    return Ok(Self { _held: held });
                }
                Err((mut file, Errno::EWOULDBLOCK)) => {
                    if tokio::time::Instant::now() >= until {
                        let mut holder = String::new();
                        file.read_to_string(&mut holder).map_err(fail)?;
                        return Err(NoLock::Held(holder.trim().to_owned()));
                    }
                }
                Err((_file, errno)) => return Err(fail(errno.into())),
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// Whether a run is going on, and which: as it signed the lock. Asks the kernel's list and not for the lock, so that a
/// run that starts at this moment is not turned away.
pub fn holder() -> Option<String> {
    holder_in(Path::new(RUN_DIR))
}

fn holder_in(directory: &Path) -> Option<String> {
    let path = directory.join("lock");
    let meta = fs::metadata(&path).ok()?;
    let locks = fs::read_to_string("/proc/locks").ok()?;
    // `1: FLOCK  ADVISORY  WRITE 1234 00:19:1044 0 EOF` (proc_locks(5)); the device is in hex.
    let place = format!("{:02x}:{:02x}:{}", major(meta.dev()), minor(meta.dev()), meta.ino());
    let held = locks.lines().any(|line| line.contains("FLOCK") && line.split_whitespace().any(|word| word == place));
    held.then(|| fs::read_to_string(&path).map(|text| text.trim().to_owned()).unwrap_or_default())
}

fn sign(file: &mut fs::File, command: &str) -> std::io::Result<()> {
    file.set_len(0)?;
    file.seek(SeekFrom::Start(0))?;
    writeln!(
        file,
        "process {} (`{command}`), since {}",
        std::process::id(),
        jiff::Timestamp::now().strftime("%Y-%m-%d %H:%M:%S UTC")
    )
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    const COMMAND: &str = "hostagent converge web.toml";

    /// In memory, as /run is: other file systems may show another device than the kernel's list of locks does.
    fn directory() -> tempfile::TempDir {
        let memory = Path::new("/dev/shm");
        if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap()
    }

    async fn held_by(directory: &Path, patience: Duration) -> String {
        match Lock::take_in(directory, patience, COMMAND).await {
            Err(NoLock::Held(holder)) => holder,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_lock_is_signed_with_what_it_was_given_and_nothing_else_of_the_command_line() {
        let mut file = tempfile::tempfile().unwrap();
        sign(&mut file, "hostagent converge web.toml").unwrap();
        let mut text = String::new();
        file.seek(SeekFrom::Start(0)).unwrap();
        file.read_to_string(&mut text).unwrap();
        let start = format!("process {} (`hostagent converge web.toml`), since ", std::process::id());
        assert!(text.starts_with(&start), "{text}");
    }

    #[tokio::test]
    async fn a_second_run_is_told_who_holds_the_lock_and_gets_it_afterwards() {
        let directory = directory();
        let run = directory.path().join("run");
        assert_eq!(holder_in(&run), None);
        let lock = Lock::take_in(&run, Duration::ZERO, COMMAND).await.unwrap();
        let own = format!("process {} (`{COMMAND}`), since ", std::process::id());
        assert!(held_by(&run, Duration::ZERO).await.starts_with(&own));
        assert!(holder_in(&run).unwrap().starts_with(&own));
        let inode = fs::metadata(run.join("lock")).unwrap();
        assert_eq!((inode.mode() & 0o7777, fs::metadata(&run).unwrap().mode() & 0o7777), (0o600, 0o700));

        drop(lock);
        assert_eq!(holder_in(&run), None);
        let _again = Lock::take_in(&run, Duration::ZERO, COMMAND).await.unwrap();
        assert_eq!(fs::metadata(run.join("lock")).unwrap().ino(), inode.ino(), "whoever waits would hold another file");
    }

    #[tokio::test]
    async fn a_run_that_waits_gets_the_lock_when_the_other_ends_and_not_before() {
        let directory = directory();
        let lock = Lock::take_in(directory.path(), Duration::ZERO, COMMAND).await.unwrap();
        let began = std::time::Instant::now();
        held_by(directory.path(), Duration::from_millis(250)).await;
        assert!(began.elapsed() >= Duration::from_millis(250));
        let ends = async {
            tokio::time::sleep(Duration::from_millis(150)).await;
            drop(lock);
        };
        let (waited, ()) = tokio::join!(Lock::take_in(directory.path(), Duration::from_secs(10), COMMAND), ends);
        assert!(waited.is_ok());
    }

    #[tokio::test]
    async fn the_lock_of_a_run_that_was_killed_is_free_and_no_program_it_started_keeps_it() {
        let directory = directory();
        let file = directory.path().join("lock");
        fs::write(&file, "process 7 (`hostagent converge`)\n").unwrap();
        assert_eq!(holder_in(directory.path()), None, "what is written there says nothing");
        let mut other = Command::new("flock").arg(&file).args(["sleep", "300"]).stdin(Stdio::null()).spawn().unwrap();
        while holder_in(directory.path()).is_none() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(held_by(directory.path(), Duration::ZERO).await, "process 7 (`hostagent converge`)");
        // Its own child has the lock too: that one is not of a run.
        let child = fs::read_to_string(format!("/proc/{0}/task/{0}/children", other.id())).unwrap();
        other.kill().unwrap();
        other.wait().unwrap();
        let child = nix::unistd::Pid::from_raw(child.trim().parse().unwrap());
        nix::sys::signal::kill(child, nix::sys::signal::Signal::SIGKILL).unwrap();

        let lock = Lock::take_in(directory.path(), Duration::from_secs(5), COMMAND).await.unwrap();
        let mut daemon = Command::new("sleep").arg("300").spawn().unwrap();
        drop(lock);
        let again = Lock::take_in(directory.path(), Duration::ZERO, COMMAND).await;
        daemon.kill().unwrap();
        daemon.wait().unwrap();
        assert!(again.is_ok());
    }
}
