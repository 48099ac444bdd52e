//! Whether a running unit has loaded what is on disk.
//!
//! What it loaded last is in the ledger, with the InvocationID that systemd gave this start of it. Is it still the same
//! start, digests are compared. Is it another (somebody restarted it, or hostagent meets it for the first time), it
//! loaded what was there when it started, so times are compared. A reload by hand leaves no trace: one reload too many.

use std::collections::BTreeSet;
use std::path::Path;

use super::{BROUGHT_AS, OnChange, Service};
use crate::engine::{Cause, Id};
use crate::host::Look;
use crate::host::coming::Coming;
use crate::host::ledger::Loaded;
use crate::host::systemd::{Unit, full_name, written_by_people};

/// How a unit is behind, and what makes it catch up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stale {
    pub(super) from: String,
    pub(super) to: String,
    pub(super) restart: bool,
}

/// What is on disk for a unit to load.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct OnDisk {
    pub(super) files: String,
    pub(super) settings: String,
}

/// What differs between what is loaded and what is on disk.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Differs {
    /// The files, and which, as far as that is known.
    files: Option<Vec<String>>,
    /// The settings of the unit itself.
    settings: bool,
}

impl Service {
    /// How it is behind what is on disk, or in a plan will be.
    pub(super) fn staleness(&self, host: &Look, unit: &Unit) -> Result<Option<Stale>, Cause> {
        if self.on_change == OnChange::Nothing || self.running == Some(false) || !unit.is_up() {
            return Ok(None);
        }
        let mut differs = self.differs(host, unit)?;
        let source = self.foreseen(host, unit, &mut differs)?;
        Ok(self.stale(unit, &differs, source))
    }

    /// What is on disk now.
    pub(super) fn on_disk(&self, host: &Look, unit: &Unit, coming: &Coming) -> Result<OnDisk, Cause> {
        let files = host.contents(&self.reads)?.with(coming, &self.reads).digest();
        let settings = host.unit_settings(unit, coming)?.digest();
        Ok(OnDisk { files, settings })
    }

    /// Compares what is loaded with what is on disk.
    fn differs(&self, host: &Look, unit: &Unit) -> Result<Differs, Cause> {
        let record = host.ledger().loaded(&unit.name).cloned();
        if let Some(loaded) = record.filter(|loaded| loaded.invocation == unit.invocation_id) {
            return Ok(against(&loaded, &self.on_disk(host, unit, &Coming::new())?));
        }
        let contents = host.contents(&self.reads)?;
        let newer = contents.newer_than(unit.started());
        let files = (!newer.is_empty()).then(|| newer.iter().map(|path| path.display().to_string()).collect());
        Ok(Differs { files, settings: host.unit_files_changed_after(unit, unit.started())? })
    }

    /// Adds what a plan is going to bring: exactly where that is known, else it counts as different. Says where it is from.
    fn foreseen(&self, host: &Look, unit: &Unit, differs: &mut Differs) -> Result<Option<String>, Cause> {
        let expected = self.expected(host);
        let Some(source) = expected.last().cloned() else { return Ok(None) };
        let foreseen: Vec<Option<Coming>> = expected.iter().map(|id| host.foreseen(id)).collect();
        // A config set says that its reader must load it, whatever changes.
        let something_unknown = foreseen.iter().any(Option::is_none);
        let coming: Coming = foreseen.into_iter().flatten().flatten().collect();
        let then = self.on_disk(host, unit, &coming)?;
        let record = host.ledger().loaded(&unit.name).cloned();
        if let Some(loaded) = record.filter(|loaded| loaded.invocation == unit.invocation_id) {
            // What is on its way may also be the cure of what differs now.
            *differs = against(&loaded, &then);
        } else {
            let now = self.on_disk(host, unit, &Coming::new())?;
            if now.files != then.files {
                differs.files.get_or_insert_default();
            }
            differs.settings |= now.settings != then.settings;
        }
        if something_unknown {
            differs.files.get_or_insert_default();
        }
        Ok(Some(source))
    }

