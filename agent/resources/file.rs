//! A file with the content, mode and owner it should have.

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::engine::{Cause, Changes, Id, Resource, Shown};
use crate::host::files::{Access, Kind};
use crate::host::ledger::Trace;
use crate::host::{Look, Touch};
use crate::terms::{AccountName, Mode};

/// A file of the host, written in one step.
#[derive(Debug, Clone, Serialize)]
pub struct File {
    /// Where.
    pub path: PathBuf,
    /// Every byte of it.
    pub content: Vec<u8>,
    /// Permission bits.
    pub mode: Mode,
    /// Who owns it.
    pub owner: AccountName,
    /// Which group owns it.
    pub group: AccountName,
    /// Whether its content stays out of plans and reports.
    pub secret: bool,
    /// Whether packages are installed after it and not before: it preseeds one of them.
    pub before_packages: bool,
}

impl File {
    /// A file of root's that everybody may read.
    pub fn new(path: impl Into<PathBuf>, content: impl Into<Vec<u8>>) -> Self {
        let (owner, group) = (AccountName::root(), AccountName::root());
        Self {
            path: path.into(),
            content: content.into(),
            mode: Mode::FILE,
            owner,
            group,
            secret: false,
            before_packages: false,
        }
    }

    /// Lets a plan tell which servers will have to load it.
    fn foresee(&self, host: &Look) {
        if !self.secret {
            host.foresee(&self.id(), &self.path, Some(&self.content));
        }
    }
}

impl Resource for File {
    fn id(&self) -> Id {
        Id::at("file", &self.path)
    }

    fn needs(&self) -> Vec<Id> {
        let mut needs = places_above(&self.path);
        needs.extend(accounts(&self.owner, &self.group));
        if !self.before_packages {
            needs.push(Id::every("package"));
        }
        needs
    }

    fn precedes(&self) -> Vec<Id> {
        if self.before_packages { vec![Id::every("package")] } else { Vec::new() }
    }

    async fn check(&self, host: &Look) -> Result<Changes, Cause> {
        let Some(found) = host.found(&self.path)? else {
            self.foresee(host);
            return Ok(self.when_absent());
        };
        found.must_be(Kind::File, &self.path)?;
        let now = host.read(&self.path)?.unwrap_or_default();
        let changes =
            owned(host, Changes::none(), &found, self.mode, &self.owner, &self.group).and_content(self, Some(&now));
        if !changes.is_empty() {
            self.foresee(host);
        }
        Ok(changes)
    }

    async fn apply(&self, host: &Touch) -> Result<(), Cause> {
        let access =
            Access { uid: host.uid(self.owner.as_str())?, gid: host.gid(self.group.as_str())?, mode: self.mode.bits() };
        if host.read(&self.path)?.as_deref() == Some(&self.content) {
            return Ok(host.set_access(&self.path, access)?);
        }
        Ok(host.replace(&self.path, &self.content, access)?)
    }

    fn when_absent(&self) -> Changes {
        Changes::none()
            .and_content(self, None)
            .appears("mode", self.mode)
            .appears("owner", format!("{}:{}", self.owner, self.group))
            .creating()
    }

    fn traces(&self) -> Vec<Trace> {
        vec![Trace::Path(self.path.clone())]
    }
}

impl Changes {
    fn and_content(self, file: &File, now: Option<&[u8]>) -> Self {
        content(self, "content", now, &file.content, file.secret)
    }
}

/// Adds the difference of a file's content, hidden if it is secret.
pub(crate) fn content(changes: Changes, what: &str, now: Option<&[u8]>, want: &[u8], secret: bool) -> Changes {
    if now == Some(want) {
        return changes;
    }
    let shown = |bytes: &[u8]| match std::str::from_utf8(bytes) {
        _ if secret => Shown::Hidden,
        Ok(text) => Shown::Text(text.to_owned()),
        Err(_) => Shown::Plain(format!("{} bytes, SHA-256 {}", bytes.len(), crate::host::files::sha256_of(bytes))),
    };
    changes.differs(what, now.map_or(Shown::Absent, shown), shown(want))
}

