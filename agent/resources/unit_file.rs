//! A unit file of ours, in /etc/systemd/system.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::file::{content, owned};
use crate::engine::{Cause, Changes, Id, LeftOut, Resource, Shown};
use crate::host::files::{Access, Kind};
use crate::host::ledger::Trace;
use crate::host::{Look, Touch};
use crate::terms::{AccountName, Mode};

/// Where unit files of people and programs are.
pub(crate) const UNITS: &str = "/etc/systemd/system";

/// Where packages put theirs; on hosts that are not merged yet in the second.
const VENDORS: [&str; 2] = ["/usr/lib/systemd/system", "/lib/systemd/system"];

/// A unit file, whole. Whether its unit runs is a [`Service`](super::service::Service)'s business.
#[derive(Debug, Clone, Serialize)]
pub struct UnitFile {
    /// The unit's full name, such as `app.service`.
    pub unit: String,
    /// Every byte of it.
    pub content: String,
}

impl UnitFile {
    fn path(&self) -> PathBuf {
        Path::new(UNITS).join(&self.unit)
    }
}

impl Resource for UnitFile {
    /// systemd reads all of them at once.
    const TOGETHER: bool = true;

    fn id(&self) -> Id {
        Id::new("unit_file", &self.unit)
    }

    async fn check(&self, host: &Look) -> Result<Changes, Cause> {
        refuse_another(host, &self.unit, &self.content, "give the unit another name").await?;
        let changes = differs(host, &self.path(), &self.content)?;
        if changes.is_empty() {
            return unread(host, &self.unit).await;
        }
        host.foresee(&self.id(), &self.path(), Some(self.content.as_bytes()));
        Ok(changes)
    }

    async fn apply(&self, host: &Touch) -> Result<(), Cause> {
        Self::apply_all(&[self], host).await.map(drop)
    }

    async fn apply_all(all: &[&Self], host: &Touch) -> Result<LeftOut, Cause> {
        for one in all {
            refuse_another(host, &one.unit, &one.content, "give the unit another name").await?;
        }
        for one in all {
            write(host, &one.path(), &one.content)?;
        }
        host.settle_units(all.iter().map(|one| one.unit.as_str())).await?;
        Ok(LeftOut::new())
    }

    fn when_absent(&self) -> Changes {
        appears(&self.content)
    }

    fn traces(&self) -> Vec<Trace> {
        vec![Trace::Path(self.path())]
    }
}

/// Refuses a unit that somebody else brought: a file of ours would hide it. `wanted` is what our file would hold.
pub(super) async fn refuse_another(host: &Look, unit: &str, wanted: &str, hint: &str) -> Result<(), Cause> {
    let ours = Path::new(UNITS).join(unit);
    let refused = |there: &Path| {
        let says = format!("a unit of that name is there already (`{}`)", there.display());
        Err(Cause::new("unit-taken", says).hint(hint))
    };
    for vendor in VENDORS {
        let path = Path::new(vendor).join(unit);
        if host.found(&path)?.is_some() {
            return refused(&path);
        }
    }
    let written = host.ledger().written(&ours).is_some();
    // What else may stand there, such as the link that masks it, is told by `differs`.
    let file = host.found(&ours)?.is_some_and(|found| found.kind == Kind::File);
    if file && !written && host.read(&ours)?.as_deref() != Some(wanted.as_bytes()) {
        return refused(&ours);
    }
    // Only systemd knows of aliases and generated units. With our file in its place that is settled.
    if !file && host.has_systemd() {
        let known = host.unit(unit).await?;
        if let Some(fragment) = known.fragment.as_deref().filter(|path| *path != ours && !known.is_masked()) {
            return refused(fragment);
        }
    }
    Ok(())
}

/// Whether systemd has yet to read what is on disk: a run may have been cut off before that.
pub(super) async fn unread(host: &Look, unit: &str) -> Result<Changes, Cause> {
    let unread = host.has_systemd() && host.needs_daemon_reload(&host.unit(unit).await?)?;
    let (due, done) = (Shown::Plain("due".to_owned()), Shown::Plain("done".to_owned()));
    Ok(if unread { Changes::none().follows("daemon-reload", due, done) } else { Changes::none() })
}

