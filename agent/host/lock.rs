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
        let path = Path::new(RUN_DIR).join("lock");
        let fail = |source| NoLock::Failed(Error::File { doing: "lock", path: path.clone(), source });
        fs::DirBuilder::new().recursive(true).mode(0o700).create(RUN_DIR).map_err(fail)?;
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
    let path = Path::new(RUN_DIR).join("lock");
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
    use super::*;

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
}
