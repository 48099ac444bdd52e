//! Files: what stands at a path, and putting something there in one step.
//!
//! A write goes to a temporary file beside its target, gets its owner and mode, and is renamed over it, so that a
//! reader sees the old file or the new one and a crash leaves either. Every step is relative to an open directory
//! that was reached without following a symbolic link that someone other than root could have placed: hostagent
//! writes into home directories, and their owners must not be able to aim it elsewhere.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags, OFlag, openat, readlinkat, renameat};
use nix::sys::stat::{FchmodatFlags, Mode, fchmod, fchmodat, fstat, fstatat, mkdirat};
use nix::unistd::{Gid, Uid, UnlinkatFlags, fchown, fchownat, fsync, symlinkat, unlinkat};
use sha2::{Digest, Sha256};

use super::{Error, Look, Touch};

/// How many symbolic links one path may pass, as the kernel has it (path_resolution(7)).
const MOST_LINKS: usize = 40;
/// What kind of file a mode tells of (inode(7)).
const FORMAT: u32 = 0o170_000;
const REGULAR: u32 = 0o100_000;
const SYMBOLIC_LINK: u32 = 0o120_000;

/// What kind of thing stands at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link (never followed at the end of a path).
    Link,
    /// A device, socket or pipe.
    Other,
}

impl Kind {
    /// In words, with its article.
    pub fn name(self) -> &'static str {
        match self {
            Self::File => "a file",
            Self::Directory => "a directory",
            Self::Link => "a symbolic link",
            Self::Other => "a device, socket or pipe",
        }
    }
}

/// What stands at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// File, directory, link or other.
    pub kind: Kind,
    /// Permission bits, such as 0o644.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Bytes.
    pub size: u64,
    /// When its content, owner or mode last changed: nanoseconds since the epoch.
    pub ctime: i128,
}

/// Who owns a file and what they may do with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Access {
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Permission bits, such as 0o644.
    pub mode: u32,
}

impl Look {
    /// What stands at `path`; `None` if nothing does.
    ///
    /// # Errors
    /// When a directory on the way cannot be searched.
    pub fn found(&self, path: &Path) -> Result<Option<Found>, Error> {
        match fs::symlink_metadata(self.place(path)) {
            Ok(meta) => Ok(Some(found(&meta))),
            Err(error) if is_absence(&error) => Ok(None),
            Err(source) => Err(Error::File { doing: "look at", path: path.into(), source }),
        }
    }

    /// What stands at `path`, or where the link there points; `None` if nothing does.
    ///
    /// # Errors
    /// When a directory on the way cannot be searched.
    pub fn found_through(&self, path: &Path) -> Result<Option<Found>, Error> {
        match fs::metadata(self.place(path)) {
            Ok(meta) => Ok(Some(found(&meta))),
            Err(error) if is_absence(&error) => Ok(None),
            Err(source) => Err(Error::File { doing: "look at", path: path.into(), source }),
        }
    }

