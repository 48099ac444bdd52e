//! The one loop: look, and unless it is only a plan, put right and look again.
//!
//! It goes over the plan twice. The *survey* looks at everything and predicts: what a pending package, user or unit will
//! bring counts as expected, so a plan on a bare host is true. The *act* then puts right what differed, in order, several
//! independent works at a time, looking at each again before and after. So a run changes what its plan said, and nothing
//! depends on what happened to change earlier in the same run.

mod act;
mod survey;

use std::cell::{Cell, RefCell};
use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant, SystemTime};

use futures_util::FutureExt;
use futures_util::stream::{FuturesUnordered, StreamExt};

use super::changes::Changes;
use super::course::{Course, Doing, Part, Span};
use super::failure::{Cause, Failure};
use super::order::Order;
use super::outcome::{Outcome, Told, Verdict};
use super::patience::in_words;
use super::plan::{Plan, Step, Work};
use super::removal::{self, Removal};
use super::resource::{Boxed, Id};
pub use super::stop::Stop;
use super::stop::Why;
use crate::host::Host;
use crate::host::ledger::{Record, Trace};

/// How many works are under way at once. They wait for programs and servers, not for processors.
const AT_ONCE: usize = 8;

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
    let run = Run::new(plan, host, &Stop::new(), watch);
    run.tell(Event::Began { resources: plan.len() });
    let leaving = removal::leaving(plan, &host.look());
    leaving.removals.iter().for_each(|gone| gone.foresee(host));
    run.survey().await;
    for gone in leaving.removals {
        run.ended(gone.preview(&host.look(), run.began));
    }
    run.passed(Part::Survey);
    run.outcome(true, Vec::new(), leaving.released, false)
}

/// Makes the host what the plan says, as far as it can be, and says what came of it.
pub async fn converge(plan: &Plan, host: &Host, stop: &Stop, watch: Watch<'_>) -> Outcome {
    let run = Run::new(plan, host, stop, watch);
    run.tell(Event::Began { resources: plan.len() });
    let healed = run.heal().await;
    run.passed(Part::Healing);
    let leaving = removal::leaving(plan, &host.look());
    leaving.removals.iter().for_each(|gone| gone.foresee(host));
    run.survey().await;
    host.expect_nothing();
    run.passed(Part::Survey);
    let (first, last): (Vec<_>, Vec<_>) = leaving.removals.into_iter().partition(Removal::goes_first);
    run.take_away(first).await;
    run.passed(Part::Removals);
    run.act().await;
    run.passed(Part::Act);
    let last = if run.failed() { run.hold_back(last) } else { last };
    let gone = run.take_away(last).await;
    run.passed(Part::Removals);
    if gone {
        // Whoever read what is gone now has to load that.
        run.act_again().await;
        run.passed(Part::Again);
    }
    for id in &leaving.released {
        run.remember(host.touch().ledger_mut().released(id.as_str()).map_err(Cause::from));
    }
    run.remember(host.touch().ledger_mut().settle().map_err(Cause::from));
    let interrupted = match stop.why() {
        None => false,
        Some(Why::Asked) => true,
        Some(Why::Late(had)) => run.ran_out_of(had),
    };
    run.outcome(false, healed, leaving.released, interrupted)
}

/// What is known of a step.
#[derive(Debug)]
struct Seen {
    changes: Changes,
    state: State,
    drift: bool,
    /// Whether it failed together with all that were applied with it, and not by itself.
    broke_all: bool,
    started: Option<Instant>,
    took: Duration,
    spans: Vec<Span>,
    /// When the act was done with it.
    ended: Option<Duration>,
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
    stop: Stop,
    /// Whether something was not begun because the run is to stop.
    left_undone: Cell<bool>,
    watch: RefCell<Watch<'w>>,
    began: Instant,
    clock: SystemTime,
    seen: RefCell<Vec<Seen>>,
    /// Whether nothing failed or was left out so far.
    all_well: Cell<bool>,
    extra: RefCell<Vec<Told>>,
    parts: RefCell<Vec<(Part, Duration)>>,
    /// A ledger that cannot be written is a failure of the run, told once.
    trouble: RefCell<Option<Cause>>,
}

impl<'r, 'w> Run<'r, 'w> {
    fn new(plan: &'r Plan, host: &'r Host, stop: &Stop, watch: Watch<'w>) -> Self {
        let traces = plan.steps.iter().flat_map(|step| step.resource.traces());
        host.wants(traces.filter_map(|trace| match trace {
            Trace::Path(path) => Some(path),
            _ => None,
        }));
        let unseen = || Seen {
            changes: Changes::none(),
            state: State::Unseen,
            drift: false,
            broke_all: false,
            started: None,
            took: Duration::ZERO,
            spans: Vec::new(),
            ended: None,
        };
        let seen = RefCell::new(plan.steps.iter().map(|_| unseen()).collect());
        let watch = RefCell::new(watch);
        let (extra, parts, trouble) = (RefCell::default(), RefCell::default(), RefCell::default());
        Self {
            plan,
            host,
            stop: stop.clone(),
            left_undone: Cell::new(false),
            watch,
            began: Instant::now(),
            clock: SystemTime::now(),
            seen,
            all_well: Cell::new(true),
            extra,
            parts,
            trouble,
        }
    }

