//! NixOS, nixos/tests/switch-test.nix: what a change of a unit does to what runs; and puppet's
//! `ticket_5024_systemd_enabling_masked_service.rb`.
//!
//! The library's own cases (tests/inside.rs) are about resources; these are what people write: a unit file of their own, and
//! a service beside it.

use std::collections::BTreeSet;

use super::{changes, fails};
use crate::evidence::{DEBIANS, ids};
use crate::lab::Machine;

const RECIPE: &str = r#"
format = 1
[[file]]
path = "/etc/app.conf"
content = "one"
[[file]]
path = "/etc/systemd/system/app.service"
content = '''
[Unit]
Description=App
[Service]
ExecStart=/bin/sleep infinity
ExecReload=/bin/sh -c 'echo reloaded >>/run/app.loads'
ExecReload=/bin/true
[Install]
WantedBy=multi-user.target
'''
[[service]]
name = "app"
reads = ["/etc/app.conf"]
"#;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Effect {
    Nothing,
    Reload,
    Restart,
}
use Effect::{Nothing, Reload, Restart};

/// What is changed in the recipe, and what that does to the server. Each builds on those before.
const CASES: [(&str, &str, Effect); 13] = [
    ("Description=App", "Description=Another", Nothing),
    ("\"one\"", "\"two\"", Reload),
    ("ExecStart=/bin/sleep infinity", "ExecStart=/bin/sleep 1000000", Restart),
    // Both at once are one restart.
    ("\"two\"|1000000", "\"three\"|2000000", Restart),
    ("ExecReload=/bin/true\n", "", Nothing),
    ("[Install]\n", "[Install]\nAlias=other-app.service\n", Nothing),
    ("[Service]\n", "[Service]\nX-Test=test\n", Nothing),
    ("[Install]\n", "[X-Test]\nX-Test-Value=a\n[Install]\n", Nothing),
    ("[Service]\n", "[Service]\nEnvironment=A=1\n", Restart),
    ("Environment=A=1", "Environment=A=2", Restart),
    ("Environment=A=2\n", "", Restart),
    ("name = \"app\"\n", "name = \"app\"\ndrop_in = { Service = { Nice = 1 } }\n", Restart),
    // "NOT restarting".
    ("reads = [\"/etc/app.conf\"]\n", "reads = [\"/etc/app.conf\"]\non_change = \"none\"\n", Nothing),
];

#[test]
fn on_debian_12_a_change_of_a_unit_costs_what_it_must() {
    a_change_costs_what_it_must(DEBIANS[0]);
}

#[test]
fn on_debian_13_a_change_of_a_unit_costs_what_it_must() {
    a_change_costs_what_it_must(DEBIANS[1]);
}

fn a_change_costs_what_it_must(debian: u8) {
    let host = Machine::debian(debian).boot();
    let mut recipe = RECIPE.to_owned();
    assert_eq!(
        changes(&host, &recipe),
        ids(["file:/etc/app.conf", "file:/etc/systemd/system/app.service", "service:app"])
    );
    for (from, to, wanted) in CASES {
        recipe = replaced(&recipe, from, to);
        assert_eq!(effect(&host, &recipe), wanted, "{from} → {to}");
    }
    // It goes on as it is, whatever changes.
    for (from, to) in [("2000000", "3000000"), ("\"three\"", "\"four\""), ("Nice = 1", "Nice = 2")] {
        recipe = replaced(&recipe, from, to);
        assert_eq!(effect(&host, &recipe), Nothing, "{from} → {to}");
    }
    // The words of a unit that fails, for as long as it does; then it is well again.
    fails(&host, &replaced(RECIPE, "/bin/sleep infinity", "/bin/sh -c 'echo cannot go on; exit 3'"))
        .says("cannot go on");
    changes(&host, RECIPE);
    assert!(host.unit("app").is_active());
}

#[test]
fn a_unit_of_ones_own_needs_nothing_but_its_file_to_be_restarted() {
    let host = Machine::debian(13).boot();
    let plain = RECIPE.replace("reads = [\"/etc/app.conf\"]\n", "");
    changes(&host, &plain);
    assert_eq!(effect(&host, &replaced(&plain, "infinity", "1000000")), Restart);
    assert_eq!(effect(&host, &replaced(&plain, "infinity", "1000000").replace("=App", "=Another")), Nothing);
}

