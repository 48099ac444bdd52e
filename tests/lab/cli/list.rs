//! `cargo lab list`

use std::process::ExitCode;

use crate::lab::boot::Power;
use crate::lab::register;

/// Show the machines there are
#[derive(Debug, clap::Args)]
pub(crate) struct List;

impl List {
    #[expect(clippy::unused_self, reason = "every verb runs the same way")]
    pub(super) fn run(&self) -> ExitCode {
        for machine in register::all() {
            let release = machine.noted("release").unwrap_or_default();
            let power = if Power::of(&machine).is_some() { "on" } else { "off" };
            let whose = if machine.is_kept() { "stays until `cargo lab down`" } else { "of a running test" };
            println!("{:<20} Debian {release}  {power:<4} {whose}", machine.name);
        }
        ExitCode::SUCCESS
    }
}