/// How a file of systemd's differs from one of root's with this content.
pub(super) fn differs(host: &Look, path: &Path, wanted: &str) -> Result<Changes, Cause> {
    let root = AccountName::root();
    let Some(found) = host.found(path)? else { return Ok(appears(wanted)) };
    found.must_be(Kind::File, path).map_err(|error| {
        let hint = "is the unit masked or linked there? `systemctl unmask` or `systemctl disable` removes that";
        Cause::from(error).hint(hint)
    })?;
    let now = host.read(path)?.unwrap_or_default();
    let changes = owned(host, Changes::none(), &found, Mode::FILE, &root, &root);
    Ok(content(changes, "content", Some(&now), wanted.as_bytes(), false))
}

/// What a file that is not there brings.
pub(super) fn appears(wanted: &str) -> Changes {
    content(Changes::none(), "content", None, wanted.as_bytes(), false).creating()
}

/// Puts a file of systemd's there.
pub(super) fn write(host: &Touch, path: &Path, content: &str) -> Result<(), Cause> {
    let access = Access { uid: 0, gid: 0, mode: Mode::FILE.bits() };
    if host.read(path)?.as_deref() == Some(content.as_bytes()) {
        return Ok(host.set_access(path, access)?);
    }
    Ok(host.replace(path, content.as_bytes(), access)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::laws::{Play, keeps_its_word};

    #[tokio::test(flavor = "current_thread")]
    async fn a_unit_file_keeps_its_word() {
        let play = Play::new();
        let unit =
            |exec: &str| UnitFile { unit: "app.service".into(), content: format!("[Service]\nExecStart={exec}\n") };
        keeps_its_word::<UnitFile>(&unit("/bin/one"), &play.host).await;
        keeps_its_word::<UnitFile>(&unit("/bin/two"), &play.host).await;
        assert_eq!(play.text("/etc/systemd/system/app.service"), "[Service]\nExecStart=/bin/two\n");
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_mask_in_its_place_is_not_overwritten() {
        let play = Play::new();
        play.host.touch().link("/etc/systemd/system/app.service".as_ref(), "/dev/null".as_ref()).unwrap();
        let unit = UnitFile { unit: "app.service".into(), content: "[Service]\n".into() };
        assert_eq!(unit.check(&play.host.look()).await.unwrap_err().code, "wrong-kind");
        assert!(unit.apply(&play.host.touch()).await.is_err());
        let link = play.host.look().link_target("/etc/systemd/system/app.service".as_ref()).unwrap();
        assert_eq!(link, Some("/dev/null".into()));
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_unit_of_a_package_is_not_hidden() {
        let unit = UnitFile { unit: "ssh.service".into(), content: "[Service]\n".into() };
        for path in [
            "/usr/lib/systemd/system/ssh.service",
            "/lib/systemd/system/ssh.service",
            "/etc/systemd/system/ssh.service",
        ] {
            let play = Play::new().file(path, "[Unit]\n");
            let cause = unit.check(&play.host.look()).await.unwrap_err();
            assert_eq!(cause.says, format!("a unit of that name is there already (`{path}`)"));
            assert!(unit.apply(&play.host.touch()).await.is_err());
            assert_eq!(play.host.writes(), 0);
        }
    }

    #[tokio::test(flavor = "current_thread")]
    async fn its_own_file_may_change_and_one_that_is_the_same_is_taken_over() {
        let play = Play::new();
        let unit = |content: &str| UnitFile { unit: "a.service".into(), content: content.into() };
        write(&play.host.touch(), &unit("").path(), "1").unwrap();
        assert!(!play.differs(&unit("2")).await.is_empty());
        play.put("/etc/systemd/system/b.service", "1");
        assert!(UnitFile { unit: "b.service".into(), ..unit("1") }.check(&play.host.look()).await.is_ok());
    }
}
