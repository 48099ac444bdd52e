//! Reading with care: a part of a large file, and a file in a directory that somebody other than root owns.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2};

use super::{Error, Look};

impl Look {
    /// At most `length` bytes of the file at `path`, from `offset` on; `None` if there is no such file.
    ///
    /// # Errors
    /// When it is there and cannot be read.
    pub fn read_part(&self, path: &Path, offset: u64, length: usize) -> Result<Option<Vec<u8>>, Error> {
        let fail = |source| Error::File { doing: "read", path: path.into(), source };
        let file = match File::open(self.place(path)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(fail(source)),
        };
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
        let directory = match File::open(self.place(above)) {
            Ok(directory) => directory,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
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
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
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
    fn a_part_of_a_file_is_as_long_as_the_file_allows() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("a"), "0123456789").unwrap();
        let look = Host::at(root.path(), Box::new(Real)).unwrap().look();
        assert_eq!(look.read_part(Path::new("/a"), 2, 3).unwrap().unwrap(), b"234");
        assert_eq!(look.read_part(Path::new("/a"), 8, 30).unwrap().unwrap(), b"89");
        assert_eq!(look.read_part(Path::new("/b"), 0, 1).unwrap(), None);
    }
}
