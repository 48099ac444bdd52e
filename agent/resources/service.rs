//! A unit of systemd that is enabled, runs, and has loaded what is on disk.
//!
//! What a unit has loaded is state (`freshness`), not a notification: a run that was cut off between writing and
//! reloading, a hand edit, a renewed certificate are all just "stale", seen by the next look and paid with one reload,
//! or one restart where that is needed. A configuration that the server does not come up with is put back.

mod act;
mod freshness;
#[cfg(test)]
mod on_a_machine;

use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

use crate::engine::{Cause, Changes, Id, Patience, Resource, Shown};
use crate::host::probe::Probe;
use crate::host::systemd::{Unit, full_name, short_name, written_by_people};
use crate::host::{Look, Touch};
use freshness::Stale;

/// The kinds of resources that bring a unit file of somebody's own.
pub(crate) const BROUGHT_AS: [&str; 3] = ["file", "link", "config_set"];

/// A unit: a service unless its name has another suffix.
#[derive(Debug, Clone, Serialize)]
pub struct Service {
    /// Its name, with or without `.service`.
    pub unit: String,
    /// Whether it starts at boot. None: as it is.
    pub enabled: Option<bool>,
    /// Whether it runs. None: as it is.
    pub running: Option<bool>,
    /// Whether nobody can start it. None: it is unmasked if it is to be enabled or to run.
    pub masked: Option<bool>,
    /// Files and directory trees that it loads.
    pub reads: Vec<PathBuf>,
    /// What makes it load them.
    pub on_change: OnChange,
    /// Config sets that have proven themselves when it has loaded them, and are put back if it cannot.
    pub sets: Vec<String>,
    /// Asked after a reload: why it must restart to take everything, if it must.
    pub restart_reason: Option<Probe>,
    /// Asked after it was started or reloaded, for up to 10 s: what is wrong with it.
    pub healthy: Option<Probe>,
}

/// What makes a running unit load what changed on disk. Changed settings of the unit itself need a restart either way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OnChange {
    /// A reload; a restart if it knows none.
    Reload,
    /// A restart.
    Restart,
    /// Nothing: it goes on with what it has, whatever changes.
    Nothing,
}

impl Service {
    /// A unit that is enabled and runs, whatever it has loaded.
    pub fn running(unit: impl Into<String>) -> Self {
        Self {
            unit: unit.into(),
            enabled: Some(true),
            running: Some(true),
            masked: None,
            reads: Vec::new(),
            on_change: OnChange::Nothing,
            sets: Vec::new(),
            restart_reason: None,
            healthy: None,
        }
    }

    /// Whether a plan is going to bring a file of the unit that systemd has to read.
    fn gets_a_file(&self, host: &Look) -> bool {
        let (files, folders) = written_by_people(&full_name(&self.unit));
        BROUGHT_AS.iter().any(|kind| {
            files.iter().any(|path| host.expects(&Id::at(kind, path)))
                || folders.iter().any(|path| !host.expected_under(&format!("{kind}:{}/", path.display())).is_empty())
        })
    }

    fn wants_it_there(&self) -> bool {
        self.enabled == Some(true) || self.running == Some(true) || self.masked == Some(true)
    }

    fn wants_it_unmasked(&self) -> bool {
        match self.masked {
            Some(masked) => !masked,
            None => self.enabled == Some(true) || self.running == Some(true),
        }
    }

    /// What keeps it from being what it is wanted to be, whatever is done.
    fn obstacle(&self, unit: &Unit) -> Option<Cause> {
        let name = &unit.name;
        if !unit.exists() {
            return Some(
                Cause::new("no-unit", format!("there is no unit `{name}`"))
                    .hint("is the package that brings it installed? `[host] packages` adds it"),
            );
        }
        if matches!(unit.load_state.as_str(), "bad-setting" | "error") {
            let says = format!("systemd cannot load `{name}`: {}", unit.load_error);
            return Some(Cause::new("unit-bad", says).hint(format!("see `systemd-analyze verify {name}`")));
        }
        let ends = unit.service_type == "oneshot" && !unit.remain_after_exit;
        (ends && self.running == Some(true)).then(|| {
            Cause::new(
                "not-a-server",
                format!("`{name}` does its work and ends (`Type=oneshot`), so it cannot be kept running"),
            )
            .hint("take `running` out or make it false; a `[[timer]]` runs work at its times")
        })
    }

    fn states(&self, unit: &Unit, mut changes: Changes) -> Changes {
        if self.masked == Some(true) || self.wants_it_unmasked() {
            changes = changes.value("masked", &unit.is_masked(), &(self.masked == Some(true)));
        }
        if let (Some(wanted), Some(enabled)) = (self.enabled, unit.is_enabled()) {
            changes = changes.value("enabled", &enabled, &wanted);
        }
        match self.running {
            Some(true) if !unit.is_up() => changes.value("state", &unit.state(), &"active".to_owned()),
            Some(false) if unit.is_up() || unit.active_state == "activating" => {
                changes.value("state", &unit.state(), &"inactive".to_owned())
            }
            _ => changes,
        }
    }
}

impl Resource for Service {
    fn id(&self) -> Id {
        Id::new("service", short_name(&self.unit))
    }

