//! The one loop: look, and unless it is only a plan, put right and look again.
//!
//! It goes over the plan twice. The *survey* looks at everything and predicts: what a pending package, user or unit will
//! bring counts as expected, so a plan on a bare host is true. The *act* then puts right what differed, in order, several
//! independent works at a time, looking at each again before and after. So a run changes what its plan said, and nothing
//! depends on what happened to change earlier in the same run.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::time::{Instant, SystemTime};

use futures_util::FutureExt;
use futures_util::stream::{FuturesUnordered, StreamExt};

use super::changes::Changes;
use super::failure::{Cause, Failure, Phase};
use super::outcome::{Outcome, Told, Verdict};
use super::plan::{Plan, Step, Work};
use super::removal;
use super::resource::{AnyResource, Boxed, Id};
use crate::host::Host;
use crate::host::ledger::{Record, Trace};

/// How many works are under way at once. They wait for programs and servers, not for processors.
const AT_ONCE: usize = 8;

/// A wish that the run stop after the steps in hand.
#[derive(Debug, Clone, Default)]
pub struct Stop(Rc<Cell<bool>>);

impl Stop {
    /// No such wish yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks the run to stop.
    pub fn ask(&self) {
        self.0.set(true);
    }

    /// Whether it was asked to.
    pub fn asked(&self) -> bool {
        self.0.get()
    }
}

