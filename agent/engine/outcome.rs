//! What came of a plan or a run: plain data, for the terminal, the journal and JSON alike.

use std::time::{Duration, Instant, SystemTime};

use super::changes::{Change, Changes};
use super::course::{Course, Part};
use super::failure::{Cause, Failure};
use super::resource::Id;

/// What came of one resource.
#[derive(Debug)]
pub enum Verdict {
    /// As wanted; nothing was done.
    Ok,
    /// Was put right, and looked at again.
    Changed(Changes),
    /// Differs; a plan leaves it so.
    Pending(Changes),
    /// Could not be looked at or put right.
    Failed(Failure),
    /// Was left alone, for this reason.
    Skipped(String),
}

impl Verdict {
    /// Its word in reports: `ok`, `changed`, `pending`, `failed` or `skipped`.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Changed(_) => "changed",
            Self::Pending(_) => "pending",
            Self::Failed(_) => "failed",
            Self::Skipped(_) => "skipped",
        }
    }

    /// The differences it speaks of.
    pub fn changes(&self) -> &[Change] {
        match self {
            Self::Changed(changes) | Self::Pending(changes) => changes.list(),
            _ => &[],
        }
    }
}

/// One resource in an outcome.
#[derive(Debug)]
pub struct Told {
    /// The resource.
    pub id: Id,
    /// What came of it.
    pub verdict: Verdict,
    /// Whether the host was changed by somebody (and not the recipe): it was as wanted when hostagent last left it.
    pub drift: bool,
    /// Whether it is there no more in the recipe, and hostagent takes away what it made.
    pub removal: bool,
    /// Remarks, such as "edited by hand, kept".
    pub notes: Vec<String>,
    /// From the start of the run to the first touch of this resource.
    pub started: Duration,
    /// How long its looks and its apply took.
    pub took: Duration,
    /// What it waited for and what was done with it when; told when the run has ended.
    pub course: Course,
}

/// What came of a whole run.
#[derive(Debug)]
pub struct Outcome {
    /// Whether it was only a plan.
    pub preview: bool,
    /// Every resource, in the plan's order; removals last.
    pub resources: Vec<Told>,
    /// What the recipe stopped naming and hostagent keeps because it may hold data.
    pub released: Vec<Id>,
    /// What it repaired before it began: traces of a run that was killed.
    pub healed: Vec<String>,
    /// Whether it was asked to stop before its end.
    pub interrupted: bool,
    /// What went wrong beside the resources, such as a ledger that could not be written.
    pub trouble: Option<Cause>,
    /// When it began.
    pub began: SystemTime,
    /// The same by the clock that its times are counted with.
    pub since: Instant,
    /// Its parts, in order, and when each ended.
    pub parts: Vec<(Part, Duration)>,
    /// How long it took.
    pub took: Duration,
}

impl Outcome {
    /// How many resources have this word as verdict.
    pub fn count(&self, word: &str) -> usize {
        self.resources.iter().filter(|told| told.verdict.word() == word).count()
    }

    /// One word for the whole: `converged`, `planned`, `failed`.
    pub fn word(&self) -> &'static str {
        match (self.count("failed") > 0 || self.interrupted || self.trouble.is_some(), self.preview) {
            (true, _) => "failed",
            (false, true) => "planned",
            (false, false) => "converged",
        }
    }

    /// Whether nothing failed and nothing was left out.
    pub fn is_good(&self) -> bool {
        self.word() != "failed" && self.count("skipped") == 0
    }
}
