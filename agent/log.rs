//! Where events go: the journal when root and the journal is there, and standard error for what is worth a warning.
//!
//! | level | what |
//! |---|---|
//! | error, warn | something failed, was skipped, or is odd |
//! | info | something on the host was changed |
//! | debug | a look; the only level that may hold values from a recipe, and only `-vv` shows it |
//!
//! Events of other crates go nowhere: a database client's hold whole statements.

use std::os::fd::AsRawFd;
use std::path::Path;
use std::time::Duration;

use nix::sys::socket::{UnixAddr, getpeername};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::prelude::*;

use crate::report::{journal, out};

/// The journal's socket (systemd-journald.service(8)).
const JOURNAL: &str = "/run/systemd/journal/socket";
/// Where journald takes what services print.
const JOURNAL_STDOUT: &str = "/run/systemd/journal/stdout";
/// How long journald may take to read a line.
const LAST_WORDS: Duration = Duration::from_millis(150);
/// This program's own events.
const OURS: &str = env!("CARGO_PKG_NAME");

/// Starts sending events. `debug` shows looks on standard error.
pub fn start(debug: bool) {
    let journal = (crate::host::state::is_root() && Path::new(JOURNAL).exists())
        .then(tracing_journald::layer)
        .and_then(Result::ok)
        // Without this every field would be called `F_…`, and nothing could know a MESSAGE_ID.
        .map(|layer| layer.with_field_prefix(None).with_syslog_identifier(OURS.to_owned()))
        .map(|layer| layer.with_filter(Targets::new().with_target(OURS, LevelFilter::INFO)));

    let level = if debug { LevelFilter::DEBUG } else { LevelFilter::WARN };
    let screen = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .without_time()
        .with_target(false)
        .with_filter(Targets::new().with_target(OURS, level).with_target(journal::TARGET, LevelFilter::OFF));

    // Only a test could have started one before.
    drop(tracing_subscriber::registry().with(journal).with(screen).try_init());
}

/// Whether standard output ends in the journal, which has every event of a run already. Not by `JOURNAL_STREAM`: where the
/// two outputs go different ways, such as to the console too, it speaks of standard error alone (systemd.exec(5)).
pub fn stdout_is_journal() -> bool {
    let peer = getpeername::<UnixAddr>(std::io::stdout().as_raw_fd());
    peer.is_ok_and(|peer| peer.path() == Some(Path::new(JOURNAL_STDOUT)))
}

/// In a unit, stays until journald has read the last words: it looks up whose they are only then, and of a process that is
/// gone it cannot, so that `journalctl -u` would not have them (systemd#2913).
pub async fn stay_for_the_last_words() {
    if stdout_is_journal() {
        tokio::time::sleep(LAST_WORDS).await;
    }
}

/// Makes a panic tell where it happened and not what it held: its message may quote a value.
pub fn tame_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map_or_else(String::new, |at| format!(" at {}:{}", at.file(), at.line()));
        let version = env!("CARGO_PKG_VERSION");
        // Standard error says it below; nobody may be reading that.
        tracing::error!(target: journal::TARGET, "this is a bug in hostagent {version}{place}");
        out::complain(&format!(
            "error: this is a bug in hostagent {version}{place}\n\
             hint: please report it with this line and the recipe, its names changed; running again is safe\n"
        ));
    }));
}
