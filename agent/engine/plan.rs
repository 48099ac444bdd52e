//! What is wanted, as a graph of resources: plain data, the same for a preview and for a run.

use std::collections::{BTreeMap, BTreeSet, btree_map};
use std::path::PathBuf;
use std::rc::Rc;

use super::order::Order;
use super::resource::{AnyResource, Id, Resource};
use crate::problem::{KeyPath, Place, Problem, Step as KeyStep, nearest};

/// A draft that features add to. [`Draft::finish`] makes it a plan or lists every problem.
#[derive(Debug, Default)]
pub struct Draft {
    steps: Vec<Step>,
    by_id: BTreeMap<Id, usize>,
    problems: Vec<Problem>,
    here: KeyPath,
    /// Where the recipe names an id.
    named_at: BTreeMap<Id, KeyPath>,
    /// What must be in the plan though nobody comes after it.
    leaned_on: BTreeSet<Id>,
    /// Whether parts of the recipe could not be read.
    of_a_part: bool,
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
    /// The steps that come first.
    pub(crate) first: First,
}

/// The steps that come before another, by their indices.
#[derive(Debug, Default)]
pub(crate) struct First {
    /// Those it names.
    pub(crate) named: BTreeSet<usize>,
    /// All of some kinds, of which any may bring what it needs. One list for all who name the kind: ten thousand files
    /// come after the same packages.
    pub(crate) kinds: Vec<Rc<[usize]>>,
}

impl First {
    /// All of them; some may come twice.
    pub(crate) fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        self.named.iter().copied().chain(self.of_kinds())
    }

    /// Those of the kinds.
    pub(crate) fn of_kinds(&self) -> impl Iterator<Item = usize> + '_ {
        self.kinds.iter().flat_map(|kind| kind.iter()).copied()
    }
}

impl Step {
    /// The table of the recipe that asked for it.
    pub(crate) fn table(&self) -> &str {
        match self.at.steps().first() {
            Some(KeyStep::Key(table)) => table,
            _ => "",
        }
    }
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

/// A resource just added, to say what it comes after.
#[derive(Debug)]
pub struct Added<'d> {
    draft: &'d mut Draft,
    index: usize,
    id: Id,
}

