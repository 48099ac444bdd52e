//! `cargo lab down`

use std::process::ExitCode;

use super::chosen;
use crate::lab::register::{self, Entry};

/// Unmake a machine that was left running
#[derive(Debug, clap::Args)]
pub(crate) struct Down {
    /// Which one; may be left out if there is only one
    name: Option<String>,
    /// Every machine that was left running
    #[arg(long, conflicts_with = "name")]
    all: bool,
}

impl Down {
    pub(super) fn run(&self) -> ExitCode {
        let leaving = if self.all {
            register::all().into_iter().filter(Entry::is_kept).collect()
        } else {
            vec![chosen(self.name.as_deref())]
        };
        for machine in leaving {
            machine.undo();
            println!("{} is gone", machine.name);
        }
        ExitCode::SUCCESS
    }
}
