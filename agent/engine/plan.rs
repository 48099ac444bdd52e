//! What is wanted, as a graph of resources: plain data, the same for a preview and for a run.

use std::collections::{BTreeMap, BTreeSet, btree_map};

use super::resource::{AnyResource, Id, Resource};
use crate::problem::{KeyPath, Place, Problem, Step as KeyStep};

/// A draft that features add to. [`Draft::finish`] makes it a plan or lists every problem.
#[derive(Debug, Default)]
pub struct Draft {
    steps: Vec<Step>,
    by_id: BTreeMap<Id, usize>,
    problems: Vec<Problem>,
    here: KeyPath,
}

/// One resource of a plan and where it stands in it.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) id: Id,
    pub(crate) resource: Box<dyn AnyResource>,
    /// A digest of what is wanted.
    pub(crate) wanted: String,
    /// The place in the recipe that asked for it.
    pub(crate) at: KeyPath,
    /// Must be in the plan, and right, first.
    after: BTreeSet<Id>,
    /// Indices of the steps that come first.
    pub(crate) first: BTreeSet<usize>,
}

/// What is wanted, in an order that respects every edge. Steps that are applied as one stand together in one [`Work`].
#[derive(Debug)]
pub struct Plan {
    pub(crate) steps: Vec<Step>,
    pub(crate) works: Vec<Work>,
    /// Whether parts of the recipe were left out on purpose: then nothing counts as no longer wanted.
    pub(crate) partial: bool,
}

/// What is done in one go: a step, or all steps of a kind that is applied together.
#[derive(Debug)]
pub(crate) struct Work {
    pub(crate) steps: Vec<usize>,
    /// Indices of the works that come first.
    pub(crate) first: BTreeSet<usize>,
}

impl Work {
    /// A step that is done by itself.
    fn of((index, step): (usize, &Step)) -> Self {
        Self { steps: vec![index], first: step.first.clone() }
    }
}

/// A resource just added, to say what it comes after.
#[derive(Debug)]
pub struct Added<'d> {
    draft: &'d mut Draft,
    index: usize,
    id: Id,
}

impl Added<'_> {
    /// It comes after `id`, which must be in the plan: else that is a problem of the recipe.
    pub fn after(self, id: &Id) -> Self {
        if let Some(step) = self.draft.steps.get_mut(self.index) {
            step.after.insert(id.clone());
        }
        self
    }

    /// Its id.
    pub fn id(&self) -> Id {
        self.id.clone()
    }
}

impl Draft {
    /// Says which place of the recipe the resources added from here on, and the problems, belong to.
    pub fn at(&mut self, place: KeyPath) -> &mut Self {
        self.here = place;
        self
    }

