//! What hangs: a program, a service that never comes up, a database that says nothing, a run that takes too long.

use std::time::Duration;

use super::{NOTE, ends_well, leaves_nothing, only_these_fail};
use crate::evidence::{having, ids, on_each_debian, postgres_unit};
use crate::lab::{Machine, eventually};

on_each_debian![
    a_command_that_hangs_is_ended_with_all_it_started,
    a_service_whose_start_never_ends_fails_alone,
    a_database_that_says_nothing_fails_alone,
    a_run_whose_time_is_up_says_what_is_left_and_the_next_goes_on,
    an_installation_that_hangs_comes_to_its_own_end,
];

fn a_command_that_hangs_is_ended_with_all_it_started(debian: u8) {
    let host = Machine::debian(debian).boot();
    let deaf = "#!/bin/sh\ntrap '' TERM HUP INT\necho waiting for a friend >&2\n\
                sh -c \"trap '' TERM; sleep 4242 & sleep 4242; true\" &\nsleep 4242\nsleep 4242\n";
    host.write("/srv/deaf", deaf);
    host.sh("chmod 755 /srv/deaf").succeeds();
    let recipe = "[[run]]\nname = \"deaf\"\ncommand = [\"/srv/deaf\"]\ntimeout = \"2s\"\ncreates = \"/srv/done\"\n\
                  [[run]]\nname = \"asks\"\ncommand = [\"true\"]\ntimeout = \"2s\"\nunless = [\"/srv/deaf\"]\n\
                  [[run]]\nname = \"next\"\ncommand = [\"touch\", \"/srv/next\"]\ncreates = \"/srv/next\"\nafter = [\"run:deaf\"]\n\
                  [[run]]\nname = \"other\"\ncommand = [\"touch\", \"/srv/ran\"]\ncreates = \"/srv/ran\"\n";
    let said = only_these_fail(&host, recipe, ["run:deaf", "run:asks"]);
    assert!(said.took < Duration::from_secs(30), "{said}");
    said.says("`/srv/deaf` was still running after 2s and was ended with all it had started")
        .says("waiting for a friend")
        .says("run it by hand to see what it waits for")
        .says("needs run:deaf, which failed");
    host.sh("pgrep -x sleep").fails();
    host.sh("ls /srv/ran /srv/next 2>/dev/null").says("/srv/ran").says_not("next");
    host.write("/srv/deaf", "#!/bin/sh\ntouch /srv/done\n");
    ends_well(&host);
}

fn a_service_whose_start_never_ends_fails_alone(debian: u8) {
    let host = Machine::debian(debian).boot();
    // It never says that it is ready.
    let unit = |line: &str| format!("[Service]\n{line}\nTimeoutStartSec=4s\nTimeoutStopSec=2s\n");
    host.write("/etc/systemd/system/stuck.service", &unit("Type=notify\nExecStart=sleep 4242"));
    host.sh("systemctl daemon-reload").succeeds();
    let recipe = "[[service]]\nname = \"stuck\"\nrunning = true\n";
    let said = only_these_fail(&host, recipe, ["service:stuck"]);
    assert!(said.took < Duration::from_mins(1), "{said}");
    said.says("`stuck.service` did not start").says("start operation timed out").says("journalctl -u stuck");
    eventually("it is ended", || host.sh("pgrep -x sleep").exit != 0);
    host.write("/etc/systemd/system/stuck.service", &unit("ExecStart=sleep 4242"));
    ends_well(&host);
}

const DATABASE: &str = "[postgres]\n[[postgres.role]]\nname = \"booking\"\n[[postgres.role]]\nname = \"reader\"\n\
                        [[postgres.database]]\nname = \"booking\"\nowner = \"booking\"\n";

