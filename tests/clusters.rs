//! PostgreSQL beside PostgreSQL: no empty cluster takes the place of one of another version that has the data.

use crate::evidence::{changes, converged, fails, on_each_debian, postgres_of, postgres_unit, sql};
use crate::lab::Machine;

on_each_debian![
    a_recipe_with_another_version_is_refused_and_the_server_goes_on,
    data_of_an_older_debian_is_not_left_behind_in_silence,
    a_cluster_of_another_name_is_alone_and_comes_back_after_a_reboot,
];

fn a_recipe_with_another_version_is_refused_and_the_server_goes_on(debian: u8) {
    let (own, other) = (postgres_of(debian), other_than(debian));
    let recipe = "format = 1\n[postgres]\n[[postgres.database]]\nname = \"booking\"\n";
    let host = converged(debian, recipe);
    sql(&host, "booking", "create table kept as select 42 as answer");
    let start = host.unit(&postgres_unit(debian)).start();
    // The host's sources have it, so the guard alone is what keeps it away.
    host.offers(&format!("postgresql-{other}"), "", &[]);

    fails(
        &host,
        &recipe.replace("[postgres]\n", &format!("[postgres]\nversion = {other}\nsource = \"distribution\"\n")),
    )
    .says(&format!("PostgreSQL {own} has a cluster `main` here (`/etc/postgresql/{own}/main`)"))
    .says(&format!("{other} would begin with an empty one"))
    .says(&format!("say `version = {own}` in `[postgres]`"))
    .says(&format!("pg_upgradecluster {own} main"));
    host.agent("plan").exits(1).says(&format!("PostgreSQL {own} has a cluster `main`"));
    has_no(&host, other);
    assert_eq!(host.unit(&postgres_unit(debian)).start(), start);
    assert_eq!(sql(&host, "booking", "select answer from kept"), "42");

    host.recipe(&recipe.replace("[postgres]\n", &format!("[postgres]\nversion = {own}\n")));
    host.agent("plan").exits(0);
}

/// As after an upgrade of Debian that took the old version's programs away, or a disk that was moved here.
fn data_of_an_older_debian_is_not_left_behind_in_silence(debian: u8) {
    let (own, other) = (postgres_of(debian), other_than(debian));
    let host = Machine::debian(debian).boot();
    host.write(&format!("/var/lib/postgresql/{other}/main/PG_VERSION"), &format!("{other}\n"));
    fails(&host, "format = 1\n[postgres]\n")
        .says(&format!("PostgreSQL {other} has a cluster `main` here (`/var/lib/postgresql/{other}/main`)"));
    has_no(&host, own);
    // One of another name takes nobody's place, and brings no `main` along that would.
    host.recipe("format = 1\n[postgres]\ncluster = \"app\"\n");
    host.agent("converge").exits(0);
    is_the_only_one(&host, own, "app");
}

fn a_cluster_of_another_name_is_alone_and_comes_back_after_a_reboot(debian: u8) {
    let host = Machine::debian(debian).boot();
    let own = postgres_of(debian);
    let changed = changes(&host, "format = 1\n[postgres]\ncluster = \"app\"\n");
    assert!(changed.contains(&format!("pg_cluster:{own}/app")), "{changed:?}");
    is_the_only_one(&host, own, "app");
    host.reboot();
    host.agent("plan").exits(0);
    sql(&host, "postgres", "select 1");
}

fn is_the_only_one(host: &Machine, version: u8, name: &str) {
    let listed =
        host.sh("pg_lsclusters --no-header | grep -v ' down,binaries_missing ' | awk '{print $1, $2, $3, $4}'");
    listed.prints(&format!("{version} {name} 5432 online"));
}

/// The other Debian's version.
fn other_than(debian: u8) -> u8 {
    postgres_of(if debian == 12 { 13 } else { 12 })
}

/// Neither the package nor anything of a cluster is there.
fn has_no(host: &Machine, version: u8) {
    host.sh(&format!("dpkg -s postgresql-{version}")).fails();
    for folder in ["/etc/postgresql", "/var/lib/postgresql"] {
        assert!(!host.exists(&format!("{folder}/{version}")), "{folder}/{version} is there");
    }
}
