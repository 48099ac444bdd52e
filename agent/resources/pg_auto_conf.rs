//! Settings that somebody gave a PostgreSQL server with `ALTER SYSTEM` although the recipe gives them: those would win.

use std::path::Path;

use serde::Serialize;

use crate::engine::{Cause, Changes, Id, Resource};
use crate::host::files::Access;
use crate::host::postgres::PgServer;
use crate::host::postgres::quote::ident;
use crate::host::{Look, Touch};

const NAME: &str = "postgresql.auto.conf";

/// No `ALTER SYSTEM` of these settings. Others that were set so stay.
#[derive(Debug, Clone, Serialize)]
pub struct PgAutoConf {
    /// Where.
    pub server: PgServer,
    /// The settings that the recipe gives.
    pub settings: Vec<String>,
}

impl PgAutoConf {
    /// What the file says. Not there yet: then nobody has overridden anything.
    fn text(&self, host: &Look) -> Result<String, Cause> {
        // The directory is the server's own: it could aim the name at anybody's file.
        let bytes = host.read_guarded(&self.server.data_directory, Path::new(NAME))?;
        Ok(String::from_utf8_lossy(&bytes.unwrap_or_default()).into_owned())
    }

    /// The lines that override the recipe.
    fn overriding<'t>(&self, text: &'t str) -> Vec<(&'t str, &'t str)> {
        let lines = text.lines().filter_map(|line| line.split_once('='));
        let lines = lines.map(|(name, value)| (name.trim(), value.trim()));
        lines.filter(|(name, _)| self.settings.iter().any(|ours| ours.eq_ignore_ascii_case(name))).collect()
    }
}

impl Resource for PgAutoConf {
    fn id(&self) -> Id {
        Id::new("pg_auto_conf", &self.server.unit)
    }

    async fn check(&self, host: &Look) -> Result<Changes, Cause> {
        let text = self.text(host)?;
        let add = |changes: Changes, (name, value): (&str, &str)| {
            changes.disappears(&format!("ALTER SYSTEM {name}"), value.trim_matches('\''))
        };
        Ok(self.overriding(&text).into_iter().fold(Changes::none(), add))
    }

    async fn apply(&self, host: &Touch) -> Result<(), Cause> {
        let path = self.server.data_directory.join(NAME);
        let text = self.text(host)?;
        let sql = host.change_postgres(&self.server, "postgres");
        for (name, _) in self.overriding(&text) {
            match sql.run_alone(&format!("ALTER SYSTEM RESET {}", ident(name))).await {
                Ok(()) => {}
                // Nobody else writes the file then.
                Err(error) if error.code() == "pg-not-running" => {
                    let ours = |line: &&str| self.overriding(line).is_empty();
                    let left: String = text.lines().filter(ours).flat_map(|line| [line, "\n"]).collect();
                    let user = self.server.user.as_str();
                    let access = Access { uid: host.uid(user)?, gid: host.gid(user)?, mode: 0o600 };
                    return Ok(host.replace(&path, left.as_bytes(), access)?);
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn when_absent(&self) -> Changes {
        Changes::none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Host;
    use crate::host::programs::Real;
    use crate::resources::laws::{Play, keeps_its_word};
    use crate::terms::AccountName;

    #[tokio::test]
    async fn no_overrides_keeps_its_word_while_the_server_is_down() {
        let play = Play::new().file("/data/postgresql.auto.conf", "work_mem = '1MB'\ngeqo = 'off'\n");
        let user = AccountName::root();
        let server = PgServer { unit: "postgresql@15-main".into(), data_directory: "/data".into(), user };
        keeps_its_word::<PgAutoConf>(&PgAutoConf { server, settings: vec!["work_mem".into()] }, &play.host).await;
        assert_eq!(play.text("/data/postgresql.auto.conf"), "geqo = 'off'\n");
    }

    #[tokio::test]
    async fn an_override_of_a_stopped_server_is_taken_out_of_its_file_and_others_stay() {
        let root = tempfile::tempdir().unwrap();
        let own = (nix::unistd::geteuid(), nix::unistd::getegid());
        std::fs::create_dir_all(root.path().join("etc")).unwrap();
        std::fs::create_dir_all(root.path().join("data")).unwrap();
        std::fs::write(root.path().join("etc/passwd"), format!("postgres:x:{}:{}::/:/bin/sh\n", own.0, own.1)).unwrap();
        std::fs::write(root.path().join("etc/group"), format!("postgres:x:{}:\n", own.1)).unwrap();
        let file = root.path().join("data/postgresql.auto.conf");
        std::fs::write(&file, "# Do not edit\nwork_mem = '1MB'\ngeqo = 'off'\n").unwrap();
        let host = Host::at(root.path(), Box::new(Real)).unwrap();
        let user = AccountName::try_from("postgres".to_owned()).unwrap();
        let server = PgServer { unit: "postgresql@15-main".into(), data_directory: "/data".into(), user };
        let none = PgAutoConf { server, settings: vec!["Work_Mem".into()] };

        assert_eq!(none.check(&host.look()).await.unwrap().to_string(), "ALTER SYSTEM work_mem 1MB -> absent");
        none.apply(&host.touch()).await.unwrap();

        assert!(none.check(&host.look()).await.unwrap().is_empty());
        assert_eq!(std::fs::read_to_string(file).unwrap(), "# Do not edit\ngeqo = 'off'\n");
    }

    #[tokio::test]
    async fn a_link_in_the_place_of_the_file_is_not_followed() {
        let play = Play::new().file("/other", "work_mem = '1MB'\n").file("/data/PG_VERSION", "15\n");
        std::os::unix::fs::symlink("../other", play.place("/data/postgresql.auto.conf")).unwrap();
        let user = AccountName::root();
        let server = PgServer { unit: "postgresql@15-main".into(), data_directory: "/data".into(), user };
        let none = PgAutoConf { server, settings: vec!["work_mem".into()] };
        assert_eq!(none.check(&play.host.look()).await.unwrap_err().code, "unsafe-path");
    }
}
