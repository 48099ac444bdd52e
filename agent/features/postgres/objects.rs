//! What is in the server: roles, databases, schemas, extensions.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::Deserialize;

use super::settings;
use crate::engine::Draft;
use crate::host::postgres::PgServer;
use crate::problem::KeyPath;
use crate::resources::pg_database::PgDatabase;
use crate::resources::pg_extension::PgExtension;
use crate::resources::pg_role::PgRole;
use crate::resources::pg_schema::PgSchema;
use crate::secret::SecretRef;
use crate::terms::SettingValue;

/// A role. Its attributes are compared whole: what is not named here has its default, and another value is drift. A role
/// that the recipe stops naming stays.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "PostgreSQL has that many")]
#[schemars(rename = "PostgresRole")]
pub struct Role {
    /// Its name, at most 63 bytes.
    pub name: String,
    /// Its password, kept as a SCRAM-SHA-256 verifier: `{ generate = 32 }`, `{ file = "/…" }`, `{ ssm = "/…" }`,
    /// `{ secretsmanager = "…" }`. A verifier or MD5 hash is
    /// taken as it is. Default: whatever it has is left alone.
    #[serde(default)]
    pub password: Option<SecretRef>,
    /// Whether a password it has is taken away. Default: `false`.
    #[serde(default)]
    pub no_password: bool,
    /// Whether it may log in. Default: `true`.
    #[serde(default = "yes")]
    pub login: bool,
    /// Whether it may do everything. Default: `false`; `postgres` always may.
    #[serde(default)]
    pub superuser: bool,
    /// Whether it may create databases. Default: `false`.
    #[serde(default)]
    pub createdb: bool,
    /// Whether it may create roles. Default: `false`.
    #[serde(default)]
    pub createrole: bool,
    /// Whether it has the privileges of roles it is a member of without `SET ROLE`. Default: `true`.
    #[serde(default = "yes")]
    pub inherit: bool,
    /// Whether it may replicate. Default: `false`.
    #[serde(default)]
    pub replication: bool,
    /// Whether row-level security does not hold for it. Default: `false`.
    #[serde(default)]
    pub bypassrls: bool,
    /// How many sessions it may have at once. Default: -1, no limit.
    #[serde(default = "no_limit")]
    #[schemars(range(min = -1))]
    pub connection_limit: i32,
    /// Until when its password is good, such as `"2030-01-01T00:00:00Z"`. Default: `"infinity"`.
    #[serde(default = "forever")]
    pub valid_until: String,
    /// Roles it is a member of. Others that it is a member of stay. Default: none.
    #[serde(default)]
    pub member_of: Vec<String>,
    /// Settings its sessions begin with (`ALTER ROLE … SET`). Others that it has stay. Default: none.
    #[serde(default)]
    pub config: BTreeMap<String, SettingValue>,
}

/// A database. One that the recipe stops naming stays.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "PostgresDatabase")]
pub struct Database {
    /// Its name, at most 63 bytes.
    pub name: String,
    /// The role that owns it. Default: `postgres` when it is made, then whoever owns it.
    #[serde(default)]
    pub owner: Option<String>,
    /// Its encoding, such as `"UTF8"`; cannot be changed later. Default: the template's.
    #[serde(default)]
    pub encoding: Option<String>,
    /// Its locale, such as `"en_US.UTF-8"`: `lc_collate` and `lc_ctype` in one; cannot be changed later. The host must
    /// have it: `[host] locales`. Default: the template's.
    #[serde(default)]
    pub locale: Option<String>,
    /// Its collation order. Default: `locale`.
    #[serde(default)]
    pub lc_collate: Option<String>,
    /// Its character classes. Default: `locale`.
    #[serde(default)]
    pub lc_ctype: Option<String>,
    /// Who knows its locale: `"libc"`, `"icu"` (PostgreSQL 15) or `"builtin"` (17). Default: the template's.
    #[serde(default)]
    pub locale_provider: Option<LocaleProvider>,
    /// Its locale where the provider is not `libc`, such as `"de-u-co-phonebk"`. Default: the template's.
    #[serde(default)]
    pub icu_locale: Option<String>,
    /// What it is copied from when it is made. Default: `template0` if it says an encoding or locale, else `template1`.
    #[serde(default)]
    pub template: Option<String>,
    /// Where its files are. Default: the server's.
    #[serde(default)]
    pub tablespace: Option<String>,
    /// How many sessions it may have at once. Default: -1, no limit.
    #[serde(default = "no_limit")]
    #[schemars(range(min = -1))]
    pub connection_limit: i32,
    /// Extensions in it, such as `["pg_trgm"]`; `[[postgres.extension]]` can say more. Default: none.
    #[serde(default)]
    pub extensions: Vec<String>,
    /// Schemas in it, owned by its owner; `[[postgres.schema]]` can say more. Default: none.
    #[serde(default)]
    pub schemas: Vec<String>,
}

