//! A bare Debian becomes what `recipes/nano.toml` says, and what it does is what its plan said.

use crate::evidence::{DEBIANS, NANO, having};
use crate::lab::Machine;

#[test]
fn a_bare_debian_12_becomes_the_nano_server() {
    becomes_the_nano_server(DEBIANS[0]);
}

#[test]
fn a_bare_debian_13_becomes_the_nano_server() {
    becomes_the_nano_server(DEBIANS[1]);
}

fn becomes_the_nano_server(debian: u8) {
    let host = Machine::debian(debian).boot();
    let _app = host.backend("127.0.0.1:3000", "hello from the app\n");
    host.recipe(&NANO);

    let before = host.digest("/etc");
    let planned = host.agent("plan --json").exits(3);
    before.is_still(&host.digest("/etc"));
    let converged = host.agent("converge --json").exits(0);
    assert_eq!(having(&planned, "pending"), having(&converged, "changed"), "what converge changed is what plan said");
    host.agent("plan").exits(0);

    host.from_outside("10.0.0.50").get("http://api.example.org/").is(200).says("hello from the app");
    let unknown = host.from_outside("10.0.0.50").ask("http://nobody.example.org/", &[]);
    assert!(unknown.is_err(), "a name that no site has gets no answer, the default site least of all: {unknown:?}");
    logs_in_over_scram_and_nobody_else_does(&host);
}

fn logs_in_over_scram_and_nobody_else_does(host: &Machine) {
    let password = host.read("/etc/hostagent/secrets/postgres.role.booking");
    let login = |password: &str, user: &str| {
        format!("PGPASSWORD={} psql -h 10.0.0.10 -U {user} -d booking -Atc 'select current_user'", password.trim())
    };
    let near = host.from_outside("10.0.0.50");
    near.sh(&login(&password, "booking")).prints("booking");
    near.sh(&login("wrong", "booking")).fails().says("password authentication failed");
    near.sh(&login(&password, "postgres")).fails().says("no pg_hba.conf entry");
    let far = host.from_outside("192.168.77.50");
    far.sh(&login(&password, "booking")).fails().says("no pg_hba.conf entry");
    host.sh("runuser -u postgres -- psql -Atc \"select rolpassword from pg_authid where rolname='booking'\"")
        .says("SCRAM-SHA-256$4096:");
}
