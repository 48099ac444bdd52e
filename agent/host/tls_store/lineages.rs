//! The tree of certbot, and our certificates in the place of its own: old paths lead to what counts here.
//!
//! ```text
//! /etc/letsencrypt/renewal/NAME.conf                 how it was renewed
//! /etc/letsencrypt/live/NAME -> /var/lib/hostagent/tls/NAME/current
//! /etc/letsencrypt/live/.NAME.before-hostagent/      what stood there: nothing in it is changed
//! ```
//!
//! The two change places in one step (`RENAME_EXCHANGE`), there and back: at every moment the path leads to a key and its
//! certificate, and what stands where says how far it got.

use std::fs;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};

use super::place_of;
use crate::host::files::{Kind, sync_directory};
use crate::host::{Error, Look, Touch};

/// A lineage of certbot.
pub struct Lineage {
    /// Its name.
    pub name: String,
    /// How it is renewed, as the file says it.
    pub conf: String,
    /// Where its files are.
    pub live: PathBuf,
    /// The key, as PEM.
    pub key: Option<String>,
    /// Its certificate and those above it, as PEM.
    pub chain: Option<Vec<u8>>,
    /// Whether our certificate is in its place.
    pub is_adopted: bool,
    /// The group that may read the key, if there is one beside root's.
    pub group: Option<u32>,
}

impl std::fmt::Debug for Lineage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lineage").field("name", &self.name).field("live", &self.live).finish_non_exhaustive()
    }
}

impl Look {
    /// The lineages in a tree of certbot.
    ///
    /// # Errors
    /// When it cannot be looked at.
    pub fn tls_lineages(&self, tree: &Path) -> Result<Vec<Lineage>, Error> {
        let mut lineages = Vec::new();
        for file in self.names_in(&tree.join("renewal"))? {
            let Some(name) = file.to_str().and_then(|file| file.strip_suffix(".conf")) else { continue };
            let live = tree.join("live").join(name);
            let key = self.read(&live.join("privkey.pem"))?;
            let found = self.found_through(&live.join("privkey.pem"))?;
            lineages.push(Lineage {
                name: name.to_owned(),
                conf: self.read_text(&tree.join("renewal").join(&file))?.unwrap_or_default(),
                key: key.and_then(|key| String::from_utf8(key).ok()),
                chain: self.read(&live.join("fullchain.pem"))?,
                is_adopted: self.is_ours(&live, name)?,
                group: found.filter(|found| found.gid != 0 && found.mode & 0o040 != 0).map(|found| found.gid),
                live,
            });
        }
        Ok(lineages)
    }

    fn is_ours(&self, path: &Path, name: &str) -> Result<bool, Error> {
        Ok(self.link_target(path)?.is_some_and(|target| target == place_of(name).join("current")))
    }
}

impl Touch {
    /// Puts our certificate in the place of a lineage's files, which are kept.
    ///
    /// # Errors
    /// When it cannot; what was there is.
    pub fn tls_stand_in(&self, live: &Path, name: &str) -> Result<(), Error> {
        let aside = aside_of(live);
        if self.is_ours(live, name)? {
            return Ok(());
        }
        match self.found(live)? {
            Some(found) => found.must_be(Kind::Directory, live)?,
            None => return Err(Error::said("tls-adopt", format!("`{}` is not there", live.display()))),
        }
        if !self.is_ours(&aside, name)? {
            if self.found(&aside)?.is_some() {
                let says = format!("`{}` is there already, of an adoption before", aside.display());
                return Err(Error::said_with_hint("tls-adopt", says, "move it away if nobody needs it"));
            }
            self.wrote();
            let made = std::os::unix::fs::symlink(place_of(name).join("current"), self.place(&aside));
            made.map_err(|source| Error::File { doing: "link", path: aside.clone(), source })?;
        }
        self.exchange(live, &aside)
    }

    /// Puts a lineage's own files back in their place.
    ///
    /// # Errors
    /// When it cannot; what was there is.
    pub fn tls_stand_back(&self, live: &Path, name: &str) -> Result<(), Error> {
        let aside = aside_of(live);
        if self.is_ours(live, name)? {
            match self.found(&aside)? {
                Some(found) => found.must_be(Kind::Directory, &aside)?,
                None => return Err(Error::said("tls-adopt", format!("`{}` is not there any more", aside.display()))),
            }
            self.exchange(live, &aside)?;
        }
        if self.is_ours(&aside, name)? {
            fs::remove_file(self.place(&aside)).map_err(|source| Error::File {
                doing: "remove",
                path: aside,
                source,
            })?;
        }
        Ok(())
    }

