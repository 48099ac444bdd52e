//! Drafts: what a killed run wrote and did not come to rename to its place.
//!
//! The next run that writes the same path takes its draft away. But the recipe may be another one by then, and nobody may
//! write there again: so after a run that was cut off they are looked for, beside everything hostagent ever wrote.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::files::Kind;
use super::names::file_name;
use super::{Error, RUN_DIR, STATE_DIR, Touch};

/// Whether it is a file that hostagent is about to rename to its place.
pub(super) fn is_draft(name: &OsStr) -> bool {
    name.to_string_lossy().strip_prefix('.').is_some_and(|rest| rest.ends_with(".hostagent"))
}

/// The name of a draft of the file of this name: as short as any.
pub(super) fn draft_of(name: &OsStr) -> String {
    format!(".{}.hostagent", file_name(&name.to_string_lossy()))
}

/// Is there from when a run was seen to have been cut off until its drafts are gone.
const SUSPECTED: &str = "drafts-suspected";

impl Touch {
    /// Notes that there may be drafts: a run was cut off. Whatever comes of this one, they are looked for once.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn suspect_drafts(&self) -> Result<(), Error> {
        self.write_state(SUSPECTED, b"")
    }

    /// Takes away the drafts of a run that was cut off, if there was one.
    ///
    /// # Errors
    /// When a directory cannot be read, or a draft not be removed.
    pub(super) fn remove_suspected_drafts(&self) -> Result<(), Error> {
        if self.read_state(SUSPECTED)?.is_none() {
            return Ok(());
        }
        self.remove_drafts()?;
        self.remove(&Path::new(STATE_DIR).join(SUSPECTED))
    }

    fn remove_drafts(&self) -> Result<(), Error> {
        // By their exact names: what else ends so is somebody's.
        let draft = |path: &Path| Some(path.parent()?.join(draft_of(path.file_name()?)));
        let drafts: BTreeSet<PathBuf> = self.ledger().paths().filter_map(draft).collect();
        let mut trouble = None;
        for path in drafts {
            // One in the directory of somebody else may be anything by now, and must not keep the others from going.
            if matches!(self.found(&path), Ok(Some(found)) if found.kind == Kind::File)
                && let Err(error) = self.remove(&path)
            {
                trouble = Some(error);
            }
        }
        let mut own = vec![STATE_DIR.into(), Path::new(STATE_DIR).join("originals"), RUN_DIR.into()];
        own.extend(self.tls_folders()?);
        for directory in own {
            for name in self.names_in(&directory)?.iter().filter(|name| is_draft(name)) {
                self.remove(&directory.join(name))?;
            }
        }
        trouble.map_or(Ok(()), Err)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::host::files::Access;
    use crate::host::{Host, programs::Real};

    #[test]
    fn drafts_beside_what_it_wrote_go_and_nothing_else_does() {
        let root = tempfile::tempdir().unwrap();
        let touch = Host::at(root.path(), Box::new(Real)).unwrap().touch();
        let (uid, gid) = (nix::unistd::geteuid().as_raw(), nix::unistd::getegid().as_raw());
        touch.replace(Path::new("/etc/app/conf"), b"", Access { uid, gid, mode: 0o644 }).unwrap();
        fs::create_dir_all(root.path().join("etc/app/.theirs.hostagent/full")).unwrap();
        touch.ledger_mut().made(Path::new("/etc/app/theirs")).unwrap();
        fs::create_dir_all(root.path().join("var/lib/hostagent/tls/web/next")).unwrap();
        let drafts = [
            "etc/app/.conf.hostagent",
            "var/lib/hostagent/.ledger.jsonl.hostagent",
            "var/lib/hostagent/tls/.seen.json.1.hostagent",
            "var/lib/hostagent/tls/web/.advice.json.1.hostagent",
            "var/lib/hostagent/tls/web/next/.order.json.1.hostagent",
        ];
        let others = [
            "etc/app/other.hostagent",
            "etc/app/.backup.hostagent",
            "etc/app/.hidden",
            "etc/app/mine.new",
            "var/lib/hostagent/apt-sources",
        ];
        for path in drafts.iter().chain(&others) {
            fs::write(root.path().join(path), "").unwrap();
        }
        touch.remove_suspected_drafts().unwrap();
        assert!(drafts.iter().all(|path| root.path().join(path).exists()));
        touch.suspect_drafts().unwrap();
        touch.remove_suspected_drafts().unwrap();
        assert!(touch.read_state(SUSPECTED).unwrap().is_none());
        assert!(drafts.iter().all(|path| !root.path().join(path).exists()));
        assert!(others.iter().all(|path| root.path().join(path).exists()));
    }
}
