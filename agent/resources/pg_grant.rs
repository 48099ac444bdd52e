//! What a role may do with an object of a PostgreSQL server.

mod object;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::engine::{Cause, Changes, Id, Resource, Shown};
use crate::host::postgres::quote::ident;
use crate::host::postgres::{PgServer, Row};
use crate::host::{Look, Touch};

pub use object::{PgKind, PgObject};

/// Privileges of one role on one object, or on all objects of a kind in a schema. What it has beyond them stays,
/// unless `exact`.
#[derive(Debug, Clone, Serialize)]
pub struct PgGrant {
    /// Where.
    pub server: PgServer,
    /// In which database the object is.
    pub database: String,
    /// Who may; [`PUBLIC`] is everybody.
    pub role: String,
    /// On what.
    pub on: PgObject,
    /// What: `SELECT`, `ALL`, …; `MEMBER` for a membership.
    pub privileges: BTreeSet<String>,
    /// What it must not have.
    pub revoke: BTreeSet<String>,
    /// Whether the role may pass them on.
    pub grant_option: bool,
    /// Whether it may have nothing else.
    pub exact: bool,
    /// The role in whose name it is granted; `None` is the object's owner.
    pub session_role: Option<String>,
}

/// Everybody, as PostgreSQL calls them.
pub const PUBLIC: &str = "PUBLIC";
/// What memberships are called among privileges.
pub const MEMBER: &str = "MEMBER";

/// Privileges by name, each with whether it may be passed on.
type Privileges = BTreeMap<String, bool>;

/// What the role has on one object, and what it should have.
struct Held {
    /// The object's name, quoted by PostgreSQL.
    object: String,
    now: Privileges,
    want: Privileges,
}

impl PgGrant {
    async fn held(&self, host: &Look) -> Result<Vec<Held>, Cause> {
        let (on, name) = (&self.on, self.on.name.as_deref());
        let values = [Some(self.role.as_str()), on.schema.as_deref(), name, on.for_role.as_deref()];
        let rows = host.postgres(&self.server, &self.database).rows_of(&on.look(), &values).await?;
        if rows.first().is_some_and(|row| row.get(0).is_none()) {
            let says = format!("there is no role `{}`", self.role);
            return Err(Cause::new("pg-no-role", says)
                .hint(format!("add a `[[postgres.role]]` with `name = \"{}\"`", self.role)));
        }
        let objects: Vec<&Row> = rows.iter().filter(|row| row.get(1).is_some()).collect();
        if objects.is_empty() && !on.is_every() {
            let says = format!("there is no {} in database `{}`", self.on, self.database);
            return Err(
                Cause::new("pg-no-object", says).hint("the grant waits for whoever makes it; or is the name right?")
            );
        }
        objects.into_iter().map(|row| self.held_on(row)).collect()
    }

    fn held_on(&self, row: &Row) -> Result<Held, Cause> {
        let now: Privileges = serde_json::from_str(row.text(2)).unwrap_or_default();
        let all: BTreeSet<String> = serde_json::from_str(row.text(3)).unwrap_or_default();
        let known = |name: &String| match name.as_str() {
            "ALL" => Ok(all.iter().cloned().collect::<Vec<_>>()),
            name if all.contains(name) => Ok(vec![name.to_owned()]),
            name => {
                let list = all.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
                Err(Cause::new("pg-privilege", format!("a {} has no privilege `{name}`", self.on.kind.word()))
                    .hint(format!("it has {list}")))
            }
        };
        let mut want = if self.exact { Privileges::new() } else { now.clone() };
        for name in &self.privileges {
            for name in known(name)? {
                let grantable = self.grant_option || want.get(&name) == Some(&true);
                want.insert(name, grantable);
            }
        }
        for name in &self.revoke {
            for name in known(name)? {
                want.remove(&name);
            }
        }
        Ok(Held { object: row.text(1).to_owned(), now, want })
    }

    fn statements(&self, held: &Held) -> Vec<String> {
        let Held { object, now, want } = held;
        let list = |wanted: &dyn Fn(&str, bool) -> bool, from: &Privileges| {
            let names = from.iter().filter(|(name, grantable)| wanted(name, **grantable));
            names.map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ")
        };
        // The names come from the server's own list, so that they may stand in SQL as they are.
        let all = [
            ("REVOKE", list(&|name, _| !want.contains_key(name), now)),
            ("REVOKE GRANT OPTION FOR", list(&|name, grantable| grantable && want.get(name) == Some(&false), now)),
            ("GRANT", list(&|name, grantable| !grantable && !now.contains_key(name), want)),
            ("GRANT WITH", list(&|name, grantable| grantable && now.get(name) != Some(&true), want)),
        ];
        let role = if self.role == PUBLIC { PUBLIC.to_owned() } else { ident(&self.role) };
        let all = all.into_iter().filter(|(_, names)| !names.is_empty());
        all.map(|(verb, names)| self.on.statement(verb, &names, object, &role)).collect()
    }
}

impl Resource for PgGrant {
    fn id(&self) -> Id {
        let place = if self.on.kind.is_of_the_server() { String::new() } else { format!("@{}", self.database) };
        Id::new("pg_grant", format!("{}{place}/{}", self.role, self.on.id()))
    }

    fn needs(&self) -> Vec<Id> {
        let mut needs = vec![
            Id::new("service", &self.server.unit),
            Id::new("pg_database", &self.database),
            Id::every("pg_extension"),
        ];
        let roles = [Some(&self.role), self.on.for_role.as_ref(), self.session_role.as_ref()];
        needs.extend(roles.into_iter().flatten().map(|role| Id::new("pg_role", role)));
        needs.extend(self.on.schema.iter().map(|schema| Id::new("pg_schema", format!("{}/{schema}", self.database))));
        match (self.on.kind, &self.on.name) {
            (PgKind::Database, Some(name)) => needs.push(Id::new("pg_database", name)),
            (PgKind::Role, Some(name)) => needs.push(Id::new("pg_role", name)),
            (PgKind::Schema, Some(name)) => needs.push(Id::new("pg_schema", format!("{}/{name}", self.database))),
            _ => {}
        }
        needs
    }

    async fn check(&self, host: &Look) -> Result<Changes, Cause> {
        let mut changes = Changes::none();
        for held in self.held(host).await?.iter().filter(|held| held.now != held.want) {
            changes = changes.differs(&held.object, shown(&held.now), shown(&held.want));
        }
        Ok(changes)
    }

    async fn apply(&self, host: &Touch) -> Result<(), Cause> {
        let held = self.held(host).await?;
        let mut statements: Vec<String> = held.iter().flat_map(|held| self.statements(held)).collect();
        if statements.is_empty() {
            return Ok(());
        }
        if let Some(role) = &self.session_role {
            statements.insert(0, format!("SET LOCAL ROLE {}", ident(role)));
        }
        Ok(host.change_postgres(&self.server, &self.database).run(&statements).await?)
    }

    fn when_absent(&self) -> Changes {
        let want = self.privileges.iter().map(|name| (name.clone(), self.grant_option)).collect();
        Changes::none().differs(&self.on.to_string(), Shown::Absent, shown(&want)).creating()
    }
}

fn shown(privileges: &Privileges) -> Shown {
    if privileges.is_empty() {
        return Shown::Absent;
    }
    let one = |(name, grantable): (&String, &bool)| {
        if *grantable { format!("{name} with grant option") } else { name.clone() }
    };
    Shown::Plain(privileges.iter().map(one).collect::<Vec<_>>().join(", "))
}
