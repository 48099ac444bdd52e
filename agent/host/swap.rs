//! Swap files: what is in one, what the kernel swaps to, and room for a new one.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{FallocateFlags, OFlag, fallocate, openat};
use nix::sys::stat::Mode;
use nix::sys::statvfs::statvfs;
use nix::unistd::{UnlinkatFlags, unlinkat};

use super::files::found_at;
use super::ledger::Written;
use super::reading::Reached;
use super::{Error, Look, Touch};

/// What mkswap(8) ends the first page with.
const SIGNATURE: &[u8] = b"SWAPSPACE2";
/// Where it writes the number of the last page.
const LAST_PAGE: usize = 1024 + 4;

/// How long swapon and swapoff may take: what is swapped out must come back into memory first.
pub const PATIENCE: std::time::Duration = std::time::Duration::from_mins(10);

/// The bytes of a page of memory, which swap is made of.
pub fn page() -> u64 {
    let size = nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE);
    size.ok().flatten().and_then(|size| u64::try_from(size).ok()).unwrap_or(4096)
}

impl Look {
    /// The bytes of swap that mkswap(8) prepared in the file at `path`; `None` if it holds something else.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn prepared_swap(&self, path: &Path) -> Result<Option<u64>, Error> {
        let size = usize::try_from(page()).unwrap_or(4096);
        let Some(first) = self.read_part(path, 0, size)? else { return Ok(None) };
        if first.len() < size || !first.ends_with(SIGNATURE) {
            return Ok(None);
        }
        let last = first.get(LAST_PAGE..LAST_PAGE + 4).and_then(|bytes| bytes.try_into().ok()).map(u32::from_ne_bytes);
        Ok(last.map(|last| (u64::from(last) + 1) * page()))
    }

    /// The path of a swap file without symbolic links on the way to it, as the kernel names it. What is not there yet
    /// has the path that was asked for.
    ///
    /// # Errors
    /// When someone other than root could make it lead elsewhere: mkswap(8), swapon(8) and the boot look it up anew.
    pub fn swap_place(&self, path: &Path) -> Result<PathBuf, Error> {
        let Some((reached, name)) = self.reach(path)? else { return Ok(path.to_owned()) };
        Ok(of_root(&reached, path)?.join(name))
    }

    /// Whether the kernel swaps to the file at `path`.
    ///
    /// # Errors
    /// When the kernel cannot be asked.
    pub fn swaps_to(&self, path: &Path) -> Result<bool, Error> {
        let text = self.read_text(Path::new("/proc/swaps"))?.unwrap_or_default();
        let escaped = self.swap_place(path)?.to_string_lossy().replace(' ', "\\040");
        Ok(text.lines().skip(1).any(|line| line.split_whitespace().next() == Some(escaped.as_str())))
    }

    /// The bytes that are free for root's files where `path` is or would be.
    ///
    /// # Errors
    /// When the file system cannot be asked.
    pub fn free_space(&self, path: &Path) -> Result<u64, Error> {
        let place = path.ancestors().map(|above| self.place(above)).find(|above| above.is_dir());
        let place = place.unwrap_or_else(|| PathBuf::from("/"));
        let fail =
            |errno: Errno| Error::File { doing: "ask for the free space of", path: path.into(), source: errno.into() };
        let space = statvfs(&place).map_err(fail)?;
        Ok(space.blocks_available() * space.fragment_size())
    }
}

impl Touch {
    /// Has the kernel no longer swap to the file at `path`, if it does: it would not let it be removed. systemd stops its
    /// unit, but where a link leads to the file, it knows the swap by another path, and takes the unit for down.
    ///
    /// # Errors
    /// When the kernel refuses, as what is swapped out does not fit into memory.
    pub async fn swap_off(&self, path: &Path) -> Result<(), Error> {
        if !self.swaps_to(path)? {
            return Ok(());
        }
        let place = self.swap_place(path)?;
        let program = super::programs::Program::does("swapoff").arg(place.display().to_string()).patience(PATIENCE);
        self.run(&program).await.map(drop)
    }

