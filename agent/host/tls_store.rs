//! Certificates on the disk: versions side by side, and one rename that says which of them counts.
//!
//! ```text
//! /var/lib/hostagent/tls/NAME/
//!   current -> v/000007                      the only thing a server's configuration names
//!   v/000007/{privkey,cert,chain,fullchain}.pem  meta.json  trusted.map
//!   v/000006/…                               what to go back to
//!   next/{privkey.pem,order.json}            what is under way
//! ```
//!
//! A version is written in a folder that nobody looks at, settled on the disk, given its name, and only then `current` is
//! renamed over: at every moment, through every kill and power cut, `current` leads to a key and the certificate for it. A
//! disk that is full or read-only fails before that rename, and what was there goes on counting.

pub mod answers;
pub mod keys;
pub mod lineages;
pub mod pair;
mod served;
#[cfg(test)]
mod tests;
mod writing;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use self::pair::Leaf;
use super::files::{Access, Kind};
use super::moment::Moment;
use super::{Error, Look, STATE_DIR};
use crate::terms::KeyType;

/// How many versions are kept, the one that counts among them.
const KEEP: usize = 5;
/// The files of a version, the secret one first.
const FILES: [&str; 4] = ["privkey.pem", "cert.pem", "chain.pem", "fullchain.pem"];
const META: &str = "meta.json";
/// For the inside of a `map` of nginx: there while others trust the certificate, so that what depends on that comes and goes
/// with it, at the same reload.
pub const TRUSTED: &str = "trusted.map";
const TRUSTED_TEXT: &str = "trusted 1;\n";

/// Where the certificates of all names are.
pub fn root() -> PathBuf {
    Path::new(STATE_DIR).join("tls")
}

/// Where the certificate of this name is.
pub fn place_of(name: &str) -> PathBuf {
    root().join(name)
}

/// Where a version came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// It stands in until there is another.
    Bootstrap,
    /// It was wanted so.
    SelfSigned,
    /// A CA issued it.
    Issued,
}

/// What is kept with a version beside its files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meta {
    /// Where it came from.
    pub source: Source,
    /// The directory of the CA, if one issued it.
    pub issuer: Option<String>,
    /// When it was made.
    pub made: Moment,
    /// Where in a window its renewal falls, in thousandths.
    pub point: u16,
    /// Since when there has been one that others trust, without a break.
    #[serde(default)]
    pub trusted_since: Option<Moment>,
}

impl Meta {
    /// Of a version whose own was lost: somebody issued it, nobody knows who.
    fn lost(leaf: &Leaf) -> Self {
        let source = if leaf.is_self_signed { Source::Bootstrap } else { Source::Issued };
        Self { source, issuer: None, made: leaf.from, point: 0, trusted_since: None }
    }
}

/// A version that counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// Its number.
    pub number: u32,
    /// Its certificate.
    pub leaf: Leaf,
    /// The kind of its key; `None` if it is of another.
    pub key_type: Option<KeyType>,
    /// What is kept with it.
    pub meta: Meta,
}

/// What there is of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Held {
    /// Nothing.
    Nothing,
    /// Something that no server can use.
    Broken(String),
    /// A key and the certificate for it.
    Good(Box<Version>),
}

/// Who may read a key beside root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Readers {
    /// The group, if there is one.
    pub gid: Option<u32>,
}

impl Readers {
    fn directory(self) -> Access {
        Access { uid: 0, gid: self.gid.unwrap_or(0), mode: if self.gid.is_some() { 0o750 } else { 0o700 } }
    }

    fn file(self) -> Access {
        Access { uid: 0, gid: self.gid.unwrap_or(0), mode: if self.gid.is_some() { 0o640 } else { 0o600 } }
    }
}

impl Look {
    /// The names that certificates are kept for, also those that no recipe names any more.
    ///
    /// # Errors
    /// When it cannot be looked.
    pub fn tls_names(&self) -> Result<Vec<String>, Error> {
        let names = self.names_in(&root())?.into_iter().filter_map(|name| name.into_string().ok());
        let mut held = Vec::new();
        for name in names.filter(|name| name != "account" && !name.starts_with('.')) {
            if self.found(&place_of(&name).join("v"))?.is_some() {
                held.push(name);
            }
        }
        Ok(held)
    }

    /// What counts for this name.
    ///
    /// # Errors
    /// When it cannot be looked at.
    pub fn tls_held(&self, name: &str) -> Result<Held, Error> {
        let Some(target) = self.link_target(&place_of(name).join("current"))? else { return Ok(Held::Nothing) };
        let Some(number) = number_of(&target) else {
            return Ok(Held::Broken(format!("`current` leads to `{}`, which is no version", target.display())));
        };
        match self.tls_version(name, number)? {
            Ok(version) => Ok(Held::Good(Box::new(version))),
            Err(says) => Ok(Held::Broken(says)),
        }
    }

    /// Since when there has been a certificate that others trust for this name, if there is one now.
    ///
    /// # Errors
    /// When it cannot be looked at.
    pub fn tls_trusted_since(&self, name: &str) -> Result<Option<Moment>, Error> {
        let meta = self.read(&place_of(name).join("current").join(META))?;
        let meta: Option<Meta> = meta.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        Ok(meta.filter(|meta| meta.source == Source::Issued).and_then(|meta| meta.trusted_since))
    }