    fn exchange(&self, one: &Path, other: &Path) -> Result<(), Error> {
        self.wrote();
        let (here, there) = (self.place(one), self.place(other));
        let fail = |source| Error::File { doing: "replace", path: one.into(), source };
        match renameat2(AT_FDCWD, &here, AT_FDCWD, &there, RenameFlags::RENAME_EXCHANGE) {
            Err(Errno::EINVAL | Errno::EXDEV | Errno::ENOSYS) => {
                let says = format!("the file system of `{}` cannot let two names change places", one.display());
                Err(Error::said_with_hint("tls-adopt", says, "let the web server read our path instead"))
            }
            Err(errno) => Err(fail(errno.into())),
            Ok(()) => sync_directory(here.parent().unwrap_or(Path::new("/"))).map_err(fail),
        }
    }

    /// Renames a file that programs read by its name, so that they do not, or do again; nothing there is fine.
    ///
    /// # Errors
    /// When it cannot be renamed.
    pub fn tls_set_aside(&self, from: &Path, to: &Path) -> Result<(), Error> {
        match fs::rename(self.place(from), self.place(to)) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            moved => {
                self.wrote();
                moved.map_err(|source| Error::File { doing: "rename", path: from.into(), source })
            }
        }
    }
}

fn aside_of(live: &Path) -> PathBuf {
    let name = live.file_name().unwrap_or_default().to_string_lossy();
    live.with_file_name(format!(".{name}.before-hostagent"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::{Host, programs};

    const LIVE: &str = "/etc/letsencrypt/live/example.org";

    fn tree() -> (tempfile::TempDir, Touch) {
        let root = tempfile::tempdir().unwrap();
        let at = |path: &str| root.path().join(path);
        for folder in ["renewal", "live/example.org", "archive/example.org"] {
            fs::create_dir_all(at("etc/letsencrypt").join(folder)).unwrap();
        }
        fs::write(at("etc/letsencrypt/renewal/example.org.conf"), "[renewalparams]\n").unwrap();
        fs::write(at("etc/letsencrypt/renewal/README"), "").unwrap();
        for file in ["privkey", "fullchain"] {
            fs::write(at(&format!("etc/letsencrypt/archive/example.org/{file}7.pem")), file).unwrap();
            let target = format!("../../archive/example.org/{file}7.pem");
            std::os::unix::fs::symlink(target, at(&format!("etc/letsencrypt/live/example.org/{file}.pem"))).unwrap();
        }
        let ours = at("var/lib/hostagent/tls/example.org/v/000001");
        fs::create_dir_all(&ours).unwrap();
        fs::write(ours.join("fullchain.pem"), "ours").unwrap();
        std::os::unix::fs::symlink("v/000001", at("var/lib/hostagent/tls/example.org/current")).unwrap();
        let host = Host::at(root.path(), Box::new(programs::Real)).unwrap().touch();
        (root, host)
    }

    fn lineage(host: &Touch) -> Lineage {
        let mut all = host.tls_lineages(Path::new("/etc/letsencrypt")).unwrap();
        assert_eq!(all.len(), 1);
        all.remove(0)
    }

    #[test]
    fn our_certificate_takes_the_place_and_gives_it_back_as_it_was() {
        let (_root, host) = tree();
        let live = Path::new(LIVE);
        let before = lineage(&host);
        assert_eq!((before.key.as_deref(), before.is_adopted), (Some("privkey"), false));
        for _ in 0..2 {
            host.tls_stand_in(live, "example.org").unwrap();
            assert!(lineage(&host).is_adopted);
            let target = host.link_target(live).unwrap().unwrap();
            assert_eq!(host.read_text(&target.join("fullchain.pem")).unwrap().unwrap(), "ours");
        }
        for _ in 0..2 {
            host.tls_stand_back(live, "example.org").unwrap();
            let after = lineage(&host);
            assert_eq!((after.chain, after.is_adopted), (before.chain.clone(), false));
            assert_eq!(host.names_in(live.parent().unwrap()).unwrap(), ["example.org"]);
        }
    }

    #[test]
    fn a_kill_before_they_change_places_is_made_good_in_either_direction() {
        let (_root, host) = tree();
        let (live, aside) = (Path::new(LIVE), aside_of(Path::new(LIVE)));
        let link = || {
            let target = Path::new("/var/lib/hostagent/tls/example.org/current");
            std::os::unix::fs::symlink(target, host.place(&aside)).unwrap();
        };
        link();
        host.tls_stand_back(live, "example.org").unwrap();
        assert!(host.found(&aside).unwrap().is_none() && lineage(&host).key.is_some());
        link();
        host.tls_stand_in(live, "example.org").unwrap();
        assert!(lineage(&host).is_adopted && host.found(&aside).unwrap().is_some());
    }

    #[test]
    fn what_is_not_a_lineage_s_folder_is_left_alone() {
        let (_root, host) = tree();
        fs::create_dir_all(host.place(&aside_of(Path::new(LIVE)))).unwrap();
        let refused = host.tls_stand_in(Path::new(LIVE), "example.org").unwrap_err();
        assert!(refused.to_string().contains("of an adoption before"), "{refused}");
        assert!(!lineage(&host).is_adopted);
        assert!(host.tls_stand_in(Path::new("/etc/letsencrypt/live/other"), "other").is_err());
    }
}