impl Added<'_> {
    /// It comes after `id`, which must be in the plan: else that is a problem of the recipe.
    #[expect(
        clippy::return_self_not_must_use,
        reason = "it is added already; what is returned is for one more edge, or its id"
    )]
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
    /// A draft of the parts of a recipe that could be read. Only its problems are of use.
    pub fn of_a_part() -> Self {
        Self { of_a_part: true, ..Self::default() }
    }

    /// Whether the recipe is there as a whole. If not, a feature does not complain that something is missing.
    pub fn is_whole(&self) -> bool {
        !self.of_a_part
    }

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
                let step = Step {
                    id: id.clone(),
                    resource,
                    wanted,
                    at: self.here.clone(),
                    after: BTreeSet::new(),
                    first: First::default(),
                };
                self.steps.push(step);
                self.steps.len() - 1
            }
            btree_map::Entry::Occupied(occupied) => {
                let index = *occupied.get();
                if let Some(step) = self.steps.get(index).filter(|step| step.wanted != wanted) {
                    let says = format!("`{id}` is wanted twice, in different ways");
                    let problem =
                        Problem::new(Place::Name(self.here.clone()), says).beside(Place::Name(step.at.clone()));
                    self.problems.push(problem.hint("keep one of them, or let both say the same"));
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

    /// What was added under this id, if it is of this kind, and the place in the recipe that asked for it.
    pub(crate) fn added<R: Resource>(&self, id: &Id) -> Option<(&R, &KeyPath)> {
        let step = self.by_id.get(id).and_then(|&index| self.steps.get(index))?;
        Some((step.resource.as_any().downcast_ref::<R>()?, &step.at))
    }

    /// Notes a problem of the recipe at the current place.
    pub fn problem(&mut self, says: impl Into<String>, hint: impl Into<String>) {
        self.problems.push(Problem::new(self.here.clone(), says).hint(hint));
    }

    /// Notes a problem of the recipe at a place.
    pub fn problem_at(&mut self, place: KeyPath, says: impl Into<String>, hint: impl Into<String>) {
        self.problems.push(Problem::new(place, says).hint(hint));
    }

    /// Notes a problem of the recipe with a key, not with the value under it.
    pub fn problem_with_key(&mut self, key: KeyPath, says: impl Into<String>, hint: impl Into<String>) {
        self.problems.push(Problem::new(Place::Key(key), says).hint(hint));
    }

    /// Notes a problem of the recipe at a place, of which the reason is at another.
    pub fn problem_beside(&mut self, place: KeyPath, other: Place, says: impl Into<String>, hint: impl Into<String>) {
        self.problems.push(Problem::new(place, says).hint(hint).beside(other));
    }

    /// Says which place of the recipe names `id`: where it is cited if nothing declares that.
    pub fn named_at(&mut self, id: &Id, place: KeyPath) {
        self.named_at.entry(id.clone()).or_insert(place);
    }

    /// The recipe leans on `id` at a place: something has to declare it, whenever it is applied.
    pub fn leans_on(&mut self, id: Id, place: KeyPath) {
        self.named_at(&id, place);
        self.leaned_on.insert(id);
    }

    /// What features noted, and what would undo each other: all that can be said of a part.
    pub fn problems(mut self) -> Vec<Problem> {
        self.one_owner_each();
        self.problems
    }

    /// Makes it a plan.
    ///
    /// # Errors
    /// Every problem of the draft: those that features noted, ids that nobody declares, and cycles.
    pub fn finish(mut self) -> Result<Plan, Vec<Problem>> {
        self.resolve();
        self.one_owner_each();
        let (alone, lists) = self.each_alone();
        let (works, order) = match sorted(&alone) {
            Ok(order) => {
                let order: Vec<usize> = order.into_iter().filter_map(|number| number.checked_sub(lists)).collect();
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
        let works = works
            .map(|work| Work { steps: work.steps.clone(), first: work.first.iter().filter_map(moved).collect() })
            .collect();
        Ok(Plan { steps: self.steps, works, partial: false })
    }

    /// Each step as a work of its own, and before those a work that does nothing for each list of all of a kind, of which
    /// it says how many there are: as many edges as steps, instead of as many as there are pairs.
    fn each_alone(&self) -> (Vec<Work>, usize) {
        let mut lists: BTreeMap<*const usize, usize> = BTreeMap::new();
        let mut works = Vec::new();
        for kind in self.steps.iter().flat_map(|step| &step.first.kinds) {
            lists.entry(kind.as_ptr()).or_insert_with(|| {
                works.push(Work { steps: Vec::new(), first: kind.iter().copied().collect() });
                works.len() - 1
            });
        }
        let count = works.len();
        // They are known only now: the steps are numbered behind them.
        for work in &mut works {
            work.first = work.first.iter().map(|step| step + count).collect();
        }
        works.extend(self.steps.iter().enumerate().map(|(index, step)| {
            let named = step.first.named.iter().map(|step| step + count);
            let kinds = step.first.kinds.iter().filter_map(|kind| lists.get(&kind.as_ptr()).copied());
            Work { steps: vec![index], first: named.chain(kinds).collect() }
        }));
        (works, count)
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
        let mut edges: Vec<First> = Vec::with_capacity(self.steps.len());
        let mut kinds: BTreeMap<Id, Rc<[usize]>> = BTreeMap::new();
        for id in self.leaned_on.iter().filter(|id| !self.by_id.contains_key(id)) {
            self.problems.push(self.undeclared(id, &self.here));
        }
        for (index, step) in self.steps.iter().enumerate() {
            let mut first = First::default();
            for id in &step.after {
                if let Some(&before) = self.by_id.get(id) {
                    first.named.insert(before);
                } else {
                    self.problems.push(self.undeclared(id, &step.at));
                }
            }
            for id in step.resource.needs() {
                if !id.as_str().ends_with(":*") || id.kind() == step.id.kind() {
                    first.named.extend(self.named(&id));
                    continue;
                }
                let all = kinds.entry(id).or_insert_with_key(|id| self.named(id).into());
                if !all.is_empty() {
                    first.kinds.push(Rc::clone(all));
                }
            }
            first.named.remove(&index);
            edges.push(first);
        }
        for (index, step) in self.steps.iter().enumerate() {
            for later in step.resource.precedes().iter().flat_map(|id| self.named(id)).filter(|&later| later != index) {
                if let Some(first) = edges.get_mut(later) {
                    first.named.insert(index);
                }
            }
        }
        for (step, first) in self.steps.iter_mut().zip(edges) {
            step.first = first;
        }
    }

    fn undeclared(&self, id: &Id, else_at: &KeyPath) -> Problem {
        let at = self.named_at.get(id).unwrap_or(else_at).clone();
        Problem::new(at, format!("nothing in this recipe declares `{id}`")).hint(self.nearest(id))
    }

    /// Two that write one path would put it right against each other in every run.
    fn one_owner_each(&mut self) {
        let mut owners: BTreeMap<PathBuf, usize> = BTreeMap::new();
        for (index, step) in self.steps.iter().enumerate() {
            for path in step.resource.claims() {
                let Some(other) = owners.insert(path.clone(), index).and_then(|other| self.steps.get(other)) else {
                    continue;
                };
                if other.id != step.id {
                    let says = format!("`{}` is wanted by `{}` and by `{}`", path.display(), other.id, step.id);
                    // The one that says more exactly what it wants is the one to change.
                    let later_says_more = step.at.steps().len() >= other.at.steps().len();
                    let (at, beside) = if later_says_more { (&step.at, &other.at) } else { (&other.at, &step.at) };
                    let problem = Problem::new(Place::Name(at.clone()), says).beside(Place::Name(beside.clone()));
                    self.problems.push(problem.hint("let one of them have it"));
                }
            }
        }
    }

    /// The steps that a soft edge names, if the plan has them.
    fn named(&self, id: &Id) -> Vec<usize> {
        let Some(beginning) = id.as_str().strip_suffix('*') else {
            return self.by_id.get(id).copied().into_iter().collect();
        };
        let all =
            self.by_id.range(Id::from(beginning)..).take_while(|(other, _)| other.as_str().starts_with(beginning));
        all.map(|(_, &step)| step).collect()
    }

    fn nearest(&self, id: &Id) -> String {
        let all = || self.by_id.keys();
        // `nginx` is more likely to mean the service than the package.
        let bare = all().filter(|other| other.name() == id.as_str()).max_by_key(|other| other.kind() == "service");
        let name = || nearest(id.name(), all().filter(|other| other.kind() == id.kind()).map(Id::name));
        let kind = || nearest(id.kind(), all().filter(|other| other.name() == id.name()).map(Id::kind));
        let found = bare
            .cloned()
            .or_else(|| name().map(|near| Id::new(id.kind(), near)))
            .or_else(|| kind().map(|near| Id::new(near, id.name())));
        match found {
            Some(near) => format!("did you mean `{near}`?"),
            None => "declare it, or take it out here".to_owned(),
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
            let work = joined.as_ref().and_then(|kind| together.get(kind)).copied().unwrap_or(works.len());
            if work == works.len() {
                works.push(Work { steps: Vec::new(), first: BTreeSet::new() });
                together.extend(joined.map(|kind| (kind, work)));
            }
            if let Some(work) = works.get_mut(work) {
                work.steps.push(index);
            }
            of_step.push(work);
        }
        let rank: BTreeMap<usize, usize> = order.iter().enumerate().map(|(rank, &step)| (step, rank)).collect();
        let mut lifted: BTreeMap<*const usize, BTreeSet<usize>> = BTreeMap::new();
        let work_of = |step: &usize| of_step.get(*step).copied();
        for (number, work) in works.iter_mut().enumerate() {
            work.steps.sort_by_key(|step| rank.get(step));
            for step in work.steps.iter().filter_map(|&step| self.steps.get(step)) {
                work.first.extend(step.first.named.iter().filter_map(work_of));
                for kind in &step.first.kinds {
                    let of_kind =
                        lifted.entry(kind.as_ptr()).or_insert_with(|| kind.iter().filter_map(work_of).collect());
                    work.first.extend(of_kind.iter().copied());
                }
            }
            work.first.remove(&number);
        }
        works
    }
}

/// An order of the works that respects every edge and else keeps the recipe's; the ring if there is none.
fn sorted(works: &[Work]) -> Result<Vec<usize>, Vec<usize>> {
    let (mut walk, mut order) = (Order::of(works), Vec::with_capacity(works.len()));
    while let Some(number) = walk.begin() {
        order.push(number);
        walk.ended(number);
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

    pub(crate) fn all<R: Resource>(&self) -> impl Iterator<Item = &R> {
        self.in_order().filter_map(|step| step.resource.as_any().downcast_ref())
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
                left.extend(self.steps.get(index).into_iter().flat_map(|step| step.first.iter()));
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
            if step.first.iter().any(|before| before == first) {
                return true;
            }
            left.extend(step.first.iter().filter(|&before| seen.insert(before)));
        }
        false
    }

    pub(crate) fn in_order(&self) -> impl Iterator<Item = &Step> {
        self.works.iter().flat_map(|work| &work.steps).filter_map(|&index| self.steps.get(index))
    }
}
