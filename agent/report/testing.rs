//! Hand-made outcomes for the tests of this folder.

use std::time::{Duration, Instant, SystemTime};

use crate::engine::course::Course;
use crate::engine::outcome::Told;
use crate::engine::{Cause, Changes, Failure, Id, Outcome, Phase, Verdict};

pub(super) fn told(id: &str, verdict: Verdict) -> Told {
    let notes = Vec::new();
    let (started, took) = (Duration::from_millis(1), Duration::from_millis(2));
    let course = Course::default();
    Told { id: Id::from(id), verdict, drift: false, removal: false, notes, started, took, course }
}

pub(super) fn ok(id: &str) -> Told {
    told(id, Verdict::Ok)
}

pub(super) fn changed(id: &str, changes: Changes) -> Told {
    told(id, Verdict::Changed(changes))
}

pub(super) fn pending(id: &str, changes: Changes) -> Told {
    told(id, Verdict::Pending(changes))
}

pub(super) fn drifted(id: &str, changes: Changes) -> Told {
    Told { drift: true, ..changed(id, changes) }
}

pub(super) fn failed(id: &str, phase: Phase, cause: Cause) -> Told {
    told(id, Verdict::Failed(Failure { id: Id::from(id), phase, cause }))
}

pub(super) fn skipped(id: &str, why: &str) -> Told {
    told(id, Verdict::Skipped(why.to_owned()))
}

/// A run on 2026-01-02 at 03:04:05.006 UTC that took 14.2 s.
pub(super) fn run(resources: Vec<Told>) -> Outcome {
    Outcome {
        preview: false,
        resources,
        released: Vec::new(),
        healed: Vec::new(),
        interrupted: false,
        trouble: None,
        began: SystemTime::UNIX_EPOCH + Duration::from_millis(1_767_323_045_006),
        since: Instant::now(),
        parts: Vec::new(),
        took: Duration::from_millis(14_200),
    }
}

pub(super) fn plan(resources: Vec<Told>) -> Outcome {
    Outcome { preview: true, ..run(resources) }
}
