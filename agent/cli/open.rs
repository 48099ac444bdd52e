//! The one place where the command line meets the recipe: from file names and `--var` to a plan.

use std::path::{Path, PathBuf};

use clap::Args;

use crate::engine::{Draft, Plan};
use crate::host::CONF_DIR;
use crate::report::json::About;

use super::refusal::Refusal;

/// Which recipe, and how it is varied.
#[derive(Debug, Clone, Args)]
pub(super) struct Wanted {
    /// The recipe [default: /etc/hostagent/recipe.toml]
    pub recipe: Option<PathBuf>,
    /// Set a variable that the recipe declares under `[vars]`; may be repeated
    #[arg(long = "var", value_name = "NAME=VALUE", value_parser = pair)]
    pub vars: Vec<(String, String)>,
    /// Only this table of the recipe (`nginx`) or this resource (`file:/etc/motd`), and what it needs; may be repeated
    #[arg(long, value_name = "TABLE|ID")]
    pub only: Vec<String>,
}

impl Wanted {
    /// Where the recipe is.
    pub(super) fn path(&self) -> PathBuf {
        self.recipe.clone().unwrap_or_else(|| Path::new(CONF_DIR).join("recipe.toml"))
    }

    /// The command that makes what a plan of this shows.
    pub(super) fn again(&self) -> String {
        let recipe = self.recipe.as_ref().map(|path| format!(" {}", path.display())).unwrap_or_default();
        let vars = if self.vars.is_empty() { "" } else { " --var …" };
        let only = self.only.iter().flat_map(|only| [" --only ", only]).collect::<String>();
        format!("hostagent converge{recipe}{vars}{only}")
    }

    /// Of what a report of this speaks.
    pub(super) fn about(&self) -> About {
        About { recipe: self.path().display().to_string(), only: self.only.clone() }
    }

    /// Says what is missing when there is no recipe to read.
    pub(super) fn must_be_there(&self, verb: &str) -> Result<(), Refusal> {
        let path = self.path();
        let shown = path.display();
        match (path.try_exists(), &self.recipe) {
            (Ok(true), _) => Ok(()),
            (Ok(false), Some(_)) => Err(Refusal::wrong(format!("there is no recipe at `{shown}`"), "check the path")),
            (Ok(false), None) => {
                let hint = format!("put one there, or name it: `hostagent {verb} web.toml`");
                Err(Refusal::wrong(format!("there is no recipe at `{shown}`"), hint))
            }
            (Err(error), _) => {
                Err(Refusal::wrong(format!("could not read `{shown}`: {error}"), "root can read everything: `sudo`"))
            }
        }
    }
}

/// Reads, checks and compiles the recipe.
#[expect(clippy::unused_async, reason = "facts are gathered with questions to servers")]
pub(super) async fn plan(wanted: &Wanted, verb: &str) -> Result<Plan, Refusal> {
    wanted.must_be_there(verb)?;
    // WIRE: recipe::open(path, vars, facts) and --only.
    Draft::default().finish().map_err(|_problems| Refusal::wrong("recipes cannot be read yet", ""))
}

/// Checks a recipe as far as that goes without a host.
pub(super) fn check(wanted: &Wanted) -> Result<(), Refusal> {
    wanted.must_be_there("check")
    // WIRE: recipe::open without facts.
}

/// The JSON Schema of recipes.
pub(super) fn schema() -> serde_json::Value {
    // WIRE: recipe::schema().
    serde_json::json!({})
}

/// What is true of this host, by the names that recipes use.
#[expect(clippy::unused_async, reason = "facts are gathered with questions to servers")]
pub(super) async fn facts() -> Result<serde_json::Value, Refusal> {
    // WIRE: facts::gather().
    Ok(serde_json::json!({}))
}

pub(super) fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) =
        text.split_once('=').ok_or_else(|| "expected `NAME=VALUE`, as in `--var domain=example.org`".to_owned())?;
    if name.is_empty() {
        Err("the name before `=` is missing".to_owned())
    } else {
        Ok((name.to_owned(), value.to_owned()))
    }
}