/// Who knows a database's locale.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LocaleProvider {
    /// The C library.
    Libc,
    /// ICU.
    Icu,
    /// PostgreSQL itself.
    Builtin,
}

/// A schema. One that the recipe stops naming stays.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "PostgresSchema")]
pub struct Schema {
    /// The database it is in.
    pub database: String,
    /// Its name.
    pub name: String,
    /// The role that owns it. Default: `postgres` when it is made, then whoever owns it.
    #[serde(default)]
    pub owner: Option<String>,
}

/// An extension in a database. One that the recipe stops naming stays.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "PostgresExtension")]
pub struct Extension {
    /// The database it is in.
    pub database: String,
    /// Its name, such as `"pg_trgm"`.
    pub name: String,
    /// Its version; `"latest"` is the newest on the host. Default: the newest when it is made, then whichever it has.
    #[serde(default)]
    pub version: Option<String>,
    /// The schema of its objects. Default: `public`, or what the extension says itself.
    #[serde(default)]
    pub schema: Option<String>,
}

pub(super) fn yes() -> bool {
    true
}

fn no_limit() -> i32 {
    -1
}

fn forever() -> String {
    "infinity".to_owned()
}

impl Role {
    pub(super) fn compile(&self, server: &PgServer, here: &KeyPath, plan: &mut Draft) {
        plan.at(here.clone());
        name_is_good(&self.name, "role", &here.key("name"), plan);
        if matches!(self.name.to_lowercase().as_str(), "public" | "none") || self.name.starts_with("pg_") {
            plan.problem_at(
                here.key("name"),
                format!("PostgreSQL keeps the name `{}` for itself", self.name),
                "take another name",
            );
        }
        if let Some(secret) = &self.password
            && let Err(complaint) = secret.validate()
        {
            let (says, hint) = complaint.split_once("\nhint: ").unwrap_or((&complaint, "see the reference of secrets"));
            plan.problem_at(here.key("password").key(secret.form()), says, hint);
        }
        if self.password.is_some() && self.no_password {
            plan.problem_at(
                here.key("no_password"),
                "the role has a password and is to have none",
                "take one of the two out",
            );
        }
        limit_is_good(self.connection_limit, here, plan);
        // Whom the server belongs to cannot be less than it is.
        let admin = self.name == server.user.as_str();
        plan.add(PgRole {
            password: self.password.clone(),
            no_password: self.no_password,
            login: self.login || admin,
            superuser: self.superuser || admin,
            createdb: self.createdb || admin,
            createrole: self.createrole || admin,
            inherit: self.inherit,
            replication: self.replication || admin,
            bypassrls: self.bypassrls || admin,
            connection_limit: self.connection_limit,
            valid_until: self.valid_until.clone(),
            member_of: self.member_of.iter().cloned().collect::<BTreeSet<_>>(),
            config: self.config.iter().map(|(name, value)| (name.clone(), settings::text(value))).collect(),
            ..PgRole::new(server.clone(), &self.name)
        });
    }
}

