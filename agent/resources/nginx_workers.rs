//! Whether nginx serves with the configuration that is on disk.
//!
//! A reload is a signal: `nginx -s reload` and `systemctl reload` succeed as soon as it is sent. The master then reads the
//! configuration again, and if it cannot (a port is taken, a cache has moved) it says so in its error log and goes on with
//! the workers it has. `nginx -t` does not see this: it lets a taken port pass. What can be seen is when the workers that
//! serve were started: after the newest change of what they read, or before.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::probe::{Answer, Probe};
use crate::engine::Cause;
use crate::host::Look;
use crate::host::files::Kind;

/// Where the master keeps its number; hostagent's nginx.conf says so.
const PID_FILE: &str = "/run/nginx.pid";
/// How long new workers may take to come. A master that gives up says so earlier.
const PATIENCE: Duration = Duration::from_secs(20);
/// How much of the error log is looked at.
const TAIL: u64 = 16 << 10;
/// Starts are counted in hundredths of a second, and so is the time since boot.
const GRAIN: i128 = 20_000_000;

/// Asks, after a start or reload, whether the workers that serve are newer than all of `reads` (files, and directories
/// with what is in them). Waits for them to come.
pub fn are_newer_than(reads: Vec<PathBuf>, error_log: Option<PathBuf>) -> Probe {
    Probe::new(move |host| -> Answer<'_> {
        let (reads, error_log) = (reads.clone(), error_log.clone());
        Box::pin(async move {
            Ok(match taken(host, &reads, error_log.as_deref()).await? {
                Taken::Yes => None,
                Taken::No { says, .. } => Some(says),
            })
        })
    })
}

/// Asks, after a reload, whether only a restart makes nginx take its configuration: where it stands in its own way,
/// because it listens on a port of every address and now shall on one, or the other way round, or because a cache moves.
pub fn must_restart(reads: Vec<PathBuf>, error_log: Option<PathBuf>) -> Probe {
    Probe::new(move |host| -> Answer<'_> {
        let (reads, error_log) = (reads.clone(), error_log.clone());
        Box::pin(async move {
            Ok(match taken(host, &reads, error_log.as_deref()).await? {
                Taken::No { master, lines, .. } => own_obstacle(host, master, &lines)?,
                Taken::Yes => None,
            })
        })
    })
}

/// Whether the configuration was taken.
enum Taken {
    Yes,
    No { master: u32, says: String, lines: Vec<String> },
}

async fn taken(host: &Look, reads: &[PathBuf], error_log: Option<&Path>) -> Result<Taken, Cause> {
    let mut newest = 0;
    for path in reads {
        newest = newest.max(newest_change(host, path)?);
    }
    let began = Instant::now();
    let mut pause = Duration::from_millis(5);
    loop {
        let master = master(host)?;
        if let Some(master) = master
            && serves_since(host, master, newest)?
        {
            return Ok(Taken::Yes);
        }
        let lines = refusal(host, master.unwrap_or_default(), error_log, newest)?;
        if is_final(&lines) || began.elapsed() > PATIENCE {
            return Ok(Taken::No { master: master.unwrap_or_default(), says: complaint(master, error_log, &lines), lines });
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_millis(100));
    }
}

/// The number of the master, if it runs.
fn master(host: &Look) -> Result<Option<u32>, Cause> {
    let text = host.read_text(Path::new(PID_FILE))?.unwrap_or_default();
    let Ok(pid) = text.trim().parse() else { return Ok(None) };
    Ok(host.process(pid)?.filter(|process| process.command.starts_with("nginx: master")).map(|process| process.pid))
}

/// Whether there are workers that take connections, and every one of them started at `newest` or later.
fn serves_since(host: &Look, master: u32, newest: i128) -> Result<bool, Cause> {
    let children = host.children_of(master)?;
    let serves = |command: &str| command.starts_with("nginx: worker process") && !command.contains("shutting down");
    let mut workers = children.iter().filter(|process| serves(&process.command)).peekable();
    Ok(workers.peek().is_some() && workers.all(|worker| worker.started + GRAIN >= newest))
}

/// When anything at or below a path last changed: nanoseconds since the epoch. A file that went away changed its directory.
fn newest_change(host: &Look, path: &Path) -> Result<i128, Cause> {
    let Some(found) = host.found(path)? else { return Ok(0) };
    let mut newest = found.ctime;
    match found.kind {
        Kind::Directory => {
            for name in host.names_in(path)? {
                newest = newest.max(newest_change(host, &path.join(name))?);
            }
        }
        Kind::Link => {
            let target = host.link_target(path)?.unwrap_or_default();
            let target = path.parent().unwrap_or(Path::new("/")).join(target);
            // One that points at a directory is not followed: it could point above itself.
            let file = host.found(&target)?.filter(|found| found.kind == Kind::File);
            newest = newest.max(file.map_or(0, |found| found.ctime));
        }
        Kind::File | Kind::Other => {}
    }
    Ok(newest)
}

/// What the master said since the last reload about why it cannot.
fn refusal(host: &Look, master: u32, error_log: Option<&Path>, newest: i128) -> Result<Vec<String>, Cause> {
    let Some(path) = error_log else { return Ok(Vec::new()) };
    if host.found(path)?.is_none_or(|found| found.ctime + GRAIN < newest) {
        return Ok(Vec::new());
    }
    let lines = host.tail(path, TAIL)?;
    // `nginx -s reload` begins with this line.
    let since = lines.iter().rposition(|line| line.contains("signal process started")).map_or(0, |at| at + 1);
    let of_master = format!("[emerg] {master}#");
    Ok(lines.into_iter().skip(since).filter(|line| line.contains(&of_master)).collect())
}

/// Whether the master has given up: it tries five times to bind, half a second apart, before it does.
fn is_final(lines: &[String]) -> bool {
    lines.last().is_some_and(|line| !line.contains(": bind() to "))
}

fn complaint(master: Option<u32>, error_log: Option<&Path>, lines: &[String]) -> String {
    let log = error_log.map_or("see `journalctl -u nginx`".to_owned(), |path| format!("see `{}`", path.display()));
    if master.is_none() {
        return format!("nginx has no master process ({log})");
    }
    let what = "nginx did not take its configuration and goes on with the one of before";
    // The five attempts say the same.
    let mut said: Vec<&str> = lines.iter().map(|line| line.split_once(": ").map_or(line.as_str(), |(_, says)| says)).collect();
    said.dedup();
    let mut once: Vec<&str> = Vec::new();
    for line in said {
        if !once.contains(&line) {
            once.push(line);
        }
    }
    if once.is_empty() { format!("{what} ({log})") } else { format!("{what}; its error log says:\n  {}", once.join("\n  ")) }
}

/// Why only a restart helps, if one does.
fn own_obstacle(host: &Look, master: u32, lines: &[String]) -> Result<Option<String>, Cause> {
    for line in lines {
        if line.contains("previously it used") {
            return Ok(Some("a cache or zone of the running nginx has moved".to_owned()));
        }
        let address = line.split_once(": bind() to ").and_then(|(_, rest)| rest.split_once(" failed")).map(|(address, _)| address);
        let port = address.and_then(|address| address.rsplit_once(':')).and_then(|(_, port)| port.parse().ok());
        if let (Some(address), Some(port)) = (address, port)
            && host.listens_on(master, port)?
        {
            return Ok(Some(format!("the running nginx itself stands in the way of `{address}`")));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests;
