//! What is remembered of failures, for each certificate and each name at a CA: when the next try may be, and how. Pure.
//!
//! A CA counts failures and locks out who burns through them (Let's Encrypt: five an hour for a name, and after 1,152 in a
//! row the name is paused until a person says otherwise). So the pauses grow as its integration guide says, a
//! `Retry-After` is a gate that a restart does not open, and after a name could not be proven the next try is a rehearsal
//! with the CA's staging twin, where failures cost nothing.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::refusal::{Kind, Refusal};
use crate::host::moment::Moment;

/// The pauses after the first, second, third and every further failure.
const PAUSES: [Duration; 4] =
    [Duration::from_mins(1), Duration::from_mins(10), Duration::from_mins(100), Duration::from_hours(24)];
/// What the pauses grow to.
const LAST_PAUSE: Duration = PAUSES[3];
/// The longest that a CA is believed to want to be left alone.
const LONGEST: Duration = Duration::from_hours(14 * 24);
/// How far a clock may be set back unnoticed.
const SLACK: Duration = Duration::from_mins(5);

/// The failures since the last success.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Failures {
    /// How many in a row.
    pub count: u32,
    /// When the first of them was.
    pub first: Moment,
    /// When the last was.
    pub last: Moment,
    /// What was said then.
    pub says: String,
    /// What to do about it.
    pub hint: String,
    /// A stable word for it.
    pub code: String,
    /// How long to wait since the last.
    pause: Duration,
    /// Whether that is the CA's wish.
    is_asked: bool,
    /// How long the CA wanted to be left alone, if it said.
    #[serde(default)]
    asked: Option<Duration>,
    /// Whether the next try is a rehearsal.
    #[serde(default)]
    rehearse: bool,
    /// Whether a person has to do something first.
    #[serde(default)]
    paused: bool,
    /// The names that it was about, each of which is remembered by itself; none if it was about the whole.
    #[serde(default)]
    pub names: Vec<String>,
}

/// There may be no try yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wait {
    /// Until then.
    pub until: Moment,
    /// Whether that is the CA's wish.
    pub is_asked: bool,
}

impl Failures {
    /// With one more failure, after those there were.
    pub fn after(before: Option<&Self>, refusal: &Refusal, now: Moment) -> Self {
        // What the CA was not asked for it has not counted, and neither is it here; it is looked at again soon.
        let asks = u32::from(refusal.kind != Kind::Unready);
        let count = before.map_or(0, |before| before.count).saturating_add(asks);
        let step = usize::try_from(count.saturating_sub(1)).unwrap_or(usize::MAX);
        let mut pause = PAUSES.get(step).copied().unwrap_or(LAST_PAUSE);
        if refusal.kind == Kind::Unready {
            pause = PAUSES[0];
        }
        // A name that is paused stays so until a person acts: asking more often only fills logs.
        if refusal.kind == Kind::Paused {
            pause = LAST_PAUSE;
        }
        let asked = refusal.retry_after.map(|asked| asked.min(LONGEST)).filter(|asked| *asked > Duration::ZERO);
        Self {
            count,
            first: before.map_or(now, |before| before.first),
            last: now,
            says: refusal.says.clone(),
            hint: refusal.hint(),
            code: refusal.code().to_owned(),
            pause: asked.map_or(pause, |asked| asked.max(pause)),
            is_asked: asked.is_some_and(|asked| asked >= pause),
            asked,
            rehearse: refusal.kind == Kind::Unproven || before.is_some_and(|before| before.rehearse),
            paused: refusal.kind == Kind::Paused,
            names: Vec::new(),
        }
    }

    /// The same, about these names alone.
    #[must_use]
    pub fn about(self, names: Vec<String>) -> Self {
        Self { names, ..self }
    }

    /// What is told of it.
    pub fn told(&self) -> String {
        let next = self.next_in_words();
        match self.count {
            0 => format!("{}; {next}", self.says),
            1 => format!("failed once, last with: {}; {next}", self.says),
            times => format!("failed {times} times, last with: {}; {next}", self.says),
        }
    }

