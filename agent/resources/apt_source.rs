//! Where apt finds packages, and the keys that must have signed them.
//!
//! The key of a source may stand in the recipe, in a file or behind a URL. It is known by its fingerprint: before
//! anything is written every key that came must be one that the recipe names, and every later look tells from the key
//! on the disk, without the network, whether that still holds. A key is trusted for its own source only (`Signed-By`).

mod openpgp;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;

use super::file::{content, owned};
use crate::engine::{Cause, Changes, Id, Resource, Shown};
use crate::host::fetch::{Fetch, shown};
use crate::host::files::{Access, Kind};
use crate::host::ledger::Trace;
use crate::host::{Look, Touch};
use crate::template::managed;
use crate::terms::{AccountName, Fingerprint, Mode};

/// Everybody reads, root writes: apt fetches and verifies as another user.
const ACCESS: Access = Access { uid: 0, gid: 0, mode: 0o644 };
/// No keyring is this large.
const LARGEST_KEY: usize = 1 << 20;

/// A source of packages: `/etc/apt/sources.list.d/NAME.sources` and `/etc/apt/keyrings/NAME.gpg`.
#[derive(Debug, Clone, Serialize)]
pub struct AptSource {
    /// Names its files: letters, digits, `_`, `-` and `.` (apt passes over files of other names).
    pub name: String,
    /// Where it is, such as `https://apt.postgresql.org/pub/repos/apt`.
    pub uris: Vec<String>,
    /// Its suites, such as `bookworm-pgdg`; one that ends in `/` is a folder without components.
    pub suites: Vec<String>,
    /// Its components, such as `main`.
    pub components: Vec<String>,
    /// The architectures to take from it; none: the host's.
    pub architectures: Vec<String>,
    /// Who signs it.
    pub key: Key,
}

/// The keys that sign a source.
#[derive(Debug, Clone, Serialize)]
pub struct Key {
    /// Where they are to be had.
    pub from: KeyFrom,
    /// The fingerprints of their primary keys. None: whichever come, which is for keys that nobody on the way can change.
    pub fingerprints: Vec<Fingerprint>,
}

/// Where keys are to be had.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyFrom {
    /// From this text: an OpenPGP public key block.
    Armored(String),
    /// From a file of this host, armored or not.
    File(PathBuf),
    /// From `https:`, `file:`, or `http:`.
    Url(String),
}

impl AptSource {
    /// Its file of the deb822 format, sources.list(5).
    fn sources(&self) -> PathBuf {
        Path::new("/etc/apt/sources.list.d").join(format!("{}.sources", self.name))
    }

    /// Its keys, not armored.
    fn keyring(&self) -> PathBuf {
        Path::new("/etc/apt/keyrings").join(format!("{}.gpg", self.name))
    }

    fn text(&self) -> String {
        let mut text = managed("the recipe") + "\nTypes: deb\n";
        let fields = [
            ("URIs", &self.uris),
            ("Suites", &self.suites),
            ("Components", &self.components),
            ("Architectures", &self.architectures),
        ];
        for (field, values) in fields.into_iter().filter(|(_, values)| !values.is_empty()) {
            let _ = writeln!(text, "{field}: {}", values.join(" "));
        }
        let _ = writeln!(text, "Signed-By: {}", self.keyring().display());
        text
    }

    /// Compares the keys on the disk with what is wanted.
    fn keys_compared(&self, host: &Look, changes: Changes) -> Result<Changes, Cause> {
        let keyring = host.read(&self.keyring())?;
        let known = match (&keyring, self.key.packets_at_hand(host)) {
            // By their bytes, where those can be had without the network.
            (Some(now), Some(wanted)) => wanted.is_ok_and(|packets| packets == *now),
            (Some(now), None) => openpgp::fingerprints(now).is_ok_and(|found| self.key.stranger(&found).is_none()),
            (None, _) => false,
        };
        if known {
            return Ok(changes);
        }
        let shown =
            |keys: &[Fingerprint]| Shown::Plain(keys.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "));
        let from = match keyring.map(|now| openpgp::fingerprints(&now)) {
            None => Shown::Absent,
            Some(Ok(found)) => shown(&found),
            Some(Err(wrong)) => Shown::Plain(wrong),
        };
        Ok(changes.differs("key", from, self.key_wanted()))
    }

    fn key_wanted(&self) -> Shown {
        let listed = self.key.fingerprints.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        if listed.is_empty() { Shown::Unknown } else { Shown::Plain(listed) }
    }
}

impl Key {
    /// The keys, if they can be had without the network.
    fn packets_at_hand(&self, host: &Look) -> Option<Result<Vec<u8>, Cause>> {
        match &self.from {
            KeyFrom::Armored(text) => Some(self.verified("the key in the recipe", text.as_bytes())),
            KeyFrom::File(path) => Some(match host.read(path) {
                Ok(Some(bytes)) => self.verified(&format!("`{}`", path.display()), &bytes),
                Ok(None) => Err(Cause::new("key-missing", format!("the key's file `{}` is not there", path.display()))
                    .hint("put it there, or name another")),
                Err(error) => Err(error.into()),
            }),
            KeyFrom::Url(_) => None,
        }
    }

