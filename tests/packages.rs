//! apt does what the recipe says and no more, and finishes what it or somebody else was cut off at.

use crate::evidence::{changes, fails, ids, on_each_debian};
use crate::lab::{Machine, eventually};

on_each_debian![
    a_package_that_would_drive_out_another_is_refused_until_that_is_to_go,
    a_package_that_others_need_is_not_removed_under_them,
    what_somebody_was_interrupted_at_is_finished_by_the_next_installation,
    what_a_power_cut_ended_is_finished_by_the_next_run,
];

fn a_package_that_would_drive_out_another_is_refused_until_that_is_to_go(debian: u8) {
    let host = Machine::debian(debian).boot();
    host.installs(["hello"]);
    host.offers("lab-rival", "Conflicts: hello", &[]);
    let before = host.digest("/var/lib/dpkg/status");
    fails(&host, &recipe(r#""lab-rival""#))
        .says("apt did not install or remove `lab-rival`: it would have to remove `hello`")
        .says("name them in the recipe with `absent = true`");
    before.is_still(&host.digest("/var/lib/dpkg/status"));
    host.sh("hello").succeeds();

    let changed = changes(&host, &recipe(r#""lab-rival", { name = "hello", absent = true }"#));
    assert_eq!(changed, ids(["package:lab-rival", "package:hello"]));
    assert_eq!(state(&host, "lab-rival"), "install ok installed");
    host.sh("hello").fails();
}

fn a_package_that_others_need_is_not_removed_under_them(debian: u8) {
    let host = Machine::debian(debian).boot();
    host.offers("lab-friend", "Depends: hello", &[]);
    changes(&host, &recipe(r#""lab-friend""#));
    let before = host.digest("/var/lib/dpkg/status");
    fails(&host, &recipe(r#"{ name = "hello", absent = true }, "tree""#))
        .says("to remove `hello`, apt would also remove `lab-friend`")
        .says("name them in the recipe with `absent = true`");
    before.is_still(&host.digest("/var/lib/dpkg/status"));

    let both = r#"{ name = "hello", absent = true }, { name = "lab-friend", absent = true }, "tree""#;
    assert_eq!(changes(&host, &recipe(both)), ids(["package:hello", "package:lab-friend", "package:tree"]));
    host.sh("hello").fails();
    host.sh("tree --version").succeeds();
}

fn what_somebody_was_interrupted_at_is_finished_by_the_next_installation(debian: u8) {
    let host = Machine::debian(debian).boot();
    // It was unpacked, and never configured.
    host.sh("dpkg --unpack /srv/repo/hello_*.deb").succeeds();
    assert_eq!(state(&host, "hello"), "install ok unpacked");
    host.recipe(&recipe(r#""hello""#));
    host.agent("plan").exits(3).says("package:hello").says("unpacked");
    assert_eq!(changes(&host, &recipe(r#""hello""#)), ids(["package:hello"]));
    is_whole(&host, "hello");

    // Its script failed; it is none of the recipe's.
    host.offers("lab-shaky", "", &[("postinst", "test ! -e /run/shaky")]);
    host.sh("touch /run/shaky; dpkg -i /srv/odd/lab-shaky.deb; rm /run/shaky").succeeds();
    assert_eq!(state(&host, "lab-shaky"), "install ok half-configured");
    assert_eq!(changes(&host, &recipe(r#""hello", "tree""#)), ids(["package:tree"]));
    is_whole(&host, "lab-shaky");

    // dpkg was killed while it unpacked: there is nothing to configure, it has to be installed again.
    host.offers("lab-cut", "", &[("preinst", "test ! -e /run/cut || { rm /run/cut; kill -9 $PPID; sleep 1; }")]);
    for named in ["lab-cut", "sl"] {
        host.sh("dpkg --purge lab-cut; touch /run/cut; dpkg -i /srv/odd/lab-cut.deb").exits(137);
        assert_eq!(state(&host, "lab-cut"), "install reinstreq half-installed");
        let wanted = format!("\"hello\", \"tree\", \"{named}\"");
        assert_eq!(changes(&host, &recipe(&wanted)), ids([&format!("package:{named}")]));
        is_whole(&host, "lab-cut");
    }
}

fn what_a_power_cut_ended_is_finished_by_the_next_run(debian: u8) {
    let host = Machine::debian(debian).boot();
    for (package, script, left) in [
        ("lab-unpacked", "postinst", "install ok half-configured"),
        ("lab-in-part", "preinst", "install reinstreq half-installed"),
    ] {
        host.sh("rm -f /root/under-way /root/go").succeeds();
        host.offers(package, "", &[(script, "touch /root/under-way; test -e /root/go || sleep 1000")]);
        host.recipe(&recipe(&format!("\"{package}\"")));
        let run = host.start_agent("converge");
        eventually("dpkg is at it", || host.exists("/root/under-way"));
        assert!(host.exists("/usr/sbin/policy-rc.d"), "nothing starts meanwhile");
        host.kill_power();
        run.wait();
        host.power_on();
        host.write("/root/go", "");
        assert_eq!(state(&host, package), left);

        // Whatever the recipe says now.
        host.recipe("format = 1\n");
        host.agent("converge").exits(0).says("finished what dpkg was at when a run was killed");
        is_whole(&host, package);
        assert!(!host.exists("/usr/sbin/policy-rc.d"));
        host.agent("converge").exits(0).says_not("dpkg");
    }
}

fn recipe(packages: &str) -> String {
    format!("format = 1\n[host]\npackages = [{packages}]\n")
}

/// What dpkg says of a package: what it should be, whether it must be installed again, what it is.
fn state(host: &Machine, package: &str) -> String {
    host.sh(&format!("dpkg-query -W -f='${{Status}}' {package}")).succeeds().text().to_owned()
}

/// The package is installed, and there is nothing that dpkg did not finish.
fn is_whole(host: &Machine, package: &str) {
    assert_eq!(state(host, package), "install ok installed");
    host.sh("dpkg --audit").prints("");
}
