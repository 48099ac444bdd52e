//! The connection to systemd, opened when first needed and again if systemd was re-executed (as its upgrade does).
//!
//! Why not systemd's own socket, `/run/systemd/private`, which needs no bus daemon: there systemd signs its answers with its
//! well-known name where D-Bus wants a unique one, and zbus takes no such answer.

use std::path::Path;
use std::time::Duration;

use tokio::sync::Mutex;
use zbus::proxy::CacheProperties;
use zbus::{Connection, OwnedObjectPath, connection};

use crate::host::doing::doing;
use crate::host::{Error, Look};

/// Where the bus daemon listens.
const SYSTEM_BUS: &str = "/run/dbus/system_bus_socket";
/// How long systemd may take to answer. It is busy for as long while it reads its unit files again.
const PATIENCE: Duration = Duration::from_mins(1);
/// systemd's name on the bus.
pub(super) const SYSTEMD: &str = "org.freedesktop.systemd1";

/// systemd's manager object, as far as it is used here (org.freedesktop.systemd1(5)).
#[zbus::proxy(
    interface = "org.freedesktop.systemd1.Manager",
    default_service = "org.freedesktop.systemd1",
    default_path = "/org/freedesktop/systemd1"
)]
pub(super) trait Manager {
    fn load_unit(&self, name: &str) -> zbus::Result<OwnedObjectPath>;
    fn get_unit_file_state(&self, name: &str) -> zbus::Result<String>;
    fn start_unit(&self, name: &str, mode: &str) -> zbus::Result<OwnedObjectPath>;
    fn stop_unit(&self, name: &str, mode: &str) -> zbus::Result<OwnedObjectPath>;
    fn restart_unit(&self, name: &str, mode: &str) -> zbus::Result<OwnedObjectPath>;
    fn reload_unit(&self, name: &str, mode: &str) -> zbus::Result<OwnedObjectPath>;
    fn reload_or_restart_unit(&self, name: &str, mode: &str) -> zbus::Result<OwnedObjectPath>;
    fn enable_unit_files(&self, files: &[&str], runtime: bool, force: bool) -> zbus::Result<(bool, Vec<FileChange>)>;
    fn disable_unit_files(&self, files: &[&str], runtime: bool) -> zbus::Result<Vec<FileChange>>;
    fn mask_unit_files(&self, files: &[&str], runtime: bool, force: bool) -> zbus::Result<Vec<FileChange>>;
    fn unmask_unit_files(&self, files: &[&str], runtime: bool) -> zbus::Result<Vec<FileChange>>;
    fn reset_failed_unit(&self, name: &str) -> zbus::Result<()>;
    fn reload(&self) -> zbus::Result<()>;
    fn subscribe(&self) -> zbus::Result<()>;
    #[zbus(signal)]
    fn job_removed(&self, id: u32, job: OwnedObjectPath, unit: String, result: String) -> zbus::Result<()>;
    #[zbus(property(emits_changed_signal = "false"))]
    fn system_state(&self) -> zbus::Result<String>;
    #[zbus(property(emits_changed_signal = "false"))]
    fn units_load_timestamp(&self) -> zbus::Result<u64>;
    #[zbus(property(emits_changed_signal = "false"))]
    fn units_load_start_timestamp(&self) -> zbus::Result<u64>;
}

/// Kind of change, the link, where it points.
type FileChange = (String, String, String);

/// The manager over a connection.
pub(super) struct Manager<'c>(pub(super) ManagerProxy<'c>);

impl Manager<'_> {
    pub(super) async fn at(connection: &Connection) -> zbus::Result<Self> {
        Ok(Self(ManagerProxy::builder(connection).cache_properties(CacheProperties::No).build().await?))
    }

    pub(super) async fn reload(&self) -> zbus::Result<()> {
        self.0.reload().await
    }

    /// When systemd last began to read its unit files: microseconds since the epoch.
    pub(super) async fn units_read_at(&self) -> zbus::Result<u64> {
        // Only `UnitsLoadTimestamp` moves when it reads them again; it is 0 until then (seen on 252 and 257).
        match tokio::try_join!(self.0.units_load_timestamp(), self.0.units_load_start_timestamp())? {
            (0, at_boot) => Ok(at_boot),
            (again, _) => Ok(again),
        }
    }
}