    /// The keys, verified.
    async fn packets(&self, host: &Look) -> Result<Vec<u8>, Cause> {
        match (&self.from, self.packets_at_hand(host)) {
            (KeyFrom::Url(url), _) => {
                let how = Fetch {
                    limit: LARGEST_KEY,
                    timeout: Duration::from_secs(30),
                    pinned: !self.fingerprints.is_empty(),
                };
                self.verified(&format!("what `{}` holds", shown(url)), &host.fetch(url, how).await?)
            }
            (_, Some(packets)) => packets,
            (_, None) => Err(Cause::new("key-missing", "there is no key")),
        }
    }

    /// Takes the armor off and refuses any key that is not wanted.
    fn verified(&self, what: &str, bytes: &[u8]) -> Result<Vec<u8>, Cause> {
        let wrong =
            |wrong: String| Cause::new("key-wrong", format!("{what} {wrong}")).hint("see `gpg --show-keys FILE`");
        let packets = openpgp::dearmored(bytes).map_err(wrong)?;
        let found = openpgp::fingerprints(&packets).map_err(wrong)?;
        let Some(stranger) = self.stranger(&found) else { return Ok(packets) };
        let says = format!(
            "{what} is a key with the fingerprint {stranger}, which the recipe does not name; nothing was written"
        );
        Err(Cause::new("key-not-trusted", says).hint(
            "ask the source's owner on another way whether that is their key before you add it to `fingerprints`",
        ))
    }

    /// A key among these that the recipe does not name.
    fn stranger<'k>(&self, found: &'k [Fingerprint]) -> Option<&'k Fingerprint> {
        found.iter().find(|key| !self.fingerprints.is_empty() && !self.fingerprints.contains(key))
    }
}

impl Resource for AptSource {
    fn id(&self) -> Id {
        Id::new("apt_source", &self.name)
    }

    fn needs(&self) -> Vec<Id> {
        match &self.key.from {
            KeyFrom::File(path) => vec![Id::at("file", path)],
            _ => Vec::new(),
        }
    }

    async fn check(&self, host: &Look) -> Result<Changes, Cause> {
        let now = host.read(&self.sources())?;
        let mut changes = content(Changes::none(), "source", now.as_deref(), self.text().as_bytes(), false);
        changes = self.keys_compared(host, changes)?;
        for path in [self.sources(), self.keyring()] {
            let Some(found) = host.found(&path)? else { continue };
            found.must_be(Kind::File, &path)?;
            let root = AccountName::root();
            changes = owned(host, changes, &found, Mode::FILE, &root, &root);
        }
        Ok(if now.is_none() { changes.creating() } else { changes })
    }

    async fn apply(&self, host: &Touch) -> Result<(), Cause> {
        let packets = self.key.packets(host).await?;
        // The keys come first: a source whose key is not there yet stops every apt.
        host.replace(&self.keyring(), &packets, ACCESS)?;
        Ok(host.replace(&self.sources(), self.text().as_bytes(), ACCESS)?)
    }

    fn when_absent(&self) -> Changes {
        let changes = content(Changes::none(), "source", None, self.text().as_bytes(), false);
        changes.differs("key", Shown::Absent, self.key_wanted()).creating()
    }

    fn traces(&self) -> Vec<Trace> {
        vec![Trace::Path(self.sources()), Trace::Path(self.keyring())]
    }
}

#[cfg(test)]
mod tests;
