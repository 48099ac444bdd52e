//! What the library's own tests say of systemd and PostgreSQL, they say on machines.
//!
//! They stop servers and drop databases, so they are left out (`#[ignore]`) wherever else the library is tested. Here the
//! program with all of them is taken into a machine.

use std::process::Command;

use crate::evidence::{DEBIANS, furnished, postgres_of, postgres_unit};
use crate::lab::Machine;
use crate::lab::agent::library_tests;

/// Where the tests are that need a machine, by the beginnings of their names.
const UNITS: &str = "resources::service::on_a_machine::";
const MATRIX: &str = "resources::pg_matrix::";
const CLUSTER: &str = "features::postgres::on_a_machine::";

/// One that is left out because another one runs it in a process of its own.
const ELSEWHERE: &str = "host::identity::tests::in_a_process_of_its_own";

#[test]
fn debian_12_keeps_what_the_library_says_of_units() {
    units(DEBIANS[0]);
}

#[test]
fn debian_13_keeps_what_the_library_says_of_units() {
    units(DEBIANS[1]);
}

#[test]
fn debian_12_keeps_what_the_library_says_of_postgresql() {
    postgresql(DEBIANS[0]);
}

#[test]
fn debian_13_keeps_what_the_library_says_of_postgresql() {
    postgresql(DEBIANS[1]);
}

#[test]
fn no_test_of_the_library_is_left_out_everywhere() {
    let places = [UNITS, MATRIX, CLUSTER, ELSEWHERE];
    let forgotten: Vec<String> =
        left_out("").into_iter().filter(|name| !places.iter().any(|place| name.starts_with(place))).collect();
    assert!(forgotten.is_empty(), "needs a machine, and has none in tests/inside.rs:\n{}", forgotten.join("\n"));
}

fn units(debian: u8) {
    let host = furnished(debian);
    passes(&host, "HOSTAGENT_ON_A_MACHINE=1", UNITS);
}

fn postgresql(debian: u8) {
    let host = furnished(debian);
    let version = postgres_of(debian);
    host.sh(&format!("systemctl start {}", postgres_unit(debian))).succeeds();
    passes(&host, &format!("HOSTAGENT_PG_MACHINE={debian}"), CLUSTER);
    // The one before has given the server hostagent's own pg_hba.conf, whose line for others on the socket is `peer`.
    host.sh(&format!(
        "sed -i 's/^local  *all  *all  *peer$/local all all scram-sha-256/' /etc/postgresql/{version}/main/pg_hba.conf && \
         systemctl reload {}",
        postgres_unit(debian)
    ))
    .succeeds();
    passes(&host, &format!("HOSTAGENT_PG_DATA=/var/lib/postgresql/{version}/main"), MATRIX);
}

/// Runs the tests of one place in a machine: every one of them, and each passes.
fn passes(host: &Machine, setting: &str, place: &str) {
    const PROGRAM: &str = "/usr/local/lib/hostagent-library-tests";
    if !host.exists(PROGRAM) {
        host.copy(&library_tests(), PROGRAM);
    }
    let said = host.sh(&format!("{setting} {PROGRAM} --ignored --test-threads=1 {place}")).exits(0);
    let passed = said.stdout.lines().filter(|line| line.starts_with("test ") && line.ends_with(" ... ok")).count();
    let wanted = left_out(place).len();
    assert!(wanted > 0 && passed == wanted, "{passed} of {wanted} tests ran:\n{said}");
}

/// The names of the tests of a place that are left out elsewhere.
fn left_out(place: &str) -> Vec<String> {
    let listed =
        Command::new(library_tests()).args(["--ignored", "--list", place]).output().expect("it lists its tests");
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    listed.lines().filter_map(|line| line.strip_suffix(": test")).map(str::to_owned).collect()
}
