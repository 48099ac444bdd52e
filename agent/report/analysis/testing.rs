//! Hand-made runs for the tests of this folder. Times are in milliseconds since the run began.

use crate::report::json::{Entry, Report, Stretch};
use crate::report::moment::Moment;

pub(super) fn stretch(doing: &str, from: f64, till: f64) -> Stretch {
    Stretch { doing: doing.to_owned(), from_ms: Moment::from(from), till_ms: Moment::from(till) }
}

/// A run that read its recipe for 10 ms, surveyed for 10, and acted until `act`.
pub(super) fn run(act: f64, resources: Vec<Entry>) -> Report {
    Report {
        outcome: "converged".to_owned(),
        format: 1,
        recipe: "web.toml".to_owned(),
        began: "2026-01-02T03:04:05.006Z".to_owned(),
        changed: resources.len(),
        parts: vec![
            stretch("recipe", -10.0, 0.0),
            stretch("survey", 0.0, 10.0),
            stretch("removals", 10.0, 10.0),
            stretch("act", 10.0, act),
            stretch("removals", act, act),
            stretch("end", act, act),
        ],
        resources,
        ..Report::default()
    }
}

/// A resource that was changed then, once what it needs was done with.
pub(super) fn changed(id: &str, needs: &[&str], ready: f64, from: f64, till: f64) -> Entry {
    Entry {
        verdict: "changed".to_owned(),
        spans: vec![stretch("surveying", 1.0, 2.0), stretch("applying", from, till)],
        ..right(id, needs, ready, till)
    }
}

/// A resource that was as wanted.
pub(super) fn right(id: &str, needs: &[&str], ready: f64, ended: f64) -> Entry {
    Entry {
        id: id.to_owned(),
        verdict: "ok".to_owned(),
        table: id.split(':').next().unwrap_or_default().to_owned(),
        needs: needs.iter().map(|need| (*need).to_owned()).collect(),
        ready_ms: Some(Moment::from(ready)),
        ended_ms: Some(Moment::from(ended)),
        spans: vec![stretch("surveying", 1.0, 2.0)],
        ..Entry::default()
    }
}
