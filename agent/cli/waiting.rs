//! Waiting for the run that belongs to the start of the machine.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::host::{self, Look, lock};

/// The unit of that run.
const UNIT: &str = "hostagent-boot.service";
/// How often systemd is asked.
const PAUSE: Duration = Duration::from_millis(200);

/// Waits until systemd has started everything that belongs to the boot; whether it has.
///
/// What is enabled may not run yet while the machine comes up, and would seem to have been stopped by somebody.
pub(super) async fn for_start(host: &Look, patience: Duration) -> bool {
    let until = Instant::now() + patience;
    // Who has no systemd, or none that answers, has nothing to wait for.
    while host.has_systemd() && host.is_booting().await.unwrap_or(false) {
        if Instant::now() >= until {
            return false;
        }
        sleep(PAUSE).await;
    }
    true
}

/// What came of waiting.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Waited {
    /// The run is over, and no other one goes on.
    Over,
    /// There was no such run since the machine started, and none is coming: why.
    NotStarted(String),
    /// The time was over first: what was still going on.
    TooLong(String),
}

impl Waited {
    /// What is to be said beside the report.
    pub(super) fn says(&self) -> Option<String> {
        match self {
            Self::Over => None,
            Self::NotStarted(why) => Some(format!("no run belongs to the start of this machine: {why}")),
            Self::TooLong(what) => Some(format!("waited for too long: {what}")),
        }
    }
}

/// Waits until it is over.
///
/// # Errors
/// When systemd does not answer although the time is over.
pub(super) async fn for_boot(host: &Look, patience: Duration) -> Result<Waited, host::Error> {
    let until = Instant::now() + patience;
    loop {
        let now = match at_present(host).await {
            // Early in a boot there is nobody to ask yet.
            Err(_) if host.has_systemd() && Instant::now() < until => None,
            now => Some(now?),
        };
        let going_on = match now {
            None => "systemd does not answer yet".to_owned(),
            Some(Present::GoesOn(what)) => what,
            Some(Present::Over) => return Ok(Waited::Over),
            Some(Present::NotStarted(why)) => return Ok(Waited::NotStarted(why)),
        };
        if Instant::now() >= until {
            return Ok(Waited::TooLong(going_on));
        }
        sleep(PAUSE).await;
    }
}

enum Present {
    GoesOn(String),
    Over,
    NotStarted(String),
}

async fn at_present(host: &Look) -> Result<Present, host::Error> {
    if let Some(holder) = lock::holder() {
        return Ok(Present::GoesOn(format!("a run is going on: {holder}")));
    }
    if !host.has_systemd() {
        return Ok(Present::NotStarted("there is no systemd on this host".to_owned()));
    }
    let unit = host.unit(UNIT).await?;
    Ok(match (unit.active_state.as_str(), unit.sub_state.as_str()) {
        ("failed", _) | ("active", "exited") => Present::Over,
        ("inactive", _) if host.is_booting().await? => Present::GoesOn("the machine is still starting".to_owned()),
        ("inactive", _) if !unit.exists() => Present::NotStarted(format!("there is no `{UNIT}`")),
        ("inactive", _) if unit.is_enabled() == Some(false) => {
            Present::NotStarted(format!("`{UNIT}` is not enabled: `systemctl enable {UNIT}`"))
        }
        ("inactive", _) => Present::NotStarted(format!("`{UNIT}` has not been started: `systemctl status {UNIT}`")),
        _ => Present::GoesOn(format!("`{UNIT}` is {}", unit.state())),
    })
}
