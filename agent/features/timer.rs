//! `[[timer]]`: work that systemd starts at its times.
//!
//! ```toml
//! [[timer]]
//! name = "report"
//! on_calendar = "Mon *-*-* 04:00"
//! command = ["/usr/local/bin/report", "--weekly"]
//! user = "ops"
//! ```

use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;

use super::Feature;
use crate::engine::{Draft, Id};
use crate::facts::Facts;
use crate::problem::KeyPath;
use crate::resources;
use crate::terms::{AbsolutePath, AccountName, CalendarEvent, OneOrMany, Period, UnitName};

/// Work that systemd starts at its times: `NAME.timer` and `NAME.service` in `/etc/systemd/system`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Timer {
    /// The name of both units, without a suffix.
    name: UnitName,
    /// When: a calendar event (systemd.time(7)) such as `"daily"` or `"Mon *-*-* 04:00"`, or a list of them. Whether the
    /// host knows its time zone systemd says before anything is written.
    on_calendar: OneOrMany<CalendarEvent>,
    /// The command line; its first word is a path. No shell reads it.
    command: Vec<String>,
    /// Who runs it. Default: `"root"`.
    user: Option<AccountName>,
    /// What it is for, in one line. Default: its name.
    description: Option<String>,
    /// Whether a time that passed while the host was off is made up for at the next boot. Default: true.
    #[serde(default = "yes")]
    persistent: bool,
    /// Up to how much later it may start, chosen anew each time, such as `"15m"`. Default: at its time.
    randomized_delay: Option<Period>,
    /// How long it may take before it is ended, such as `"1h"`. Default: as long as it likes.
    timeout: Option<Period>,
    /// Where it runs. Default: `/`.
    working_directory: Option<AbsolutePath>,
    /// Its environment, beside what every service has. No secrets: everybody can read unit files. Default: none.
    #[serde(default)]
    environment: BTreeMap<String, String>,
}

fn yes() -> bool {
    true
}

impl Feature for Vec<Timer> {
    const TABLE: &'static str = "timer";

    fn compile(&self, _: &Facts, plan: &mut Draft) {
        for (index, timer) in self.iter().enumerate() {
            let here = KeyPath::root().key(Self::TABLE).index(index);
            plan.at(here.clone());
            timer.compile(&here, plan);
        }
    }
}

impl Timer {
    fn compile(&self, here: &KeyPath, plan: &mut Draft) {
        let name = self.name.as_str();
        if matches!(name.rsplit_once('.'), Some((_, "timer" | "service"))) {
            plan.problem_at(
                here.key("name"),
                format!("`{name}` has a suffix"),
                "leave it out: there are two units of this name",
            );
        }
        if plan.has(&Id::new("service", name)) {
            let says = format!("`{name}.service` is a unit that another table of this recipe runs");
            plan.problem_at(here.key("name"), says, "give the timer another name: it writes a service of its name");
        }
        if !self.command.first().is_some_and(|program| program.starts_with('/')) {
            let hint =
                "write `command = [\"/usr/bin/program\", \"argument\"]`; for a shell, `[\"/bin/sh\", \"-c\", \"…\"]`";
            plan.problem_at(here.key("command"), "a command begins with the path of a program", hint);
        }
        if self.on_calendar.is_empty() {
            plan.problem_at(
                here.key("on_calendar"),
                format!("nothing says when `{name}` starts"),
                "such as `on_calendar = \"daily\"`",
            );
        }
        if self.description.as_ref().is_some_and(|line| line.contains(char::is_control)) {
            plan.problem_at(here.key("description"), "`description` must be one line", "take the line breaks out");
        }
        if self.timeout.as_ref().is_some_and(|time| time.duration().is_zero()) {
            let hint = "such as `\"1h\"`; leave it out for as long as it likes";
            plan.problem_at(here.key("timeout"), "in no time at all nothing can be done", hint);
        }
        for key in self.environment.keys().filter(|key| !is_variable(key)) {
            let says = format!("`{}` is not a name for a variable", key.escape_debug());
            plan.problem_with_key(
                here.key("environment").key(key),
                says,
                "letters, digits and `_`, not beginning with a digit",
            );
        }
        let environment = self.environment.clone().into_iter();
        plan.add(resources::timer::Timer {
            name: name.to_owned(),
            description: self.description.clone().unwrap_or_else(|| name.to_owned()),
            on_calendar: self.on_calendar.to_vec(),
            persistent: self.persistent,
            randomized_delay: self.randomized_delay.clone(),
            exec: self.command.clone(),
            user: self.user.clone(),
            working_directory: self.working_directory.as_ref().map(|path| path.as_path().to_owned()),
            environment: environment.collect(),
            timeout: self.timeout.clone(),
        });
    }
}

fn is_variable(name: &str) -> bool {
    let starts = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    starts && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::Problem;

    fn compiled(toml: &str) -> Result<Vec<String>, Vec<Problem>> {
        #[derive(Deserialize)]
        struct Recipe {
            timer: Vec<Timer>,
        }
        let mut draft = Draft::default();
        toml::from_str::<Recipe>(toml).unwrap().timer.compile(&Facts::default(), &mut draft);
        draft.finish().map(|plan| plan.ids().map(ToString::to_string).collect())
    }

    #[test]
    fn a_timer_is_one_resource() {
        let toml = "[[timer]]\nname = \"a\"\non_calendar = [\"daily\", \"Mon 04:00\"]\ncommand = [\"/bin/a\"]\n";
        assert_eq!(compiled(toml).unwrap(), ["timer:a"]);
    }

    #[test]
    fn a_timer_does_not_take_the_service_of_another_table() {
        let mut draft = Draft::default();
        draft.add(crate::resources::service::Service::running("nginx"));
        let timer: Timer =
            toml::from_str("name = \"nginx\"\non_calendar = \"daily\"\ncommand = [\"/bin/a\"]\n").unwrap();
        vec![timer].compile(&Facts::default(), &mut draft);
        let problems = draft.finish().unwrap_err();
        assert_eq!(problems[0].says, "`nginx.service` is a unit that another table of this recipe runs");
    }

    #[test]
    fn all_that_is_wrong_with_it_is_said_at_once() {
        let toml = "[[timer]]\nname = \"a.timer\"\non_calendar = []\ncommand = [\"a\"]\ntimeout = \"0s\"\ndescription = \"1\\n2\"\nenvironment = { \"1\" = \"\" }\n";
        let says: Vec<String> = compiled(toml).unwrap_err().into_iter().map(|problem| problem.says).collect();
        assert_eq!(
            says,
            [
                "`a.timer` has a suffix",
                "a command begins with the path of a program",
                "nothing says when `a.timer` starts",
                "`description` must be one line",
                "in no time at all nothing can be done",
                "`1` is not a name for a variable"
            ]
        );
    }
}