    /// The ids that a plan is going to bring and this unit loads.
    fn expected(&self, host: &Look) -> BTreeSet<String> {
        let name = full_name(&self.unit);
        let sets = self.sets.iter().map(|set| Id::new("config_set", set).to_string());
        let at = |kind: &'static str| self.reads.iter().map(move |place| Id::at(kind, place).to_string());
        let (files, folders) = written_by_people(&name);
        let own = files.iter().flat_map(|path| BROUGHT_AS.map(|kind| Id::at(kind, path).to_string()));
        let exact =
            sets.chain(at("file")).chain(at("link")).chain([Id::new("unit_file", &name).to_string()]).chain(own);
        let mut expected: BTreeSet<String> = exact.filter(|id| host.expects(id)).collect();
        let below = |place: &Path| ["file", "link"].map(|kind| format!("{kind}:{}/", place.display()));
        let beginnings =
            self.reads.iter().chain(&folders).flat_map(|place| below(place)).chain([format!("drop_in:{name}/")]);
        expected.extend(beginnings.flat_map(|beginning| host.expected_under(&beginning)));
        expected
    }

    fn stale(&self, unit: &Unit, differs: &Differs, source: Option<String>) -> Option<Stale> {
        let restart = differs.settings || self.on_change == OnChange::Restart || !unit.can_reload;
        let from = match differs {
            Differs { settings: true, .. } => "older settings of the unit".to_owned(),
            Differs { files: Some(files), .. } => match files.as_slice() {
                [] => "an older configuration".to_owned(),
                [one] => format!("an older `{one}`"),
                [one, rest @ ..] => format!("an older `{one}` and {} more", rest.len()),
            },
            Differs { files: None, settings: false } => return None,
        };
        let what = source.map_or_else(|| "what is on disk".to_owned(), |id| format!("what comes with {id}"));
        let how = if restart { "restart" } else { "reload" };
        Some(Stale { from, to: format!("{what} ({how})"), restart })
    }
}

