//! `[postgres]`: a PostgreSQL server, and what is in it.
//!
//! The settings are one drop-in, read after the package's own file; `pg_hba.conf` and `pg_ident.conf` are whole. PostgreSQL
//! itself checks them: `postgres -C` before anything is loaded, and the running server's own views of the files, because
//! on a reload it would pass over what it does not like and only log that. It is restarted when a setting needs it.

mod cluster;
mod grants;
mod hba;
mod objects;
mod settings;

#[cfg(test)]
mod on_a_machine;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Feature, needs_package};
use crate::engine::{Draft, Id};
use crate::facts::Facts;
use crate::host::postgres::probes::{self, Wanted};
use crate::problem::{KeyPath, Place};
use crate::resources::config_set::{ConfigCheck, ConfigFile, ConfigSet};
use crate::resources::file::File;
use crate::resources::locale;
use crate::resources::pg_auto_conf::PgAutoConf;
use crate::resources::pg_cluster::PgCluster;
use crate::resources::pg_version::PgVersion;
use crate::resources::service::{OnChange, Service};
use crate::template::managed;
use crate::terms::{AbsolutePath, Mode, SettingValue};
use cluster::{Cluster, account};

pub use cluster::Source;
pub use grants::Grant;
pub use hba::{Hba, HbaMethod, HbaType, Ident};
pub use objects::{Database, Extension, LocaleProvider, Role, Schema};

/// The major versions that there may be.
const VERSIONS: std::ops::RangeInclusive<u16> = 13..=99;

/// The name of its set of files.
const SET: &str = "postgres";

/// A PostgreSQL server.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Postgres {
    /// The major version, such as 15. Default: the distribution's (Debian 12: 15, Debian 13: 17).
    #[schemars(range(min = 13, max = 99))]
    pub version: Option<u16>,
    /// Where its packages come from: `"distribution"`, or `"pgdg"` (apt.postgresql.org). Default: `distribution` for its
    /// own version, else `pgdg`.
    pub source: Option<Source>,
    /// The cluster of databases. Default: `"main"`, which comes with the package; another is made.
    pub cluster: String,
    /// Where its data is; is never moved later. Default: `/var/lib/postgresql/VERSION/CLUSTER`.
    pub data_directory: Option<AbsolutePath>,
    /// The locale that the cluster is made with, such as `"en_US.UTF-8"`; without effect later. Default: `C.UTF-8`.
    pub locale: Option<String>,
    /// Whether it starts at boot. Default: `true`.
    pub enabled: bool,
    /// Whether it runs. Default: `true`.
    pub running: bool,
    /// The addresses it listens on; `["*"]` is all, `[]` none. Default: `["localhost"]`.
    pub listen_addresses: Vec<String>,
    /// The port it listens on, which also names its unix socket. Default: 5432.
    #[schemars(range(min = 1))]
    pub port: u16,
    /// Where its unix sockets are. Default: the package's, `/var/run/postgresql`, where programs look for it.
    pub unix_socket_directories: Option<Vec<AbsolutePath>>,
    /// Who may connect to its unix sockets. Default: everybody, `"0777"`: `pg_hba.conf` decides.
    pub unix_socket_permissions: Option<Mode>,
    /// How a password is stored that somebody sets: `"scram-sha-256"` or `"md5"`. Those of the recipe are always kept as
    /// SCRAM. Default: `"scram-sha-256"`.
    pub password_encryption: PasswordEncryption,
    /// Any other setting by its own name: `{ shared_buffers = "64MB", max_connections = 40 }`. Default: none.
    pub settings: BTreeMap<String, SettingValue>,
    /// Who may come in, in this order, after the line that lets the account `postgres` in over the unix socket. These lines
    /// take the place of the default: with a single one here nobody else comes in, not even from this host itself, so name
    /// applications on it too (`type = "local"`, or `address = "127.0.0.1/32"`). Default: each account as the role of its
    /// name over the unix socket, and passwords from this host.
    pub hba: Vec<Hba>,
    /// Which accounts may be which roles. Default: none.
    pub ident: Vec<Ident>,
    /// Roles. Default: none.
    pub role: Vec<Role>,
    /// Databases. Default: none.
    pub database: Vec<Database>,
    /// Schemas. Default: none.
    pub schema: Vec<Schema>,
    /// Extensions. Default: none.
    pub extension: Vec<Extension>,
    /// Privileges. Default: none.
    pub grant: Vec<Grant>,
}

