//! What only a real PostgreSQL can show: roles, passwords, databases and the matrix of privileges, each looked at,
//! applied, looked at again, spoiled by hand, seen, and repaired.
//!
//! Not run by default; tests/inside.rs runs it on machines. `HOSTAGENT_PG_DATA` names the data directory of a running
//! server that is free to be changed, whose superuser is the account `postgres`, let in by peer authentication, and which
//! wants SCRAM of others on its socket.

mod lab;
mod privileges;

use std::path::Path;

use super::laws::{CANARY, keeps_its_word};
use super::pg_database::PgDatabase;
use super::pg_extension::PgExtension;
use super::pg_grant::{PgGrant, PgKind};
use super::pg_role::PgRole;
use super::pg_schema::PgSchema;
use crate::engine::Resource as _;
use crate::host::Host;
use crate::host::postgres::scram;
use crate::host::programs::Real;
use lab::{Lab, on, set};

/// All in one: the server is one.
#[tokio::test]
#[ignore = "needs a PostgreSQL that is free to be changed"]
async fn a_real_server_takes_the_matrix() {
    let lab = Lab::open();
    for database in ["matrix", "m_latin", "m-hyphen"] {
        lab.drop_database(database).await;
    }
    for role in ["m_role", "m_group", "m_user", "m_owner", "m-hyphen", "m_own"] {
        lab.sql("postgres", &format!("DROP ROLE IF EXISTS \"{role}\"")).await;
    }
    the_four_laws(&lab).await;
    passwords(&lab).await;
    attributes(&lab).await;
    memberships_and_settings(&lab).await;
    databases(&lab).await;
    schemas_and_extensions(&lab).await;
    privileges::on_every_kind(&lab).await;
    privileges::elsewhere(&lab).await;
    looks_cannot_write(&lab).await;
    how_long_it_takes(&lab).await;
}

async fn the_four_laws(lab: &Lab) {
    let role = PgRole { password: Some(lab.secret(CANARY)), ..lab.role("m_role") };
    keeps_its_word::<PgRole>(&role, &lab.host).await;
    let other = PgRole { password: Some(lab.secret(&format!("{CANARY}-2"))), createdb: true, ..lab.role("m_role") };
    keeps_its_word::<PgRole>(&other, &lab.host).await;
    let database = PgDatabase { owner: Some("m_role".into()), ..PgDatabase::new(lab.server.clone(), "matrix") };
    keeps_its_word::<PgDatabase>(&database, &lab.host).await;
    let (server, database) = (lab.server.clone(), "matrix".to_owned());
    let schema = PgSchema { server, database, name: "laws".into(), owner: Some("m_role".into()) };
    keeps_its_word::<PgSchema>(&schema, &lab.host).await;
    let (server, database) = (lab.server.clone(), "matrix".to_owned());
    let extension = PgExtension { server, database, name: "pg_trgm".into(), version: None, schema: None };
    keeps_its_word::<PgExtension>(&extension, &lab.host).await;
    let grant = lab.grant("PUBLIC", on(PgKind::Schema, None, Some("laws")), &["USAGE"]);
    keeps_its_word::<PgGrant>(&grant, &lab.host).await;
    lab.drop_database("matrix").await;
    lab.sql("postgres", "DROP ROLE m_role").await;
}

