//! What the other promises share: the nano recipe on a machine, and what a report says.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use serde_json::Value;

use crate::lab::{Machine, Said};

/// The recipe people start with, as a host far from any CA has it: without TLS.
pub(crate) static NANO: LazyLock<String> = LazyLock::new(crate::soak::nano_without_tls);
/// The two Debians that everything is shown on.
pub(crate) const DEBIANS: [u8; 2] = [12, 13];

/// Makes promises, functions of a Debian's number, two tests each: `debian_12::NAME` and `debian_13::NAME`, side by side.
macro_rules! on_each_debian {
    ($($promise:ident),+ $(,)?) => {
        mod debian_12 {
            $(#[test] fn $promise() { super::$promise(12); })+
        }
        mod debian_13 {
            $(#[test] fn $promise() { super::$promise(13); })+
        }
    };
}
pub(crate) use on_each_debian;

/// PostgreSQL's major version in a Debian.
pub(crate) fn postgres_of(debian: u8) -> u8 {
    if debian == 12 { 15 } else { 17 }
}

/// A machine that is already what the nano recipe says. Its packages come from a layer, so it is there in seconds.
pub(crate) fn nano(debian: u8) -> Machine {
    converged(debian, &NANO)
}

/// A machine that has the servers already, none of which runs or was ever configured.
pub(crate) fn furnished(debian: u8) -> Machine {
    Machine::debian(debian).with_packages(["nginx", "postgresql", "sudo", "openssh-server", "zsh"]).boot()
}

/// A machine with nginx and PostgreSQL on it that is already what a recipe says.
pub(crate) fn converged(debian: u8, recipe: &str) -> Machine {
    let host = furnished(debian);
    host.recipe(recipe);
    host.agent("converge").exits(0);
    host
}

/// Converges: what the plan foresaw is what changed, and again changes nothing. Returns what changed.
pub(crate) fn changes(host: &Machine, recipe: &str) -> BTreeSet<String> {
    host.recipe(recipe);
    let planned = host.agent("plan --json");
    let converged = host.agent("converge --json").exits(0);
    assert_eq!(
        having(&converged, "changed"),
        having(&planned, "pending"),
        "what changed is what the plan said:\n{recipe}"
    );
    assert_eq!(host.agent("converge --json").exits(0).json()["changed"], 0, "again changes nothing:\n{recipe}");
    having(&converged, "changed")
}

/// Converges, and shows that a failure stays one until it is cured.
pub(crate) fn fails(host: &Machine, recipe: &str) -> Said {
    host.recipe(recipe);
    host.agent("converge").exits(1);
    host.agent("converge").exits(1)
}

/// What PostgreSQL answers to its superuser.
pub(crate) fn sql(host: &Machine, database: &str, statement: &str) -> String {
    host.write("/run/statement.sql", statement);
    let said =
        host.sh(&format!("runuser -u postgres -- psql -qAtX -v ON_ERROR_STOP=1 -d '{database}' -f /run/statement.sql"));
    said.succeeds().text().to_owned()
}

/// The ids in a JSON report that have a verdict.
pub(crate) fn having(said: &Said, verdict: &str) -> BTreeSet<String> {
    resources(said).iter().filter(|one| one["verdict"] == verdict).map(id).collect()
}

/// The ids in a JSON report that are said to have drifted.
pub(crate) fn drifted(said: &Said) -> BTreeSet<String> {
    resources(said).iter().filter(|one| one["drift"] == true).map(id).collect()
}

/// The resources of a JSON report.
pub(crate) fn resources(said: &Said) -> Vec<Value> {
    said.json()["resources"].as_array().expect("a report lists its resources").clone()
}

/// Some ids.
pub(crate) fn ids<const N: usize>(ids: [&str; N]) -> BTreeSet<String> {
    ids.into_iter().map(str::to_owned).collect()
}

/// A server as it runs: another start after a restart, other processes after a reload.
pub(crate) fn as_it_runs(host: &Machine, unit: &str) -> (crate::lab::unit::Start, Vec<String>) {
    let unit = host.unit(unit);
    let mut processes: Vec<String> = unit.processes().into_iter().map(|(id, start)| format!("{id} {start}")).collect();
    processes.sort();
    (unit.start(), processes)
}

/// The name of PostgreSQL's unit.
pub(crate) fn postgres_unit(debian: u8) -> String {
    format!("postgresql@{}-main", postgres_of(debian))
}

/// Where the configuration of PostgreSQL's cluster is.
pub(crate) fn postgres_folder(debian: u8) -> String {
    format!("/etc/postgresql/{}/main", postgres_of(debian))
}

fn id(resource: &Value) -> String {
    resource["id"].as_str().expect("a resource has an id").to_owned()
}
