//! What only Debian's own PostgreSQL under systemd can show.
//!
//! Not run by default; tests/inside.rs runs it on machines. `HOSTAGENT_PG_MACHINE` says 12 or 13: it is a disposable
//! Debian of that version with its `postgresql` and `locales` installed and running.

use std::path::PathBuf;

use super::*;
use crate::engine::Plan;
use crate::facts::Os;
use crate::host::Host;
use crate::host::files::sha256_of;
use crate::host::programs::Program;

struct Machine(Host);

impl Machine {
    /// The cluster that the distribution's package makes.
    fn main() -> Cluster {
        let version = Cluster::default_version(&Self::facts()).unwrap();
        Cluster { version, name: "main".into(), data_directory: Cluster::usual_data(version, "main") }
    }

    fn facts() -> Facts {
        let version = std::env::var("HOSTAGENT_PG_MACHINE").expect("HOSTAGENT_PG_MACHINE says that it may be changed");
        Facts { os: Os { id: "debian".into(), version, codename: String::new() }, ..Facts::default() }
    }

    fn plan(recipe: &str) -> Plan {
        let table: Postgres = toml::from_str(recipe).unwrap();
        let mut draft = Draft::default();
        table.compile(&Self::facts(), &mut draft);
        draft.finish().unwrap()
    }

    /// Applies one resource of a plan if it differs; says what differed, or why it could not be.
    async fn apply(&self, plan: &Plan, id: &str) -> Result<String, String> {
        let step = plan.steps.iter().find(|step| step.id.as_str() == id).unwrap();
        let changes = step.resource.check(&self.0.look()).await.map_err(|cause| cause.says)?;
        if changes.is_empty() {
            return Ok(String::new());
        }
        step.resource.apply(&self.0.touch()).await.map_err(|cause| cause.says)?;
        assert!(step.resource.check(&self.0.look()).await.unwrap().is_empty());
        Ok(changes.to_string())
    }

    async fn restart_reason(&self, plan: &Plan) -> Option<String> {
        let step =
            plan.steps.iter().find(|step| step.id.as_str() == format!("service:{}", Self::main().unit())).unwrap();
        let service: &Service = step.resource.as_any().downcast_ref().unwrap();
        assert_eq!(service.healthy.clone().unwrap().ask(&self.0.look()).await.unwrap(), None);
        service.restart_reason.clone().unwrap().ask(&self.0.look()).await.unwrap()
    }

    /// What the service does when it has loaded the files: the old ones are not needed any more.
    async fn systemctl(&self, verb: &str) {
        self.0.touch().forget_old(&format!("config_set:{SET}")).unwrap();
        self.0.touch().run(&Program::does("systemctl").args([verb, &Self::main().unit()])).await.unwrap();
    }

    fn files() -> Vec<(PathBuf, String)> {
        let names = ["postgresql.conf", "pg_hba.conf", "pg_ident.conf", "start.conf", "conf.d/90-hostagent.conf"];
        names
            .map(|name| Self::main().directory().join(name))
            .map(|path| (path.clone(), sha256_of(&std::fs::read(path).unwrap_or_default())))
            .into()
    }
}