    /// Adds a resource. The same one twice is one; two that differ under one id are a problem.
    pub fn add(&mut self, resource: impl Resource) -> Added<'_> {
        let resource: Box<dyn AnyResource> = Box::new(resource);
        let (id, wanted) = (resource.id(), resource.wanted());
        let index = match self.by_id.entry(id.clone()) {
            btree_map::Entry::Vacant(vacant) => {
                vacant.insert(self.steps.len());
                let step = Step { id: id.clone(), resource, wanted, at: self.here.clone(), after: BTreeSet::new(), first: BTreeSet::new() };
                self.steps.push(step);
                self.steps.len() - 1
            }
            btree_map::Entry::Occupied(occupied) => {
                let index = *occupied.get();
                if let Some(step) = self.steps.get(index).filter(|step| step.wanted != wanted) {
                    let says = format!("`{id}` is wanted twice, in different ways");
                    self.problems.push(Problem::new(self.here.clone(), says).hint(format!("the other one is at `{}`", step.at)));
                }
                index
            }
        };
        Added { draft: self, index, id }
    }

    /// Whether something of this id was added.
    pub fn has(&self, id: &Id) -> bool {
        self.by_id.contains_key(id)
    }

    /// Notes a problem of the recipe at the current place.
    pub fn problem(&mut self, says: impl Into<String>, hint: impl Into<String>) {
        self.problems.push(Problem::new(self.here.clone(), says).hint(hint));
    }

    /// Notes a problem of the recipe at a place.
    pub fn problem_at(&mut self, place: KeyPath, says: impl Into<String>, hint: impl Into<String>) {
        self.problems.push(Problem::new(place, says).hint(hint));
    }

    /// Makes it a plan.
    ///
    /// # Errors
    /// Every problem of the draft: those that features noted, ids that nobody declares, and cycles.
    pub fn finish(mut self) -> Result<Plan, Vec<Problem>> {
        self.resolve();
        let alone: Vec<Work> = self.steps.iter().enumerate().map(Work::of).collect();
        let (works, order) = match sorted(&alone) {
            Ok(order) => {
                let works = self.works(&order);
                let order = sorted(&works).unwrap_or_else(|ring| self.wait_for_each_other(&works, &ring));
                (works, order)
            }
            Err(ring) => (Vec::new(), self.wait_for_each_other(&alone, &ring)),
        };
        if !self.problems.is_empty() {
            return Err(self.problems);
        }
        let place: BTreeMap<usize, usize> = order.iter().enumerate().map(|(new, &old)| (old, new)).collect();
        let moved = |old: &usize| place.get(old).copied();
        let works = order.iter().filter_map(|&old| works.get(old));
        let works = works.map(|work| Work { steps: work.steps.clone(), first: work.first.iter().filter_map(moved).collect() }).collect();
        Ok(Plan { steps: self.steps, works, partial: false })
    }

    /// Complains of a ring, which has no order.
    fn wait_for_each_other(&mut self, works: &[Work], ring: &[usize]) -> Vec<usize> {
        let ring = ring.iter().filter_map(|&work| self.steps.get(*works.get(work)?.steps.first()?));
        let ids: Vec<String> = ring.map(|step| format!("`{}`", step.id)).collect();
        let says = format!("these wait for each other: {}", ids.join(" -> "));
        self.problems.push(Problem::new(Place::Nowhere, says).hint("let one of them not need the other"));
        Vec::new()
    }

    /// Turns ids into edges.
    fn resolve(&mut self) {
        let mut edges: Vec<BTreeSet<usize>> = Vec::with_capacity(self.steps.len());
        for (index, step) in self.steps.iter().enumerate() {
            let mut first = BTreeSet::new();
            for id in &step.after {
                if let Some(&before) = self.by_id.get(id) {
                    first.insert(before);
                } else {
                    let says = format!("needs `{id}`, which nothing in this recipe declares");
                    self.problems.push(Problem::new(step.at.clone(), says).hint(self.nearest(id)));
                }
            }
            first.extend(step.resource.needs().iter().flat_map(|id| self.named(id)));
            first.remove(&index);
            edges.push(first);
        }
        for (index, step) in self.steps.iter().enumerate() {
            for later in step.resource.precedes().iter().flat_map(|id| self.named(id)).filter(|&later| later != index) {
                if let Some(first) = edges.get_mut(later) {
                    first.insert(index);
                }
            }
        }
        for (step, first) in self.steps.iter_mut().zip(edges) {
            step.first = first;
        }
    }

    /// The steps that a soft edge names, if the plan has them.
    fn named(&self, id: &Id) -> Vec<usize> {
        let Some(beginning) = id.as_str().strip_suffix('*') else {
            return self.by_id.get(id).copied().into_iter().collect();
        };
        let all = self.by_id.range(Id::from(beginning)..).take_while(|(other, _)| other.as_str().starts_with(beginning));
        all.map(|(_, &step)| step).collect()
    }

    fn nearest(&self, id: &Id) -> String {
        let same_kind = self.by_id.keys().filter(|other| other.kind() == id.kind());
        match same_kind.max_by(|a, b| strsim::jaro(a.name(), id.name()).total_cmp(&strsim::jaro(b.name(), id.name()))) {
            Some(near) => format!("did you mean `{}`?", near.name()),
            None => format!("declare it, or take the reference to `{}` out", id.name()),
        }
    }

    /// Joins the steps that are applied together, and lifts the edges to the joined ones. Within one work the steps stand
    /// in the given order: there, too, what is needed comes first.
    fn works(&self, order: &[usize]) -> Vec<Work> {
        let mut works: Vec<Work> = Vec::new();
        let mut together: BTreeMap<String, usize> = BTreeMap::new();
        let mut of_step = Vec::with_capacity(self.steps.len());
        for (index, step) in self.steps.iter().enumerate() {
            let joined = step.resource.together().then(|| step.id.kind().to_owned());
            let work = match joined.as_ref().and_then(|kind| together.get(kind)) {
                Some(&work) => work,
                None => {
                    works.push(Work { steps: Vec::new(), first: BTreeSet::new() });
                    let work = works.len() - 1;
                    if let Some(kind) = joined {
                        together.insert(kind, work);
                    }
                    work
                }
            };
            if let Some(work) = works.get_mut(work) {
                work.steps.push(index);
            }
            of_step.push(work);
        }
        let rank: BTreeMap<usize, usize> = order.iter().enumerate().map(|(rank, &step)| (step, rank)).collect();
        for (number, work) in works.iter_mut().enumerate() {
            work.steps.sort_by_key(|step| rank.get(step));
            let steps = work.steps.iter().filter_map(|&step| self.steps.get(step));
            work.first = steps.flat_map(|step| &step.first).filter_map(|&before| of_step.get(before).copied()).filter(|&w| w != number).collect();
        }
        works
    }
}

