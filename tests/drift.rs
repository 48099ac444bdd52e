//! What somebody changes on the host is told as drift, each thing by its name, and put right, each alone.

use crate::evidence::{converged, drifted, having, ids, on_each_debian, postgres_folder};
use crate::lab::Machine;

const RECIPE: &str = r#"
format = 1

[[user]]
name = "ops"
shell = "/bin/bash"

[[file]]
path = "/etc/motd"
content = "welcome\n"
mode = "0644"

[host]
packages = ["zsh"]

[[nginx.site]]
name = "api"
server_name = ["api.example.org"]
proxy = { to = ["127.0.0.1:3000"] }

[postgres]
listen_addresses = ["*"]
[[postgres.role]]
name = "booking"
password = { generate = 32 }
[[postgres.database]]
name = "booking"
owner = "booking"
[[postgres.role]]
name = "reader"
[[postgres.grant]]
role = "reader"
database = "booking"
type = "database"
privileges = ["CONNECT", "TEMPORARY"]
[[postgres.hba]]
type = "host"
database = "booking"
user = "booking"
address = "10.0.0.0/16"
method = "scram-sha-256"
"#;

/// What somebody does to the host, and the resource that must be named for it. `CLUSTER` is the folder of PostgreSQL's.
const DEEDS: [(&str, &str); 9] = [
    ("echo hacked >> /etc/motd", "file:/etc/motd"),
    ("chmod 600 /etc/nginx/hostagent.d/api.conf", "config_set:nginx"),
    ("systemctl stop nginx", "service:nginx"),
    ("systemctl disable nginx", "service:nginx"),
    (r#"runuser -u postgres -- psql -qc "alter role booking password 'other'""#, "pg_role:booking"),
    (r#"runuser -u postgres -- psql -qc "revoke connect on database booking from reader""#, "pg_grant:"),
    ("echo 'host all all 0.0.0.0/0 trust' >> CLUSTER/pg_hba.conf", "config_set:postgres"),
    ("dpkg --remove zsh", "package:zsh"),
    ("usermod -s /bin/sh ops", "user:ops"),
];

on_each_debian![
    each_deed_is_named_as_drift_and_put_right_alone,
    all_deeds_together_are_named_and_put_right_together,
    what_the_recipe_changes_is_no_drift,
];

fn each_deed_is_named_as_drift_and_put_right_alone(debian: u8) {
    let host = converged(debian, RECIPE);
    for (deed, id) in DEEDS {
        does(&host, debian, deed);
        let planned = host.agent("plan --json").exits(3);
        names(&planned, &[id], deed);
        let repaired = host.agent("converge --json").exits(0);
        names(&repaired, &[id], deed);
        assert_eq!(having(&repaired, "changed"), having(&planned, "pending"), "{deed}");
        host.agent("plan").exits(0);
    }
    works(&host);
}

fn all_deeds_together_are_named_and_put_right_together(debian: u8) {
    let host = converged(debian, RECIPE);
    for (deed, _) in DEEDS {
        does(&host, debian, deed);
    }
    let wanted: Vec<&str> = DEEDS.iter().map(|(_, id)| *id).collect();
    let planned = host.agent("plan --json").exits(3);
    names(&planned, &wanted, "all together");
    let repaired = host.agent("converge --json").exits(0);
    names(&repaired, &wanted, "all together");
    assert_eq!(having(&repaired, "changed"), having(&planned, "pending"));
    host.agent("plan").exits(0);
    works(&host);
}

fn what_the_recipe_changes_is_no_drift(debian: u8) {
    let host = converged(debian, RECIPE);
    host.recipe(&RECIPE.replace("welcome", "good day"));
    let planned = host.agent("plan --json").exits(3);
    assert_eq!(having(&planned, "pending"), ids(["file:/etc/motd"]));
    assert_eq!(drifted(&planned), ids([]));
}

fn does(host: &Machine, debian: u8, deed: &str) {
    host.sh(&deed.replace("CLUSTER", &postgres_folder(debian))).succeeds();
}

/// The drift that is told is of these resources, each of them and no other.
fn names(said: &crate::lab::Said, wanted: &[&str], deed: &str) {
    let drifted = drifted(said);
    assert!(drifted.iter().all(|id| wanted.iter().any(|want| id.starts_with(want))), "{deed}: {drifted:?}");
    assert!(wanted.iter().all(|want| drifted.iter().any(|id| id.starts_with(want))), "{deed}: {drifted:?}");
}

fn works(host: &Machine) {
    let _app = host.backend("127.0.0.1:3000", "hello from the app\n");
    host.get("http://api.example.org/").is(200).says("hello from the app");
    let login = "PGPASSWORD=$(cat /etc/hostagent/secrets/postgres.role.booking) psql -h 10.0.0.10 -U booking -d booking -Atc 'select 1'";
    host.from_outside("10.0.0.50").sh(login).prints("1");
    host.from_outside("192.168.77.50").sh(login).fails();
}
