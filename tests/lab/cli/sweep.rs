//! `cargo lab sweep`

use std::process::ExitCode;

use crate::lab::register;

/// Unmake machines whose test is gone
#[derive(Debug, clap::Args)]
pub(crate) struct Sweep;

impl Sweep {
    #[expect(clippy::unused_self, reason = "every verb runs the same way")]
    pub(super) fn run(&self) -> ExitCode {
        for name in register::sweep() {
            println!("{name} is gone");
        }
        ExitCode::SUCCESS
    }
}
