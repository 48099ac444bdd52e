//! Years of renewals, with a CA that goes away for days and a clock that is set back and forth.
//!
//! hostagent runs at the times of its timer, each time with a clock further on; the CA's clock goes with it. What is reckoned
//! with is the certificate on the disk after each run.

use super::{CURRENT, secured};
use crate::lab::Machine;
use crate::lab::acme::{Acme, Advice, Fault, Step};

const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;

/// What happens in a simulated time, in days.
#[derive(Debug, Clone)]
pub(crate) struct Years {
    pub(crate) lifetime: i64,
    pub(crate) days: i64,
    pub(crate) outages: Vec<(i64, i64)>,
    /// On these days the host's clock is so many days off.
    pub(crate) steps: Vec<(i64, i64)>,
    pub(crate) has_advice: bool,
}

/// What became of it.
#[derive(Debug, Default)]
pub(crate) struct Life {
    pub(crate) runs: u32,
    pub(crate) orders: usize,
    /// Seconds without a certificate that counts.
    pub(crate) lapsed: i64,
    /// How much was left at the worst moment, in hours.
    pub(crate) least_left: i64,
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

/// Lets the time go by.
pub(crate) fn lived(years: &Years) -> Life {
    let seconds = u64::try_from(years.lifetime * DAY).unwrap();
    let acme = Acme::new().lifetime(std::time::Duration::from_secs(seconds));
    let host = secured(12, if years.has_advice { acme.advises(Advice::usual()) } else { acme });
    let began = now(&host);
    let (mut life, mut until) = (Life { least_left: i64::MAX, ..Life::default() }, until(&host) - began);
    let (mut at, mut last) = (0, 0);
    while at < years.days * DAY {
        // The timer runs twice a day, up to eleven hours later; by chance that is the same each time.
        let chance = at / (12 * HOUR) * 7919 % 11 * HOUR;
        let (day, now) = (at / DAY, at + chance);
        let is_away = years.outages.iter().any(|(from, to)| (*from..*to).contains(&day));
        if is_away {
            host.acme().stop();
        } else {
            host.acme().start();
        }
        host.acme().mend();
        host.acme().fault(Step::Certificate, Fault::off_by(now));
        let jump = years.steps.iter().rfind(|(from, _)| *from <= day).map_or(0, |(_, days)| days * DAY);
        host.agent_off_by(now + jump, "converge --only tls");
        life.runs += 1;
        life.lapsed += (now - until.max(last)).max(0);
        last = now;
        until = self::until(&host) - began;
        life.least_left = life.least_left.min((until - now) / HOUR);
        at += 12 * HOUR;
    }
    life.orders = host.acme().orders();
    life
}

fn now(host: &Machine) -> i64 {
    host.sh("date +%s").text().parse().unwrap()
}

/// The last moment of the certificate on the disk.
fn until(host: &Machine) -> i64 {
    let line = format!("date +%s -d \"$(openssl x509 -noout -enddate -in {CURRENT}/cert.pem | cut -d= -f2)\"");
    host.sh(&line).text().parse().unwrap()
}
