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
use std::path::{Path, PathBuf};

use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags, OFlag, openat, renameat};
use nix::sys::stat::{FchmodatFlags, FileStat, Mode, SFlag, fchmod, fchmodat, fstat, fstatat, lstat, mkdirat, stat};
use nix::unistd::{Gid, Uid, UnlinkatFlags, fchown, fchownat, fsync, symlinkat, unlinkat};
use sha2::{Digest, Sha256};

use super::drafts::draft_of;
use super::reading::only_root_writes;
use super::{Error, Look, Touch};

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
    /// Device and inode: the same for two names of one thing.
    pub identity: (u64, u64),
}

impl Found {
    /// Refuses to go on where something else than what is wanted stands at `path`.
    ///
    /// # Errors
    /// When it is of another kind.
    pub fn must_be(&self, wanted: Kind, path: &Path) -> Result<(), Error> {
        if self.kind == wanted { Ok(()) } else { Err(Error::Kind { path: path.into(), found: self.kind, wanted }) }
    }
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
        seen(path, lstat(&self.place(path)))
    }

    /// What stands at `path`, or where the link there points; `None` if nothing does.
    ///
    /// # Errors
    /// When a directory on the way cannot be searched.
    pub fn found_through(&self, path: &Path) -> Result<Option<Found>, Error> {
        seen(path, stat(&self.place(path)))
    }

    /// The content of the file at `path`, following links; `None` if there is none.
    ///
    /// # Errors
    /// When something else than a file is there (a pipe would stop the run), or it cannot be read.
    pub fn read(&self, path: &Path) -> Result<Option<Vec<u8>>, Error> {
        let Some(mut file) = self.open(path)? else { return Ok(None) };
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(|source| Error::File { doing: "read", path: path.into(), source })?;
        Ok(Some(bytes))
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
        let mut names =
            entries.map(|entry| entry.map(|e| e.file_name())).collect::<Result<Vec<_>, _>>().map_err(fail)?;
        names.sort();
        Ok(names)
    }

    /// The SHA-256 of the file at `path` in hex, read in pieces; `None` if there is none.
    ///
    /// # Errors
    /// When it is there and cannot be read.
    pub fn sha256(&self, path: &Path) -> Result<Option<String>, Error> {
        let fail = |source| Error::File { doing: "read", path: path.into(), source };
        let Some(mut file) = self.open(path)? else { return Ok(None) };
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
    /// Writes what programs of others read and what hostagent can make again at any time: in one step, readable by all, not
    /// in the ledger, and only if it says something else than what is there.
    ///
    /// # Errors
    /// When it cannot be written; then the old file is untouched.
    pub fn publish(&self, path: &Path, bytes: &[u8]) -> Result<(), Error> {
        if self.read(path)?.as_deref() == Some(bytes) {
            return Ok(());
        }
        self.wrote();
        let (directory, name) = self.parent(path)?;
        let fail = |errno: Errno| Error::File { doing: "write", path: path.into(), source: errno.into() };
        let draft = draft_of(name);
        let _ = unlinkat(&directory, draft.as_str(), UnlinkatFlags::NoRemoveDir);
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let all = Mode::from_bits_truncate(0o644);
        let mut file = File::from(openat(&directory, draft.as_str(), flags, all).map_err(fail)?);
        file.write_all(bytes).map_err(|source| Error::File { doing: "write", path: path.into(), source })?;
        fchmod(&file, all).and_then(|()| renameat(&directory, draft.as_str(), &directory, name)).map_err(fail)
    }

    /// Takes away what [`Touch::publish`] wrote; nothing there is fine.
    ///
    /// # Errors
    /// When it cannot be taken away.
    pub fn remove_published(&self, path: &Path) -> Result<(), Error> {
        self.wrote();
        let Some((directory, name)) = self.parent_there(path)? else { return Ok(()) };
        match unlinkat(&directory, name, UnlinkatFlags::NoRemoveDir) {
            Err(errno) if errno != Errno::ENOENT => {
                Err(Error::File { doing: "remove", path: path.into(), source: errno.into() })
            }
            _ => Ok(()),
        }
    }

    /// Puts a file at `path` in one step, making missing parent directories (0755, root).
    ///
    /// # Errors
    /// When something other than a file stands there, or any step fails; then the old file is untouched.
    pub fn replace(&self, path: &Path, bytes: &[u8], access: Access) -> Result<(), Error> {
        self.wrote();
        let (directory, name) = self.parent(path)?;
        let fail = |doing| move |errno: Errno| Error::File { doing, path: path.into(), source: errno.into() };
        let old = found_at(&directory, name, path)?;
        if let Some(old) = &old {
            old.must_be(Kind::File, path)?;
            self.keep_original(&directory, name, path)?;
        }
        self.ledger_mut().writing(path, &sha256_of(bytes), old.is_none())?;

        let temporary = draft_of(name);
        let _ = unlinkat(&directory, temporary.as_str(), UnlinkatFlags::NoRemoveDir);
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let fd =
            openat(&directory, temporary.as_str(), flags, Mode::from_bits_truncate(0o600)).map_err(fail("write"))?;
        let written = (|| {
            let mut file = File::from(fd);
            file.write_all(bytes).map_err(|source| Error::File { doing: "write", path: path.into(), source })?;
            fchown(&file, Some(Uid::from_raw(access.uid)), Some(Gid::from_raw(access.gid)))
                .map_err(fail("set the owner of"))?;
            fchmod(&file, Mode::from_bits_truncate(access.mode)).map_err(fail("set the mode of"))?;
            fsync(&file).map_err(fail("write"))?;
            self.ledger_mut().sync_made()?;
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
        if found_at(&directory, name, path)?.is_none() {
            self.ledger_mut().made(path)?;
            self.ledger_mut().sync_made()?;
            if let Err(errno) = mkdirat(&directory, name, Mode::from_bits_truncate(0o700)) {
                // Whatever is there was made by somebody else.
                self.ledger_mut().removed(path)?;
                if errno != Errno::EEXIST {
                    return Err(fail("make")(errno));
                }
            }
        }
        give(&directory, name, path, access, Some(Kind::Directory))
    }

    /// Gives what stands at `path` this owner and mode; a link only the owner, as it has no mode.
    ///
    /// # Errors
    /// When nothing stands there, or it may be a second name of somebody else's file, or the system refuses.
    pub fn set_access(&self, path: &Path, access: Access) -> Result<(), Error> {
        self.wrote();
        let Some((directory, name)) = self.parent_there(path)? else {
            return Err(Error::File { doing: "look at", path: path.into(), source: Errno::ENOENT.into() });
        };
        give(&directory, name, path, access, None)
    }

    /// Puts a symbolic link at `path` in one step, over another link or over nothing.
    ///
    /// # Errors
    /// When something other than a link stands there, or any step fails.
    pub fn link(&self, path: &Path, target: &Path) -> Result<(), Error> {
        self.put_link(path, target, false)
    }

    /// The same, also over a file, which is there until the link is.
    ///
    /// # Errors
    /// When something other than a link or a file stands there, or any step fails.
    pub fn link_over(&self, path: &Path, target: &Path) -> Result<(), Error> {
        self.put_link(path, target, true)
    }

    fn put_link(&self, path: &Path, target: &Path, over_file: bool) -> Result<(), Error> {
        self.wrote();
        let (directory, name) = self.parent(path)?;
        let fail = |errno: Errno| Error::File { doing: "link", path: path.into(), source: errno.into() };
        let ours = match found_at(&directory, name, path)? {
            None => true,
            Some(found) => {
                if found.kind != Kind::File || !over_file {
                    found.must_be(Kind::Link, path)?;
                }
                if found.kind == Kind::File {
                    self.keep_original(&directory, name, path)?;
                }
                self.ledger().written(path).is_some_and(|written| written.made)
            }
        };
        if ours {
            self.ledger_mut().linking(path, target)?;
        } else {
            self.ledger_mut().removed(path)?;
        }
        let temporary = draft_of(name);
        let _ = unlinkat(&directory, temporary.as_str(), UnlinkatFlags::NoRemoveDir);
        symlinkat(target, &directory, temporary.as_str()).map_err(fail)?;
        self.ledger_mut().sync_made()?;
        renameat(&directory, temporary.as_str(), &directory, name).map_err(fail)?;
        fsync(&directory).map_err(fail)
    }

    /// Removes the file or link at `path`, or the directory if it is empty. Nothing there is fine.
    ///
    /// # Errors
    /// When the system refuses; a directory that still holds something is refused.
    pub fn remove(&self, path: &Path) -> Result<(), Error> {
        self.wrote();
        let Some((directory, name)) = self.parent_there(path)? else {
            return self.ledger_mut().removed(path);
        };
        let Some(found) = found_at(&directory, name, path)? else {
            return self.ledger_mut().removed(path);
        };
        if found.kind == Kind::File {
            self.keep_original(&directory, name, path)?;
        }
        let flag = if found.kind == Kind::Directory { UnlinkatFlags::RemoveDir } else { UnlinkatFlags::NoRemoveDir };
        let removed = unlinkat(&directory, name, flag).and_then(|()| fsync(&directory));
        removed.map_err(|errno| Error::File { doing: "remove", path: path.into(), source: errno.into() })?;
        self.ledger_mut().removed(path)
    }

    /// Opens the directory that holds `path`, making what is missing of it.
    fn parent<'p>(&self, path: &'p Path) -> Result<(OwnedFd, &'p OsStr), Error> {
        let (reached, name) = self.reach_making(path)?;
        Ok((reached.directory, name))
    }

    /// Opens the directory that holds `path`, if it is there.
    fn parent_there<'p>(&self, path: &'p Path) -> Result<Option<(OwnedFd, &'p OsStr)>, Error> {
        Ok(self.reach(path)?.map(|(reached, name)| (reached.directory, name)))
    }
}

