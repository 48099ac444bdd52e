//! What systemd knows of one unit.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use zbus::{Connection, ObjectPath, OwnedObjectPath, OwnedVariant};

use super::bus::{Manager, SYSTEMD};

/// What systemd knows of one unit, in its own words (org.freedesktop.systemd1(5)).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "they are systemd's own properties")]
pub struct Unit {
    /// Its full name; of several, the first.
    pub name: String,
    /// All its names.
    pub names: Vec<String>,
    /// `loaded`, `not-found`, `masked`, `bad-setting`, `error`.
    pub load_state: String,
    /// Why it could not be loaded.
    pub load_error: String,
    /// `active`, `reloading`, `inactive`, `failed`, `activating`, `deactivating`.
    pub active_state: String,
    /// The finer state of its kind, such as `running` or `auto-restart`.
    pub sub_state: String,
    /// What is on disk now: `enabled`, `disabled`, `static`, `masked`, …; empty if it has no file.
    pub unit_file_state: String,
    /// The same as systemd remembers it.
    pub remembered_file_state: String,
    /// Whether the init script that systemd made it of starts at boot; `None` if it was not made of one.
    pub init_script: Option<bool>,
    /// The file that systemd read it from.
    pub fragment: Option<PathBuf>,
    /// The drop-ins that systemd read.
    pub drop_ins: Vec<PathBuf>,
    /// Names this start of the unit and no other; empty before its first.
    pub invocation_id: String,
    /// Whether systemd noticed itself that the files changed. `false` means nothing (systemd#31752).
    pub need_daemon_reload: bool,
    /// When systemd last began to read unit files: microseconds since the epoch.
    pub files_read_at: u64,
    /// Whether it knows how to read its configuration again.
    pub can_reload: bool,
    /// Whether its conditions held when it was last started.
    pub conditions_held: bool,
    /// When it last began to start: microseconds since the epoch, 0 for never.
    pub began_to_start: u64,
    /// `simple`, `forking`, `notify`, … of a service; empty for other units.
    pub service_type: String,
    /// Whether a service counts as active after its process ended.
    pub remain_after_exit: bool,
    /// How a service last ended: `success`, `exit-code`, `timeout`, …
    pub result: String,
    /// The main process of a service; 0 for none.
    pub main_pid: u32,
    /// When the main process of a service started: microseconds since the epoch, 0 for never.
    pub exec_main_start: u64,
    /// How long a service may take to start and to stop.
    pub timeout: Duration,
    /// The job that is under way or due; 0 for none.
    pub job: u32,
}

impl Unit {
    /// Whether there is such a unit.
    pub fn exists(&self) -> bool {
        self.load_state != "not-found"
    }

    /// Whether it runs now. One that fails and is started over and over does not.
    pub fn is_up(&self) -> bool {
        matches!(self.active_state.as_str(), "active" | "reloading" | "refreshing")
    }

    /// Whether somebody has it started, stopped or reloaded just now.
    pub fn is_on_its_way(&self) -> bool {
        let state = self.active_state.as_str();
        self.job != 0 && matches!(state, "activating" | "deactivating" | "reloading" | "refreshing")
    }

    /// Whether nobody can start it.
    pub fn is_masked(&self) -> bool {
        self.load_state == "masked" || self.unit_file_state.starts_with("masked")
    }

    /// Whether it starts at boot; `None` if its file does not let anybody decide that.
    pub fn is_enabled(&self) -> Option<bool> {
        match self.unit_file_state.as_str() {
            "enabled" | "enabled-runtime" | "alias" => Some(true),
            "disabled" | "linked" | "linked-runtime" | "masked" | "masked-runtime" => Some(false),
            "generated" => self.init_script,
            _ => None,
        }
    }

    /// Whether a file on disk describes it.
    pub fn has_file(&self) -> bool {
        !self.unit_file_state.is_empty()
    }

    /// When it started to read its configuration, or a little before: microseconds since the epoch.
    pub fn started(&self) -> u64 {
        // Of a forking service systemd learns the main process only when that has read its files already.
        let known = !matches!(self.service_type.as_str(), "" | "forking") && self.exec_main_start > 0;
        if known { self.exec_main_start } else { self.began_to_start }
    }

    /// Its state in words, such as `activating (auto-restart)`.
    pub fn state(&self) -> String {
        match self.active_state.as_str() {
            state @ ("activating" | "deactivating") => format!("{state} ({})", self.sub_state),
            state => state.to_owned(),
        }
    }

    /// Whether systemd remembers another enablement than there is on disk; then `systemctl status` would tell it wrong.
    pub(super) fn has_stale_enablement(&self) -> bool {
        let (now, then) = (&self.unit_file_state, &self.remembered_file_state);
        !now.is_empty() && !then.is_empty() && now != then
    }
}

/// Looks at a unit: one round trip for its place, one for everything else.
/// When a timer starts its unit next: microseconds since the epoch, 0 for never.
pub(super) async fn next_elapse(connection: &Connection, name: &str) -> zbus::Result<u64> {
    let path = Manager::at(connection).await?.0.load_unit(name).await?;
    Ok(Properties(properties(connection, &path, "org.freedesktop.systemd1.Timer").await?).get("NextElapseUSecRealtime"))
}