    /// The content of the file at `path`, following links; `None` if there is none.
    ///
    /// # Errors
    /// When it is there and cannot be read.
    pub fn read(&self, path: &Path) -> Result<Option<Vec<u8>>, Error> {
        match fs::read(self.place(path)) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if is_absence(&error) => Ok(None),
            Err(source) => Err(Error::File { doing: "read", path: path.into(), source }),
        }
    }

    /// The content of the file at `path` as text, bytes that are not UTF-8 replaced; `None` if there is none.
    ///
    /// # Errors
    /// When it is there and cannot be read.
    pub fn read_text(&self, path: &Path) -> Result<Option<String>, Error> {
        Ok(self.read(path)?.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
    }

    /// Where the link at `path` points; `None` if nothing or something else stands there.
    ///
    /// # Errors
    /// When a directory on the way cannot be searched.
    pub fn link_target(&self, path: &Path) -> Result<Option<PathBuf>, Error> {
        match fs::read_link(self.place(path)) {
            Ok(target) => Ok(Some(target)),
            Err(error) if is_absence(&error) || error.raw_os_error() == Some(Errno::EINVAL as i32) => Ok(None),
            Err(source) => Err(Error::File { doing: "read the link", path: path.into(), source }),
        }
    }

    /// The names in a directory, sorted; empty if there is no such directory.
    ///
    /// # Errors
    /// When it is there and cannot be read.
    pub fn names_in(&self, path: &Path) -> Result<Vec<std::ffi::OsString>, Error> {
        let fail = |source| Error::File { doing: "list", path: path.into(), source };
        let entries = match fs::read_dir(self.place(path)) {
            Ok(entries) => entries,
            Err(error) if is_absence(&error) => return Ok(Vec::new()),
            Err(source) => return Err(fail(source)),
        };
        let mut names = entries.map(|entry| entry.map(|e| e.file_name())).collect::<Result<Vec<_>, _>>().map_err(fail)?;
        names.sort();
        Ok(names)
    }

    /// The SHA-256 of the file at `path` in hex, read in pieces; `None` if there is none.
    ///
    /// # Errors
    /// When it is there and cannot be read.
    pub fn sha256(&self, path: &Path) -> Result<Option<String>, Error> {
        let fail = |source| Error::File { doing: "read", path: path.into(), source };
        let mut file = match File::open(self.place(path)) {
            Ok(file) => file,
            Err(error) if is_absence(&error) => return Ok(None),
            Err(source) => return Err(fail(source)),
        };
        let mut hash = Sha256::new();
        let mut piece = vec![0_u8; 64 << 10];
        loop {
            match file.read(&mut piece).map_err(fail)? {
                0 => return Ok(Some(hex(&hash.finalize()))),
                n => hash.update(piece.get(..n).unwrap_or_default()),
            }
        }
    }
}

impl Touch {
    /// Puts a file at `path` in one step, making missing parent directories (0755, root).
    ///
    /// # Errors
    /// When something other than a file stands there, or any step fails; then the old file is untouched.
    pub fn replace(&self, path: &Path, bytes: &[u8], access: Access) -> Result<(), Error> {
        self.wrote();
        let (directory, name) = self.parent(path)?;
        let fail = |doing| move |errno: Errno| Error::File { doing, path: path.into(), source: errno.into() };
        match self.found(path)? {
            Some(Found { kind: Kind::File, .. }) | None => {}
            Some(other) => return Err(Error::Kind { path: path.into(), found: other.kind.name(), wanted: "a file" }),
        }
        self.ledger_mut().writing(path, &sha256_of(bytes), self.found(path)?.is_none())?;

        let temporary = format!(".{}.hostagent", name.to_string_lossy());
        let _ = unlinkat(&directory, temporary.as_str(), UnlinkatFlags::NoRemoveDir);
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let fd = openat(&directory, temporary.as_str(), flags, Mode::from_bits_truncate(0o600)).map_err(fail("write"))?;
        let written = (|| {
            let mut file = File::from(fd);
            file.write_all(bytes).map_err(|source| Error::File { doing: "write", path: path.into(), source })?;
            fchown(&file, Some(Uid::from_raw(access.uid)), Some(Gid::from_raw(access.gid))).map_err(fail("set the owner of"))?;
            fchmod(&file, Mode::from_bits_truncate(access.mode)).map_err(fail("set the mode of"))?;
            fsync(&file).map_err(fail("write"))?;
            renameat(&directory, temporary.as_str(), &directory, name).map_err(fail("write"))
        })();
        if written.is_err() {
            let _ = unlinkat(&directory, temporary.as_str(), UnlinkatFlags::NoRemoveDir);
        }
        written?;
        fsync(&directory).map_err(fail("write"))
    }

    /// Makes the directory at `path`, or gives the one there this owner and mode; makes missing parents (0755, root).
    ///
    /// # Errors
    /// When something other than a directory stands there, or any step fails.
    pub fn make_directory(&self, path: &Path, access: Access) -> Result<(), Error> {
        self.wrote();
        let (directory, name) = self.parent(path)?;
        let fail = |doing| move |errno: Errno| Error::File { doing, path: path.into(), source: errno.into() };
        match mkdirat(&directory, name, Mode::from_bits_truncate(0o700)) {
            Ok(()) => self.ledger_mut().made(path)?,
            Err(Errno::EEXIST) => match self.found(path)? {
                Some(Found { kind: Kind::Directory, .. }) | None => {}
                Some(other) => return Err(Error::Kind { path: path.into(), found: other.kind.name(), wanted: "a directory" }),
            },
            Err(errno) => return Err(fail("make")(errno)),
        }
        self.set_access(path, access)
    }

