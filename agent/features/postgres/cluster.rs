//! Which PostgreSQL: its version, where it comes from, and where its parts are on Debian.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::facts::Facts;
use crate::host::postgres::PgServer;
use crate::resources::apt_source::{AptSource, Key, KeyFrom};
use crate::terms::{AccountName, Fingerprint};

/// Where packages of PostgreSQL come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "PostgresSource")]
pub enum Source {
    /// From the host's own sources, or an `[[apt_source]]` of the recipe.
    Distribution,
    /// From apt.postgresql.org.
    Pgdg,
}

/// One cluster of databases and the places of its parts.
#[derive(Debug, Clone)]
pub(super) struct Cluster {
    pub(super) version: u16,
    pub(super) name: String,
    pub(super) data_directory: PathBuf,
}

impl Cluster {
    /// The distribution's own major version.
    pub(super) fn default_version(facts: &Facts) -> Option<u16> {
        Some(match (facts.os.id.as_str(), facts.os.version.as_str()) {
            ("debian", "11") => 13,
            ("debian", "12") => 15,
            ("debian", "13") => 17,
            ("ubuntu", "22.04") => 14,
            ("ubuntu", "24.04") => 16,
            _ => return None,
        })
    }

    /// Where the package keeps data unless told otherwise.
    pub(super) fn usual_data(version: u16, name: &str) -> PathBuf {
        PathBuf::from(format!("/var/lib/postgresql/{version}/{name}"))
    }

    /// `postgresql.service` is an umbrella that does nothing; this one is the server.
    pub(super) fn unit(&self) -> String {
        format!("postgresql@{}-{}", self.version, self.name)
    }

    pub(super) fn package(&self) -> String {
        format!("postgresql-{}", self.version)
    }

    /// Where its configuration is.
    pub(super) fn directory(&self) -> PathBuf {
        PathBuf::from(format!("/etc/postgresql/{}/{}", self.version, self.name))
    }

    /// The file that holds every setting of the recipe: what comes last in `conf.d` wins.
    pub(super) fn drop_in(&self) -> PathBuf {
        self.directory().join("conf.d/90-hostagent.conf")
    }

    pub(super) fn server(&self) -> PgServer {
        PgServer { unit: self.unit(), data_directory: self.data_directory.clone(), user: account() }
    }

    /// PostgreSQL's own reading of its files, without a start. 10 ms.
    pub(super) fn checker(&self) -> Vec<String> {
        let program = format!("/usr/lib/postgresql/{}/bin/postgres", self.version);
        vec![program, "-C".into(), "data_directory".into(), "-D".into(), self.directory().display().to_string()]
    }
}

/// The account that Debian's packages make.
pub(super) fn account() -> AccountName {
    AccountName::try_from("postgres".to_owned()).unwrap_or_else(|_| AccountName::root())
}

/// The PostgreSQL project's own packages, <https://wiki.postgresql.org/wiki/Apt>.
pub(super) fn pgdg(facts: &Facts) -> Result<AptSource, String> {
    let fingerprint = Fingerprint::try_from("B97B0AFCAA1A47F044F244A07FCC7D46ACCC4CF8".to_owned())?;
    Ok(AptSource {
        name: "pgdg".into(),
        uris: vec!["https://apt.postgresql.org/pub/repos/apt".into()],
        suites: vec![format!("{}-pgdg", facts.os.codename)],
        components: vec!["main".into()],
        architectures: Vec::new(),
        key: Key {
            from: KeyFrom::Url("https://www.postgresql.org/media/keys/ACCC4CF8.asc".into()),
            fingerprints: vec![fingerprint],
        },
    })
}