/// `postgresql_user/tasks/test_password.yml` of community.postgresql, with what #120, #301 and #688 are about.
async fn passwords(lab: &Lab) {
    let mut role = lab.role("m_role");
    role.password = Some(lab.secret("geheim"));
    lab.converges(&role).await;
    let stored = lab.stored("m_role").await.unwrap();
    assert!(stored.starts_with("SCRAM-SHA-256$4096:") && lab.can_log_in("m_role", "geheim").await);
    assert!(!lab.can_log_in("m_role", "falsch").await);

    // The same again keeps the salt, also when another attribute changes.
    lab.sql("postgres", "ALTER ROLE m_role CREATEDB").await;
    assert_eq!(lab.converges(&role).await, "createdb true -> false");
    assert_eq!(lab.stored("m_role").await.unwrap(), stored);

    role.password = Some(lab.secret("anders"));
    assert_eq!(lab.converges(&role).await, "password (hidden) -> (hidden)");
    assert!(lab.can_log_in("m_role", "anders").await && !lab.can_log_in("m_role", "geheim").await);

    // Somebody changed it by hand.
    lab.sql("postgres", "ALTER ROLE m_role PASSWORD 'von hand'").await;
    assert_eq!(lab.converges(&role).await, "password (hidden) -> (hidden)");

    // An MD5 hash of the right password is brought to SCRAM.
    lab.sql("postgres", "SET LOCAL password_encryption = 'md5'; ALTER ROLE m_role PASSWORD 'anders'").await;
    assert!(lab.stored("m_role").await.unwrap().starts_with("md5"));
    assert_eq!(lab.converges(&role).await, "password (hidden) -> (hidden)");
    assert!(lab.stored("m_role").await.unwrap().starts_with("SCRAM"));

    // A verifier is taken as it is, another one is a change, and so is an MD5 hash.
    role.password = Some(lab.secret(&stored));
    lab.converges(&role).await;
    assert_eq!(lab.stored("m_role").await.unwrap(), stored);
    assert!(lab.can_log_in("m_role", "geheim").await);
    role.password = Some(lab.secret("md5c28fe7c4d0b9a8d0a3a9d2a4a1f0c6b9"));
    lab.converges(&role).await;
    assert_eq!(lab.stored("m_role").await.unwrap(), "md5c28fe7c4d0b9a8d0a3a9d2a4a1f0c6b9");

    // Not named: left alone. Cleared, and cleared again.
    role.password = None;
    lab.holds(&role).await;
    role.no_password = true;
    lab.converges(&role).await;
    assert_eq!(lab.stored("m_role").await, None);
    lab.holds(&role).await;
    role.no_password = false;

    // SASLprep: Ⅸ is IX to whoever types it. An odd one goes by its bytes.
    for password in ["Ⅸ", "it's \"\\ $1 --", "\u{7}", "пароль"] {
        role.password = Some(lab.secret(password));
        lab.converges(&role).await;
        // The client in sqlx, unlike libpq, sends no password that SASLprep prohibits.
        assert!(password == "\u{7}" || lab.can_log_in("m_role", password).await, "{password:?}");
        lab.sql("postgres", &format!("ALTER ROLE m_role PASSWORD {}", crate::host::postgres::quote::literal(password)))
            .await;
        lab.holds(&role).await;
    }

    // Expiry: as a moment, not as text.
    role.valid_until = "2030-01-01 01:00:00+01".into();
    assert_eq!(lab.converges(&role).await, "valid_until infinity -> 2030-01-01 01:00:00+01");
    role.valid_until = "2030-01-01T00:00:00Z".into();
    lab.holds(&role).await;
    role.valid_until = "2031-01-01".into();
    lab.converges(&role).await;
    role.valid_until = "someday".into();
    assert_eq!(
        lab.refusal(&role).await,
        "pg-refused: PostgreSQL says: invalid input syntax for type timestamp with time zone: \"someday\""
    );
    role.valid_until = "infinity".into();
    lab.converges(&role).await;
}

/// K6, for every attribute, both ways.
async fn attributes(lab: &Lab) {
    let role = lab.role("m_role");
    lab.holds(&role).await;
    for flag in [
        "SUPERUSER",
        "CREATEDB",
        "CREATEROLE",
        "NOINHERIT",
        "REPLICATION",
        "BYPASSRLS",
        "NOLOGIN",
        "CONNECTION LIMIT 3",
    ] {
        lab.sql("postgres", &format!("ALTER ROLE m_role {flag}")).await;
        lab.converges(&role).await;
    }
    let all = PgRole {
        superuser: true,
        createdb: true,
        createrole: true,
        replication: true,
        bypassrls: true,
        inherit: false,
        login: false,
        ..role
    };
    let all = PgRole { connection_limit: 7, ..all };
    lab.converges(&all).await;
    lab.converges(&lab.role("m_role")).await;
}

