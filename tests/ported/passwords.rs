//! community.postgresql, `postgresql_user`: `test_password.yml`, `test_no_password_change.yml`,
//! `postgresql_user_sql_ascii_db.yml`, community.general#120, community.postgresql#301 and #688.
//!
//! What the library's own matrix (tests/inside.rs) shows of one role at a time is here shown through recipes.

use super::{changes, sql};
use crate::evidence::{DEBIANS, furnished, ids};
use crate::lab::Machine;

const SECRET: &str = "/root/secret";

/// A role, and who may come in with a password, however it is stored.
fn recipe(attributes: &str) -> String {
    format!(
        "format = 1\n[postgres]\nhba = [{{ type = \"host\", address = \"127.0.0.1/32\", method = \"md5\" }}]\n\
         [[postgres.role]]\nname = \"jdoe\"\n{attributes}\n"
    )
}

/// What is asked for, whether that is a change for a role with an MD5 hash and for one with a SCRAM verifier of `same`, and
/// what it can log in with afterwards.
struct Case {
    what: &'static str,
    secret: fn(&Kept) -> String,
    attributes: &'static str,
    changes: [bool; 2],
    logs_in_with: Option<&'static str>,
}

/// What a server stores of `same` and of `other`.
struct Kept {
    md5: [String; 2],
    scram: [String; 2],
}

const PASSWORD: &str = "password = { file = \"/root/secret\" }";
const CASES: [Case; 11] = [
    // An MD5 hash of the right password is brought to SCRAM, once (#688); the module leaves it.
    Case {
        what: "same",
        secret: |_| "same".into(),
        attributes: PASSWORD,
        changes: [true, false],
        logs_in_with: Some("same"),
    },
    Case {
        what: "other",
        secret: |_| "other".into(),
        attributes: PASSWORD,
        changes: [true, true],
        logs_in_with: Some("other"),
    },
    Case {
        what: "an MD5 hash of the same",
        secret: |kept| kept.md5[0].clone(),
        attributes: PASSWORD,
        changes: [false, true],
        logs_in_with: Some("same"),
    },
    Case {
        what: "an MD5 hash of another",
        secret: |kept| kept.md5[1].clone(),
        attributes: PASSWORD,
        changes: [true, true],
        logs_in_with: Some("other"),
    },
    Case {
        what: "the same verifier",
        secret: |kept| kept.scram[0].clone(),
        attributes: PASSWORD,
        changes: [true, false],
        logs_in_with: Some("same"),
    },
    Case {
        what: "another verifier",
        secret: |kept| kept.scram[1].clone(),
        attributes: PASSWORD,
        changes: [true, true],
        logs_in_with: Some("other"),
    },
    // `changes` converges twice: cleared, and cleared again.
    Case {
        what: "cleared",
        secret: |_| "same".into(),
        attributes: "no_password = true",
        changes: [true, true],
        logs_in_with: None,
    },
    Case {
        what: "not named",
        secret: |_| "same".into(),
        attributes: "",
        changes: [false, false],
        logs_in_with: Some("same"),
    },
    Case {
        what: "the same expiry, said otherwise",
        secret: |_| "same".into(),
        attributes: "valid_until = \"2999-01-01T01:00:00+01:00\"",
        changes: [false, false],
        logs_in_with: Some("same"),
    },
    Case {
        what: "another expiry",
        secret: |_| "same".into(),
        attributes: "valid_until = \"2998-01-01\"",
        changes: [true, true],
        logs_in_with: Some("same"),
    },
    Case {
        what: "expired",
        secret: |_| "same".into(),
        attributes: "valid_until = \"2025-01-01\"",
        changes: [true, true],
        logs_in_with: None,
    },
];

#[test]
fn debian_12_tells_which_password_is_a_change() {
    tells_which_password_is_a_change(DEBIANS[0]);
}

#[test]
fn debian_13_tells_which_password_is_a_change() {
    tells_which_password_is_a_change(DEBIANS[1]);
}

