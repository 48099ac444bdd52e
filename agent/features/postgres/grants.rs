//! `[[postgres.grant]]`: who may do what.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::Deserialize;

use crate::engine::{Draft, Id, Resource as _};
use crate::host::postgres::PgServer;
use crate::problem::{KeyPath, Place};
use crate::resources::pg_grant::{MEMBER, PUBLIC, PgGrant, PgKind, PgObject};
use crate::terms::OneOrMany;

/// Privileges of roles on objects. What a role has beyond them stays, unless `exact`. Grants that the recipe stops naming
/// stay.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "PostgresGrant")]
pub struct Grant {
    /// Who may: a role, or a list; `PUBLIC` is everybody.
    pub role: OneOrMany<String>,
    /// The database that the objects are in. Default: `postgres`.
    #[serde(default = "administration")]
    pub database: String,
    /// What kind of objects; `role` is a membership.
    #[serde(rename = "type")]
    pub kind: PgKind,
    /// The schema that the objects are in. Default: `public`, for kinds that are in one.
    #[serde(default)]
    pub schema: Option<String>,
    /// The objects, one or a list. A function may say its arguments: `"total(int, text)"`. Default: every one in the
    /// schema; for `database` the `database`, for `schema` the `schema`.
    #[serde(default)]
    pub objects: Option<OneOrMany<String>>,
    /// The privileges, such as `["SELECT", "INSERT"]` or `["ALL"]`. Default: none; for `role` membership.
    #[serde(default)]
    pub privileges: Vec<String>,
    /// Privileges that are taken away. Default: none.
    #[serde(default)]
    pub revoke: Vec<String>,
    /// Whether the role may pass them on; for `role`, whether it may admit others. Default: `false`: it is not given,
    /// and stays if it has it.
    #[serde(default)]
    pub grant_option: bool,
    /// Whether the role may have nothing else there. Default: `false`.
    #[serde(default)]
    pub exact: bool,
    /// Roles whose future objects get this (`ALTER DEFAULT PRIVILEGES FOR ROLE`), in `schema` if it is named, else in all.
    /// Default: it is about objects that are there.
    #[serde(default)]
    pub default_for: Option<OneOrMany<String>>,
    /// The role in whose name it is granted. Default: the owner of the object.
    #[serde(default)]
    pub session_role: Option<String>,
}

fn administration() -> String {
    "postgres".to_owned()
}

/// Compiles all of them: several about one role and object are one.
pub(super) fn compile(grants: &[Grant], server: &PgServer, here: &KeyPath, plan: &mut Draft) {
    let mut by_id: BTreeMap<Id, (KeyPath, PgGrant)> = BTreeMap::new();
    for (index, grant) in grants.iter().enumerate() {
        let here = here.index(index);
        if !grant.validate(&here, plan) {
            continue;
        }
        for one in grant.resources(server) {
            match by_id.get_mut(&one.id()) {
                Some((_, other))
                    if (other.exact, other.grant_option, &other.session_role)
                        == (one.exact, one.grant_option, &one.session_role) =>
                {
                    other.privileges.extend(one.privileges);
                    other.revoke.extend(one.revoke);
                }
                Some((first, _)) => {
                    let says = format!("`{}` is wanted twice, in different ways", one.id());
                    let hint = "let them agree on `exact`, `grant_option` and `session_role`";
                    plan.problem_beside(here.clone(), Place::Path(first.clone()), says, hint);
                }
                None => drop(by_id.insert(one.id(), (here.clone(), one))),
            }
        }
    }
    for (place, grant) in by_id.into_values() {
        if let Some(both) = grant.privileges.intersection(&grant.revoke).next() {
            plan.problem_at(place.key("revoke"), format!("`{both}` is granted and revoked"), "say one of the two");
        }
        plan.at(place).add(grant);
    }
}

/// A privilege as PostgreSQL shows it.
fn privilege(text: &str) -> String {
    match text.trim().to_uppercase().as_str() {
        "ALL PRIVILEGES" => "ALL".to_owned(),
        "TEMP" => "TEMPORARY".to_owned(),
        other => other.to_owned(),
    }
}

