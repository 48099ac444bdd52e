//! Reaching and reading with care: the directory that holds a path, a part of a large file, and a file in a directory
//! that somebody other than root owns.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Component, Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, OpenHow, ResolveFlag, openat, openat2, readlinkat};
use nix::sys::stat::{Mode, SFlag, fchmod, fstat, major, minor, mkdirat};

use super::files::{Found, Kind, found, found_at, is_absence};
use super::{Error, Look, Touch};

/// How many symbolic links one path may pass, as the kernel has it: `path_resolution(7)`.
const MOST_LINKS: usize = 40;

/// A directory, open, and how it was reached.
pub(super) struct Reached {
    pub(super) directory: OwnedFd,
    /// Its path, without symbolic links.
    pub(super) path: PathBuf,
    /// Whether nobody but root can make the same path lead elsewhere.
    pub(super) only_roots: bool,
}

/// A walk under way, over as many paths as it meets links.
struct Walk<'w> {
    /// The path it is for, as the recipe would name it.
    path: &'w Path,
    /// Who makes missing directories; without it, the walk ends at the first that is missing.
    maker: Option<&'w Touch>,
    links: usize,
    only_roots: bool,
}

impl Touch {
    /// Opens the directory that holds `path`, making what is missing of it.
    pub(super) fn reach_making<'p>(&self, path: &'p Path) -> Result<(Reached, &'p OsStr), Error> {
        let missing = || Error::File { doing: "reach", path: path.into(), source: Errno::ENOENT.into() };
        self.go(path, Some(self))?.ok_or_else(missing)
    }
}

