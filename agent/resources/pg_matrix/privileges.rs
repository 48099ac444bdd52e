//! Who may do what, on every kind of object.

use std::collections::BTreeSet;

use super::lab::{Lab, on, set};
use crate::engine::Resource as _;
use crate::resources::pg_grant::{PgGrant, PgKind, PgObject};

/// `postgresql_privs_general.yml` of community.postgresql: grant, again, revoked by hand, revoke, again.
pub(super) async fn on_every_kind(lab: &Lab) {
    let setup = "
        CREATE TABLE public.orders (id int); CREATE TABLE public.\"Odd-Name\" (id int); CREATE VIEW public.v AS SELECT 1 AS one;
        CREATE MATERIALIZED VIEW public.mv AS SELECT 1 AS one; CREATE SEQUENCE public.seq;
        CREATE FUNCTION public.f(a int, b text) RETURNS int LANGUAGE sql AS 'select 1';
        CREATE FUNCTION public.f(a int) RETURNS int LANGUAGE sql AS 'select 1';
        CREATE FUNCTION public.\"odd-f\"() RETURNS int LANGUAGE sql AS 'select 1';
        CREATE PROCEDURE public.p(a int) LANGUAGE sql AS 'select 1';
        REVOKE EXECUTE ON ALL ROUTINES IN SCHEMA public FROM PUBLIC;
        CREATE TYPE public.t AS (a int); CREATE DOMAIN public.dom AS int; REVOKE USAGE ON TYPE public.t, public.dom FROM PUBLIC;
        CREATE FOREIGN DATA WRAPPER w; CREATE SERVER srv FOREIGN DATA WRAPPER w";
    lab.sql("matrix", setup).await;
    let cases = [
        (on(PgKind::Table, Some("public"), Some("orders")), vec!["SELECT", "UPDATE"], "TABLE public.orders"),
        (on(PgKind::Table, Some("public"), Some("Odd-Name")), vec!["ALL"], "TABLE public.\"Odd-Name\""),
        (on(PgKind::Table, Some("public"), Some("v")), vec!["SELECT"], "TABLE public.v"),
        (on(PgKind::Table, Some("public"), Some("mv")), vec!["SELECT"], "TABLE public.mv"),
        (on(PgKind::Sequence, Some("public"), Some("seq")), vec!["USAGE"], "SEQUENCE public.seq"),
        (on(PgKind::Function, Some("public"), Some("f(int, text)")), vec!["EXECUTE"], "FUNCTION public.f(int, text)"),
        (on(PgKind::Function, Some("public"), Some("odd-f")), vec!["EXECUTE"], "FUNCTION public.\"odd-f\"()"),
        (on(PgKind::Procedure, Some("public"), Some("p")), vec!["ALL"], "PROCEDURE public.p(int)"),
        (on(PgKind::Routine, Some("public"), Some("p")), vec!["EXECUTE"], "ROUTINE public.p(int)"),
        (on(PgKind::Type, Some("public"), Some("t")), vec!["USAGE"], "TYPE public.t"),
        (on(PgKind::Type, Some("public"), Some("dom")), vec!["ALL"], "TYPE public.dom"),
        (on(PgKind::Schema, None, Some("App-1")), vec!["CREATE", "USAGE"], "SCHEMA \"App-1\""),
        (on(PgKind::Database, None, Some("m-hyphen")), vec!["ALL"], "DATABASE \"m-hyphen\""),
        (on(PgKind::Language, None, Some("sql")), vec!["USAGE"], "LANGUAGE sql"),
        (on(PgKind::ForeignDataWrapper, None, Some("w")), vec!["USAGE"], "FOREIGN DATA WRAPPER w"),
        (on(PgKind::ForeignServer, None, Some("srv")), vec!["ALL"], "FOREIGN SERVER srv"),
        (on(PgKind::Tablespace, None, Some("pg_default")), vec!["CREATE"], "TABLESPACE pg_default"),
        (on(PgKind::Parameter, None, Some("log_statement")), vec!["SET"], "PARAMETER log_statement"),
    ];
    for (object, privileges, in_sql) in cases {
        let wanted = lab.grant("m-hyphen", object, &privileges);
        let id = wanted.id();
        lab.converges(&wanted).await;
        lab.sql("matrix", &format!("REVOKE ALL ON {in_sql} FROM \"m-hyphen\"")).await;
        lab.converges(&wanted).await;

        // With grant option, which the plain one then leaves and the exact one takes away.
        let option = PgGrant { grant_option: true, ..wanted.clone() };
        assert!(lab.converges(&option).await.contains("with grant option"), "{id}");
        lab.holds(&wanted).await;
        let exact = PgGrant { exact: true, ..wanted.clone() };
        lab.converges(&exact).await;

        let nothing = PgGrant { privileges: BTreeSet::new(), revoke: wanted.privileges.clone(), ..wanted.clone() };
        lab.converges(&nothing).await;
        let nothing = PgGrant { privileges: BTreeSet::new(), exact: true, ..wanted.clone() };
        lab.holds(&nothing).await;
    }
    // More than one function of that name, and every one in the schema.
    lab.converges(&lab.grant("m_user", on(PgKind::Function, Some("public"), Some("f")), &["EXECUTE"])).await;
    lab.converges(&lab.grant("m_user", on(PgKind::Routine, Some("public"), None), &["EXECUTE"])).await;
    lab.converges(&lab.grant("m_user", on(PgKind::Sequence, Some("public"), None), &["ALL"])).await;
    let tables = lab.grant("m_user", on(PgKind::Table, Some("public"), None), &["SELECT", "INSERT"]);
    lab.converges(&tables).await;
    lab.sql("matrix", "REVOKE INSERT ON public.orders FROM m_user").await;
    assert_eq!(lab.converges(&tables).await, "public.orders SELECT -> INSERT, SELECT");
    lab.sql("matrix", "CREATE TABLE public.later (id int)").await;
    assert_eq!(lab.converges(&tables).await, "public.later absent -> INSERT, SELECT");
    lab.holds(&lab.grant("m_user", on(PgKind::Table, Some("App-1"), None), &["SELECT"])).await;

    // Beyond the recipe: left, unless exact.
    lab.sql("matrix", "GRANT DELETE ON public.orders TO m_user").await;
    let some = lab.grant("m_user", on(PgKind::Table, Some("public"), Some("orders")), &["SELECT"]);
    lab.holds(&some).await;
    assert_eq!(lab.converges(&PgGrant { exact: true, ..some }).await, "public.orders DELETE, INSERT, SELECT -> SELECT");
}

