//! The first version of what stood at a path before hostagent: kept once, under `/var/lib/hostagent/originals/`.
//!
//! Whoever puts hostagent on a host that was configured by hand can go back to what they had. No resource can forget it:
//! whatever replaces a file or takes one away does it (`files`).

use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::sys::stat::Mode;

use super::drafts::is_draft;
use super::names::file_name;
use super::{Error, Look, RUN_DIR, STATE_DIR, Touch};

impl Touch {
    /// Keeps a copy of the file of this name in an open directory, which stands at `path` and is about to be replaced or
    /// taken away; unless hostagent wrote there before, or a copy is kept already.
    ///
    /// # Errors
    /// When it cannot be copied; then it must not be replaced.
    pub(super) fn keep_original(&self, directory: &OwnedFd, name: &OsStr, path: &Path) -> Result<(), Error> {
        let copy = place_of(path);
        if self.ledger().written(path).is_some() || is_own(path) || self.found(&copy)?.is_some() {
            return Ok(());
        }
        let fail = |source| Error::File { doing: "keep a copy of", path: path.into(), source };
        // Whoever owns the directory may have put something else there by now, such as a pipe.
        let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
        let mut original = match openat(directory, name, flags, Mode::empty()) {
            Ok(file) => File::from(file),
            Err(Errno::ENOENT | Errno::ELOOP) => return Ok(()),
            Err(errno) => return Err(fail(errno.into())),
        };
        if !original.metadata().map_err(fail)?.is_file() {
            return Ok(());
        }
        let place = copy.parent().unwrap_or(Path::new(STATE_DIR));
        let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(self.place(place));
        made.map_err(|source| Error::File { doing: "make", path: place.into(), source })?;
        self.write_private_from(&copy, &mut original)
    }
}

impl Look {
    /// Where the first version of a path is kept, if it is.
    pub fn original_of(&self, path: &Path) -> Option<PathBuf> {
        let copy = place_of(path);
        matches!(self.found(&copy), Ok(Some(_))).then_some(copy)
    }
}

/// Whether it is of hostagent's own keeping, or a draft: nobody had anything there before.
fn is_own(path: &Path) -> bool {
    path.starts_with(STATE_DIR) || path.starts_with(RUN_DIR) || path.file_name().is_some_and(is_draft)
}

fn place_of(path: &Path) -> PathBuf {
    Path::new(STATE_DIR).join("originals").join(file_name(path.to_string_lossy().trim_start_matches('/')))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;
    use crate::host::files::Access;
    use crate::host::{Host, programs::Real};

    const ORIGINALS: &str = "var/lib/hostagent/originals";

    #[test]
    fn whatever_replaces_a_file_or_takes_it_away_keeps_what_it_was_at_first_once_and_for_root_alone() {
        let root = tempfile::tempdir().unwrap();
        let at = |path: &str| root.path().join(path.trim_start_matches('/'));
        let touch = || Host::at(root.path(), Box::new(Real)).unwrap().touch();
        let (uid, gid) = (nix::unistd::geteuid().as_raw(), nix::unistd::getegid().as_raw());
        let access = Access { uid, gid, mode: 0o644 };
        fs::create_dir_all(at("/etc")).unwrap();
        for name in ["hosts", "localtime", "removed"] {
            fs::write(at("/etc").join(name), format!("{name} at first")).unwrap();
        }
        symlink("/run/theirs", at("/etc/link")).unwrap();
        for round in ["one", "two"] {
            touch().replace(Path::new("/etc/hosts"), round.as_bytes(), access).unwrap();
            touch().replace(Path::new("/etc/ours"), round.as_bytes(), access).unwrap();
        }
        touch().link_over(Path::new("/etc/localtime"), Path::new("/usr/share/zoneinfo/UTC")).unwrap();
        touch().link(Path::new("/etc/link"), Path::new("/run/ours")).unwrap();
        touch().remove(Path::new("/etc/removed")).unwrap();
        touch().remove(Path::new("/etc/ours")).unwrap();
        touch().suspect_drafts().unwrap();
        touch().remove(Path::new("/var/lib/hostagent/drafts-suspected")).unwrap();
        // Forgotten and written once more: what was there at first is still what was there at first.
        touch().ledger_mut().removed(Path::new("/etc/hosts")).unwrap();
        touch().replace(Path::new("/etc/hosts"), b"three", access).unwrap();

        let mut kept: Vec<String> = fs::read_dir(at(ORIGINALS))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        kept.sort();
        assert_eq!(kept, ["etc%2Fhosts", "etc%2Flocaltime", "etc%2Fremoved"]);
        for name in ["hosts", "localtime", "removed"] {
            let copy = touch().original_of(&Path::new("/etc").join(name)).unwrap();
            let copy = at(copy.to_str().unwrap());
            assert_eq!(fs::read_to_string(&copy).unwrap(), format!("{name} at first"));
            assert_eq!(fs::metadata(&copy).unwrap().permissions().mode() & 0o7777, 0o600);
        }
        assert_eq!(fs::metadata(at(ORIGINALS)).unwrap().permissions().mode() & 0o7777, 0o700);
    }
}
