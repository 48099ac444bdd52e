//! Jobs: starting, stopping and reloading, waited for to their end.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_util::StreamExt;
use zbus::OwnedObjectPath;

use super::Unit;
use super::bus::{Manager, ManagerProxy, refused};
use crate::host::doing::doing;
use crate::host::programs::Program;
use crate::host::{Error, Look, Touch};

/// How long a job may take at least, and at most, whatever the unit says of itself.
const PATIENCE: (Duration, Duration) = (Duration::from_secs(90), Duration::from_mins(15));
/// How often a unit is looked at that is on its way.
const PAUSE: Duration = Duration::from_millis(50);
/// How many of a unit's last words are cited.
const WORDS: &str = "10";

/// What is to be done with a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    Start,
    Stop,
    Restart,
    Reload,
    ReloadOrRestart,
}

impl Verb {
    fn word(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Stop => "stop",
            Self::Restart => "restart",
            Self::Reload => "reload",
            Self::ReloadOrRestart => "reload or restart",
        }
    }

    async fn enqueue(self, manager: &ManagerProxy<'_>, unit: &str) -> zbus::Result<OwnedObjectPath> {
        match self {
            Self::Start => manager.start_unit(unit, "replace").await,
            Self::Stop => manager.stop_unit(unit, "replace").await,
            Self::Restart => manager.restart_unit(unit, "replace").await,
            Self::Reload => manager.reload_unit(unit, "replace").await,
            Self::ReloadOrRestart => manager.reload_or_restart_unit(unit, "replace").await,
        }
    }
}

/// Does it and waits until it is done.
pub(super) async fn run(host: &Touch, unit: &str, verb: Verb) -> Result<(), Error> {
    host.wrote();
    let patience = host.unit(unit).await?.timeout.clamp(PATIENCE.0, PATIENCE.1);
    let since = SystemTime::now();
    let connection = host.0.0.bus.connection(host).await?;
    let refusal = |error: zbus::Error| refused(verb.word(), Some(unit), &error);
    let work = async {
        let manager = Manager::at(&connection).await.map_err(refusal)?.0;
        // systemd tells of jobs only whoever asked for it. Asked already is fine.
        let _ = manager.subscribe().await;
        // Listening comes first: a short job may end before its own answer is read.
        let mut ended = manager.receive_job_removed().await.map_err(refusal)?;
        let job = verb.enqueue(&manager, unit).await.map_err(refusal)?;
        while let Some(signal) = ended.next().await {
            let told = signal.args().map_err(refusal)?;
            if told.job == job {
                return Ok(told.result);
            }
        }
        Err(Error::said("systemd-silent", format!("systemd went away while it was to {} `{unit}`", verb.word())))
    };
    tracing::debug!(unit, verb = verb.word(), "asking systemd");
    let _doing = doing(|| format!("waiting for systemd to {} `{unit}`", verb.word()));
    let result = match tokio::time::timeout(patience, work).await {
        Ok(told) => told?,
        Err(_elapsed) => format!("still busy after {} s", patience.as_secs()),
    };
    if matches!(result.as_str(), "done" | "skipped") {
        return Ok(());
    }
    let says = format!("`{unit}` did not {} ({result})", verb.word());
    Err(failed(host, unit, &says, since).await)
}

/// The error for a unit that failed, with its own last words.
async fn failed(host: &Look, unit: &str, says: &str, since: SystemTime) -> Error {
    let words = last_words(host, unit, since).await;
    let cited = if words.is_empty() { says.to_owned() } else { format!("{says}:\n{words}") };
    Error::said_with_hint("unit-failed", cited, format!("see `systemctl status {unit}` and `journalctl -u {unit}`"))
}

/// What a unit, and systemd about it, logged since then.
async fn last_words(host: &Look, unit: &str, since: SystemTime) -> String {
    let seconds = since.duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
    let ask = Program::asks("journalctl")
        .args(["--quiet", "--no-pager", "--output=cat", "--lines", WORDS])
        .arg(format!("--since=@{seconds}"))
        .args(["--unit", unit])
        .patience(Duration::from_secs(10));
    for pause in [50, 300] {
        // journald writes a moment later than the unit speaks.
        tokio::time::sleep(Duration::from_millis(pause)).await;
        let Ok(output) = host.ask(&ask).await else { break };
        let lines: Vec<String> = output.stdout.lines().map(|line| format!("  {}", line.trim_end())).collect();
        if !lines.is_empty() {
            return lines.join("\n");
        }
    }
    String::new()
}

impl Look {
    /// The unit, once nobody has it started, stopped or reloaded any more: a run that was killed may have asked for that.
    /// A server that is on its way up has read its configuration already, and a start would only wait for that one.
    ///
    /// # Errors
    /// When systemd does not answer.
    pub async fn unit_at_rest(&self, unit: &str) -> Result<Unit, Error> {
        let mut found = self.unit(unit).await?;
        let until = tokio::time::Instant::now() + found.timeout.clamp(PATIENCE.0, PATIENCE.1);
        while found.is_on_its_way() && tokio::time::Instant::now() < until {
            tokio::time::sleep(PAUSE).await;
            found = self.unit(unit).await?;
        }
        Ok(found)
    }

    /// The error for a unit that is not as it should be, with what it logged since then.
    pub async fn unit_failure(&self, unit: &str, says: &str, since: SystemTime) -> Error {
        failed(self, &super::full_name(unit), says, since).await
    }
}
