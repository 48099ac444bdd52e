//! The one place where the command line meets the recipe: from file names and `--var` to a plan.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::engine::Plan;
use crate::facts::{Fact, Facts};
use crate::host::{CONF_DIR, Host, Look};
use crate::problem::Problems;
use crate::recipe;
use crate::recipe::loading::{Bases, Document, load};
use crate::report::json::About;

use super::refusal::Refusal;

/// Where an image keeps the recipes that others extend with `base = "NAME"`.
const BAKED: &str = "/usr/share/hostagent/recipes";

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
        let only = self.only.iter().fold(String::new(), |all, only| all + " --only " + only);
        format!("hostagent converge{recipe}{vars}{only}")
    }

    /// Of what a report of this speaks.
    pub(super) fn about(&self) -> About {
        About { recipe: self.path().display().to_string(), only: self.only.clone() }
    }

    /// Says what is missing when there is no recipe to read.
    pub(super) fn must_be_there(&self, verb: &str) -> Result<(), Refusal> {
        let path = self.path();
        if path.exists() {
            return Ok(());
        }
        let says = format!("there is no recipe at `{}`", path.display());
        Err(match &self.recipe {
            Some(_) => Refusal::wrong(says, "check the path"),
            None => Refusal::wrong(says, format!("put one there, or name it: `hostagent {verb} web.toml`")),
        })
    }

    /// Reads the recipe and its bases.
    fn document(&self, host: &Look) -> Result<Document, Refusal> {
        let path = self.path();
        let bytes = host.read(&absolute(&path))?.unwrap_or_default();
        let beside = absolute(&path).parent().map_or_else(|| PathBuf::from("/"), Path::to_owned);
        let folders = [beside, PathBuf::from(BAKED)];
        let mut names = BTreeSet::new();
        for folder in &folders {
            let files = host.names_in(folder).unwrap_or_default().into_iter().map(PathBuf::from);
            let recipes = files.filter(|file| file.extension().is_some_and(|end| end == "toml"));
            names.extend(recipes.filter_map(|file| Some(file.file_stem()?.to_str()?.to_owned())));
        }
        let names: Vec<String> = names.into_iter().collect();
        let read = |name: &str| {
            for folder in &folders {
                let path = folder.join(format!("{name}.toml"));
                if let Some(bytes) = host.read(&path).map_err(|error| error.to_string())? {
                    return Ok((path.display().to_string(), bytes));
                }
            }
            let places: Vec<String> = folders.iter().map(|folder| format!("`{}`", folder.display())).collect();
            Err(format!("there is no `{name}.toml` in {}", places.join(" or ")))
        };
        let vars = self.vars.iter().cloned().collect();
        let name = path.display().to_string();
        load(&name, &bytes, &vars, &Bases { names: &names, read: &read }).map_err(recipe_is_wrong)
    }
}

/// A recipe that was read for this host.
#[derive(Debug)]
pub(super) struct Opened {
    /// What is to be done.
    pub plan: Plan,
    /// The units that the whole recipe starts, also those that `--only` leaves out.
    pub services: Vec<String>,
}

/// The plan of [`open`].
pub(super) fn plan(wanted: &Wanted, verb: &str) -> Result<Plan, Refusal> {
    open(wanted, verb).map(|opened| opened.plan)
}

/// Reads, checks and compiles the recipe for this host.
pub(super) fn open(wanted: &Wanted, verb: &str) -> Result<Opened, Refusal> {
    wanted.must_be_there(verb)?;
    let host = Host::here()?.look();
    let document = wanted.document(&host)?;
    let facts = Facts::gather(&host, &document.facts_read())?;
    let plan = recipe::plan(&document, &facts).map_err(recipe_is_wrong)?;
    chosen(plan, wanted)
}

/// What `--only` leaves of a plan.
fn chosen(plan: Plan, wanted: &Wanted) -> Result<Opened, Refusal> {
    let services = plan.ids().filter(|id| id.kind() == "service").map(|id| id.name().to_owned()).collect();
    if wanted.only.is_empty() {
        return Ok(Opened { plan, services });
    }
    let plan = plan.only(&wanted.only).map_err(|unknown| {
        let says = format!("`--only {}` names nothing in this recipe", unknown.join(" --only "));
        Refusal::wrong(says, format!("`hostagent plan -v {}` shows every id", wanted.path().display()))
    })?;
    Ok(Opened { plan, services })
}

/// Checks a recipe as far as that goes without the host it is for.
pub(super) fn check(wanted: &Wanted) -> Result<(), Refusal> {
    wanted.must_be_there("check")?;
    let host = Host::here()?.look();
    let document = wanted.document(&host)?;
    recipe::plan(&document, &Facts::example()).map(drop).map_err(recipe_is_wrong)
}

/// The JSON Schema of recipes.
pub(super) fn schema() -> serde_json::Value {
    recipe::schema()
}

/// What is true of this host, by the names that recipes use.
pub(super) fn facts() -> Result<Vec<(&'static str, Option<Fact>)>, Refusal> {
    let facts = Facts::gather_all(&Host::here()?.look())?;
    Ok(Facts::names().map(|name| (name, facts.value(name))).collect())
}

fn recipe_is_wrong(problems: Problems) -> Refusal {
    Refusal::Recipe(Box::new(problems))
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::loading::load;

    fn compiled(text: &str) -> Plan {
        let bases = Bases { names: &[], read: &|_| Err(String::new()) };
        let document = load("recipe.toml", text.as_bytes(), &std::collections::BTreeMap::default(), &bases).unwrap();
        recipe::plan(&document, &Facts::example()).unwrap()
    }

    #[test]
    fn only_leaves_out_steps_and_still_tells_every_unit_of_the_recipe() {
        let wanted = Wanted { recipe: None, vars: Vec::new(), only: vec!["host".to_owned()] };
        let plan = compiled("format = 1\n[host]\npackages = [\"curl\"]\n[nginx]\n");
        let opened = chosen(plan, &wanted).unwrap();
        assert!(opened.services.contains(&"nginx".to_owned()), "{:?}", opened.services);
        assert!(opened.plan.ids().all(|id| id.kind() != "service"));
    }
}
