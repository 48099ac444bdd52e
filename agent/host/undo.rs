//! Old versions of files, kept until what replaced them has proven itself.
//!
//! Before a resource changes a set of files, their old versions are copied to `/var/lib/hostagent/undo/ID/`. They go away when the
//! server runs with the new ones; until then they can be put back byte for byte, also by the next run after a kill.
//! A copy passes two stages: *unchecked* (a kill here means: put back) and *checked* (the server's checker liked the new
//! files; a kill here means: go on and load them, and put back only if loading fails).

use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::files::{Access, Kind};
use super::ledger::{Record, Written};
use super::names::file_name;
use super::{Error, Look, STATE_DIR, Touch};

/// Lists what is kept; without it the copies mean nothing.
const LIST: &str = "undo.json";

/// Old versions of a set of files.
#[derive(Debug, Serialize, Deserialize)]
pub struct Undo {
    /// The resource whose files these are.
    id: String,
    checked: bool,
    /// What was last applied for it then.
    record: Option<Record>,
    old: Vec<Old>,
}

/// One path as it was.
#[derive(Debug, Serialize, Deserialize)]
struct Old {
    path: PathBuf,
    /// Nothing stood there, a file did, or a link.
    was: Was,
    /// What hostagent had written there. What somebody made of it since comes back as theirs.
    #[serde(default)]
    written: Option<Written>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Was {
    Absent,
    File { copy: String, uid: u32, gid: u32, mode: u32 },
    Link { target: PathBuf },
}

impl Touch {
    /// Copies what stands at these paths before the resource of this id changes them. An older copy stays the one to go
    /// back to: it is the last version that was loaded.
    ///
    /// # Errors
    /// When a copy cannot be made; then nothing may be changed.
    pub fn keep_old(&self, id: &str, paths: &[PathBuf]) -> Result<Undo, Error> {
        let record = self.ledger().record(id).cloned();
        let fresh = || Undo { id: id.to_owned(), checked: false, record, old: Vec::new() };
        let mut undo = self.undo(id)?.unwrap_or_else(fresh);
        let directory = directory_of(id);
        let real = self.place(&directory);
        let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&real);
        made.map_err(|source| Error::File { doing: "make", path: directory.clone(), source })?;
        for path in paths {
            if undo.old.iter().any(|old| &old.path == path) {
                continue;
            }
            let was = match self.found(path)? {
                Some(found) if found.kind == Kind::File => {
                    let copy = format!("{}", undo.old.len());
                    let (found, bytes) = self.read_itself(path)?.ok_or_else(|| gone(path))?;
                    self.write_private(&directory.join(&copy), &bytes)?;
                    Was::File { copy, uid: found.uid, gid: found.gid, mode: found.mode }
                }
                Some(found) if found.kind == Kind::Link => {
                    Was::Link { target: self.link_target(path)?.unwrap_or_default() }
                }
                Some(found) => {
                    return Err(Error::Kind { path: path.clone(), found: found.kind, wanted: Kind::File });
                }
                None => Was::Absent,
            };
            let written = self.ledger().written(path).cloned();
            undo.old.push(Old { path: path.clone(), was, written });
        }
        undo.checked = false;
        self.save_undo(&undo)?;
        Ok(undo)
    }

    /// Notes that the checker liked the new files.
    ///
    /// # Errors
    /// When that cannot be written.
    pub fn undo_is_checked(&self, undo: &mut Undo) -> Result<(), Error> {
        undo.checked = true;
        self.save_undo(undo)
    }

    /// Puts every file back as it was, and forgets the copies. One that cannot be put back keeps no other from it.
    ///
    /// # Errors
    /// When some cannot be put back: each with its reason. Then the copies are kept.
    pub fn put_back(&self, undo: &Undo) -> Result<(), Error> {
        let failed: Vec<Error> = undo.old.iter().filter_map(|old| self.put_one_back(&undo.id, old).err()).collect();
        if let Some(error) = all_of(failed) {
            return Err(error);
        }
        match &undo.record {
            Some(record) => self.ledger_mut().applied(&undo.id, record.clone())?,
            None => self.ledger_mut().released(&undo.id)?,
        }
        self.forget_old(&undo.id)
    }

    fn put_one_back(&self, id: &str, old: &Old) -> Result<(), Error> {
        match &old.was {
            Was::Absent => self.remove(&old.path)?,
            Was::Link { target } => {
                if self.found(&old.path)?.is_some_and(|found| found.kind != Kind::Link) {
                    self.remove(&old.path)?;
                }
                self.link(&old.path, target)?;
            }
            Was::File { copy, uid, gid, mode } => {
                let directory = directory_of(id);
                let copy = directory.join(copy);
                // Rather leave what is there than put an empty file in its place.
                let bytes = self.read(&copy)?.ok_or_else(|| copy_gone(&old.path, &copy, &directory))?;
                if self.found(&old.path)?.is_some_and(|found| found.kind == Kind::Link) {
                    self.remove(&old.path)?;
                }
                self.replace(&old.path, &bytes, Access { uid: *uid, gid: *gid, mode: *mode })?;
            }
        }
        self.ledger_mut().written_again(&old.path, old.written.clone())
    }

