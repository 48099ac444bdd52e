//! ansible-core, test/integration/targets/apt: what happens around an installation.
//!
//! That a run which failed in between is made good by the next (handlers, `test_force_handlers`, #10845) is K1, and that each
//! of the four locks is waited for is K8, both in tests/market.rs.

use super::changes;
use crate::evidence::{DEBIANS, ids};
use crate::lab::{Machine, eventually};

const QUIET: &str = r#"
format = 1
[host]
packages = ["cron"]
[[service]]
name = "cron"
enabled = false
running = false
"#;

/// "Install unscd but forbid service start", with another daemon.
#[test]
fn a_daemon_is_installed_and_never_started() {
    for debian in DEBIANS {
        let host = Machine::debian(debian).boot();
        assert_eq!(changes(&host, QUIET), ids(["package:cron", "service:cron"]));
        never_ran(&host);
        assert!(!host.unit("cron").is_enabled());
        assert!(!host.exists("/usr/sbin/policy-rc.d"));
    }
}

/// "Check if /usr/sbin/policy-rc.d was correctly backed-up": it is somebody else's, so it is left where it is and decides.
#[test]
fn a_policy_of_somebody_else_is_not_touched() {
    const POLICY: &str = "/usr/sbin/policy-rc.d";
    let host = Machine::debian(12).boot();
    host.write(POLICY, "#!/bin/sh\necho \"$@\" >>/run/asked\nexit 101\n");
    host.sh(&format!("chmod 0755 {POLICY}")).succeeds();
    let before = host.digest(POLICY);
    let installed = "format = 1\n[host]\npackages = [\"cron\"]\n";
    assert_eq!(changes(&host, installed), ids(["package:cron"]));
    before.is_still(&host.digest(POLICY));
    assert!(host.read("/run/asked").contains("cron"));
    never_ran(&host);

    // What the recipe itself says of a service is no business of the packages' policy.
    assert_eq!(changes(&host, &format!("{installed}[[service]]\nname = \"cron\"\n")), ids(["service:cron"]));
    assert!(host.unit("cron").is_active());
    before.is_still(&host.digest(POLICY));
}

/// "apt locked": by another installation, as at every first boot of a cloud image.
#[test]
fn an_installation_that_is_under_way_is_waited_for() {
    let host = Machine::debian(13).boot();
    host.sh("apt-get -q update").succeeds();
    let other = host.start("apt-get -y -q -o DPkg::Pre-Install-Pkgs::='touch /run/holds; sleep 2' install hello");
    eventually("apt-get holds its locks", || host.exists("/run/holds"));
    host.recipe("format = 1\n[host]\npackages = [\"tree\"]\n");
    host.agent("converge").exits(0).says("apt-get");
    other.wait().succeeds();
    host.sh("hello && tree --version").succeeds();
}

fn never_ran(host: &Machine) {
    assert_eq!(host.unit("cron").property("ActiveEnterTimestampMonotonic"), "0", "it never ran");
}
