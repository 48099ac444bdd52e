//! systemd over one D-Bus connection: what a unit is, and starting, stopping and enabling it.
//!
//! A look costs two round trips and no process. A touch waits for its job and, when the job fails, cites the unit's own
//! last words. Before a unit is started or reloaded systemd is made to read unit files that changed behind its back:
//! whether that is due is seen on disk (`files`), so it survives a kill between the writing and the reading.

mod bus;
mod files;
mod init_script;
mod jobs;
mod settings;
mod unit;

use std::path::Path;
use std::time::Duration;

use super::moment::Moment;
use super::{Error, Look, Touch};
pub(super) use bus::Bus;
use bus::{Manager, refused};
pub use files::is_unit_file;
pub use files::written_by_people;
pub use settings::Settings;
pub use unit::Unit;

/// How long systemd may take to read all unit files again.
const RELOAD_PATIENCE: Duration = Duration::from_mins(3);

/// The suffixes of unit names (systemd.unit(5)).
const KINDS: [&str; 11] =
    ["service", "socket", "timer", "mount", "path", "target", "swap", "slice", "automount", "device", "scope"];

/// A unit's name with its suffix: `nginx` is `nginx.service`.
pub fn full_name(name: &str) -> String {
    match name.rsplit_once('.') {
        Some((_, kind)) if KINDS.contains(&kind) => name.to_owned(),
        _ => format!("{name}.service"),
    }
}

/// A unit's name as people write it: without `.service`.
pub fn short_name(name: &str) -> &str {
    name.strip_suffix(".service").unwrap_or(name)
}

/// How long a mask or an enablement lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lasting {
    /// Also after a reboot.
    Always,
    /// Until the next reboot.
    UntilReboot,
}

impl Look {
    /// Whether systemd runs this host (`sd_booted(3)`).
    pub fn has_systemd(&self) -> bool {
        self.found(Path::new("/run/systemd/system")).is_ok_and(|found| found.is_some())
    }

    /// What systemd knows of a unit; one that does not exist has [`Unit::exists`] false.
    ///
    /// # Errors
    /// When systemd does not answer, or the name is none.
    pub async fn unit(&self, name: &str) -> Result<Unit, Error> {
        let unit = full_name(name);
        let found = self.0.bus.ask(self, async |connection| unit::look(connection, &unit).await).await;
        let found = found.map_err(|error| error.into_host("look at", &unit))?;
        Ok(Unit { init_script: self.init_script(&found)?, ..found })
    }

    /// When a timer starts its unit next, if it does.
    pub async fn timer_elapses(&self, name: &str) -> Option<Moment> {
        if !self.has_systemd() {
            return None;
        }
        let at = self.0.bus.ask(self, async |connection| unit::next_elapse(connection, name).await).await.ok()?;
        let second = i64::try_from(at / 1_000_000).ok()?;
        (0 < second && at < u64::MAX).then_some(Moment::at(second))
    }

    /// Whether the machine is still coming up: systemd has not yet started everything that belongs to the boot.
    ///
    /// # Errors
    /// When systemd does not answer.
    pub async fn is_booting(&self) -> Result<bool, Error> {
        let state =
            self.0.bus.ask(self, async |connection| Manager::at(connection).await?.0.system_state().await).await;
        let state = state.map_err(|error| error.into_host("tell its state of", "the system"))?;
        Ok(matches!(state.as_str(), "initializing" | "starting"))
    }

    /// Whether systemd has yet to read unit files of this unit that changed on disk.
    ///
    /// # Errors
    /// When the files cannot be looked at.
    pub fn needs_daemon_reload(&self, unit: &Unit) -> Result<bool, Error> {
        Ok(unit.need_daemon_reload || unit.has_stale_enablement() || files::changed_since(self, unit)?)
    }
}

impl Touch {
    /// Starts a unit and waits until it says it is up.
    ///
    /// # Errors
    /// When it does not come up; cites its last words.
    pub async fn start(&self, name: &str) -> Result<(), Error> {
        self.settle_units([name]).await?;
        jobs::run(self, &full_name(name), jobs::Verb::Start).await
    }

    /// Stops a unit and waits until it is down.
    ///
    /// # Errors
    /// When it does not go down.
    pub async fn stop(&self, name: &str) -> Result<(), Error> {
        jobs::run(self, &full_name(name), jobs::Verb::Stop).await
    }