/// Whatever a unit is called, instances of a template, and a unit that another one requires.
#[test]
fn names_templates_and_requirements() {
    let host = Machine::debian(12).boot();
    let file = |unit: &str, more: &str| {
        let text = format!(
            "[Unit]\n{more}\n[Service]\nExecStart=/bin/sleep infinity\n[Install]\nWantedBy=multi-user.target\n"
        );
        format!("[[file]]\npath = '/etc/systemd/system/{unit}'\ncontent = '''\n{text}'''\n")
    };
    let service = |unit: &str| format!("[[service]]\nname = '{unit}'\n");
    let all = [r"escaped\x2ddash", "-", "templated@one", "templated@two", "required", "requiring"];
    let recipe = [
        "format = 1\n".to_owned(),
        file(r"escaped\x2ddash.service", ""),
        file("-.service", ""),
        file("templated@.service", ""),
        file("required.service", ""),
        file("requiring.service", "Requires=required.service\nAfter=required.service"),
        all.map(service).concat(),
    ]
    .concat();
    changes(&host, &recipe);
    let starts = || all.map(|unit| host.unit(&format!("-- '{unit}.service'")).start());
    let before = starts();
    assert!(before.iter().all(|start| start.pid != 0), "{before:?}");

    let changed = changes(&host, &recipe.replace("infinity", "1000000"));
    let wanted: BTreeSet<String> = all.iter().map(|unit| format!("service:{unit}")).collect();
    assert!(wanted.is_subset(&changed), "{changed:?}");
    let after = starts();
    assert!(before.iter().zip(&after).all(|(before, after)| before != after && after.pid != 0), "{after:?}");

    // What requires a unit that is restarted is restarted by systemd.
    let (others, required) = recipe.split_once("/etc/systemd/system/required.service").unwrap();
    let required = format!("/etc/systemd/system/required.service{}", required.replacen("infinity", "2000000", 1));
    changes(&host, &format!("{others}{required}").replace("infinity", "1000000"));
    let last = starts();
    assert_eq!(last[..4], after[..4]);
    assert!(last[4] != after[4] && last[5] != after[5], "{last:?}");
}

/// A server that ends and is started over and over is not "running"; one behind a socket is started by whoever comes.
#[test]
fn a_unit_that_does_not_stay_up_is_told_and_one_behind_a_socket_may_sleep() {
    let host = Machine::debian(12).boot();
    let recipe = RECIPE.replace("ExecStart=/bin/sleep infinity", "Restart=always\nRestartSec=20y\nExecStart=/bin/true");
    fails(&host, &recipe).says("auto-restart");

    let socket = "format = 1\n[[file]]\npath = '/etc/systemd/system/app.socket'\ncontent = '''\n[Socket]\nListenStream=/run/app.sock\n\
                  [Install]\nWantedBy=sockets.target\n'''\n[[file]]\npath = '/etc/systemd/system/app.service'\ncontent = '''\n[Service]\n\
                  ExecStart=/bin/sleep infinity\n'''\n[[service]]\nname = 'app.socket'\n";
    host.sh("systemctl stop app").succeeds();
    changes(&host, socket);
    assert!(host.unit("app.socket").is_active() && !host.unit("app.service").is_active());
    changes(&host, &socket.replace("infinity", "1000000"));
    assert!(!host.unit("app.service").is_active(), "nobody has come yet");
}

#[test]
fn a_masked_unit_that_is_wanted_is_unmasked() {
    let host = Machine::debian(13).boot();
    host.installs(["cron"]);
    for lasting in ["", "--runtime"] {
        host.sh(&format!("systemctl disable --now cron; systemctl mask {lasting} cron")).succeeds();
        assert_eq!(changes(&host, "format = 1\n[[service]]\nname = \"cron\"\n"), ids(["service:cron"]));
        assert!(host.unit("cron").is_active() && host.unit("cron").is_enabled());
    }
    assert_eq!(changes(&host, "format = 1\n[[service]]\nname = \"cron\"\nmasked = true\n"), ids(["service:cron"]));
    host.sh("systemctl start cron").fails().says("masked");
}

/// What a recipe does to the server `app`.
fn effect(host: &Machine, recipe: &str) -> Effect {
    let loads = || host.sh("cat /run/app.loads 2>/dev/null | wc -l").text().to_owned();
    let before = (host.unit("app").start(), loads());
    changes(host, recipe);
    let after = (host.unit("app").start(), loads());
    assert_ne!(after.0.pid, 0, "it runs");
    match (before.0 == after.0, before.1 == after.1) {
        (true, true) => Nothing,
        (true, false) => Reload,
        (false, _) => Restart,
    }
}

/// The recipe with each of some words, divided by `|`, in place of another.
fn replaced(recipe: &str, from: &str, to: &str) -> String {
    from.split('|').zip(to.split('|')).fold(recipe.to_owned(), |recipe, (from, to)| {
        assert!(recipe.contains(from), "no `{from}` in\n{recipe}");
        recipe.replace(from, to)
    })
}