pub(super) async fn look(connection: &Connection, name: &str) -> zbus::Result<Unit> {
    let manager = Manager::at(connection).await?;
    let path = manager.0.load_unit(name).await?;
    let (unit, state, files_read_at, service) = tokio::join!(
        properties(connection, &path, "org.freedesktop.systemd1.Unit"),
        manager.0.get_unit_file_state(name),
        manager.units_read_at(),
        of_service(connection, &path, name.ends_with(".service")),
    );
    let (all, of_service) = (Properties(unit?), Properties(service?));
    let listed = |key| all.get::<Vec<String>>(key).into_iter().map(PathBuf::from).collect::<Vec<_>>();
    let sum = of_service.get::<u64>("TimeoutStartUSec").saturating_add(of_service.get("TimeoutStopUSec"));
    Ok(Unit {
        name: all.get("Id"),
        names: all.get("Names"),
        load_state: all.get("LoadState"),
        load_error: all.get::<(String, String)>("LoadError").1,
        active_state: all.get("ActiveState"),
        sub_state: all.get("SubState"),
        // A unit without a file has no such state, and systemd says so by an error.
        unit_file_state: state.unwrap_or_default(),
        remembered_file_state: all.get("UnitFileState"),
        init_script: None,
        fragment: Some(all.get::<String>("FragmentPath")).filter(|path| !path.is_empty()).map(PathBuf::from),
        drop_ins: listed("DropInPaths"),
        invocation_id: hex(&all.get::<Vec<u8>>("InvocationID")),
        need_daemon_reload: all.get("NeedDaemonReload"),
        files_read_at: files_read_at?,
        can_reload: all.get("CanReload"),
        conditions_held: all.get("ConditionResult"),
        began_to_start: all.get("InactiveExitTimestamp"),
        service_type: of_service.get("Type"),
        remain_after_exit: of_service.get("RemainAfterExit"),
        result: of_service.get("Result"),
        main_pid: of_service.get("MainPID"),
        exec_main_start: of_service.get("ExecMainStartTimestamp"),
        timeout: Duration::from_micros(sum),
        job: all.get::<(u32, OwnedObjectPath)>("Job").0,
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The properties of services that matter here. All of them would make systemd read the control group's counters.
const OF_SERVICE: [&str; 7] =
    ["Type", "RemainAfterExit", "Result", "MainPID", "ExecMainStartTimestamp", "TimeoutStartUSec", "TimeoutStopUSec"];

async fn of_service(connection: &Connection, path: &OwnedObjectPath, is_one: bool) -> zbus::Result<Values> {
    let wanted = if is_one { &OF_SERVICE[..] } else { &[] };
    let get = async |name: &&str| {
        let asked = ("org.freedesktop.systemd1.Service", *name);
        let value: OwnedVariant = call(connection, path, "Get", &asked).await?.body().deserialize()?;
        Ok::<_, zbus::Error>(((*name).to_owned(), value))
    };
    // All questions are sent before the first answer is read.
    futures_util::future::try_join_all(wanted.iter().map(get)).await.map(|pairs| pairs.into_iter().collect())
}

async fn properties(connection: &Connection, path: &OwnedObjectPath, interface: &str) -> zbus::Result<Values> {
    call(connection, path, "GetAll", &(interface,)).await?.body().deserialize()
}

async fn call<B>(connection: &Connection, path: &OwnedObjectPath, method: &str, body: &B) -> zbus::Result<zbus::Message>
where
    B: serde::Serialize + zbus::DynamicType,
{
    connection
        .call_method(Some(SYSTEMD), ObjectPath::from(path), Some("org.freedesktop.DBus.Properties"), method, body)
        .await
}

type Values = BTreeMap<String, OwnedVariant>;

struct Properties(Values);

impl Properties {
    /// A property; one that this systemd does not have is empty.
    fn get<T: Default + TryFrom<OwnedVariant>>(&self, name: &str) -> T {
        let known = self.0.get(name).and_then(|value| value.try_clone().ok());
        known.and_then(|value| T::try_from(value).ok()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit(kind: &str) -> Unit {
        Unit { service_type: kind.into(), began_to_start: 100, exec_main_start: 200, ..Unit::default() }
    }

    #[test]
    fn a_forking_server_reads_its_files_before_systemd_knows_its_process() {
        assert_eq!(unit("notify").started(), 200);
        assert_eq!(unit("forking").started(), 100);
        assert_eq!(unit("").started(), 100);
    }

    #[test]
    fn a_unit_that_is_started_over_and_over_is_not_up() {
        let failing = Unit { active_state: "activating".into(), sub_state: "auto-restart".into(), ..Unit::default() };
        assert!(!failing.is_up());
        assert_eq!(failing.state(), "activating (auto-restart)");
    }

    #[test]
    fn a_unit_is_on_its_way_when_a_job_takes_it_there() {
        let unit = |state: &str, job| Unit { active_state: state.into(), job, ..Unit::default() };
        assert!(unit("activating", 7).is_on_its_way() && unit("deactivating", 7).is_on_its_way());
        // It is due, and may wait for this very run; it failed, and systemd will try again.
        assert!(!unit("inactive", 7).is_on_its_way() && !unit("activating", 0).is_on_its_way());
    }

    #[test]
    fn a_static_unit_is_neither_enabled_nor_disabled() {
        let unit = |state: &str| Unit { unit_file_state: state.into(), ..Unit::default() };
        assert_eq!(unit("static").is_enabled(), None);
        assert_eq!(unit("generated").is_enabled(), None);
        let of_script = Unit { init_script: Some(false), ..unit("generated") };
        assert_eq!(of_script.is_enabled(), Some(false));
        assert_eq!(unit("enabled-runtime").is_enabled(), Some(true));
        assert_eq!(unit("masked").is_enabled(), Some(false));
    }
}
