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

/// Lets the time go by.
pub(crate) fn lived(years: &Years) -> Life {
    let seconds = u64::try_from(years.lifetime * DAY).expect("a lifetime is not negative");
    let acme = Acme::new().lifetime(std::time::Duration::from_secs(seconds));
    let host = secured(12, if years.has_advice { acme.advises(Advice::usual()) } else { acme });
    let began = now(&host);
    let (mut life, mut until) = (Life { least_left: i64::MAX, ..Life::default() }, until(&host) - began);
    let (mut at, mut last, mut was_away) = (0, 0, false);
    while at < years.days * DAY {
        // The timer runs twice a day, up to eleven hours later; by chance that is the same each time.
        let chance = at / (12 * HOUR) * 7919 % 11 * HOUR;
        let (day, now) = (at / DAY, at + chance);
        let is_away = years.outages.iter().any(|(from, to)| (*from..*to).contains(&day));
        match (was_away, is_away) {
            (false, true) => host.acme().stop(),
            (true, false) => host.acme().start(),
            _ => {}
        }
        was_away = is_away;
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
    host.sh("date +%s").text().parse().expect("date prints a number")
}

/// The last moment of the certificate on the disk.
fn until(host: &Machine) -> i64 {
    let line = format!("date +%s -d \"$(openssl x509 -noout -enddate -in {CURRENT}/cert.pem | cut -d= -f2)\"");
    host.sh(&line).text().parse().expect("date prints a number")
}
