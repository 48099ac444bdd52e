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
    /// The same with every option.
    asked: Rc<RefCell<Vec<String>>>,
}

impl Runner for Script {
    fn run<'a>(&'a self, program: &'a Program) -> Running<'a> {
        let mut words = program.argv().to_vec();
        self.asked.borrow_mut().push(words.join(" "));
        words.retain(|word| !word.starts_with('-') && !word.contains("::"));
        let line = words.join(" ");
        self.ran.borrow_mut().push(line.clone());
        if let (true, Some(held)) = (line.starts_with("apt-get install"), &self.held) {
            fs::write(held, "start nginx.service\nstart cron.service\nstart saned\nrestart nginx.service\n").unwrap();
        }
        let mut answers = self.answers.borrow_mut();
        let answer = answers.iter().position(|(verb, ..)| line.starts_with(verb)).map(|at| answers.remove(at));
        let (_, status, said) = answer.unwrap_or(("", 0, ""));
        // What is before the bar is on stdout.
        let (stdout, stderr) = said.split_once('|').unwrap_or(("", said));
        Box::pin(std::future::ready(Ok(Output { status: Some(status), stdout: stdout.into(), stderr: stderr.into() })))
    }
}

struct Machine {
    root: tempfile::TempDir,
    host: Host,
    ran: Rc<RefCell<Vec<String>>>,
    asked: Rc<RefCell<Vec<String>>>,
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
        let script = Script { answers: RefCell::new(answers.to_vec()), held, ran: Rc::default(), asked: Rc::default() };
        let (ran, asked) = (Rc::clone(&script.ran), Rc::clone(&script.asked));
        let host = Host::at(root.path(), Box::new(script)).unwrap();
        Self { root, host, ran, asked }
    }

    fn touch(&self) -> Touch {
        self.host.touch()
    }

    async fn install(&self) -> Result<Vec<Unknown>, Error> {
        self.touch().install(&[wanted("nginx", false)], Transaction::default()).await
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
    let unknown = machine.install().await.unwrap();
    assert_eq!(told(&unknown), ["apt does not know `nginx`:\n  E: Unable to locate package nginx"]);
    assert_eq!(
        unknown[0].error.hint().as_deref(),
        Some("is it spelled so, and is its source in the recipe? `apt-cache policy NAME` shows what the sources have")
    );
    assert!(!machine.has_policy());
}

fn told(unknown: &[Unknown]) -> Vec<String> {
    unknown.iter().map(|unknown| unknown.error.to_string()).collect()
}

#[tokio::test]
async fn one_mistyped_name_does_not_keep_the_others_from_being_installed() {
    let not_there = ("apt-get install", 100, "E: Unable to locate package ngnix\n");
    let machine = Machine::new(&[not_there, not_there]);
    let transaction = [wanted("ngnix", false), wanted("curl", false)];
    let unknown = machine.touch().install(&transaction, Transaction::default()).await.unwrap();
    assert_eq!(told(&unknown), ["apt does not know `ngnix`:\n  E: Unable to locate package ngnix"]);
    assert_eq!(
        machine.ran()[..4],
        ["apt-get install ngnix curl", "apt-get update", "apt-get install ngnix curl", "apt-get install curl"]
    );
    // Without lists to go by nobody can say which names are wrong.
    let away = ("apt-get update", 100, "E: The repository 'http://a stable InRelease' is not signed.\n");
    let machine = Machine::new(&[not_there, away, not_there]);
    assert_eq!(
        machine.touch().install(&transaction, Transaction::default()).await.unwrap_err().code(),
        "package-not-found"
    );
    assert!(!machine.ran().contains(&"apt-get install curl".to_owned()));
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
async fn what_dpkg_was_unpacking_is_installed_again_unless_it_was_to_go() {
    let half = |name: &str, want: &str, architecture: &str| {
        format!("Package: {name}\nStatus: {want} half-installed\nArchitecture: {architecture}\nVersion: 1\n\n")
    };
    let status = [
        "Package: dpkg\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1\n\n".to_owned(),
        half("hello", "install reinstreq", "amd64"),
        half("libc6", "hold reinstreq", "i386"),
        half("nginx", "deinstall ok", "amd64"),
        half("sl", "deinstall ok", "all"),
    ];
    let machine = Machine::new(&[]);
    fs::write(machine.root.path().join("var/lib/dpkg/status"), status.concat()).unwrap();
    machine.install().await.unwrap();
    // The script's dpkg does not change its status, so each is still in part.
    let again = "apt-get install hello libc6:i386 nginx";
    assert_eq!(machine.ran()[..3], ["dpkg", again, "apt-get install nginx"]);
    assert!(
        machine.asked.borrow().iter().any(|line| line.contains(" --no-remove --fix-broken --reinstall install hello"))
    );

    machine.touch().mark_under_way().unwrap();
    machine.touch().heal_packages().await.unwrap();
    assert!(machine.ran().contains(&"apt-get install hello libc6:i386".to_owned()));
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
            "started `cron.service`, which an earlier run had held back"
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
        "apt did not install or remove `nginx`: it does not know `nginx`, and then does nothing:\n  E: Unable to locate package nginx\n\
         and before that the package lists could not be refreshed:\n  E: The repository 'http://a stable InRelease' is not signed."
    );
}

