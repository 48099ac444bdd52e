//! The whole matrix, several machines at a time, and its table.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::change::Change;
use super::cut::{Cut, Plan};
use super::dice::Dice;
use super::first::First;

/// How much is done.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Amount {
    /// First runs killed after one of the resources each; more than there are is all.
    pub(crate) resources: usize,
    /// First runs killed at a random instant.
    pub(crate) random: usize,
    /// First runs ended by a power cut.
    pub(crate) power: usize,
    /// First runs cut off while one of the programs works that packages are set up with; more than there are is all.
    pub(crate) programs: usize,
    /// Changes that are cut off, in all four ways.
    pub(crate) changes: usize,
    /// Changes that are killed before one of their system calls, to and fro; more than there are is all.
    pub(crate) calls: usize,
    /// How many machines work at a time.
    pub(crate) at_once: usize,
}

/// What comes of cutting off runs, counted.
#[derive(Debug, Default, Clone)]
struct Count {
    cut_off: usize,
    finishers_cut_off: usize,
    failures: Vec<String>,
}

/// What is counted together: Debian, which run, how it is cut off.
type Row = (u8, &'static str, &'static str);

/// Whoever shows how it goes.
type Tell<'t> = &'t (dyn Fn(&str) + Sync);

/// Cuts off runs on these Debians, as many as are wanted and have `filter` in their names; the table in Markdown, and how
/// many were not finished by the next run.
pub(crate) fn run(debians: &[u8], amount: Amount, seed: u64, filter: &str, tell: Tell<'_>) -> (String, usize) {
    let mut rows = BTreeMap::new();
    for &debian in debians {
        let mut dice = Dice::of(seed ^ u64::from(debian));
        let matrix = Matrix { debian, amount, filter, tell, rows: Mutex::default() };
        matrix.first_runs(&mut dice);
        matrix.changes(&mut dice);
        matrix.calls(&mut dice);
        rows.append(&mut matrix.rows.into_inner().unwrap_or_else(PoisonError::into_inner));
    }
    (table(&rows), rows.values().map(|count| count.failures.len()).sum())
}

struct Matrix<'m> {
    debian: u8,
    amount: Amount,
    filter: &'m str,
    tell: Tell<'m>,
    rows: Mutex<BTreeMap<Row, Count>>,
}

const FIRST: &str = "first run";
const CHANGE: &str = "change";

