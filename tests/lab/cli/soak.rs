//! `cargo lab soak`

use std::process::{Command, ExitCode};
use std::time::Instant;

use super::certificates::{Amount, figures};
use crate::lab::{agent, install};
use crate::soak;

/// Cut off runs wherever they can be, and see the next one finish them
///
/// Hours of it, if wanted; the default takes about an hour for each Debian. What happens goes to stderr, the figures to
/// stdout: `cargo lab soak >tests/soak/FIGURES.md`, and `cargo lab soak tls >tests/soak/TLS.md`.
#[derive(Debug, clap::Args)]
pub(crate) struct Soak {
    /// Only those with this in their names, such as `power` or `change`; `tls` for renewals instead
    #[arg(default_value = "")]
    filter: String,
    /// Where random instants come from [default: the commit's]
    #[arg(long)]
    seed: Option<u64>,
    /// Only on this Debian: 12 or 13
    #[arg(long)]
    debian: Option<u8>,
    /// How many first runs are killed after a resource, if there are so many
    #[arg(long, default_value_t = 1000)]
    resources: usize,
    /// How many first runs are killed at a random instant
    #[arg(long, default_value_t = 50)]
    random: usize,
    /// How many first runs lose their power
    #[arg(long, default_value_t = 20)]
    power: usize,
    /// How many first runs are cut off while one of the programs works that packages are set up with, if there are so many
    #[arg(long, default_value_t = 1000)]
    programs: usize,
    /// How many changes are cut off
    #[arg(long, default_value_t = 60)]
    changes: usize,
    /// How many changes are killed before one of their system calls, to and fro and given up
    #[arg(long, default_value_t = 100)]
    calls: usize,
    /// With `tls`: how many renewals are killed, on each Debian
    #[arg(long, default_value_t = 50)]
    kills: usize,
    /// With `tls`: how many certificates are had from a CA that rejects half of all good nonces
    #[arg(long, default_value_t = 100)]
    nonces: usize,
    /// With `tls`: how many days are simulated
    #[arg(long, default_value_t = 365)]
    days: i64,
    /// How many machines work at a time
    #[arg(long, default_value_t = 3)]
    at_once: usize,
}

impl Soak {
    pub(super) fn run(&self) -> ExitCode {
        install::ensure();
        // Built once, before any machine would build it.
        agent::binary();
        let seed = self.seed.unwrap_or_else(soak::seed_of_the_commit);
        let amount = soak::Amount {
            resources: self.resources,
            random: self.random,
            power: self.power,
            programs: self.programs,
            changes: self.changes,
            calls: self.calls,
            at_once: self.at_once,
        };
        let debians = self.debian.map_or_else(|| vec![12, 13], |debian| vec![debian]);
        eprintln!("seed {seed}");
        if self.filter == "tls" {
            return self.certificates(&debians, seed);
        }
        // Before somebody goes on working here.
        let (begun, commit) = (Instant::now(), commit());
        let (table, failed) = soak::run(&debians, amount, seed, &self.filter, &|line| eprintln!("{line}"));
        let minutes = begun.elapsed().as_secs().div_ceil(60);
        println!("# The kill matrix\n");
        println!("`cargo lab soak` on {}, commit {commit}, seed {seed}, {minutes} min.\n", today());
        print!("{table}");
        if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

impl Soak {
    fn certificates(&self, debians: &[u8], seed: u64) -> ExitCode {
        let amount = Amount { kills: self.kills, nonces: self.nonces, days: self.days };
        let (begun, commit) = (Instant::now(), commit());
        let table = figures(debians, amount, seed, &|line| eprintln!("{line}"));
        let minutes = begun.elapsed().as_secs().div_ceil(60);
        println!("# Certificates, for long\n");
        println!("`cargo lab soak tls` on {}, commit {commit}, seed {seed}, {minutes} min.\n", today());
        print!("{table}");
        ExitCode::SUCCESS
    }
}

fn commit() -> String {
    said(Command::new("git").args(["describe", "--always", "--dirty"]).current_dir(env!("CARGO_MANIFEST_DIR")))
}

fn today() -> String {
    said(Command::new("date").args(["-u", "+%Y-%m-%d"]))
}

fn said(command: &mut Command) -> String {
    let said = command.output().map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    said.unwrap_or_default()
}