    /// Whether there may be a try now; `presses` when the certificate cannot wait any more.
    ///
    /// # Errors
    /// Until when not.
    pub fn may_try(&self, now: Moment, presses: bool) -> Result<(), Wait> {
        let until = self.last.later(self.pause);
        let was_set_back = self.last > now.later(SLACK);
        // Of a clock that was set back nobody can tell how long it is ago. One's own pause is no more than a habit, and may
        // not keep a name from its certificate; the CA's wish is kept, unless the certificate would end over it.
        if now >= until || was_set_back && (!self.is_asked || presses) {
            Ok(())
        } else {
            Err(Wait { until, is_asked: self.is_asked })
        }
    }

    /// Whether there may be a try now that a person wants: one's own pause is passed over, the CA's wish is not.
    ///
    /// # Errors
    /// Until when not.
    pub fn may_be_forced(&self, now: Moment) -> Result<(), Wait> {
        let wish = if self.paused { Some(self.pause) } else { self.asked };
        match wish.map(|wish| self.last.later(wish)) {
            Some(until) if now < until => Err(Wait { until, is_asked: true }),
            _ => Ok(()),
        }
    }

    /// A person did what the CA wanted: the next try may be now.
    #[must_use]
    pub fn resumed(mut self) -> Self {
        (self.paused, self.pause, self.asked, self.is_asked) = (false, Duration::ZERO, None, false);
        self
    }

    /// When the next try may be, in words.
    pub fn next_in_words(&self) -> String {
        let whose = if self.is_asked { ", as the CA wants" } else { "" };
        format!("next try {}{whose}", self.next())
    }

    /// When the next try may be.
    pub fn next(&self) -> Moment {
        self.last.later(self.pause)
    }

    /// Whether the next try is a rehearsal with the CA's staging twin.
    pub fn wants_rehearsal(&self) -> bool {
        self.rehearse
    }

    /// Whether it waits for a person.
    pub fn is_paused(&self) -> bool {
        self.paused
    }