/// The connection of one host.
#[derive(Debug, Default)]
pub(in crate::host) struct Bus {
    connection: Mutex<Option<Connection>>,
    /// Held while systemd reads its unit files.
    pub(super) reloading: Mutex<()>,
}

/// A question that was not answered.
#[derive(Debug)]
pub(super) enum Trouble {
    /// There is nobody to ask, or they are silent.
    Silent(Error),
    /// The answer was no.
    Refused(zbus::Error),
}

impl Trouble {
    pub(super) fn into_host(self, doing: &str, unit: &str) -> Error {
        match self {
            Self::Silent(error) => error,
            Self::Refused(error) => refused(doing, Some(unit), &error),
        }
    }
}

/// The error for a refusal.
pub(super) fn refused(doing: &str, unit: Option<&str>, error: &zbus::Error) -> Error {
    let says = match error {
        zbus::Error::MethodError(_, Some(says), _) => says.clone(),
        other => other.to_string(),
    };
    let what = unit.map_or_else(String::new, |name| format!(" `{name}`"));
    Error::said("systemd-refused", format!("systemd could not {doing}{what}: {}", says.trim_end_matches('.')))
}

impl Bus {
    /// The connection, opened if need be.
    pub(super) async fn connection(&self, host: &Look) -> Result<Connection, Error> {
        let _doing = doing(|| "reaching systemd".to_owned());
        let mut held = self.connection.lock().await;
        if let Some(connection) = held.as_ref().filter(|connection| !connection.is_closed()) {
            return Ok(connection.clone());
        }
        let silent = |_elapsed| {
            let says = format!("`{SYSTEM_BUS}` took the connection and said nothing within {PATIENCE:?}");
            Error::said_with_hint("systemd-slow", says, "see `systemctl status dbus`")
        };
        let opened = tokio::time::timeout(PATIENCE, open(host)).await.map_err(silent)??;
        *held = Some(opened.clone());
        Ok(opened)
    }

    /// Asks; once more if the connection turns out to be gone. The question must bear being asked twice.
    pub(super) async fn ask<T>(
        &self,
        host: &Look,
        question: impl AsyncFn(&Connection) -> zbus::Result<T>,
    ) -> Result<T, Trouble> {
        let mut again = true;
        loop {
            let connection = self.connection(host).await.map_err(Trouble::Silent)?;
            match tokio::time::timeout(PATIENCE, question(&connection)).await {
                Ok(Ok(answer)) => return Ok(answer),
                Ok(Err(_)) if connection.is_closed() && again => again = false,
                Ok(Err(error)) => return Err(Trouble::Refused(error)),
                Err(_elapsed) => {
                    let says = format!("systemd did not answer within {PATIENCE:?}");
                    let error =
                        Error::said_with_hint("systemd-slow", says, "see `journalctl -b _PID=1` for what it waits for");
                    return Err(Trouble::Silent(error));
                }
            }
        }
    }
}

async fn open(host: &Look) -> Result<Connection, Error> {
    if host.found(Path::new(SYSTEM_BUS))?.is_none() {
        let (says, hint) = if host.has_systemd() {
            (format!("systemd cannot be asked: `{SYSTEM_BUS}` is not there"), "install `dbus`: `apt-get install dbus`")
        } else {
            (
                "there is no systemd on this host".to_owned(),
                "services can be managed only on a host that systemd has booted",
            )
        };
        return Err(Error::said_with_hint("no-systemd", says, hint));
    }
    let address = format!("unix:path={}", host.place(Path::new(SYSTEM_BUS)).display());
    let opened = connection::Builder::address(address.as_str()).build().await;
    opened.map_err(|error| {
        let says = format!("could not reach systemd over `{SYSTEM_BUS}`: {error}");
        Error::said_with_hint("systemd-silent", says, "does `systemctl status` work here? see `systemctl status dbus`")
    })
}