fn a_database_that_says_nothing_fails_alone(debian: u8) {
    let host = Machine::debian(debian).with_packages(["postgresql"]).boot();
    host.recipe(&format!("format = 1\n{DATABASE}"));
    host.agent("converge").exits(0);
    let unit = postgres_unit(debian);
    // The server itself stands still, and the kernel goes on taking connections for it.
    host.sh(&format!("systemctl kill -s STOP {unit}")).succeeds();
    says_nothing(&host, &unit);
    host.sh(&format!("systemctl kill -s CONT {unit}")).succeeds();
    ends_well(&host);
    // Another one listens in its place.
    host.sh("rmdir /srv/note && cd /var/run/postgresql && mv .s.PGSQL.5432 away").succeeds();
    let listens = "use Socket; socket(S, PF_UNIX, SOCK_STREAM, 0); bind(S, sockaddr_un(\"/var/run/postgresql/.s.PGSQL.5432\")) or die; \
                   chmod(0777, \"/var/run/postgresql/.s.PGSQL.5432\"); listen(S, 50); my @all; while (accept(my $c, S)) { push @all, $c }";
    host.write("/srv/listens", listens);
    let listener = host.start("perl /srv/listens");
    eventually("it listens", || host.sh("test -S /var/run/postgresql/.s.PGSQL.5432").exit == 0);
    says_nothing(&host, &unit);
    listener.signal("KILL");
    listener.wait();
    host.sh("cd /var/run/postgresql && mv away .s.PGSQL.5432").succeeds();
    ends_well(&host);
}

fn says_nothing(host: &Machine, unit: &str) {
    host.recipe(&format!("format = 1\n{NOTE}{DATABASE}"));
    let said = host.agent("converge").exits(1);
    assert!(said.took < Duration::from_secs(90), "{said}");
    said.says("PostgreSQL (`")
        .says("took the connection and said nothing for 20 s")
        .says(&format!("systemctl status {unit}"));
    assert!(host.exists("/srv/note"));
    let again = host.agent("converge --json").exits(1);
    assert!(
        having(&again, "failed").iter().all(|id| id.starts_with("pg_") || id.starts_with("service:postgresql")),
        "{again}"
    );
    assert!(!having(&again, "failed").is_empty());
    leaves_nothing(host);
}

fn a_run_whose_time_is_up_says_what_is_left_and_the_next_goes_on(debian: u8) {
    let host = Machine::debian(debian).boot();
    let step = |name: &str, after: &str| {
        format!(
            "[[run]]\nname = \"{name}\"\ncommand = [\"sh\", \"-c\", \"sleep 3; touch /srv/{name}\"]\ncreates = \"/srv/{name}\"\n{after}"
        )
    };
    let recipe = format!("format = 1\n{NOTE}{}{}", step("first", ""), step("second", "after = [\"run:first\"]\n"));
    host.recipe(&recipe);
    host.agent("converge --deadline 1s")
        .exits(1)
        .says("the time of this run is up")
        .says("the run was not done after 1 s, which is all the time it had")
        .says("left undone")
        .says("run:second")
        .says("`hostagent converge` goes on from here")
        .says("--deadline");
    host.sh("cd /srv && ls -d first note second 2>/dev/null").says("first\nnote").says_not("second");
    leaves_nothing(&host);
    host.agent("status").exits(1).says("1 left undone").says("was not done after 1 s");
    // A run without any time begins nothing at all.
    let none = host.agent("converge --deadline 0s --json").exits(1);
    assert_eq!((having(&none, "skipped").len(), none.json()["interrupted"].as_bool()), (3, Some(true)));
    host.agent("converge --deadline 5").exits(2).says("is not a time").says("1h30m");
    let last = host.agent("converge --json --deadline 1h").exits(0);
    assert_eq!(having(&last, "changed"), ids(["run:second"]));
    ends_well(&host);
}

fn an_installation_that_hangs_comes_to_its_own_end(debian: u8) {
    let host = Machine::debian(debian).boot();
    host.write(
        "/etc/apt/apt.conf.d/slow",
        "DPkg::Pre-Install-Pkgs { \"touch /run/installs; sleep 6\"; };\nDPkg::Post-Invoke { \"touch /run/ended\"; };\n",
    );
    host.recipe(&format!(
        "format = 1\n{NOTE}[host]\npackages = [\"hello\"]\n[[file]]\npath = \"/srv/late\"\ncontent = \"x\"\n"
    ));
    // The run's time is up while dpkg works: that is finished, and nothing is cut in half.
    let said = host.agent("converge --deadline 3s");
    assert!(host.exists("/run/ended"), "{said}");
    host.sh("hello && dpkg --audit").succeeds().says("Hello, world");
    leaves_nothing(&host);
    host.agent("converge").exits(0);
    ends_well(&host);
}
