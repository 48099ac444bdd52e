//! Putting a unit right: one start, one reload or one restart, and back to the old configuration if it does not come up.

use std::time::{Duration, SystemTime};

use super::freshness::OnDisk;
use super::{OnChange, Service};
use crate::engine::{Cause, Id};
use crate::host::coming::Coming;
use crate::host::ledger::Loaded;
use crate::host::systemd::{Lasting, Unit, full_name};
use crate::host::{Error, Look, Touch};

/// How long a unit that says nothing of being ready must stay up to count as started.
const STEADY: Duration = Duration::from_millis(300);
/// How long a server may take to be healthy after it was started or reloaded, and how often it is asked.
const HEALTHY: (Duration, Duration) = (Duration::from_secs(10), Duration::from_millis(50));

/// What makes a unit load what is on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Act {
    Start,
    Reload,
    Restart,
}

impl Service {
    pub(super) async fn put_right(&self, host: &Touch) -> Result<(), Cause> {
        let found = host.unit_at_rest(&self.unit).await?;
        if self.masked == Some(true) {
            return self.take_out_of_service(host, &found).await;
        }
        let unit = self.put_files_right(host, found).await?;
        if let Some(cause) = self.obstacle(&unit).filter(|_| self.wants_it_there()) {
            return Err(cause);
        }
        if self.running == Some(false) {
            return self.stop(host, &unit).await;
        }
        match self.due(host, &unit)? {
            Some(act) => self.load(host, &unit, act).await,
            None => Ok(()),
        }
    }

    /// Unmasks, enables or disables it, and lets systemd read its files once if anything about them changed.
    async fn put_files_right(&self, host: &Touch, mut unit: Unit) -> Result<Unit, Cause> {
        if unit.is_masked() && self.wants_it_unmasked() {
            host.unmask(&unit.name).await?;
            // Until it reads its files again systemd goes on as if the unit were masked.
            host.daemon_reload().await?;
            unit = host.unit(&self.unit).await?;
        }
        match (self.enabled, unit.is_enabled()) {
            (Some(true), Some(false)) => host.enable(&unit.name).await?,
            (Some(false), Some(true)) => host.disable(&unit.name).await?,
            _ => {}
        }
        host.settle_units([unit.name.as_str()]).await?;
        Ok(host.unit(&self.unit).await?)
    }

    async fn take_out_of_service(&self, host: &Touch, unit: &Unit) -> Result<(), Cause> {
        if self.running == Some(false) {
            self.stop(host, unit).await?;
        }
        if self.enabled == Some(false) && unit.is_enabled() == Some(true) {
            host.disable(&unit.name).await?;
        }
        if !unit.is_masked() {
            host.mask(&unit.name, Lasting::Always).await?;
        }
        Ok(host.settle_units([unit.name.as_str()]).await?)
    }

    async fn stop(&self, host: &Touch, unit: &Unit) -> Result<(), Cause> {
        if unit.is_up() || unit.active_state == "activating" {
            host.stop(&unit.name).await?;
        }
        Ok(())
    }

    fn due(&self, host: &Touch, unit: &Unit) -> Result<Option<Act>, Cause> {
        if !unit.is_up() {
            return Ok((self.running == Some(true)).then_some(Act::Start));
        }
        let act = |restart| if restart { Act::Restart } else { Act::Reload };
        Ok(self.staleness(host, unit)?.map(|stale| act(stale.restart)))
    }

    /// Has it load what is on disk. What it does not come up with is put back.
    async fn load(&self, host: &Touch, unit: &Unit, act: Act) -> Result<(), Cause> {
        // What is written while it loads may or may not be seen by it: then the next look finds it stale.
        let on_disk = self.on_disk(host, unit, &Coming::new())?;
        if let Err(cause) = self.load_and_ask(host, unit, act).await {
            return Err(self.back(host, unit, act, cause).await);
        }
        // In this order a kill in between costs one more load, and never the copies of what was loaded.
        for name in self.undo_ids(host)? {
            host.was_accepted(&name)?;
            host.forget_old(&name)?;
        }
        self.remember(host, on_disk).await
    }

    async fn load_and_ask(&self, host: &Touch, unit: &Unit, act: Act) -> Result<(), Cause> {
        self.act(host, unit, act).await?;
        if act == Act::Reload
            && let Some(probe) = &self.restart_reason
            && let Some(reason) = probe.ask(host).await?
        {
            tracing::info!(unit = unit.name, reason, "a reload is not enough");
            self.act(host, unit, Act::Restart).await?;
        }
        Ok(())
    }

    /// Acts, and waits until the unit is up to stay and says that it is well.
    async fn act(&self, host: &Touch, unit: &Unit, act: Act) -> Result<(), Cause> {
        let since = SystemTime::now();
        match act {
            Act::Start => {
                if matches!(unit.active_state.as_str(), "failed" | "activating") {
                    // Else systemd may refuse because it was started too often lately.
                    host.reset_failed(&unit.name).await?;
                }
                // A start would wait with systemd until it starts the unit over by itself, which may be in a year.
                if unit.sub_state.starts_with("auto-restart") {
                    host.restart(&unit.name).await?;
                } else {
                    host.start(&unit.name).await?;
                }
            }
            Act::Reload => host.reload_unit(&unit.name).await?,
            Act::Restart => {
                // What we restart counts as a start too, and after five in ten seconds systemd would leave it down.
                if unit.is_up() {
                    host.reset_failed(&unit.name).await?;
                }
                host.restart(&unit.name).await?;
            }
        }
        self.stays_up(host, act, since).await?;
        self.is_well(host).await
    }