    /// The rehearsal went well: the next try is in earnest, and now.
    #[must_use]
    pub fn rehearsed(mut self) -> Self {
        self.rehearse = false;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Moment = Moment::at(1_800_000_000);

    fn of(kind: Kind) -> Refusal {
        Refusal::new(kind, "no")
    }

    fn minutes(minutes: u64) -> Duration {
        Duration::from_mins(minutes)
    }

    #[test]
    fn pauses_grow_to_a_day_and_no_further() {
        let (mut now, mut failures, mut pauses) = (NOW, None, Vec::new());
        for _ in 0..6 {
            let next = Failures::after(failures.as_ref(), &of(Kind::Away), now);
            assert_eq!(next.may_try(now, false), Err(Wait { until: next.next(), is_asked: false }));
            assert_eq!(next.may_try(next.next(), false), Ok(()));
            pauses.push(next.next().since(now).as_secs() / 60);
            now = next.next();
            failures = Some(next);
        }
        assert_eq!(pauses, [1, 10, 100, 1440, 1440, 1440]);
        assert_eq!(failures.unwrap().first, NOW);
    }

    #[test]
    fn the_ca_s_wish_is_a_gate_that_a_restart_does_not_open() {
        let failures = Failures::after(None, &of(Kind::Limited).retry_after(Some(minutes(60))), NOW);
        let kept = serde_json::to_vec(&failures).unwrap();
        let failures: Failures = serde_json::from_slice(&kept).unwrap();
        let until = NOW.later(minutes(60));
        assert_eq!(failures.may_try(NOW.later(minutes(59)), false), Err(Wait { until, is_asked: true }));
        assert_eq!(failures.may_try(until, false), Ok(()));
        // Nor does a shorter wish shorten one's own pause, nor one of years keep a host forever.
        let soon = Failures::after(None, &of(Kind::Limited).retry_after(Some(Duration::from_secs(1))), NOW);
        assert_eq!(soon.next(), NOW.later(minutes(1)));
        let never = Failures::after(None, &of(Kind::Limited).retry_after(Some(Duration::MAX)), NOW);
        assert_eq!(never.next(), NOW.later(LONGEST));
    }

    #[test]
    fn a_clock_that_was_set_back_ends_a_pause_of_one_s_own_and_not_the_ca_s() {
        let back = NOW.earlier(minutes(2 * 24 * 60));
        assert_eq!(Failures::after(None, &of(Kind::Away), NOW).may_try(back, false), Ok(()));
        let asked = Failures::after(None, &of(Kind::Limited).retry_after(Some(minutes(60))), NOW);
        assert!(asked.may_try(back, false).is_err());
        assert_eq!(asked.may_try(back, true), Ok(()), "nobody can tell how long it would still be");
    }

    #[test]
    fn after_a_name_could_not_be_proven_there_is_a_rehearsal_until_one_went_well() {
        assert!(!Failures::after(None, &of(Kind::Away), NOW).wants_rehearsal());
        let failures = Failures::after(None, &of(Kind::Unproven), NOW);
        assert!(failures.wants_rehearsal());
        let failures = Failures::after(Some(&failures), &of(Kind::Away), NOW);
        assert!(failures.wants_rehearsal(), "that staging was away is no proof");
        assert!(!failures.rehearsed().wants_rehearsal());
    }

    #[test]
    fn what_the_ca_was_not_asked_for_counts_for_nothing_and_is_looked_at_soon() {
        let first = Failures::after(None, &of(Kind::Unready), NOW);
        assert_eq!((first.count, first.next(), first.wants_rehearsal()), (0, NOW.later(minutes(1)), false));
        assert!(first.told().starts_with("no; next try 2027-01-15 08:01 UTC"), "{}", first.told());
        let twice = Failures::after(Some(&Failures::after(None, &of(Kind::Unproven), NOW)), &of(Kind::Away), NOW);
        let third = Failures::after(Some(&twice), &of(Kind::Unready), NOW);
        assert_eq!((third.count, third.next(), third.wants_rehearsal()), (2, NOW.later(minutes(1)), true));
    }

    #[test]
    fn a_paused_name_is_asked_once_a_day_and_says_what_a_person_must_do() {
        let says = "temporarily prevented, visit https://ca.example/unpause?x";
        let failures = Failures::after(None, &Refusal::new(Kind::Paused, says), NOW);
        assert!(failures.is_paused() && failures.hint.contains("open https://ca.example/unpause?x"), "{failures:?}");
        assert_eq!(failures.next(), NOW.later(Duration::from_hours(24)));
    }

    #[test]
    fn a_person_passes_over_one_s_own_pause_and_not_over_the_ca_s_wish() {
        let (away, soon) = (Failures::after(None, &of(Kind::Away), NOW), NOW.later(minutes(30)));
        assert!(away.may_try(NOW, false).is_err() && away.may_be_forced(NOW).is_ok());
        // A wish that is shorter than one's own pause is a wish all the same.
        let limited = of(Kind::Limited).retry_after(Some(minutes(50)));
        let third = (0..3).fold(None, |before, _| Some(Failures::after(before.as_ref(), &limited, NOW))).unwrap();
        assert_eq!(third.next(), NOW.later(minutes(100)));
        assert_eq!(third.may_be_forced(soon), Err(Wait { until: NOW.later(minutes(50)), is_asked: true }));
        assert_eq!(third.may_be_forced(NOW.later(minutes(50))), Ok(()));
        // A pause of the CA is lifted by a person at the CA, who says so.
        let paused = Failures::after(None, &of(Kind::Paused), NOW);
        assert!(paused.may_be_forced(soon).is_err());
        assert!(paused.clone().resumed().may_try(NOW, false).is_ok() && !paused.resumed().is_paused());
    }
}
