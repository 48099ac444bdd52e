//! A host that is as wanted is left alone: nothing is written, reloaded or restarted.

use crate::evidence::{as_it_runs, having, ids, nano, postgres_unit};

#[test]
fn again_changes_nothing_and_reloads_nothing() {
    for debian in crate::evidence::DEBIANS {
        let host = nano(debian);
        let (nginx, postgres) = (as_it_runs(&host, "nginx"), host.unit(&postgres_unit(debian)).start());
        let (etc, packages) = (host.digest("/etc"), host.digest("/var/lib/dpkg/status"));

        for _ in 0..3 {
            let again = host.agent("converge --json").exits(0);
            assert_eq!(again.json()["changed"], 0);
            assert_eq!(having(&again, "changed"), ids([]));
        }
        host.agent("plan").exits(0);

        assert_eq!(as_it_runs(&host, "nginx"), nginx, "neither reloaded nor restarted");
        assert_eq!(host.unit(&postgres_unit(debian)).start(), postgres, "not restarted");
        etc.is_still(&host.digest("/etc"));
        packages.is_still(&host.digest("/var/lib/dpkg/status"));
    }
}

#[test]
fn a_reboot_leaves_everything_as_wanted() {
    let host = nano(12);
    host.reboot();
    host.agent("plan").exits(0);
    assert_eq!(host.agent("converge --json").exits(0).json()["changed"], 0);
}

#[test]
fn a_server_that_was_restarted_by_hand_is_not_loaded_again() {
    let host = nano(12);
    host.sh("systemctl restart nginx postgresql@15-main").succeeds();
    let nginx = as_it_runs(&host, "nginx");
    host.agent("plan").exits(0);
    host.agent("converge").exits(0);
    assert_eq!(as_it_runs(&host, "nginx"), nginx);
}