impl Matrix<'_> {
    fn first_runs(&self, dice: &mut Dice) {
        let Amount { resources, random, power, programs, .. } = self.amount;
        let none = [AFTER, ALONE, WITH_ALL, POWER].iter().all(|kind| !self.is_wanted(FIRST, kind));
        if none || resources + random + power + programs == 0 {
            return;
        }
        let first = First::undisturbed(self.debian);
        (self.tell)(&format!(
            "Debian {}, first run: {} resources in {:.1} s when nobody disturbs it",
            self.debian,
            first.resources,
            first.took.as_secs_f64()
        ));
        let boundaries: Vec<Cut> = (1..=first.resources).map(Cut::After).collect();
        let mut cuts = dice.some(&boundaries, resources);
        for number in 0..random {
            let at = dice.within(first.took);
            cuts.push(if number % 5 == 4 { Cut::WithAll(at) } else { Cut::Alone(at) });
        }
        cuts.extend((0..power).map(|_| Cut::Power(dice.within(first.took))));
        let during = PROGRAMS
            .iter()
            .flat_map(|program| [Cut::AloneDuring(program), Cut::WithAllDuring(program), Cut::PowerDuring(program)]);
        cuts.extend(dice.some(&during.collect::<Vec<_>>(), programs.saturating_sub(1)));
        let mut plans: Vec<Plan> = cuts.into_iter().map(|cut| plan(dice, cut, first.took)).collect();
        if programs > 0 {
            // The second is cut off from what it lets dpkg finish.
            let cuts = vec![Cut::WithAllDuring("make-ssl-cert"), Cut::AloneDuring("pg_createcluster")];
            plans.push(Plan { cuts, is_given_up: false });
        }
        plans.retain(|plan| self.is_wanted(FIRST, kind(plan)));
        self.share_out(plans, |plan| {
            self.strike(FIRST, plan, &mut |plan| first.is_finished_after(plan));
        });
    }

    fn changes(&self, dice: &mut Dice) {
        if self.amount.changes == 0 {
            return;
        }
        let mut plans = Vec::new();
        for number in 0..self.amount.changes {
            // How long a change takes is known when one was seen: until then these are shares of a second.
            let at = dice.within(Duration::from_secs(1));
            let cut = match number % 6 {
                0 => Cut::After(usize::try_from(at.as_micros() % 1000).unwrap_or(0)),
                1 => Cut::Power(at),
                2 => Cut::WithAll(at),
                _ => Cut::Alone(at),
            };
            plans.push(Plan { is_given_up: dice.once_in(4), ..plan(dice, cut, Duration::from_secs(1)) });
        }
        plans.retain(|plan| self.is_wanted(CHANGE, kind(plan)));
        let machines = self.amount.at_once.min(plans.len().div_ceil(10)).max(1);
        let hands: Vec<&[Plan]> = plans.chunks(plans.len().div_ceil(machines).max(1)).collect();
        self.share_out(hands, |hand| {
            self.change_with(hand, |plan, change| {
                let cuts = plan.cuts.iter().map(|cut| scaled(*cut, change)).collect();
                Some(Plan { cuts, ..*plan })
            });
        });
    }

    fn calls(&self, dice: &mut Dice) {
        let Amount { calls, at_once, .. } = self.amount;
        if calls == 0 || !self.is_wanted(CHANGE, BEFORE) {
            return;
        }
        let some = dice.some(&(0..MOST_CALLS.max(calls)).collect::<Vec<_>>(), calls);
        // Each to and fro, and once without finishing it.
        let all: Vec<(usize, bool)> =
            some.into_iter().flat_map(|number| [(number, false), (number, false), (number, true)]).collect();
        let hands: Vec<&[(usize, bool)]> = all.chunks(all.len().div_ceil(at_once * 3) * 3).collect();
        self.share_out(hands, |hand| {
            self.change_with(hand, |&(number, is_given_up), change| {
                change.call(number).map(|call| Plan { cuts: vec![Cut::Before(call)], is_given_up })
            });
        });
    }

    /// One machine goes to and fro; after a failure another one goes on.
    fn change_with<P>(&self, hand: &[P], plan: impl Fn(&P, &Change) -> Option<Plan>) {
        let mut machine = None;
        for one in hand {
            let mut change = match machine.take() {
                Some(change) => change,
                None => Change::undisturbed(self.debian),
            };
            let went_well = plan(one, &change)
                .is_none_or(|plan| self.strike(CHANGE, &plan, &mut |plan| change.is_finished_after(plan)));
            machine = went_well.then_some(change);
        }
    }

    /// Several hands take one after the other until none is left.
    fn share_out<T: Send + Sync>(&self, all: Vec<T>, work: impl Fn(&T) + Sync) {
        let left = Mutex::new(all.into_iter());
        let next = || left.lock().unwrap_or_else(PoisonError::into_inner).next();
        thread::scope(|scope| {
            for _ in 0..self.amount.at_once {
                scope.spawn(|| {
                    while let Some(one) = next() {
                        work(&one);
                    }
                });
            }
        });
    }

    /// Cuts off, counts and tells; one that had ended before is cut off earlier. Says whether all went well.
    fn strike(&self, run: &'static str, plan: &Plan, work: &mut dyn FnMut(&Plan) -> Vec<Option<String>>) -> bool {
        let mut plan = plan.clone();
        let row = (self.debian, run, kind(&plan));
        loop {
            let name = format!("Debian {}, {run}, {plan}", self.debian);
            let begun = Instant::now();
            let ended = catch_unwind(AssertUnwindSafe(|| work(&plan)));
            let mut rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
            let count = rows.entry(row).or_default();
            match ended {
                Ok(struck) if matches!(struck.first(), Some(None)) && !has_a_clock(&plan) => return true,
                Ok(struck) if matches!(struck.first(), Some(None)) => {
                    plan.cuts = plan.cuts.into_iter().map(earlier).collect();
                }
                Ok(struck) => {
                    count.cut_off += 1;
                    count.finishers_cut_off += struck.iter().skip(1).flatten().count();
                    let last: Vec<&str> =
                        struck.iter().map(|last| last.as_deref().unwrap_or("came too late")).collect();
                    let took = begun.elapsed().as_secs_f64();
                    (self.tell)(&format!("{name}: finished ({}), {took:.1} s", last.join(", then ")));
                    return true;
                }
                Err(panic) => {
                    count.cut_off += 1;
                    let says = panic.downcast::<String>().map_or_else(|_| "it went wrong".to_owned(), |says| *says);
                    (self.tell)(&format!("{name}: NOT finished: {says}"));
                    count.failures.push(name);
                    return false;
                }
            }
        }
    }

    fn is_wanted(&self, run: &str, kind: &str) -> bool {
        format!("Debian {}, {run}, {kind}", self.debian).contains(self.filter)
    }
}