/// Adds the differences of mode, owner and group.
pub(crate) fn owned(
    host: &Look,
    changes: Changes,
    found: &crate::host::files::Found,
    mode: Mode,
    owner: &AccountName,
    group: &AccountName,
) -> Changes {
    let mut changes = changes.mode(found.mode, mode.bits());
    // An account that is still to come differs from whatever owns the file now.
    if host.uid(owner.as_str()).ok() != Some(found.uid) {
        changes = changes.value("owner", &host.user_name(found.uid), &owner.to_string());
    }
    if host.gid(group.as_str()).ok() != Some(found.gid) {
        changes = changes.value("group", &host.group_name(found.gid), &group.to_string());
    }
    changes
}

/// The ids of a file's owner and group. Root and its group are there in any case.
pub(crate) fn accounts(owner: &AccountName, group: &AccountName) -> Vec<Id> {
    let both = [("user", owner), ("group", group)];
    both.into_iter().filter(|(_, name)| **name != AccountName::root()).map(|(kind, name)| Id::new(kind, name)).collect()
}

/// The ids of whatever may stand above a path: directories, links, mounts.
pub(crate) fn places_above(path: &Path) -> Vec<Id> {
    let above = path.ancestors().skip(1);
    above.flat_map(|place| ["directory", "link", "mount"].map(|kind| Id::at(kind, place))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::laws::{CANARY, Play, keeps_its_word};

    fn motd(text: &str) -> File {
        File { mode: Mode::new(0o640), ..File::new("/etc/motd", text) }
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_file_keeps_its_word_from_nothing_and_from_each_way_to_differ() {
        let play = Play::new();
        keeps_its_word::<File>(&motd("hello\n"), &play.host).await;
        play.put("/etc/motd", "edited\n");
        assert_eq!(play.differs(&motd("hello\n")).await.to_string(), "content 1 lines -> 1 lines");
        keeps_its_word::<File>(&motd("hello\n"), &play.host).await;
        std::fs::set_permissions(play.place("/etc/motd"), std::os::unix::fs::PermissionsExt::from_mode(0o4755))
            .unwrap();
        assert_eq!(play.differs(&motd("hello\n")).await.to_string(), "mode 4755 -> 0640");
        keeps_its_word::<File>(&motd("hello\n"), &play.host).await;
        std::os::unix::fs::chown(play.place("/etc/motd"), Some(4711), Some(4712)).unwrap();
        assert_eq!(play.differs(&motd("hello\n")).await.to_string(), "owner 4711 -> root, group 4712 -> root");
        keeps_its_word::<File>(&motd("hello\n"), &play.host).await;
        assert_eq!(play.text("/etc/motd"), "hello\n");
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_secret_file_tells_nobody_what_it_held_and_what_it_will_hold() {
        let play = Play::new();
        let secret = |text: String| File { secret: true, ..motd(&text) };
        keeps_its_word::<File>(&secret(format!("{CANARY}-1")), &play.host).await;
        assert_eq!(play.differs(&secret(CANARY.into())).await.to_string(), "content (hidden) -> (hidden)");
        keeps_its_word::<File>(&secret(CANARY.into()), &play.host).await;
        let bytes = File { content: vec![0, 0xFF], ..motd("") };
        assert!(
            play.differs(&bytes)
                .await
                .to_string()
                .ends_with(&format!("-> 2 bytes, SHA-256 {}", crate::host::files::sha256_of(&[0, 0xFF])))
        );
    }

    #[tokio::test(flavor = "current_thread")]
    async fn what_stands_in_its_place_is_left_alone() {
        let play = Play::new().file("/etc/motd/kept", "k");
        assert_eq!(motd("").check(&play.host.look()).await.unwrap_err().says, "`/etc/motd` is a directory, not a file");
        assert_eq!(motd("").apply(&play.host.touch()).await.unwrap_err().code, "wrong-kind");
        assert_eq!(play.text("/etc/motd/kept"), "k");
    }
}
