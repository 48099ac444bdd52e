//! The package lists: when they are not to be used as they are, and fetching them.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::locks::Turns;
use super::refusal::{Refusal, cited, refusal, refused};
use super::{Program, SILENCE, quiet};
use crate::host::files::sha256_of;
use crate::host::{Error, Look, STATE_DIR, Touch};

/// Lists older than this are refreshed before they are used: packages leave the archive when a fixed one comes.
const LISTS_AGE: Duration = Duration::from_hours(24);
/// The pause before the second and the third try of a refresh.
const PAUSES: [Duration; 2] = [Duration::from_secs(2), Duration::from_secs(8)];
/// Where apt keeps the lists.
const LISTS: &str = "/var/lib/apt/lists";
/// Holds a digest of the sources as they were at the last refresh.
const REFRESHED: &str = "apt-sources";

/// Whether this transaction refreshed the lists.
#[derive(Debug)]
pub(super) enum Lists {
    AsFound,
    Refreshed,
    /// It tried, and apt said this.
    NotRefreshed(String),
}

impl Touch {
    /// Fetches the package lists. Fails only when apt cannot work at all: a source that is away for the moment may not
    /// be the one that is needed. The next transaction then tries again.
    pub(super) async fn refresh(&self, until: Instant) -> Result<Lists, Error> {
        let sources = self.sources_digest()?;
        let mut pauses = PAUSES.into_iter();
        let mut turns = Turns::until(until);
        // All of it is tried again below: three tries of apt's own each time would take ten minutes where nobody answers.
        let options = ["-q", "-o", "APT::Update::Error-Mode=any", "-o", "Acquire::Retries=0"];
        let update = quiet(Program::does("apt-get")).args(options).args(SILENCE).arg("update");
        loop {
            let output = self.try_run(&update).await?;
            if output.succeeded() {
                let (directory, file) =
                    (self.place(Path::new(STATE_DIR)), self.place(&Path::new(STATE_DIR).join(REFRESHED)));
                let noted = std::fs::create_dir_all(directory).and_then(|()| std::fs::write(file, sources));
                noted.map_err(|source| Error::File {
                    doing: "write",
                    path: Path::new(STATE_DIR).join(REFRESHED),
                    source,
                })?;
                return Ok(Lists::Refreshed);
            }
            match (refusal(&output), pauses.next()) {
                (Refusal::Locked, _) if self.apt_is_free_again(&mut turns).await? => {}
                (Refusal::ReadOnly | Refusal::Denied, _) => {
                    return Err(refused("apt could not write its lists", &output, &Lists::AsFound));
                }
                (Refusal::NotRead, _) => {
                    return Err(refused("apt could not read its sources", &output, &Lists::AsFound));
                }
                (refused, Some(pause)) if refused != Refusal::NotSigned => tokio::time::sleep(pause).await,
                _ => {
                    let said = cited(&output);
                    tracing::warn!("the package lists could not be refreshed:\n{said}");
                    return Ok(Lists::NotRefreshed(said));
                }
            }
        }
    }
}

impl Look {
    /// Why the lists are not to be used as they are.
    pub(super) fn lists_are_stale(&self) -> Result<Option<&'static str>, Error> {
        let mut newest = None;
        for name in self.names_in(Path::new(LISTS))? {
            let text = name.to_string_lossy();
            if text.contains("_Packages") || text.contains("InRelease") || text.ends_with("_Release") {
                newest = newest.max(self.found(&Path::new(LISTS).join(&name))?.map(|found| found.ctime));
            }
        }
        let Some(fetched) = newest else { return Ok(Some("there are none")) };
        let stamp = Path::new(STATE_DIR).join(REFRESHED);
        let refreshed = self.found(&stamp)?.map_or(fetched, |found| found.ctime.max(fetched));
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        if now.as_nanos().try_into().unwrap_or(i128::MAX) - refreshed
            > LISTS_AGE.as_nanos().try_into().unwrap_or(i128::MAX)
        {
            return Ok(Some("they are old"));
        }
        let changed = match self.read_text(&stamp)? {
            Some(sources) => sources != self.sources_digest()?,
            None => self.sources()?.iter().any(|(_, changed)| *changed > fetched),
        };
        Ok(changed.then_some("a source changed"))
    }

    fn sources_digest(&self) -> Result<String, Error> {
        let mut all = Vec::new();
        for (path, _) in self.sources()? {
            all.extend_from_slice(path.as_os_str().as_encoded_bytes());
            all.extend(self.read(&path)?.unwrap_or_default());
        }
        Ok(sha256_of(&all))
    }

    /// Every file that says where packages come from and who signs them, and when it changed.
    fn sources(&self) -> Result<Vec<(PathBuf, i128)>, Error> {
        let apt = Path::new("/etc/apt");
        let mut paths = vec![apt.join("sources.list")];
        for directory in ["sources.list.d", "keyrings", "trusted.gpg.d"] {
            let names = self.names_in(&apt.join(directory))?;
            paths.extend(names.into_iter().map(|name| apt.join(directory).join(name)));
        }
        let mut found = Vec::new();
        for path in paths {
            if let Some(file) = self.found(&path)? {
                found.push((path, file.ctime));
            }
        }
        Ok(found)
    }
}
