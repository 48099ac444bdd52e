//! Renewals for long, and their table.

use std::fmt::Write as _;
use std::time::Instant;

use crate::soak::tls::{Years, killed, lived, renewed};

/// How much is done.
#[derive(Debug, Clone, Copy)]
pub(super) struct Amount {
    /// Renewals that are killed, on each Debian.
    pub(super) kills: usize,
    /// Certificates from a CA that rejects half of all good nonces.
    pub(super) nonces: usize,
    /// Simulated days, for each lifetime.
    pub(super) days: i64,
}

/// The lifetimes of certificates that a CA gives: Let's Encrypt's `tlsserver` and `shortlived`.
const LIFETIMES: [i64; 2] = [45, 6];

/// Does it, and says in Markdown what came of it.
pub(super) fn figures(debians: &[u8], amount: Amount, seed: u64, tell: &dyn Fn(&str)) -> String {
    let mut table = String::from("| what | how often | what came of it | minutes |\n|---|--:|---|--:|\n");
    let mut row = |what: &str, number: usize, came: &str, began: Instant| {
        let minutes = began.elapsed().as_secs_f64() / 60.0;
        let line = format!("| {what} | {number} | {came} | {minutes:.1} |");
        tell(&line);
        let _ = writeln!(table, "{line}");
    };
    for &debian in debians {
        let began = Instant::now();
        let kills = killed(debian, amount.kills, seed);
        let came = format!(
            "all finished by the next run; no order placed twice but {} of which the CA's answer was lost",
            kills.placed_again
        );
        row(&format!("renewals killed before a system call, Debian {debian}"), kills.killed, &came, began);
    }
    let began = Instant::now();
    let failed = renewed(amount.nonces, 50);
    row("certificates at 50 % rejected nonces", amount.nonces, &format!("{} issued", amount.nonces - failed), began);
    for lifetime in LIFETIMES {
        let began = Instant::now();
        let life = lived(&Years {
            lifetime,
            days: amount.days,
            outages: vec![(60, 65), (150, 170)],
            steps: vec![(30, 2), (31, 0), (100, -2), (101, 0), (250, 2), (252, -2), (254, 0)],
            has_advice: true,
        });
        let hours = life.lapsed / 3600;
        let came = format!(
            "{} orders, {hours} hours without a certificate, at worst {} hours left",
            life.orders, life.least_left
        );
        let what = format!(
            "days with certificates of {lifetime} days, the CA away for 5 and for 20 of them, the clock off by 2 days four times"
        );
        row(&what, usize::try_from(amount.days).unwrap_or(0), &came, began);
    }
    table
}
