//! What privileges can be had on: how PostgreSQL finds it, and how it stands in `GRANT`.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A kind of object that has privileges.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "PostgresObjectType")]
pub enum PgKind {
    /// A database.
    Database,
    /// A schema.
    Schema,
    /// A table, view, materialized view or foreign table.
    Table,
    /// A sequence.
    Sequence,
    /// A function or aggregate: its name, or `name(int, text)` if several have it.
    Function,
    /// A procedure.
    Procedure,
    /// A function or a procedure.
    Routine,
    /// A type or domain.
    Type,
    /// A language.
    Language,
    /// A foreign data wrapper.
    ForeignDataWrapper,
    /// A foreign server.
    ForeignServer,
    /// A tablespace.
    Tablespace,
    /// A setting of the server.
    Parameter,
    /// A role: being a member of it.
    Role,
}

/// An object, all objects of a kind in a schema, or what those to come will have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PgObject {
    /// What kind.
    pub kind: PgKind,
    /// In which schema, for those that are in one.
    pub schema: Option<String>,
    /// Which; `None` is every one in the schema.
    pub name: Option<String>,
    /// The role whose future objects get it (`ALTER DEFAULT PRIVILEGES FOR ROLE`).
    pub for_role: Option<String>,
}

/// Takes the role, the schema, the name and the role whose default it is.
const WANTED: &str = "with w as (
    select $1::text as role, $2::text as schema, $3::text as name, $4::text as for_role,
        case when $1::text = 'PUBLIC' then 0::oid else (select oid from pg_roles where rolname = $1::text) end as grantee),
    o(sql, owner, acl, type) as (";

/// Gives whether the role is there, the object as it stands in SQL, what the role has on it, and all there is to have.
/// Where nothing was said of an object, PostgreSQL's own default holds; a default in one schema only adds to it.
const PRIVILEGES: &str = ")
    select w.grantee::text, o.sql::text,
        (select json_object_agg(name, grantable) from
            (select a.privilege_type as name, bool_or(a.is_grantable) as grantable
             from aclexplode(coalesce(o.acl, acldefault(o.type, case when w.for_role is null or w.schema is null then o.owner end))) a
             where a.grantee = w.grantee group by 1) held)::text,
        (select json_agg(distinct a.privilege_type) from aclexplode(acldefault(o.type, o.owner)) a)::text
    from w left join o on true order by 2";

const MEMBERSHIP: &str = ")
    select w.grantee::text, o.sql::text,
        (select json_build_object('MEMBER', bool_or(m.admin_option)) from pg_auth_members m
         where m.roleid = o.owner and m.member = w.grantee having count(*) > 0)::text,
        '[\"MEMBER\"]'
    from w left join o on true";

const IN_SCHEMA_TABLE: &str =
    "select quote_ident(n.nspname) || '.' || quote_ident(c.relname), c.relowner, c.relacl, 'r'::\"char\"
    from pg_class c join pg_namespace n on n.oid = c.relnamespace, w
    where n.nspname = w.schema and c.relkind in ('r', 'v', 'm', 'f', 'p') and (w.name is null or c.relname = w.name)";
const IN_SCHEMA_SEQUENCE: &str =
    "select quote_ident(n.nspname) || '.' || quote_ident(c.relname), c.relowner, c.relacl, 's'::\"char\"
    from pg_class c join pg_namespace n on n.oid = c.relnamespace, w
    where n.nspname = w.schema and c.relkind = 'S' and (w.name is null or c.relname = w.name)";
const IN_SCHEMA_TYPE: &str =
    "select quote_ident(n.nspname) || '.' || quote_ident(t.typname), t.typowner, t.typacl, 'T'::\"char\"
    from pg_type t join pg_namespace n on n.oid = t.typnamespace, w where n.nspname = w.schema and t.typname = w.name";
/// Is completed by [`FUNCTIONS`], [`PROCEDURES`] or nothing.
const IN_SCHEMA_ROUTINE: &str = "select p.oid::regprocedure::text, p.proowner, p.proacl, 'f'::\"char\"
    from pg_proc p join pg_namespace n on n.oid = p.pronamespace, w
    where n.nspname = w.schema and (w.name is null
        or case when w.name ~ '[(]'
            then p.oid = to_regprocedure(quote_ident(w.schema) || '.' || quote_ident(split_part(w.name, '(', 1)) || substr(w.name, strpos(w.name, '(')))
            else p.proname = w.name end)";
const FUNCTIONS: &str = " and p.prokind <> 'p'";
const PROCEDURES: &str = " and p.prokind = 'p'";
const DEFAULT: &str = "select 'default', r.oid,
        (select d.defaclacl from pg_default_acl d
         where d.defaclrole = r.oid and d.defaclnamespace = coalesce(n.oid, 0) and d.defaclobjtype = k.stored), k.type
    from w join pg_roles r on r.rolname = w.for_role left join pg_namespace n on n.nspname = w.schema,
    (select ";
const DEFAULT_END: &str = ") k(type, stored) where w.schema is null or n.oid is not null";

impl PgObject {
    /// Whether it stands for however many there are, also none.
    pub(super) fn is_every(&self) -> bool {
        self.name.is_none() && self.for_role.is_none()
    }

    /// The question for it, in pieces.
    pub(super) fn look(&self) -> Vec<&'static str> {
        if self.for_role.is_some() {
            let kind = match self.kind {
                PgKind::Sequence => "'s'::\"char\", 'S'::\"char\"",
                PgKind::Function | PgKind::Procedure | PgKind::Routine => "'f'::\"char\", 'f'::\"char\"",
                PgKind::Type => "'T'::\"char\", 'T'::\"char\"",
                PgKind::Schema => "'n'::\"char\", 'n'::\"char\"",
                _ => "'r'::\"char\", 'r'::\"char\"",
            };
            return vec![WANTED, DEFAULT, kind, DEFAULT_END, PRIVILEGES];
        }
        let objects: &[&'static str] = match self.kind {
            PgKind::Table => &[IN_SCHEMA_TABLE],
            PgKind::Sequence => &[IN_SCHEMA_SEQUENCE],
            PgKind::Type => &[IN_SCHEMA_TYPE],
            PgKind::Routine => &[IN_SCHEMA_ROUTINE],
            PgKind::Function => &[IN_SCHEMA_ROUTINE, FUNCTIONS],
            PgKind::Procedure => &[IN_SCHEMA_ROUTINE, PROCEDURES],
            PgKind::Database => &[
                "select quote_ident(datname), datdba, datacl, 'd'::\"char\" from pg_database, w where datname = w.name",
            ],
            PgKind::Schema => &[
                "select quote_ident(nspname), nspowner, nspacl, 'n'::\"char\" from pg_namespace, w where nspname = w.name",
            ],
            PgKind::Language => &[
                "select quote_ident(lanname), lanowner, lanacl, 'l'::\"char\" from pg_language, w where lanname = w.name",
            ],
            PgKind::ForeignDataWrapper => &[
                "select quote_ident(fdwname), fdwowner, fdwacl, 'F'::\"char\" from pg_foreign_data_wrapper, w where fdwname = w.name",
            ],
            PgKind::ForeignServer => &[
                "select quote_ident(srvname), srvowner, srvacl, 'S'::\"char\" from pg_foreign_server, w where srvname = w.name",
            ],
            PgKind::Tablespace => &[
                "select quote_ident(spcname), spcowner, spcacl, 't'::\"char\" from pg_tablespace, w where spcname = w.name",
            ],
            // 10 is the first superuser (BOOTSTRAP_SUPERUSERID), who owns what nobody owns.
            PgKind::Parameter => &[
                "select quote_ident(lower(w.name)), 10::oid, (select paracl from pg_parameter_acl where parname = lower(w.name)), \
                 'p'::\"char\" from w",
            ],
            PgKind::Role => &[
                "select quote_ident(rolname), pg_roles.oid, null::aclitem[], null::\"char\" from pg_roles, w where rolname = w.name",
            ],
        };
        let end = if self.kind == PgKind::Role { MEMBERSHIP } else { PRIVILEGES };
        [&[WANTED], objects, &[end]].concat()
    }

    /// `verb` is `GRANT`, `GRANT WITH` (grant option), `REVOKE` or `REVOKE GRANT OPTION FOR`; `object` is quoted.
    pub(super) fn statement(&self, verb: &str, privileges: &str, object: &str, role: &str) -> String {
        let (verb, option) = match verb {
            "GRANT WITH" => ("GRANT", true),
            other => (other, false),
        };
        let to = if verb == "GRANT" { "TO" } else { "FROM" };
        if self.kind == PgKind::Role {
            let verb = verb.replace("GRANT OPTION", "ADMIN OPTION");
            return format!("{verb} {object} {to} {role}{}", if option { " WITH ADMIN OPTION" } else { "" });
        }
        let option = if option { " WITH GRANT OPTION" } else { "" };
        match &self.for_role {
            Some(owner) => {
                let (owner, place) = (
                    crate::host::postgres::quote::ident(owner),
                    self.schema.as_deref().map(crate::host::postgres::quote::ident),
                );
                let place = place.map(|schema| format!(" IN SCHEMA {schema}")).unwrap_or_default();
                let kind = self.kind.in_default();
                format!(
                    "ALTER DEFAULT PRIVILEGES FOR ROLE {owner}{place} {verb} {privileges} ON {kind} {to} {role}{option}"
                )
            }
            None => format!("{verb} {privileges} ON {} {object} {to} {role}{option}", self.kind.in_grant()),
        }
    }

    /// Names it among all objects: `table:public.orders`, `default-table:public:app`.
    pub(super) fn id(&self) -> String {
        let name = self.name.as_deref().unwrap_or("*");
        match (&self.for_role, &self.schema) {
            (Some(owner), schema) => {
                format!("default-{}:{}:{owner}", self.kind.key(), schema.as_deref().unwrap_or("*"))
            }
            (None, Some(schema)) => format!("{}:{schema}.{name}", self.kind.key()),
            (None, None) => format!("{}:{name}", self.kind.key()),
        }
    }
}

impl fmt::Display for PgObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = self.kind.word();
        match (&self.for_role, &self.schema, &self.name) {
            (Some(owner), Some(schema), _) => write!(f, "{kind} to come of {owner} in schema {schema}"),
            (Some(owner), None, _) => write!(f, "{kind} to come of {owner}"),
            (None, Some(schema), Some(name)) => write!(f, "{kind} {schema}.{name}"),
            (None, Some(schema), None) => write!(f, "every {kind} in schema {schema}"),
            (None, None, name) => write!(f, "{kind} {}", name.as_deref().unwrap_or("*")),
        }
    }
}

