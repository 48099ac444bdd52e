//! `hostagent check`: is a recipe right? Needs neither root nor a network, nor the host it is for.

use std::path::PathBuf;

use clap::Args;

use crate::report::out;

use super::open::{self, Wanted};
use super::patience::Patience;
use super::{Exit, Manner, Refusal};

/// Say whether recipes are right, and where they are wrong
///
/// Every problem is shown at once, each with its line, a caret and what to do. Needs neither root, nor a network, nor the
/// host that the recipe is for. Of a base that is elsewhere it takes the copy that this host has kept, if there is one.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hostagent check web.toml
  hostagent check recipes/*.toml
  hostagent check web.toml --var domain=example.org   what has no default must be given
  hostagent check web.toml --fetch                    ask for a base in S3, Parameter Store or on a server")]
pub(super) struct Check {
    /// The recipes
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Set a variable that the recipes declare under `[vars]`; may be repeated
    #[arg(long = "var", value_name = "NAME=VALUE", value_parser = open::pair)]
    vars: Vec<(String, String)>,
    /// Ask for bases that are elsewhere
    #[arg(long)]
    fetch: bool,
}

impl Check {
    pub(super) async fn run(self, manner: Manner) -> Result<Exit, Refusal> {
        let mut exit = Exit::AS_WANTED;
        for file in &self.files {
            let wanted = Wanted {
                recipe: Some(file.clone()),
                vars: self.vars.clone(),
                only: Vec::new(),
                patience: Patience::default(),
            };
            match open::check(&wanted, self.fetch).await {
                Ok(notes) => {
                    out::print(&format!("{}: ok\n", file.display()))?;
                    for note in notes {
                        out::complain(&format!("note: {note}\n"));
                    }
                }
                Err(refusal) => exit = refusal.print(manner.colour),
            }
        }
        Ok(exit)
    }
}
