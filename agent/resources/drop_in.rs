//! A drop-in: settings laid over those of a unit that somebody else's file describes.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::unit_file::{UNITS, appears, differs, unread, write};
use crate::engine::{Cause, Changes, Id, Resource};
use crate::host::coming::Coming;
use crate::host::ledger::Trace;
use crate::host::systemd::full_name;
use crate::host::{Look, Touch};

/// A drop-in of a unit. systemd reads it when it is applied; whether the unit must be restarted to take it up is seen by
/// its [`Service`](super::service::Service).
#[derive(Debug, Clone, Serialize)]
pub struct DropIn {
    /// The unit, with or without `.service`.
    pub unit: String,
    /// The file's name without `.conf`.
    pub name: String,
    /// Every byte of it.
    pub content: String,
    /// Whether a [`Service`](super::service::Service) restarts the unit with it, and so puts it back if the unit does not
    /// come up.
    pub tried: bool,
}

impl DropIn {
    /// Where it is.
    pub fn path(&self) -> PathBuf {
        Path::new(UNITS).join(format!("{}.d", full_name(&self.unit))).join(format!("{}.conf", self.name))
    }

    /// Keeps the old version if a running unit is about to try the new one.
    async fn keep_old(&self, host: &Touch) -> Result<(), Cause> {
        if !self.tried || !host.has_systemd() || host.read(&self.path())?.as_deref() == Some(self.content.as_bytes()) {
            return Ok(());
        }
        let unit = host.unit(&self.unit).await?;
        let coming = [(self.path(), Some(self.content.clone().into_bytes()))].into();
        // Nobody restarts it for what systemd takes up by itself: then nothing would ever settle the copy.
        if unit.is_up() && host.unit_settings(&unit, &coming)? != host.unit_settings(&unit, &Coming::new())? {
            let mut undo = host.keep_old(self.id().as_str(), &[self.path()])?;
            host.undo_is_checked(&mut undo)?;
        }
        Ok(())
    }
}

impl Resource for DropIn {
    /// systemd reads all of them at once.
    const TOGETHER: bool = true;

    fn id(&self) -> Id {
        Id::new("drop_in", format!("{}/{}", full_name(&self.unit), self.name))
    }

    async fn check(&self, host: &Look) -> Result<Changes, Cause> {
        let changes = differs(host, &self.path(), &self.content)?;
        if changes.is_empty() {
            return unread(host, &self.unit).await;
        }
        host.foresee(&self.id(), &self.path(), Some(self.content.as_bytes()));
        Ok(changes)
    }

    async fn apply(&self, host: &Touch) -> Result<(), Cause> {
        Self::apply_all(&[self], host).await
    }

    async fn apply_all(all: &[&Self], host: &Touch) -> Result<(), Cause> {
        for one in all {
            one.keep_old(host).await?;
            write(host, &one.path(), &one.content)?;
        }
        Ok(host.settle_units(all.iter().map(|one| one.unit.as_str())).await?)
    }

    fn when_absent(&self) -> Changes {
        appears(&self.content)
    }

    fn traces(&self) -> Vec<Trace> {
        vec![Trace::Path(self.path())]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Host;
    use crate::host::programs::Real;
    use crate::resources::laws::{Play, keeps_its_word};

    #[tokio::test(flavor = "current_thread")]
    async fn a_drop_in_keeps_its_word() {
        let play = Play::new();
        let nice = |nice: i8| DropIn {
            unit: "a".into(),
            name: "x".into(),
            content: format!("[Service]\nNice={nice}\n"),
            tried: true,
        };
        keeps_its_word::<DropIn>(&nice(1), &play.host).await;
        keeps_its_word::<DropIn>(&nice(2), &play.host).await;
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_drop_in_is_written_and_found_again() {
        let root = tempfile::tempdir().unwrap();
        let host = Host::at(root.path(), Box::new(Real)).unwrap();
        let drop_in =
            DropIn { unit: "a".into(), name: "x".into(), content: "[Service]\nNice=1\n".into(), tried: false };
        assert_eq!(drop_in.id().as_str(), "drop_in:a.service/x");
        assert!(drop_in.check(&host.look()).await.unwrap().creates());
        drop_in.apply(&host.touch()).await.unwrap();
        assert_eq!(drop_in.check(&host.look()).await.unwrap(), Changes::none());
        assert!(root.path().join("etc/systemd/system/a.service.d/x.conf").exists());
    }
}
