//! Copies of files for a checker to read before the files themselves are written: under `/run/hostagent/staged/`, which
//! root alone may enter and no server reads.
//!
//! A copy lies below its stage at the path of its original (`…/STAGE/etc/sudoers.d/ops`), so that names and endings are the
//! same, and what a checker says of a copy is what it would say of the original once the stage's path is cut out.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use super::names::file_name;
use super::state::PRIVATE;
use super::{Error, RUN_DIR, Touch};

/// Where copies of one resource's files lie, until dropped.
#[derive(Debug)]
pub struct Stage {
    touch: Touch,
    directory: PathBuf,
}

impl Touch {
    /// An empty place for copies of the files of the resource of this id.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn stage(&self, id: &str) -> Result<Stage, Error> {
        let stage = Stage { touch: self.clone(), directory: directory().join(file_name(id)) };
        stage.clear().map_err(|source| Error::File { doing: "empty", path: stage.directory.clone(), source })?;
        Ok(stage)
    }

    /// Takes away the copies that a killed run left; says whether there were any.
    pub(super) fn clear_stages(&self) -> Result<bool, Error> {
        match fs::remove_dir_all(self.place(&directory())) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(source) => Err(Error::File { doing: "remove", path: directory(), source }),
        }
    }
}

impl Stage {
    /// Where the copy of what stands at `path` lies.
    pub fn place_of(&self, path: &Path) -> PathBuf {
        self.directory.join(path.strip_prefix("/").unwrap_or(path))
    }

    /// Puts a copy of the file at `path` there, with this content.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn put(&self, path: &Path, content: &[u8]) -> Result<(), Error> {
        let place = self.place_of(path);
        let real = self.touch.place(&place);
        let write = || {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(real.parent().unwrap_or(Path::new("/")))?;
            let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(PRIVATE).open(&real)?;
            file.write_all(content)
        };
        write().map_err(|source| Error::File { doing: "write", path: place, source })
    }

    /// What was said of the copies, as if it had been said of the files themselves.
    pub fn unstaged(&self, said: &str) -> String {
        said.replace(&self.directory.display().to_string(), "")
    }

    fn clear(&self) -> io::Result<()> {
        match fs::remove_dir_all(self.touch.place(&self.directory)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if let Err(error) = self.clear() {
            tracing::warn!(%error, directory = %self.directory.display(), "copies could not be taken away; the next run tries again");
        }
        // Empty when the last stage is gone.
        let _ = fs::remove_dir(self.touch.place(&directory()));
    }
}

fn directory() -> PathBuf {
    Path::new(RUN_DIR).join("staged")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::host::programs::Real;
    use crate::host::{Host, heal};

    #[tokio::test(flavor = "current_thread")]
    async fn copies_are_for_root_alone_and_go_with_their_stage_or_with_the_next_run() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("var/lib/dpkg")).unwrap();
        let touch = Host::at(root.path(), Box::new(Real)).unwrap().touch();
        let (path, all) = (Path::new("/etc/sudoers.d/ops"), root.path().join("run/hostagent/staged"));
        let stage = touch.stage("config_set:/etc/sudoers.d/ops").unwrap();
        stage.put(path, b"rules").unwrap();
        let copy = root.path().join(stage.place_of(path).strip_prefix("/").unwrap());
        assert_eq!(fs::read(&copy).unwrap(), b"rules");
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
        assert_eq!((mode(&copy), mode(&all)), (0o600, 0o700));
        let said = format!("{}:1: syntax error", stage.place_of(path).display());
        assert_eq!(stage.unstaged(&said), "/etc/sudoers.d/ops:1: syntax error");
        drop(stage);
        assert!(!all.exists());

        let cut_off = touch.stage("a").unwrap();
        cut_off.put(path, b"rules").unwrap();
        std::mem::forget(cut_off);
        assert_eq!(heal::heal(&touch).await.unwrap(), Vec::<String>::new());
        assert!(!all.exists());
    }
}
