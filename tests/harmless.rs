//! Whatever is cut off or wrong in a part harms that part alone: programs of a killed run are not raced, a mistyped package
//! keeps nothing else from being installed, rules that sudo refuses are never in force, and nobody is locked out.

use crate::evidence::{DEBIANS, having, ids};
use crate::lab::{Machine, eventually};

const SLOW: &str = r#"
format = 1
[[run]]
name = "slow"
command = ["/bin/sh", "-c", "echo began >>/srv/log; sleep 4; echo done >>/srv/log; touch /srv/done"]
creates = "/srv/done"
"#;

#[test]
fn work_of_a_killed_run_is_waited_for_and_not_done_twice() {
    let host = Machine::debian(12).boot();
    host.recipe(SLOW);
    let run = host.start_agent("converge");
    eventually("the work has begun", || host.exists("/srv/log"));
    run.signal("KILL");
    run.wait().exits(137);
    host.agent("converge").exits(0).says("waiting for `/bin/sh -c").says("which a run that was killed had started");
    assert_eq!(host.read("/srv/log"), "began\ndone\n");
    host.sh("ls /run/hostagent/at-work").prints("");
    assert_eq!(host.agent("converge --json").exits(0).json()["changed"], 0);
}

#[test]
fn an_installation_of_a_killed_run_ends_by_itself_before_the_next_begins() {
    let host = Machine::debian(13).boot();
    host.write(
        "/etc/apt/apt.conf.d/slow",
        "DPkg::Pre-Install-Pkgs { \"touch /run/installs; sleep 3\"; };\nDPkg::Post-Invoke { \"touch /run/ended\"; };\n",
    );
    host.recipe("format = 1\n[host]\npackages = [\"hello\"]\n");
    let run = host.start_agent("converge");
    eventually("apt installs", || host.exists("/run/installs"));
    run.signal("KILL");
    run.wait().exits(137);
    host.agent("converge").exits(0).says("which a run that was killed had started");
    assert!(host.exists("/run/ended"), "it came to its own end");
    host.sh("hello && dpkg --audit").succeeds().says("Hello, world");
    host.sh("ls /usr/sbin/policy-rc.d").fails();
    assert_eq!(host.agent("converge --json").exits(0).json()["changed"], 0);
}

#[test]
fn a_mistyped_package_keeps_nothing_else_from_its_place() {
    for debian in DEBIANS {
        let host = Machine::debian(debian).boot();
        host.recipe(
            "format = 1\n[host]\npackages = [\"hello\", \"helo\"]\n[[file]]\npath = \"/srv/note\"\ncontent = \"here\\n\"\n",
        );
        host.agent("converge").exits(1).says("apt does not know `helo`").says("Unable to locate package helo");
        host.sh("hello && cat /srv/note").succeeds().says("here");
        let again = host.agent("converge --json").exits(1);
        assert_eq!((having(&again, "failed"), having(&again, "changed").len()), (ids(["package:helo"]), 0));
    }
}

#[test]
fn rules_that_sudo_refuses_are_never_in_force() {
    const RULES: &str = "/etc/sudoers.d/hostagent-ops";
    let recipe = |rule: &str| format!("format = 1\n[[user]]\nname = \"ops\"\nsudo = \"{rule}\"\n");
    let host = Machine::debian(12).with_packages(["sudo"]).boot();
    host.recipe(&recipe("ALL=(ALL) NOPASSWD:ALL"));
    host.agent("converge").exits(0);
    let before = host.read(RULES);
    let watcher = format!("while :; do case \"$(cat {RULES})\" in *'(ALL NOPASSWD'*) touch /run/in-force;; esac; done");
    let watching = host.start(&format!("sh -c '{}'", watcher.replace('\'', "'\\''")));
    host.recipe(&recipe("ALL=(ALL NOPASSWD:ALL"));
    for _ in 0..3 {
        host.agent("converge").exits(1).says(&format!("`visudo --check --file {RULES}` says")).says("syntax error");
    }
    watching.signal("TERM");
    watching.wait();
    assert!(!host.exists("/run/in-force"));
    assert_eq!(host.read(RULES), before);
    host.sh("ls -A /run/hostagent").says_not("staged");
    // Also what is wrong only together with another file.
    host.write("/etc/sudoers.d/first", "Cmnd_Alias WEB = /bin/true\n");
    host.sh("chmod 440 /etc/sudoers.d/first").succeeds();
    host.recipe(
        "format = 1\n[[file]]\npath = \"/etc/sudoers.d/second\"\ncontent = \"Cmnd_Alias WEB = /bin/false\\n\"\n",
    );
    host.agent("converge").exits(1).says("Alias \"WEB\" already defined");
    assert!(!host.exists("/etc/sudoers.d/second"));
}

#[test]
fn settings_that_would_let_nobody_in_are_refused_unless_that_is_meant() {
    let ssh = "format = 1\n[ssh]\nsettings = { PasswordAuthentication = false }\n";
    for debian in DEBIANS {
        let host = Machine::debian(debian).with_packages(["openssh-server", "sudo"]).boot();
        let before = host.digest("/etc/ssh");
        host.recipe(ssh);
        host.agent("plan").exits(1).says("no password logs in").says("lockout_is_meant");
        host.agent("converge").exits(1).says("neither root nor anybody who may use sudo has a key");
        before.is_still(&host.digest("/etc/ssh"));

        let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl ops";
        let user = format!("[[user]]\nname = \"ops\"\nsudo = true\nssh_authorized_keys = [\"{key}\"]\n");
        host.recipe(&format!("{ssh}{user}"));
        host.agent("plan").exits(3);
        host.agent("converge").exits(0);
        host.agent("plan").exits(0);

        host.recipe(&format!("{ssh}lockout_is_meant = true\n"));
        host.agent("converge").exits(0);
    }
}

#[test]
fn a_recipe_of_this_host_that_is_wrong_is_told_by_status_whoever_ran_it() {
    let host = Machine::debian(12).boot();
    host.recipe("format = 1\n");
    host.agent("converge").exits(0);
    host.write("/root/typed.toml", "format = 2\n");
    host.agent("converge /root/typed.toml").exits(2);
    host.agent("status").says("converged");
    host.recipe("format = 2\n");
    host.agent("converge").exits(2);
    host.agent("status").says("the recipe is wrong; nothing was touched");
    host.sh("journalctl -o cat -t hostagent -n 1").says("the recipe is wrong");
}