/// Compares what this start of a unit loaded with what is on disk.
fn against(loaded: &Loaded, on_disk: &OnDisk) -> Differs {
    let files = (loaded.digest != on_disk.files).then(Vec::new);
    // A record without settings is from a version that did not compare them.
    Differs { files, settings: !loaded.settings.is_empty() && loaded.settings != on_disk.settings }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::{Duration, SystemTime};

    use super::*;
    use crate::host::Host;
    use crate::host::programs::Real;

    struct Scene {
        root: tempfile::TempDir,
        host: Host,
        service: Service,
        unit: Unit,
    }

    /// A server that started a moment ago, after its file and its unit were written.
    fn scene() -> Scene {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("etc/a")).unwrap();
        fs::create_dir_all(root.path().join("usr/lib/systemd/system")).unwrap();
        fs::write(root.path().join("etc/a/conf"), "one").unwrap();
        fs::write(root.path().join("usr/lib/systemd/system/a.service"), "[Service]\nExecStart=/bin/a\n").unwrap();
        std::thread::sleep(Duration::from_millis(30));
        let host = Host::at(root.path(), Box::new(Real)).unwrap();
        let service = Service {
            reads: vec!["/etc/a".into()],
            on_change: OnChange::Reload,
            sets: vec!["a".into()],
            ..Service::running("a")
        };
        let started = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_micros();
        let unit = Unit {
            name: "a.service".into(),
            names: vec!["a.service".into()],
            active_state: "active".into(),
            service_type: "notify".into(),
            invocation_id: "first".into(),
            exec_main_start: u64::try_from(started).unwrap(),
            can_reload: true,
            ..Unit::default()
        };
        Scene { root, host, service, unit }
    }

    impl Scene {
        fn write(&self, path: &str, text: &str) {
            let place = self.root.path().join(path);
            fs::create_dir_all(place.parent().unwrap()).unwrap();
            fs::write(place, text).unwrap();
        }

        fn has_loaded(&self) {
            let OnDisk { files, settings } =
                self.service.on_disk(&self.host.look(), &self.unit, &Coming::new()).unwrap();
            let loaded =
                Loaded { invocation: self.unit.invocation_id.clone(), digest: files, settings, reads: Vec::new() };
            self.host.touch().ledger_mut().has_loaded("a", loaded).unwrap();
        }

        fn says(&self) -> Option<String> {
            let stale = self.service.staleness(&self.host.look(), &self.unit).unwrap();
            stale.map(|Stale { from, to, .. }| format!("{from} -> {to}"))
        }
    }

    #[test]
    fn a_server_that_started_after_its_files_were_written_is_fresh() {
        assert_eq!(scene().says(), None);
    }

    #[test]
    fn a_file_written_after_the_start_is_not_loaded_yet() {
        let scene = scene();
        scene.write("etc/a/conf", "two");
        assert_eq!(scene.says().unwrap(), "an older `/etc/a/conf` -> what is on disk (reload)");
    }

    #[test]
    fn what_was_loaded_is_compared_by_content() {
        let scene = scene();
        scene.write("etc/a/conf", "two");
        scene.has_loaded();
        assert_eq!(scene.says(), None);
        scene.write("etc/a/conf", "three");
        assert_eq!(scene.says().unwrap(), "an older configuration -> what is on disk (reload)");
        scene.write("etc/a/conf", "two");
        assert_eq!(scene.says(), None);
    }

    #[test]
    fn a_restart_by_somebody_else_loaded_what_was_there_then() {
        let mut scene = scene();
        scene.has_loaded();
        scene.write("etc/a/conf", "two");
        std::thread::sleep(Duration::from_millis(30));
        scene.unit.invocation_id = "second".into();
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_micros();
        scene.unit.exec_main_start = u64::try_from(now).unwrap();
        assert_eq!(scene.says(), None);
    }

    #[test]
    fn what_must_be_loaded_by_the_ledger_is_compared_by_time() {
        let scene = scene();
        scene.has_loaded();
        scene.host.touch().ledger_mut().must_load("a").unwrap();
        assert_eq!(scene.says(), None);
        scene.write("etc/a/conf", "one");
        assert_eq!(scene.says().unwrap(), "an older `/etc/a/conf` -> what is on disk (reload)");
    }

    #[test]
    fn a_stopped_server_has_nothing_to_load_and_one_left_alone_is_left_alone() {
        let mut scene = scene();
        scene.write("etc/a/conf", "two");
        scene.unit.active_state = "failed".into();
        assert_eq!(scene.says(), None);
        scene.unit.active_state = "active".into();
        scene.service.on_change = OnChange::Nothing;
        assert_eq!(scene.says(), None);
    }

    #[test]
    fn changed_settings_of_the_unit_need_a_restart_and_a_new_description_nothing() {
        let scene = scene();
        scene.has_loaded();
        scene.write("etc/systemd/system/a.service.d/x.conf", "[Unit]\nDescription=x\n");
        assert_eq!(scene.says(), None);
        scene.write("etc/systemd/system/a.service.d/x.conf", "[Service]\nNice=1\n");
        scene.write("etc/a/conf", "two");
        assert_eq!(scene.says().unwrap(), "older settings of the unit -> what is on disk (restart)");
    }

    #[test]
    fn a_server_that_cannot_reload_is_restarted() {
        let mut scene = scene();
        scene.unit.can_reload = false;
        scene.write("etc/a/conf", "two");
        assert!(scene.says().unwrap().ends_with("(restart)"));
    }

    #[test]
    fn a_plan_counts_on_what_is_to_come() {
        let scene = scene();
        scene.has_loaded();
        scene.host.expect(&"config_set:a");
        assert_eq!(scene.says().unwrap(), "an older configuration -> what comes with config_set:a (reload)");
        scene.host.expect_nothing();
        assert_eq!(scene.says(), None);
    }

    #[test]
    fn a_plan_knows_that_a_file_on_its_way_is_the_one_that_is_loaded() {
        let scene = scene();
        scene.has_loaded();
        scene.write("etc/a/conf", "edited by hand");
        let look = scene.host.look();
        look.foresee(&"file:/etc/a/conf", Path::new("/etc/a/conf"), Some(b"one"));
        assert!(scene.says().is_some(), "nobody is going to put it back yet");
        scene.host.expect(&"file:/etc/a/conf");
        assert_eq!(scene.says(), None);
        look.foresee(&"file:/etc/a/conf", Path::new("/etc/a/conf"), Some(b"three"));
        assert_eq!(scene.says().unwrap(), "an older configuration -> what comes with file:/etc/a/conf (reload)");
    }

    #[test]
    fn a_plan_tells_a_drop_in_that_needs_a_restart_from_one_that_needs_nothing() {
        let scene = scene();
        let id = "drop_in:a.service/x";
        let path = Path::new("/etc/systemd/system/a.service.d/x.conf");
        scene.host.expect(&id);
        scene.host.look().foresee(&id, path, Some(b"[Unit]\nDescription=x\n"));
        assert_eq!(scene.says(), None);
        scene.host.look().foresee(&id, path, Some(b"[Service]\nNice=1\n"));
        assert_eq!(
            scene.says().unwrap(),
            "older settings of the unit -> what comes with drop_in:a.service/x (restart)"
        );
    }
}
