use std::cell::RefCell;
use std::fs;
use std::rc::Rc;

use super::*;
use crate::host::Host;
use crate::host::programs::{Output, Runner, Running};

/// Answers by the first word of the command line and its verb; the last answer of a verb stays.
#[derive(Debug, Default)]
struct Script {
    answers: RefCell<Vec<(&'static str, i32, &'static str)>>,
    /// What is done when an installation runs: the starts its packages ask for are written here by the policy.
    held: Option<std::path::PathBuf>,
    ran: Rc<RefCell<Vec<String>>>,
}

impl Runner for Script {
    fn run<'a>(&'a self, program: &'a Program) -> Running<'a> {
        let mut words = program.argv().to_vec();
        words.retain(|word| !word.starts_with('-') && !word.contains("::"));
        let line = words.join(" ");
        self.ran.borrow_mut().push(line.clone());
        if let (true, Some(held)) = (line.starts_with("apt-get install"), &self.held) {
            fs::write(held, "start nginx.service\nstart cron.service\nstart saned\nrestart nginx.service\n").unwrap();
        }
        let mut answers = self.answers.borrow_mut();
        let answer = answers.iter().position(|(verb, ..)| line.starts_with(verb)).map(|at| answers.remove(at));
        let (_, status, stderr) = answer.unwrap_or(("", 0, ""));
        Box::pin(std::future::ready(Ok(Output { status: Some(status), stdout: String::new(), stderr: stderr.into() })))
    }
}

struct Machine {
    root: tempfile::TempDir,
    host: Host,
    ran: Rc<RefCell<Vec<String>>>,
}

impl Machine {
    /// A host with fresh lists, a dpkg status of nothing, and these answers.
    fn new(answers: &[(&'static str, i32, &'static str)]) -> Self {
        let root = tempfile::tempdir().unwrap();
        for directory in
            ["var/lib/dpkg/updates", "var/lib/apt/lists", "usr/sbin", "etc/apt/sources.list.d", "run/hostagent"]
        {
            fs::create_dir_all(root.path().join(directory)).unwrap();
        }
        fs::write(root.path().join("var/lib/dpkg/status"), "").unwrap();
        fs::write(root.path().join("etc/apt/sources.list"), "deb http://deb.debian.org/debian bookworm main\n")
            .unwrap();
        fs::write(root.path().join("var/lib/apt/lists/deb.debian.org_Packages"), "").unwrap();
        let held = Some(root.path().join("run/hostagent/held-starts"));
        let script = Script { answers: RefCell::new(answers.to_vec()), held, ran: Rc::default() };
        let ran = Rc::clone(&script.ran);
        let host = Host::at(root.path(), Box::new(script)).unwrap();
        Self { root, host, ran }
    }

    fn touch(&self) -> Touch {
        self.host.touch()
    }

    async fn install(&self) -> Result<(), Error> {
        let wanted = Wanted { name: "nginx".into(), version: None, absent: false, recommends: false };
        self.touch().install(&[wanted], Transaction::default()).await
    }

    fn ran(&self) -> Vec<String> {
        let ran = self.ran.borrow_mut().split_off(0);
        ran.into_iter().filter(|line| !line.starts_with("systemctl list-units")).collect()
    }

    fn has_policy(&self) -> bool {
        self.root.path().join("usr/sbin/policy-rc.d").exists()
    }
}

const STARTS: [&str; 2] = ["deb-systemd-invoke start cron.service", "invoke-rc.d saned start"];

#[tokio::test]
async fn fresh_lists_are_used_and_changed_sources_are_fetched_once() {
    let machine = Machine::new(&[]);
    machine.host.starts_units(["nginx".to_owned()]);
    machine.install().await.unwrap();
    let with_starts = |lines: &[&'static str]| [lines, &["systemctl try-restart nginx.service"], &STARTS].concat();
    assert_eq!(machine.ran(), with_starts(&["apt-get install nginx"]));

    fs::write(machine.root.path().join("etc/apt/sources.list.d/new.sources"), "Types: deb\n").unwrap();
    machine.install().await.unwrap();
    assert_eq!(machine.ran(), with_starts(&["apt-get update", "apt-get install nginx"]));
    machine.install().await.unwrap();
    assert_eq!(machine.ran(), with_starts(&["apt-get install nginx"]));

    fs::write(machine.root.path().join("etc/apt/sources.list.d/new.sources"), "Types: deb \n").unwrap();
    machine.install().await.unwrap();
    assert_eq!(machine.ran()[0], "apt-get update");
}

#[tokio::test]
async fn a_unit_without_a_resource_is_started_after_the_transaction() {
    let machine = Machine::new(&[]);
    machine.install().await.unwrap();
    let starts = [
        "deb-systemd-invoke restart nginx.service",
        "deb-systemd-invoke start cron.service",
        "deb-systemd-invoke start nginx.service",
        "invoke-rc.d saned start",
    ];
    assert_eq!(machine.ran(), [&["apt-get install nginx"][..], &starts].concat());
    assert!(!machine.has_policy());
    assert!(!machine.root.path().join("run/hostagent/held-starts").exists());
}

#[tokio::test]
async fn a_package_that_is_not_in_the_lists_is_looked_for_in_fresh_ones() {
    let machine = Machine::new(&[("apt-get install", 100, "E: Unable to locate package nginx\n")]);
    machine.install().await.unwrap();
    assert_eq!(machine.ran()[..3], ["apt-get install nginx", "apt-get update", "apt-get install nginx"]);
}

#[tokio::test]
async fn an_unknown_package_is_told_in_apts_words_and_leaves_no_policy() {
    let not_there = ("apt-get install", 100, "Reading package lists...\nE: Unable to locate package nginx\n");
    let machine = Machine::new(&[not_there, not_there]);
    let error = machine.install().await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "apt did not install or remove `nginx`: it exited with 100:\n  E: Unable to locate package nginx"
    );
    assert_eq!(
        error.hint().as_deref(),
        Some("see `apt-cache policy NAME`: is its source in the recipe, and reachable?")
    );
    assert!(!machine.has_policy());
}