/// How passwords are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
pub enum PasswordEncryption {
    /// As a SCRAM verifier.
    #[default]
    #[serde(rename = "scram-sha-256")]
    ScramSha256,
    /// As an MD5 hash.
    #[serde(rename = "md5")]
    Md5,
}

impl Default for Postgres {
    fn default() -> Self {
        Self {
            version: None,
            source: None,
            cluster: "main".to_owned(),
            data_directory: None,
            locale: None,
            enabled: true,
            running: true,
            listen_addresses: vec!["localhost".to_owned()],
            port: 5432,
            unix_socket_directories: None,
            unix_socket_permissions: None,
            password_encryption: PasswordEncryption::default(),
            settings: BTreeMap::new(),
            hba: Vec::new(),
            ident: Vec::new(),
            role: Vec::new(),
            database: Vec::new(),
            schema: Vec::new(),
            extension: Vec::new(),
            grant: Vec::new(),
        }
    }
}

impl Feature for Postgres {
    const TABLE: &'static str = "postgres";

    fn compile(&self, facts: &Facts, plan: &mut Draft) {
        let here = KeyPath::root().key(Self::TABLE);
        plan.at(here.clone());
        self.validate(&here, plan);
        let Some(cluster) = self.cluster(facts, &here, plan) else { return };
        self.install(&cluster, facts, &here, plan);
        if let Err(wrong) = self.configure(&cluster, plan) {
            plan.problem(wrong, "this is a fault of hostagent; please report it");
        }
        self.serve(&cluster, plan);
        self.fill(&cluster, &here, plan);
    }
}