fn wanted(name: &str, absent: bool) -> Wanted {
    Wanted { name: name.into(), version: None, absent, recommends: false }
}

#[tokio::test]
async fn nothing_is_removed_that_is_not_named() {
    let said = "The following packages will be REMOVED:\n  mysql-server mysql-client*\nThe following NEW packages\n  mariadb-server\n|E: Packages need to be removed but remove is disabled.\n";
    let machine = Machine::new(&[("apt-get install", 100, said)]);
    let error = machine.touch().install(&[wanted("mariadb-server", false)], Transaction::default()).await.unwrap_err();
    assert_eq!(error.code(), "apt-removes");
    assert_eq!(
        error.to_string(),
        "apt did not install or remove `mariadb-server`: it would have to remove `mysql-server`, `mysql-client`"
    );
    assert!(error.hint().unwrap().contains("`absent = true`"));
    assert!(machine.asked.borrow().iter().any(|line| line.contains(" --no-remove ")));
}

#[tokio::test]
async fn what_else_a_removal_takes_along_is_asked_first_and_refused() {
    let status = "Package: dpkg\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1\n";
    let asked = "Remv exim4 [4.96]\nRemv exim4-base [4.96] [exim4:amd64 ]\nInst nullmailer (1:2.2-5)\n|";
    let transaction = [wanted("exim4-base:amd64", true), wanted("nullmailer", false)];
    let machine = Machine::new(&[("apt-get install", 0, asked)]);
    fs::write(machine.root.path().join("var/lib/dpkg/status"), status).unwrap();
    let error = machine.touch().install(&transaction, Transaction::default()).await.unwrap_err();
    assert_eq!(error.to_string(), "to remove `exim4-base`, apt would also remove `exim4`");
    assert_eq!(machine.ran()[0], "apt-get install exim4-base:amd64- nullmailer");
    assert!(machine.asked.borrow().iter().all(|line| !line.starts_with("apt-get") || line.contains(" --simulate ")));

    let machine = Machine::new(&[("apt-get install", 0, asked)]);
    fs::write(machine.root.path().join("var/lib/dpkg/status"), status).unwrap();
    let all = [&transaction[..], &[wanted("exim4", true)]].concat();
    machine.touch().install(&all, Transaction::default()).await.unwrap();
    let calls: Vec<bool> = machine
        .asked
        .borrow()
        .iter()
        .filter(|line| line.starts_with("apt-get"))
        .map(|line| line.contains(" --simulate ") || line.contains(" --no-remove "))
        .collect();
    assert_eq!(calls, [true, false]);
}