#[tokio::test]
async fn a_full_disk_is_told_as_one() {
    let full = ("apt-get install", 100, "E: You don't have enough free space in /var/cache/apt/archives/.\n");
    let error = Machine::new(&[full]).install().await.unwrap_err();
    assert_eq!(error.code(), "disk-full");
}

#[tokio::test]
async fn a_lock_taken_meanwhile_and_an_interrupted_dpkg_are_got_over() {
    let machine = Machine::new(&[
        ("apt-get install", 100, "E: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 7 (apt)\n"),
        (
            "apt-get install",
            100,
            "E: dpkg was interrupted, you must manually run 'dpkg --configure -a' to correct the problem.\n",
        ),
    ]);
    machine.install().await.unwrap();
    assert_eq!(machine.ran()[..4], ["apt-get install nginx", "apt-get install nginx", "dpkg", "apt-get install nginx"]);
}

#[tokio::test]
async fn what_dpkg_did_not_finish_is_finished_first() {
    let machine = Machine::new(&[]);
    let broken = "Package: hello\nStatus: install ok half-configured\nArchitecture: amd64\nVersion: 1\n";
    fs::write(machine.root.path().join("var/lib/dpkg/status"), broken).unwrap();
    machine.install().await.unwrap();
    assert_eq!(machine.ran()[..2], ["dpkg", "apt-get install nginx"]);

    let machine = Machine::new(&[("dpkg", 1, "dpkg: dependency problems prevent configuration of hello\n")]);
    fs::write(machine.root.path().join("var/lib/dpkg/status"), broken).unwrap();
    machine.install().await.unwrap();
    assert_eq!(machine.ran()[..3], ["dpkg", "apt-get install", "apt-get install nginx"]);
}

#[tokio::test]
async fn a_policy_of_somebody_else_is_left_alone_and_a_stale_one_of_ours_is_taken_away() {
    let machine = Machine::new(&[]);
    let policy = machine.root.path().join("usr/sbin/policy-rc.d");
    fs::write(&policy, "#!/bin/sh\nexit 101\n").unwrap();
    machine.install().await.unwrap();
    machine.touch().heal_packages().await.unwrap();
    assert_eq!(fs::read_to_string(&policy).unwrap(), "#!/bin/sh\nexit 101\n");

    fs::remove_file(&policy).unwrap();
    std::mem::forget(machine.touch().hold_starts().await.unwrap());
    assert!(machine.has_policy());
    machine.ran();
    fs::write(machine.root.path().join("run/hostagent/held-starts"), "start cron.service\n").unwrap();
    assert_eq!(
        machine.touch().heal_packages().await.unwrap(),
        [
            "removed the policy-rc.d of a run that was killed",
            "started `cron.service`, which a run that was killed had held back"
        ]
    );
    assert!(!machine.has_policy());
    assert_eq!(machine.ran(), ["deb-systemd-invoke start cron.service"]);
    assert_eq!(machine.touch().heal_packages().await.unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn a_source_that_is_not_signed_is_told_of_when_a_package_is_missing_and_not_tried_again() {
    let not_signed = ("apt-get update", 100, "E: The repository 'http://a stable InRelease' is not signed.\n");
    let machine = Machine::new(&[("apt-get install", 100, "E: Unable to locate package nginx\n"), not_signed]);
    machine.install().await.unwrap();
    assert_eq!(machine.ran()[..3], ["apt-get install nginx", "apt-get update", "apt-get install nginx"]);

    let missing = ("apt-get install", 100, "E: Unable to locate package nginx\n");
    let error = Machine::new(&[missing, not_signed, missing]).install().await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "apt did not install or remove `nginx`: it exited with 100:\n  E: Unable to locate package nginx\n\
         and before that the package lists could not be refreshed:\n  E: The repository 'http://a stable InRelease' is not signed."
    );
}
