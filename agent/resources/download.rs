//! A file whose content a server has: it is known by its digest, and fetched only when the host has another.

use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

use super::file::{accounts, owned, places_above};
use crate::aws::Session;
use crate::elsewhere;
use crate::engine::{Cause, Changes, Id, Resource, Shown};
use crate::host::fetch::Fetch;
use crate::host::files::{Access, Kind, sha256_of};
use crate::host::ledger::Trace;
use crate::host::{Look, Touch};
use crate::terms::{AccountName, Address, Mode};

/// How large a file may be: it passes through memory, of which a nano has little.
const LARGEST: usize = 128 << 20;
/// How long a server may take.
const PATIENCE: Duration = Duration::from_mins(5);

/// A file of the host that a server has.
#[derive(Debug, Clone, Serialize)]
pub struct Download {
    /// Where it is to stand.
    pub path: PathBuf,
    /// Where it is to be had.
    pub url: String,
    /// SHA-256 of its content, in lower-case hex.
    pub sha256: String,
    /// Permission bits.
    pub mode: Mode,
    /// Who owns it.
    pub owner: AccountName,
    /// Which group owns it.
    pub group: AccountName,
}

impl Resource for Download {
    fn id(&self) -> Id {
        Id::at("file", &self.path)
    }

    fn needs(&self) -> Vec<Id> {
        let mut needs = places_above(&self.path);
        needs.extend(accounts(&self.owner, &self.group));
        needs.push(Id::every("package"));
        if let Some(path) = self.url.strip_prefix("file://") {
            needs.push(Id::new("file", path));
        }
        needs
    }

    async fn check(&self, host: &Look) -> Result<Changes, Cause> {
        let Some(found) = host.found(&self.path)? else { return Ok(self.when_absent()) };
        found.must_be(Kind::File, &self.path)?;
        let now = host.sha256(&self.path)?.unwrap_or_default();
        let changes = Changes::none().value("content", &shown(&now), &shown(&self.sha256));
        Ok(owned(host, changes, &found, self.mode, &self.owner, &self.group))
    }

    async fn apply(&self, host: &Touch) -> Result<(), Cause> {
        let access =
            Access { uid: host.uid(self.owner.as_str())?, gid: host.gid(self.group.as_str())?, mode: self.mode.bits() };
        if host.sha256(&self.path)?.as_deref() == Some(&self.sha256) {
            return Ok(host.set_access(&self.path, access)?);
        }
        let bytes = match Address::try_from(self.url.as_str()) {
            Ok(address @ Address::S3 { .. }) => {
                let fetched = elsewhere::fetch(host, &Session::of(host), &address, LARGEST).await;
                fetched
                    .map_err(|why| Cause::new(why.code, format!("`{address}` cannot be had: {why}")).hint(why.hint))?
            }
            _ => host.fetch(&self.url, Fetch { limit: LARGEST, timeout: PATIENCE, pinned: true }).await?,
        };
        let came = sha256_of(&bytes);
        if came != self.sha256 {
            let says =
                format!("what came for `{}` has the SHA-256 `{came}`, not `{}`", self.path.display(), self.sha256);
            return Err(Cause::new("wrong-digest", says)
                .hint("if the server has a new version on purpose, put its digest into the recipe"));
        }
        Ok(host.replace(&self.path, &bytes, access)?)
    }

    fn when_absent(&self) -> Changes {
        let to = Shown::Plain(shown(&self.sha256));
        let owner = format!("{}:{}", self.owner, self.group);
        Changes::none()
            .differs("content", Shown::Absent, to)
            .appears("mode", self.mode)
            .appears("owner", owner)
            .creating()
    }

    fn traces(&self) -> Vec<Trace> {
        vec![Trace::Path(self.path.clone())]
    }
}

fn shown(sha256: &str) -> String {
    format!("SHA-256 {sha256}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::laws::{Play, keeps_its_word};

    fn download(content: &str) -> Download {
        let (owner, group) = (AccountName::root(), AccountName::root());
        let (path, url) = ("/opt/app".into(), "file:///srv/app".into());
        Download { path, url, sha256: sha256_of(content.as_bytes()), mode: Mode::new(0o755), owner, group }
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_download_keeps_its_word() {
        let play = Play::new().file("/srv/app", "one");
        keeps_its_word::<Download>(&download("one"), &play.host).await;
        assert_eq!(play.text("/opt/app"), "one");
    }

    #[tokio::test(flavor = "current_thread")]
    async fn another_content_than_the_recipe_names_is_refused_and_the_old_one_stays() {
        let play = Play::new().file("/srv/app", "two").file("/opt/app", "one");
        let said = download("other").apply(&play.host.touch()).await.unwrap_err();
        assert_eq!(said.code, "wrong-digest");
        assert_eq!(play.text("/opt/app"), "one");
    }

    #[tokio::test(flavor = "current_thread")]
    async fn nothing_is_fetched_for_a_wrong_mode() {
        let play = Play::new().file("/opt/app", "one");
        keeps_its_word::<Download>(&download("one"), &play.host).await;
    }
}
