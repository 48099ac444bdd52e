//! A host that is as wanted is left alone: nothing is written, reloaded or restarted.

use crate::evidence::{as_it_runs, having, ids, nano, on_each_debian, postgres_unit};
use crate::lab::Machine;

on_each_debian![
    again_changes_nothing_and_reloads_nothing,
    a_reboot_leaves_everything_as_wanted,
    a_server_that_was_restarted_by_hand_is_not_loaded_again,
];

fn again_changes_nothing_and_reloads_nothing(debian: u8) {
    let host = nano(debian);
    let (nginx, postgres) = (as_it_runs(&host, "nginx"), host.unit(&postgres_unit(debian)).start());
    let loaded = postgres_was_loaded(&host);
    let (etc, packages) = (host.digest("/etc"), host.digest("/var/lib/dpkg/status"));

    for _ in 0..3 {
        let again = host.agent("converge --json").exits(0);
        assert_eq!(again.json()["changed"], 0);
        assert_eq!(having(&again, "changed"), ids([]));
    }
    host.agent("plan").exits(0);

    assert_eq!(as_it_runs(&host, "nginx"), nginx, "neither reloaded nor restarted");
    assert_eq!(host.unit(&postgres_unit(debian)).start(), postgres, "not restarted");
    assert_eq!(postgres_was_loaded(&host), loaded, "not reloaded");
    etc.is_still(&host.digest("/etc"));
    packages.is_still(&host.digest("/var/lib/dpkg/status"));
}

fn a_reboot_leaves_everything_as_wanted(debian: u8) {
    let host = nano(debian);
    host.reboot();
    host.agent("plan").exits(0);
    assert_eq!(host.agent("converge --json").exits(0).json()["changed"], 0);
}

fn a_server_that_was_restarted_by_hand_is_not_loaded_again(debian: u8) {
    let host = nano(debian);
    host.sh(&format!("systemctl restart nginx {}", postgres_unit(debian))).succeeds();
    let (nginx, loaded) = (as_it_runs(&host, "nginx"), postgres_was_loaded(&host));
    host.agent("plan").exits(0);
    host.agent("converge").exits(0);
    assert_eq!(as_it_runs(&host, "nginx"), nginx);
    assert_eq!(postgres_was_loaded(&host), loaded);
}

/// When PostgreSQL last read its files, by its own account: a reload is seen, which its processes do not show.
fn postgres_was_loaded(host: &Machine) -> String {
    let said = host.sh("runuser -u postgres -- psql -Atc 'select pg_conf_load_time()'").succeeds();
    said.text().to_owned()
}
