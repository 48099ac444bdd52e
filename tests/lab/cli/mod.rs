//! The verbs of `cargo lab`, one file each.

mod base;
mod bench;
mod certificates;
mod down;
mod fuzz;
mod list;
mod play;
mod sh;
mod soak;
mod surroundings;
mod sweep;
mod test;
mod up;

use std::process::{ExitCode, ExitStatus};

use crate::lab::register::{self, Entry};

/// What `cargo lab` can do.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Verb {
    /// Boot a machine, converge it before your eyes, and leave it running
    Up(up::Up),
    /// Unmake a machine that was left running
    Down(down::Down),
    /// Show the machines there are
    List(list::List),
    /// Open a shell on a machine, or run a command there
    Sh(sh::Sh),
    /// Pass all tests: format, lints, licences, and everything else on real machines
    Test(test::Test),
    /// Make what machines are made of, if it is not there
    Base(base::BaseVerb),
    /// Measure hostagent beside what it replaces
    Bench(bench::Bench),
    /// Cut off runs wherever they can be, and see the next one finish them
    Soak(soak::Soak),
    /// Show hostagent bytes that nobody would write, and see it keep its promises
    Fuzz(fuzz::Fuzz),
    /// Unmake machines whose test is gone
    Sweep(sweep::Sweep),
    #[command(hide = true)]
    Play(play::Play),
}

impl Verb {
    /// Does it, and says how it ended.
    pub(crate) fn run(self) -> ExitCode {
        match self {
            Self::Up(up) => up.run(),
            Self::Down(down) => down.run(),
            Self::List(list) => list.run(),
            Self::Sh(sh) => sh.run(),
            Self::Test(test) => test.run(),
            Self::Base(base) => base.run(),
            Self::Bench(bench) => bench.run(),
            Self::Soak(soak) => soak.run(),
            Self::Fuzz(fuzz) => fuzz.run(),
            Self::Sweep(sweep) => sweep.run(),
            Self::Play(play) => play.run(),
        }
    }
}

/// The machine of this name, or the only one that was left running.
fn chosen(name: Option<&str>) -> Entry {
    if let Some(name) = name {
        return Entry::existing(name);
    }
    let mut kept: Vec<_> = register::all().into_iter().filter(Entry::is_kept).collect();
    match (kept.pop(), kept.is_empty()) {
        (Some(only), true) => only,
        (None, _) => panic!("no machine is left running\nhint: cargo lab up"),
        (Some(_), false) => panic!("which machine?\nhint: cargo lab list"),
    }
}

/// A program's exit code as our own.
fn same(status: ExitStatus) -> ExitCode {
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    code.map_or(ExitCode::FAILURE, ExitCode::from)
}
