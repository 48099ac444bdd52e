//! A run in the journal: an entry an event, with fields that a program can ask for. Of what changed it names the keys, not
//! the values.
//!
//! What failed is told in the words of whoever refused, which may cite a line of a file or the command of a `[[run]]`:
//! secrets are in neither. A plan writes nothing.

use tracing::{error, info, warn};

use crate::engine::outcome::Told;
use crate::engine::run::Event;
use crate::engine::{Outcome, Verdict};

use super::json::{millis, phase_word};
use super::message_ids as ids;
use super::words::{count, list, took};

/// The target of these events: they are for the journal, and a terminal has its own report.
pub const TARGET: &str = "hostagent::run";

/// Tells of what happens in a run.
pub fn see(event: &Event<'_>) {
    match event {
        Event::Began { resources } => {
            info!(target: TARGET, MESSAGE_ID = ids::RUN_BEGAN, RESOURCES = *resources, "converging {}", count(*resources, "resource"));
        }
        Event::Healed(what) => warn!(target: TARGET, MESSAGE_ID = ids::HEALED, "repaired first: {what}"),
        Event::Started(_) => {}
        Event::Ended(told) => ended(told),
    }
}

/// Tells how a run ended.
pub fn end(outcome: &Outcome) {
    for id in &outcome.released {
        warn!(target: TARGET, MESSAGE_ID = ids::RELEASED, RESOURCE = id.as_str(), "{id} is no longer managed and stays");
    }
    if let Some(cause) = &outcome.trouble {
        let hint = cause.hint.as_deref().unwrap_or_default();
        error!(target: TARGET, MESSAGE_ID = ids::FAILED, CODE = cause.code, HINT = hint, "{}", cause.says);
    }
    let (word, took_ms) = (outcome.word(), millis(outcome.took));
    let (changed, failed, skipped, ok) =
        (outcome.count("changed"), outcome.count("failed"), outcome.count("skipped"), outcome.count("ok"));
    let says = format!(
        "{word}: {changed} changed, {failed} failed, {skipped} skipped, {ok} as they were, in {}",
        took(outcome.took)
    );
    // A field's level is fixed where it is written.
    if outcome.is_good() {
        info!(target: TARGET, MESSAGE_ID = ids::RUN_ENDED, OUTCOME = word, CHANGED = changed, FAILED = failed, SKIPPED = skipped, OK = ok, TOOK_MS = took_ms, "{says}");
    } else {
        error!(target: TARGET, MESSAGE_ID = ids::RUN_ENDED, OUTCOME = word, CHANGED = changed, FAILED = failed, SKIPPED = skipped, OK = ok, TOOK_MS = took_ms, "{says}");
    }
}

/// Tells what else is to be known of a run.
pub fn note(note: &str) {
    warn!(target: TARGET, MESSAGE_ID = ids::NOTE, "note: {note}");
}

/// Tells of a boot that came to nothing: what is wrong, in a line. Standard error has the rest.
pub fn refused(code: &str, says: &str) {
    error!(target: TARGET, MESSAGE_ID = ids::RUN_ENDED, OUTCOME = "failed", CODE = code, "failed: {says}");
}

fn ended(told: &Told) {
    let (id, verdict, took_ms) = (told.id.as_str(), told.verdict.word(), millis(told.took));
    match &told.verdict {
        Verdict::Ok | Verdict::Pending(_) => {}
        Verdict::Changed(changes) => {
            let what = changes.list().iter().map(|change| change.what.as_str()).collect::<Vec<_>>().join(",");
            let names = list(changes.list().iter().map(|change| change.what.as_str()));
            let message_id = if told.drift { ids::DRIFT } else { ids::CHANGED };
            let why = match (told.removal, told.drift) {
                (true, _) => "is taken away, as the recipe names it no more",
                (_, true) => "had been changed by somebody, and is put right",
                (_, false) => "is changed, as the recipe wants",
            };
            info!(target: TARGET, MESSAGE_ID = message_id, RESOURCE = id, VERDICT = verdict, WHAT = what, TOOK_MS = took_ms, "{id} {why}: {names}");
        }
        Verdict::Failed(failure) => {
            let (cause, phase) = (&failure.cause, phase_word(failure.phase));
            let hint = cause.hint.as_deref().unwrap_or_default();
            error!(target: TARGET, MESSAGE_ID = ids::FAILED, RESOURCE = id, VERDICT = verdict, CODE = cause.code, PHASE = phase, HINT = hint, TOOK_MS = took_ms, "{id}: {}: {}", failure.doing(), cause.says);
        }
        Verdict::Skipped(reason) => {
            warn!(target: TARGET, MESSAGE_ID = ids::SKIPPED, RESOURCE = id, VERDICT = verdict, "{id} is skipped: {reason}");
        }
    }
}
