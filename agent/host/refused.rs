//! What a running unit did not come up with: remembered until the machine restarts, so that it is not restarted once more
//! by every run for the same failure.
//!
//! What was tried is known by a digest of all that it was tried with (the drop-in, the other settings of its unit, the
//! packages): when any of that changes, it is worth another try.

use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::files::sha256_of;
use super::names::file_name;
use super::{Error, Look, RUN_DIR, Touch, dpkg};

/// One attempt.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Attempt {
    /// A digest of what it was made with.
    with: String,
    /// What came of it, if it failed.
    says: Option<String>,
}

impl Look {
    /// A digest of what is about to be tried and of the packages that are there.
    ///
    /// # Errors
    /// When it cannot be told which there are.
    pub fn attempt(&self, content: &str) -> Result<String, Error> {
        let packages = self.found(Path::new(dpkg::STATUS))?.map(|found| (found.size, found.ctime));
        Ok(sha256_of(format!("{packages:?}\0{content}").as_bytes()))
    }

    /// What came of the same attempt before, if it failed.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn refused_before(&self, id: &str, with: &str) -> Result<Option<String>, Error> {
        let Some(text) = self.read(&place_of(id))? else { return Ok(None) };
        // A note that cannot be read is none: the worst that comes of it is one more try.
        let attempt = serde_json::from_slice::<Attempt>(&text).ok();
        Ok(attempt.filter(|attempt| attempt.with == with).and_then(|attempt| attempt.says))
    }
}

impl Touch {
    /// Notes that something is about to be tried.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn tries(&self, id: &str, with: &str) -> Result<(), Error> {
        self.write_attempt(id, &Attempt { with: with.to_owned(), says: None })
    }

    /// Notes that what was tried last failed, and how.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn was_refused(&self, id: &str, says: &str) -> Result<(), Error> {
        let Some(text) = self.read(&place_of(id))? else { return Ok(()) };
        let Ok(attempt) = serde_json::from_slice::<Attempt>(&text) else { return Ok(()) };
        self.write_attempt(id, &Attempt { says: Some(says.to_owned()), ..attempt })
    }

    /// Forgets what was tried: it came up.
    ///
    /// # Errors
    /// When that cannot be written.
    pub fn was_accepted(&self, id: &str) -> Result<(), Error> {
        let path = place_of(id);
        match std::fs::remove_file(self.place(&path)) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                Err(Error::File { doing: "remove", path, source })
            }
            _ => Ok(()),
        }
    }

    /// Forgets attempts that a killed run never saw the end of: nothing was learnt.
    pub(super) fn forget_cut_off_attempts(&self) -> Result<(), Error> {
        for name in self.names_in(&directory())? {
            let path = directory().join(name);
            let attempt = self.read(&path)?.and_then(|text| serde_json::from_slice::<Attempt>(&text).ok());
            if attempt.is_none_or(|attempt| attempt.says.is_none()) {
                std::fs::remove_file(self.place(&path)).map_err(|source| Error::File {
                    doing: "remove",
                    path,
                    source,
                })?;
            }
        }
        Ok(())
    }

    fn write_attempt(&self, id: &str, attempt: &Attempt) -> Result<(), Error> {
        let (path, directory) = (place_of(id), directory());
        let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(self.place(&directory));
        made.map_err(|source| Error::File { doing: "make", path: directory, source })?;
        let text = serde_json::to_vec(attempt).map_err(|error| Error::said("attempt", error.to_string()))?;
        self.write_private(&path, &text)
    }
}

/// Where an attempt is noted; who removes it has it made again.
pub fn place_of(id: &str) -> PathBuf {
    directory().join(file_name(id))
}

fn directory() -> PathBuf {
    Path::new(RUN_DIR).join("refused")
}

#[cfg(test)]
mod tests {
    use crate::host::{Host, programs::Real};

    #[test]
    fn what_failed_is_known_again_until_something_about_it_changes() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(root.path().join("var/lib/dpkg")).unwrap();
        let touch = Host::at(root.path(), Box::new(Real)).unwrap().touch();
        let id = "drop_in:a.service/x";
        let first = touch.attempt("[Service]\nNice=99\n").unwrap();
        touch.was_refused(id, "nobody tried").unwrap();
        assert_eq!(touch.refused_before(id, &first).unwrap(), None);
        touch.tries(id, &first).unwrap();
        assert_eq!(touch.refused_before(id, &first).unwrap(), None, "a run that was cut off learnt nothing");
        touch.was_refused(id, "it did not start").unwrap();
        assert_eq!(touch.refused_before(id, &first).unwrap().as_deref(), Some("it did not start"));
        touch.tries("drop_in:b.service/x", &first).unwrap();
        touch.forget_cut_off_attempts().unwrap();
        assert!(touch.read(&super::place_of("drop_in:b.service/x")).unwrap().is_none());
        assert_eq!(touch.refused_before(id, &first).unwrap().as_deref(), Some("it did not start"));
        let other = touch.attempt("[Service]\nNice=9\n").unwrap();
        assert_eq!(touch.refused_before(id, &other).unwrap(), None);
        std::fs::write(root.path().join("var/lib/dpkg/status"), "Package: a\n").unwrap();
        assert_ne!(touch.attempt("[Service]\nNice=99\n").unwrap(), first, "a package came");
        touch.was_accepted(id).unwrap();
        touch.was_accepted(id).unwrap();
        assert_eq!(touch.refused_before(id, &first).unwrap(), None);
    }
}
