//! community.postgresql, `postgresql_privs`: `postgresql_privs_general.yml` and `test_target_role.yml`.
//!
//! Each kind is granted, granted again, revoked and revoked again, all of them in one recipe, and a plan changes nothing.
//! Every name has something in it that must be quoted (#656, #1058, #381).

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::{changes, sql};
use crate::evidence::{DEBIANS, furnished};
use crate::lab::Machine;

const OBJECTS: &str = r#"
create schema "sch-1"; create schema "with.dot"; create schema "with""quote";
create table public.test_table1 (id int); create view public.test_view as select id from public.test_table1;
create table "sch-1".testpt (id int not null, logdate date not null) partition by range (logdate);
create table "with.dot"."test.table.name" (); create table "with""quote"."test.table.name" ();
create sequence public."seq-1";
create function public.a() returns int language sql as 'select 2';
create procedure public.mock_procedure() language sql as 'select 1';
create procedure public.mock_procedure1(int, int) language sql as 'select 1';
revoke execute on all routines in schema public from public;
create type public.compfoo as (f1 int, f2 text); revoke usage on type public.compfoo from public;
create foreign data wrapper dummy; create server dummy_server foreign data wrapper dummy;
"#;

/// What a grant is on, the privileges, and what `pg_dumpall` then says of it.
const KINDS: [(&str, &str, &str); 19] = [
    ("type = 'database'", "ALL", r#"ON DATABASE "db-1" TO "user-1""#),
    ("type = 'schema'\nschema = 'sch-1'", "USAGE", r#"GRANT USAGE ON SCHEMA "sch-1" TO "user-1""#),
    (
        "type = 'table'\nobjects = 'test_table1'",
        "SELECT', 'INSERT",
        r#"GRANT SELECT,INSERT ON TABLE public.test_table1 TO "user-1""#,
    ),
    ("type = 'table'\nobjects = 'test_view'", "SELECT", r#"GRANT SELECT ON TABLE public.test_view TO "user-1""#),
    // Partitioned tables are tables.
    ("type = 'table'\nschema = 'sch-1'", "SELECT", r#"GRANT SELECT ON TABLE "sch-1".testpt TO "user-1""#),
    (
        "type = 'table'\nschema = 'with.dot'",
        "SELECT",
        r#"GRANT SELECT ON TABLE "with.dot"."test.table.name" TO "user-1""#,
    ),
    (
        "type = 'table'\nschema = 'with\"quote'\nobjects = 'test.table.name'",
        "SELECT",
        r#"GRANT SELECT ON TABLE "with""quote"."test.table.name" TO "user-1""#,
    ),
    ("type = 'sequence'\nobjects = 'seq-1'", "USAGE", r#"GRANT USAGE ON SEQUENCE public."seq-1" TO "user-1""#),
    // #994: "all functions" are not the procedures.
    ("type = 'function'", "EXECUTE", r#"ON FUNCTION public.a() TO "user-1""#),
    (
        "type = 'function'\nschema = 'pg_catalog'\nobjects = 'pg_create_restore_point(text)'\ngrant_option = true",
        "EXECUTE",
        r#"FUNCTION pg_catalog.pg_create_restore_point(text) TO "user-1" WITH GRANT OPTION"#,
    ),
    (
        "type = 'procedure'\nobjects = 'mock_procedure1(int, int)'",
        "EXECUTE",
        r#"PROCEDURE public.mock_procedure1(IN integer, IN integer) TO "user-1""#,
    ),
    ("type = 'type'\nobjects = 'compfoo'", "ALL", r#"ON TYPE public.compfoo TO "user-1""#),
    ("type = 'foreign_data_wrapper'\nobjects = 'dummy'", "ALL", r#"ON FOREIGN DATA WRAPPER dummy TO "user-1""#),
    ("type = 'foreign_server'\nobjects = 'dummy_server'", "ALL", r#"ON FOREIGN SERVER dummy_server TO "user-1""#),
    (
        "type = 'parameter'\nobjects = ['log_destination', 'primary_conninfo']",
        "ALTER SYSTEM",
        r#"GRANT ALTER SYSTEM ON PARAMETER primary_conninfo TO "user-1""#,
    ),
    ("type = 'role'\nobjects = 'group-1'", "MEMBER", r#"GRANT "group-1" TO "user-1""#),
    // #332 and #333; and `test_target_role.yml`.
    ("type = 'schema'\ndefault_for = 'owner-1'", "USAGE", r#"FOR ROLE "owner-1" GRANT USAGE ON SCHEMAS TO "user-1""#),
    ("type = 'table'\ndefault_for = 'owner-1'", "SELECT", r#"FOR ROLE "owner-1" GRANT SELECT ON TABLES TO "user-1""#),
    (
        "type = 'table'\nschema = 'sch-1'\ndefault_for = 'owner-1'",
        "UPDATE",
        r#"FOR ROLE "owner-1" IN SCHEMA "sch-1" GRANT UPDATE ON TABLES TO "user-1""#,
    ),
];

/// How many resources they are: each named object is one.
const GRANTS: usize = KINDS.len() + 1;

#[test]
fn debian_12_grants_and_revokes_on_every_kind() {
    grants_and_revokes(DEBIANS[0]);
}

#[test]
fn debian_13_grants_and_revokes_on_every_kind() {
    grants_and_revokes(DEBIANS[1]);
}

fn grants_and_revokes(debian: u8) {
    let host = furnished(debian);
    changes(&host, &recipe(""));
    sql(&host, "db-1", OBJECTS);
    let before = granted(&host);

    plan_changes_nothing(&host, &recipe("privileges"));
    assert_eq!(changes(&host, &recipe("privileges")).len(), GRANTS);
    let after = granted(&host);
    for (on, _, wanted) in KINDS {
        assert!(after.iter().any(|line| line.contains(wanted)), "{on}: no `{wanted}` among\n{after:#?}");
    }

    plan_changes_nothing(&host, &recipe("revoke"));
    assert_eq!(changes(&host, &recipe("revoke")).len(), GRANTS);
    assert_eq!(granted(&host), before);
}

/// A recipe that does this, `privileges` or `revoke`, with each of the kinds.
fn recipe(verb: &str) -> String {
    let mut text = "format = 1\n[[postgres.database]]\nname = \"db-1\"\n".to_owned();
    for role in ["user-1", "group-1", "owner-1"] {
        let _ = write!(text, "[[postgres.role]]\nname = \"{role}\"\n");
    }
    for (on, privileges, _) in KINDS.iter().filter(|_| !verb.is_empty()) {
        let on = if verb == "revoke" { on.replace("grant_option = true", "") } else { (*on).to_owned() };
        let _ = write!(
            text,
            "[[postgres.grant]]\nrole = \"user-1\"\ndatabase = \"db-1\"\n{on}\n{verb} = ['{privileges}']\n"
        );
    }
    text
}

/// Everything that anybody was given, as PostgreSQL's own tool writes it down.
fn granted(host: &Machine) -> BTreeSet<String> {
    let dumped =
        host.sh("runuser -u postgres -- pg_dumpall --schema-only | grep -E '^(GRANT|REVOKE|ALTER DEFAULT)'").succeeds();
    // Some versions write two blanks.
    dumped.stdout.lines().map(|line| line.replace("  ", " ")).collect()
}

fn plan_changes_nothing(host: &Machine, recipe: &str) {
    let before = granted(host);
    host.recipe(recipe);
    host.agent("plan").exits(3);
    assert_eq!(granted(host), before);
}
