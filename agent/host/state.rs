//! What hostagent keeps for itself in `/var/lib/hostagent`, beside the ledger: written whole, readable by root alone.

use std::ffi::OsStr;
use std::fs::{DirBuilder, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use super::drafts::draft_of;
use super::{Error, Look, RUN_DIR, STATE_DIR, Touch};

/// Readable and writable by root alone.
pub(super) const PRIVATE: u32 = 0o600;

/// Whether this process may change a host.
pub fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

impl Look {
    /// What was last kept under this name, if anything.
    ///
    /// # Errors
    /// When it is there and cannot be read.
    pub fn read_state(&self, name: &str) -> Result<Option<Vec<u8>>, Error> {
        self.read(&Path::new(STATE_DIR).join(name))
    }

    /// What was kept under this name since the boot, if anything.
    ///
    /// # Errors
    /// When it is there and cannot be read.
    pub fn read_run(&self, name: &str) -> Result<Option<Vec<u8>>, Error> {
        self.read(&Path::new(RUN_DIR).join(name))
    }
}

impl Touch {
    /// Keeps something under this name: a reader, and whoever comes after a kill, sees the old bytes or the new ones.
    ///
    /// It does not wait for the disk, which would cost a run with nothing to do more than all its looks: a power cut
    /// may lose the newest bytes.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write_state(&self, name: &str, bytes: &[u8]) -> Result<(), Error> {
        self.make_private(Path::new(STATE_DIR))?;
        self.write_whole(&Path::new(STATE_DIR).join(name), &mut &*bytes, |_| Ok(()))
    }

    /// The same, and when it returns no power cut takes it back. The name may have a folder, which is made.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write_state_durably(&self, name: &str, bytes: &[u8]) -> Result<(), Error> {
        let path = Path::new(STATE_DIR).join(name);
        self.make_private(path.parent().unwrap_or(Path::new(STATE_DIR)))?;
        self.write_private(&path, bytes)
    }

    /// Keeps something under this name until the next boot.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write_run(&self, name: &str, bytes: &[u8]) -> Result<(), Error> {
        self.make_private(Path::new(RUN_DIR))?;
        self.write_whole(&Path::new(RUN_DIR).join(name), &mut &*bytes, |_| Ok(()))
    }

    /// Forgets what was kept under this name; nothing there is fine.
    ///
    /// # Errors
    /// When it cannot be taken away.
    pub fn remove_state(&self, name: &str) -> Result<(), Error> {
        let path = Path::new(STATE_DIR).join(name);
        match std::fs::remove_file(self.place(&path)) {
            Err(source) if !super::files::is_absence(&source) => Err(Error::File { doing: "remove", path, source }),
            _ => Ok(()),
        }
    }

    fn make_private(&self, directory: &Path) -> Result<(), Error> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(self.place(directory));
        made.map_err(|source| Error::File { doing: "make", path: directory.into(), source })
    }

    /// Writes a file of hostagent's own: durable, and not in the ledger.
    pub(super) fn write_private(&self, path: &Path, bytes: &[u8]) -> Result<(), Error> {
        self.write_private_from(path, &mut &*bytes)
    }

    /// The same, of whatever is read there: a piece at a time.
    pub(super) fn write_private_from(&self, path: &Path, from: &mut dyn io::Read) -> Result<(), Error> {
        self.write_whole(path, from, std::fs::File::sync_all)?;
        let directory = self.place(path.parent().unwrap_or(Path::new("/")));
        super::files::sync_directory(&directory).map_err(|source| Error::File {
            doing: "write",
            path: path.into(),
            source,
        })
    }

    fn write_whole(
        &self,
        path: &Path,
        from: &mut dyn io::Read,
        settle: fn(&std::fs::File) -> io::Result<()>,
    ) -> Result<(), Error> {
        let real = self.place(path);
        // Runs that only look keep what they learned too, several at a time.
        let draft = draft_of(OsStr::new(&format!(
            "{}.{}",
            path.file_name().unwrap_or_default().to_string_lossy(),
            std::process::id()
        )));
        let fresh = real.with_file_name(draft);
        let mut write = || {
            let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(PRIVATE).open(&fresh)?;
            io::copy(from, &mut file)?;
            settle(&file)?;
            std::fs::rename(&fresh, &real)
        };
        let written = write().inspect_err(|_| drop(std::fs::remove_file(&fresh)));
        written.map_err(|source| Error::File { doing: "write", path: path.into(), source })
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use crate::host::{Host, programs};

    #[test]
    fn what_is_kept_is_private_and_comes_back_whole() {
        let root = tempfile::tempdir().unwrap();
        let host = Host::at(root.path(), Box::new(programs::Real)).unwrap();
        assert_eq!(host.look().read_state("last-run.json").unwrap(), None);

        host.touch().write_state("last-run.json", b"first").unwrap();
        host.touch().write_state_durably("last-run.json", b"second").unwrap();

        assert_eq!(host.look().read_state("last-run.json").unwrap().unwrap(), b"second");
        let mode = |path: &str| std::fs::metadata(root.path().join(path)).unwrap().permissions().mode() & 0o7777;
        // Names that differ in their ends alone do not share a draft, and one of any length has one.
        let long = "n".repeat(180);
        for name in ["a.json", "a.toml", &long] {
            host.touch().write_state_durably(&format!("below/{name}"), name.as_bytes()).unwrap();
        }
        assert_eq!(host.look().names_in("/var/lib/hostagent/below".as_ref()).unwrap(), ["a.json", "a.toml", &long]);
        std::fs::remove_dir_all(root.path().join("var/lib/hostagent/below")).unwrap();
        assert_eq!(mode("var/lib/hostagent"), 0o700);
        assert_eq!(mode("var/lib/hostagent/last-run.json"), 0o600);
        assert_eq!(std::fs::read_dir(root.path().join("var/lib/hostagent")).unwrap().count(), 1);
    }
}