impl Look {
    /// Opens the directory that holds `path`; `None` if there is none. No symbolic link is followed that someone other
    /// than root could have placed.
    pub(super) fn reach<'p>(&self, path: &'p Path) -> Result<Option<(Reached, &'p OsStr)>, Error> {
        self.go(path, None)
    }

    fn go<'p>(&self, path: &'p Path, maker: Option<&Touch>) -> Result<Option<(Reached, &'p OsStr)>, Error> {
        let invalid = || Error::File { doing: "use", path: path.into(), source: io::ErrorKind::InvalidInput.into() };
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { return Err(invalid()) };
        let steps = steps_of(parent).ok_or_else(invalid)?;
        let mut walk = Walk { path, maker, links: 0, only_roots: true };
        Ok(self.walk(&mut walk, steps)?.map(|reached| (reached, name)))
    }

    fn walk(&self, walk: &mut Walk<'_>, steps: Vec<OsString>) -> Result<Option<Reached>, Error> {
        let path = walk.path;
        let fail = |errno: Errno| Error::File { doing: "reach", path: path.into(), source: errno.into() };
        let open = OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC | OFlag::O_RDONLY;
        let root = &self.0.root;
        let mut here = openat(AT_FDCWD, root, OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty()).map_err(fail)?;
        let mut walked = PathBuf::from("/");
        let mut left = steps.into_iter();
        while let Some(step) = left.next() {
            let only_root = only_root_writes(here.as_fd()).map_err(fail)?;
            walk.only_roots &= only_root;
            match openat(&here, step.as_os_str(), open, Mode::empty()) {
                Ok(next) => here = next,
                Err(Errno::ENOENT) => {
                    let Some(maker) = walk.maker else { return Ok(None) };
                    let missing = walked.join(&step);
                    maker.ledger_mut().made(&missing)?;
                    maker.ledger_mut().sync_made()?;
                    if let Err(errno) = mkdirat(&here, step.as_os_str(), Mode::from_bits_truncate(0o755)) {
                        maker.ledger_mut().removed(&missing)?;
                        return Err(fail(errno));
                    }
                    here = openat(&here, step.as_os_str(), open, Mode::empty()).map_err(fail)?;
                    fchmod(&here, Mode::from_bits_truncate(0o755)).map_err(fail)?;
                }
                // O_NOFOLLOW with O_DIRECTORY answers either, by kernel version.
                Err(errno @ (Errno::ELOOP | Errno::ENOTDIR)) => {
                    if found_at(&here, &step, path)?.is_none_or(|found| found.kind != Kind::Link) {
                        return if walk.maker.is_some() { Err(fail(errno)) } else { Ok(None) };
                    }
                    walk.links += 1;
                    if walk.links > MOST_LINKS || !only_root {
                        return Err(Error::Unsafe { path: path.into() });
                    }
                    let target = PathBuf::from(readlinkat(&here, step.as_os_str()).map_err(fail)?);
                    let from_here = if target.is_absolute() { target } else { walked.join(target) };
                    let mut again = steps_of(&from_here).ok_or(Error::Unsafe { path: path.into() })?;
                    again.extend(left);
                    return self.walk(walk, again);
                }
                Err(errno) => return Err(fail(errno)),
            }
            walked.push(step);
        }
        let only_roots = walk.only_roots && only_root_writes(here.as_fd()).map_err(fail)?;
        Ok(Some(Reached { directory: here, path: walked, only_roots }))
    }

    /// Opens the file at `path`, following links; `None` if there is none.
    pub(super) fn open(&self, path: &Path) -> Result<Option<File>, Error> {
        let fail = |source| Error::File { doing: "read", path: path.into(), source };
        // Without O_NONBLOCK a pipe in the place of the file would stop the run.
        let flags = OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
        let file = match OpenOptions::new().read(true).custom_flags(flags.bits()).open(self.place(path)) {
            Ok(file) => file,
            Err(error) if is_absence(&error) => return Ok(None),
            Err(source) => return Err(fail(source)),
        };
        let stat = fstat(&file).map_err(|errno| fail(errno.into()))?;
        match found(&stat).kind {
            Kind::File => Ok(Some(file)),
            // What is masked is a link there: it reads as empty.
            Kind::Other if is_null(stat.st_mode, stat.st_rdev) => Ok(Some(file)),
            other => Err(Error::Kind { path: path.into(), found: other, wanted: Kind::File }),
        }
    }

    /// The file at `path` and what is in it, both of the same file, and no link followed that is not root's; `None` if there
    /// is none. For what lies in a directory that somebody else owns, who could put another in its place between two looks.
    ///
    /// # Errors
    /// When something else stands there, or it cannot be read.
    pub fn read_itself(&self, path: &Path) -> Result<Option<(Found, Vec<u8>)>, Error> {
        let fail = |source| Error::File { doing: "read", path: path.into(), source };
        let kind = |found| Error::Kind { path: path.into(), found, wanted: Kind::File };
        let Some((Reached { directory, .. }, name)) = self.reach(path)? else { return Ok(None) };
        let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
        let mut file = match openat(&directory, name, flags, Mode::empty()) {
            Ok(file) => File::from(file),
            Err(Errno::ENOENT) => return Ok(None),
            Err(Errno::ELOOP) => return Err(kind(Kind::Link)),
            // A socket, or a device that is not there.
            Err(Errno::ENXIO | Errno::ENODEV) => return Err(kind(Kind::Other)),
            Err(errno) => return Err(fail(errno.into())),
        };
        let found = found(&fstat(&file).map_err(|errno| fail(errno.into()))?);
        if found.kind != Kind::File {
            return Err(kind(found.kind));
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(fail)?;
        Ok(Some((found, bytes)))
    }

    /// Opens a directory to work in, at whatever path it is meanwhile: `None` if there is none, or a link in its place.
    pub(super) fn directory_itself(&self, path: &Path) -> Result<Option<OwnedFd>, Error> {
        let Some((Reached { directory, .. }, name)) = self.reach(path)? else { return Ok(None) };
        let flags = OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC | OFlag::O_RDONLY;
        match openat(&directory, name, flags, Mode::empty()) {
            Ok(directory) => Ok(Some(directory)),
            Err(Errno::ENOENT | Errno::ELOOP | Errno::ENOTDIR) => Ok(None),
            Err(errno) => Err(Error::File { doing: "open", path: path.into(), source: errno.into() }),
        }
    }

    /// At most `length` bytes of the file at `path`, from `offset` on; `None` if there is no such file.
    ///
    /// # Errors
    /// When it is there and cannot be read.
    pub fn read_part(&self, path: &Path, offset: u64, length: usize) -> Result<Option<Vec<u8>>, Error> {
        let fail = |source| Error::File { doing: "read", path: path.into(), source };
        let Some(file) = self.open(path)? else { return Ok(None) };
        let mut part = vec![0; length];
        let mut filled = 0;
        while let Some(rest) = part.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            let at = offset + u64::try_from(filled).unwrap_or(u64::MAX);
            match file.read_at(rest, at).map_err(fail)? {
                0 => break,
                n => filled += n,
            }
        }
        part.truncate(filled);
        Ok(Some(part))
    }

    /// The content of the file at `path` below the directory `above`, which belongs to somebody else: no symbolic link is
    /// followed below it, and a file that has a second name is refused. `None` if there is none.
    ///
    /// # Errors
    /// When its owner could aim it at another file, or it cannot be read.
    pub fn read_guarded(&self, above: &Path, below: &Path) -> Result<Option<Vec<u8>>, Error> {
        let path = above.join(below);
        let fail = |source: io::Error| Error::File { doing: "read", path: path.clone(), source };
        let only_directory =
            OpenOptions::new().read(true).custom_flags(OFlag::O_DIRECTORY.bits()).open(self.place(above));
        let directory = match only_directory {
            Ok(directory) => directory,
            Err(error) if is_absence(&error) => return Ok(None),
            Err(source) => return Err(fail(source)),
        };
        // Without O_NONBLOCK a pipe in the place of the file would stop the run.
        let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK;
        let how = OpenHow::new().flags(flags).resolve(ResolveFlag::RESOLVE_NO_SYMLINKS | ResolveFlag::RESOLVE_BENEATH);
        let mut file = match openat2(&directory, below, how) {
            Ok(file) => File::from(file),
            Err(Errno::ENOENT | Errno::ENOTDIR) => return Ok(None),
            Err(Errno::ELOOP | Errno::EXDEV) => return Err(Error::Unsafe { path: path.clone() }),
            Err(errno) => return Err(fail(errno.into())),
        };
        let meta = file.metadata().map_err(fail)?;
        if !meta.is_file() || meta.nlink() > 1 {
            return Err(Error::Unsafe { path: path.clone() });
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(fail)?;
        Ok(Some(bytes))
    }

    /// The path with every symbolic link in it resolved; `None` if nothing stands there.
    ///
    /// # Errors
    /// When a directory on the way cannot be searched.
    pub fn resolved(&self, path: &Path) -> Result<Option<PathBuf>, Error> {
        let root = fs::canonicalize(self.place(Path::new("/")));
        let real = root.and_then(|root| Ok((fs::canonicalize(self.place(path))?, root)));
        match real {
            Ok((real, root)) => Ok(Some(Path::new("/").join(real.strip_prefix(&root).unwrap_or(&real)))),
            Err(error) if is_absence(&error) => Ok(None),
            Err(source) => Err(Error::File { doing: "look at", path: path.into(), source }),
        }
    }

    /// The names in a directory that are directories themselves, and those that are not; both sorted.
    ///
    /// # Errors
    /// When it is there and cannot be read.
    pub fn directories_and_files(&self, path: &Path) -> Result<(Vec<OsString>, Vec<OsString>), Error> {
        let names = self.names_in(path)?;
        Ok(names.into_iter().partition(|name| self.place(&path.join(name)).is_dir()))
    }
}

