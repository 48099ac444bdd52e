//! `cargo lab test`: the one command that passes all tests.

use std::panic::resume_unwind;
use std::process::{Command, ExitCode, Stdio};
use std::thread;
use std::time::Instant;

use super::fuzz::Fuzz;
use super::same;
use crate::lab::base::Base;
use crate::lab::release::Release;
use crate::lab::{agent, install};

/// Pass all tests: format, lints, licences, and everything else on real machines
#[derive(Debug, clap::Args)]
pub(crate) struct Test {
    /// Only tests whose names contain one of these
    filter: Vec<String>,
    /// Only this step
    #[arg(long, value_enum, conflicts_with = "filter")]
    only: Option<Step>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Step {
    /// What the lab needs from this host
    Install,
    /// What machines are made of
    Base,
    /// rustfmt changes nothing
    Fmt,
    /// clippy has nothing to say
    Clippy,
    /// Licences, sources and duplicates are as agreed
    Deny,
    /// Every test, those on machines among them
    Tests,
    /// Some seconds of bytes that nobody would write
    Fuzz,
}

const STEPS: [Step; 7] = [Step::Install, Step::Base, Step::Fmt, Step::Clippy, Step::Deny, Step::Tests, Step::Fuzz];

impl Test {
    pub(super) fn run(&self) -> ExitCode {
        let is_wanted = |step: &Step| match self.only {
            Some(only) => *step == only,
            None => self.filter.is_empty() || matches!(step, Step::Install | Step::Base | Step::Tests),
        };
        let begun = Instant::now();
        for step in STEPS.into_iter().filter(is_wanted) {
            println!("==> {}", name(step));
            let started = Instant::now();
            let ended = self.take(step);
            println!("<== {} {} s\n", name(step), started.elapsed().as_secs());
            if let Err(code) = ended {
                println!("{} failed", name(step));
                return code;
            }
        }
        println!("all passed in {} s", begun.elapsed().as_secs());
        ExitCode::SUCCESS
    }

    fn take(&self, step: Step) -> Result<(), ExitCode> {
        match step {
            Step::Install => install::ensure(),
            Step::Base => thread::scope(|scope| {
                let makers = Release::ALL.map(|release| scope.spawn(move || Base::of(release)));
                for maker in makers {
                    maker.join().unwrap_or_else(|panic| resume_unwind(panic));
                }
            }),
            Step::Fmt => cargo(&["fmt", "--check"])?,
            Step::Clippy => cargo(&["clippy", "--all-targets", "--", "-D", "warnings"])?,
            Step::Deny => deny()?,
            Step::Tests => self.tests()?,
            Step::Fuzz => Fuzz::briefly()?,
        }
        Ok(())
    }

    fn tests(&self) -> Result<(), ExitCode> {
        let filter: Vec<_> = self.filter.iter().map(String::as_str).collect();
        let runner: &[_] = if has("nextest") {
            // Most tests wait for a machine, and need no core of their own for that.
            &["nextest", "run", "--no-fail-fast", "--test-threads", "4"]
        } else {
            &["test", "--all-targets", "--no-fail-fast", "--"]
        };
        // Built once, before any test that takes it into a machine would build it.
        let library = agent::library_tests();
        ended(agent::cargo().args(runner).args(filter).env("HOSTAGENT_LIB_TESTS", library))
    }
}

fn name(step: Step) -> &'static str {
    match step {
        Step::Install => "install",
        Step::Base => "base",
        Step::Fmt => "fmt",
        Step::Clippy => "clippy",
        Step::Deny => "deny",
        Step::Tests => "tests",
        Step::Fuzz => "fuzz",
    }
}

/// What cargo-deny can judge by what is here. Advisories come from GitHub and change without us: they have a run of their own.
fn deny() -> Result<(), ExitCode> {
    if !has("deny") {
        println!("installing cargo-deny");
        cargo(&["install", "--quiet", "--locked", "cargo-deny"])?;
    }
    cargo(&["deny", "check", "bans", "licenses", "sources"])
}

fn has(tool: &str) -> bool {
    let mut command = agent::cargo();
    let status = command.args([tool, "--version"]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

fn cargo(arguments: &[&str]) -> Result<(), ExitCode> {
    ended(agent::cargo().args(arguments))
}

fn ended(command: &mut Command) -> Result<(), ExitCode> {
    let status = command.status();
    let status = status.unwrap_or_else(|error| panic!("cannot run {command:?}: {error}"));
    if status.success() { Ok(()) } else { Err(same(status)) }
}
