//! What a `[postgres]` table becomes, and what is said of a wrong one.

use super::*;
use crate::engine::Plan;
use crate::facts::Os;
use crate::problem::Place;

fn debian(version: &str, codename: &str) -> Facts {
    Facts { os: Os { id: "debian".into(), version: version.into(), codename: codename.into() }, ..Facts::default() }
}

fn compiled(recipe: &str) -> Result<Plan, Vec<crate::problem::Problem>> {
    let table: Postgres = toml::from_str(recipe).unwrap();
    let mut draft = Draft::default();
    table.compile(&debian("12", "bookworm"), &mut draft);
    draft.finish()
}

fn problems(recipe: &str) -> Vec<String> {
    let problems = compiled(recipe).unwrap_err();
    let said = problems.iter().map(|problem| {
        let place = match &problem.at {
            Place::Path(path) | Place::Key(path) => path.to_string(),
            _ => String::new(),
        };
        format!("{place}: {}; {}", problem.says, problem.hint.as_deref().unwrap_or_default())
    });
    said.collect()
}

const FULL: &str = r#"
listen_addresses = ["*"]
settings = { shared_buffers = "64MB", max_connections = 40 }
[[role]]
name = "booking"
password = { generate = 32 }
[[role]]
name = "readers"
login = false
[[database]]
name = "booking"
owner = "booking"
locale = "en_US.UTF-8"
extensions = ["pg_trgm"]
schemas = ["app"]
[[grant]]
role = ["readers", "PUBLIC"]
database = "booking"
type = "table"
schema = "app"
privileges = ["select"]
[[grant]]
role = "readers"
database = "booking"
type = "table"
schema = "app"
privileges = ["temp"]
[[grant]]
role = "booking"
type = "role"
objects = "readers"
[[grant]]
role = "readers"
database = "booking"
type = "table"
schema = "app"
privileges = ["SELECT"]
default_for = ["booking"]
[[hba]]
type = "host"
database = "booking"
user = ["booking", "+readers"]
address = "10.0.0.0/16"
method = "scram-sha-256"
"#;

#[test]
fn a_full_table_becomes_a_graph() {
    let plan = compiled(FULL).unwrap();
    let ids: Vec<String> = plan.ids().map(ToString::to_string).collect();
    assert_eq!(
        ids,
        [
            "pg_version:main",
            "package:postgresql-15",
            "pg_cluster:15/main",
            "config_set:postgres",
            "pg_auto_conf:postgresql@15-main",
            "service:postgresql@15-main",
            "service:postgresql",
            "pg_role:booking",
            "pg_role:readers",
            "pg_database:booking",
            "pg_schema:booking/app",
            "pg_extension:booking/pg_trgm",
            "pg_grant:PUBLIC@booking/table:app.*",
            "pg_grant:booking/role:readers",
            "pg_grant:readers@booking/default-table:app:booking",
            "pg_grant:readers@booking/table:app.*",
        ]
    );
    for (first, then) in [
        ("pg_version:main", "package:postgresql-15"),
        ("pg_version:main", "pg_cluster:15/main"),
        ("package:postgresql-15", "config_set:postgres"),
        ("config_set:postgres", "service:postgresql@15-main"),
        ("service:postgresql@15-main", "pg_role:booking"),
        ("pg_role:booking", "pg_database:booking"),
        ("pg_schema:booking/app", "pg_grant:readers@booking/table:app.*"),
        ("pg_role:readers", "pg_grant:booking/role:readers"),
    ] {
        assert!(plan.orders(first, then), "{first} before {then}");
    }
}