#[tokio::test]
async fn every_name_that_apt_does_not_know_is_told() {
    let said = "Reading package lists...\n|E: Unable to locate package ngnix\nE: Version '9*' for 'curl' was not found\nE: Package 'php' has no installation candidate\n";
    let machine = Machine::new(&[("apt-get install", 100, said), ("apt-get install", 100, said)]);
    let all = ["ngnix", "curl", "php", "cron"].map(|name| wanted(name, false));
    let unknown = machine.touch().install(&all, Transaction::default()).await.unwrap();
    assert_eq!(unknown.iter().map(|one| one.name.as_str()).collect::<Vec<_>>(), ["ngnix", "curl", "php"]);
    assert!(machine.ran().contains(&"apt-get install cron".to_owned()));

    let away = ("apt-get update", 100, "E: The repository 'http://a stable InRelease' is not signed.\n");
    let machine = Machine::new(&[("apt-get install", 100, said), away, ("apt-get install", 100, said)]);
    let error = machine.touch().install(&all, Transaction::default()).await.unwrap_err().to_string();
    assert!(error.contains("it does not know `curl`, `ngnix`, `php`, and then does nothing"), "{error}");
}

#[tokio::test]
async fn a_start_that_fails_is_tried_again_by_the_next_run_and_does_not_fail_the_packages() {
    let fails = ("deb-systemd-invoke start cron", 1, "Job for cron.service failed\n");
    let machine = Machine::new(&[fails, fails]);
    machine.install().await.unwrap();
    let list = machine.root.path().join("run/hostagent/held-starts");
    assert_eq!(fs::read_to_string(&list).unwrap(), "start cron.service\n");
    let error = machine.touch().heal_packages().await.unwrap_err();
    assert!(error.to_string().contains("`cron.service`: `deb-systemd-invoke start cron.service`"), "{error}");
    let healed = machine.touch().heal_packages().await.unwrap();
    assert_eq!(healed, ["started `cron.service`, which an earlier run had held back"]);
    assert!(!list.exists());
}

#[tokio::test]
async fn a_transaction_that_was_cut_off_is_finished_by_the_next_run_and_a_foreign_one_is_not() {
    let machine = Machine::new(&[]);
    let pending = "Package: libc-bin\nStatus: install ok triggers-pending\nArchitecture: amd64\nVersion: 1\n";
    fs::write(machine.root.path().join("var/lib/dpkg/status"), pending).unwrap();
    assert_eq!(machine.touch().heal_packages().await.unwrap(), Vec::<String>::new());
    machine.touch().mark_under_way().unwrap();
    assert_eq!(machine.touch().heal_packages().await.unwrap(), ["finished what dpkg was at when a run was killed"]);
    assert_eq!(machine.ran(), ["dpkg"]);
    assert_eq!(machine.touch().heal_packages().await.unwrap(), Vec::<String>::new());
    machine.install().await.unwrap();
    assert!(!machine.root.path().join("var/lib/hostagent/apt-under-way").exists());
}

#[tokio::test]
async fn a_lock_that_nobody_holds_is_not_tried_for_ever_and_a_read_only_disk_not_at_all() {
    let locked = ("apt-get install", 100, "E: Unable to lock directory /var/lib/apt/lists/\n");
    let machine = Machine::new(&[locked; 9]);
    assert_eq!(machine.install().await.unwrap_err().code(), "apt-locked");
    assert_eq!(machine.ran().iter().filter(|line| line.starts_with("apt-get")).count(), 4);

    let words = "E: Could not open lock file /var/lib/apt/lists/lock - open (30: Read-only file system)\nE: Unable to lock directory /var/lib/apt/lists/\n";
    let machine = Machine::new(&[("apt-get update", 100, words)]);
    fs::remove_file(machine.root.path().join("var/lib/apt/lists/deb.debian.org_Packages")).unwrap();
    let error = machine.install().await.unwrap_err();
    assert_eq!((error.code(), machine.ran()[0].as_str()), ("read-only", "apt-get update"));
    assert!(error.hint().unwrap().contains("findmnt"));
}