    async fn stays_up(&self, host: &Touch, act: Act, since: SystemTime) -> Result<(), Cause> {
        let mut unit = host.unit(&self.unit).await?;
        let invocation = unit.invocation_id.clone();
        // These count as started as soon as their process is there, also if it ends at once.
        if act != Act::Reload && unit.is_up() && matches!(unit.service_type.as_str(), "simple" | "exec" | "idle") {
            tokio::time::sleep(STEADY).await;
            unit = host.unit(&self.unit).await?;
        }
        if unit.is_up() && unit.invocation_id == invocation {
            return Ok(());
        }
        if !unit.conditions_held {
            let says = format!("`{}` did not start: a condition of it does not hold", unit.name);
            let hint = format!("see `systemctl status {0}` and the conditions in `systemctl cat {0}`", unit.name);
            return Err(Cause::new("unit-condition", says).hint(hint));
        }
        let what = if act == Act::Reload { "was reloaded" } else { "was started" };
        let says = format!("`{}` {what} and did not stay up: it is {} ({})", unit.name, unit.state(), unit.result);
        Err(host.unit_failure(&unit.name, &says, since).await.into())
    }

    async fn is_well(&self, host: &Touch) -> Result<(), Cause> {
        let Some(probe) = &self.healthy else { return Ok(()) };
        let until = tokio::time::Instant::now() + HEALTHY.0;
        loop {
            let cause = match probe.ask(host).await {
                Ok(None) => return Ok(()),
                Ok(Some(complaint)) => {
                    Cause::new("unhealthy", format!("`{}` runs and is not well: {complaint}", self.unit))
                }
                Err(error) => error.into(),
            };
            if tokio::time::Instant::now() >= until {
                return Err(cause);
            }
            tokio::time::sleep(HEALTHY.1).await;
        }
    }

    async fn remember(&self, host: &Touch, on_disk: OnDisk) -> Result<(), Cause> {
        if self.on_change == OnChange::Nothing {
            return Ok(());
        }
        let unit = host.unit(&self.unit).await?;
        let OnDisk { files, settings } = on_disk;
        let (invocation, reads) = (unit.invocation_id, self.reads.clone());
        Ok(host.ledger_mut().has_loaded(&unit.name, Loaded { invocation, digest: files, settings, reads })?)
    }

    /// The config sets, and the drop-ins of this unit, that are put back if it cannot load them.
    pub(super) fn undo_ids(&self, host: &Look) -> Result<Vec<String>, Error> {
        let mut names: Vec<String> = self.sets.iter().map(|set| Id::new("config_set", set).to_string()).collect();
        names.extend(host.undo_ids(Id::new("drop_in", format!("{}/", full_name(&self.unit))).as_str())?);
        Ok(names)
    }

    /// Puts the old files back and brings the server back with them. Says in the cause how far that went.
    async fn back(&self, host: &Touch, unit: &Unit, act: Act, cause: Cause) -> Cause {
        let mut any = false;
        let names = match self.undo_ids(host) {
            Ok(names) => names,
            Err(error) => return Cause { says: format!("{}\n{error}", cause.says), ..cause },
        };
        for name in names {
            let put_back = match host.undo(&name) {
                Ok(Some(undo)) => {
                    any = true;
                    host.was_refused(&name, &cause.says).and_then(|()| host.put_back(&undo))
                }
                Ok(None) => Ok(()),
                Err(error) => Err(error),
            };
            if let Err(error) = put_back {
                let hint = "copies of the old files are in /var/lib/hostagent/undo".to_owned();
                let says = format!("{}\nthe old configuration could not be put back: {error}", cause.says);
                return Cause { says, hint: Some(hint), ..cause };
            }
        }
        if !any {
            return cause;
        }
        let name = &unit.name;
        match self.run_as_before(host, act).await {
            Ok(true) => Cause {
                says: format!("{}\nthe old configuration is back, and `{name}` runs with it", cause.says),
                ..cause
            },
            Ok(false) => Cause {
                says: format!("{}\nthe old configuration is back; `{name}` was not running", cause.says),
                ..cause
            },
            Err(error) => Cause {
                says: format!("{}\nthe old configuration is back, but `{name}` is down: {}", cause.says, error.says),
                ..cause
            },
        }
    }

    /// Brings the server back with the old files; `false` if it was down before, and is down now.
    async fn run_as_before(&self, host: &Touch, act: Act) -> Result<bool, Cause> {
        host.settle_units([self.unit.as_str()]).await?;
        let unit = host.unit(&self.unit).await?;
        let on_disk = self.on_disk(host, &unit, &Coming::new())?;
        let again = match act {
            _ if !unit.is_up() => Act::Start,
            Act::Reload if unit.can_reload => Act::Reload,
            _ => Act::Restart,
        };
        let started = self.act(host, &unit, again).await;
        if started.is_err() && act == Act::Start {
            return Ok(false);
        }
        started?;
        self.remember(host, on_disk).await?;
        Ok(true)
    }
}
