//! `[[service]]`: units of systemd.
//!
//! ```toml
//! [[service]]
//! name = "myapp"
//! reads = ["/etc/myapp"]                    # reloaded when something there changed
//! drop_in = { Service = { LimitNOFILE = 65536 } }
//! ```

use schemars::JsonSchema;
use serde::Deserialize;

use super::Feature;
use crate::engine::{Draft, Id, Resource};
use crate::facts::Facts;
use crate::host::systemd::{full_name, written_by_people};
use crate::problem::KeyPath;
use crate::resources::drop_in::DropIn;
use crate::resources::service::{BROUGHT_AS, OnChange, Service};
use crate::terms::{AbsolutePath, UnitName, UnitSettings};

/// The name of the drop-in that a recipe writes.
const DROP_IN: &str = "hostagent";

/// A unit of systemd. For one that another table runs, such as nginx, only `drop_in` may be said here. Its own file comes
/// with a package, or with the recipe, as a `[[file]]` in `/etc/systemd/system/`: then a changed one restarts it if need be.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Service")]
pub struct Unit {
    /// Its name, such as `nginx`, `postgresql@15-main` or `docker.socket`; without a suffix it is a service.
    name: UnitName,
    /// Whether it starts at boot. Default: true, and false if it is masked.
    enabled: Option<bool>,
    /// Whether it runs. Default: true, and false if it is masked.
    running: Option<bool>,
    /// Whether nobody and nothing can start it. Default: false.
    #[serde(default)]
    masked: bool,
    /// Settings laid over those of the unit, by section: `{ Service = { LimitNOFILE = 65536 } }`; or a text. Written to
    /// `/etc/systemd/system/NAME.d/hostagent.conf`. A running unit is restarted if a change needs that, and gets its old
    /// settings back if it does not come up with the new ones. Default: none.
    drop_in: Option<UnitSettings>,
    /// Files and directories that it loads: when something there is newer than what it has loaded, `on_change` happens.
    /// Default: none.
    #[serde(default)]
    reads: Vec<AbsolutePath>,
    /// What makes it load a changed file: `"reload"` (a restart if it knows no reload), `"restart"`, or `"none"`, with
    /// which it is not restarted for a changed `drop_in` either. Default: `"reload"`.
    on_change: Option<OnChangeWord>,
}

/// What makes a unit load a changed file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "OnChange")]
pub enum OnChangeWord {
    /// A reload, or a restart if the unit knows none.
    #[default]
    Reload,
    /// A restart.
    Restart,
    /// Nothing.
    None,
}

impl Feature for Vec<Unit> {
    const TABLE: &'static str = "service";

    fn compile(&self, _: &Facts, plan: &mut Draft) {
        // Whether a unit runs is for the table that configures it to say, such as `[nginx]`.
        let theirs: Vec<bool> = self.iter().map(|service| plan.has(&service.id())).collect();
        for ((index, service), of_another) in self.iter().enumerate().zip(theirs) {
            let here = KeyPath::root().key(Self::TABLE).index(index);
            plan.at(here.clone());
            if of_another {
                service.add_drop_in(&here, true, plan);
                service.is_only_a_drop_in(&here, plan);
            } else {
                service.compile(&here, plan);
            }
        }
    }
}

impl Unit {
    fn compile(&self, here: &KeyPath, plan: &mut Draft) {
        for (field, value) in [("enabled", self.enabled), ("running", self.running)] {
            if self.masked && value == Some(true) {
                let says = format!("a masked unit cannot be {field}");
                plan.problem_at(here.key(field), says, format!("take `{field}` or `masked` out"));
            }
        }
        let on_change = match self.on_change.unwrap_or_default() {
            // Without anything that it reads there is nothing to tell what it should load.
            OnChangeWord::Reload | OnChangeWord::Restart
                if self.reads.is_empty() && self.drop_in.is_none() && !self.has_a_file_of(plan) =>
            {
                OnChange::Nothing
            }
            OnChangeWord::Reload => OnChange::Reload,
            OnChangeWord::Restart => OnChange::Restart,
            OnChangeWord::None => OnChange::Nothing,
        };
        let tried = on_change != OnChange::Nothing && !self.masked && self.running != Some(false);
        self.add_drop_in(here, tried, plan);
        plan.add(Service {
            enabled: Some(self.enabled.unwrap_or(!self.masked)),
            running: Some(self.running.unwrap_or(!self.masked)),
            masked: Some(self.masked),
            reads: self.reads.iter().map(|path| path.as_path().to_owned()).collect(),
            on_change,
            ..Service::running(self.name.as_str())
        });
    }

    /// Whether the recipe brings the unit's own file.
    fn has_a_file_of(&self, plan: &Draft) -> bool {
        let (files, _) = written_by_people(&full_name(self.name.as_str()));
        files.iter().any(|path| BROUGHT_AS.iter().any(|kind| plan.has(&Id::at(kind, path))))
    }

