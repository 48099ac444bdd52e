//! Whether nginx serves with the configuration that is on disk.
//!
//! A reload is a signal: `nginx -s reload` and `systemctl reload` succeed as soon as it is sent. The master then reads the
//! configuration again, and if it cannot (a port is taken, a cache has moved) it says so in its error log and goes on with
//! the workers it has. `nginx -t` does not see this: it lets a taken port pass. What can be seen is when the workers that
//! serve were started: after the newest change of what they read, or before.

pub mod build;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::files::Kind;
use super::probe::Probe;
use super::{Error, Look};

/// Where the master keeps its number; hostagent's nginx.conf says so.
const PID_FILE: &str = "/run/nginx.pid";
/// How long new workers may take to come.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long they may take once the master has said that it cannot: it tries for 2.5 s to bind, and the words may be of a
/// reload before this one.
const SHORT_PATIENCE: Duration = Duration::from_millis(if cfg!(test) { 100 } else { 3000 });
/// How much of the error log is looked at.
const TAIL: u64 = 16 << 10;
/// Starts are rounded down to a hundredth of a second.
const GRAIN: i128 = 10_000_000;

/// Asks, after a start or reload, whether the workers that serve are newer than all of `reads` (files, and directories
/// with what is in them). Waits for them to come.
pub fn are_newer_than(reads: Vec<PathBuf>, error_log: Option<PathBuf>) -> Probe {
    let read = Read { files: reads, error_log };
    Probe::new(async move |host: &Look| {
        Ok(match taken(host, &read).await? {
            Taken::Yes => None,
            Taken::No { says, .. } => Some(says),
        })
    })
}

/// Asks, after a reload, whether only a restart makes nginx take its configuration: where it stands in its own way,
/// because it listens on a port of every address and now shall on one, or the other way round, or because a cache moves.
pub fn must_restart(reads: Vec<PathBuf>, error_log: Option<PathBuf>) -> Probe {
    let read = Read { files: reads, error_log };
    Probe::new(async move |host: &Look| match taken(host, &read).await? {
        Taken::No { master, lines, .. } => own_obstacle(host, master, &lines),
        Taken::Yes => Ok(None),
    })
}

/// What nginx reads, and where it says what it dislikes.
struct Read {
    files: Vec<PathBuf>,
    error_log: Option<PathBuf>,
}

/// Whether the configuration was taken.
enum Taken {
    Yes,
    No { master: u32, says: String, lines: Vec<String> },
}

async fn taken(host: &Look, read: &Read) -> Result<Taken, Error> {
    let error_log = read.error_log.as_deref();
    let mut newest = 0;
    for path in &read.files {
        newest = newest.max(newest_change(host, path)?);
    }
    let began = Instant::now();
    let mut pause = Duration::from_millis(5);
    loop {
        let running = master(host)?;
        if let Some(pid) = running
            && serves_since(host, pid, newest)?
        {
            return Ok(Taken::Yes);
        }
        let lines = refusal(host, running.unwrap_or_default(), error_log, newest)?;
        if began.elapsed() > if is_final(&lines) { SHORT_PATIENCE } else { PATIENCE } {
            return Ok(Taken::No {
                master: running.unwrap_or_default(),
                says: complaint(running, error_log, &lines),
                lines,
            });
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_millis(25));
    }
}

/// The number of the master, if it runs.
fn master(host: &Look) -> Result<Option<u32>, Error> {
    let text = host.read_text(Path::new(PID_FILE))?.unwrap_or_default();
    let Ok(pid) = text.trim().parse() else { return Ok(None) };
    Ok(host.process(pid)?.filter(|process| process.command.starts_with("nginx: master")).map(|process| process.pid))
}

/// Whether there are workers that take connections, and every one of them started at `newest` or later.
fn serves_since(host: &Look, master: u32, newest: i128) -> Result<bool, Error> {
    let children = host.children_of(master)?;
    let serves = |command: &str| command.starts_with("nginx: worker process") && !command.contains("shutting down");
    let mut workers = children.iter().filter(|process| serves(&process.command)).peekable();
    Ok(workers.peek().is_some() && workers.all(|worker| worker.started + GRAIN > newest))
}

/// When anything at or below a path last changed: nanoseconds since the epoch. A file that went away changed its directory.
///
/// A change that is still to come was made before the clock was set back, whenever that was: it is passed over. Else nothing
/// that is started now would seem to have read such a file, for as many years as the clock was wrong.
fn newest_change(host: &Look, path: &Path) -> Result<i128, Error> {
    let Some(found) = host.found(path)? else { return Ok(0) };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let is_to_come = |time: &i128| *time > i128::try_from(now.as_nanos()).unwrap_or(i128::MAX);
    let mut newest = Some(found.ctime).filter(|time| !is_to_come(time)).unwrap_or_default();
    match found.kind {
        Kind::Directory => {
            for name in host.names_in(path)? {
                newest = newest.max(newest_change(host, &path.join(name))?);
            }
        }
        Kind::Link => {
            let target = host.link_target(path)?.unwrap_or_default();
            let place = path.parent().unwrap_or(Path::new("/")).join(target);
            // One that points at a directory is not followed: it could point above itself.
            let file = host.found(&place)?.filter(|found| found.kind == Kind::File);
            let changed = file.map(|found| found.ctime).filter(|time| !is_to_come(time));
            newest = newest.max(changed.unwrap_or_default());
        }
        Kind::File | Kind::Other => {}
    }
    Ok(newest)
}

/// What the master said since the last reload about why it cannot.
fn refusal(host: &Look, master: u32, error_log: Option<&Path>, newest: i128) -> Result<Vec<String>, Error> {
    let Some(path) = error_log else { return Ok(Vec::new()) };
    if host.found(path)?.is_none_or(|found| found.ctime < newest) {
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
    // The five attempts to bind say the same.
    let mut once: Vec<&str> = Vec::new();
    for line in lines {
        let says = line.split_once(": ").map_or(line.as_str(), |(_, says)| says);
        if !once.contains(&says) {
            once.push(says);
        }
    }
    if once.is_empty() {
        format!("{what} ({log})")
    } else {
        format!("{what}; its error log says:\n  {}", once.join("\n  "))
    }
}

/// Why only a restart helps, if one does.
fn own_obstacle(host: &Look, master: u32, lines: &[String]) -> Result<Option<String>, Error> {
    for line in lines {
        if line.contains("previously it used") {
            return Ok(Some("a cache or zone of the running nginx has moved".to_owned()));
        }
        let Some((_, attempt)) = line.split_once(": bind() to ") else { continue };
        let Some((address, _)) = attempt.split_once(" failed") else { continue };
        let Some(port) = address.rsplit_once(':').and_then(|(_, number)| number.parse().ok()) else { continue };
        if host.listens_on(master, port)? {
            return Ok(Some(format!("the running nginx itself stands in the way of `{address}`")));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests;
