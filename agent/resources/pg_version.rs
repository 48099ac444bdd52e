//! The version of a cluster, before anything of that version is installed.

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::engine::{Cause, Changes, Id, Resource};
use crate::host::{Error, Look, Touch};

/// Where each version has its clusters: their configuration, and usually their data.
const PLACES: [&str; 2] = ["/etc/postgresql", "/var/lib/postgresql"];

/// That no other version has the cluster, with data in it: an empty one beside it would take its place in silence. The
/// package makes one when it is installed, so this comes before the package. It changes nothing.
#[derive(Debug, Clone, Serialize)]
pub struct PgVersion {
    /// The major version that is wanted.
    pub version: u16,
    /// The name of the cluster, such as `main`.
    pub name: String,
}

impl PgVersion {
    /// Another version that has a cluster of this name, and where.
    fn another(&self, host: &Look) -> Result<Option<(u16, PathBuf)>, Error> {
        for place in PLACES.map(Path::new) {
            for version in host.names_in(place)? {
                let Some(number) = version.to_str().and_then(|text| text.parse().ok()) else { continue };
                let path = place.join(&version).join(&self.name);
                if number != self.version && host.found(&path)?.is_some() {
                    return Ok(Some((number, path)));
                }
            }
        }
        Ok(None)
    }

    /// Refuses a cluster that is still to be made beside another version's.
    pub(super) fn refuse_another(&self, host: &Look) -> Result<(), Cause> {
        let (version, name) = (self.version, &self.name);
        let itself = Path::new("/etc/postgresql").join(version.to_string()).join(name).join("postgresql.conf");
        if host.found(&itself)?.is_some() {
            return Ok(());
        }
        let Some((other, path)) = self.another(host)? else { return Ok(()) };
        let says = format!(
            "PostgreSQL {other} has a cluster `{name}` here (`{}`), and {version} would begin with an empty one",
            path.display()
        );
        Err(Cause::new("pg-other-version", says).hint(format!(
            "say `version = {other}` in `[postgres]`; or install postgresql-{version} by hand and move the data with `pg_upgradecluster {other} {name}`; \
             if it is not needed any more, `pg_dropcluster {other} {name}`"
        )))
    }
}

impl Resource for PgVersion {
    fn id(&self) -> Id {
        Id::new("pg_version", &self.name)
    }

    fn precedes(&self) -> Vec<Id> {
        let cluster = Id::new("pg_cluster", format!("{}/{}", self.version, self.name));
        vec![Id::new("package", format!("postgresql-{}", self.version)), cluster]
    }

    async fn check(&self, host: &Look) -> Result<Changes, Cause> {
        self.refuse_another(host)?;
        Ok(Changes::none())
    }

    async fn apply(&self, host: &Touch) -> Result<(), Cause> {
        self.refuse_another(host)
    }

    fn when_absent(&self) -> Changes {
        Changes::none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::laws::Play;
    use crate::resources::pg_cluster::PgCluster;

    fn wanted(version: u16) -> PgVersion {
        PgVersion { version, name: "main".into() }
    }

    #[tokio::test(flavor = "current_thread")]
    async fn an_empty_cluster_is_not_made_beside_one_of_another_version() {
        for there in ["/etc/postgresql/15/main/postgresql.conf", "/var/lib/postgresql/15/main/PG_VERSION"] {
            let play = Play::new().file(there, "");
            let cause = wanted(17).check(&play.host.look()).await.unwrap_err();
            assert!(cause.says.starts_with("PostgreSQL 15 has a cluster `main` here"), "{cause}");
            assert!(cause.hint.unwrap().starts_with("say `version = 15` in `[postgres]`"));

            let cluster = PgCluster {
                version: 17,
                name: "main".into(),
                data_directory: "/d".into(),
                locale: None,
                comes_with_package: true,
            };
            play.host.expect(&Id::new("package", "postgresql-17"));
            assert_eq!(cluster.check(&play.host.look()).await.unwrap_err().code, "pg-other-version");
            assert_eq!(cluster.apply(&play.host.touch()).await.unwrap_err().code, "pg-other-version");
            assert!(play.ran().is_empty());
        }
    }

    #[tokio::test(flavor = "current_thread")]
    async fn its_own_version_another_name_and_an_upgraded_one_are_fine() {
        let play = Play::new()
            .file("/etc/postgresql/15/main/postgresql.conf", "")
            .file("/var/lib/postgresql/.psql_history", "");
        assert!(play.differs(&wanted(15)).await.is_empty());
        assert!(play.differs(&PgVersion { version: 17, name: "app".into() }).await.is_empty());
        play.put("/etc/postgresql/17/main/postgresql.conf", "");
        assert!(play.differs(&wanted(17)).await.is_empty());
    }
}
