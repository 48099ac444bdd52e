//! How a version comes to count: written where nobody looks, settled, named, and pointed at with one rename.

use std::fs::{self, DirBuilder, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use super::{
    FILES, KEEP, META, Meta, New, Readers, Source, TRUSTED, TRUSTED_TEXT, Version, number_of, pair, path_of, place_of,
    root,
};
use crate::host::files::{Access, sync_directory};
use crate::host::moment::Moment;
use crate::host::{Error, STATE_DIR, Touch};

impl Touch {
    /// Makes a key and its certificates what counts for a name, once they are checked: the names must be in it, it must
    /// count now, and all must fit together. Says its number.
    ///
    /// # Errors
    /// When they do not fit, or cannot be written; what counted before still does.
    pub fn tls_commit(&self, name: &str, new: &New<'_>, now: Moment) -> Result<u32, Error> {
        self.tls_commit_while(name, new, now, &mut |_| true)
    }

    /// The same, as long as `lives` says so at each step.
    pub(super) fn tls_commit_while(
        &self,
        name: &str,
        new: &New<'_>,
        now: Moment,
        lives: &mut dyn FnMut(&str) -> bool,
    ) -> Result<u32, Error> {
        pair::check(new.key, new.chain, new.names, now)?;
        let chain = pair::split(new.chain)?;
        let full = format!("{}{}", chain.leaf, chain.above);
        // Nobody trusts what a CA issues for rehearsals (Let's Encrypt: `acme-staging-v02.api.letsencrypt.org`).
        let is_rehearsal = new.meta.issuer.as_deref().is_some_and(|directory| directory.contains("staging"));
        let trusted_since =
            (new.meta.source == Source::Issued && !is_rehearsal).then(|| self.tls_trusted_since(name)).transpose()?;
        let trusted_since = trusted_since.map(|since| since.unwrap_or(now));
        let meta = Meta { trusted_since, ..new.meta.clone() };
        let meta = serde_json::to_vec(&meta).map_err(|error| Error::said("tls-store", error.to_string()))?;
        let place = place_of(name);
        let fail = |source| Error::File { doing: "write the certificate to", path: place.clone(), source };
        self.wrote();
        self.tls_clear_drafts(name)?;
        let number = self.tls_versions(name)?.last().map_or(1, |last| last.saturating_add(1));

        let step = |what: &str, lives: &mut dyn FnMut(&str) -> bool| {
            if lives(what) { Ok(()) } else { Err(fail(io::ErrorKind::Interrupted.into())) }
        };
        let (versions, readers) = (self.place(&place.join("v")), new.readers);
        self.tls_make(&place, readers)?;
        self.tls_make(&place.join("v"), readers)?;
        step("folders", lives)?;
        let draft = place.join("v").join(format!(".{number:06}"));
        self.tls_make(&draft, readers)?;
        let texts = [new.key.as_bytes(), chain.leaf.as_bytes(), chain.above.as_bytes(), full.as_bytes(), &meta];
        for (file, text) in FILES.into_iter().chain([META]).zip(texts) {
            self.tls_write(&draft.join(file), text, readers.file())?;
            step(file, lives)?;
        }
        if trusted_since.is_some() {
            self.tls_write(&draft.join(TRUSTED), TRUSTED_TEXT.as_bytes(), readers.file())?;
        }
        sync_directory(&self.place(&draft)).map_err(fail)?;
        step("settled", lives)?;
        fs::rename(self.place(&draft), self.place(&place.join(path_of(number)))).map_err(fail)?;
        step("named", lives)?;
        sync_directory(&versions).map_err(fail)?;
        self.tls_point(name, number, lives)?;
        self.tls_prune(name);
        Ok(number)
    }

    /// The newest version after the one that counts, if it can be used: servers did not take it.
    ///
    /// # Errors
    /// When it cannot be looked at.
    pub fn tls_untaken(&self, name: &str) -> Result<Option<Version>, Error> {
        let target = self.link_target(&place_of(name).join("current"))?;
        let Some(counts) = target.as_deref().and_then(number_of) else { return Ok(None) };
        let newest = self.tls_versions(name)?.last().copied().filter(|number| *number > counts);
        Ok(newest.map(|number| self.tls_version(name, number)).transpose()?.and_then(Result::ok))
    }

    /// Makes a version count that is there already.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn tls_take(&self, name: &str, number: u32) -> Result<(), Error> {
        self.wrote();
        self.tls_point(name, number, &mut |_| true)
    }

    /// Goes back to the version before the one that counts, if there is one that can be used and counts at this time; says
    /// which. One that only stood in is none: what is in the memory of a server is better.
    ///
    /// # Errors
    /// When it cannot be looked at or written.
    pub fn tls_back(&self, name: &str, now: Moment) -> Result<Option<u32>, Error> {
        let target = self.link_target(&place_of(name).join("current"))?;
        let counts = target.as_deref().and_then(number_of).unwrap_or(u32::MAX);
        for number in self.tls_versions(name)?.into_iter().rev().filter(|number| *number < counts) {
            if self
                .tls_version(name, number)?
                .is_ok_and(|version| version.leaf.to > now && version.meta.source != Source::Bootstrap)
            {
                self.wrote();
                self.tls_point(name, number, &mut |_| true)?;
                return Ok(Some(number));
            }
        }
        Ok(None)
    }

    /// Takes away the versions of this serial number that do not count: nobody is to go back to them.
    ///
    /// # Errors
    /// When one cannot be looked at or removed.
    pub fn tls_forget(&self, name: &str, serial: &str) -> Result<(), Error> {
        let counts = self.link_target(&place_of(name).join("current"))?.as_deref().and_then(number_of);
        for number in self.tls_versions(name)?.into_iter().filter(|number| Some(*number) != counts) {
            if self.tls_version(name, number)?.is_ok_and(|version| version.leaf.serial == serial) {
                self.wrote();
                let path = place_of(name).join(path_of(number));
                fs::remove_dir_all(self.place(&path)).map_err(|source| Error::File {
                    doing: "remove",
                    path,
                    source,
                })?;
            }
        }
        Ok(())
    }

    /// Gives what counts its owner and mode again.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn tls_give(&self, name: &str, readers: Readers) -> Result<(), Error> {
        if readers.gid.is_some() {
            // The group has to get there; what lies beside is for root alone, each of it.
            for above in [Path::new(STATE_DIR).to_path_buf(), root()] {
                self.tls_mode(&above, 0o711)?;
            }
        }
        self.tls_mend(name, readers)?;
        for (path, _, want) in self.tls_access(name, readers)? {
            self.wrote();
            self.tls_mode(&path, want.mode)?;
            let owned = std::os::unix::fs::chown(self.place(&path), Some(want.uid), Some(want.gid));
            owned.map_err(|source| Error::File { doing: "set the owner of", path, source })?;
        }
        Ok(())
    }

    /// Makes `cert.pem` and `chain.pem` of what counts again, if one vanished.
    fn tls_mend(&self, name: &str, readers: Readers) -> Result<(), Error> {
        let Some(number) = self.tls_number(name)? else { return Ok(()) };
        let folder = place_of(name).join(path_of(number));
        let missing = self.tls_missing(name)?;
        if missing.is_empty() {
            return Ok(());
        }
        let chain = pair::split(&self.read(&folder.join(FILES[3]))?.unwrap_or_default())?;
        for path in missing {
            let text = if path.ends_with(FILES[1]) { &chain.leaf } else { &chain.above };
            self.wrote();
            self.tls_write(&path, text.as_bytes(), readers.file())?;
        }
        Ok(())
    }

    fn tls_mode(&self, path: &Path, mode: u32) -> Result<(), Error> {
        fs::set_permissions(self.place(path), Permissions::from_mode(mode)).map_err(|source| Error::File {
            doing: "set the mode of",
            path: path.into(),
            source,
        })
    }

    /// The one rename.
    fn tls_point(&self, name: &str, number: u32, lives: &mut dyn FnMut(&str) -> bool) -> Result<(), Error> {
        let place = self.place(&place_of(name));
        let (draft, current) = (place.join(".current"), place.join("current"));
        let fail = |source| Error::File { doing: "point at the certificate in", path: place_of(name), source };
        let killed = || fail(io::ErrorKind::Interrupted.into());
        match fs::remove_file(&draft) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(fail(error)),
            _ => {}
        }
        std::os::unix::fs::symlink(path_of(number), &draft).map_err(fail)?;
        if !lives("link") {
            return Err(killed());
        }
        fs::rename(&draft, &current).map_err(fail)?;
        if !lives("committed") {
            return Err(killed());
        }
        sync_directory(&place).map_err(fail)
    }

    fn tls_make(&self, path: &Path, readers: Readers) -> Result<(), Error> {
        let real = self.place(path);
        let fail = |source| Error::File { doing: "make", path: path.into(), source };
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&real);
        made.map_err(fail)?;
        if let Some(gid) = readers.gid {
            std::os::unix::fs::chown(&real, None, Some(gid)).map_err(fail)?;
            self.tls_mode(path, readers.directory().mode)?;
        }
        Ok(())
    }

    fn tls_write(&self, path: &Path, bytes: &[u8], access: Access) -> Result<(), Error> {
        let write = || {
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(self.place(path))?;
            file.write_all(bytes)?;
            if access.gid != 0 {
                std::os::unix::fs::fchown(&file, None, Some(access.gid))?;
            }
            file.set_permissions(Permissions::from_mode(access.mode))?;
            file.sync_all()
        };
        write().map_err(|source| Error::File { doing: "write", path: path.into(), source })
    }

    /// Takes away what a killed run was at.
    fn tls_clear_drafts(&self, name: &str) -> Result<(), Error> {
        let versions = place_of(name).join("v");
        for entry in self.names_in(&versions)? {
            if entry.to_string_lossy().starts_with('.') {
                let path = versions.join(entry);
                fs::remove_dir_all(self.place(&path)).map_err(|source| Error::File {
                    doing: "remove",
                    path,
                    source,
                })?;
            }
        }
        Ok(())
    }

    /// Forgets the oldest versions. That they stay is no harm: the next commit tries again.
    fn tls_prune(&self, name: &str) {
        let place = place_of(name);
        let counts = self.link_target(&place.join("current")).ok().flatten().as_deref().and_then(number_of);
        let Ok(versions) = self.tls_versions(name) else { return };
        for number in versions.iter().rev().skip(KEEP).filter(|number| Some(**number) != counts) {
            let folder = place.join(path_of(*number));
            if let Err(error) = fs::remove_dir_all(self.place(&folder)) {
                tracing::warn!(%error, folder = %folder.display(), "an old certificate could not be taken away");
            }
        }
    }
}
