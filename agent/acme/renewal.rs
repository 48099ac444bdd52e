//! When a certificate is due to be renewed. Pure: a clock, a certificate and the CA's advice go in, a moment comes out.
//!
//! | what is known | due |
//! |---|---|
//! | nothing but the certificate | when a third of its lifetime is left, of less than ten days a half; a little earlier, by chance |
//! | the CA's window (ARI, RFC 9773) | at a point in it, chosen once and kept with the certificate |
//! | a window that leaves less than a last call | at the last call: half of what is left in the first row |
//! | a window that makes no sense | as if there were none |
//! | a window that is over for one that was just issued | when it is six hours old |
//!
//! The point is a part of the window and not a moment, so that a window the CA moves moves the point with it, and whoever
//! asks again does not draw again: ten draws would be ten chances to be early.
//!
//! A clock that is set back must not put a renewal off: the latest moment ever seen counts, if it is not so far ahead that it
//! was itself the mistake.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::host::moment::Moment;

const DAY: Duration = Duration::from_hours(24);
/// Below this a certificate is renewed at half its lifetime (the integration guide of Let's Encrypt).
const SHORT: Duration = Duration::from_hours(10 * 24);
/// How far the clock may have been set back.
const SET_BACK: Duration = Duration::from_hours(3 * 24);
/// So old a certificate is at least when it is renewed because the CA wants it.
const SETTLED: Duration = Duration::from_hours(6);
/// How often a CA is asked for its advice, if it does not say.
pub const ASK_EVERY: Duration = Duration::from_hours(6);
/// The least and the most that a CA may say (RFC 9773, 4.3.2, leaves it to the client).
const ASK_LIMITS: (Duration, Duration) = (Duration::from_mins(1), DAY);

/// From when until when a certificate counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Validity {
    /// Its first moment.
    pub from: Moment,
    /// Its last.
    pub to: Moment,
}

impl Validity {
    /// All of it.
    pub fn lifetime(&self) -> Duration {
        self.to.since(self.from)
    }

    /// What must at least be left without the CA's advice.
    fn reserve(&self) -> Duration {
        self.lifetime() / if self.lifetime() < SHORT { 2 } else { 3 }
    }
}

/// A part of a window, drawn once: thousandths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Point(u16);

impl Point {
    /// Draws one.
    pub fn draw() -> Self {
        Self(rand::random::<u16>() % 1000)
    }

    /// So many thousandths.
    pub const fn at(thousandths: u16) -> Self {
        Self(if thousandths > 1000 { 1000 } else { thousandths })
    }

    /// As thousandths.
    pub const fn thousandths(self) -> u16 {
        self.0
    }

    fn of(self, whole: Duration) -> Duration {
        // Not through a float: a window of years is still exact to the second.
        Duration::from_secs(
            whole.as_secs() / 1000 * u64::from(self.0) + whole.as_secs() % 1000 * u64::from(self.0) / 1000,
        )
    }
}

/// What the CA advised for one certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Advice {
    /// The window begins.
    pub start: Moment,
    /// The window ends.
    pub end: Moment,
    /// A page that says why, if there is a reason.
    pub explanation: Option<String>,
    /// When it was asked.
    pub asked: Moment,
    /// After how long it is to be asked again.
    pub every: Duration,
}

impl Advice {
    /// None: it has none to give, or could not be asked. That is remembered like any other answer, so that who looks often
    /// does not ask as often.
    pub fn none(asked: Moment, every: Duration) -> Self {
        Self { start: asked, end: asked, explanation: None, asked, every }
    }

    /// After how long to ask again, of what the CA said.
    pub fn pace(retry_after: Option<Duration>) -> Duration {
        retry_after.map_or(ASK_EVERY, |said| said.clamp(ASK_LIMITS.0, ASK_LIMITS.1))
    }

    /// Whether it is time to ask again. An answer from the future was asked before the clock was set back.
    pub fn is_old(&self, now: Moment) -> bool {
        self.asked > now.later(Duration::from_mins(5)) || now.since(self.asked) >= self.every
    }

    /// Whether it can be meant: a window that ends before it begins, or begins when there is nothing left, is none.
    fn makes_sense(&self, validity: &Validity) -> bool {
        self.start < self.end && self.start < validity.to
    }
}

