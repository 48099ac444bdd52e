//! `cargo lab`: disposable Debian machines for tests, and for a look around.

#![expect(
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line of the tests, not of the product"
)]

#[path = "../bench/mod.rs"]
mod bench;
#[expect(clippy::shadow_reuse, reason = "what is taken apart step by step keeps its name")]
mod cli;
#[path = "../fuzz/mod.rs"]
mod fuzz;
#[path = "mod.rs"]
mod lab;
#[path = "../soak/mod.rs"]
mod soak;

use std::panic;
use std::process::ExitCode;

use clap::Parser as _;

use cli::Verb;

/// Disposable Debian machines.
#[derive(Debug, clap::Parser)]
#[command(name = "cargo lab", bin_name = "cargo lab")]
struct CommandLine {
    #[command(subcommand)]
    verb: Verb,
}

fn main() -> ExitCode {
    // Whatever goes wrong in the lab is a panic with a sentence; here the sentence is enough.
    panic::set_hook(Box::new(|panic| {
        eprintln!("lab: {}", panic.payload_as_str().unwrap_or("it went wrong"));
    }));
    let CommandLine { verb } = CommandLine::parse();
    panic::catch_unwind(|| verb.run()).unwrap_or(ExitCode::FAILURE)
}