    /// Stops a unit, starts it, and waits until it says it is up.
    ///
    /// # Errors
    /// When it does not come up; cites its last words.
    pub async fn restart(&self, name: &str) -> Result<(), Error> {
        self.settle_units([name]).await?;
        jobs::run(self, &full_name(name), jobs::Verb::Restart).await
    }

    /// Makes a running unit read its configuration again.
    ///
    /// # Errors
    /// When it cannot, or does not like it; cites its last words.
    pub async fn reload_unit(&self, name: &str) -> Result<(), Error> {
        self.settle_units([name]).await?;
        jobs::run(self, &full_name(name), jobs::Verb::Reload).await
    }

    /// Makes a unit read its configuration again, by a restart if it knows no other way; starts it if it is down.
    ///
    /// # Errors
    /// When it cannot; cites its last words.
    pub async fn reload_or_restart(&self, name: &str) -> Result<(), Error> {
        self.settle_units([name]).await?;
        jobs::run(self, &full_name(name), jobs::Verb::ReloadOrRestart).await
    }

    /// Enables a unit for the next boots.
    ///
    /// # Errors
    /// When systemd refuses.
    pub async fn enable(&self, name: &str) -> Result<(), Error> {
        let unit = full_name(name);
        if self.enable_init_script(&unit, true).await? {
            return Ok(());
        }
        let done = self.told(async |manager| manager.enable_unit_files(&[&unit], false, false).await.map(drop)).await;
        done.map_err(|error| error.into_host("enable", &unit))
    }

    /// Disables a unit for the next boots.
    ///
    /// # Errors
    /// When systemd refuses.
    pub async fn disable(&self, name: &str) -> Result<(), Error> {
        let unit = full_name(name);
        if self.enable_init_script(&unit, false).await? {
            return Ok(());
        }
        for runtime in [false, true] {
            let done = self.told(async |manager| manager.disable_unit_files(&[&unit], runtime).await.map(drop)).await;
            done.map_err(|error| error.into_host("disable", &unit))?;
        }
        Ok(())
    }

    /// Keeps a unit from being started by anybody. It goes on running if it runs. systemd knows of it after the next
    /// [`Touch::settle_units`].
    ///
    /// # Errors
    /// When systemd refuses.
    pub async fn mask(&self, name: &str, lasting: Lasting) -> Result<(), Error> {
        let (unit, runtime) = (full_name(name), lasting == Lasting::UntilReboot);
        let done = self.told(async |manager| manager.mask_unit_files(&[&unit], runtime, false).await.map(drop)).await;
        done.map_err(|error| error.into_host("mask", &unit))
    }

    /// Lets a unit be started again, whichever way it was masked. systemd knows of it after the next
    /// [`Touch::settle_units`], which starting it brings.
    ///
    /// # Errors
    /// When systemd refuses.
    pub async fn unmask(&self, name: &str) -> Result<(), Error> {
        let unit = full_name(name);
        for runtime in [false, true] {
            let done = self.told(async |manager| manager.unmask_unit_files(&[&unit], runtime).await.map(drop)).await;
            done.map_err(|error| error.into_host("unmask", &unit))?;
        }
        Ok(())
    }

    /// Forgets that a unit failed, and how often it was started lately.
    ///
    /// # Errors
    /// When systemd refuses.
    pub async fn reset_failed(&self, name: &str) -> Result<(), Error> {
        let unit = full_name(name);
        let done = self.told(async |manager| manager.reset_failed_unit(&unit).await).await;
        done.map_err(|error| error.into_host("reset", &unit))
    }

    /// Stops and disables a unit whose files are about to go. Nothing there is fine.
    ///
    /// # Errors
    /// When it does not stop or systemd refuses.
    pub async fn retire_unit(&self, name: &str) -> Result<(), Error> {
        if !self.has_systemd() {
            return Ok(());
        }
        let unit = self.unit(name).await?;
        if unit.is_up() || unit.active_state == "activating" {
            self.stop(name).await?;
        }
        if unit.has_file() {
            self.disable(name).await?;
        }
        if unit.active_state == "failed" {
            self.reset_failed(name).await?;
        }
        Ok(())
    }

