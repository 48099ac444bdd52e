//! `cargo lab fuzz`

use std::process::ExitCode;
use std::time::Duration;

use crate::fuzz::{self, Fuzzer};

/// Show hostagent bytes that nobody would write, and see it keep its promises
///
/// libFuzzer finds them, on a stable compiler: see `fuzz/`. What it learns stays in the target folder for the next time.
/// The figures go to stdout; those of long runs are kept in `fuzz/FIGURES.md`.
#[derive(Debug, clap::Args)]
pub(crate) struct Fuzz {
    /// Only this one
    #[arg(value_parser = fuzz::names())]
    target: Option<String>,
    /// How long each, such as `20s`, `10m` or `1h`
    #[arg(long = "for", default_value = "10m", value_parser = duration)]
    time: Duration,
    /// Instead add to `fuzz/corpus` what leads where nothing there does, at most 70 inputs each
    #[arg(long)]
    collect: bool,
}

impl Fuzz {
    pub(super) fn run(&self) -> ExitCode {
        if self.finds_nothing() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }

    /// The short one that belongs to all tests.
    pub(super) fn briefly() -> Result<(), ExitCode> {
        let brief = Self { target: None, time: Duration::from_secs(20), collect: false };
        if brief.finds_nothing() { Ok(()) } else { Err(ExitCode::FAILURE) }
    }

    fn finds_nothing(&self) -> bool {
        let fuzzers = Fuzzer::all().into_iter();
        let wanted = fuzzers.filter(|fuzzer| self.target.as_deref().is_none_or(|wanted| wanted == fuzzer.name));
        if self.collect {
            wanted.for_each(|fuzzer| println!("{}: {} inputs more", fuzzer.name, fuzzer.collect()));
            return true;
        }
        println!("| target | executions | a second | edges | features | inputs | most memory | findings |");
        println!("|---|---|---|---|---|---|---|---|");
        let mut finds_nothing = true;
        for fuzzer in wanted {
            let figures = fuzzer.run(self.time);
            println!("| {} | {} |", fuzzer.name, figures.row());
            finds_nothing &= figures.finding.is_none();
            figures.finding.inspect(|finding| println!("\n{finding}"));
        }
        finds_nothing
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is no time, such as `20s`, `10m` or `1h`");
    let (number, unit) = text.split_at_checked(text.len().saturating_sub(1)).ok_or_else(wrong)?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        _ => return Err(wrong()),
    };
    number.parse::<u64>().map(|number| Duration::from_secs(number * seconds)).map_err(|_error| wrong())
}
