//! A drop-in: settings laid over those of a unit that somebody else's file describes.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::unit_file::{UNITS, appears, differs, unread, write};
use crate::engine::{Cause, Changes, Id, LeftOut, Resource};
use crate::host::coming::Coming;
use crate::host::ledger::Trace;
use crate::host::refused::place_of;
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

    /// Keeps the old version if a running unit is about to try the new one. Says why it is not to, if it did before and
    /// did not come up: every run would restart it for that.
    async fn keep_old(&self, host: &Touch) -> Result<Option<Cause>, Cause> {
        if !self.tried || !host.has_systemd() || host.read(&self.path())?.as_deref() == Some(self.content.as_bytes()) {
            return Ok(None);
        }
        let unit = host.unit(&self.unit).await?;
        let coming = [(self.path(), Some(self.content.clone().into_bytes()))].into();
        let settings = host.unit_settings(&unit, &coming)?;
        // Nobody restarts it for what systemd takes up by itself: then nothing would ever settle the copy.
        if !unit.is_up() || settings == host.unit_settings(&unit, &Coming::new())? {
            return Ok(None);
        }
        let (id, with) = (self.id(), host.attempt(&format!("{}\0{}", self.content, settings.digest()))?);
        if let Some(says) = host.refused_before(id.as_str(), &with)? {
            let hint = format!(
                "change it; it is tried again when it, another setting of `{}` or a package changes, after a reboot, or when `{}` is removed",
                unit.name,
                place_of(id.as_str()).display()
            );
            let says = format!("`{}` was tried before, and is not again:\n{says}", self.path().display());
            return Ok(Some(Cause::new("refused-before", says).hint(hint)));
        }
        host.tries(id.as_str(), &with)?;
        let mut undo = host.keep_old(id.as_str(), &[self.path()])?;
        host.undo_is_checked(&mut undo)?;
        Ok(None)
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
        match Self::apply_all(&[self], host).await?.pop() {
            Some((_, cause)) => Err(cause),
            None => Ok(()),
        }
    }

    async fn apply_all(all: &[&Self], host: &Touch) -> Result<LeftOut, Cause> {
        let mut left_out = LeftOut::new();
        for one in all {
            match one.keep_old(host).await? {
                Some(cause) => left_out.push((one.id(), cause)),
                None => write(host, &one.path(), &one.content)?,
            }
        }
        host.settle_units(all.iter().map(|one| one.unit.as_str())).await?;
        Ok(left_out)
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
