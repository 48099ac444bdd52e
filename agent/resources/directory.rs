//! A directory with the mode and owner it should have. What is in it is nobody's business here.

use std::path::PathBuf;

use serde::Serialize;

use super::file::{accounts, owned, places_above};
use crate::engine::{Cause, Changes, Id, Resource};
use crate::host::files::{Access, Kind};
use crate::host::ledger::Trace;
use crate::host::{Look, Touch};
use crate::terms::{AccountName, Mode};

/// A directory of the host.
#[derive(Debug, Clone, Serialize)]
pub struct Directory {
    /// Where.
    pub path: PathBuf,
    /// Permission bits.
    pub mode: Mode,
    /// Who owns it.
    pub owner: AccountName,
    /// Which group owns it.
    pub group: AccountName,
    /// Whether it stays, though empty, when the recipe stops naming it: something else lives in it.
    pub stays: bool,
}

impl Directory {
    /// A directory of root's that everybody may enter.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        let (owner, group) = (AccountName::root(), AccountName::root());
        Self { path: path.into(), mode: Mode::DIRECTORY, owner, group, stays: false }
    }
}

impl Resource for Directory {
    fn id(&self) -> Id {
        Id::at("directory", &self.path)
    }

    fn needs(&self) -> Vec<Id> {
        let mut needs = places_above(&self.path);
        // A file system is mounted over it first; its root is what gets the mode and owner.
        needs.push(Id::at("mount", &self.path));
        let accounts = accounts(&self.owner, &self.group);
        // Packages bring users; root's directories may be there before any package.
        needs.extend((!accounts.is_empty()).then(|| Id::every("package")));
        needs.extend(accounts);
        needs
    }

    async fn check(&self, host: &Look) -> Result<Changes, Cause> {
        let Some(found) = host.found(&self.path)? else { return Ok(self.when_absent()) };
        found.must_be(Kind::Directory, &self.path)?;
        Ok(owned(host, Changes::none(), &found, self.mode, &self.owner, &self.group))
    }

    async fn apply(&self, host: &Touch) -> Result<(), Cause> {
        let (uid, gid) = (host.uid(self.owner.as_str())?, host.gid(self.group.as_str())?);
        Ok(host.make_directory(&self.path, Access { uid, gid, mode: self.mode.bits() })?)
    }

    fn when_absent(&self) -> Changes {
        let owner = format!("{}:{}", self.owner, self.group);
        Changes::none()
            .appears("directory", self.path.display())
            .appears("mode", self.mode)
            .appears("owner", owner)
            .creating()
    }

    fn traces(&self) -> Vec<Trace> {
        if self.stays { Vec::new() } else { vec![Trace::Path(self.path.clone())] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::laws::{Play, keeps_its_word};

    #[tokio::test(flavor = "current_thread")]
    async fn a_directory_keeps_its_word() {
        let play = Play::new();
        keeps_its_word::<Directory>(
            &Directory { mode: Mode::new(0o2750), ..Directory::new("/srv/www/app") },
            &play.host,
        )
        .await;
        let found = play.host.look().found("/srv/www/app".as_ref()).unwrap().unwrap();
        assert_eq!((found.kind, found.mode), (Kind::Directory, 0o2750));
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_file_in_its_place_is_left_alone() {
        let play = Play::new().file("/srv/www", "data");
        let said = Directory::new("/srv/www").check(&play.host.look()).await.unwrap_err();
        assert_eq!(said.says, "`/srv/www` is a file, not a directory");
    }
}