/// The names between `/` and the end of an absolute path, `..` taken out; `None` if it is not absolute.
fn steps_of(path: &Path) -> Option<Vec<OsString>> {
    let mut steps = Vec::new();
    let mut parts = path.components();
    if parts.next() != Some(Component::RootDir) {
        return None;
    }
    for part in parts {
        match part {
            Component::Normal(name) => steps.push(name.to_owned()),
            Component::ParentDir => drop(steps.pop()),
            _ => {}
        }
    }
    Some(steps)
}

/// Whether nobody but root (or whoever runs hostagent, in a test) may put names into this directory.
pub(super) fn only_root_writes(directory: BorrowedFd<'_>) -> nix::Result<bool> {
    let stat = fstat(directory)?;
    let trusted = stat.st_uid == 0 || stat.st_uid == nix::unistd::geteuid().as_raw();
    Ok(trusted && stat.st_mode & 0o022 == 0)
}

/// Whether this is `/dev/null`: null(4).
fn is_null(mode: u32, device: u64) -> bool {
    SFlag::from_bits_truncate(mode) & SFlag::S_IFMT == SFlag::S_IFCHR && (major(device), minor(device)) == (1, 3)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::host::Host;
    use crate::host::programs::Real;

    #[test]
    fn a_file_that_its_directory_owner_aimed_elsewhere_is_not_read() {
        let root = tempfile::tempdir().unwrap();
        let at = |path: &str| root.path().join(path);
        let look = Host::at(root.path(), Box::new(Real)).unwrap().look();
        let read = || look.read_guarded(Path::new("/home/ops"), Path::new(".ssh/keys"));
        assert_eq!(read().unwrap(), None);

        fs::create_dir_all(at("home/ops/.ssh")).unwrap();
        fs::write(at("home/ops/.ssh/keys"), "k").unwrap();
        assert_eq!(read().unwrap().unwrap(), b"k");

        fs::write(at("shadow"), "root:secret").unwrap();
        fs::remove_file(at("home/ops/.ssh/keys")).unwrap();
        symlink(at("shadow"), at("home/ops/.ssh/keys")).unwrap();
        assert!(matches!(read(), Err(Error::Unsafe { .. })), "a link");

        fs::remove_file(at("home/ops/.ssh/keys")).unwrap();
        fs::hard_link(at("shadow"), at("home/ops/.ssh/keys")).unwrap();
        assert!(matches!(read(), Err(Error::Unsafe { .. })), "a second name");
    }

    #[test]
    fn a_pipe_above_a_guarded_file_does_not_stop_the_read() {
        let root = tempfile::tempdir().unwrap();
        nix::unistd::mkfifo(&root.path().join("home"), Mode::from_bits_truncate(0o600)).unwrap();
        let look = Host::at(root.path(), Box::new(Real)).unwrap().look();
        assert_eq!(look.read_guarded(Path::new("/home"), Path::new("keys")).unwrap(), None);
    }

    #[test]
    fn a_part_of_a_file_is_as_long_as_the_file_allows() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("a"), "0123456789").unwrap();
        let look = Host::at(root.path(), Box::new(Real)).unwrap().look();
        assert_eq!(look.read_part(Path::new("/a"), 2, 3).unwrap().unwrap(), b"234");
        assert_eq!(look.read_part(Path::new("/a"), 8, 30).unwrap().unwrap(), b"89");
        assert_eq!(look.read_part(Path::new("/b"), 0, 1).unwrap(), None);
    }
}