    /// Puts right what a killed run left behind.
    async fn heal(&self) -> Vec<String> {
        let touch = self.host.touch();
        let healed = tokio::select! {
            healed = crate::host::heal::heal(&touch) => healed,
            // Nothing was begun yet, and what another run had started may take as long as that one allowed it.
            () = self.stop.comes() => return Vec::new(),
        };
        match healed {
            Ok(healed) => {
                for what in &healed {
                    self.tell(Event::Healed(what));
                }
                healed
            }
            Err(error) => {
                self.remember(Err(error.into()));
                Vec::new()
            }
        }
    }

    /// Remembers what is right now, and tells of it.
    fn conclude(&self, index: usize) {
        let Some(step) = self.plan.steps.get(index) else { return };
        let right =
            self.seen.borrow().get(index).is_some_and(|seen| matches!(seen.state, State::Right | State::Changed));
        if right {
            let record = Record { wanted: step.wanted.clone(), traces: step.resource.traces() };
            self.remember(self.host.touch().ledger_mut().applied(step.id.as_str(), record).map_err(Cause::from));
            self.remember(step.resource.settle(&self.host.touch()));
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
            course: Course::default(),
        }
    }

    fn ended(&self, told: Told) {
        self.tell(Event::Ended(&told));
        self.extra.borrow_mut().push(told);
    }

    fn outcome(self, preview: bool, healed: Vec<String>, released: Vec<Id>, interrupted: bool) -> Outcome {
        let seen = self.seen.borrow();
        let mut resources = Vec::with_capacity(seen.len());
        for work in &self.plan.works {
            let course = self.course(work, &seen);
            for &index in &work.steps {
                let (Some(step), Some(seen)) = (self.plan.steps.get(index), seen.get(index)) else { continue };
                let course = Course {
                    table: step.table().to_owned(),
                    ended: seen.ended,
                    spans: seen.spans.clone(),
                    ..course.clone()
                };
                resources.push(Told { course, ..self.told(step, seen, preview) });
            }
        }
        resources.append(&mut self.extra.borrow_mut());
        let trouble = self.trouble.borrow_mut().take();
        Outcome {
            preview,
            resources,
            released,
            healed,
            interrupted,
            trouble,
            began: self.clock,
            since: self.began,
            parts: self.parts.take(),
            took: self.began.elapsed(),
        }
    }

    /// What the steps of a work have in common.
    fn course(&self, work: &Work, seen: &[Seen]) -> Course {
        let before = work.first.iter().filter_map(|&number| self.plan.works.get(number)).flat_map(|work| &work.steps);
        let ended = before.filter_map(|&index| seen.get(index)?.ended).max();
        let began =
            self.parts.borrow().iter().rev().skip_while(|(part, _)| *part != Part::Act).nth(1).map(|(_, at)| *at);
        Course {
            needs: self.plan.awaited_by(work),
            with: self.plan.name_of(work).filter(|_| work.steps.len() > 1),
            ready: began.map(|began| ended.unwrap_or(began)),
            ..Course::default()
        }
    }

    /// What was done from then until now.
    fn span(&self, doing: Doing, from: Instant) -> Span {
        Span { doing, from: from.saturating_duration_since(self.began), till: self.began.elapsed() }
    }

    /// Notes that a part of the run has ended.
    fn passed(&self, part: Part) {
        self.parts.borrow_mut().push((part, self.began.elapsed()));
    }

    /// Why nothing more is to be begun, if that is so.
    fn stopped(&self) -> Option<String> {
        let why = self.stop.why()?;
        self.left_undone.set(true);
        Some(why.reason())
    }

    /// Tells that its time was up before all was done; says whether that is so.
    fn ran_out_of(&self, had: Duration) -> bool {
        if self.left_undone.get() {
            let says = format!("the run was not done after {}, which is all the time it had", in_words(had));
            let hint = "run again, it goes on from here; `--deadline` gives a run more time, and `hostagent analyze blame` tells what took it";
            self.remember(Err(Cause::new("run-slow", says).hint(hint)));
        }
        self.left_undone.get()
    }

    fn note(&self, index: usize, change: impl FnOnce(&mut Seen)) {
        if let Some(seen) = self.seen.borrow_mut().get_mut(index) {
            change(seen);
            if matches!(seen.state, State::Failed(_) | State::Skipped(_)) {
                self.all_well.set(false);
            }
        }
    }

    fn tell(&self, event: Event<'_>) {
        (self.watch.borrow_mut())(event);
    }

    fn remember(&self, result: Result<(), Cause>) {
        if let Err(cause) = result {
            self.trouble.borrow_mut().get_or_insert(cause);
        }
    }
}

/// Starts each work when those before it have ended, at most [`AT_ONCE`] at a time.
async fn schedule<'w>(works: &'w [Work], start: impl Fn(&'w Work) -> Boxed<'w, ()>) {
    let (mut order, mut running) = (Order::of(works), FuturesUnordered::new());
    loop {
        while running.len() < AT_ONCE {
            let Some((number, work)) = order.begin().and_then(|number| Some((number, works.get(number)?))) else {
                break;
            };
            running.push(start(work).map(move |()| number));
        }
        let Some(number) = running.next().await else { return };
        order.ended(number);
    }
}

/// A panic in one resource is that resource's failure.
pub(crate) async fn guarded<T>(work: Boxed<'_, Result<T, Cause>>) -> Result<T, Cause> {
    AssertUnwindSafe(work).catch_unwind().await.unwrap_or_else(|_panic| {
        Err(Cause::new("bug", "hostagent made a mistake here").hint("the journal has the details; please report them"))
    })
}