#[tokio::test]
#[ignore = "needs a machine with PostgreSQL that is free to be changed"]
async fn postgresql_itself_decides_what_it_takes_and_when_it_restarts() {
    let machine = Machine(Host::here().unwrap());
    let (version, server) = (Machine::main().version, Machine::main().server());
    let plain = Machine::plan("");
    machine.apply(&plain, "config_set:postgres").await.unwrap();
    assert_eq!(machine.apply(&plain, &format!("pg_cluster:{version}/main")).await.unwrap(), "");
    assert_eq!(machine.restart_reason(&plain).await, None);
    machine.systemctl("reload").await;
    assert_eq!(machine.restart_reason(&plain).await, None);

    // Refused, in PostgreSQL's words, and put back byte for byte; and again.
    let before = Machine::files();
    for (recipe, words) in [
        ("settings = { no_such = 1 }", "unrecognized configuration parameter \"no_such\""),
        ("settings = { work_mem = 'banana' }", "invalid value for parameter \"work_mem\": \"banana\""),
        ("settings = { shared_buffers = '100TB' }", "invalid value for parameter \"shared_buffers\""),
        ("settings = { wal_level = 'bogus' }", "Available values: minimal, replica, logical."),
        (
            "[[hba]]\ntype = 'host'\naddress = 'all'\nmethod = 'ldap'",
            "authentication method \"ldap\" requires argument",
        ),
        (
            "[[hba]]\ntype = 'local'\nmethod = 'peer'\noptions = { colour = 'red' }",
            "unrecognized authentication option name: \"colour\"",
        ),
        ("[[ident]]\nmap = 'm'\nsystem_user = '/('\ndatabase_user = 'x'", "invalid regular expression"),
    ] {
        for _ in 0..2 {
            let said = machine.apply(&Machine::plan(recipe), "config_set:postgres").await.unwrap_err();
            assert!(said.contains(words), "{said}");
            assert_eq!(Machine::files(), before, "{recipe}");
        }
    }

    // A reload is enough, and foreseen to be.
    let reload = Machine::plan("settings = { work_mem = '6MB', \"app.tenant\" = \"it's\" }");
    assert_eq!(machine.restart_reason(&reload).await, None);
    machine.apply(&reload, "config_set:postgres").await.unwrap();
    machine.systemctl("reload").await;
    assert_eq!(machine.restart_reason(&reload).await, None);

    // A restart is needed, foreseen, needed after the reload, and then not any more; in any unit.
    let restart =
        Machine::plan("listen_addresses = ['*']\nsettings = { max_connections = 50, shared_buffers = '131072kB' }");
    let why = Some("only a restart changes `listen_addresses`, `max_connections`".to_owned());
    assert_eq!(machine.restart_reason(&restart).await, why);
    machine.apply(&restart, "config_set:postgres").await.unwrap();
    assert_eq!(machine.restart_reason(&restart).await, why);
    machine.systemctl("reload").await;
    assert_eq!(machine.restart_reason(&restart).await, why);
    machine.systemctl("restart").await;
    assert_eq!(machine.restart_reason(&restart).await, None);

    // A setting that the recipe stops naming.
    let why = Some("only a restart changes `listen_addresses`, `max_connections`, `shared_buffers`".to_owned());
    assert_eq!(machine.restart_reason(&plain).await, why);
    machine.apply(&plain, "config_set:postgres").await.unwrap();
    let why = Some("only a restart changes `listen_addresses`, `max_connections`".to_owned());
    assert_eq!(machine.restart_reason(&plain).await, why);
    machine.systemctl("restart").await;
    assert_eq!(machine.restart_reason(&plain).await, None);

    // ALTER SYSTEM would win over the recipe.
    let touch = machine.0.touch();
    touch.change_postgres(&server, "postgres").run_alone("ALTER SYSTEM SET password_encryption = 'md5'").await.unwrap();
    let overrides = machine.apply(&plain, &format!("pg_auto_conf:{}", server.unit)).await.unwrap();
    assert_eq!(overrides, "ALTER SYSTEM password_encryption md5 -> absent");

    // The port moves: the running server is still found where it is, the new one where it will be.
    let moved = Machine::plan("port = 5433");
    machine.apply(&moved, "config_set:postgres").await.unwrap();
    assert_eq!(machine.restart_reason(&moved).await, Some("only a restart changes `port`".to_owned()));
    machine.systemctl("restart").await;
    assert_eq!(machine.restart_reason(&moved).await, None);
    machine.apply(&plain, "config_set:postgres").await.unwrap();
    machine.systemctl("restart").await;

    // Stopped: the program still checks, the question waits.
    machine.systemctl("stop").await;
    let said = machine.apply(&Machine::plan("settings = { no_such = 1 }"), "config_set:postgres").await.unwrap_err();
    assert!(said.contains("no_such"), "{said}");
    let role = machine.apply(&Machine::plan("[[role]]\nname = 'x'"), "pg_role:x").await.unwrap_err();
    assert!(
        role.starts_with(&format!(
            "PostgreSQL (`{}`, data in `/var/lib/postgresql/{version}/main`) does not run",
            server.unit
        )),
        "{role}"
    );
    machine.systemctl("start").await;

    // A locale made while it runs: PostgreSQL cannot see it before a restart.
    touch.change_postgres(&server, "postgres").run_alone("DROP DATABASE IF EXISTS deutsch").await.unwrap();
    let without = "sed -i '/^de_AT/d' /etc/locale.gen; locale-gen";
    touch.run(&Program::does("sh").args(["-c", without])).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    machine.systemctl("restart").await;
    let localised = Machine::plan("[[database]]\nname = 'deutsch'\nlocale = 'de_AT.UTF-8'\nencoding = 'UTF8'");
    assert_eq!(machine.restart_reason(&localised).await, None);
    let generate = "echo 'de_AT.UTF-8 UTF-8' >> /etc/locale.gen; locale-gen";
    touch.run(&Program::does("sh").args(["-c", generate])).await.unwrap();
    assert_eq!(
        machine.restart_reason(&localised).await,
        Some("only a restart shows it the locales made since, for `deutsch`".to_owned())
    );
    assert!(machine.apply(&localised, "pg_database:deutsch").await.unwrap_err().contains("locale name"));
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    machine.systemctl("restart").await;
    assert_eq!(machine.restart_reason(&localised).await, None);
    machine.apply(&localised, "pg_database:deutsch").await.unwrap();
    touch.change_postgres(&server, "postgres").run_alone("DROP DATABASE deutsch").await.unwrap();

    // Another cluster than the package's.
    let other = Machine::plan("cluster = 'app'\nport = 5440");
    let made = machine.apply(&other, &format!("pg_cluster:{version}/app")).await.unwrap();
    assert_eq!(made, format!("cluster absent -> /var/lib/postgresql/{version}/app"));
    touch.run(&Program::does("pg_dropcluster").args([version.to_string().as_str(), "app"])).await.unwrap();
}
