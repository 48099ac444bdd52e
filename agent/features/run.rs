//! `[[run]]`: the escape hatch, a command with a guard.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::Feature;
use crate::engine::{Draft, Id};
use crate::facts::Facts;
use crate::problem::KeyPath;
use crate::resources;
use crate::resources::run::Guard;
use crate::terms::{AbsolutePath, AccountName, Period};

/// A command of your own. It needs one guard, `creates`, `unless` or `once`, which tells whether it is still to be run.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// What it is for. Names it in plans and reports.
    pub name: String,
    /// The program and its arguments. No shell reads them, unless it is the program: `["sh", "-c", "…"]`. They are public:
    /// no secret may stand here.
    pub command: Vec<String>,
    /// Guard: it is not run while something stands at this path. Default: none.
    #[serde(default)]
    pub creates: Option<AbsolutePath>,
    /// Guard: it is not run while this command exits with 0. A plan runs it too, so it must change nothing. Default: none.
    #[serde(default)]
    pub unless: Option<Vec<String>>,
    /// Guard: it is run once on a host, and once more whenever it is changed here. Default: `false`.
    #[serde(default)]
    pub once: bool,
    /// Who runs it, with all groups of theirs. Default: `"root"`.
    #[serde(default = "AccountName::root")]
    pub user: AccountName,
    /// Where it runs. Default: `"/"`.
    #[serde(default)]
    pub working_directory: Option<AbsolutePath>,
    /// Its environment beside `PATH`, `HOME` and `LC_ALL`. Default: none.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// How long it may take before it is ended. Default: `"10m"`.
    #[serde(default = "timeout")]
    pub timeout: Period,
    /// What it comes after, by id, such as `"service:nginx"`; packages, files, directories, links and its user come
    /// first anyway. Default: nothing else.
    #[serde(default)]
    pub after: Vec<String>,
}

fn timeout() -> Period {
    Period::known("10m")
}

impl Run {
    /// The one guard it has.
    fn guard(&self, here: &KeyPath, plan: &mut Draft) -> Option<Guard> {
        let creates = self.creates.clone().map(|path| ("creates", Guard::Creates(path.into())));
        let unless = self.unless.clone().map(|command| ("unless", Guard::Unless(command)));
        let once = self.once.then_some(("once", Guard::Once));
        let mut guards = creates.into_iter().chain(unless).chain(once);
        match (guards.next(), guards.next()) {
            (Some((_, guard)), None) => return Some(guard),
            (None, _) => {
                let hint = "give it one of `creates = \"/path\"`, `unless = [\"test\", …]` or `once = true`";
                plan.problem(format!("`{}` has no guard, and would run every time", self.name), hint);
            }
            (Some((first, _)), Some((second, _))) => {
                let says = format!("`{}` has two guards: `{first}` and `{second}`", self.name);
                plan.problem_with_key(here.key(second), says, "keep one of them");
            }
        }
        None
    }

    fn add(&self, here: &KeyPath, plan: &mut Draft) {
        if self.name.trim().is_empty() || self.name.contains(['\n', '\r']) {
            plan.problem_at(
                here.key("name"),
                "a name is one line of text",
                "say what the command is for, such as `warm the cache`",
            );
        }
        if self.timeout.duration().is_zero() {
            let hint = "such as `\"1h\"`; leave it out for ten minutes";
            plan.problem_at(here.key("timeout"), "in no time at all nothing can be done", hint);
        }
        for name in self.environment.keys().filter(|name| name.is_empty() || name.contains(['=', '\n', '\r', '\0'])) {
            let says = format!("`{}` is not the name of a variable", name.escape_debug());
            plan.problem_at(here.key("environment"), says, "a name has no `=` and no line end, such as `RAILS_ENV`");
        }
        let commands = [("command", Some(&self.command)), ("unless", self.unless.as_ref())];
        for (key, command) in commands {
            if command.is_some_and(|argv| argv.first().is_none_or(String::is_empty)) {
                plan.problem_at(
                    here.key(key),
                    format!("`{key}` names no program"),
                    "write the program and its arguments: `[\"/usr/bin/warm\"]`",
                );
            }
        }
        let Some(guard) = self.guard(here, plan) else { return };
        let run = plan.add(resources::run::Run {
            name: self.name.clone(),
            command: self.command.clone(),
            guard,
            user: self.user.clone(),
            directory: self.working_directory.clone().map_or_else(|| "/".into(), Into::into),
            environment: self.environment.clone(),
            timeout: self.timeout.duration(),
        });
        let after: Vec<Id> = self.after.iter().map(|id| Id::from(id.as_str())).collect();
        after.iter().fold(run, crate::engine::plan::Added::after);
        for (index, id) in after.iter().enumerate() {
            plan.named_at(id, here.key("after").index(index));
        }
    }
}

impl Feature for Vec<Run> {
    const TABLE: &'static str = "run";

    fn compile(&self, _facts: &Facts, plan: &mut Draft) {
        for (index, run) in self.iter().enumerate() {
            let here = KeyPath::root().key(Self::TABLE).index(index);
            plan.at(here.clone());
            run.add(&here, plan);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    struct Recipe {
        run: Vec<Run>,
    }

    fn problems(lines: &str) -> Vec<String> {
        let recipe: Recipe =
            toml::from_str(&format!("[[run]]\nname = \"warm\"\ncommand = [\"true\"]\n{lines}")).unwrap();
        let mut plan = Draft::default();
        recipe.run.compile(&Facts::default(), &mut plan);
        plan.finish().err().unwrap_or_default().into_iter().map(|problem| problem.says).collect()
    }

    #[test]
    fn it_has_a_name_time_and_variables_that_can_be() {
        let of = |recipe: &str| {
            let recipe: Recipe = toml::from_str(recipe).unwrap();
            let mut plan = Draft::default();
            recipe.run.compile(&Facts::default(), &mut plan);
            plan.finish().err().unwrap_or_default().into_iter().map(|problem| problem.says).collect::<Vec<_>>()
        };
        let nameless = "[[run]]\nname = \"\"\ncommand = [\"true\"]\nonce = true\n";
        assert_eq!(of(nameless), ["a name is one line of text"]);
        assert_eq!(problems("once = true\ntimeout = \"0s\"\n"), ["in no time at all nothing can be done"]);
        assert_eq!(
            problems("once = true\nenvironment = { \"A=B\" = \"\", \"A\\nB\" = \"\", FINE = \"a=b\" }\n"),
            ["`A\\nB` is not the name of a variable", "`A=B` is not the name of a variable"]
        );
    }

    #[test]
    fn a_command_has_exactly_one_guard() {
        assert_eq!(problems("creates = \"/a\"\n"), Vec::<String>::new());
        assert_eq!(problems(""), ["`warm` has no guard, and would run every time"]);
        assert_eq!(problems("creates = \"/a\"\nonce = true\n"), ["`warm` has two guards: `creates` and `once`"]);
        assert_eq!(problems("unless = []\n"), ["`unless` names no program"]);
        assert_eq!(
            problems("once = true\nafter = [\"service:nginx\"]\n"),
            ["nothing in this recipe declares `service:nginx`"]
        );
    }
}
