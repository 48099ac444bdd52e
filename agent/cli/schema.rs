//! `hostagent schema`: every key of a recipe, for editors and people.

use clap::Args;

use crate::report::out;

use super::{Exit, Refusal, open};

/// Print the JSON Schema of recipes: every key, its type, default and unit
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hostagent schema > recipe.schema.json
  hostagent schema | jq '.\"$defs\" | keys'

An editor completes and checks a recipe whose first line is: #:schema ./recipe.schema.json")]
pub(super) struct Schema {}

pub(super) fn run() -> Result<Exit, Refusal> {
    out::print(&format!("{:#}\n", open::schema()))?;
    Ok(Exit::AS_WANTED)
}
