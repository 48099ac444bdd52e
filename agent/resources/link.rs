//! A symbolic link.

use std::path::PathBuf;

use serde::Serialize;

use super::file::places_above;
use crate::engine::{Cause, Changes, Id, Resource};
use crate::host::files::Kind;
use crate::host::ledger::Trace;
use crate::host::{Look, Touch};

/// A symbolic link of the host. What it points to need not be there.
#[derive(Debug, Clone, Serialize)]
pub struct Link {
    /// Where it stands.
    pub path: PathBuf,
    /// Where it points; relative to its own directory unless absolute.
    pub target: PathBuf,
}

impl Resource for Link {
    fn id(&self) -> Id {
        Id::at("link", &self.path)
    }

    fn needs(&self) -> Vec<Id> {
        let mut needs = places_above(&self.path);
        needs.push(Id::every("package"));
        needs
    }

    async fn check(&self, host: &Look) -> Result<Changes, Cause> {
        let Some(found) = host.found(&self.path)? else { return Ok(self.when_absent()) };
        found.must_be(Kind::Link, &self.path)?;
        let now = host.link_target(&self.path)?.unwrap_or_default();
        Ok(Changes::none().value("target", &now.display().to_string(), &self.target.display().to_string()))
    }

    async fn apply(&self, host: &Touch) -> Result<(), Cause> {
        Ok(host.link(&self.path, &self.target)?)
    }

    fn when_absent(&self) -> Changes {
        Changes::none().appears("target", self.target.display()).creating()
    }

    fn traces(&self) -> Vec<Trace> {
        vec![Trace::Path(self.path.clone())]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::laws::{Play, keeps_its_word};

    #[tokio::test(flavor = "current_thread")]
    async fn a_link_keeps_its_word_and_is_turned() {
        let play = Play::new();
        let link = |target: &str| Link { path: "/srv/current".into(), target: target.into() };
        keeps_its_word::<Link>(&link("releases/1"), &play.host).await;
        assert_eq!(
            link("releases/2").check(&play.host.look()).await.unwrap().to_string(),
            "target releases/1 -> releases/2"
        );
        keeps_its_word::<Link>(&link("releases/2"), &play.host).await;
    }
}
