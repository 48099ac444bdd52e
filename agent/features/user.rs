//! `[[user]]`: a user, the keys that log them in, and what they may do with sudo.

use std::fmt;
use std::path::PathBuf;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{Deserializer, Error, Visitor};

use super::{Feature, needs_package};
use crate::engine::{Draft, Id};
use crate::facts::Facts;
use crate::problem::KeyPath;
use crate::resources;
use crate::resources::authorized_keys::AuthorizedKeys;
use crate::resources::config_set::sudoers;
use crate::resources::user::Login;
use crate::secret::SecretRef;
use crate::template::managed;
use crate::terms::{AbsolutePath, AccountName, SshKey};

/// A user. Made if missing, kept as written here, never deleted.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct User {
    /// Login name.
    pub name: AccountName,
    /// User ID. Default: the next free one.
    #[serde(default)]
    pub uid: Option<u32>,
    /// Full name and such. Default: not managed.
    #[serde(default)]
    pub comment: Option<String>,
    /// Home directory. Default: `"/home/NAME"` for a new user; one that is there keeps its own.
    #[serde(default)]
    pub home: Option<AbsolutePath>,
    /// Whether a missing home directory is made. Default: `true` for a user that hostagent made; `false` for a system user,
    /// and for one that was there before.
    #[serde(default)]
    pub create_home: Option<bool>,
    /// Login shell. Default: `"/bin/bash"`; for a new system user `"/usr/sbin/nologin"`; a user that was there before keeps
    /// its own.
    #[serde(default)]
    pub shell: Option<AbsolutePath>,
    /// Primary group. Default: for a new user a group of its own name; one that is there keeps its own.
    #[serde(default)]
    pub group: Option<AccountName>,
    /// Groups the user is in beside that. Default: none.
    #[serde(default)]
    pub groups: Vec<AccountName>,
    /// Whether the user is taken out of all other groups. Default: `false`.
    #[serde(default)]
    pub exact_groups: bool,
    /// Whether a new user gets a number below 1000. Default: `false`.
    #[serde(default)]
    pub system: bool,
    /// The crypt(5) hash of a password, such as `{ file = "/run/credentials/ops" }` that holds `$y$j9T$…`. Default: none.
    #[serde(default)]
    pub password_hash: Option<SecretRef>,
    /// Whether, without `password_hash`, no password logs in; keys still do. Default: `true`; a user that was there before
    /// keeps its own.
    #[serde(default)]
    pub locked_password: Option<bool>,
    /// Lines of `~/.ssh/authorized_keys`, options allowed. A line that goes from here goes from the file. Default: none.
    #[serde(default)]
    pub ssh_authorized_keys: Vec<SshKey>,
    /// Whether keys that others put into that file are taken out. Default: `false`.
    #[serde(default)]
    pub exact_keys: bool,
    /// What the user may do with sudo: a rule such as `"ALL=(ALL) NOPASSWD:ALL"`, which is what `true` stands for. Default:
    /// `false`: nothing from here.
    #[serde(default)]
    pub sudo: Sudo,
}

/// What a user may do with sudo.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sudo(Option<String>);

impl<'de> Deserialize<'de> for Sudo {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SudoVisitor)
    }
}

struct SudoVisitor;

impl Visitor<'_> for SudoVisitor {
    type Value = Sudo;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("`true`, `false` or a rule such as \"ALL=(ALL) NOPASSWD:ALL\"")
    }

    fn visit_bool<E>(self, yes: bool) -> Result<Sudo, E> {
        Ok(Sudo(yes.then(|| "ALL=(ALL:ALL) NOPASSWD:ALL".to_owned())))
    }

    fn visit_str<E: Error>(self, rule: &str) -> Result<Sudo, E> {
        if rule.contains(['\n', '\r']) {
            return Err(E::custom(
                "a rule is one line\nhint: put more than one into a `[[file]]` under /etc/sudoers.d/",
            ));
        }
        if rule.trim_end().ends_with('\\') {
            return Err(E::custom(
                "a rule does not end in `\\`\nhint: sudo would take the next line for a part of it; take the `\\` out",
            ));
        }
        if !rule.contains('=') {
            return Err(E::custom(format!(
                "`{rule}` is not a rule of sudo\nhint: hosts, `=` and commands, such as `ALL=(ALL) NOPASSWD:ALL`"
            )));
        }
        Ok(Sudo(Some(rule.trim().to_owned())))
    }
}

impl JsonSchema for Sudo {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Sudo".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["boolean", "string"] })
    }
}

impl User {
    fn login(&self) -> Option<Login> {
        match &self.password_hash {
            Some(reference) => Some(Login::Hash(reference.clone())),
            None => self.locked_password.map(|locked| if locked { Login::Locked } else { Login::Kept }),
        }
    }