impl Database {
    /// The C library's locales that it needs.
    pub(super) fn locales(&self) -> impl Iterator<Item = &str> {
        [&self.locale, &self.lc_collate, &self.lc_ctype].into_iter().filter_map(|name| name.as_deref())
    }

    pub(super) fn compile(&self, server: &PgServer, here: &KeyPath, plan: &mut Draft) {
        plan.at(here.clone());
        name_is_good(&self.name, "database", &here.key("name"), plan);
        let provider = self.locale_provider.map(|provider| match provider {
            LocaleProvider::Libc => "libc",
            LocaleProvider::Icu => "icu",
            LocaleProvider::Builtin => "builtin",
        });
        if self.icu_locale.is_some()
            && !matches!(self.locale_provider, Some(LocaleProvider::Icu | LocaleProvider::Builtin))
        {
            plan.problem_at(
                here.key("icu_locale"),
                "the C library knows no such locale",
                "add `locale_provider = \"icu\"`",
            );
        }
        limit_is_good(self.connection_limit, here, plan);
        plan.add(PgDatabase {
            owner: self.owner.clone(),
            encoding: self.encoding.clone(),
            lc_collate: self.lc_collate.clone().or_else(|| self.locale.clone()),
            lc_ctype: self.lc_ctype.clone().or_else(|| self.locale.clone()),
            locale_provider: provider.map(str::to_owned),
            icu_locale: self.icu_locale.clone(),
            template: self.template.clone(),
            tablespace: self.tablespace.clone(),
            connection_limit: self.connection_limit,
            ..PgDatabase::new(server.clone(), &self.name)
        });
        for (index, name) in self.schemas.iter().enumerate() {
            let schema = Schema { database: self.name.clone(), name: name.clone(), owner: self.owner.clone() };
            schema.compile(server, &here.key("schemas").index(index), plan);
        }
        for (index, name) in self.extensions.iter().enumerate() {
            let extension = Extension { database: self.name.clone(), name: name.clone(), version: None, schema: None };
            extension.compile(server, &here.key("extensions").index(index), plan);
        }
    }
}

impl Schema {
    pub(super) fn compile(&self, server: &PgServer, here: &KeyPath, plan: &mut Draft) {
        plan.at(here.clone());
        name_is_good(&self.name, "schema", here, plan);
        let (database, name, owner) = (self.database.clone(), self.name.clone(), self.owner.clone());
        plan.add(PgSchema { server: server.clone(), database, name, owner });
    }
}

impl Extension {
    pub(super) fn compile(&self, server: &PgServer, here: &KeyPath, plan: &mut Draft) {
        plan.at(here.clone());
        name_is_good(&self.name, "extension", here, plan);
        let (database, name) = (self.database.clone(), self.name.clone());
        plan.add(PgExtension {
            server: server.clone(),
            database,
            name,
            version: self.version.clone(),
            schema: self.schema.clone(),
        });
    }
}

fn limit_is_good(limit: i32, here: &KeyPath, plan: &mut Draft) {
    if limit < -1 {
        plan.problem_at(
            here.key("connection_limit"),
            format!("{limit} is not a number of sessions"),
            "0 or more; -1 for no limit",
        );
    }
}

/// PostgreSQL cuts longer names, and would then be asked for one that it does not have.
fn name_is_good(name: &str, kind: &str, here: &KeyPath, plan: &mut Draft) {
    if name.is_empty() || name.contains('\0') {
        plan.problem_at(here.clone(), format!("this is not a name for a {kind}"), "write a name");
    } else if name.len() > 63 {
        plan.problem_at(
            here.clone(),
            format!("`{name}` is {} bytes long", name.len()),
            "PostgreSQL keeps 63 bytes of a name",
        );
    }
}
