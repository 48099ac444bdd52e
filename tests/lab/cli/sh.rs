//! `cargo lab sh`

use std::env;
use std::process::ExitCode;

use super::{chosen, same};
use crate::lab::Machine;

/// Open a shell on a machine, or run a command there
#[derive(Debug, clap::Args)]
pub(crate) struct Sh {
    /// Which one; may be left out if there is only one
    name: Option<String>,
    /// What to run instead of a shell
    #[arg(last = true)]
    command: Vec<String>,
}

impl Sh {
    pub(super) fn run(&self) -> ExitCode {
        let host = Machine::existing(&chosen(self.name.as_deref()).name);
        let words: Vec<_> = match &*self.command {
            [] => vec!["bash", "-l"],
            command => command.iter().map(String::as_str).collect(),
        };
        let mut command = host.command(&words);
        command.env("TERM", env::var_os("TERM").unwrap_or_else(|| "dumb".into()));
        same(command.status().unwrap_or_else(|error| panic!("cannot run {command:?}: {error}")))
    }
}