/// Why a certificate is due then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// The CA's window, and the page that explains it.
    Advised(Option<String>),
    /// So little is left, and nobody advised otherwise.
    Reserve,
    /// The CA's window leaves too little.
    LastCall,
    /// It is over.
    Expired,
}

/// When a certificate is due, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// From this moment on.
    pub at: Moment,
    /// For this reason.
    pub why: Why,
    /// The certificate's last moment.
    pub ends: Moment,
}

impl Due {
    /// Whether it is due.
    pub fn is_now(&self, now: Moment) -> bool {
        self.at <= now
    }
}

impl fmt::Display for Due {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.why {
            Why::Expired => write!(f, "expired on {}", self.ends),
            Why::Reserve => write!(f, "expires on {}", self.ends),
            Why::LastCall => write!(f, "expires on {}, before the CA would have it renewed", self.ends),
            Why::Advised(None) => write!(f, "the CA wants it renewed by now; expires on {}", self.ends),
            Why::Advised(Some(page)) => {
                write!(f, "the CA wants it renewed by now, see {page}; expires on {}", self.ends)
            }
        }
    }
}

/// When a certificate is due.
pub fn due(validity: &Validity, advice: Option<&Advice>, point: Point, now: Moment) -> Due {
    let ends = validity.to;
    if ends <= now {
        return Due { at: ends, why: Why::Expired, ends };
    }
    let reserve = validity.reserve();
    let Some(advice) = advice.filter(|advice| advice.makes_sense(validity)) else {
        // Earlier and not later: what must be left is left.
        let chance = point.of(validity.lifetime() / 24);
        return Due { at: ends.earlier(reserve).earlier(chance), why: Why::Reserve, ends };
    };
    // One that is new is not renewed at once, whatever is advised: a CA that says so of every certificate would be asked for
    // one after the other.
    let advised = advice.start.later(point.of(advice.end.since(advice.start))).max(validity.from.later(SETTLED));
    let last_call = ends.earlier(reserve / 2);
    if last_call < advised {
        Due { at: last_call, why: Why::LastCall, ends }
    } else {
        Due { at: advised, why: Why::Advised(advice.explanation.clone()), ends }
    }
}

