//! The time zone: `/etc/localtime`, and `/etc/timezone` where the distribution has it (Debian up to 12).

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::engine::{Cause, Changes, Id, Resource, Shown};
use crate::host::files::{Access, Kind};
use crate::host::{Look, Touch};
use crate::problem::nearest;

const LINK: &str = "/etc/localtime";
const NAME: &str = "/etc/timezone";
const ZONES: &str = "/usr/share/zoneinfo";

/// The time zone of this host.
#[derive(Debug, Clone, Serialize)]
pub struct Timezone {
    /// Its name in the tz database, such as `Europe/Berlin`.
    pub zone: String,
}

impl Timezone {
    fn file(&self) -> PathBuf {
        Path::new(ZONES).join(&self.zone)
    }

    /// The zone that is set, by the link.
    fn now(host: &Look) -> Result<Option<String>, Cause> {
        let Some(target) = host.link_target(Path::new(LINK))? else { return Ok(None) };
        let target = target.display().to_string();
        let named = target.split_once("/usr/share/zoneinfo/");
        Ok(Some(named.map_or(target.clone(), |(_, zone)| zone.to_owned())))
    }

    /// The package that brings the zones must have this one.
    fn exists(&self, host: &Look) -> Result<(), Cause> {
        if host.found(&self.file())?.is_some_and(|found| found.kind != Kind::Directory) {
            return Ok(());
        }
        let zones = all_zones(host)?;
        if zones.is_empty() {
            let says = format!("there are no time zones in `{ZONES}`");
            return Err(
                Cause::new("no-zones", says).hint("the package `tzdata` brings them; `[host] packages` adds it")
            );
        }
        let says = format!("there is no time zone `{}`", self.zone);
        let hint = match nearest(&self.zone, zones.iter().map(String::as_str)) {
            Some(near) => format!("did you mean `{near}`?"),
            None => {
                "`timedatectl list-timezones` lists them; names of old are in the package `tzdata-legacy`".to_owned()
            }
        };
        Err(Cause::new("unknown-zone", says).hint(hint))
    }
}

/// Every zone of the tz database that is installed.
fn all_zones(host: &Look) -> Result<Vec<String>, Cause> {
    let mut zones = Vec::new();
    let mut left = vec![PathBuf::new()];
    while let Some(below) = left.pop() {
        let (directories, files) = host.directories_and_files(&Path::new(ZONES).join(&below))?;
        zones.extend(files.into_iter().map(|name| below.join(name).display().to_string()));
        // The copies with leap seconds are no zones of their own.
        let further = directories.into_iter().filter(|name| name != "right" && name != "posix");
        left.extend(further.map(|name| below.join(name)));
    }
    Ok(zones)
}

impl Resource for Timezone {
    fn id(&self) -> Id {
        Id::new("host", "timezone")
    }

    fn needs(&self) -> Vec<Id> {
        vec![Id::new("package", "tzdata"), Id::new("package", "tzdata-legacy")]
    }

    async fn check(&self, host: &Look) -> Result<Changes, Cause> {
        self.exists(host)?;
        let to = Shown::Plain(self.zone.clone());
        let changes = match Self::now(host)? {
            Some(now) => Changes::none().value("zone", &now, &self.zone),
            None => Changes::none().differs("zone", Shown::Absent, to),
        };
        let Some(name) = host.read_text(Path::new(NAME))? else { return Ok(changes) };
        Ok(changes.value(NAME, &name.trim().to_owned(), &self.zone))
    }

    async fn apply(&self, host: &Touch) -> Result<(), Cause> {
        self.exists(host)?;
        // Some images have a copy of a zone there.
        host.link_over(Path::new(LINK), &self.file())?;
        match host.read_text(Path::new(NAME))? {
            Some(name) if name.trim() != self.zone => {
                let access = Access { uid: 0, gid: 0, mode: 0o644 };
                Ok(host.replace(Path::new(NAME), format!("{}\n", self.zone).as_bytes(), access)?)
            }
            _ => Ok(()),
        }
    }

    fn when_absent(&self) -> Changes {
        Changes::none().appears("zone", &self.zone).creating()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::laws::{Play, keeps_its_word};

    fn play() -> Play {
        let play = Play::new().file("/etc/timezone", "Etc/UTC\n");
        play.file("/usr/share/zoneinfo/Europe/Berlin", "TZif").file("/usr/share/zoneinfo/Etc/UTC", "TZif")
    }

    fn zone(zone: &str) -> Timezone {
        Timezone { zone: zone.into() }
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_zone_keeps_its_word() {
        let play = play();
        keeps_its_word::<Timezone>(&zone("Europe/Berlin"), &play.host).await;
        assert_eq!(play.text("/etc/timezone"), "Europe/Berlin\n");
        assert_eq!(
            play.differs(&zone("Etc/UTC")).await.to_string(),
            "zone Europe/Berlin -> Etc/UTC, /etc/timezone Europe/Berlin -> Etc/UTC"
        );
        keeps_its_word::<Timezone>(&zone("Etc/UTC"), &play.host).await;
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_copy_of_a_zone_is_there_until_the_link_is() {
        let play = play().file("/etc/localtime", "TZif");
        // It cannot be made while this is in its way.
        std::fs::create_dir(play.place("/etc/.localtime.hostagent")).unwrap();
        zone("Europe/Berlin").apply(&play.host.touch()).await.unwrap_err();
        assert_eq!(play.text("/etc/localtime"), "TZif");
        std::fs::remove_dir(play.place("/etc/.localtime.hostagent")).unwrap();
        keeps_its_word::<Timezone>(&zone("Europe/Berlin"), &play.host).await;
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_zone_nobody_has_is_named_with_the_nearest() {
        let said = zone("Europe/Berlín").check(&play().host.look()).await.unwrap_err();
        assert_eq!(said.hint.as_deref(), Some("did you mean `Europe/Berlin`?"));
        let said = zone("Europe").check(&play().host.look()).await.unwrap_err();
        assert_eq!(said.says, "there is no time zone `Europe`");
        let said = zone("Etc/UTC").check(&Play::new().host.look()).await.unwrap_err();
        assert_eq!(said.code, "no-zones");
    }
}
