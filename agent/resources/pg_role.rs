//! A role of a PostgreSQL server: its attributes, password, memberships and settings.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::engine::{Cause, Changes, Id, Resource, Shown};
use crate::host::postgres::quote::{ident, literal};
use crate::host::postgres::{PgServer, Row};
use crate::host::postgres::{scram, setting_list};
use crate::host::{Look, Touch};
use crate::secret::{Secret, SecretRef};

/// A role. What it may do is compared whole, also what the recipe leaves at its default: a role that somebody made
/// superuser is drift. Memberships and settings beyond the recipe's are left alone. It is never dropped.
#[derive(Debug, Clone, Serialize)]
#[expect(clippy::struct_excessive_bools, reason = "PostgreSQL has that many")]
pub struct PgRole {
    /// Where.
    pub server: PgServer,
    /// Its name.
    pub name: String,
    /// Its password, kept as a SCRAM-SHA-256 verifier; `None` leaves it as it is.
    pub password: Option<SecretRef>,
    /// Whether a password it has is taken away.
    pub no_password: bool,
    /// Whether it may log in.
    pub login: bool,
    /// Whether it may do everything.
    pub superuser: bool,
    /// Whether it may create databases.
    pub createdb: bool,
    /// Whether it may create roles.
    pub createrole: bool,
    /// Whether it has the privileges of the roles it is a member of without `SET ROLE`.
    pub inherit: bool,
    /// Whether it may replicate.
    pub replication: bool,
    /// Whether row-level security does not hold for it.
    pub bypassrls: bool,
    /// How many sessions it may have at once; -1 is no limit.
    pub connection_limit: i32,
    /// Until when its password is good; `infinity` is for ever.
    pub valid_until: String,
    /// Roles it is a member of.
    pub member_of: BTreeSet<String>,
    /// Settings its sessions begin with (`ALTER ROLE … SET`).
    pub config: BTreeMap<String, String>,
}

/// The columns are those of [`Found`].
const LOOK: &str = "
    select a.rolpassword::text, a.rolconnlimit::text,
        coalesce(a.rolvaliduntil, 'infinity')::text,
        (coalesce(a.rolvaliduntil, 'infinity') = $2::timestamptz)::text,
        a.rolcanlogin::text, a.rolsuper::text, a.rolcreatedb::text, a.rolcreaterole::text,
        a.rolinherit::text, a.rolreplication::text, a.rolbypassrls::text,
        (select json_agg(distinct g.rolname) from pg_auth_members m join pg_roles g on g.oid = m.roleid where m.member = a.oid)::text,
        (select array_to_json(s.setconfig) from pg_db_role_setting s where s.setrole = a.oid and s.setdatabase = 0)::text
    from pg_authid a where a.rolname = $1";

/// A role as it is.
struct Found {
    password: Option<Secret>,
    connection_limit: String,
    valid_until: String,
    valid_as_wanted: bool,
    flags: [bool; 7],
    member_of: BTreeSet<String>,
    config: BTreeMap<String, String>,
}

impl Found {
    fn of(row: &Row) -> Self {
        let list = |column| serde_json::from_str::<Vec<String>>(row.text(column)).unwrap_or_default();
        let config = list(12)
            .into_iter()
            .filter_map(|line| line.split_once('=').map(|(name, value)| (name.to_lowercase(), value.to_owned())));
        Self {
            password: row.get(0).map(|text| Secret::new(text.to_owned())),
            connection_limit: row.text(1).to_owned(),
            valid_until: row.text(2).to_owned(),
            valid_as_wanted: row.is(3),
            flags: [4, 5, 6, 7, 8, 9, 10].map(|column| row.is(column)),
            member_of: list(11).into_iter().collect(),
            config: config.collect(),
        }
    }
}

impl PgRole {
    /// A role that may log in and nothing else.
    pub fn new(server: PgServer, name: impl Into<String>) -> Self {
        Self {
            server,
            name: name.into(),
            password: None,
            no_password: false,
            login: true,
            superuser: false,
            createdb: false,
            createrole: false,
            inherit: true,
            replication: false,
            bypassrls: false,
            connection_limit: -1,
            valid_until: "infinity".to_owned(),
            member_of: BTreeSet::new(),
            config: BTreeMap::new(),
        }
    }

    /// The name of a generated password of it.
    fn secret_name(&self) -> String {
        format!("postgres.role.{}", self.name)
    }