/// What stands at a name in an open directory.
pub(super) fn found_at(directory: &OwnedFd, name: &OsStr, path: &Path) -> Result<Option<Found>, Error> {
    seen(path, fstatat(directory, name, AtFlags::AT_SYMLINK_NOFOLLOW))
}

/// Gives what stands at a name in an open directory an owner and a mode. The name is looked up once: whoever owns the
/// directory may put another thing there at any moment.
fn give(directory: &OwnedFd, name: &OsStr, path: &Path, access: Access, wanted: Option<Kind>) -> Result<(), Error> {
    let fail = |doing| move |errno: Errno| Error::File { doing, path: path.into(), source: errno.into() };
    let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let it = openat(directory, name, flags, Mode::empty()).map_err(fail("look at"))?;
    let stat = fstat(&it).map_err(fail("look at"))?;
    let kind = found(&stat).kind;
    if let Some(wanted) = wanted.filter(|&wanted| wanted != kind) {
        return Err(Error::Kind { path: path.into(), found: kind, wanted });
    }
    if kind != Kind::Directory && stat.st_nlink > 1 && !only_root_writes(directory.as_fd()).map_err(fail("look at"))? {
        let says = format!("`{}` has a second name that someone other than root could have given it", path.display());
        let hint = format!("if it is no file of somebody else, put a copy in its place; see `stat {}`", path.display());
        return Err(Error::said_with_hint("unsafe-path", says, hint));
    }
    let (uid, gid) = (Uid::from_raw(access.uid), Gid::from_raw(access.gid));
    fchownat(&it, "", Some(uid), Some(gid), AtFlags::AT_EMPTY_PATH).map_err(fail("set the owner of"))?;
    if kind == Kind::Link {
        return Ok(());
    }
    // fchmod(2) refuses such a descriptor; its name in /proc leads to what is open and nowhere else.
    let open = format!("/proc/self/fd/{}", it.as_raw_fd());
    let mode = Mode::from_bits_truncate(access.mode);
    fchmodat(AT_FDCWD, open.as_str(), mode, FchmodatFlags::FollowSymlink).map_err(fail("set the mode of"))
}

fn seen(path: &Path, stat: nix::Result<FileStat>) -> Result<Option<Found>, Error> {
    match stat {
        Ok(stat) => Ok(Some(found(&stat))),
        Err(Errno::ENOENT | Errno::ENOTDIR) => Ok(None),
        Err(errno) => Err(Error::File { doing: "look at", path: path.into(), source: errno.into() }),
    }
}

pub(super) fn found(stat: &FileStat) -> Found {
    let kind = match SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT {
        SFlag::S_IFLNK => Kind::Link,
        SFlag::S_IFDIR => Kind::Directory,
        SFlag::S_IFREG => Kind::File,
        _ => Kind::Other,
    };
    let ctime = i128::from(stat.st_ctime) * 1_000_000_000 + i128::from(stat.st_ctime_nsec);
    let size = u64::try_from(stat.st_size).unwrap_or_default();
    let identity = (stat.st_dev, stat.st_ino);
    Found { kind, mode: stat.st_mode & 0o7777, uid: stat.st_uid, gid: stat.st_gid, size, ctime, identity }
}

pub(super) fn is_absence(error: &io::Error) -> bool {
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
