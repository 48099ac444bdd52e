//! The first version of what stood at a path before hostagent: kept once, under `/var/lib/hostagent/originals/`.
//!
//! Whoever puts hostagent on a host that was configured by hand can go back to what they had.

use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use super::files::Kind;
use super::undo::escaped;
use super::{Error, Look, STATE_DIR, Touch};

impl Touch {
    /// Keeps a copy of the file at `path` unless hostagent wrote there before, or a copy is kept already.
    ///
    /// # Errors
    /// When it cannot be copied; then it must not be replaced.
    pub fn keep_original(&self, path: &Path) -> Result<(), Error> {
        let is_file = self.found(path)?.is_some_and(|found| found.kind == Kind::File);
        let copy = place_of(path);
        if !is_file || self.ledger().written(path).is_some() || self.found(&copy)?.is_some() {
            return Ok(());
        }
        let directory = copy.parent().unwrap_or(Path::new(STATE_DIR));
        let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(self.place(directory));
        made.map_err(|source| Error::File { doing: "make", path: directory.into(), source })?;
        self.write_private(&copy, &self.read(path)?.unwrap_or_default())
    }
}

impl Look {
    /// Where the first version of a path is kept, if it is.
    pub fn original_of(&self, path: &Path) -> Option<PathBuf> {
        let copy = place_of(path);
        matches!(self.found(&copy), Ok(Some(_))).then_some(copy)
    }
}

fn place_of(path: &Path) -> PathBuf {
    Path::new(STATE_DIR).join("originals").join(escaped(path.to_string_lossy().trim_start_matches('/')))
}