/// An order of the works that respects every edge and else keeps the recipe's; the ring if there is none.
fn sorted(works: &[Work]) -> Result<Vec<usize>, Vec<usize>> {
    let mut waits: Vec<usize> = works.iter().map(|work| work.first.len()).collect();
    let mut then: Vec<Vec<usize>> = vec![Vec::new(); works.len()];
    for (number, work) in works.iter().enumerate() {
        for &before in &work.first {
            if let Some(list) = then.get_mut(before) {
                list.push(number);
            }
        }
    }
    let mut ready: BTreeSet<usize> = waits.iter().enumerate().filter(|(_, n)| **n == 0).map(|(number, _)| number).collect();
    let mut order = Vec::with_capacity(works.len());
    while let Some(number) = ready.pop_first() {
        order.push(number);
        for &next in then.get(number).into_iter().flatten() {
            if let Some(count) = waits.get_mut(next) {
                *count -= 1;
                if *count == 0 {
                    ready.insert(next);
                }
            }
        }
    }
    if order.len() == works.len() { Ok(order) } else { Err(ring(works, &order)) }
}

/// Follows edges among what could not be ordered until one work comes again.
fn ring(works: &[Work], ordered: &[usize]) -> Vec<usize> {
    let ordered: BTreeSet<usize> = ordered.iter().copied().collect();
    let stuck = |number: &usize| !ordered.contains(number);
    let Some(mut here) = (0..works.len()).find(stuck) else { return Vec::new() };
    let mut path = Vec::new();
    while !path.contains(&here) {
        path.push(here);
        let Some(next) = works.get(here).and_then(|work| work.first.iter().copied().find(stuck)) else { break };
        here = next;
    }
    let from = path.iter().position(|&number| number == here).unwrap_or(0);
    let mut ring: Vec<usize> = path.into_iter().skip(from).collect();
    ring.push(here);
    ring.reverse();
    ring
}

impl Plan {
    /// How many resources it has.
    pub fn len(&self) -> usize {
        self.in_order().count()
    }

    /// Whether it wants nothing.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The ids, in the order they are printed.
    pub fn ids(&self) -> impl Iterator<Item = &Id> {
        self.in_order().map(|step| &step.id)
    }

    /// Keeps what one of the selectors names, and what that needs. A selector is an id (`service:nginx`), a kind
    /// (`service`) or a table of the recipe (`nginx`).
    ///
    /// # Errors
    /// The selectors that name nothing.
    pub fn only(mut self, selectors: &[String]) -> Result<Self, Vec<String>> {
        let named = |step: &Step, selector: &str| {
            let table = step.at.steps().first() == Some(&KeyStep::Key(selector.to_owned()));
            step.id.as_str() == selector || step.id.kind() == selector || table
        };
        let unknown = selectors.iter().filter(|selector| !self.steps.iter().any(|step| named(step, selector)));
        let unknown: Vec<String> = unknown.cloned().collect();
        if !unknown.is_empty() {
            return Err(unknown);
        }
        let chosen = |(index, step)| selectors.iter().any(|selector| named(step, selector)).then_some(index);
        let mut left: Vec<usize> = self.steps.iter().enumerate().filter_map(chosen).collect();
        let mut kept = BTreeSet::new();
        while let Some(index) = left.pop() {
            if kept.insert(index) {
                left.extend(self.steps.get(index).into_iter().flat_map(|step| &step.first));
            }
        }
        for work in &mut self.works {
            work.steps.retain(|index| kept.contains(index));
        }
        self.partial = true;
        Ok(self)
    }

    /// Whether `first` comes before `then`, directly or through others.
    pub fn orders(&self, first: &str, then: &str) -> bool {
        let index = |id: &str| self.steps.iter().position(|step| step.id.as_str() == id);
        let (Some(first), Some(then)) = (index(first), index(then)) else { return false };
        let (mut seen, mut left) = (BTreeSet::new(), vec![then]);
        while let Some(step) = left.pop().and_then(|index| self.steps.get(index)) {
            if step.first.contains(&first) {
                return true;
            }
            left.extend(step.first.iter().filter(|&&before| seen.insert(before)));
        }
        false
    }

    pub(crate) fn in_order(&self) -> impl Iterator<Item = &Step> {
        self.works.iter().flat_map(|work| &work.steps).filter_map(|&index| self.steps.get(index))
    }
}