    /// Gives what stands at `path` this owner and mode.
    ///
    /// # Errors
    /// When nothing stands there, or the system refuses, or it is a file that someone other than root could have given
    /// this name beside its own.
    pub fn set_access(&self, path: &Path, access: Access) -> Result<(), Error> {
        self.wrote();
        let (directory, name) = self.parent(path)?;
        let fail = |doing| move |errno: Errno| Error::File { doing, path: path.into(), source: errno.into() };
        // A handle on the thing itself: between two calls its name could be made to mean another.
        let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let itself = openat(&directory, name, flags, Mode::empty()).map_err(fail("reach"))?;
        let stat = fstat(&itself).map_err(fail("look at"))?;
        let kind = stat.st_mode & FORMAT;
        if kind == REGULAR && stat.st_nlink > 1 && !only_root_writes(directory.as_fd()).map_err(fail("look at"))? {
            return Err(Error::Unsafe { path: path.into() });
        }
        let (uid, gid) = (Uid::from_raw(access.uid), Gid::from_raw(access.gid));
        fchownat(&itself, "", Some(uid), Some(gid), AtFlags::AT_EMPTY_PATH).map_err(fail("set the owner of"))?;
        if kind == SYMBOLIC_LINK {
            return Ok(());
        }
        // fchmod(2) takes no such handle, but its name in /proc is as good.
        let handle = format!("/proc/self/fd/{}", itself.as_raw_fd());
        let mode = Mode::from_bits_truncate(access.mode);
        fchmodat(AT_FDCWD, handle.as_str(), mode, FchmodatFlags::FollowSymlink).map_err(fail("set the mode of"))
    }

    /// Puts a symbolic link at `path` in one step, over another link or over nothing.
    ///
    /// # Errors
    /// When something other than a link stands there, or any step fails.
    pub fn link(&self, path: &Path, target: &Path) -> Result<(), Error> {
        self.wrote();
        let (directory, name) = self.parent(path)?;
        let fail = |errno: Errno| Error::File { doing: "link", path: path.into(), source: errno.into() };
        match self.found(path)? {
            Some(Found { kind: Kind::Link, .. }) => {}
            None => self.ledger_mut().made(path)?,
            Some(other) => return Err(Error::Kind { path: path.into(), found: other.kind.name(), wanted: "a link" }),
        }
        let temporary = format!(".{}.hostagent", name.to_string_lossy());
        let _ = unlinkat(&directory, temporary.as_str(), UnlinkatFlags::NoRemoveDir);
        symlinkat(target, &directory, temporary.as_str()).map_err(fail)?;
        renameat(&directory, temporary.as_str(), &directory, name).map_err(fail)?;
        fsync(&directory).map_err(fail)
    }

    /// Removes the file or link at `path`, or the directory if it is empty. Nothing there is fine.
    ///
    /// # Errors
    /// When the system refuses; a directory that still holds something is refused.
    pub fn remove(&self, path: &Path) -> Result<(), Error> {
        self.wrote();
        let Some(found) = self.found(path)? else {
            return self.ledger_mut().removed(path);
        };
        let (directory, name) = self.parent(path)?;
        let flag = if found.kind == Kind::Directory { UnlinkatFlags::RemoveDir } else { UnlinkatFlags::NoRemoveDir };
        let removed = unlinkat(&directory, name, flag).and_then(|()| fsync(&directory));
        removed.map_err(|errno| Error::File { doing: "remove", path: path.into(), source: errno.into() })?;
        self.ledger_mut().removed(path)
    }

