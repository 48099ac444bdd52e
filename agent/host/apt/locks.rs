//! The four locks of apt and dpkg: who holds them, and waiting until nobody does.
//!
//! `DPkg::Lock::Timeout` covers only the first two: `apt-get update` fails at once when another holds the lock of the
//! lists. These are POSIX record locks, so the kernel tells who holds one without it having to be taken.

use std::fmt;
use std::fs::File;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;

use crate::host::doing::doing;
use crate::host::{Error, Look};

/// In the order in which apt takes them.
const LOCKS: [&str; 4] =
    ["/var/lib/dpkg/lock-frontend", "/var/lib/dpkg/lock", "/var/lib/apt/lists/lock", "/var/cache/apt/archives/lock"];
/// How often they are looked at.
const PAUSE: Duration = Duration::from_millis(200);
/// How often a waiting run says so.
const NEWS: Duration = Duration::from_secs(10);

/// How often apt may say that it is locked while nobody is seen to hold a lock: whoever had it may just have let go.
const UNSEEN: u8 = 3;
/// The pause before each such try.
const UNSEEN_PAUSE: Duration = Duration::from_millis(500);

/// How long, and how often, it is worth trying again.
#[derive(Debug)]
pub(super) struct Turns {
    until: Instant,
    unseen: u8,
}

impl Turns {
    pub(super) fn until(until: Instant) -> Self {
        Self { until, unseen: 0 }
    }
}

/// Somebody who holds one of the locks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The lock.
    pub lock: &'static str,
    /// Their process; 0 where it is in another PID namespace.
    pub pid: i32,
    /// Their program's name, `proc_pid_comm(5)`.
    pub program: String,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.pid {
            ..=0 => write!(f, "`{}` is held by a process that cannot be seen from here", self.lock),
            pid => write!(f, "`{}` is held by `{}` (process {pid})", self.lock, self.program),
        }
    }
}

impl Look {
    /// The first of the locks that somebody holds.
    ///
    /// # Errors
    /// When a lock cannot be looked at.
    pub fn apt_lock_holder(&self) -> Result<Option<Holder>, Error> {
        for lock in LOCKS {
            let path = Path::new(lock);
            let fail = |source| Error::File { doing: "look at the lock", path: path.into(), source };
            let file = match File::open(self.place(path)) {
                Ok(file) => file,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(source) => return Err(fail(source)),
            };
            let mut asked = whole_file();
            fcntl(&file, FcntlArg::F_GETLK(&mut asked)).map_err(|errno| fail(errno.into()))?;
            if i32::from(asked.l_type) != libc::F_UNLCK {
                let program = std::fs::read_to_string(format!("/proc/{}/comm", asked.l_pid))
                    .unwrap_or_else(|_| "a program that just ended".into());
                return Ok(Some(Holder { lock, pid: asked.l_pid, program: program.trim_end().to_owned() }));
            }
        }
        Ok(None)
    }

    /// After apt was refused a lock: waits for its holder, and says whether trying again is worth it.
    pub(super) async fn apt_is_free_again(&self, turns: &mut Turns) -> Result<bool, Error> {
        if Instant::now() >= turns.until {
            return Ok(false);
        }
        if self.apt_lock_holder()?.is_some() {
            self.wait_for_apt_locks(turns.until).await?;
            turns.unseen = 0;
            return Ok(true);
        }
        turns.unseen += 1;
        tokio::time::sleep(UNSEEN_PAUSE).await;
        Ok(turns.unseen <= UNSEEN)
    }

    /// Waits until nobody holds one of the locks.
    pub(in crate::host) async fn wait_for_apt_locks(&self, until: Instant) -> Result<(), Error> {
        let begun = Instant::now();
        let _doing = doing(|| "waiting for the locks of apt".to_owned());
        let mut said: Option<(Holder, Instant)> = None;
        while let Some(holder) = self.apt_lock_holder()? {
            if Instant::now() >= until {
                let says = format!("{holder}, still after {} s", begun.elapsed().as_secs());
                let hint = match holder.pid {
                    ..=0 => format!("see `fuser -v {}`, and run hostagent again when it is free", holder.lock),
                    pid => format!("see `ps -fp {pid}`; end it if it hangs, and run hostagent again"),
                };
                return Err(Error::said_with_hint("apt-locked", says, hint));
            }
            if said.as_ref().is_none_or(|(before, when)| *before != holder || when.elapsed() >= NEWS) {
                self.tell(&format!("waiting for apt: {holder}"));
                said = Some((holder, Instant::now()));
            }
            tokio::time::sleep(PAUSE).await;
        }
        Ok(())
    }
}

/// A write lock on the whole file, as apt and dpkg take it.
fn whole_file() -> libc::flock {
    // The constants have other integer types on other platforms; their values are 1 and 0 on all of them.
    let (kind, whence) = (libc::F_WRLCK.try_into().unwrap_or(1), libc::SEEK_SET.try_into().unwrap_or(0));
    libc::flock { l_type: kind, l_whence: whence, l_start: 0, l_len: 0, l_pid: 0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::{Host, programs::Real};

    fn free_host() -> (tempfile::TempDir, Look) {
        let root = tempfile::tempdir().unwrap();
        for lock in LOCKS {
            let path = root.path().join(lock.trim_start_matches('/'));
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        let look = Host::at(root.path(), Box::new(Real)).unwrap().look();
        (root, look)
    }

    /// A process does not conflict with itself but through a lock of the open file.
    fn take(root: &Path, lock: &str) -> File {
        let file = File::options().write(true).open(root.join(lock.trim_start_matches('/'))).unwrap();
        fcntl(&file, FcntlArg::F_OFD_SETLK(&whole_file())).unwrap();
        file
    }

    #[test]
    fn each_of_the_four_locks_is_seen_and_looking_takes_none() {
        let (root, look) = free_host();
        assert_eq!(look.apt_lock_holder().unwrap(), None);
        for lock in LOCKS {
            let held = take(root.path(), lock);
            assert_eq!(look.apt_lock_holder().unwrap().unwrap().lock, lock);
            drop(held);
            assert_eq!(look.apt_lock_holder().unwrap(), None);
        }
    }

    #[tokio::test]
    async fn waiting_ends_when_the_lock_is_free_or_the_time_is_up() {
        let (root, look) = free_host();
        let held = take(root.path(), LOCKS[2]);
        let error = look.wait_for_apt_locks(Instant::now()).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "`/var/lib/apt/lists/lock` is held by a process that cannot be seen from here, still after 0 s"
        );
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(300)).await;
            drop(held);
        });
        look.wait_for_apt_locks(Instant::now() + Duration::from_secs(20)).await.unwrap();
    }
}