    fn account(&self) -> resources::user::User {
        resources::user::User {
            name: self.name.clone(),
            uid: self.uid,
            comment: self.comment.clone(),
            home: self.home.clone().map(PathBuf::from),
            create_home: self.create_home,
            shell: self.shell.clone().map(PathBuf::from),
            group: self.group.clone(),
            groups: self.groups.iter().cloned().collect(),
            exact_groups: self.exact_groups,
            system: self.system,
            login: self.login(),
        }
    }

    fn problems(&self, here: &KeyPath, plan: &mut Draft) {
        match &self.password_hash {
            Some(SecretRef::Generate(_)) => {
                let hint = "keep the hash in a file: `{ file = … }`, made by `mkpasswd`";
                plan.problem_at(here.key("password_hash"), "a password's hash cannot be generated", hint);
            }
            Some(reference) => {
                if let Err(says) = reference.validate() {
                    let (says, hint) = says.split_once("\nhint: ").unwrap_or((&says, ""));
                    plan.problem_at(here.key("password_hash"), says, hint);
                }
            }
            None => {}
        }
        if self.comment.as_ref().is_some_and(|text| text.contains([':', '\n'])) {
            plan.problem_at(
                here.key("comment"),
                "a comment has no `:` and no line end",
                "passwd(5) keeps it between colons",
            );
        }
    }

    fn rules(&self, plan: &mut Draft, rule: &str) {
        let package = needs_package(plan, "sudo");
        let path = format!("{}/hostagent-{}", sudoers::DIRECTORY, self.name);
        let head = managed(&format!("the user `{}` of the recipe", self.name));
        let text = format!("{head}\n{} {rule}\n", self.name);
        plan.add(sudoers::rules(format!("sudoers-{}", self.name), path, text))
            .after(&package)
            .after(&Id::new("user", &self.name));
    }
}

impl Feature for Vec<User> {
    const TABLE: &'static str = "user";

    fn compile(&self, _facts: &Facts, plan: &mut Draft) {
        for (index, user) in self.iter().enumerate() {
            let here = KeyPath::root().key(Self::TABLE).index(index);
            plan.at(here.clone());
            user.problems(&here, plan);
            plan.add(user.account());
            // Also without keys: those that the recipe had earlier must go.
            plan.at(here.key("ssh_authorized_keys"));
            let (keys, exclusive) = (user.ssh_authorized_keys.clone(), user.exact_keys);
            plan.add(AuthorizedKeys { user: user.name.clone(), keys, exclusive });
            if let Some(rule) = &user.sudo.0 {
                plan.at(here.key("sudo"));
                user.rules(plan, rule);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    struct Recipe {
        user: Vec<User>,
    }

    fn plan(recipe: &str) -> Result<crate::engine::Plan, Vec<crate::problem::Problem>> {
        let recipe: Recipe = toml::from_str(recipe).unwrap();
        let mut plan = Draft::default();
        recipe.user.compile(&Facts::default(), &mut plan);
        plan.finish()
    }

    #[test]
    fn a_user_with_sudo_brings_the_package_and_a_rule() {
        let plan = plan("[[user]]\nname = \"ops\"\ngroups = [\"sudo\"]\nsudo = true\n").unwrap();
        let ids: Vec<&str> = plan.ids().map(Id::as_str).collect();
        assert_eq!(ids, ["package:sudo", "user:ops", "authorized_keys:ops", "config_set:sudoers-ops"]);
        assert!(plan.orders("package:sudo", "config_set:sudoers-ops"));
    }

    #[test]
    fn a_rule_is_yes_no_or_a_line() {
        let sudo = |text: &str| {
            toml::from_str::<Recipe>(&format!("[[user]]\nname = \"ops\"\nsudo = {text}\n"))
                .map(|it| it.user[0].sudo.0.clone())
        };
        assert_eq!(sudo("false").unwrap(), None);
        assert_eq!(sudo("true").unwrap().unwrap(), "ALL=(ALL:ALL) NOPASSWD:ALL");
        assert_eq!(sudo("\"ALL = (www-data) /usr/bin/id\"").unwrap().unwrap(), "ALL = (www-data) /usr/bin/id");
        assert!(sudo("\"everything\"").is_err());
        assert!(sudo("\"ALL=ALL\\nroot ALL=ALL\"").is_err());
        assert!(sudo("'ALL=(ALL) NOPASSWD:ALL \\ '").unwrap_err().to_string().contains("does not end in"));
    }

    #[test]
    fn a_hash_cannot_be_generated() {
        let problems = plan("[[user]]\nname = \"ops\"\npassword_hash = { generate = 32 }\n").unwrap_err();
        assert_eq!(problems[0].says, "a password's hash cannot be generated");
    }
}
