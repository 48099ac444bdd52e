//! community.postgresql, `postgresql_alter_system` and `postgresql_pg_hba_bulk_rules.yml`.

use std::fmt::Write as _;

use super::{changes, fails, sql};
use crate::evidence::{DEBIANS, furnished, ids, postgres_unit};
use crate::lab::Machine;

/// A setting as a recipe has it, and what the server then shows; `test_bools`, `_enums`, `_integers`, `_reals`, `_strings`.
const FIRST: [(&str, &str, &str); 16] = [
    ("autovacuum", "false", "off"),
    ("track_io_timing", "true", "on"),
    ("log_statement", "\"ddl\"", "ddl"),
    ("client_min_messages", "\"warning\"", "warning"),
    ("work_mem", "2048", "2048"),
    ("backend_flush_after", "10", "10"),
    ("maintenance_work_mem", "\"8MB\"", "8192"),
    ("archive_timeout", "\"1min\"", "60"),
    ("log_temp_files", "\"1MB\"", "1024"),
    ("autovacuum_analyze_threshold", "60", "60"),
    ("random_page_cost", "1.1", "1.1"),
    ("checkpoint_completion_target", "\"0.75\"", "0.75"),
    ("log_timezone", "\"Europe/Berlin\"", "Europe/Berlin"),
    ("search_path", "'\"$user\", public, extensions'", "\"$user\", public, extensions"),
    ("log_line_prefix", "\"%m [%p] it's \\\\ \"", "%m [%p] it's \\ "),
    ("app.tenant", "\"booking\"", "booking"),
];

/// The same values said otherwise, and some others.
const OTHERWISE: [(&str, &str, &str); 5] = [
    ("autovacuum", "\"no\"", "off"),
    ("work_mem", "\"2MB\"", "2048"),
    ("backend_flush_after", "\"1MB\"", "128"),
    ("archive_timeout", "\"1h\"", "3600"),
    ("log_temp_files", "-1", "-1"),
];

#[test]
fn debian_12_takes_settings_of_every_type_and_gives_them_back() {
    takes_settings_and_gives_them_back(DEBIANS[0]);
}

#[test]
fn debian_13_takes_settings_of_every_type_and_gives_them_back() {
    takes_settings_and_gives_them_back(DEBIANS[1]);
}

fn takes_settings_and_gives_them_back(debian: u8) {
    let host = furnished(debian);
    changes(&host, &recipe(&[]));
    let names: Vec<&str> = FIRST.iter().map(|(name, ..)| *name).collect();
    let default = shown(&host, &names);
    let start = host.unit(&postgres_unit(debian)).start();

    for settings in [&FIRST[..], &OTHERWISE[..]] {
        // A plan changes nothing; the server takes them up by a reload, and shows what was meant, whatever its unit.
        let before: Vec<_> = shown(&host, &names);
        host.recipe(&recipe(settings));
        host.agent("plan").exits(3);
        assert_eq!(shown(&host, &names), before);
        assert_eq!(
            changes(&host, &recipe(settings)),
            ids(["config_set:postgres", &format!("service:{}", postgres_unit(debian))])
        );
        for (name, _, value) in settings {
            assert_eq!(shown(&host, &[name]), [*value], "{name}");
        }
    }
    // `test_resetting.yml`: what the recipe stops naming has its default again.
    changes(&host, &recipe(&[]));
    assert_eq!(shown(&host, &names), default);
    assert_eq!(host.unit(&postgres_unit(debian)).start(), start, "none of these needs a restart");

    one_value_in_two_units_is_no_restart(&host, &postgres_unit(debian));
    what_the_server_does_not_take_is_refused(&host);
}

/// "128MB" is 131072kB: the line changes, and nothing that only a restart could bring.
fn one_value_in_two_units_is_no_restart(host: &Machine, unit: &str) {
    let size = |value: &str| format!("format = 1\n[postgres]\nsettings = {{ shared_buffers = {value} }}\n");
    let pending = || sql(host, "postgres", "select count(*) from pg_settings where pending_restart");
    let before = host.unit(unit).invocation_id();
    changes(host, &size("\"96MB\""));
    let start = host.unit(unit).invocation_id();
    assert_ne!(start, before, "shared_buffers needs a restart");
    for value in ["\"98304kB\"", "12288"] {
        host.recipe(&size(value));
        changes(host, &size(value));
        assert_eq!((host.unit(unit).invocation_id(), pending().as_str()), (start.clone(), "0"), "{value}");
        assert_eq!(sql(host, "postgres", "show shared_buffers"), "96MB");
    }
    // A list with a comma in it is one value (community.postgresql#78); it too needs a restart.
    let list = "format = 1\n[postgres]\nsettings = { shared_preload_libraries = \"pg_stat_statements, pgcrypto\" }\n";
    changes(host, list);
    assert_eq!(sql(host, "postgres", "show shared_preload_libraries"), "pg_stat_statements, pgcrypto");
    assert_ne!(host.unit(unit).invocation_id(), start);
}