    /// Makes a file of `size` bytes at `path` for root alone, every byte of it on the disk: swap must have no holes.
    /// What stood there goes.
    ///
    /// # Errors
    /// When it does not fit or the system refuses.
    pub async fn make_room(&self, path: &Path, size: u64) -> Result<(), Error> {
        self.wrote();
        let fail = |source| Error::File { doing: "make", path: path.into(), source };
        let (reached, name) = self.reach_making(path)?;
        let place = self.place(&of_root(&reached, path)?.join(name));
        let directory = &reached.directory;
        // A file that stood there is not hostagent's to take away one day, although what it holds is from here on.
        let made = found_at(directory, name, path)?.is_none()
            || self.ledger().written(path).is_some_and(|written| written.made);
        self.ledger_mut().written_again(path, Some(Written { sha256: None, made, opaque: true, target: None }))?;
        self.ledger_mut().sync_made()?;
        match unlinkat(directory, name, UnlinkatFlags::NoRemoveDir) {
            Ok(()) | Err(Errno::ENOENT) => {}
            Err(errno) => return Err(fail(errno.into())),
        }
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let file =
            openat(directory, name, flags, Mode::from_bits_truncate(0o600)).map_err(|errno| fail(errno.into()))?;
        let file = fs::File::from(file);
        // On btrfs swap must not be copied on write, which can only be said while the file is empty.
        if super::machine::file_system_at(&place) == Some("btrfs") {
            self.run(&super::programs::Program::does("chattr").arg("+C").arg(place.display().to_string())).await?;
        }
        let length = i64::try_from(size).map_err(|_| fail(io::ErrorKind::InvalidInput.into()))?;
        match fallocate(&file, FallocateFlags::empty(), 0, length) {
            Ok(()) => {}
            Err(Errno::EOPNOTSUPP | Errno::ENOSYS) => fill(file, size).await.map_err(fail)?,
            Err(errno) => return Err(fail(errno.into())),
        }
        Ok(())
    }
}

/// The path that was reached, if nobody but root can make it lead elsewhere.
fn of_root<'r>(reached: &'r Reached, path: &Path) -> Result<&'r Path, Error> {
    if reached.only_roots {
        return Ok(&reached.path);
    }
    let says = format!("someone other than root may write in a directory on the way to `{}`", path.display());
    let hint =
        format!("name a place for swap that is root's alone; `namei -l {}` shows whose they are", path.display());
    Err(Error::said_with_hint("unsafe-path", says, hint))
}

/// Writes zeros, letting others work meanwhile.
async fn fill(mut file: fs::File, size: u64) -> io::Result<()> {
    let zeros = vec![0_u8; 1 << 20];
    let mut left = size;
    while left > 0 {
        let piece = usize::try_from(left).unwrap_or(usize::MAX).min(zeros.len());
        file.write_all(zeros.get(..piece).unwrap_or_default())?;
        left -= u64::try_from(piece).unwrap_or(left);
        tokio::task::yield_now().await;
    }
    file.sync_data()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Host;
    use crate::host::programs::Real;

    #[tokio::test(flavor = "current_thread")]
    async fn a_file_is_swap_once_it_has_the_signature() {
        let root = tempfile::tempdir().unwrap();
        let touch = Host::at(root.path(), Box::new(Real)).unwrap().touch();
        let path = Path::new("/swapfile");
        assert_eq!(touch.prepared_swap(path).unwrap(), None);

        touch.make_room(path, 16 * page()).await.unwrap();
        let found = touch.found(path).unwrap().unwrap();
        assert_eq!((found.size, found.mode), (16 * page(), 0o600));
        assert_eq!(touch.prepared_swap(path).unwrap(), None);

        let file = fs::OpenOptions::new().write(true).open(root.path().join("swapfile")).unwrap();
        std::os::unix::fs::FileExt::write_all_at(&file, &15_u32.to_ne_bytes(), 1028).unwrap();
        std::os::unix::fs::FileExt::write_all_at(&file, SIGNATURE, page() - 10).unwrap();
        assert_eq!(touch.prepared_swap(path).unwrap(), Some(16 * page()));
    }
}
