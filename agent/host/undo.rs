//! Old versions of files, kept until what replaced them has proven itself.
//!
//! Before a set of files changes, its old versions are copied to `/var/lib/hostagent/undo/NAME/`. They go away when the
//! server runs with the new ones; until then they can be put back byte for byte, also by the next run after a kill.
//! A copy passes two stages: *unchecked* (a kill here means: put back) and *checked* (the server's checker liked the new
//! files; a kill here means: go on and load them, and put back only if loading fails).

use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::files::{Access, Kind};
use super::ledger::Written;
use super::{Error, Look, STATE_DIR, Touch};

/// Says what the copies are of.
const LIST: &str = "undo.json";

/// Old versions of a set of files.
#[derive(Debug, Serialize, Deserialize)]
pub struct Undo {
    name: String,
    checked: bool,
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
    /// Copies what stands at these paths before they change. An older copy of the same name stays the one to go back to:
    /// it is the last version that was loaded.
    ///
    /// # Errors
    /// When a copy cannot be made; then nothing may be changed.
    pub fn keep_old(&self, name: &str, paths: &[PathBuf]) -> Result<Undo, Error> {
        let mut undo = self.undo(name)?.unwrap_or(Undo { name: name.to_owned(), checked: false, old: Vec::new() });
        let directory = directory_of(name);
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
                    self.write_private(&directory.join(&copy), &self.read(path)?.unwrap_or_default())?;
                    Was::File { copy, uid: found.uid, gid: found.gid, mode: found.mode }
                }
                Some(found) if found.kind == Kind::Link => Was::Link { target: self.link_target(path)?.unwrap_or_default() },
                Some(found) => return Err(Error::Kind { path: path.clone(), found: found.kind.name(), wanted: "a file" }),
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

    /// Puts every file back as it was, and forgets the copies.
    ///
    /// # Errors
    /// When a file cannot be put back; then the copies are kept and the error says where.
    pub fn put_back(&self, undo: &Undo) -> Result<(), Error> {
        let directory = directory_of(&undo.name);
        for old in &undo.old {
            match &old.was {
                Was::Absent => self.remove(&old.path)?,
                Was::Link { target } => {
                    if self.found(&old.path)?.is_some_and(|found| found.kind != Kind::Link) {
                        self.remove(&old.path)?;
                    }
                    self.link(&old.path, target)?;
                }
                Was::File { copy, uid, gid, mode } => {
                    let copy = directory.join(copy);
                    let bytes = self.read(&copy)?.ok_or_else(|| gone(&old.path, &copy, &directory))?;
                    if self.found(&old.path)?.is_some_and(|found| found.kind == Kind::Link) {
                        self.remove(&old.path)?;
                    }
                    self.replace(&old.path, &bytes, Access { uid: *uid, gid: *gid, mode: *mode })?;
                }
            }
            self.ledger_mut().written_again(&old.path, old.written.clone())?;
        }
        self.forget_old(&undo.name)
    }

    /// Forgets the old versions: the new ones have proven themselves.
    ///
    /// # Errors
    /// When the copies cannot be removed.
    pub fn forget_old(&self, name: &str) -> Result<(), Error> {
        let directory = directory_of(name);
        // The list goes first: a kill in between must not leave it without its copies.
        for (path, all) in [(directory.join(LIST), false), (directory, true)] {
            let real = self.place(&path);
            let removed = if all { std::fs::remove_dir_all(real) } else { std::fs::remove_file(real) };
            match removed {
                Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                    return Err(Error::File { doing: "remove", path, source });
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Puts back what a killed run had written and not yet checked; says which sets.
    ///
    /// # Errors
    /// When a file cannot be put back.
    pub fn put_back_unchecked(&self) -> Result<Vec<String>, Error> {
        let mut healed = Vec::new();
        for name in self.names_in(&Path::new(STATE_DIR).join("undo"))? {
            let name = name.to_string_lossy().into_owned();
            match self.undo(&name)? {
                Some(undo) if undo.checked => {}
                Some(undo) => {
                    self.put_back(&undo)?;
                    healed.push(name);
                }
                // Killed before the list was complete: nothing was changed yet.
                None => self.forget_old(&name)?,
            }
        }
        Ok(healed)
    }

    fn save_undo(&self, undo: &Undo) -> Result<(), Error> {
        let text = serde_json::to_vec(undo).map_err(|error| Error::said("undo", error.to_string()))?;
        self.write_private(&directory_of(&undo.name).join(LIST), &text)
    }
}

impl Undo {
    /// Whether the checker liked the new files. Where it was not asked yet, the run was cut off there.
    pub fn is_checked(&self) -> bool {
        self.checked
    }
}

impl Look {
    /// The old versions kept under this name, if any.
    ///
    /// # Errors
    /// When they are there and cannot be read.
    pub fn undo(&self, name: &str) -> Result<Option<Undo>, Error> {
        let path = directory_of(name).join(LIST);
        let Some(text) = self.read(&path)? else { return Ok(None) };
        let undo = serde_json::from_slice(&text);
        undo.map(Some).map_err(|error| Error::said("undo", format!("`{}` is damaged: {error}", path.display())))
    }
}

fn gone(path: &Path, copy: &Path, all: &Path) -> Error {
    let says = format!("the old version of `{}` is gone: there is no `{}`", path.display(), copy.display());
    let hint = format!("look whether the file is as it should be, and then remove `{}`", all.display());
    Error::said_with_hint("undo", says, hint)
}

fn directory_of(name: &str) -> PathBuf {
    Path::new(STATE_DIR).join("undo").join(name.replace('/', "-"))
}

#[cfg(test)]
mod tests;