/// `test_nonexistent.yml`, an invalid unit, a value out of range, an enum's unknown word, what nobody can set.
fn what_the_server_does_not_take_is_refused(host: &Machine) {
    for (setting, words) in [
        ("nonexistent = 1", "unrecognized configuration parameter \"nonexistent\""),
        ("work_mem = \"8M\"", "invalid value for parameter \"work_mem\": \"8M\""),
        ("work_mem = 1", "1 kB is outside the valid range for parameter \"work_mem\""),
        ("log_statement = \"some\"", "invalid value for parameter \"log_statement\": \"some\""),
        ("block_size = \"1MB\"", "parameter \"block_size\" cannot be changed"),
    ] {
        fails(host, &format!("format = 1\n[postgres]\nsettings = {{ {setting} }}\n")).says(words);
    }
}

fn recipe(settings: &[(&str, &str, &str)]) -> String {
    let mut text = "format = 1\n[postgres.settings]\n".to_owned();
    for (name, value, _) in settings {
        let _ = writeln!(text, "\"{name}\" = {value}");
    }
    text
}

/// What the server shows of settings to a new session, in their own units.
fn shown(host: &Machine, names: &[&str]) -> Vec<String> {
    let of = |name: &&str| {
        format!(
            "select coalesce((select setting from pg_settings where name = '{name}'), current_setting('{name}', true), '')"
        )
    };
    let each: Vec<String> = names.iter().map(of).collect();
    let answer = sql(host, "postgres", &format!("select array_to_json(array[({})])", each.join("), (")));
    serde_json::from_str(&answer).unwrap()
}

/// `postgresql_pg_hba_bulk_rules.yml`: the lines are those of the recipe, in its order, and no others.
#[test]
fn rules_of_access_are_those_of_the_recipe_and_no_others() {
    let host = furnished(13);
    let rule = |number: u8| {
        format!(
            "[[postgres.hba]]\ntype = \"host\"\ndatabase = \"db{number}\"\nuser = \"user{number}\"\n\
             address = \"2001:db8::{number}/128\"\nmethod = \"pam\"\n"
        )
    };
    let with = |rules: &[String]| format!("format = 1\n[postgres]\n{}", rules.concat());
    let loaded = || {
        let columns = "concat_ws(' ', type, array_to_string(database, ','), array_to_string(user_name, ','), address, auth_method)";
        let lines = sql(&host, "postgres", &format!("select {columns} from pg_hba_file_rules order by line_number"));
        lines.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let administration = "local all postgres peer";
    changes(&host, &with(&[rule(0)]));
    assert_eq!(loaded(), [administration, "host db0 user0 2001:db8:: pam"]);
    changes(&host, &with(&[rule(1)]));
    assert_eq!(loaded(), [administration, "host db1 user1 2001:db8::1 pam"], "one takes the place of another");

    // With the defaults of a line, lists, and an order that matters.
    let rest = "[[postgres.hba]]\ntype = \"hostssl\"\naddress = \"samehost\"\nmethod = \"md5\"\n\
                [[postgres.hba]]\ntype = \"local\"\ndatabase = [\"db a\", \"sameuser\"]\nuser = [\"+ops\", \"db#1\"]\nmethod = \"reject\"\n";
    let bulk = with(&[rule(2), rest.to_owned(), rule(1)]);
    assert_eq!(changes(&host, &bulk), ids(["config_set:postgres", "service:postgresql@17-main"]));
    assert_eq!(
        loaded(),
        [
            administration,
            "host db2 user2 2001:db8::2 pam",
            "hostssl all all samehost md5",
            "local db a,sameuser +ops,db#1 reject",
            "host db1 user1 2001:db8::1 pam",
        ]
    );
    // A line that somebody adds goes.
    host.sh(
        "echo 'host all all all trust' >> /etc/postgresql/17/main/pg_hba.conf; systemctl reload postgresql@17-main",
    )
    .succeeds();
    changes(&host, &bulk);
    assert_eq!(loaded().len(), 5);
}