    /// Opens the directory that holds `path`, making what is missing of it.
    fn parent<'p>(&self, path: &'p Path) -> Result<(OwnedFd, &'p OsStr), Error> {
        let invalid = || Error::File { doing: "use", path: path.into(), source: io::ErrorKind::InvalidInput.into() };
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { return Err(invalid()) };
        let steps = steps_of(parent).ok_or_else(invalid)?;
        let directory = self.walk(path, steps, &mut 0)?;
        Ok((directory, name))
    }

    fn walk(&self, path: &Path, steps: Vec<std::ffi::OsString>, links: &mut usize) -> Result<OwnedFd, Error> {
        let fail = |errno: Errno| Error::File { doing: "reach", path: path.into(), source: errno.into() };
        let open = OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC | OFlag::O_RDONLY;
        let root = &self.0.0.root;
        let mut here = openat(AT_FDCWD, root, OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty()).map_err(fail)?;
        let mut walked = PathBuf::from("/");
        let mut left = steps.into_iter();
        while let Some(step) = left.next() {
            match openat(&here, step.as_os_str(), open, Mode::empty()) {
                Ok(next) => here = next,
                Err(Errno::ENOENT) => {
                    mkdirat(&here, step.as_os_str(), Mode::from_bits_truncate(0o755)).map_err(fail)?;
                    self.ledger_mut().made(&walked.join(&step))?;
                    here = openat(&here, step.as_os_str(), open, Mode::empty()).map_err(fail)?;
                    fchmod(&here, Mode::from_bits_truncate(0o755)).map_err(fail)?;
                }
                // O_NOFOLLOW with O_DIRECTORY answers either, by kernel version.
                Err(Errno::ELOOP | Errno::ENOTDIR) if is_link(here.as_fd(), &step) => {
                    *links += 1;
                    if *links > MOST_LINKS || !only_root_writes(here.as_fd()).map_err(fail)? {
                        return Err(Error::Unsafe { path: path.into() });
                    }
                    let target = PathBuf::from(readlinkat(&here, step.as_os_str()).map_err(fail)?);
                    let from_here = if target.is_absolute() { target } else { walked.join(target) };
                    let mut again = steps_of(&from_here).ok_or(Error::Unsafe { path: path.into() })?;
                    again.extend(left);
                    return self.walk(path, again, links);
                }
                Err(errno) => return Err(fail(errno)),
            }
            walked.push(step);
        }
        Ok(here)
    }
}

/// The names between `/` and the end of an absolute path, `..` taken out; `None` if it is not absolute.
fn steps_of(path: &Path) -> Option<Vec<std::ffi::OsString>> {
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

fn is_link(directory: std::os::fd::BorrowedFd<'_>, name: &OsStr) -> bool {
    fstatat(directory, name, AtFlags::AT_SYMLINK_NOFOLLOW).is_ok_and(|stat| stat.st_mode & FORMAT == SYMBOLIC_LINK)
}

/// Whether nobody but root (or whoever runs hostagent, in a test) may put names into this directory.
fn only_root_writes(directory: std::os::fd::BorrowedFd<'_>) -> nix::Result<bool> {
    let stat = fstat(directory)?;
    let trusted = stat.st_uid == 0 || stat.st_uid == nix::unistd::geteuid().as_raw();
    Ok(trusted && stat.st_mode & 0o022 == 0)
}

fn found(meta: &fs::Metadata) -> Found {
    let kind = match meta.file_type() {
        kind if kind.is_symlink() => Kind::Link,
        kind if kind.is_dir() => Kind::Directory,
        kind if kind.is_file() => Kind::File,
        _ => Kind::Other,
    };
    let ctime = i128::from(meta.ctime()) * 1_000_000_000 + i128::from(meta.ctime_nsec());
    Found { kind, mode: meta.mode() & 0o7777, uid: meta.uid(), gid: meta.gid(), size: meta.size(), ctime }
}

fn is_absence(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// The SHA-256 of some bytes, in hex.
pub fn sha256_of(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Syncs a directory so that a rename in it survives a power cut.
pub(crate) fn sync_directory(path: &Path) -> io::Result<()> {
    let directory = Dir::open(path, OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())?;
    Ok(fsync(directory.as_fd())?)
}

#[cfg(test)]
mod tests;