    /// The folders in which something is kept of certificates beside their versions.
    pub(super) fn tls_folders(&self) -> Result<Vec<PathBuf>, Error> {
        let mut folders = vec![root()];
        for name in self.names_in(&root())? {
            let place = root().join(name);
            if self.found(&place)?.is_some_and(|found| found.kind == Kind::Directory) {
                folders.extend([place.join("next"), place.join("rehearsal"), place]);
            }
        }
        Ok(folders)
    }

    /// Reads a version; the inner error says what is wrong with it.
    fn tls_version(&self, name: &str, number: u32) -> Result<Result<Version, String>, Error> {
        let folder = place_of(name).join(path_of(number));
        let mut texts = Vec::new();
        // What servers read. The others can be made of these again.
        for file in [FILES[0], FILES[3]] {
            match self.read(&folder.join(file))? {
                Some(bytes) => texts.push(bytes),
                None => return Ok(Err(format!("`{}` is not there", folder.join(file).display()))),
            }
        }
        let [key, full] = texts.as_slice() else { return Ok(Err("a file is missing".to_owned())) };
        let meta = self.read(&folder.join(META))?.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        // Names and dates are the recipe's and the clock's affair: here it is a pair, or it is not.
        let checked = pair::leaf(full).and_then(|leaf| {
            let key = String::from_utf8_lossy(key);
            pair::check(&key, full, &[], leaf.from)?;
            Ok((leaf, keys::public_half(&key)?.0))
        });
        Ok(checked
            .map(|(leaf, key_type)| {
                let meta = meta.unwrap_or_else(|| Meta::lost(&leaf));
                Version { number, leaf, key_type, meta }
            })
            .map_err(|error| error.to_string()))
    }

    /// The number of the version that counts, if any does.
    ///
    /// # Errors
    /// When it cannot be looked at.
    pub fn tls_number(&self, name: &str) -> Result<Option<u32>, Error> {
        Ok(self.link_target(&place_of(name).join("current"))?.as_deref().and_then(number_of))
    }

    /// Whether a version before the one that counts has this serial number.
    ///
    /// # Errors
    /// When it cannot be looked at.
    pub fn tls_was_before(&self, name: &str, serial: &str) -> Result<bool, Error> {
        let place = place_of(name);
        let counts = self.link_target(&place.join("current"))?.as_deref().and_then(number_of);
        for number in self.tls_versions(name)?.into_iter().filter(|number| Some(*number) != counts) {
            let pem = self.read(&place.join(path_of(number)).join("cert.pem"))?.unwrap_or_default();
            if pair::leaf(&pem).is_ok_and(|leaf| leaf.serial == serial) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// How the owner and mode of what counts differ from what they should be: the path, what is, and what should be.
    ///
    /// # Errors
    /// When it cannot be looked at.
    pub fn tls_access(&self, name: &str, readers: Readers) -> Result<Vec<(PathBuf, Access, Access)>, Error> {
        let mut wrong = Vec::new();
        for (path, want) in self.tls_paths(name, readers)? {
            let Some(found) = self.found(&path)? else { continue };
            let is = Access { uid: found.uid, gid: found.gid, mode: found.mode };
            if is != want {
                wrong.push((path, is, want));
            }
        }
        Ok(wrong)
    }

    /// The files of what counts that vanished, and that others can be made of again.
    ///
    /// # Errors
    /// When it cannot be looked at.
    pub fn tls_missing(&self, name: &str) -> Result<Vec<PathBuf>, Error> {
        let Some(number) = self.tls_number(name)? else { return Ok(Vec::new()) };
        let folder = place_of(name).join(path_of(number));
        let mut missing = Vec::new();
        for file in [FILES[1], FILES[2]] {
            let path = folder.join(file);
            if self.found(&path)?.is_none() {
                missing.push(path);
            }
        }
        Ok(missing)
    }

    fn tls_paths(&self, name: &str, readers: Readers) -> Result<Vec<(PathBuf, Access)>, Error> {
        let place = place_of(name);
        let mut paths = vec![(place.clone(), readers.directory()), (place.join("v"), readers.directory())];
        if let Some(number) = self.link_target(&place.join("current"))?.as_deref().and_then(number_of) {
            let folder = place.join(path_of(number));
            paths.extend(FILES.map(|file| (folder.join(file), readers.file())));
            paths.push((folder, readers.directory()));
        }
        Ok(paths)
    }

    /// The numbers of the versions there are, the oldest first.
    fn tls_versions(&self, name: &str) -> Result<Vec<u32>, Error> {
        let names = self.names_in(&place_of(name).join("v"))?;
        Ok(names.iter().filter_map(|name| name.to_str()?.parse().ok()).collect())
    }
}

/// What is to count.
#[derive(Clone, Copy)]
pub struct New<'a> {
    /// The key, as PEM.
    pub key: &'a str,
    /// Its certificate and those above it, as PEM.
    pub chain: &'a [u8],
    /// The names it must be for.
    pub names: &'a [String],
    /// What is kept with it.
    pub meta: &'a Meta,
    /// Who may read it.
    pub readers: Readers,
}

impl std::fmt::Debug for New<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("New").field("names", &self.names).field("meta", &self.meta).finish_non_exhaustive()
    }
}

fn path_of(number: u32) -> PathBuf {
    Path::new("v").join(format!("{number:06}"))
}

fn number_of(target: &Path) -> Option<u32> {
    let name = target.strip_prefix("v").ok()?.to_str()?;
    name.parse().ok()
}
