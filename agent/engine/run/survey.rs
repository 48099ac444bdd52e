//! The survey: looks at everything, changes nothing, and predicts what is to come.

use std::collections::BTreeSet;
use std::time::Instant;

use super::{Run, Seen, State, schedule};
use crate::engine::changes::Changes;
use crate::engine::course::Doing;
use crate::engine::failure::{Cause, Failure, Phase};
use crate::engine::patience::bounded;
use crate::engine::plan::Step;

impl Run<'_, '_> {
    /// Looks at every step, in order of need.
    pub(super) async fn survey(&self) {
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
        if let Some(reason) = self.stopped() {
            self.note(index, |seen| seen.state = State::Skipped(reason));
            return;
        }
        let began = Instant::now();
        let looked = self.look(step).await;
        let waits = || self.waits(step);
        let known =
            self.host.look().ledger().record(step.id.as_str()).is_some_and(|record| record.wanted == step.wanted);
        let (changes, state) = match looked {
            Ok(changes) if changes.is_empty() => (changes, State::Right),
            Ok(changes) => (changes, State::Pending),
            // A server that sleeps cannot be asked, and cannot have changed its mind either.
            Err(cause) if cause.asleep && known && waits() => (Changes::none(), State::Right),
            // A refusal stays one, whatever is still to come.
            Err(cause) if !cause.is_final() && waits() => {
                tracing::debug!(resource = %step.id, %cause, "not there yet");
                (step.resource.when_absent().all_follow(), State::Pending)
            }
            Err(cause) => match self.reason_to_skip(step).filter(|_| !cause.is_final()) {
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
        let spans = vec![self.span(Doing::Surveying, began)];
        let (started, took) = (Some(began), began.elapsed());
        self.note(index, |seen| {
            *seen = Seen { changes, state, drift, broke_all: false, started, took, spans, ended: None }
        });
    }

    /// Looks at a step, no longer than it may take.
    pub(super) async fn look(&self, step: &Step) -> Result<Changes, Cause> {
        bounded(step.resource.patience().looking, step.resource.check(&self.host.look())).await
    }

    /// Whether something that this step needs, directly or through others, is still to come.
    fn waits(&self, step: &Step) -> bool {
        let seen = self.seen.borrow();
        let (mut known, mut left) = (BTreeSet::new(), step.first.iter().collect::<Vec<_>>());
        while let Some(index) = left.pop() {
            if seen.get(index).is_some_and(|seen| matches!(seen.state, State::Pending)) {
                return true;
            }
            let above = self.plan.steps.get(index).into_iter().flat_map(|step| step.first.iter());
            left.extend(above.filter(|&index| known.insert(index)));
        }
        false
    }
}