/// Roles, everybody, defaults, other grantors, and what is wrong.
pub(super) async fn elsewhere(lab: &Lab) {
    let connect = |privileges: &[&str], revoke: &[&str]| PgGrant {
        revoke: set(revoke),
        ..lab.grant("PUBLIC", on(PgKind::Database, None, Some("matrix")), privileges)
    };
    lab.holds(&connect(&["CONNECT"], &[])).await;
    assert_eq!(lab.converges(&connect(&[], &["CONNECT"])).await, "matrix CONNECT, TEMPORARY -> TEMPORARY");
    lab.converges(&connect(&["CONNECT"], &[])).await;

    let member = lab.grant("m_role", on(PgKind::Role, None, Some("m_group")), &["MEMBER"]);
    assert_eq!(lab.converges(&member).await, "m_group absent -> MEMBER");
    lab.converges(&PgGrant { grant_option: true, ..member.clone() }).await;
    lab.converges(&PgGrant { exact: true, ..member.clone() }).await;
    lab.converges(&PgGrant { privileges: BTreeSet::new(), revoke: set(&["MEMBER"]), ..member }).await;

    for (kind, schema, privilege) in [
        (PgKind::Table, Some("App-1"), "SELECT"),
        (PgKind::Table, None, "SELECT"),
        (PgKind::Sequence, Some("App-1"), "USAGE"),
        (PgKind::Function, Some("App-1"), "EXECUTE"),
        (PgKind::Type, None, "USAGE"),
        (PgKind::Schema, None, "USAGE"),
    ] {
        let future = PgObject { for_role: Some("m_owner".into()), ..on(kind, schema, None) };
        let wanted = lab.grant("m_user", future, &[privilege]);
        lab.converges(&wanted).await;
        lab.converges(&PgGrant { privileges: BTreeSet::new(), exact: true, ..wanted.clone() }).await;
        lab.converges(&wanted).await;
    }
    lab.sql("matrix", "SET LOCAL ROLE m_owner; CREATE TABLE \"App-1\".future (id int)").await;
    lab.holds(&lab.grant("m_user", on(PgKind::Table, Some("App-1"), Some("future")), &["SELECT"])).await;

    // Granted in the name of another role, which only that role's revoke takes back.
    let owned = on(PgKind::Table, Some("public"), Some("later"));
    lab.converges(&PgGrant { grant_option: true, ..lab.grant("m_owner", owned.clone(), &["SELECT"]) }).await;
    let passed_on =
        PgGrant { session_role: Some("m_owner".into()), ..lab.grant("m-hyphen", owned.clone(), &["SELECT"]) };
    lab.sql("matrix", "GRANT USAGE ON SCHEMA public TO m_owner").await;
    lab.converges(&passed_on).await;
    lab.converges(&PgGrant { privileges: BTreeSet::new(), revoke: set(&["SELECT"]), ..passed_on }).await;

    let refusal = lab.refusal(&lab.grant("m_user", owned.clone(), &["USAGE"])).await;
    assert_eq!(refusal, "pg-privilege: a table has no privilege `USAGE`");
    assert_eq!(
        lab.refusal(&lab.grant("nobody-here", owned, &["SELECT"])).await,
        "pg-no-role: there is no role `nobody-here`"
    );
    let missing = lab.grant("m_user", on(PgKind::Table, Some("public"), Some("none")), &["SELECT"]);
    assert_eq!(lab.refusal(&missing).await, "pg-no-object: there is no table public.none in database `matrix`");
    let elsewhere = PgGrant { database: "nowhere".into(), ..missing };
    assert_eq!(lab.refusal(&elsewhere).await, "pg-no-database: PostgreSQL says: database \"nowhere\" does not exist");
}