fn tells_which_password_is_a_change(debian: u8) {
    let host = furnished(debian);
    changes(&host, &recipe(""));
    let keep = |method: &str, password: &str| {
        let set = format!(
            "set password_encryption = '{method}'; alter role jdoe password '{password}' valid until 'infinity';"
        );
        sql(&host, "postgres", &format!("{set} select rolpassword from pg_authid where rolname = 'jdoe'"))
    };
    let both = |method: &str| ["same", "other"].map(|password| keep(method, password));
    let kept = Kept { md5: both("md5"), scram: both("scram-sha-256") };
    for case in CASES {
        for (stored, wanted) in [&kept.md5[0], &kept.scram[0]].into_iter().zip(case.changes) {
            let expiry = if case.attributes.contains("2999") { "2999-01-01 00:00:00+00" } else { "infinity" };
            sql(&host, "postgres", &format!("alter role jdoe password '{stored}' valid until '{expiry}'"));
            host.write(SECRET, &(case.secret)(&kept));
            let changed = changes(&host, &recipe(case.attributes));
            let context = format!("{} for {}…", case.what, &stored[..5]);
            assert_eq!(changed, if wanted { ids(["pg_role:jdoe"]) } else { ids([]) }, "{context}");
            for password in ["same", "other"] {
                let said =
                    host.sh(&format!("PGPASSWORD={password} psql -h 127.0.0.1 -U jdoe -d postgres -Atc 'select 1'"));
                assert_eq!(said.exit == 0, case.logs_in_with == Some(password), "{context}\n{said}");
            }
        }
    }
}

/// `test_no_password_change.yml`: every attribute and none, while nobody says anything of the password.
#[test]
fn attributes_come_and_go_and_the_password_stays() {
    let host = furnished(12);
    changes(&host, &recipe(""));
    sql(&host, "postgres", "alter role jdoe password 'kept'");
    let flags = || {
        let columns = "rolsuper, rolcreaterole, rolcreatedb, rolinherit, rolcanlogin, rolbypassrls, rolreplication";
        sql(&host, "postgres", &format!("select {columns} from pg_roles where rolname = 'jdoe'"))
    };
    let stored = || sql(&host, "postgres", "select rolpassword from pg_authid where rolname = 'jdoe'");
    let before = stored();
    let all = "superuser = true\ncreaterole = true\ncreatedb = true\nbypassrls = true\nreplication = true";
    for (attributes, expected) in [
        (all, "t|t|t|t|t|t|t"),
        ("inherit = false\nlogin = false", "f|f|f|f|f|f|f"),
        ("inherit = false", "f|f|f|f|t|f|f"),
        ("", "f|f|f|t|t|f|f"),
    ] {
        assert_eq!(changes(&host, &recipe(attributes)), ids(["pg_role:jdoe"]), "{attributes}");
        assert_eq!((flags().as_str(), stored()), (expected, before.clone()), "{attributes}");
    }
    host.recipe(&recipe("invalid = true"));
    host.agent("converge").exits(2).says("invalid");
    assert_eq!(stored(), before);
}

/// `postgresql_user_sql_ascii_db.yml`: a client that asks for UTF-8 is fine with a database that has no encoding.
#[test]
fn a_database_without_an_encoding_is_administered_like_others() {
    let host = furnished(13);
    let in_ascii = "[[postgres.database]]\nname = \"ascii\"\nencoding = \"SQL_ASCII\"\nlocale = \"C\"\nschemas = [\"App\"]\n\
                    [[postgres.grant]]\nrole = \"jdoe\"\ndatabase = \"ascii\"\ntype = \"schema\"\nschema = \"App\"\nprivileges = [\"USAGE\"]\n";
    host.write(SECRET, "пароль");
    changes(&host, &format!("{}\n{in_ascii}", recipe(&format!("superuser = true\n{PASSWORD}"))));
    host.sh("PGPASSWORD=пароль psql -h 127.0.0.1 -U jdoe -d ascii -Atc 'show server_encoding'").prints("SQL_ASCII");
    assert_eq!(changes(&host, &format!("{}\n{in_ascii}", recipe(&format!("superuser = true\n{PASSWORD}")))), ids([]));
}

/// `pg_authid_not_readable.yml`: who may not look does not say "changed" or "ok", but that they may not.
#[test]
fn who_may_not_read_passwords_is_told_so() {
    let host: Machine = furnished(12);
    changes(&host, &recipe(""));
    host.sh("runuser -u nobody -- hostagent plan").fails().says("root");
}
