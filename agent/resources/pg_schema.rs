//! A schema of a PostgreSQL database.

use serde::Serialize;

use crate::engine::{Cause, Changes, Id, Resource};
use crate::host::postgres::PgServer;
use crate::host::postgres::quote::ident;
use crate::host::{Look, Touch};

/// A schema. It is never dropped.
#[derive(Debug, Clone, Serialize)]
pub struct PgSchema {
    /// Where.
    pub server: PgServer,
    /// In which database.
    pub database: String,
    /// Its name.
    pub name: String,
    /// The role that owns it; `None` leaves that as it is.
    pub owner: Option<String>,
}

impl PgSchema {
    /// Its owner; `None` if it is not there.
    async fn found(&self, host: &Look) -> Result<Option<String>, Cause> {
        let sql = "select pg_get_userbyid(nspowner)::text from pg_namespace where nspname = $1";
        let rows = host.postgres(&self.server, &self.database).rows(sql, &[Some(&self.name)]).await?;
        Ok(rows.first().map(|row| row.text(0).to_owned()))
    }
}

impl Resource for PgSchema {
    fn id(&self) -> Id {
        Id::new("pg_schema", format!("{}/{}", self.database, self.name))
    }

    fn needs(&self) -> Vec<Id> {
        let mut needs = vec![Id::new("service", &self.server.unit), Id::new("pg_database", &self.database)];
        needs.extend(self.owner.iter().map(|owner| Id::new("pg_role", owner)));
        needs
    }

    async fn check(&self, host: &Look) -> Result<Changes, Cause> {
        Ok(match (self.found(host).await?, &self.owner) {
            (None, _) => self.when_absent(),
            (Some(now), Some(want)) => Changes::none().value("owner", &now, want),
            (Some(_), None) => Changes::none(),
        })
    }

    async fn apply(&self, host: &Touch) -> Result<(), Cause> {
        let name = ident(&self.name);
        let mut statements = vec![format!("CREATE SCHEMA IF NOT EXISTS {name}")];
        statements.extend(self.owner.iter().map(|owner| format!("ALTER SCHEMA {name} OWNER TO {}", ident(owner))));
        Ok(host.change_postgres(&self.server, &self.database).run(&statements).await?)
    }

    fn when_absent(&self) -> Changes {
        let absent = Changes::none().appears("schema", &self.name).creating();
        self.owner.iter().fold(absent, |changes, owner| changes.appears("owner", owner))
    }
}
