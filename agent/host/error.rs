//! What can go wrong between hostagent and the machine.

use std::path::PathBuf;

use super::files::Kind;

/// A failure to read or change the machine. Names the object; [`Error::hint`] says what to do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file operation failed.
    #[error("could not {doing} `{}`: {source}", path.display())]
    File {
        /// A verb phrase, such as `read` or `set the owner of`.
        doing: &'static str,
        /// The path as the recipe would name it.
        path: PathBuf,
        /// The system's own reason.
        source: std::io::Error,
    },
    /// A path holds something else than what is to be managed there.
    #[error("`{}` is {}, not {}", path.display(), found.name(), wanted.name())]
    Kind {
        /// The path as the recipe would name it.
        path: PathBuf,
        /// What stands there.
        found: Kind,
        /// What should stand there.
        wanted: Kind,
    },
    /// Following a path would pass a symbolic link in a directory that others than root may write.
    #[error("`{}` passes a symbolic link that someone other than root could have placed", path.display())]
    Unsafe {
        /// The path as the recipe would name it.
        path: PathBuf,
    },
    /// A program could not be started, failed, or ran out of time.
    #[error("{0}")]
    Program(#[from] crate::host::programs::Failed),
    /// A user or group that does not exist.
    #[error("{kind} `{name}` does not exist")]
    NoAccount {
        /// `user` or `group`.
        kind: &'static str,
        /// Its name.
        name: String,
    },
    /// Anything else, in words: a server's or service manager's refusal.
    #[error("{says}")]
    Said {
        /// A stable word for machines, such as `unit-failed`.
        code: &'static str,
        /// The refusal in its own words.
        says: String,
        /// What to do about it.
        hint: Option<String>,
    },
}

impl Error {
    /// A refusal in words.
    pub fn said(code: &'static str, says: impl Into<String>) -> Self {
        Self::Said { code, says: says.into(), hint: None }
    }

    /// A refusal in words, with what to do about it.
    pub fn said_with_hint(code: &'static str, says: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Said { code, says: says.into(), hint: Some(hint.into()) }
    }

    /// A stable word for machines: journal fields and reports use it.
    pub fn code(&self) -> &'static str {
        match self {
            Self::File { .. } => "file-io",
            Self::Kind { .. } => "wrong-kind",
            Self::Unsafe { .. } => "unsafe-path",
            Self::Program(failed) => failed.code(),
            Self::NoAccount { .. } => "no-account",
            Self::Said { code, .. } => code,
        }
    }

    /// Whether whoever could tell is merely not running.
    pub fn is_asleep(&self) -> bool {
        self.code().ends_with("-not-running")
    }

    /// What a person can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::File { source, path, .. } => file_hint(source, path),
            Self::Kind { path, .. } => Some(format!("move it away: `mv {0} {0}.old`", path.display())),
            Self::Unsafe { path } => Some(format!(
                "look at `namei -l {}`, and make its directories root's or remove the link",
                path.display()
            )),
            Self::Program(failed) => failed.hint(),
            Self::NoAccount { kind, name } => {
                Some(format!("add a `[[{kind}]]` with `name = \"{name}\"`, or the package that brings it"))
            }
            Self::Said { hint, .. } => hint.clone(),
        }
    }
}

fn file_hint(source: &std::io::Error, path: &std::path::Path) -> Option<String> {
    // What could not be made is not there to be asked about.
    let above = path.parent().unwrap_or(path).display();
    let path = path.display();
    match source.raw_os_error().map(nix::errno::Errno::from_raw)? {
        nix::errno::Errno::EROFS => Some(format!("the file system is mounted read-only; see `findmnt -T {above}`")),
        nix::errno::Errno::ENOSPC => Some(format!(
            "the file system is full; see `df -h {above}`, and `df -i {above}` for how many files it may have"
        )),
        nix::errno::Errno::EDQUOT => Some("the disk quota is used up; see `quota`".into()),
        nix::errno::Errno::EPERM => {
            Some(format!("is it immutable, or its directory? see `lsattr -d {path} {above}`; `chattr -i` lifts it"))
        }
        nix::errno::Errno::EACCES => Some("run hostagent as root".into()),
        _ => None,
    }
}