    /// Forgets the old versions: the new ones have proven themselves.
    ///
    /// # Errors
    /// When the copies cannot be removed.
    pub fn forget_old(&self, id: &str) -> Result<(), Error> {
        let directory = directory_of(id);
        let real = self.place(&directory);
        // The list goes first: copies without a list mean nothing, a list without its copies would put back nothing.
        let forget = || {
            if !real.exists() {
                return Ok(());
            }
            match std::fs::remove_file(real.join(LIST)) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
                _ => super::files::sync_directory(&real)?,
            }
            std::fs::remove_dir_all(&real)
        };
        forget().map_err(|source| Error::File { doing: "remove", path: directory, source })
    }

    /// Puts back what a killed run had written and not yet checked: for each resource its id, or why it could not be.
    ///
    /// # Errors
    /// When nothing can be told of what is kept.
    pub fn put_back_unchecked(&self) -> Result<Vec<Result<String, Error>>, Error> {
        let place = Path::new(STATE_DIR).join("undo");
        let mut healed = Vec::new();
        for name in self.names_in(&place)? {
            let directory = place.join(&name);
            match self.undo_in(&directory) {
                Ok(Some(undo)) if undo.checked => {}
                Ok(Some(undo)) => healed.push(self.put_back(&undo).map(|()| undo.id)),
                // Killed before the list was complete, or after it had gone: nothing is to be put back.
                Ok(None) => drop(std::fs::remove_dir_all(self.place(&directory))),
                Err(error) => healed.push(Err(error)),
            }
        }
        Ok(healed)
    }

    fn save_undo(&self, undo: &Undo) -> Result<(), Error> {
        let text = serde_json::to_vec(undo).map_err(|error| Error::said("undo", error.to_string()))?;
        self.write_private(&directory_of(&undo.id).join(LIST), &text)
    }
}

impl Undo {
    /// Whether the checker liked the new files. Where it was not asked yet, the run was cut off there.
    pub fn is_checked(&self) -> bool {
        self.checked
    }
}

impl Look {
    /// The ids that begin so and of which old versions are kept.
    ///
    /// # Errors
    /// When they cannot be listed.
    pub fn undo_ids(&self, beginning: &str) -> Result<Vec<String>, Error> {
        let place = Path::new(STATE_DIR).join("undo");
        let kept = self.names_in(&place)?.into_iter().filter_map(|name| self.undo_in(&place.join(name)).transpose());
        let ids: Vec<String> = kept.map(|undo| undo.map(|undo| undo.id)).collect::<Result<_, _>>()?;
        Ok(ids.into_iter().filter(|id| id.starts_with(beginning)).collect())
    }

    /// The old versions kept of the resource of this id, if any.
    ///
    /// # Errors
    /// When they are there and cannot be read.
    pub fn undo(&self, id: &str) -> Result<Option<Undo>, Error> {
        Ok(self.undo_in(&directory_of(id))?.filter(|undo| undo.id == id))
    }

    fn undo_in(&self, directory: &Path) -> Result<Option<Undo>, Error> {
        let path = directory.join(LIST);
        let Some(text) = self.read(&path)? else { return Ok(None) };
        serde_json::from_slice(&text).map(Some).map_err(|error| {
            let hint =
                format!("see what is in `{}`, put back by hand what is needed, and remove it", directory.display());
            Error::said_with_hint("undo", format!("`{}` is damaged: {error}", path.display()), hint)
        })
    }
}

fn directory_of(id: &str) -> PathBuf {
    Path::new(STATE_DIR).join("undo").join(file_name(id))
}

/// Several failures as one, with the advice for the first.
fn all_of(mut failed: Vec<Error>) -> Option<Error> {
    if failed.len() < 2 {
        return failed.pop();
    }
    let says: Vec<String> = failed.iter().map(ToString::to_string).collect();
    let says = format!("{} files could not be put back: {}", failed.len(), says.join("; "));
    Some(match failed.iter().find_map(Error::hint) {
        Some(hint) => Error::said_with_hint("undo", says, hint),
        None => Error::said("undo", says),
    })
}

fn gone(path: &Path) -> Error {
    Error::File { doing: "read", path: path.into(), source: std::io::ErrorKind::NotFound.into() }
}

fn copy_gone(path: &Path, copy: &Path, all: &Path) -> Error {
    let says = format!("the old version of `{}` is gone: there is no `{}`", path.display(), copy.display());
    let hint = format!("look whether the file is as it should be, and then remove `{}`", all.display());
    Error::said_with_hint("undo", says, hint)
}

#[cfg(test)]
mod tests;