#[test]
fn pg_hba_begins_with_administration_and_is_aligned() {
    let table: Postgres = toml::from_str(FULL).unwrap();
    let head = "# managed by hostagent: changes here are put back; make them in `[[postgres.hba]]` of the recipe\n#\n\
                # The first line keeps administration possible; hostagent, backups and upgrades come in by it.\n";
    assert_eq!(
        hba::render(&table.hba).unwrap(),
        format!(
            "{head}\
             # TYPE  DATABASE  USER              ADDRESS      METHOD\n\
             local   all       postgres                       peer\n\
             host    booking   booking,+readers  10.0.0.0/16  scram-sha-256\n"
        )
    );
    assert_eq!(
        hba::render(&[]).unwrap(),
        format!(
            "{head}\
             # TYPE  DATABASE  USER      ADDRESS       METHOD\n\
             local   all       postgres                peer\n\
             local   all       all                     peer\n\
             host    all       all       127.0.0.1/32  scram-sha-256\n\
             host    all       all       ::1/128       scram-sha-256\n"
        )
    );
    let odd = "[[hba]]\ntype = 'hostssl'\ndatabase = 'my db'\naddress = '10.0.0.0'\nmask = '255.0.0.0'\nmethod = 'ldap'\n\
               options = { ldapserver = 'l.example.org', ldapprefix = 'cn=a, b' }";
    let table: Postgres = toml::from_str(odd).unwrap();
    let line = hba::render(&table.hba).unwrap().lines().last().unwrap().to_owned();
    assert_eq!(
        line,
        "hostssl  \"my db\"   all       10.0.0.0 255.0.0.0  ldap ldapprefix=\"cn=a, b\" ldapserver=l.example.org"
    );
}

#[test]
fn a_version_that_the_distribution_does_not_have_comes_from_pgdg() {
    let ids = |recipe: &str| {
        compiled(recipe)
            .unwrap()
            .ids()
            .map(ToString::to_string)
            .filter(|id| !id.starts_with("pg_version:"))
            .collect::<Vec<_>>()
    };
    assert_eq!(ids("version = 17").get(..2).unwrap(), ["apt_source:pgdg", "package:postgresql-17"]);
    assert_eq!(ids("version = 17\nsource = 'distribution'").first().unwrap(), "package:postgresql-17");
    assert_eq!(ids("source = 'pgdg'").get(..2).unwrap(), ["apt_source:pgdg", "package:postgresql-15"]);
    // How the package makes `main`, or that it does not.
    let told = |recipe: &str| {
        ids(recipe).iter().any(|id| id == "file:/etc/postgresql-common/createcluster.d/90-hostagent.conf")
    };
    assert!(!told("") && told("data_directory = '/data/pg'") && told("cluster = 'app'"));
    let other = ids("cluster = 'app'\ndata_directory = '/data/pg'");
    assert!(other.contains(&"pg_cluster:15/app".to_owned()) && other.contains(&"service:postgresql@15-app".to_owned()));
}

#[test]
fn everything_wrong_is_said_at_once_with_a_hint() {
    let wrong = r#"
        cluster = "my-main"
        settings = { port = 5433, "work mem" = "1MB", Work_Mem = 1, work_mem = 2, include = "x", hba_file = "/x" }
        [[hba]]
        type = "local"
        address = "10.0.0.0/8"
        method = "trust"
        [[hba]]
        type = "host"
        method = "peer"
        [[hba]]
        type = "host"
        database = "a,b"
        address = "10.0.0.1"
        method = "md5"
        [[role]]
        name = "pg_mine"
        [[role]]
        name = "app"
        password = { generate = 5 }
        no_password = true
        [[role]]
        name = "app"
        [[database]]
        name = "d"
        icu_locale = "de"
        [[grant]]
        role = "app"
        type = "language"
        privileges = ["SELECT (a)"]
        [[grant]]
        role = "app"
        type = "database"
        objects = "d"
    "#;
    assert_eq!(
        problems(wrong),
        [
            "postgres.settings.hba_file: `hba_file` cannot be moved; the tools of the distribution look for it where it is; take it out",
            "postgres.settings.include: `include` is not a setting; put the settings here, or a `[[file]]` into `conf.d`",
            "postgres.settings.port: `port` has a key of its own; say it once, as `port` in `[postgres]`",
            "postgres.settings.\"work mem\": `work mem` is not the name of a setting; letters, digits and `_`; `.` after an extension's name",
            "postgres.settings.work_mem: `work_mem` is given twice, as `Work_Mem` too; PostgreSQL does not tell capitals apart; say it once",
            "postgres.hba[0].address: a `local` line has no address; take it out, or make it `type = \"host\"`",
            "postgres.hba[1]: a `host` line needs an address; add `address = \"10.0.0.0/16\"`, or `address = \"all\"`",
            "postgres.hba[1].method: `peer` does not go with `host`; the account is known over `local` only; write `scram-sha-256`",
            "postgres.hba[2].database: `a,b` is one name with a comma in it; write a list: `[\"a\", \"b\"]`",
            "postgres.hba[2].address: `10.0.0.1` does not say how many addresses; write `10.0.0.1/32` for this one",
            "postgres.role[2].name: two roles are named `app`; make them one",
            "postgres.cluster: `my-main` is not a name for a cluster; letters, digits, `_` and `.`: it becomes part of a unit's name",
            "postgres.role[0].name: PostgreSQL keeps the name `pg_mine` for itself; take another name",
            "postgres.role[1].password.generate: a generated secret of 5 characters is too short; 16 to 128; 32 is a good length",
            "postgres.role[1].no_password: the role has a password and is to have none; take one of the two out",
            "postgres.database[0].icu_locale: the C library knows no such locale; add `locale_provider = \"icu\"`",
            "postgres.grant[0].privileges: `SELECT (a)` is not the name of a privilege; such as `SELECT`; each is one element of the list",
            "postgres.grant[0].objects: the grant does not say on what; name them, such as `objects = [\"app\"]`",
            "postgres.grant[1].privileges: the grant gives nothing; such as `[\"SELECT\"]` or `[\"ALL\"]`; `exact = true` takes everything away",
        ]
    );
}

