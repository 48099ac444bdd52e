//! The act: puts right what the survey found, takes away what is no longer wanted, and looks again.

use std::collections::BTreeSet;
use std::time::Instant;

use super::{Event, Run, Seen, State, schedule};
use crate::engine::course::{Doing, Span};
use crate::engine::failure::{Cause, Failure, Phase};
use crate::engine::outcome::Verdict;
use crate::engine::patience::{LATE, Patience, bounded};
use crate::engine::plan::{Step, Work};
use crate::engine::removal::Removal;
use crate::engine::resource::{AnyResource, Boxed, LeftOut};
use crate::host::ledger::{Record, Trace};

impl Run<'_, '_> {
    /// Takes away what the recipe stopped naming; tells whether anything went.
    pub(super) async fn take_away(&self, removals: Vec<Removal>) -> bool {
        let mut any = false;
        for gone in removals {
            if self.stopped().is_some() {
                self.ended(gone.held_back(self.began));
                continue;
            }
            let touch = self.host.touch();
            let taking: Boxed<'_, _> = Box::pin(async { Ok(gone.apply(&touch, self.began).await) });
            match bounded(Patience::LONGEST, taking).await {
                Ok(told) => {
                    any |= matches!(told.verdict, Verdict::Changed(_));
                    self.ended(told);
                }
                Err(cause) => self.remember(Err(cause)),
            }
        }
        any
    }

    pub(super) fn failed(&self) -> bool {
        self.seen.borrow().iter().any(|seen| matches!(seen.state, State::Failed(_)))
    }

    /// What leaves may be what something that failed was to take the place of: it stays until all is well.
    pub(super) fn hold_back(&self, removals: Vec<Removal>) -> Vec<Removal> {
        for gone in removals {
            self.ended(gone.held_back(self.began));
        }
        Vec::new()
    }

    /// Looks again at what was right, and puts right what is not any more.
    pub(super) async fn act_again(&self) {
        for &index in self.plan.works.iter().flat_map(|work| &work.steps) {
            let Some(step) = self.plan.steps.get(index) else { continue };
            let right = |seen: &Seen| matches!(seen.state, State::Right | State::Changed);
            if self.stopped().is_some()
                || !self.seen.borrow().get(index).is_some_and(right)
                || self.reason_to_skip(step).is_some()
            {
                continue;
            }
            let began = Instant::now();
            let looked = self.look(step).await;
            self.note(index, |seen| seen.spans.push(self.span(Doing::Looking, began)));
            match looked {
                Ok(changes) if changes.is_empty() => continue,
                Ok(changes) => {
                    self.note(index, |seen| seen.changes = changes);
                    self.put_right(&Work { steps: vec![index], first: BTreeSet::new() }, &[step]).await;
                }
                Err(cause) => {
                    let failure = Failure { id: step.id.clone(), phase: Phase::Looking, cause };
                    self.note(index, |seen| seen.state = State::Failed(failure));
                }
            }
            self.conclude(index);
        }
    }

    /// Puts right what differs, in order of need.
    pub(super) async fn act(&self) {
        schedule(&self.plan.works, |work| Box::pin(self.act_work(work))).await;
    }

    async fn act_work(&self, work: &Work) {
        let mut differing = Vec::new();
        for &index in &work.steps {
            let Some(step) = self.plan.steps.get(index) else { continue };
            if self.settled_without_a_look(index, step) {
                continue;
            }
            let began = Instant::now();
            let looked = self.look(step).await;
            let reason = self.reason_to_skip(step);
            self.note(index, |seen| {
                seen.took += began.elapsed();
                seen.spans.push(self.span(Doing::Looking, began));
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
        let ended = Some(self.began.elapsed());
        for &index in &work.steps {
            self.note(index, |seen| seen.ended = ended);
        }
    }

    /// Decides what needs no second look: what is as it should be, and what must be left alone.
    fn settled_without_a_look(&self, index: usize, step: &Step) -> bool {
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
            } else if let Some(reason) = self.stopped() {
                if pending {
                    seen.state = State::Skipped(reason);
                }
                settled = true;
            }
        });
        settled
    }