impl Grant {
    /// Says what is wrong with it; whether it can be compiled.
    fn validate(&self, here: &KeyPath, plan: &mut Draft) -> bool {
        let mut good = true;
        let mut problem = |key: &str, says: &str, hint: &str| {
            plan.problem_at(here.key(key), says, hint);
            good = false;
        };
        let names_objects = self.objects.as_ref().is_some_and(|objects| !objects.is_empty());
        if self.role.is_empty() {
            problem("role", "an empty list of roles", "name a role, or `PUBLIC`");
        }
        if self.kind != PgKind::Role && self.privileges.is_empty() && self.revoke.is_empty() && !self.exact {
            problem(
                "privileges",
                "the grant gives nothing",
                "such as `[\"SELECT\"]` or `[\"ALL\"]`; `exact = true` takes everything away",
            );
        }
        let bad =
            |name: &&String| name.is_empty() || !name.chars().all(|c| c.is_ascii_alphabetic() || c == ' ' || c == '_');
        for (key, list) in [("privileges", &self.privileges), ("revoke", &self.revoke)] {
            if let Some(name) = list.iter().find(bad) {
                problem(
                    key,
                    &format!("`{name}` is not the name of a privilege"),
                    "such as `SELECT`; each is one element of the list",
                );
            }
        }
        if self.default_for.is_some() {
            if !self.kind.has_default() {
                problem(
                    "default_for",
                    "there are no default privileges for this kind",
                    "there are for tables, sequences, functions, types and schemas",
                );
            }
            if names_objects {
                problem("objects", "objects to come have no names yet", "take `objects` out, or `default_for`");
            }
        } else if !names_objects && !self.kind.is_in_schema() {
            let known = match self.kind {
                PgKind::Database => true,
                PgKind::Schema => self.schema.is_some(),
                _ => false,
            };
            if !known {
                problem("objects", "the grant does not say on what", "name them, such as `objects = [\"app\"]`");
            }
        } else if self.kind == PgKind::Type && !names_objects {
            problem(
                "objects",
                "the grant does not say on which types",
                "name them; PostgreSQL has no grant on all types of a schema",
            );
        }
        good
    }

    fn resources(&self, server: &PgServer) -> Vec<PgGrant> {
        let mut all = Vec::new();
        for role in &self.role {
            let role = if role.eq_ignore_ascii_case(PUBLIC) { PUBLIC } else { role };
            for on in self.on() {
                let mut privileges: BTreeSet<String> = self.privileges.iter().map(|name| privilege(name)).collect();
                if self.kind == PgKind::Role && privileges.is_empty() && self.revoke.is_empty() && !self.exact {
                    privileges.insert(MEMBER.to_owned());
                }
                all.push(PgGrant {
                    server: server.clone(),
                    database: self.database.clone(),
                    role: role.to_owned(),
                    on,
                    privileges,
                    revoke: self.revoke.iter().map(|name| privilege(name)).collect(),
                    grant_option: self.grant_option,
                    exact: self.exact,
                    session_role: self.session_role.clone(),
                });
            }
        }
        all
    }

    fn on(&self) -> Vec<PgObject> {
        let kind = self.kind;
        if let Some(roles) = &self.default_for {
            let one = |role: &String| PgObject {
                kind,
                schema: self.schema.clone(),
                name: None,
                for_role: Some(role.clone()),
            };
            return roles.iter().map(one).collect();
        }
        let schema = kind.is_in_schema().then(|| self.schema.clone().unwrap_or_else(|| "public".to_owned()));
        let names = match (&self.objects, kind) {
            (Some(objects), _) if !objects.is_empty() => objects.iter().cloned().map(Some).collect(),
            (_, PgKind::Database) => vec![Some(self.database.clone())],
            (_, PgKind::Schema) => vec![self.schema.clone()],
            _ => vec![None],
        };
        names.into_iter().map(|name| PgObject { kind, schema: schema.clone(), name, for_role: None }).collect()
    }
}