/// What happens in a run, for whoever shows it live.
#[derive(Debug)]
pub enum Event<'a> {
    /// It begins, with so many resources.
    Began {
        /// How many.
        resources: usize,
    },
    /// Something that a killed run left was put right.
    Healed(&'a str),
    /// A resource is being put right.
    Started(&'a Id),
    /// A resource is done with.
    Ended(&'a Told),
}

/// Whoever shows a run live.
pub type Watch<'w> = &'w mut dyn FnMut(Event<'_>);

/// Looks at everything and changes nothing.
pub async fn preview(plan: &Plan, host: &Host, watch: Watch<'_>) -> Outcome {
    let run = Run::new(plan, host, watch);
    run.tell(Event::Began { resources: plan.len() });
    run.survey().await;
    let leaving = if plan.partial { removal::Leaving::default() } else { removal::leaving(plan, &host.look()) };
    for gone in leaving.removals {
        let told = gone.preview(&host.look(), run.began).await;
        run.ended(told);
    }
    run.outcome(true, Vec::new(), leaving.released, false)
}

/// Makes the host what the plan says, as far as it can be, and says what came of it.
pub async fn converge(plan: &Plan, host: &Host, stop: &Stop, watch: Watch<'_>) -> Outcome {
    let run = Run::new(plan, host, watch);
    run.tell(Event::Began { resources: plan.len() });
    let healed = run.heal().await;
    run.survey().await;
    host.expect_nothing();
    run.act(stop).await;
    let leaving = if plan.partial { removal::Leaving::default() } else { removal::leaving(plan, &host.look()) };
    for gone in leaving.removals {
        if !stop.asked() {
            let told = gone.apply(&host.touch(), run.began).await;
            run.ended(told);
        }
    }
    for id in &leaving.released {
        run.remember(host.touch().ledger_mut().released(id.as_str()));
    }
    run.remember(host.touch().ledger_mut().settle());
    run.outcome(false, healed, leaving.released, stop.asked())
}

/// What is known of a step.
#[derive(Debug)]
struct Seen {
    changes: Changes,
    state: State,
    drift: bool,
    started: Option<Instant>,
    took: std::time::Duration,
}

#[derive(Debug)]
enum State {
    Unseen,
    Right,
    Pending,
    Changed,
    Failed(Failure),
    Skipped(String),
}

struct Run<'r, 'w> {
    plan: &'r Plan,
    host: &'r Host,
    watch: RefCell<Watch<'w>>,
    began: Instant,
    clock: SystemTime,
    seen: RefCell<Vec<Seen>>,
    extra: RefCell<Vec<Told>>,
    /// A ledger that cannot be written is a failure of the run, told once.
    trouble: RefCell<Option<Cause>>,
}

impl<'r, 'w> Run<'r, 'w> {
    fn new(plan: &'r Plan, host: &'r Host, watch: Watch<'w>) -> Self {
        let traces = plan.steps.iter().flat_map(|step| step.resource.traces());
        host.wants(traces.filter_map(|trace| match trace {
            Trace::Path(path) => Some(path),
            Trace::Unit(_) => None,
        }));
        let unseen = || Seen { changes: Changes::none(), state: State::Unseen, drift: false, started: None, took: Default::default() };
        let seen = RefCell::new(plan.steps.iter().map(|_| unseen()).collect());
        let watch = RefCell::new(watch);
        let (extra, trouble) = (RefCell::default(), RefCell::default());
        Self { plan, host, watch, began: Instant::now(), clock: SystemTime::now(), seen, extra, trouble }
    }

    /// Puts right what a killed run left behind.
    async fn heal(&self) -> Vec<String> {
        match crate::host::heal::heal(&self.host.touch()).await {
            Ok(healed) => {
                healed.iter().for_each(|what| self.tell(Event::Healed(what)));
                healed
            }
            Err(error) => {
                self.remember(Err(error));
                Vec::new()
            }
        }
    }

    /// Looks at every step, in order of need.
    async fn survey(&self) {
        schedule(&self.plan.works, |work| {
            Box::pin(async move {
                for &index in &work.steps {
                    self.survey_step(index).await;
                }
            })
        })
        .await;
    }

    async fn survey_step(&self, index: usize) {
        let Some(step) = self.plan.steps.get(index) else { return };
        let began = Instant::now();
        let looked = guarded(step.resource.check(&self.host.look())).await;
        let waits = self.waits(step);
        let known = self.host.look().ledger().record(step.id.as_str()).is_some_and(|record| record.wanted == step.wanted);
        let (changes, state) = match looked {
            Ok(changes) if changes.is_empty() => (changes, State::Right),
            Ok(changes) => (changes, State::Pending),
            // A server that sleeps cannot be asked, and cannot have changed its mind either.
            Err(cause) if waits && cause.asleep && known => (Changes::none(), State::Right),
            Err(_not_yet) if waits => (step.resource.from_nothing().all_follow(), State::Pending),
            Err(cause) => match self.reason_to_skip(step) {
                // Whom it would have to ask is what failed: that is one failure, not two.
                Some(reason) => (Changes::none(), State::Skipped(reason)),
                None => (Changes::none(), State::Failed(Failure { id: step.id.clone(), phase: Phase::Looking, cause })),
            },
        };
        if matches!(state, State::Pending) {
            self.host.expect(&step.id);
        }
        let drift = known && changes.stands_alone();
        tracing::debug!(resource = %step.id, ?state, "looked");
        self.note(index, |seen| *seen = Seen { changes, state, drift, started: Some(began), took: began.elapsed() });
    }

    /// Whether something that this step needs, directly or through others, is still to come.
    fn waits(&self, step: &Step) -> bool {
        let seen = self.seen.borrow();
        let (mut known, mut left) = (BTreeSet::new(), step.first.iter().copied().collect::<Vec<_>>());
        while let Some(index) = left.pop() {
            if seen.get(index).is_some_and(|seen| matches!(seen.state, State::Pending)) {
                return true;
            }
            let above = self.plan.steps.get(index).into_iter().flat_map(|step| &step.first);
            left.extend(above.filter(|&&index| known.insert(index)));
        }
        false
    }

    /// Puts right what differs, in order of need.
    async fn act(&self, stop: &Stop) {
        schedule(&self.plan.works, |work| Box::pin(self.act_work(work, stop))).await;
    }

    async fn act_work(&self, work: &Work, stop: &Stop) {
        let mut differing = Vec::new();
        for &index in &work.steps {
            let Some(step) = self.plan.steps.get(index) else { continue };
            if self.settled_without_a_look(index, step, stop) {
                continue;
            }
            let began = Instant::now();
            let looked = guarded(step.resource.check(&self.host.look())).await;
            let reason = self.reason_to_skip(step);
            self.note(index, |seen| {
                seen.took += began.elapsed();
                match (looked, reason) {
                    // Something this run did has brought it, as the survey foresaw: it is changed all the same.
                    (Ok(changes), _) if changes.is_empty() => {
                        seen.state = if matches!(seen.state, State::Pending) { State::Changed } else { State::Right };
                    }
                    (_, Some(reason)) => seen.state = State::Skipped(reason),
                    (Ok(changes), None) => {
                        seen.changes = changes;
                        differing.push(step);
                    }
                    (Err(cause), None) => {
                        seen.state = State::Failed(Failure { id: step.id.clone(), phase: Phase::Looking, cause });
                    }
                }
            });
        }
        self.put_right(work, &differing).await;
        for &index in &work.steps {
            self.conclude(index);
        }
    }

    /// Decides what needs no second look: what is as it should be, and what must be left alone.
    fn settled_without_a_look(&self, index: usize, step: &Step, stop: &Stop) -> bool {
        let reason = self.reason_to_skip(step);
        let moved = self.something_moved(step);
        let mut settled = false;
        self.note(index, |seen| {
            let pending = matches!(seen.state, State::Pending);
            let over = matches!(seen.state, State::Failed(_) | State::Skipped(_));
            if over || (matches!(seen.state, State::Right) && !moved) {
                settled = true;
            } else if let (Some(reason), true) = (reason, pending) {
                seen.state = State::Skipped(reason);
                settled = true;
            } else if stop.asked() {
                if pending {
                    seen.state = State::Skipped("the run was asked to stop before it".to_owned());
                }
                settled = true;
            }
        });
        settled
    }

    /// Why a step must be left alone: something failed that it needs, directly or through others, also through some that
    /// were as they should be. The nearest is named.
    fn reason_to_skip(&self, step: &Step) -> Option<String> {
        let seen = self.seen.borrow();
        let (mut known, mut nearest) = (BTreeSet::new(), step.first.clone());
        while !nearest.is_empty() {
            let before = |wanted: fn(&State) -> bool| {
                let found = nearest.iter().find(|&&index| seen.get(index).is_some_and(|seen| wanted(&seen.state)));
                found.and_then(|&index| self.plan.steps.get(index))
            };
            if let Some(failed) = before(|state| matches!(state, State::Failed(_))) {
                return Some(format!("needs {}, which failed", failed.id));
            }
            if let Some(skipped) = before(|state| matches!(state, State::Skipped(_))) {
                return Some(format!("needs {}, which was skipped", skipped.id));
            }
            known.extend(nearest.iter().copied());
            let above = nearest.iter().filter_map(|&index| self.plan.steps.get(index)).flat_map(|step| &step.first);
            nearest = above.copied().filter(|index| !known.contains(index)).collect();
        }
        None
    }

    fn something_moved(&self, step: &Step) -> bool {
        let seen = self.seen.borrow();
        step.first.iter().any(|&index| seen.get(index).is_some_and(|seen| matches!(seen.state, State::Changed)))
    }

    /// Applies, and looks again.
    async fn put_right(&self, work: &Work, differing: &[&Step]) {
        let Some(first) = differing.first() else { return };
        for step in differing {
            self.tell(Event::Started(&step.id));
        }
        let began = Instant::now();
        let touch = self.host.touch();
        let all: Vec<&dyn AnyResource> = differing.iter().map(|step| &*step.resource).collect();
        let applied = if all.len() > 1 {
            guarded(first.resource.apply_all(&all, &touch)).await
        } else {
            guarded(first.resource.apply(&touch)).await
        };
        for &index in &work.steps {
            let Some(step) = self.plan.steps.get(index).filter(|step| differing.iter().any(|other| other.id == step.id)) else {
                continue;
            };
            let state = match &applied {
                Ok(()) => self.verify(step).await,
                Err(cause) => {
                    State::Failed(Failure { id: step.id.clone(), phase: Phase::Applying, cause: cause.clone() })
                }
            };
            self.note(index, |seen| {
                seen.state = state;
                seen.started = Some(began);
                seen.took += began.elapsed();
            });
        }
    }

    async fn verify(&self, step: &Step) -> State {
        let failed = |phase, cause| State::Failed(Failure { id: step.id.clone(), phase, cause });
        match guarded(step.resource.check(&self.host.look())).await {
            Ok(left) if left.is_empty() => State::Changed,
            Ok(left) => State::Failed(Failure::did_not_hold(step.id.clone(), &left)),
            Err(cause) => failed(Phase::Verifying, cause),
        }
    }

    /// Remembers what is right now, and tells of it.
    fn conclude(&self, index: usize) {
        let Some(step) = self.plan.steps.get(index) else { return };
        let right = self.seen.borrow().get(index).is_some_and(|seen| matches!(seen.state, State::Right | State::Changed));
        if right {
            let record = Record { wanted: step.wanted.clone(), traces: step.resource.traces() };
            self.remember(self.host.touch().ledger_mut().applied(step.id.as_str(), record));
        }
        if let Some(seen) = self.seen.borrow().get(index) {
            let told = self.told(step, seen, false);
            self.tell(Event::Ended(&told));
        }
    }

    fn told(&self, step: &Step, seen: &Seen, preview: bool) -> Told {
        let verdict = match &seen.state {
            State::Right | State::Unseen => Verdict::Ok,
            State::Pending if preview => Verdict::Pending(seen.changes.clone()),
            State::Pending => Verdict::Skipped("the run ended before it".to_owned()),
            State::Changed => Verdict::Changed(seen.changes.clone()),
            State::Failed(failure) => Verdict::Failed(failure.clone()),
            State::Skipped(reason) => Verdict::Skipped(reason.clone()),
        };
        Told {
            id: step.id.clone(),
            verdict,
            drift: seen.drift,
            removal: false,
            notes: seen.changes.notes().to_vec(),
            started: seen.started.map_or_else(Default::default, |at| at.saturating_duration_since(self.began)),
            took: seen.took,
        }
    }

    fn ended(&self, told: Told) {
        self.tell(Event::Ended(&told));
        self.extra.borrow_mut().push(told);
    }

    fn outcome(self, preview: bool, healed: Vec<String>, released: Vec<Id>, interrupted: bool) -> Outcome {
        let seen = self.seen.borrow();
        let order = self.plan.works.iter().flat_map(|work| &work.steps);
        let mut resources: Vec<Told> = order
            .filter_map(|&index| Some(self.told(self.plan.steps.get(index)?, seen.get(index)?, preview)))
            .collect();
        resources.append(&mut self.extra.borrow_mut());
        let trouble = self.trouble.borrow_mut().take();
        Outcome { preview, resources, released, healed, interrupted, trouble, began: self.clock, took: self.began.elapsed() }
    }

    fn note(&self, index: usize, change: impl FnOnce(&mut Seen)) {
        if let Some(seen) = self.seen.borrow_mut().get_mut(index) {
            change(seen);
        }
    }

    fn tell(&self, event: Event<'_>) {
        (self.watch.borrow_mut())(event);
    }

    fn remember(&self, result: Result<(), crate::host::Error>) {
        if let Err(error) = result {
            self.trouble.borrow_mut().get_or_insert_with(|| error.into());
        }
    }
}

/// Starts each work when those before it have ended, at most [`AT_ONCE`] at a time.
async fn schedule<'w>(works: &'w [Work], start: impl Fn(&'w Work) -> Boxed<'w, ()>) {
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
    let mut running = FuturesUnordered::new();
    loop {
        while running.len() < AT_ONCE {
            let Some((number, work)) = ready.pop_first().and_then(|number| Some((number, works.get(number)?))) else { break };
            running.push(start(work).map(move |()| number));
        }
        let Some(ended) = running.next().await else { return };
        for &next in then.get(ended).into_iter().flatten() {
            if let Some(count) = waits.get_mut(next) {
                *count -= 1;
                if *count == 0 {
                    ready.insert(next);
                }
            }
        }
    }
}

/// A panic in one resource is that resource's failure.
pub(crate) async fn guarded<T>(work: Boxed<'_, Result<T, Cause>>) -> Result<T, Cause> {
    AssertUnwindSafe(work).catch_unwind().await.unwrap_or_else(|_panic| {
        Err(Cause::new("bug", "hostagent made a mistake here").hint("the journal has the details; please report them"))
    })
}