/// What time it is: the clock, or the latest moment ever seen if the clock was set back since.
pub fn believed(clock: Moment, latest_seen: Option<Moment>) -> Moment {
    match latest_seen {
        Some(seen) if seen > clock && seen.since(clock) <= SET_BACK => seen,
        _ => clock,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Moment = Moment::at(1_800_000_000);

    fn hours(hours: u64) -> Duration {
        Duration::from_hours(hours)
    }

    fn of_hours(lifetime: u64) -> Validity {
        Validity { from: START, to: START.later(hours(lifetime)) }
    }

    fn window(start: Moment, end: Moment) -> Advice {
        Advice { start, end, explanation: None, asked: START, every: ASK_EVERY }
    }

    #[test]
    fn without_advice_a_third_of_the_lifetime_is_left_and_half_of_a_short_one() {
        for (lifetime, used) in [(90 * 24, 60 * 24), (45 * 24, 30 * 24), (160, 80), (10 * 24, 160)] {
            let found = due(&of_hours(lifetime), None, Point::at(0), START);
            assert_eq!((found.at, found.why), (START.later(hours(used)), Why::Reserve), "{lifetime} h");
        }
    }

    #[test]
    fn chance_makes_it_earlier_and_never_later() {
        let validity = of_hours(45 * 24);
        let at = |point| due(&validity, None, Point::at(point), START).at;
        assert!(at(1000) < at(500) && at(500) < at(0));
        assert_eq!(at(0).since(at(1000)), hours(45));
        for _ in 0..100 {
            assert!(due(&validity, None, Point::draw(), START).at <= at(0));
        }
    }

    #[test]
    fn the_ca_s_window_counts_and_the_point_in_it_moves_with_it() {
        let validity = of_hours(90 * 24);
        let point = Point::at(250);
        let mut advice = window(START.later(hours(1000)), START.later(hours(1100)));
        assert_eq!(due(&validity, Some(&advice), point, START).at, START.later(hours(1025)));
        // Revoked: the CA moves the window to the past.
        advice = window(START.earlier(hours(48)), START.earlier(hours(24)));
        advice.explanation = Some("https://ca.example/incident".to_owned());
        let found = due(&validity, Some(&advice), point, START);
        // So does one that says it of every certificate: each would be replaced as soon as it is there.
        assert!(!found.is_now(START.later(hours(5))) && found.is_now(START.later(hours(6))));
        assert!(found.to_string().contains("see https://ca.example/incident"), "{found}");
    }

    #[test]
    fn a_window_that_makes_no_sense_is_none_and_one_that_is_too_late_is_cut_short() {
        let validity = of_hours(90 * 24);
        let without = due(&validity, None, Point::at(0), START);
        let turned = window(START.later(hours(200)), START.later(hours(100)));
        let after_the_end = window(validity.to.later(hours(1)), validity.to.later(hours(2)));
        for advice in [turned, after_the_end] {
            assert_eq!(due(&validity, Some(&advice), Point::at(0), START), without);
        }
        let late = window(validity.to.earlier(hours(2)), validity.to.later(hours(20)));
        let found = due(&validity, Some(&late), Point::at(500), START);
        assert_eq!((found.at, found.why), (validity.to.earlier(hours(15 * 24)), Why::LastCall));
    }

    #[test]
    fn what_is_over_is_due_whatever_was_advised() {
        let validity = of_hours(160);
        let later = window(validity.to.later(hours(1)), validity.to.later(hours(9)));
        let now = validity.to;
        assert_eq!(due(&validity, Some(&later), Point::at(0), now).why, Why::Expired);
        assert!(due(&validity, None, Point::at(0), now).is_now(now));
    }

    #[test]
    fn a_clock_that_was_set_back_puts_nothing_off_and_one_that_was_far_ahead_is_forgotten() {
        let seen = Some(START);
        assert_eq!(believed(START.earlier(hours(48)), seen), START);
        assert_eq!(believed(START.later(hours(48)), seen), START.later(hours(48)));
        assert_eq!(believed(START.earlier(hours(24 * 365)), seen), START.earlier(hours(24 * 365)));
        assert_eq!(believed(START, None), START);
    }

    #[test]
    fn advice_is_asked_again_at_the_ca_s_pace_within_reason() {
        assert_eq!(Advice::pace(None), hours(6));
        assert_eq!(Advice::pace(Some(Duration::ZERO)), Duration::from_mins(1));
        assert_eq!(Advice::pace(Some(hours(1000))), hours(24));
        let advice = window(START, START.later(hours(1)));
        assert!(!advice.is_old(START.later(hours(5))) && advice.is_old(START.later(hours(6))));
        assert!(advice.is_old(START.earlier(hours(48))), "the clock was set back two days");
    }

    #[test]
    fn a_year_of_renewals_leaves_no_second_uncovered_through_an_outage_and_steps_of_the_clock() {
        // The clock is 48 h wrong, back and then ahead, for a week each.
        for (lifetime, outage) in [(90 * 24, 20 * 24), (45 * 24, 14 * 24), (45 * 24, 5 * 24), (160, 72)] {
            let mut validity = of_hours(lifetime);
            let (mut seen, mut renewals) = (None, 0);
            for hour in 0..365 * 24_u64 {
                let truth = START.later(hours(hour));
                let clock = match hour / 24 {
                    100..107 => truth.earlier(hours(48)),
                    200..207 => truth.later(hours(48)),
                    _ => truth,
                };
                let now = believed(clock, seen);
                seen = Some(seen.map_or(now, |seen: Moment| if clock > seen { clock } else { seen }));
                assert!(validity.to > truth, "{lifetime} h: nothing valid in hour {hour}");
                let is_away = (5000..5000 + outage).contains(&hour);
                if !is_away && due(&validity, None, Point::at(0), now).is_now(now) {
                    validity = Validity { from: truth, to: truth.later(hours(lifetime)) };
                    renewals += 1;
                }
            }
            let (at_least, at_most) = (365 * 24 / lifetime, 365 * 24 / (lifetime / 2) + 4);
            assert!((at_least..=at_most).contains(&renewals), "{lifetime} h: {renewals} renewals");
        }
    }
}