    /// `tried` says that the unit is restarted with it, so that it can be put back.
    fn add_drop_in(&self, here: &KeyPath, tried: bool, plan: &mut Draft) {
        match self.drop_in.as_ref().map(UnitSettings::text) {
            Some(Ok(content)) => {
                plan.add(DropIn { unit: self.name.to_string(), name: DROP_IN.into(), content, tried });
            }
            Some(Err(says)) => plan.problem_at(here.key("drop_in"), says, "write it as in systemd.unit(5)"),
            None => {}
        }
    }

    /// Complains of everything that another table says of this unit already.
    fn is_only_a_drop_in(&self, here: &KeyPath, plan: &mut Draft) {
        let given = [
            ("enabled", self.enabled.is_some()),
            ("running", self.running.is_some()),
            ("masked", self.masked),
            ("reads", !self.reads.is_empty()),
            ("on_change", self.on_change.is_some()),
        ];
        for (field, _) in given.iter().filter(|(_, given)| *given) {
            let says = format!("another table of this recipe runs `{}` and says `{field}` for it", self.name);
            plan.problem_at(here.key(*field), says, "leave only `name` and `drop_in` here");
        }
    }

    fn id(&self) -> Id {
        Service::running(self.name.as_str()).id()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Plan;
    use crate::problem::Problem;

    fn compiled(toml: &str) -> Result<Plan, Vec<Problem>> {
        #[derive(Deserialize)]
        struct Recipe {
            service: Vec<Unit>,
        }
        let mut draft = Draft::default();
        toml::from_str::<Recipe>(toml).unwrap().service.compile(&Facts::default(), &mut draft);
        draft.finish()
    }

    fn ids(plan: &Plan) -> Vec<&str> {
        plan.ids().map(crate::engine::Id::as_str).collect()
    }

    #[test]
    fn a_service_comes_after_its_drop_in() {
        let plan = compiled("[[service]]\nname = \"a\"\ndrop_in = { Service = { Nice = 1 } }\n").unwrap();
        assert_eq!(ids(&plan), ["drop_in:a.service/hostagent", "service:a"]);
        assert!(plan.orders("drop_in:a.service/hostagent", "service:a"));
    }

    #[test]
    fn a_unit_whose_file_the_recipe_brings_loads_a_new_one() {
        let of = |path: &str| {
            let mut draft = Draft::default();
            draft.add(crate::resources::file::File::new(path, "[Service]\nExecStart=/bin/a\n"));
            vec![toml::from_str::<Unit>("name = \"a@1\"").unwrap()].compile(&Facts::default(), &mut draft);
            let plan = draft.finish().unwrap();
            let step = plan.steps.iter().find(|step| step.id.as_str() == "service:a@1").unwrap();
            let service: &Service = step.resource.as_any().downcast_ref().unwrap();
            (service.on_change, plan.orders(&format!("file:{path}"), "service:a@1"))
        };
        assert_eq!(of("/etc/systemd/system/a@.service"), (OnChange::Reload, true));
        assert_eq!(of("/etc/systemd/system/a@1.service"), (OnChange::Reload, true));
        assert_eq!(of("/etc/systemd/system/b.service"), (OnChange::Nothing, false));
    }

    #[test]
    fn two_names_of_one_unit_are_a_problem() {
        let problems =
            compiled("[[service]]\nname = \"a\"\n[[service]]\nname = \"a.service\"\nenabled = false\n").unwrap_err();
        assert_eq!(problems.first().unwrap().says, "`service:a` is wanted twice, in different ways");
    }

    #[test]
    fn a_unit_that_another_table_runs_can_have_a_drop_in_and_nothing_else() {
        let compiled = |toml: &str| {
            let mut draft = Draft::default();
            draft.add(Service { enabled: None, ..Service::running("a") });
            vec![toml::from_str::<Unit>(toml).unwrap()].compile(&Facts::default(), &mut draft);
            draft.finish()
        };
        let plan = compiled("name = \"a\"\ndrop_in = { Service = { Nice = 1 } }\n").unwrap();
        assert!(plan.orders("drop_in:a.service/hostagent", "service:a"));
        let problems = compiled("name = \"a\"\nenabled = false\n").unwrap_err();
        assert_eq!(problems.first().unwrap().says, "another table of this recipe runs `a` and says `enabled` for it");
    }

    #[test]
    fn a_masked_unit_that_is_to_run_is_a_problem() {
        let problems = compiled("[[service]]\nname = \"a\"\nmasked = true\nrunning = true\n").unwrap_err();
        assert_eq!(problems.first().unwrap().says, "a masked unit cannot be running");
        assert!(compiled("[[service]]\nname = \"a\"\nmasked = true\n").is_ok());
    }
}
