//! How a resource went through a run: what it waited for, and what was done with it when.
//!
//! Times are counted from the start of the run. They cost a look at the clock each, so every run has them.

use std::collections::BTreeSet;
use std::time::Duration;

use super::plan::{Plan, Work};
use super::resource::Id;

/// What was done with a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doing {
    /// It was looked at before anything was changed.
    Surveying,
    /// It was looked at again when its turn came.
    Looking,
    /// It was put right, or taken away.
    Applying,
    /// It was looked at afterwards.
    Verifying,
}

/// A piece of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// What was done.
    pub doing: Doing,
    /// When it began.
    pub from: Duration,
    /// When it ended.
    pub till: Duration,
}

/// A part of a run. One begins where the other ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// What a killed run left was put right.
    Healing,
    /// Everything was looked at.
    Survey,
    /// What the recipe names no more was taken away.
    Removals,
    /// What differed was put right.
    Act,
    /// Whoever may have read what went was looked at again.
    Again,
}

/// How one resource went through a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Course {
    /// The table of the recipe that asked for it; empty when none does any more.
    pub table: String,
    /// What it waited for, without what one of these waited for itself. `package:*` stands for all that are applied as one.
    pub needs: Vec<Id>,
    /// What it was applied as one with: `package:*`.
    pub with: Option<Id>,
    /// When all that it needs was done with, and it could be put right.
    pub ready: Option<Duration>,
    /// When it was done with, and what needs it could go on.
    pub ended: Option<Duration>,
    /// What was done with it, in order.
    pub spans: Vec<Span>,
}

impl Plan {
    /// The name of all steps of a work: an id, or `kind:*`.
    pub(crate) fn name_of(&self, work: &Work) -> Option<Id> {
        let first = self.steps.get(*work.steps.first()?)?;
        Some(if work.steps.len() > 1 { Id::every(first.id.kind()) } else { first.id.clone() })
    }

    /// What a work waits for, without what follows from the rest.
    pub(crate) fn awaited_by(&self, work: &Work) -> Vec<Id> {
        let before = || work.first.iter().filter_map(|&number| self.works.get(number));
        let implied: BTreeSet<usize> = before().flat_map(|work| &work.first).copied().collect();
        let nearest = work.first.iter().filter(|number| !implied.contains(number));
        nearest.filter_map(|&number| self.name_of(self.works.get(number)?)).collect()
    }
}