#[test]
fn an_unknown_distribution_wants_a_version() {
    let mut draft = Draft::default();
    Postgres::default().compile(&Facts::default(), &mut draft);
    assert_eq!(draft.finish().unwrap_err().len(), 1);
}

#[test]
fn numbers_are_as_the_schema_says() {
    assert_eq!(
        problems("version = 5"),
        ["postgres.version: there is no PostgreSQL 5 that hostagent knows; a major version from 13 to 99"]
    );
    let limits = "[[role]]\nname = 'r'\nconnection_limit = -5\n[[database]]\nname = 'd'\nconnection_limit = -2";
    assert_eq!(
        problems(limits),
        [
            "postgres.role[0].connection_limit: -5 is not a number of sessions; 0 or more; -1 for no limit",
            "postgres.database[0].connection_limit: -2 is not a number of sessions; 0 or more; -1 for no limit",
        ]
    );
    assert!(compiled("[[role]]\nname = 'r'\nconnection_limit = -1").is_ok());
}

#[test]
fn what_the_cluster_is_made_with_cannot_end_its_quotes() {
    for path in ["/a'b", "/a\\b", "/a\nb", "/a\"b", "/a%vb"] {
        let table = Postgres { data_directory: Some(path.to_owned().try_into().unwrap()), ..Postgres::default() };
        let mut draft = Draft::default();
        table.compile(&debian("12", "bookworm"), &mut draft);
        let said = draft.finish().unwrap_err();
        assert!(said[0].says.ends_with("cannot be a place for data"), "{path:?}: {}", said[0].says);
    }
    assert_eq!(
        problems("locale = \"C' x\""),
        ["postgres.locale: `C\\' x` is not the name of a locale; such as `en_US.UTF-8` or `C.UTF-8`"]
    );
    assert!(compiled("locale = 'de_DE@euro'\ndata_directory = '/data/pg 1'").is_ok());
}

#[test]
fn no_field_of_a_line_goes_on_in_the_next() {
    for end in ["\\\\", "\\n", "\\r"] {
        let line = |field: &str| format!("[[hba]]\ntype = \"local\"\nmethod = \"peer\"\n{field}");
        for field in [
            format!("user = \"a{end}\""),
            format!("database = [\"a{end}\"]"),
            format!("options = {{ map = \"a{end}\" }}"),
        ] {
            assert_eq!(problems(&line(&field)).len(), 1, "{field}");
        }
        let host = format!("[[hba]]\ntype = \"host\"\nmethod = \"md5\"\naddress = \"example.org{end}\"");
        assert_eq!(problems(&host).len(), 1);
        let ident = format!("[[ident]]\nmap = \"m\"\nsystem_user = \"s\"\ndatabase_user = \"a{end}\"");
        assert_eq!(problems(&ident).len(), 1);
    }
}