    fn needs(&self) -> Vec<Id> {
        let unit = full_name(&self.unit);
        let mut needs =
            vec![Id::every("package"), Id::new("unit_file", &unit), Id::under("drop_in", &format!("{unit}/"))];
        needs.extend(self.sets.iter().map(|set| Id::new("config_set", set)));
        let (files, folders) = written_by_people(&unit);
        for kind in BROUGHT_AS {
            needs.extend(files.iter().map(|path| Id::at(kind, path)));
            needs.extend(folders.iter().map(|path| Id::under(kind, &format!("{}/", path.display()))));
        }
        for kind in ["file", "link"] {
            needs.extend(self.reads.iter().map(|place| Id::at(kind, place)));
            needs.extend(self.reads.iter().map(|place| Id::under(kind, &format!("{}/", place.display()))));
        }
        needs
    }

    /// Several jobs of systemd: it may be reloaded, restarted, and restarted with its old files.
    fn patience(&self) -> Patience {
        Patience::applying(Duration::from_hours(1))
    }

    async fn check(&self, host: &Look) -> Result<Changes, Cause> {
        let unit = host.unit(&self.unit).await?;
        if !unit.exists() && !self.wants_it_there() {
            // A package that brings it enables it, so there will be something to do.
            let to_come = self.obstacle(&unit).filter(|_| !host.expected_under("package:").is_empty());
            return to_come.map_or(Ok(Changes::none()), Err);
        }
        let unread = host.needs_daemon_reload(&unit)? || self.gets_a_file(host);
        // A mask needs no unit, and what systemd has yet to read may be the cure.
        if let Some(cause) = self.obstacle(&unit).filter(|_| self.masked != Some(true) && !unread) {
            return Err(cause);
        }
        let mut changes = Changes::none();
        if unread {
            changes = changes.follows("daemon-reload", Shown::Plain("due".into()), Shown::Plain("done".into()));
        }
        changes = self.states(&unit, changes);
        match self.staleness(host, &unit)? {
            Some(Stale { from, to, .. }) => Ok(changes.follows("loaded", Shown::Plain(from), Shown::Plain(to))),
            None => Ok(changes),
        }
    }

    async fn apply(&self, host: &Touch) -> Result<(), Cause> {
        self.put_right(host).await
    }

    /// It runs with what is on disk, whoever started it: nobody goes back behind that.
    fn settle(&self, host: &Touch) -> Result<(), Cause> {
        for id in self.undo_ids(host)? {
            host.was_accepted(&id)?;
            host.forget_old(&id)?;
        }
        Ok(())
    }

    fn when_absent(&self) -> Changes {
        let mut changes = Changes::none();
        if let Some(masked) = self.masked.filter(|masked| *masked) {
            changes = changes.appears("masked", masked);
        }
        if let Some(enabled) = self.enabled {
            changes = changes.appears("enabled", enabled);
        }
        if let Some(running) = self.running {
            changes = changes.appears("state", if running { "active" } else { "inactive" });
        }
        changes.creating()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit(active: &str, file: &str) -> Unit {
        Unit {
            name: "a.service".into(),
            load_state: "loaded".into(),
            active_state: active.into(),
            unit_file_state: file.into(),
            service_type: "notify".into(),
            ..Unit::default()
        }
    }

    fn said(service: &Service, unit: &Unit) -> String {
        service.states(unit, Changes::none()).to_string()
    }

    #[test]
    fn a_stopped_and_disabled_server_is_enabled_and_started() {
        assert_eq!(
            said(&Service::running("a"), &unit("inactive", "disabled")),
            "enabled false -> true, state inactive -> active"
        );
        assert_eq!(said(&Service::running("a"), &unit("active", "enabled")), "");
    }

    #[test]
    fn a_static_unit_is_as_enabled_as_it_can_be() {
        assert_eq!(said(&Service::running("a"), &unit("active", "static")), "");
    }

    #[test]
    fn a_masked_unit_that_is_to_run_is_unmasked() {
        let masked = Unit { load_state: "masked".into(), ..unit("inactive", "masked-runtime") };
        assert_eq!(
            said(&Service::running("a"), &masked),
            "masked true -> false, enabled false -> true, state inactive -> active"
        );
        let left_alone = Service { enabled: None, running: None, ..Service::running("a") };
        assert_eq!(said(&left_alone, &masked), "");
    }

    #[test]
    fn work_that_ends_cannot_be_kept_running() {
        let oneshot = Unit { service_type: "oneshot".into(), ..unit("inactive", "static") };
        assert_eq!(Service::running("a").obstacle(&oneshot).unwrap().code, "not-a-server");
        assert!(Service::running("a").obstacle(&Unit { remain_after_exit: true, ..oneshot }).is_none());
    }

    #[test]
    fn it_comes_after_whatever_brings_what_it_reads() {
        let service = Service { reads: vec!["/etc/a".into()], sets: vec!["a".into()], ..Service::running("a") };
        assert_eq!(service.id().as_str(), "service:a");
        let needs: Vec<String> = service.needs().iter().map(ToString::to_string).collect();
        for id in [
            "package:*",
            "unit_file:a.service",
            "drop_in:a.service/*",
            "config_set:a",
            "file:/etc/a",
            "file:/etc/a/*",
            "link:/etc/a",
            "link:/etc/a/*",
            "file:/etc/systemd/system/a.service",
            "file:/etc/systemd/system/a.service.d/*",
            "config_set:/etc/systemd/system/a.service",
            "link:/usr/local/lib/systemd/system/a.service",
        ] {
            assert!(needs.contains(&id.to_owned()), "{id} is not among {needs:?}");
        }
    }
}
