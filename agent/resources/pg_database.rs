//! A database of a PostgreSQL server.

use serde::Serialize;
use serde_json::Value;

use crate::engine::{Cause, Changes, Id, Resource};
use crate::host::postgres::quote::{ident, literal};
use crate::host::postgres::{PgServer, Row};
use crate::host::{Look, Touch};

/// A database. What cannot be changed once it is there (encoding, collation) is refused, never by dropping it.
#[derive(Debug, Clone, Serialize)]
pub struct PgDatabase {
    /// Where.
    pub server: PgServer,
    /// Its name.
    pub name: String,
    /// The role that owns it; `None` leaves that as it is.
    pub owner: Option<String>,
    /// Its encoding, such as `UTF8`.
    pub encoding: Option<String>,
    /// Its collation order.
    pub lc_collate: Option<String>,
    /// Its character classes.
    pub lc_ctype: Option<String>,
    /// Who knows its locale: `libc`, `icu` or `builtin`.
    pub locale_provider: Option<String>,
    /// Its locale where the provider is not the C library.
    pub icu_locale: Option<String>,
    /// What it is copied from when it is made.
    pub template: Option<String>,
    /// Where its files are; `None` leaves that as it is.
    pub tablespace: Option<String>,
    /// How many sessions it may have at once; -1 is no limit.
    pub connection_limit: i32,
}

/// `to_jsonb` because the columns of `pg_database` for ICU differ by version.
const LOOK: &str = "
    select to_jsonb(d)::text, pg_get_userbyid(d.datdba)::text, pg_encoding_to_char(d.encoding)::text, t.spcname::text,
        (d.encoding = pg_char_to_encoding($2))::text, (pg_char_to_encoding($2) >= 0)::text
    from pg_database d join pg_tablespace t on t.oid = d.dattablespace where d.datname = $1";

impl PgDatabase {
    /// A copy of `template1` that nothing more is said of.
    pub fn new(server: PgServer, name: impl Into<String>) -> Self {
        Self {
            server,
            name: name.into(),
            owner: None,
            encoding: None,
            lc_collate: None,
            lc_ctype: None,
            locale_provider: None,
            icu_locale: None,
            template: None,
            tablespace: None,
            connection_limit: -1,
        }
    }

    async fn found(&self, host: &Look) -> Result<Option<Row>, Cause> {
        let rows =
            host.postgres(&self.server, "postgres").rows(LOOK, &[Some(&self.name), self.encoding.as_deref()]).await?;
        Ok(rows.into_iter().next())
    }

    /// `template1` may hold data in its own encoding; only the empty `template0` can be copied into another.
    fn template(&self) -> Option<&str> {
        let other = [&self.encoding, &self.lc_collate, &self.lc_ctype, &self.locale_provider, &self.icu_locale];
        self.template.as_deref().or_else(|| other.iter().any(|value| value.is_some()).then_some("template0"))
    }

    /// What differs and cannot be changed in place.
    fn fixed(&self, found: &Row) -> Result<(), Cause> {
        if self.encoding.is_some() && !found.is(5) {
            let says = format!("PostgreSQL knows no encoding `{}`", self.encoding.as_deref().unwrap_or_default());
            return Err(Cause::new("pg-encoding", says).hint("`UTF8` is the usual one"));
        }
        let columns: Value = serde_json::from_str(found.text(0)).unwrap_or_default();
        let column = |name: &str| columns.get(name).and_then(Value::as_str);
        let provider = match column("datlocprovider") {
            Some("i") => "icu",
            Some("b") => "builtin",
            _ => "libc",
        };
        let icu = column("datlocale").or_else(|| column("daticulocale"));
        let (collate, ctype) = (column("datcollate"), column("datctype"));
        let same = |now: Option<&str>, want: &str| now.is_some_and(|now| locale(now) == locale(want));
        let differs = [
            ("encoding", Some(found.text(2)), self.encoding.as_deref().filter(|_| !found.is(4))),
            ("lc_collate", collate, self.lc_collate.as_deref().filter(|want| !same(collate, want))),
            ("lc_ctype", ctype, self.lc_ctype.as_deref().filter(|want| !same(ctype, want))),
            ("locale_provider", Some(provider), self.locale_provider.as_deref().filter(|want| *want != provider)),
            ("icu_locale", icu, self.icu_locale.as_deref().filter(|want| Some(*want) != icu)),
        ];
        let differs = differs.into_iter().filter_map(|(what, now, want)| Some((what, now.unwrap_or("none"), want?)));
        let list: Vec<String> = differs.map(|(what, now, want)| format!("`{what}` is `{now}`, not `{want}`")).collect();
        if list.is_empty() {
            return Ok(());
        }
        let name = &self.name;
        let says = format!(
            "database `{name}` was made otherwise, and PostgreSQL cannot change that in place: {}",
            list.join(", ")
        );
        Err(Cause::new("pg-fixed", says).hint(format!(
            "say in the recipe what it is, or move its data: `pg_dump -Fc {name} > {name}.dump`, `ALTER DATABASE {name} RENAME TO {name}_old`, \
             `hostagent converge`, `pg_restore -d {name} {name}.dump`"
        )))
    }

