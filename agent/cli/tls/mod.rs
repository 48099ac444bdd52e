//! `hostagent tls`: the certificates of this host.

mod adopt;
mod list;
mod renew;
mod revoke;
mod rollover;
pub(super) mod watch;

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::engine::Cause;
use crate::host::state;

use super::converge::Errand;
use super::deadline::Allowed;
use super::open::{self, Wanted};
use super::patience::Patience;
use super::{Exit, Manner, Refusal};

/// The certificates of this host: how they stand, and what a person may want of them
///
/// They are issued and renewed by themselves: `hostagent-tls.timer` looks twice a day whether one is due. These commands are
/// for looking, and for what only a person can want. Each is a run like any other, under the same lock; `hostagent status`
/// tells of it.
#[derive(Debug, Args)]
#[command(arg_required_else_help = true)]
pub(super) struct Tls {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    List(list::List),
    Renew(renew::Renew),
    Revoke(revoke::Revoke),
    Rollover(rollover::Rollover),
    Adopt(adopt::Adopt),
}

impl Tls {
    pub(super) async fn run(self, manner: Manner) -> Result<Exit, Refusal> {
        match self.verb {
            Verb::List(list) => list.run(manner).await,
            Verb::Renew(renew) => renew.run(manner).await,
            Verb::Revoke(revoke) => revoke.run(manner).await,
            Verb::Rollover(rollover) => rollover.run(manner).await,
            Verb::Adopt(adopt) => adopt.run(manner).await,
        }
    }
}

/// Which recipe names the certificates.
#[derive(Debug, Args)]
struct Of {
    /// The recipe [default: the user-data that this instance booted with, or else /etc/hostagent/recipe.toml]
    #[arg(long, value_name = "FILE")]
    recipe: Option<PathBuf>,
    /// Set a variable that the recipe declares under `[vars]`; may be repeated
    #[arg(long = "var", value_name = "NAME=VALUE", value_parser = open::pair)]
    vars: Vec<(String, String)>,
    #[command(flatten)]
    patience: Patience,
}

impl Of {
    fn wanted(self, only: Vec<String>) -> Wanted {
        Wanted { recipe: self.recipe, vars: self.vars, only, patience: self.patience }
    }
}

/// How a verb runs that changes something.
#[derive(Debug, Args)]
struct Running {
    #[command(flatten)]
    of: Of,
    /// Print JSON when it has ended
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    allowed: Allowed,
    /// How long to wait for another run to end
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    wait: u32,
}

impl Running {
    fn errand(self, verb: &str, only: Vec<String>) -> Errand {
        let command = format!("hostagent tls {verb}");
        Errand { wanted: self.of.wanted(only), json: self.json, allowed: self.allowed, wait: self.wait, command }
    }
}

fn must_be_root(verb: &str) -> Result<(), Refusal> {
    if state::is_root() {
        return Ok(());
    }
    Err(Refusal::wrong("only root can look at keys and certificates", format!("`sudo hostagent tls {verb}`")))
}

fn refusal(cause: &Cause) -> Refusal {
    Refusal::Said { says: cause.says.clone(), hint: cause.hint.clone(), exit: Exit::FAILED }
}