async fn memberships_and_settings(lab: &Lab) {
    let mut group = lab.role("m_group");
    group.login = false;
    lab.converges(&group).await;
    let mut user = lab.role("m_user");
    user.member_of = set(&["m_group", "pg_monitor"]);
    user.config = [
        ("search_path", "\"$user\", App, public"),
        ("work_mem", "8192kB"),
        ("TimeZone", "UTC"),
        ("app.tenant", "it's"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into();
    lab.converges(&user).await;
    for path in ["", "\"$user\",public", "user, order, \"a \"\"b\"\", c\""] {
        let mut lists = lab.role("m_lists");
        lists.config = [("search_path".to_owned(), path.to_owned())].into();
        lab.converges(&lists).await;
    }
    lab.sql("postgres", "REVOKE m_group FROM m_user; ALTER ROLE m_user SET work_mem = '1MB'").await;
    assert_eq!(lab.converges(&user).await, "member_of absent -> m_group, config.work_mem 1MB -> 8192kB");
    let mut hyphen = lab.role("m-hyphen");
    hyphen.password = Some(lab.secret("x"));
    lab.converges(&hyphen).await;
    assert!(lab.can_log_in("m-hyphen", "x").await);
}

async fn databases(lab: &Lab) {
    lab.converges(&lab.role("m_owner")).await;
    let mut database = PgDatabase::new(lab.server.clone(), "m-hyphen");
    database.owner = Some("m_owner".into());
    database.encoding = Some("UTF-8".into());
    lab.converges(&database).await;
    lab.sql(
        "postgres",
        "ALTER DATABASE \"m-hyphen\" OWNER TO postgres; ALTER DATABASE \"m-hyphen\" CONNECTION LIMIT 2",
    )
    .await;
    assert_eq!(lab.converges(&database).await, "connection_limit 2 -> -1, owner postgres -> m_owner");

    let mut latin = PgDatabase::new(lab.server.clone(), "m_latin");
    (latin.encoding, latin.lc_collate, latin.lc_ctype) = (Some("LATIN1".into()), Some("C".into()), Some("C".into()));
    lab.converges(&latin).await;
    latin.encoding = Some("UTF8".into());
    let refusal = lab.refusal(&latin).await;
    assert!(refusal.starts_with("pg-fixed: database `m_latin` was made otherwise"), "{refusal}");
    assert!(refusal.ends_with("`encoding` is `LATIN1`, not `UTF8`"), "{refusal}");
    latin.encoding = Some("UTF9".into());
    assert_eq!(lab.refusal(&latin).await, "pg-encoding: PostgreSQL knows no encoding `UTF9`");

    // A copy of template1 is made although this run has looked into template1.
    lab.host.look().postgres(&lab.server, "template1").rows("select 1::text", &[]).await.unwrap();
    lab.fresh_database("matrix").await;
}

async fn schemas_and_extensions(lab: &Lab) {
    let schema = PgSchema {
        server: lab.server.clone(),
        database: "matrix".into(),
        name: "App-1".into(),
        owner: Some("m_owner".into()),
    };
    lab.converges(&schema).await;
    lab.sql("matrix", "ALTER SCHEMA \"App-1\" OWNER TO postgres").await;
    assert_eq!(lab.converges(&schema).await, "owner postgres -> m_owner");

    let extension = |name: &str| PgExtension {
        server: lab.server.clone(),
        database: "matrix".into(),
        name: name.into(),
        version: None,
        schema: None,
    };
    let refusal = lab.refusal(&extension("no_such")).await;
    assert_eq!(refusal, "pg-no-extension: the files of extension `no_such` are not on this host");
    let old = PgExtension { version: Some("1.5".into()), ..extension("pg_trgm") };
    lab.converges(&old).await;
    lab.holds(&extension("pg_trgm")).await;
    let new = PgExtension { version: Some("latest".into()), ..extension("pg_trgm") };
    assert!(lab.converges(&new).await.starts_with("version 1.5 -> "));
    let moved = PgExtension { schema: Some("App-1".into()), ..new };
    assert_eq!(lab.converges(&moved).await, "schema public -> App-1");
}

async fn looks_cannot_write(lab: &Lab) {
    let look = lab.host.look();
    let asks = look.postgres(&lab.server, "matrix");
    for statement in [
        "create table public.x (id int)",
        "delete from public.orders",
        "select nextval('public.seq')::text",
        "create role m_x",
        "alter role m_user superuser",
    ] {
        let error = asks.rows(statement, &[]).await.unwrap_err();
        assert!(error.to_string().ends_with("in a read-only transaction"), "{error}");
    }
    // Also after a change went through the same session, and after the connection was lost.
    lab.sql("matrix", "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'hostagent' AND pid <> pg_backend_pid()").await;
    assert!(asks.rows("delete from public.orders", &[]).await.is_err());
    let pid = asks.rows("select pg_backend_pid()::text", &[]).await.unwrap()[0].text(0).to_owned();
    lab.sql("postgres", &format!("SELECT pg_terminate_backend({pid})")).await;
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    assert_ne!(asks.rows("select pg_backend_pid()::text", &[]).await.unwrap()[0].text(0), pid);
    let pid = asks.rows("select pg_backend_pid()::text", &[]).await.unwrap()[0].text(0).to_owned();
    lab.sql("postgres", &format!("SELECT pg_terminate_backend({pid})")).await;
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    lab.sql("matrix", "CREATE TABLE public.after_loss (id int)").await;
}

async fn how_long_it_takes(lab: &Lab) {
    let mut role = lab.role("m_role");
    role.password = Some(lab.secret("geheim"));
    lab.converges(&role).await;
    let database = PgDatabase { owner: Some("m_owner".into()), ..PgDatabase::new(lab.server.clone(), "m-hyphen") };
    let hashed = std::time::Instant::now();
    assert!(scram::is_of(&lab.stored("m_role").await.unwrap(), "geheim"));
    eprintln!("one SCRAM verifier {:?}", hashed.elapsed());
    for _ in 0..5 {
        let host = Host::at(Path::new("/"), Box::new(Real)).unwrap();
        let look = host.look();
        let mut last = std::time::Instant::now();
        let mut took = || std::mem::replace(&mut last, std::time::Instant::now()).elapsed();
        look.postgres(&lab.server, "postgres").rows("select 1::text", &[]).await.unwrap();
        let connected = took();
        assert!(role.check(&look).await.unwrap().is_empty());
        let role_took = took();
        assert!(database.check(&look).await.unwrap().is_empty());
        eprintln!("connected in {connected:?}, role {role_took:?}, database {:?}", took());
    }
}
