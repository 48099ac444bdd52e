//! A cluster of PostgreSQL databases, as Debian's postgresql-common keeps them: `/etc/postgresql/VERSION/NAME`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;

use super::pg_version::PgVersion;
use crate::engine::{Cause, Changes, Id, Resource};
use crate::host::programs::Program;
use crate::host::{Look, Touch};

/// A nano's disk takes a minute to write an empty cluster.
const PATIENCE: Duration = Duration::from_mins(10);

/// A cluster. It is never dropped, and its data is never moved.
#[derive(Debug, Clone, Serialize)]
pub struct PgCluster {
    /// The major version.
    pub version: u16,
    /// Its name, such as `main`.
    pub name: String,
    /// Where its data is.
    pub data_directory: PathBuf,
    /// The locale it is made with; `None` is that of whoever makes it.
    pub locale: Option<String>,
    /// Whether the package makes it when it is installed: it does so with `main`.
    pub comes_with_package: bool,
}

impl PgCluster {
    fn is_of(&self) -> PgVersion {
        PgVersion { version: self.version, name: self.name.clone() }
    }

    fn package(&self) -> Id {
        Id::new("package", format!("postgresql-{}", self.version))
    }

    fn configuration(&self) -> PathBuf {
        Path::new("/etc/postgresql").join(self.version.to_string()).join(&self.name).join("postgresql.conf")
    }
}

impl Resource for PgCluster {
    fn id(&self) -> Id {
        Id::new("pg_cluster", format!("{}/{}", self.version, self.name))
    }

    fn needs(&self) -> Vec<Id> {
        let mut needs = super::file::places_above(&self.data_directory);
        // A server sees the locales that were there when it started.
        needs.extend([self.package(), Id::every("locale")]);
        needs.extend(self.locale.as_ref().map(|name| Id::new("locale", name)));
        needs
    }

    async fn check(&self, host: &Look) -> Result<Changes, Cause> {
        let path = self.configuration();
        let Some(text) = host.read_text(&path)? else {
            self.is_of().refuse_another(host)?;
            let comes = self.comes_with_package && host.expects(&self.package());
            return Ok(if comes { Changes::none() } else { self.when_absent() });
        };
        match data_directory(&text) {
            Some(now) if Path::new(&now) != self.data_directory => {
                let says = format!(
                    "cluster {}/{} keeps its data in `{now}`, not in `{}`",
                    self.version,
                    self.name,
                    self.data_directory.display()
                );
                Err(Cause::new("pg-data-elsewhere", says).hint(format!(
                    "say `data_directory = \"{now}\"`, or stop the server, move the directory, and correct `{}`",
                    path.display()
                )))
            }
            _ => Ok(Changes::none()),
        }
    }

    async fn apply(&self, host: &Touch) -> Result<(), Cause> {
        if host.found(&self.configuration())?.is_some() {
            return Ok(());
        }
        self.is_of().refuse_another(host)?;
        let mut program = Program::does("pg_createcluster").patience(PATIENCE);
        program = program.args(["--start-conf", "auto", "--datadir"]).arg(self.data_directory.display().to_string());
        if let Some(locale) = &self.locale {
            program = program.args(["--locale", locale]);
        }
        let under_way = host.making_cluster(self.version, &self.name, &self.data_directory)?;
        let made = host.run(&program.arg(self.version.to_string()).arg(&self.name).outlives()).await;
        if made.as_ref().is_err_and(|error| error.code() == "program-slow") {
            // Ended, it takes away nothing of what it has made.
            under_way.unmake()?;
        }
        made?;
        Ok(())
    }

    fn when_absent(&self) -> Changes {
        Changes::none().appears("cluster", self.data_directory.display()).creating()
    }
}

/// The last `data_directory = '…'` of a postgresql.conf.
fn data_directory(text: &str) -> Option<String> {
    let lines = text.lines().filter_map(|line| line.trim_start().strip_prefix("data_directory"));
    let mut values = lines.filter_map(|rest| {
        let value = rest.trim_start().strip_prefix('=').unwrap_or(rest).trim_start();
        let quoted = value.strip_prefix('\'').and_then(|value| value.split_once('\'')).map(|(value, _)| value);
        quoted.or_else(|| value.split([' ', '\t', '#']).next()).map(str::to_owned)
    });
    values.next_back()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Host;
    use crate::host::programs::Real;
    use crate::resources::laws::{Play, keeps_its_word};

    #[tokio::test]
    async fn a_cluster_keeps_its_word() {
        let play = Play::with(|argv, root| {
            let [program, .., version, name] = argv else { return None };
            let place = root.join("etc/postgresql").join(version).join(name);
            let data = argv.iter().skip_while(|word| *word != "--datadir").nth(1)?;
            std::fs::create_dir_all(&place).unwrap();
            std::fs::write(place.join("postgresql.conf"), format!("data_directory = '{data}'\n")).unwrap();
            (program == "pg_createcluster").then(|| (0, String::new()))
        });
        keeps_its_word::<PgCluster>(&cluster(), &play.host).await;
        assert_eq!(play.ran(), ["pg_createcluster --start-conf auto --datadir /data/pg 15 main"]);
    }

    fn cluster() -> PgCluster {
        PgCluster {
            version: 15,
            name: "main".into(),
            data_directory: "/data/pg".into(),
            locale: None,
            comes_with_package: true,
        }
    }

    #[test]
    fn a_configuration_says_where_the_data_is() {
        let text = "#data_directory = 'no'\ndata_directory = '/var/lib/postgresql/15/main'\t\t# use data in another directory\n";
        assert_eq!(data_directory(text).unwrap(), "/var/lib/postgresql/15/main");
        assert_eq!(data_directory("data_directory '/a b'\n").unwrap(), "/a b");
        assert_eq!(data_directory("#data_directory = 'ConfigDir'\n"), None);
    }

    #[tokio::test]
    async fn a_planned_package_brings_the_cluster_and_another_place_is_refused() {
        let root = tempfile::tempdir().unwrap();
        let host = Host::at(root.path(), Box::new(Real)).unwrap();
        assert!(cluster().check(&host.look()).await.unwrap().creates());
        host.expect(&Id::new("package", "postgresql-15"));
        assert!(cluster().check(&host.look()).await.unwrap().is_empty());

        let place = root.path().join("etc/postgresql/15/main");
        std::fs::create_dir_all(&place).unwrap();
        std::fs::write(place.join("postgresql.conf"), "data_directory = '/elsewhere'\n").unwrap();
        let cause = cluster().check(&host.look()).await.unwrap_err();
        assert_eq!(cause.says, "cluster 15/main keeps its data in `/elsewhere`, not in `/data/pg`");
    }
}