/// A cut, and sometimes another one of the run that is to finish it.
fn plan(dice: &mut Dice, cut: Cut, took: Duration) -> Plan {
    let again = dice.once_in(3).then(|| again(dice, took));
    Plan { cuts: [cut].into_iter().chain(again).collect(), is_given_up: false }
}

fn again(dice: &mut Dice, took: Duration) -> Cut {
    let at = dice.within(took);
    if dice.once_in(4) { Cut::WithAll(at) } else { Cut::Alone(at) }
}

/// A cut in a part of a second as the same part of a change.
fn scaled(cut: Cut, change: &Change) -> Cut {
    let at = |at: Duration| change.took().mul_f64(at.as_secs_f64());
    match cut {
        Cut::After(some) => Cut::After(some % change.resources() + 1),
        Cut::Alone(part) => Cut::Alone(at(part)),
        Cut::WithAll(part) => Cut::WithAll(at(part)),
        Cut::Power(part) => Cut::Power(at(part)),
        Cut::Before(_) | Cut::AloneDuring(_) | Cut::WithAllDuring(_) | Cut::PowerDuring(_) => cut,
    }
}

/// Whether a run that had ended before can be cut off earlier.
fn has_a_clock(plan: &Plan) -> bool {
    matches!(plan.cuts.first(), Some(Cut::After(_) | Cut::Alone(_) | Cut::WithAll(_) | Cut::Power(_)))
}

fn earlier(cut: Cut) -> Cut {
    match cut {
        Cut::After(resources) => Cut::After(resources.saturating_sub(1)),
        Cut::Alone(at) => Cut::Alone(at.mul_f64(0.8)),
        Cut::WithAll(at) => Cut::WithAll(at.mul_f64(0.8)),
        Cut::Power(at) => Cut::Power(at.mul_f64(0.8)),
        Cut::Before(_) | Cut::AloneDuring(_) | Cut::WithAllDuring(_) | Cut::PowerDuring(_) => cut,
    }
}

const AFTER: &str = "kill -9 after a resource";
const ALONE: &str = "kill -9 at a random instant";
const WITH_ALL: &str = "kill -9 of it and all it started";
const POWER: &str = "power cut";
const BEFORE: &str = "kill -9 before a system call";

/// What packages are set up with. Each leaves something half done when it is cut off.
const PROGRAMS: [&str; 9] = [
    "initdb",
    "pg_createcluster",
    "make-ssl-cert",
    "update-alternatives",
    "deb-systemd-helper",
    "deb-systemd-invoke",
    "ucf",
    "useradd",
    "dpkg-deb",
];

/// More system calls than a change makes.
const MOST_CALLS: usize = 700;

fn kind(plan: &Plan) -> &'static str {
    match plan.cuts.first() {
        Some(Cut::Alone(_) | Cut::AloneDuring(_)) => ALONE,
        Some(Cut::WithAll(_) | Cut::WithAllDuring(_)) => WITH_ALL,
        Some(Cut::Power(_) | Cut::PowerDuring(_)) => POWER,
        Some(Cut::Before(_)) => BEFORE,
        Some(Cut::After(_)) | None => AFTER,
    }
}

fn table(rows: &BTreeMap<Row, Count>) -> String {
    let mut table =
        "| Debian | run | cut off by | runs cut off | and the run after it too | not finished by the next |\n\
                     |---|---|---|--:|--:|--:|\n"
            .to_owned();
    let mut all = Count::default();
    for ((debian, run, kind), count) in rows {
        let _ = writeln!(table, "| {debian} | {run} | {kind} | {count} |");
        all.cut_off += count.cut_off;
        all.finishers_cut_off += count.finishers_cut_off;
        all.failures.extend(count.failures.iter().cloned());
    }
    let _ = writeln!(table, "| | | all | {all} |");
    for failure in &all.failures {
        let _ = writeln!(table, "- not finished: {failure}");
    }
    table
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} | {} | {}", self.cut_off, self.finishers_cut_off, self.failures.len())
    }
}
