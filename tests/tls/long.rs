//! Short samples of what `cargo lab soak` does for long.

use super::{Years, killed, lived, renewed};
use crate::soak::seed_of_the_commit;

const DAY: i64 = 24 * 3600;

#[test]
fn a_renewal_that_was_killed_anywhere_is_finished_by_the_next_run() {
    let seed = seed_of_the_commit();
    let kills = killed(if seed.is_multiple_of(2) { 12 } else { 13 }, 10, seed);
    assert!(kills.killed >= 8, "{kills:?}");
}

#[test]
fn half_of_all_nonces_rejected_are_no_reason_to_fail() {
    assert_eq!(renewed(12, 50), 0);
}

#[test]
fn certificates_of_45_days_outlive_an_outage_of_five_days_and_a_clock_that_jumps() {
    let life = lived(&Years {
        lifetime: 45,
        days: 100,
        outages: vec![(28, 33)],
        steps: vec![(10, 2), (11, 0), (50, -2), (51, 0)],
        has_advice: true,
    });
    assert_eq!(life.lapsed, 0, "{life:?}");
    assert!(life.orders <= 5 && life.least_left >= 9 * 24, "{life:?}");
}

#[test]
fn certificates_of_six_days_are_renewed_in_time_and_lapse_only_if_the_ca_is_away_for_longer_than_they_live() {
    let life = lived(&Years {
        lifetime: 6,
        days: 36,
        outages: vec![(10, 12), (20, 25)],
        steps: vec![(5, 2), (6, 0), (14, -2), (15, 0)],
        has_advice: false,
    });
    // Of the five days of the second outage at least two and a half are covered, and it is asked again within half a day.
    assert!(life.lapsed <= 3 * DAY, "{life:?}");
    assert!(life.orders <= 16, "{life:?}");
}