    /// Makes a unit load its configuration again if it runs: by a reload, or a restart if it knows none.
    ///
    /// # Errors
    /// When systemd does not answer, or the unit does not come up.
    pub async fn load_again(&self, name: &str) -> Result<(), Error> {
        if !self.has_systemd() || !self.unit(name).await?.is_up() {
            return Ok(());
        }
        let since = std::time::SystemTime::now();
        self.reload_or_restart(name).await?;
        let unit = self.unit(name).await?;
        if unit.is_up() {
            return Ok(());
        }
        let says =
            format!("`{}` was to load its configuration again and did not stay up: it is {}", unit.name, unit.state());
        Err(self.unit_failure(&unit.name, &says, since).await)
    }

    /// Makes systemd read its unit files again if files of one of these units changed since it last did.
    ///
    /// # Errors
    /// When systemd does not answer or refuses.
    pub async fn settle_units<'n>(&self, names: impl IntoIterator<Item = &'n str>) -> Result<(), Error> {
        if !self.has_systemd() {
            return Ok(());
        }
        let _one_at_a_time = self.0.0.bus.reloading.lock().await;
        for name in names {
            let unit = self.unit(name).await?;
            if self.needs_daemon_reload(&unit)? {
                // One reading serves all of them.
                return self.read_units_again().await;
            }
        }
        Ok(())
    }

    /// Makes systemd forget what it read from files that are gone, if unit files or drop-ins are among them.
    ///
    /// # Errors
    /// When systemd does not answer or refuses.
    pub async fn forget_units(&self, gone: &[&Path]) -> Result<(), Error> {
        if gone.iter().any(|path| files::is_unit_file(path)) { self.daemon_reload().await } else { Ok(()) }
    }

    /// Makes systemd read all unit files again, and waits until it has.
    ///
    /// # Errors
    /// When systemd does not answer or refuses.
    pub async fn daemon_reload(&self) -> Result<(), Error> {
        if !self.has_systemd() {
            return Ok(());
        }
        let _one_at_a_time = self.0.0.bus.reloading.lock().await;
        self.read_units_again().await
    }

    async fn read_units_again(&self) -> Result<(), Error> {
        self.wrote();
        tracing::debug!("systemd reads its unit files again");
        let connection = self.0.0.bus.connection(self).await?;
        let reading = async { Manager::at(&connection).await?.reload().await };
        match tokio::time::timeout(RELOAD_PATIENCE, reading).await {
            Ok(done) => done.map_err(|error| refused("read its unit files again", None, &error)),
            Err(_elapsed) => Err(Error::said_with_hint(
                "systemd-slow",
                format!("systemd was still reading its unit files after {RELOAD_PATIENCE:?}"),
                "see `journalctl -b _PID=1` for what it waits for",
            )),
        }
    }

    /// Has the manager do something.
    async fn told<T>(&self, what: impl AsyncFn(&bus::ManagerProxy<'_>) -> zbus::Result<T>) -> Result<T, bus::Trouble> {
        self.wrote();
        self.0.0.bus.ask(self, async |connection| what(&Manager::at(connection).await?.0).await).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "current_thread")]
    async fn a_host_without_systemd_says_so_and_one_without_a_bus_says_what_to_install() {
        let root = tempfile::tempdir().unwrap();
        let host = crate::host::Host::at(root.path(), Box::new(crate::host::programs::Real)).unwrap();
        assert_eq!(host.look().unit("a").await.unwrap_err().to_string(), "there is no systemd on this host");
        std::fs::create_dir_all(root.path().join("run/systemd/system")).unwrap();
        let error = host.look().unit("a").await.unwrap_err();
        assert_eq!(error.to_string(), "systemd cannot be asked: `/run/dbus/system_bus_socket` is not there");
        assert_eq!(error.hint().unwrap(), "install `dbus`: `apt-get install dbus`");
    }

    #[test]
    fn a_name_without_a_suffix_is_a_service() {
        assert_eq!(full_name("nginx"), "nginx.service");
        assert_eq!(full_name("postgresql@15-main"), "postgresql@15-main.service");
        assert_eq!(full_name("docker.socket"), "docker.socket");
        assert_eq!(full_name("php8.2-fpm"), "php8.2-fpm.service");
        assert_eq!(full_name("org.example.app"), "org.example.app.service");
        assert_eq!(short_name("nginx.service"), "nginx");
        assert_eq!(short_name("docker.socket"), "docker.socket");
    }
}
