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
    use crate::engine::run;
    use crate::host::Host;
    use crate::host::programs::Real;
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

    #[tokio::test(flavor = "current_thread")]
    async fn a_link_that_leaves_goes_unless_somebody_turned_it() {
        let converge = async |play: &Play, links: &[Link]| {
            let mut draft = crate::engine::Draft::default();
            for link in links {
                draft.add(link.clone());
            }
            // Each run reads the ledger anew.
            let host = Host::at(play.place("/").as_path(), Box::new(Real)).unwrap();
            run::converge(&draft.finish().unwrap(), &host, &run::Stop::new(), &mut |_| {}).await
        };
        let at = |path: &str, target: &str| Link { path: path.into(), target: target.into() };
        let (ours, turned) = (at("/srv/ours", "releases/1"), at("/srv/turned", "releases/1"));
        let play = Play::new();
        converge(&play, &[at("/srv/ours", "releases/0"), turned.clone()]).await;
        converge(&play, &[ours, turned]).await;
        let place = play.place("/srv/turned");
        std::fs::remove_file(&place).unwrap();
        std::os::unix::fs::symlink("/home/ops/mine", &place).unwrap();
        let outcome = converge(&play, &[]).await;
        let notes: Vec<&String> = outcome.resources.iter().flat_map(|told| &told.notes).collect();
        assert_eq!(notes, ["`/srv/turned` was edited by hand since, and is kept"]);
        assert!(place.is_symlink() && !play.place("/srv/ours").is_symlink());
        converge(&play, &[]).await;
        assert!(place.is_symlink());

        // What an older hostagent noted says nothing of where a link points.
        let play = Play::new();
        converge(&play, &[at("/srv/old", "releases/1")]).await;
        let ledger = format!("{}/ledger.jsonl", crate::host::STATE_DIR);
        let text = play.text(&ledger);
        let (older, target) = (r#""opaque":false"#, r#""target":"releases/1""#);
        assert!(text.contains(target));
        play.put(&ledger, &text.replace(target, older));
        converge(&play, &[]).await;
        assert!(!play.place("/srv/old").is_symlink());
    }
}
