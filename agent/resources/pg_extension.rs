//! An extension in a PostgreSQL database.

use serde::Serialize;

use crate::engine::{Cause, Changes, Id, Resource};
use crate::host::postgres::quote::{ident, literal};
use crate::host::postgres::{PgServer, Row};
use crate::host::{Look, Touch};

/// An extension. It is never dropped: its objects may hold data.
#[derive(Debug, Clone, Serialize)]
pub struct PgExtension {
    /// Where.
    pub server: PgServer,
    /// In which database.
    pub database: String,
    /// Its name, such as `pg_trgm`.
    pub name: String,
    /// Its version; `latest` is the newest that is installed on the host, `None` leaves it as it is.
    pub version: Option<String>,
    /// The schema of its objects; `None` is `public`, or what the extension says itself.
    pub schema: Option<String>,
}

/// What can be had, and what is there: default version, installed version, schema, and whether a wanted version exists.
const LOOK: &str = "
    select a.default_version::text, e.extversion::text, n.nspname::text
    from (select $1::name as name) w
    left join pg_available_extensions a on a.name = w.name
    left join pg_extension e on e.extname = w.name
    left join pg_namespace n on n.oid = e.extnamespace";

impl PgExtension {
    async fn found(&self, host: &Look) -> Result<Row, Cause> {
        let rows = host.postgres(&self.server, &self.database).rows(LOOK, &[Some(&self.name)]).await?;
        rows.into_iter().next().ok_or_else(|| Cause::new("pg-answer", "PostgreSQL gave no row"))
    }

    /// The version it should have.
    fn version<'a>(&'a self, found: &'a Row) -> Option<&'a str> {
        match self.version.as_deref() {
            Some("latest") => found.get(0),
            other => other,
        }
    }

    fn missing(&self) -> Cause {
        let name = &self.name;
        let major = self.server.unit.split(['@', '-']).nth(1).unwrap_or("15");
        let package = format!("postgresql-{major}-{}", name.trim_start_matches("pg_").replace('_', "-"));
        Cause::new("pg-no-extension", format!("the files of extension `{name}` are not on this host"))
            .hint(format!("add the package that brings them to `[host] packages`: `{package}`, `postgresql-contrib`; `apt-file search {name}.control` finds it"))
    }
}

impl Resource for PgExtension {
    fn id(&self) -> Id {
        Id::new("pg_extension", format!("{}/{}", self.database, self.name))
    }

    fn needs(&self) -> Vec<Id> {
        let mut needs =
            vec![Id::new("service", &self.server.unit), Id::new("pg_database", &self.database), Id::every("package")];
        needs.extend(self.schema.iter().map(|schema| Id::new("pg_schema", format!("{}/{schema}", self.database))));
        needs
    }

    async fn check(&self, host: &Look) -> Result<Changes, Cause> {
        let found = self.found(host).await?;
        let Some(now) = found.get(1) else {
            return if found.get(0).is_some() { Ok(self.when_absent()) } else { Err(self.missing()) };
        };
        let mut changes = Changes::none();
        if let Some(want) = self.version(&found) {
            changes = changes.value("version", &now, &want);
        }
        if let Some(want) = &self.schema {
            changes = changes.value("schema", &found.text(2), &want.as_str());
        }
        Ok(changes)
    }

    async fn apply(&self, host: &Touch) -> Result<(), Cause> {
        let found = self.found(host).await?;
        let name = ident(&self.name);
        let mut statements = Vec::new();
        if let Some(now) = found.get(1) {
            if let Some(want) = self.version(&found).filter(|want| *want != now) {
                statements.push(format!("ALTER EXTENSION {name} UPDATE TO {}", literal(want)));
            }
            if let Some(want) = self.schema.as_deref().filter(|want| *want != found.text(2)) {
                statements.push(format!("ALTER EXTENSION {name} SET SCHEMA {}", ident(want)));
            }
        } else {
            // An extension that names no schema of its own goes to the first of the path.
            statements.push("SET LOCAL search_path = public".to_owned());
            let schema = self.schema.as_ref().map(|schema| format!(" SCHEMA {}", ident(schema)));
            let version = self.version(&found).map(|version| format!(" VERSION {}", literal(version)));
            let (schema, version) = (schema.unwrap_or_default(), version.unwrap_or_default());
            statements.push(format!("CREATE EXTENSION {name}{schema}{version} CASCADE"));
        }
        Ok(host.change_postgres(&self.server, &self.database).run(&statements).await?)
    }

    fn when_absent(&self) -> Changes {
        let version = self.version.as_deref().unwrap_or("its default version");
        let absent = Changes::none().appears("extension", version).creating();
        self.schema.iter().fold(absent, |changes, schema| changes.appears("schema", schema))
    }
}