    /// Its yes-or-no attributes, by their names in SQL, in the order of [`Found::flags`].
    fn flags(&self) -> [(&'static str, bool); 7] {
        [
            ("login", self.login),
            ("superuser", self.superuser),
            ("createdb", self.createdb),
            ("createrole", self.createrole),
            ("inherit", self.inherit),
            ("replication", self.replication),
            ("bypassrls", self.bypassrls),
        ]
    }

    async fn found(&self, host: &Look) -> Result<Option<Found>, Cause> {
        let rows =
            host.postgres(&self.server, "postgres").rows(LOOK, &[Some(&self.name), Some(&self.valid_until)]).await?;
        Ok(rows.first().map(Found::of))
    }

    /// Whether the stored password is the wanted one; `true` if the recipe does not say.
    fn same_password(&self, stored: Option<&Secret>, wanted: Option<&Secret>) -> bool {
        match (&self.password, stored, wanted) {
            (None, stored, _) => !(self.no_password && stored.is_some()),
            (Some(_), Some(stored), Some(wanted)) => scram::is_of(stored.expose(), wanted.expose()),
            (Some(_), _, _) => false,
        }
    }

    fn differences(&self, found: &Found, wanted: Option<&Secret>) -> Changes {
        let mut changes = Changes::none();
        for ((name, want), now) in self.flags().into_iter().zip(found.flags) {
            changes = changes.value(name, &now, &want);
        }
        changes = changes.value("connection_limit", &found.connection_limit, &self.connection_limit.to_string());
        if !found.valid_as_wanted {
            changes = changes.differs(
                "valid_until",
                Shown::Plain(found.valid_until.clone()),
                Shown::Plain(self.valid_until.clone()),
            );
        }
        changes = changes.secret("password", self.same_password(found.password.as_ref(), wanted));
        for role in self.member_of.difference(&found.member_of) {
            changes = changes.appears("member_of", role);
        }
        for (name, want) in &self.config {
            let what = format!("config.{name}");
            changes = match found.config.get(&name.to_lowercase()) {
                Some(now) if setting_list::same(name, now, want) => changes,
                Some(now) => changes.differs(&what, Shown::Plain(now.clone()), Shown::Plain(want.clone())),
                None => changes.appears(&what, want),
            };
        }
        changes
    }

    /// The statements that give the role its attributes; a verifier only if the password differs, so that an unchanged
    /// one keeps its salt.
    fn statements(&self, found: Option<&Found>, verifier: Option<&str>) -> Vec<String> {
        let role = ident(&self.name);
        let mut all = Vec::new();
        if found.is_none() {
            all.push(format!("CREATE ROLE {role}"));
        }
        let flags =
            self.flags().map(|(name, on)| format!("{}{}", if on { "" } else { "NO" }, name.to_uppercase())).join(" ");
        let password = match verifier {
            Some(verifier) => format!(" PASSWORD {}", literal(verifier)),
            None if self.no_password => " PASSWORD NULL".to_owned(),
            None => String::new(),
        };
        let (limit, until) = (self.connection_limit, literal(&self.valid_until));
        all.push(format!("ALTER ROLE {role} WITH {flags} CONNECTION LIMIT {limit} VALID UNTIL {until}{password}"));
        let has = |group: &&String| !found.is_some_and(|found| found.member_of.contains(*group));
        all.extend(self.member_of.iter().filter(has).map(|group| format!("GRANT {} TO {role}", ident(group))));
        let values = self.config.iter().map(|(name, value)| (name, setting_list::in_sql(name, value)));
        all.extend(values.map(|(name, value)| format!("ALTER ROLE {role} SET {} TO {value}", ident(name))));
        all
    }
}

impl Resource for PgRole {
    fn id(&self) -> Id {
        Id::new("pg_role", &self.name)
    }

    fn needs(&self) -> Vec<Id> {
        let groups = self.member_of.iter().map(|group| Id::new("pg_role", group));
        groups.chain([Id::new("service", &self.server.unit)]).collect()
    }

    async fn check(&self, host: &Look) -> Result<Changes, Cause> {
        let wanted = match &self.password {
            Some(secret) => secret.value(&self.secret_name(), host).await?,
            None => None,
        };
        Ok(match self.found(host).await? {
            Some(found) => self.differences(&found, wanted.as_ref()),
            None => self.when_absent(),
        })
    }

    async fn apply(&self, host: &Touch) -> Result<(), Cause> {
        let found = self.found(host).await?;
        let wanted = match &self.password {
            Some(secret) => Some(secret.value_or_made(&self.secret_name(), host).await?),
            None => None,
        };
        let stored = found.as_ref().and_then(|found| found.password.as_ref());
        let new = wanted.as_ref().filter(|_| !self.same_password(stored, wanted.as_ref()));
        let verifier = new.map(|secret| Secret::new(scram::to_store(secret.expose()).into_owned()));
        let statements = self.statements(found.as_ref(), verifier.as_ref().map(Secret::expose));
        Ok(host.change_postgres(&self.server, "postgres").run(&statements).await?)
    }

    fn when_absent(&self) -> Changes {
        let flags = self.flags().into_iter().filter(|(name, on)| *on && *name != "inherit");
        let may = flags.map(|(name, _)| name).collect::<Vec<_>>().join(" ");
        let mut changes = Changes::none().appears("role", if may.is_empty() { "nologin" } else { &may }).creating();
        if self.password.is_some() {
            changes = changes.secret("password", false);
        }
        for role in &self.member_of {
            changes = changes.appears("member_of", role);
        }
        for (name, value) in &self.config {
            changes = changes.appears(&format!("config.{name}"), value);
        }
        changes
    }
}
