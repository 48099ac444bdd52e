//! What a running PostgreSQL says of the files on the disk, before and after it reads them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::setting_value::same;
use super::{PgServer, Row};
use crate::host::probe::Probe;
use crate::host::{Error, Look};

/// Lines of `pg_hba.conf` that it does not take. On a reload it would keep the old ones and only log that.
const HBA: &str = "
    select coalesce(to_jsonb(h) ->> 'file_name', current_setting('hba_file')) || ':' || line_number || ': ' || error
    from pg_hba_file_rules h where error is not null";
/// The same of `pg_ident.conf`; a view of PostgreSQL 15.
const IDENT: &str = "
    select coalesce(to_jsonb(i) ->> 'file_name', current_setting('ident_file')) || ':' || line_number || ': ' || error
    from pg_ident_file_mappings i where error is not null";
/// Settings that it does not take, leaving out those that only wait for a restart.
const SETTINGS: &str = "
    select coalesce(f.sourcefile || ':' || f.sourceline || ': ', '') || coalesce('`' || f.name || '`: ', '') || f.error
    from pg_file_settings f left join pg_settings s on lower(s.name) = lower(f.name)
    where f.error is not null and f.error !~ 'cannot be changed without restarting' and s.context is distinct from 'postmaster'";
/// Settings that it will take at a restart only: changed, or gone from the files.
const RESTART: &str = "
    select s.name::text from pg_settings s
    where s.context = 'postmaster' and exists (select from pg_file_settings f where lower(f.name) = lower(s.name) and f.error is not null)
    union select s.name::text from pg_settings s
    where s.context = 'postmaster' and s.source = 'configuration file'
        and lower(s.name) not in (select lower(name) from pg_file_settings where name is not null)
    order by 1";
/// Settings that only a restart changes, as they are.
const FIXED: &str = "select name::text, setting::text, unit::text, vartype::text, (sourcefile = $1)::text from pg_settings where context = 'postmaster'";

/// The databases there are, and whether the server is older than a moment (in seconds since the epoch).
const SINCE: &str =
    "select datname::text, (pg_postmaster_start_time() <= to_timestamp($1::text::float8 + 1))::text from pg_database";
/// Where locales are that were generated on the host.
const LOCALES: &str = "/usr/lib/locale/locale-archive";

/// What a running server dislikes about its files; nothing if it does not run: then its start says so.
pub fn dislikes(server: PgServer) -> Probe {
    Probe::new(async move |host: &Look| match complaints(host, &server).await {
        Err(error) if error.code() == "pg-not-running" => Ok(None),
        other => other,
    })
}

/// What keeps it from serving with the files as they are; that it does not run is one.
pub fn serves(server: PgServer) -> Probe {
    Probe::new(async move |host: &Look| match complaints(host, &server).await {
        Err(error) if error.code() == "pg-not-running" => Ok(Some(error.to_string())),
        other => other,
    })
}

/// What a server should have when it runs.
#[derive(Debug)]
pub struct Wanted {
    /// The server.
    pub server: PgServer,
    /// Where its settings are.
    pub drop_in: PathBuf,
    /// The text of that file.
    pub content: String,
    /// The settings in it.
    pub settings: BTreeMap<String, String>,
    /// Databases that need a locale which the host did not have from the beginning.
    pub localised: BTreeSet<String>,
}

/// Why it must restart to take everything. While the drop-in does not hold what is wanted yet, in a plan, the answer is
/// what the settings will come to.
pub fn must_restart(wanted: Wanted) -> Probe {
    Probe::new(async move |host: &Look| match wanted.reasons(host).await {
        Ok(reasons) => Ok((!reasons.is_empty()).then(|| reasons.join("; "))),
        // A start reads everything.
        Err(error) if error.code() == "pg-not-running" => Ok(None),
        Err(error) => Err(error),
    })
}

impl Wanted {
    async fn reasons(&self, host: &Look) -> Result<Vec<String>, Error> {
        let asks = host.postgres(&self.server, "postgres");
        let names = if host.read_text(&self.drop_in)?.as_deref() == Some(&self.content) {
            texts(&asks.rows(RESTART, &[]).await?)
        } else {
            let path = self.drop_in.display().to_string();
            changing(&asks.rows(FIXED, &[Some(&path)]).await?, &self.settings)
        };
        let mut reasons = Vec::new();
        if !names.is_empty() {
            reasons.push(format!("only a restart changes `{}`", names.join("`, `")));
        }
        // The C library maps this file once and never again, and every session is a fork of the server.
        let made = host.found(Path::new(LOCALES))?.map_or(0, |found| found.ctime / 1_000_000_000);
        let waiting: Vec<&str> = if made > 0 && !self.localised.is_empty() {
            let rows = asks.rows(SINCE, &[Some(&made.to_string())]).await?;
            let there: BTreeSet<&str> = rows.iter().map(|row| row.text(0)).collect();
            let newer = rows.first().is_some_and(|row| row.is(1));
            self.localised.iter().map(String::as_str).filter(|name| newer && !there.contains(name)).collect()
        } else {
            Vec::new()
        };
        if !waiting.is_empty() {
            reasons.push(format!("only a restart shows it the locales made since, for `{}`", waiting.join("`, `")));
        }
        Ok(reasons)
    }
}

async fn complaints(host: &Look, server: &PgServer) -> Result<Option<String>, Error> {
    let asks = host.postgres(server, "postgres");
    let mut said = texts(&asks.rows(HBA, &[]).await?);
    said.extend(texts(&asks.rows(SETTINGS, &[]).await?));
    let knows_ident = asks.rows("select (current_setting('server_version_num')::int >= 150000)::text", &[]).await?;
    if knows_ident.first().is_some_and(|row| row.is(0)) {
        said.extend(texts(&asks.rows(IDENT, &[]).await?));
    }
    Ok((!said.is_empty()).then(|| {
        format!("PostgreSQL says:\n{}", said.iter().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n"))
    }))
}

/// Which of the settings that only a restart changes will differ.
fn changing(rows: &[Row], settings: &BTreeMap<String, String>) -> Vec<String> {
    let differs = |row: &&Row| {
        let wanted = settings.iter().find(|(name, _)| name.eq_ignore_ascii_case(row.text(0))).map(|(_, value)| value);
        match wanted {
            Some(wanted) => !same(wanted, row.text(1), row.get(2), row.text(3)),
            // It was in the drop-in and will not be.
            None => row.is(4),
        }
    };
    rows.iter().filter(differs).map(|row| row.text(0).to_owned()).collect()
}

fn texts(rows: &[Row]) -> Vec<String> {
    rows.iter().map(|row| row.text(0).to_owned()).collect()
}