    fn creation(&self) -> String {
        let names = [("OWNER", &self.owner), ("TABLESPACE", &self.tablespace)];
        let names = names.into_iter().filter_map(|(key, value)| Some((key, ident(value.as_deref()?))));
        let values = [
            ("ENCODING", &self.encoding),
            ("LC_COLLATE", &self.lc_collate),
            ("LC_CTYPE", &self.lc_ctype),
            ("LOCALE_PROVIDER", &self.locale_provider),
            (
                if self.locale_provider.as_deref() == Some("builtin") { "BUILTIN_LOCALE" } else { "ICU_LOCALE" },
                &self.icu_locale,
            ),
        ];
        let values = values.into_iter().filter_map(|(key, value)| Some((key, literal(value.as_deref()?))));
        let template = self.template().map(|template| ("TEMPLATE", ident(template)));
        let options: Vec<String> =
            names.chain(values).chain(template).map(|(key, value)| format!(" {key} {value}")).collect();
        format!("CREATE DATABASE {} CONNECTION LIMIT {}{}", ident(&self.name), self.connection_limit, options.concat())
    }
}

impl Resource for PgDatabase {
    fn id(&self) -> Id {
        Id::new("pg_database", &self.name)
    }

    fn needs(&self) -> Vec<Id> {
        let mut needs = vec![Id::new("service", &self.server.unit)];
        needs.extend(self.owner.iter().map(|owner| Id::new("pg_role", owner)));
        needs.extend([&self.lc_collate, &self.lc_ctype].into_iter().flatten().map(|name| Id::new("locale", name)));
        needs.extend(self.template.iter().map(|template| Id::new("pg_database", template)));
        needs
    }

    async fn check(&self, host: &Look) -> Result<Changes, Cause> {
        let Some(found) = self.found(host).await? else { return Ok(self.when_absent()) };
        self.fixed(&found)?;
        let columns: Value = serde_json::from_str(found.text(0)).unwrap_or_default();
        let limit = columns.get("datconnlimit").map(Value::to_string).unwrap_or_default();
        let mut changes = Changes::none().value("connection_limit", &limit, &self.connection_limit.to_string());
        if let Some(owner) = &self.owner {
            changes = changes.value("owner", &found.text(1).to_owned(), owner);
        }
        if let Some(tablespace) = &self.tablespace {
            changes = changes.value("tablespace", &found.text(3).to_owned(), tablespace);
        }
        Ok(changes)
    }

    async fn apply(&self, host: &Touch) -> Result<(), Cause> {
        let sql = host.change_postgres(&self.server, "postgres");
        let Some(found) = self.found(host).await? else {
            if let Some(template) = self.template() {
                host.change_postgres(&self.server, template).leave().await;
            } else {
                host.change_postgres(&self.server, "template1").leave().await;
            }
            return Ok(sql.run_alone(&self.creation()).await?);
        };
        let name = ident(&self.name);
        let mut statements = vec![format!("ALTER DATABASE {name} CONNECTION LIMIT {}", self.connection_limit)];
        if let Some(owner) = self.owner.as_deref().filter(|owner| *owner != found.text(1)) {
            statements.push(format!("ALTER DATABASE {name} OWNER TO {}", ident(owner)));
        }
        sql.run(&statements).await?;
        if let Some(tablespace) = self.tablespace.as_deref().filter(|tablespace| *tablespace != found.text(3)) {
            host.change_postgres(&self.server, &self.name).leave().await;
            sql.run_alone(&format!("ALTER DATABASE {name} SET TABLESPACE {}", ident(tablespace))).await?;
        }
        Ok(())
    }

    fn when_absent(&self) -> Changes {
        let named = [
            ("owner", &self.owner),
            ("encoding", &self.encoding),
            ("lc_collate", &self.lc_collate),
            ("lc_ctype", &self.lc_ctype),
            ("locale_provider", &self.locale_provider),
            ("icu_locale", &self.icu_locale),
            ("tablespace", &self.tablespace),
        ];
        let named = named.into_iter().filter_map(|(what, value)| Some((what, value.as_ref()?)));
        let absent = Changes::none().appears("database", &self.name).creating();
        named.fold(absent, |changes, (what, value)| changes.appears(what, value))
    }
}

/// `en_US.UTF-8` and `en_US.utf8` are one locale to the C library.
fn locale(name: &str) -> String {
    let (language, charset) = name.split_once('.').unwrap_or((name, ""));
    format!("{language}.{}", charset.to_lowercase().replace('-', ""))
}
