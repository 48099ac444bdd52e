//! The file of the ledger: one fact a line, the last of a key counts. It is rewritten when more than half of it is history.
//!
//! The last line may be torn: a run was cut off while it wrote it, before the act that it speaks of. Any other line that
//! cannot be read says something to somebody (a newer hostagent that was here before, or whoever repairs a disk): it is
//! kept as it is, and told of. What it speaks of is not known then, so nothing is taken away for it.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{Loaded, Record, Written};
use crate::host::Error;
use crate::host::drafts::draft_of;
use crate::host::files::sync_directory;

/// How many lines are worth no rewriting.
const FEW: usize = 64;
/// How many of the lines that cannot be read are named.
const SHOWN: usize = 3;

/// One line of the file. What is none was, and is no more.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Line {
    Resource {
        id: String,
        record: Option<Record>,
    },
    Path {
        path: PathBuf,
        written: Option<Written>,
    },
    Unit {
        unit: String,
        loaded: Option<Loaded>,
    },
    Account {
        account: String,
        #[serde(default)]
        is: Making,
    },
}

/// How far the making of a user is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Making {
    #[default]
    Begun,
    Done {
        uid: u32,
    },
    Gone,
}

impl Making {
    /// The number of the user, if it is known.
    pub(super) fn uid(self) -> Option<u32> {
        if let Self::Done { uid } = self { Some(uid) } else { None }
    }
}

/// Of what a line speaks.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Resource(String),
    Path(PathBuf),
    Unit(String),
    Account(String),
}

impl Line {
    /// Of what it speaks, and whether that is still so.
    fn key(self) -> (Key, bool) {
        match self {
            Self::Resource { id, record } => (Key::Resource(id), record.is_some()),
            Self::Path { path, written } => (Key::Path(path), written.is_some()),
            Self::Unit { unit, loaded } => (Key::Unit(unit), loaded.is_some()),
            Self::Account { account, is } => (Key::Account(account), is != Making::Gone),
        }
    }
}

/// The file.
#[derive(Debug, Default)]
pub(super) struct Lines {
    path: PathBuf,
    /// Open once something is to be appended.
    file: Option<File>,
    count: usize,
    /// The numbers of those that cannot be read.
    unknown: Vec<usize>,
}

impl Lines {
    /// Reads all of them; a file that is not there has none.
    pub(super) fn read(path: PathBuf) -> Result<(Self, Vec<Line>), Error> {
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            // Without root a plan is still worth having: everything then looks like a new wish.
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied) => {
                Vec::new()
            }
            Err(source) => return Err(Error::File { doing: "read", path, source }),
        };
        let (mut unknown, mut known) = (Vec::new(), Vec::new());
        let mut count = 0;
        for (number, text) in lines_of(&bytes) {
            count += 1;
            match serde_json::from_slice(text) {
                Ok(line) => known.push(line),
                Err(error) => {
                    tracing::debug!(number, %error, "a line of the ledger cannot be read");
                    unknown.push(number);
                }
            }
        }
        Ok((Self { path, file: None, count, unknown }, known))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// What is to be known of those that cannot be read.
    pub(super) fn doubt(&self) -> Option<String> {
        let shown: Vec<String> = self.unknown.iter().take(SHOWN).map(ToString::to_string).collect();
        let more = self.unknown.len().saturating_sub(SHOWN);
        let which = match (shown.as_slice(), more) {
            ([], _) => return None,
            ([one], _) => format!("line {one}"),
            (_, 0) => format!("lines {}", shown.join(", ")),
            (_, more) => format!("lines {} and {more} more", shown.join(", ")),
        };
        let path = self.path.display();
        Some(format!(
            "`{path}`, {which}: not readable by this hostagent, and kept; what was made and is noted there counts as somebody else's; \
             if a newer hostagent was here, install that one again, else the disk is damaged: mend the file from a backup, or remove what is not readable"
        ))
    }

    /// Adds one.
    pub(super) fn append(&mut self, line: &Line) -> io::Result<()> {
        if self.file.is_none() {
            self.file = Some(self.open()?);
        }
        let Some(file) = &mut self.file else { return Ok(()) };
        let mut text = serde_json::to_vec(line)?;
        text.push(b'\n');
        let written = file.write_all(&text);
        match written {
            Ok(()) => self.count += 1,
            // Half a line may stand there now: opening it again takes that away.
            Err(_) => self.file = None,
        }
        written
    }

    fn open(&self) -> io::Result<File> {
        let directory = self.path.parent().unwrap_or(Path::new("/"));
        fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        let mut file = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(&self.path)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        let torn = torn(&bytes);
        if bytes.is_empty() {
            // A new one: its lines are on the disk only if its name is.
            sync_directory(directory)?;
            sync_directory(directory.parent().unwrap_or(Path::new("/")))?;
        } else if !torn.is_empty() {
            file.set_len(u64::try_from(bytes.len().saturating_sub(torn.len())).unwrap_or_default())?;
        } else if bytes.last() != Some(&b'\n') {
            // What follows must not be glued to it.
            file.write_all(b"\n")?;
        }
        Ok(file)
    }

    /// Makes what was appended durable.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.as_ref().map_or(Ok(()), File::sync_data)
    }

    /// The same, and rewrites the file if most of it is history, where so many facts are known.
    pub(super) fn settle(&mut self, facts: usize) -> io::Result<()> {
        if self.count <= FEW || self.count <= 2 * (facts + self.unknown.len()) {
            return self.sync();
        }
        let text = without_history(&fs::read(&self.path)?);
        let fresh = self.path.with_file_name(draft_of(self.path.file_name().unwrap_or_default()));
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
        file.write_all(&text)?;
        file.sync_all()?;
        fs::rename(&fresh, &self.path)?;
        self.file = None;
        self.count = lines_of(&text).count();
        sync_directory(self.path.parent().unwrap_or(Path::new("/")))
    }
}

/// Every line with its number, but for empty ones and a last one that is torn.
fn lines_of(bytes: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let torn = torn(bytes).len();
    let whole = bytes.get(..bytes.len().saturating_sub(torn)).unwrap_or_default();
    let all = whole.split(|byte| *byte == b'\n').enumerate().map(|(index, line)| (index + 1, line));
    all.filter(|(_, line)| !line.is_empty())
}

/// What follows the last line, if a run was cut off while it wrote it.
fn torn(bytes: &[u8]) -> &[u8] {
    let last = bytes.rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
    if is_whole(last) { &[] } else { last }
}

fn is_whole(line: &[u8]) -> bool {
    serde_json::from_slice::<Line>(line).is_ok()
}

/// Of every key the last line, if it still holds; and what cannot be read, where it stood: whoever can read it must see
/// what was said before it and what after.
fn without_history(bytes: &[u8]) -> Vec<u8> {
    let known = |line: &[u8]| serde_json::from_slice::<Line>(line).ok().map(Line::key);
    let last: BTreeMap<Key, usize> =
        lines_of(bytes).filter_map(|(number, line)| Some((known(line)?.0, number))).collect();
    let mut text = Vec::new();
    for (number, line) in lines_of(bytes) {
        if known(line).is_none_or(|(key, holds)| holds && last.get(&key) == Some(&number)) {
            text.extend_from_slice(line);
            text.push(b'\n');
        }
    }
    text
}