impl Postgres {
    fn validate(&self, here: &KeyPath, plan: &mut Draft) {
        settings::validate(&self.settings, &here.key("settings"), plan);
        for (index, line) in self.hba.iter().enumerate() {
            line.validate(&here.key("hba").index(index), plan);
        }
        for (index, line) in self.ident.iter().enumerate() {
            line.validate(&here.key("ident").index(index), plan);
        }
        twice(self.role.iter().map(|role| &role.name), "role", here, plan);
        twice(self.database.iter().map(|database| &database.name), "database", here, plan);
        let name = &self.cluster;
        if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '.') {
            plan.problem_at(
                here.key("cluster"),
                format!("`{name}` is not a name for a cluster"),
                "letters, digits, `_` and `.`: it becomes part of a unit's name",
            );
        }
        if self.locale.as_ref().is_some_and(|name| !locale::is_name(name)) {
            let says =
                format!("`{}` is not the name of a locale", self.locale.as_deref().unwrap_or_default().escape_debug());
            plan.problem_at(here.key("locale"), says, "such as `en_US.UTF-8` or `C.UTF-8`");
        }
        // It goes into createcluster.d, where `%v` and `%c` are replaced, and into postgresql.conf, both between quotes.
        if let Some(path) = self.data_directory.as_ref().map(ToString::to_string)
            && path.contains(|c: char| c.is_control() || matches!(c, '\'' | '"' | '\\' | '%'))
        {
            let says = format!("`{}` cannot be a place for data", path.escape_debug());
            plan.problem_at(
                here.key("data_directory"),
                says,
                "a path without quotes, backslashes, `%` and line ends, such as `/data/pg`",
            );
        }
        if let Some(version) = self.version.filter(|version| !VERSIONS.contains(version)) {
            let says = format!("there is no PostgreSQL {version} that hostagent knows");
            plan.problem_at(
                here.key("version"),
                says,
                format!("a major version from {} to {}", VERSIONS.start(), VERSIONS.end()),
            );
        }
        if self.port == 0 {
            plan.problem_at(here.key("port"), "there is no port 0", "5432 is the usual one");
        }
        if self.unix_socket_directories.as_ref().is_some_and(Vec::is_empty) {
            let hint = "leave it out for `/var/run/postgresql`; administration comes by the unix socket";
            plan.problem_at(
                here.key("unix_socket_directories"),
                "without a unix socket nobody can administer it",
                hint,
            );
        }
        let wants_it = !(self.role.is_empty()
            && self.database.is_empty()
            && self.schema.is_empty()
            && self.extension.is_empty()
            && self.grant.is_empty());
        if !self.running && wants_it {
            plan.problem_at(
                here.key("running"),
                "roles, databases and grants need a running server",
                "take them out, or `running = false`",
            );
        }
    }

    fn cluster(&self, facts: &Facts, here: &KeyPath, plan: &mut Draft) -> Option<Cluster> {
        let Some(version) = self.version.or_else(|| Cluster::default_version(facts)) else {
            let says = format!("which PostgreSQL `{}` `{}` has is not known", facts.os.id, facts.os.version);
            plan.problem_at(
                here.clone(),
                says,
                "say `version`, and `source = \"pgdg\"` if the distribution does not have it",
            );
            return None;
        };
        let usual = || Cluster::usual_data(version, &self.cluster);
        let data_directory = self.data_directory.as_ref().map_or_else(usual, |path| path.as_path().to_owned());
        Some(Cluster { version, name: self.cluster.clone(), data_directory })
    }

    fn install(&self, cluster: &Cluster, facts: &Facts, here: &KeyPath, plan: &mut Draft) {
        let own = Cluster::default_version(facts) == Some(cluster.version);
        let source = self.source.unwrap_or(if own { Source::Distribution } else { Source::Pgdg });
        if source == Source::Pgdg {
            match cluster::pgdg(facts) {
                Ok(pgdg) => drop(plan.add(pgdg)),
                Err(wrong) => {
                    plan.problem_at(here.key("source"), wrong, "this is a fault of hostagent; please report it");
                }
            }
        }
        needs_package(plan, &cluster.package());
        let comes_with_package = cluster.name == "main";
        let how = if comes_with_package { self.how_main_is_made() } else { "create_main_cluster = false\n".to_owned() };
        if !how.is_empty() {
            // Read by the package when it makes `main`, so it must be there before. One that nobody asked for would take the
            // port at the next boot.
            plan.add(File {
                before_packages: true,
                ..File::new(
                    "/etc/postgresql-common/createcluster.d/90-hostagent.conf",
                    format!("{}\n{how}", managed("`[postgres]` of the recipe")),
                )
            });
        }
        let data_directory = cluster.data_directory.clone();
        let (version, name, locale) = (cluster.version, cluster.name.clone(), self.locale.clone());
        plan.add(PgVersion { version, name: name.clone() });
        plan.add(PgCluster { version, name, data_directory, locale, comes_with_package });
    }

    /// What the package is told of the cluster that it makes.
    fn how_main_is_made(&self) -> String {
        let data = self.data_directory.as_ref().map(|path| format!("data_directory = '{path}'\n")).unwrap_or_default();
        let locale =
            self.locale.as_ref().map(|name| format!("initdb_options = '--locale={name}'\n")).unwrap_or_default();
        data + &locale
    }

    /// Every setting of the drop-in.
    fn all_settings(&self) -> BTreeMap<String, SettingValue> {
        let text = |text: String| SettingValue::Text(text);
        let mut all = self.settings.clone();
        all.insert("listen_addresses".into(), text(self.listen_addresses.join(", ")));
        all.insert("port".into(), SettingValue::Integer(self.port.into()));
        let encryption = match self.password_encryption {
            PasswordEncryption::ScramSha256 => "scram-sha-256",
            PasswordEncryption::Md5 => "md5",
        };
        all.insert("password_encryption".into(), text(encryption.into()));
        if let Some(directories) = &self.unix_socket_directories {
            let list = directories.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            all.insert("unix_socket_directories".into(), text(list));
        }
        if let Some(mode) = self.unix_socket_permissions {
            all.insert("unix_socket_permissions".into(), text(mode.to_string()));
        }
        all
    }

    fn configure(&self, cluster: &Cluster, plan: &mut Draft) -> Result<(), String> {
        let (directory, unit) = (cluster.directory(), cluster.unit());
        let owned = |path, content: String, bits| ConfigFile {
            mode: Mode::new(bits),
            owner: account(),
            group: account(),
            ..ConfigFile::new(path, content)
        };
        let start = if self.enabled { "auto\n" } else { "manual\n" };
        let files = vec![
            owned(cluster.drop_in(), settings::render(&self.all_settings())?, 0o644),
            owned(directory.join("pg_hba.conf"), hba::render(&self.hba)?, 0o640),
            owned(directory.join("pg_ident.conf"), hba::render_ident(&self.ident)?, 0o640),
            owned(directory.join("start.conf"), start.to_owned(), 0o644),
        ];
        let checks = vec![
            ConfigCheck::Program { argv: cluster.checker(), user: Some(account()) },
            ConfigCheck::Asked(probes::dislikes(cluster.server())),
        ];
        let made = Id::new("pg_cluster", format!("{}/{}", cluster.version, cluster.name));
        plan.add(ConfigSet { checks, read_by: Some(unit), ..ConfigSet::new(SET, files) }).after(&made);
        let names = self.all_settings().into_keys().collect();
        plan.add(PgAutoConf { server: cluster.server(), settings: names }).after(&Id::new("config_set", SET));
        Ok(())
    }

    fn serve(&self, cluster: &Cluster, plan: &mut Draft) {
        let all = self.all_settings();
        let generated =
            |database: &&Database| database.locales().any(|name| !matches!(name, "C" | "POSIX" | "C.UTF-8" | "C.utf8"));
        let wanted = Wanted {
            server: cluster.server(),
            drop_in: cluster.drop_in(),
            content: settings::render(&all).unwrap_or_default(),
            settings: all.into_iter().map(|(name, value)| (name, settings::text(&value))).collect(),
            localised: self.database.iter().filter(generated).map(|database| database.name.clone()).collect(),
        };
        let mut reads = vec![cluster.directory(), cluster.data_directory.join("postgresql.auto.conf")];
        if !wanted.localised.is_empty() {
            // Says the same as the megabytes of `locale-archive`.
            reads.push("/etc/locale.gen".into());
        }
        let server = Service {
            // The umbrella pulls it in at boot if start.conf says `auto`.
            enabled: None,
            running: Some(self.running),
            reads,
            on_change: OnChange::Reload,
            sets: vec![SET.to_owned()],
            restart_reason: Some(probes::must_restart(wanted)),
            healthy: Some(probes::serves(cluster.server())),
            ..Service::running(cluster.unit())
        };
        let (set, overrides) = (Id::new("config_set", SET), Id::new("pg_auto_conf", cluster.unit()));
        let server = plan.add(server).after(&set).after(&overrides).id();
        if self.enabled {
            // Also running, so that `systemctl stop postgresql` reaches the server.
            plan.add(Service { running: self.running.then_some(true), ..Service::running("postgresql") })
                .after(&server);
        }
    }

    fn fill(&self, cluster: &Cluster, here: &KeyPath, plan: &mut Draft) {
        let server = cluster.server();
        for (index, role) in self
            .role
            .iter()
            .enumerate()
            .filter(|(index, role)| !self.role.iter().take(*index).any(|other| other.name == role.name))
        {
            role.compile(&server, &here.key("role").index(index), plan);
        }
        for (index, database) in self
            .database
            .iter()
            .enumerate()
            .filter(|(index, database)| !self.database.iter().take(*index).any(|other| other.name == database.name))
        {
            database.compile(&server, &here.key("database").index(index), plan);
        }
        for (index, schema) in self.schema.iter().enumerate() {
            schema.compile(&server, &here.key("schema").index(index), plan);
        }
        for (index, extension) in self.extension.iter().enumerate() {
            extension.compile(&server, &here.key("extension").index(index), plan);
        }
        grants::compile(&self.grant, &server, &here.key("grant"), plan);
    }
}

/// Says which names come twice.
fn twice<'n>(names: impl Iterator<Item = &'n String>, key: &str, here: &KeyPath, plan: &mut Draft) {
    let mut seen = BTreeMap::new();
    for (index, name) in names.enumerate() {
        let at = here.key(key).index(index);
        if let Some(other) = seen.get(name) {
            let says = format!("two {key}s are named `{name}`");
            plan.problem_beside(at.key("name"), Place::Name(KeyPath::clone(other)), says, "make them one");
        } else {
            seen.insert(name, at);
        }
    }
}