    /// Why a step must be left alone: something failed that it needs, directly or through others, also through some that
    /// were as they should be. The nearest is named.
    pub(super) fn reason_to_skip(&self, step: &Step) -> Option<String> {
        if self.all_well.get() || step.resource.goes_on(&self.host.look()) {
            return None;
        }
        let seen = self.seen.borrow();
        let is = |index: usize, wanted: fn(&State) -> bool| seen.get(index).is_some_and(|seen| wanted(&seen.state));
        let failed = |index: &usize| is(*index, |state| matches!(state, State::Failed(_)));
        let skipped = |index: &usize| is(*index, |state| matches!(state, State::Skipped(_)));
        let together = |index: usize| self.plan.steps.get(index).is_some_and(|step| step.resource.together());
        // One mistyped package says nothing of whether the others, and so the rest of the host, can be put right.
        let alone =
            |index: &usize| together(*index) && failed(index) && seen.get(*index).is_some_and(|one| !one.broke_all);
        let (mut known, mut nearest) = (BTreeSet::new(), vec![step]);
        while !nearest.is_empty() {
            let kinds = nearest.iter().flat_map(|step| step.first.of_kinds()).filter(|index| !alone(index));
            let before: BTreeSet<usize> =
                nearest.iter().flat_map(|step| step.first.named.iter().copied()).chain(kinds).collect();
            let id = |index: &usize| self.plan.steps.get(*index).map(|step| &step.id);
            if let Some(failed) = before.iter().find(|index| failed(index)) {
                return Some(format!("needs {}, which failed", id(failed)?));
            }
            if let Some(skipped) = before.iter().find(|index| skipped(index)) {
                return Some(format!("needs {}, which was skipped", id(skipped)?));
            }
            let new = before.into_iter().filter(|index| known.insert(*index));
            nearest = new.filter_map(|index| self.plan.steps.get(index)).collect();
        }
        None
    }

    fn something_moved(&self, step: &Step) -> bool {
        let seen = self.seen.borrow();
        step.first.iter().any(|index| seen.get(index).is_some_and(|seen| matches!(seen.state, State::Changed)))
    }

    /// Applies, and looks again.
    async fn put_right(&self, work: &Work, differing: &[&Step]) {
        let Some(first) = differing.first() else { return };
        for step in differing {
            self.tell(Event::Started(&step.id));
            self.remember(self.intend(step));
        }
        let began = Instant::now();
        let touch = self.host.touch();
        let all: Vec<&dyn AnyResource> = differing.iter().map(|step| &*step.resource).collect();
        let patience = all.iter().fold(first.resource.patience(), |most, one| most.max(one.patience()));
        let applied = if first.resource.together() {
            bounded(patience.applying, first.resource.apply_all(&all, &touch)).await
        } else {
            bounded(patience.applying, first.resource.apply(&touch)).await.map(|()| LeftOut::new())
        };
        if applied.as_ref().is_err_and(|cause| cause.code == LATE) {
            for one in &all {
                self.remember(one.cut_off(&touch));
            }
        }
        let applying = self.span(Doing::Applying, began);
        for &index in &work.steps {
            let Some(step) =
                self.plan.steps.get(index).filter(|step| differing.iter().any(|other| other.id == step.id))
            else {
                continue;
            };
            let failed = |cause: &Cause| {
                State::Failed(Failure { id: step.id.clone(), phase: Phase::Applying, cause: cause.clone() })
            };
            let left_out = applied.as_ref().map(|list| list.iter().find(|(id, _)| *id == step.id));
            let (state, verifying) = match left_out {
                Ok(None) => {
                    let began = Instant::now();
                    let state = self.verify(step).await;
                    (state, Some(self.span(Doing::Verifying, began)))
                }
                Ok(Some((_, cause))) | Err(cause) => (failed(cause), None::<Span>),
            };
            self.note(index, |seen| {
                seen.spans.push(applying);
                seen.spans.extend(verifying);
                seen.state = state;
                seen.broke_all = applied.is_err();
                seen.started = Some(began);
                seen.took += began.elapsed();
            });
        }
    }

    /// Remembers what a step is about to leave on the host, beside what it left already: should this run be killed and the
    /// recipe stop naming it, it can be taken away all the same.
    fn intend(&self, step: &Step) -> Result<(), Cause> {
        let touch = self.host.touch();
        let mut ledger = touch.ledger_mut();
        let mut record = ledger.record(step.id.as_str()).cloned().unwrap_or_else(Record::intended);
        let new: Vec<Trace> =
            step.resource.traces().into_iter().filter(|trace| !record.traces.contains(trace)).collect();
        if new.is_empty() {
            return Ok(());
        }
        record.traces.extend(new);
        Ok(ledger.applied(step.id.as_str(), record)?)
    }

    async fn verify(&self, step: &Step) -> State {
        let failed = |phase, cause| State::Failed(Failure { id: step.id.clone(), phase, cause });
        match self.look(step).await {
            Ok(left) if left.is_empty() => State::Changed,
            Ok(left) => State::Failed(Failure::did_not_hold(step.id.clone(), &left)),
            Err(cause) => failed(Phase::Verifying, cause),
        }
    }
}
