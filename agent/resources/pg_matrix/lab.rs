//! A server that is free to be changed, and what is said to it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use sqlx::ConnectOptions as _;
use sqlx::postgres::{PgConnectOptions, PgSslMode};

use crate::engine::{Changes, Resource};
use crate::host::Host;
use crate::host::postgres::PgServer;
use crate::host::programs::Real;
use crate::resources::pg_database::PgDatabase;
use crate::resources::pg_grant::{PgGrant, PgKind, PgObject};
use crate::resources::pg_role::PgRole;
use crate::secret::SecretRef;
use crate::terms::{AbsolutePath, AccountName};

pub(super) struct Lab {
    pub(super) host: Host,
    pub(super) server: PgServer,
    secrets: tempfile::TempDir,
}

impl Lab {
    pub(super) fn open() -> Self {
        let directory = std::env::var("HOSTAGENT_PG_DATA").expect("HOSTAGENT_PG_DATA says which server may be changed");
        let version = directory.split('/').rev().nth(1).unwrap_or_default();
        let unit = format!("postgresql@{version}-main");
        let user = AccountName::try_from("postgres".to_owned()).unwrap();
        let server = PgServer { unit, data_directory: PathBuf::from(directory), user };
        let host = Host::at(Path::new("/"), Box::new(Real)).unwrap();
        Self { host, server, secrets: tempfile::tempdir().unwrap() }
    }

    pub(super) fn secret(&self, value: &str) -> SecretRef {
        let path = self.secrets.path().join(crate::host::files::sha256_of(value.as_bytes()));
        std::fs::write(&path, format!("{value}\n")).unwrap();
        SecretRef::File(AbsolutePath::try_from(path.to_str().unwrap().to_owned()).unwrap())
    }

    pub(super) async fn sql(&self, database: &str, statement: &str) {
        self.host.touch().change_postgres(&self.server, database).run(&[statement.to_owned()]).await.unwrap();
    }

    pub(super) async fn fresh_database(&self, name: &str) {
        self.drop_database(name).await;
        self.converges(&PgDatabase::new(self.server.clone(), name)).await;
    }

    pub(super) async fn drop_database(&self, name: &str) {
        let touch = self.host.touch();
        touch.change_postgres(&self.server, name).leave().await;
        let drop = format!("DROP DATABASE IF EXISTS \"{name}\" WITH (FORCE)");
        touch.change_postgres(&self.server, "postgres").run_alone(&drop).await.unwrap();
    }

    pub(super) async fn check(&self, resource: &impl Resource) -> Changes {
        resource.check(&self.host.look()).await.unwrap()
    }

    pub(super) async fn refusal(&self, resource: &impl Resource) -> String {
        let cause = resource.check(&self.host.look()).await.unwrap_err();
        format!("{}: {}", cause.code, cause.says)
    }

    /// It differs, looking does not change that, applying does, and again changes nothing. Says how it differed.
    pub(super) async fn converges(&self, resource: &impl Resource) -> String {
        let writes = self.host.writes();
        let before = self.check(resource).await;
        assert!(!before.is_empty(), "nothing to do for {}", resource.id());
        assert_eq!(self.check(resource).await, before);
        assert_eq!(self.host.writes(), writes, "looking wrote");
        resource.apply(&self.host.touch()).await.unwrap();
        self.holds(resource).await;
        before.to_string()
    }

    pub(super) async fn holds(&self, resource: &impl Resource) {
        assert_eq!(self.check(resource).await, Changes::none(), "{} did not hold", resource.id());
        resource.apply(&self.host.touch()).await.unwrap();
        assert_eq!(self.check(resource).await, Changes::none(), "{} did not hold twice", resource.id());
    }

    pub(super) async fn stored(&self, role: &str) -> Option<String> {
        let look = self.host.look();
        let asks = look.postgres(&self.server, "postgres");
        let rows =
            asks.rows("select rolpassword::text from pg_authid where rolname = $1", &[Some(role)]).await.unwrap();
        rows.first().and_then(|row| row.get(0).map(str::to_owned))
    }

    pub(super) async fn can_log_in(&self, role: &str, password: &str) -> bool {
        let pid = std::fs::read_to_string(self.server.data_directory.join("postmaster.pid")).unwrap();
        let lines: Vec<&str> = pid.lines().collect();
        let options = PgConnectOptions::new_without_pgpass().socket(lines[4]).port(lines[3].parse().unwrap());
        let options = options.username(role).password(password).database("postgres").ssl_mode(PgSslMode::Disable);
        options.connect().await.is_ok()
    }

    pub(super) fn role(&self, name: &str) -> PgRole {
        PgRole::new(self.server.clone(), name)
    }

    pub(super) fn grant(&self, role: &str, on: PgObject, privileges: &[&str]) -> PgGrant {
        PgGrant {
            server: self.server.clone(),
            database: "matrix".into(),
            role: role.into(),
            on,
            privileges: set(privileges),
            revoke: BTreeSet::new(),
            grant_option: false,
            exact: false,
            session_role: None,
        }
    }
}

pub(super) fn set(words: &[&str]) -> BTreeSet<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

pub(super) fn on(kind: PgKind, schema: Option<&str>, name: Option<&str>) -> PgObject {
    PgObject { kind, schema: schema.map(str::to_owned), name: name.map(str::to_owned), for_role: None }
}
