//! `hostagent completions`: what a shell needs to complete this command line.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::report::out;

use super::{Cli, Exit, Refusal};

/// Print a shell's completions of this command line
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hostagent completions bash > /etc/bash_completion.d/hostagent
  hostagent completions zsh > /usr/local/share/zsh/site-functions/_hostagent
  hostagent completions fish > ~/.config/fish/completions/hostagent.fish")]
pub(super) struct Completions {
    /// The shell
    shell: Shell,
}

impl Completions {
    pub(super) fn run(self) -> Result<Exit, Refusal> {
        let mut text = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "hostagent", &mut text);
        out::print(&String::from_utf8_lossy(&text))?;
        Ok(Exit::AS_WANTED)
    }
}