impl PgKind {
    /// Whether objects of this kind are in schemas.
    pub fn is_in_schema(self) -> bool {
        matches!(self, Self::Table | Self::Sequence | Self::Function | Self::Procedure | Self::Routine | Self::Type)
    }

    /// Whether there is one for all databases.
    pub fn is_of_the_server(self) -> bool {
        matches!(self, Self::Database | Self::Tablespace | Self::Parameter | Self::Role)
    }

    /// Whether `ALTER DEFAULT PRIVILEGES` knows it.
    pub fn has_default(self) -> bool {
        self == Self::Schema || self.is_in_schema()
    }

    /// Its name in a recipe.
    pub fn key(self) -> &'static str {
        match self {
            Self::ForeignDataWrapper => "foreign_data_wrapper",
            Self::ForeignServer => "foreign_server",
            other => other.word(),
        }
    }

    /// Its name for people.
    pub fn word(self) -> &'static str {
        match self {
            Self::Database => "database",
            Self::Schema => "schema",
            Self::Table => "table",
            Self::Sequence => "sequence",
            Self::Function => "function",
            Self::Procedure => "procedure",
            Self::Routine => "routine",
            Self::Type => "type",
            Self::Language => "language",
            Self::ForeignDataWrapper => "foreign data wrapper",
            Self::ForeignServer => "foreign server",
            Self::Tablespace => "tablespace",
            Self::Parameter => "parameter",
            Self::Role => "role",
        }
    }

    fn in_grant(self) -> &'static str {
        match self {
            Self::Database => "DATABASE",
            Self::Schema => "SCHEMA",
            Self::Table => "TABLE",
            Self::Sequence => "SEQUENCE",
            Self::Function => "FUNCTION",
            Self::Procedure => "PROCEDURE",
            Self::Routine => "ROUTINE",
            Self::Type => "TYPE",
            Self::Language => "LANGUAGE",
            Self::ForeignDataWrapper => "FOREIGN DATA WRAPPER",
            Self::ForeignServer => "FOREIGN SERVER",
            Self::Tablespace => "TABLESPACE",
            Self::Parameter => "PARAMETER",
            Self::Role => "ROLE",
        }
    }

    fn in_default(self) -> &'static str {
        match self {
            Self::Sequence => "SEQUENCES",
            Self::Function | Self::Procedure | Self::Routine => "ROUTINES",
            Self::Type => "TYPES",
            Self::Schema => "SCHEMAS",
            _ => "TABLES",
        }
    }
}
