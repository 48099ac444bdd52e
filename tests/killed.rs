//! A run that is cut off anywhere is finished by the next one, and two runs never work at the same time.
//!
//! The whole matrix is `cargo lab soak`, its figures are in `soak/FIGURES.md`. Here is a short sample of the same, with
//! other instants for every commit: the instants of a clock never come back exactly, so the same ones each time would
//! prove no more, and others find more in time. `HOSTAGENT_SOAK_SEED` brings a seed back.

use std::env;
use std::thread;

use crate::evidence::{DEBIANS, NANO, furnished};
use crate::lab::{Machine, eventually};
use crate::soak::{Amount, run, seed_of_the_commit};

const NONE: Amount = Amount { resources: 0, random: 0, power: 0, programs: 0, changes: 0, calls: 0, at_once: 1 };

#[test]
fn a_first_run_that_was_killed_is_finished_by_the_next() {
    sample(0, Amount { resources: 2, random: 2, at_once: 2, ..NONE });
}

#[test]
fn a_first_run_whose_machine_lost_power_or_whose_package_was_half_set_up_is_finished_by_the_next() {
    sample(1, Amount { power: 1, programs: 1, at_once: 2, ..NONE });
}

#[test]
fn a_change_that_was_cut_off_is_finished_by_the_next() {
    sample(1, Amount { changes: 6, ..NONE });
}

#[test]
fn a_change_that_was_killed_before_a_system_call_is_finished_by_the_next() {
    sample(0, Amount { calls: 4, ..NONE });
}

/// Cuts off some runs, on one Debian with this commit and on the other with another.
#[expect(clippy::print_stdout, reason = "a test that fails shows where it was")]
fn sample(turn: u64, amount: Amount) {
    let given = env::var("HOSTAGENT_SOAK_SEED").ok();
    let seed = given.map_or_else(seed_of_the_commit, |seed| seed.parse().expect("HOSTAGENT_SOAK_SEED is a number"));
    println!("HOSTAGENT_SOAK_SEED={seed}");
    let debian = if (seed + turn).is_multiple_of(2) { DEBIANS[0] } else { DEBIANS[1] };
    let (table, failed) = run(&[debian], amount, seed, "", &|line| println!("{line}"));
    assert_eq!(failed, 0, "HOSTAGENT_SOAK_SEED={seed}\n{table}");
}

#[test]
fn of_two_runs_one_works_and_the_other_says_who_does() {
    let host = furnished(DEBIANS[0]);
    host.recipe(&NANO);
    host.has_agent();
    let said = together(&host, ["converge", "converge --json"]);
    let [worked, turned_away] = if said[0].exit == 0 { [0, 1] } else { [1, 0] }.map(|index: usize| said[index].clone());
    worked.exits(0);
    let turned_away = turned_away.exits(4).says("another run is going on: process ").says("--wait");
    assert_eq!(turned_away.stdout, "", "it did nothing, and reports nothing");
    let named = turned_away.stderr.split("process ").nth(1).and_then(|rest| rest.split(' ').next()).unwrap();
    host.sh(&format!("journalctl -o cat -t hostagent _PID={named}")).says("converged");
    host.agent("plan").exits(0);
}

#[test]
fn of_two_runs_that_wait_the_second_finds_nothing_to_do() {
    let host = furnished(DEBIANS[1]);
    host.recipe(&NANO);
    host.has_agent();
    let said = together(&host, ["converge --json --wait 120", "converge --json --wait 120"]);
    let mut changed = said.map(|said| said.exits(0).json()["changed"].as_u64().unwrap());
    changed.sort_unstable();
    assert!(changed[0] == 0 && changed[1] > 5, "one did it all: {changed:?}");
}

#[test]
fn a_run_that_was_killed_holds_no_lock_and_its_children_hold_none() {
    let host = furnished(DEBIANS[0]);
    let recipe =
        "format = 1\n[[run]]\nname = \"long\"\ncommand = [\"tail\", \"-f\", \"/dev/null\"]\ncreates = \"/nowhere\"\n";
    host.recipe(recipe);
    let first = host.start_agent("converge");
    eventually("the command runs", || host.sh("pgrep -x tail").exit == 0);
    host.agent("converge").exits(4).says("another run is going on");
    first.signal("KILL");
    host.recipe("format = 1\n[[file]]\npath = \"/etc/motd\"\ncontent = \"next\\n\"\n");
    // Somebody ends what that run had started; until then the next one waits for it.
    host.sh("systemd-run --quiet --on-active=2 pkill -x tail").succeeds();
    host.agent("converge").exits(0).says("waited for `tail -f /dev/null`");
    drop(first);
}

/// A run is killed and its job goes on in systemd: the server has read the old files and is not up yet, and a start would
/// only wait for that one.
#[test]
fn a_server_that_a_killed_run_was_restarting_gets_what_is_wanted_now() {
    let site = |text: &str| {
        format!(
            "format = 1\n[[nginx.site]]\nname = \"api\"\nserver_name = [\"api.example.org\"]\nreturn = {{ code = 200, text = \"{text}\" }}\n"
        )
    };
    let host = furnished(DEBIANS[0]);
    host.recipe(&site("old"));
    host.agent("converge").exits(0);
    host.sh("mkdir -p /etc/systemd/system/nginx.service.d").succeeds();
    host.write("/etc/systemd/system/nginx.service.d/slow.conf", "[Service]\nExecStartPost=/bin/sleep 3\n");
    host.sh("systemctl daemon-reload && systemctl restart --no-block nginx").succeeds();
    eventually("it has read its files", || host.unit("nginx").state() == "activating");
    host.recipe(&site("new"));
    host.agent("converge").exits(0);
    host.get("http://api.example.org/").says("new");
}

/// Starts two at the same moment; what each said.
fn together(host: &Machine, arguments: [&str; 2]) -> [crate::lab::Said; 2] {
    thread::scope(|scope| {
        let both = arguments.map(|arguments| scope.spawn(move || host.agent(arguments)));
        both.map(|one| one.join().expect("a command is only said"))
    })
}
