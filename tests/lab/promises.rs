//! The lab's own promises: machines are real, apart from each other, and leave nothing behind.

use std::env;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::{Command, Stdio};

use super::{Machine, base, commands::eventually, place, register};

#[test]
fn debian_12_installs_from_the_pool_and_serves() {
    serves(12);
}

#[test]
fn debian_13_installs_from_the_pool_and_serves() {
    serves(13);
}

fn serves(number: u8) {
    let host = Machine::debian(number).boot();
    host.sh(". /etc/os-release; echo $VERSION_ID").prints(&number.to_string());
    host.sh("systemctl is-system-running").prints("running");

    let app = host.backend("127.0.0.1:3000", "hello from the app\n");
    let blue = host.backend("unix:/run/blue.sock", "hello from blue\n");
    host.installs(["nginx"]);
    host.write(
        "/etc/nginx/conf.d/app.conf",
        "server { listen 80; server_name app.example.org; location / { proxy_pass http://127.0.0.1:3000;
         proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade;
         proxy_set_header X-Forwarded-For $remote_addr; } }
         server { listen 80; server_name blue.example.org; location / { proxy_pass http://unix:/run/blue.sock; } }",
    );
    let before = host.unit("nginx").start();
    let workers = host.unit("nginx").processes();
    host.sh("nginx -t && systemctl reload nginx").succeeds();
    assert_eq!(host.unit("nginx").start(), before, "a reload is no restart");
    let is_old = |worker: &u32| *worker != before.pid && workers.contains_key(worker);
    eventually("the old workers are gone", || !host.unit("nginx").processes().keys().any(is_old));

    host.get("http://app.example.org/").is(200).says("hello from the app");
    host.get("http://blue.example.org/").says("hello from blue");
    assert_eq!(blue.requests().len(), 1);
    let outside = host.from_outside("192.168.77.50");
    outside.get("http://app.example.org/echo").says("\"x-forwarded-for\":\"192.168.77.50\"");
    host.from_outside("172.16.9.9").get("http://app.example.org/");
    assert_eq!(app.last_request().header("X-Forwarded-For"), "172.16.9.9");
    assert_eq!(host.websocket("http://app.example.org/ws", b"ping"), (101, b"ping".to_vec()));
    app.answers(503);
    host.get("http://app.example.org/").is(503);
}

#[test]
fn psql_meets_postgresql_15_from_an_address_of_choice() {
    psql_meets_the_server(12, 15);
}

#[test]
fn psql_meets_postgresql_17_from_an_address_of_choice() {
    psql_meets_the_server(13, 17);
}

fn psql_meets_the_server(number: u8, version: u8) {
    let host = Machine::debian(number).with_packages(["postgresql"]).boot();
    let folder = format!("/etc/postgresql/{version}/main");
    assert!(!host.unit(&format!("postgresql@{version}-main")).is_active(), "a layer starts nothing");
    host.write(&format!("{folder}/conf.d/lab.conf"), "listen_addresses = '*'\n");
    let hba = host.read(&format!("{folder}/pg_hba.conf"));
    host.write(&format!("{folder}/pg_hba.conf"), &(hba + "host all booking 10.0.0.0/16 scram-sha-256\n"));
    host.sh("systemctl start postgresql").succeeds();
    host.sh("runuser -u postgres -- psql -c \"create role booking login password 'x y'\"").succeeds();

    let login = "PGPASSWORD='x y' psql -h 10.0.0.10 -U booking -d postgres -Atc 'select 1'";
    host.from_outside("10.0.0.50").sh(login).prints("1");
    host.from_outside("192.168.77.50").sh(login).fails().says("no pg_hba.conf entry for host \"192.168.77.50\"");
    host.from_outside("10.0.0.50").sh(login).succeeds();
}

#[test]
fn names_answers_change_at_any_time() {
    let host = Machine::debian(13).boot();
    let names = host.names("10.0.0.2");
    names.set("api.internal", &["127.0.0.9"]);
    host.sh("getent ahostsv4 api.internal").succeeds().says("127.0.0.9");
    names.set("api.internal", &["127.0.0.8"]);
    host.sh("getent ahostsv4 api.internal").succeeds().says("127.0.0.8");
    host.sh("getent hosts nobody.internal").fails();
    assert!(names.asked("api.internal") >= 2);
}

#[test]
fn the_signed_repository_is_trusted_by_its_key_alone() {
    let host = Machine::debian(12).with_packages(["curl"]).boot();
    let repository = host.signed_repository();
    let line = |options: &str| format!("deb {options} {} ./\n", repository.url);
    host.write("/etc/apt/sources.list.d/lab.list", &line(""));
    host.sh("apt-get update").says("NO_PUBKEY");
    host.sh("curl -sf http://127.0.0.1:8100/key.gpg -o /etc/apt/keyrings/lab.gpg").succeeds();
    host.write("/etc/apt/sources.list.d/lab.list", &line("[signed-by=/etc/apt/keyrings/lab.gpg]"));
    host.installs(["lab-greeting"]);
    host.sh("cat /usr/share/lab/greeting").prints("greetings from lab-greeting 2.0");
    assert_eq!(repository.fingerprint.len(), 40);
}

#[test]
fn what_was_written_survives_a_reboot_and_a_power_cut() {
    let host = Machine::debian(13).boot();
    let before = host.digest("/etc");
    let boot = host.read("/proc/sys/kernel/random/boot_id");
    host.reboot();
    assert_ne!(host.read("/proc/sys/kernel/random/boot_id"), boot);
    before.is_still(&host.digest("/etc"));

    host.write("/etc/motd", "still here\n");
    host.kill_power();
    host.power_on();
    assert_eq!(host.read("/etc/motd"), "still here\n");
    assert_eq!(before.differences(&host.digest("/etc")).len(), 1);
    host.sh("journalctl --list-boots --quiet | wc -l").prints("3");
}

#[test]
fn arguments_are_recorded_also_of_what_systemd_starts() {
    let host = Machine::debian(12).boot();
    let recorded = host.recording_argv("systemd-run --quiet --wait echo 'a ]\"b' && true 'two words'");
    recorded.said.succeeds();
    assert!(recorded.argv.contains(&r#"/usr/bin/echo "/usr/bin/echo", "a ]\"b""#.to_owned()), "{:#?}", recorded.argv);
}

#[test]
fn a_running_program_can_be_signalled() {
    let host = Machine::debian(12).boot();
    let mut program = host.start("sleep 1000");
    assert!(program.is_running());
    program.signal("TERM");
    program.wait().exits(143);
}

#[test]
fn two_machines_live_side_by_side_and_leave_nothing() {
    let first = Machine::debian(12).disk("32M").boot();
    let second = Machine::debian(13).boot();
    first.write("/etc/motd", "first");
    second.write("/etc/motd", "second");
    assert_ne!(first.read("/etc/machine-id"), second.read("/etc/machine-id"));
    assert_eq!(first.read("/etc/motd"), "first");
    let disk = first.disks()[0].display().to_string();
    first.sh(&format!("mkfs.ext4 -q {disk} && mount {disk} /mnt && touch /mnt/x")).succeeds();

    let names = [first.name().to_owned(), second.name().to_owned()];
    drop((first, second));
    for name in &names {
        eventually("nothing bears its name", || traces(name).is_empty());
    }
    assert!(!fs::read_to_string("/proc/self/mounts").unwrap().contains(&disk));
}

#[test]
fn a_failed_expectation_tells_the_conversation_and_leaves_nothing() {
    let mut name = String::new();
    let panic = catch_unwind(AssertUnwindSafe(|| {
        let host = Machine::debian(12).boot();
        host.name().clone_into(&mut name);
        host.sh("echo one; echo two >&2; exit 7").succeeds();
    }));
    let message = panic.unwrap_err().downcast::<String>().unwrap();
    assert!(message.contains("expected exit code 0 from\n"), "{message}");
    assert!(message.contains("one\n--- stderr\ntwo\n--- exit 7"), "{message}");
    eventually("nothing bears its name", || traces(&name).is_empty());
}

#[test]
fn a_killed_test_leaves_nothing() {
    const VICTIM: &str = "HOSTAGENT_LAB_VICTIM";
    if env::var_os(VICTIM).is_some() {
        let host = Machine::debian(12).disk("32M").boot();
        println!("\nmachine {}", host.name());
        loop {
            host.sh("sleep 1000");
        }
    }
    let this = "lab::promises::a_killed_test_leaves_nothing";
    let mut victim = Command::new(env::current_exe().unwrap())
        .args(["--exact", this, "--nocapture"])
        .env(VICTIM, "")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let output = BufReader::new(victim.stdout.take().unwrap());
    let said = output.lines().map_while(Result::ok).find(|line| line.starts_with("machine "));
    let name = said.expect("the victim has a machine").replace("machine ", "");
    assert!(!traces(&name).is_empty());

    victim.kill().unwrap();
    victim.wait().unwrap();
    eventually("the watchdog has unmade the machine", || traces(&name).is_empty());
    assert!(register::all().iter().all(|entry| entry.name != name));
}

#[test]
#[should_panic(expected = "cannot be a machine's name")]
fn a_name_is_never_a_path() {
    register::Entry::existing("/srv");
}

#[test]
fn a_network_that_only_bears_a_machines_name_is_left_alone() {
    let name = format!("theirs-{}", std::process::id());
    let ours = format!("hostagent-lab.{name}");
    let theirs = [name.clone(), format!("{name}-out")].map(Theirs::add);
    let space = Path::new("/run/netns");

    let host = Machine::debian(12).named(&name).boot();
    assert!(space.join(&ours).exists());
    drop(host);
    eventually("the machine's own is gone", || !space.join(&ours).exists());
    assert!(theirs.iter().all(Theirs::is_there), "by the name of the machine");

    // And one that has the very name of the lab's own: it is no reason to take it away.
    let same = Theirs::add(format!("{ours}.out"));
    let panic = catch_unwind(|| Machine::debian(12).named(&name).boot()).unwrap_err();
    let message = panic.downcast::<String>().unwrap();
    assert!(message.contains("the lab did not make it\nhint: "), "{message}");
    eventually("the machine is unmade", || register::all().iter().all(|entry| entry.name != name));
    assert!(same.is_there() && theirs.iter().all(Theirs::is_there), "after a machine that was never there");
}

/// Somebody else's network namespace.
struct Theirs(String);

impl Theirs {
    fn add(name: String) -> Self {
        super::tool::run("ip", &["netns", "add", &name]);
        Self(name)
    }

    fn is_there(&self) -> bool {
        Path::new("/run/netns").join(&self.0).exists()
    }
}

impl Drop for Theirs {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "delete", &self.0]).status();
    }
}

#[test]
fn only_a_folder_that_says_it_is_the_labs_is_removed_from() {
    let refused = |work: &dyn Fn()| *catch_unwind(AssertUnwindSafe(work)).unwrap_err().downcast::<String>().unwrap();
    let theirs = tempfile::tempdir().unwrap();
    let precious = theirs.path().join("bookworm-0f8fa146bb1d/precious");
    fs::create_dir_all(&precious).unwrap();

    let message = refused(&|| place::claim(theirs.path()));
    let touch = format!("touch {}/.hostagent-lab", theirs.path().display());
    assert!(message.contains("nothing says that it is the lab's") && message.ends_with(&touch), "{message}");
    let message = refused(&|| base::remove(precious.parent().unwrap()));
    assert!(message.contains("is not in a folder of the lab, and stays"), "{message}");
    assert!(precious.exists());

    // A new folder becomes the lab's, and so does one of which a person says it.
    let new = theirs.path().join("new");
    place::claim(&new);
    fs::create_dir(new.join("bookworm-0")).unwrap();
    place::claim(&new);
    base::remove(&new.join("bookworm-0"));
    assert!(!new.join("bookworm-0").exists());
    fs::write(theirs.path().join(".hostagent-lab"), "").unwrap();
    place::claim(theirs.path());
}

/// Whatever on this host still bears a machine's name.
pub(super) fn traces(name: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    found.extend(mounts.lines().filter(|line| line.contains(name)).map(str::to_owned));
    let loops = super::tool::run("losetup", &["--list", "--noheadings"]);
    found.extend(loops.lines().filter(|line| line.contains(name)).map(str::to_owned));
    for folder in ["/run/netns", "/run/hostagent-lab/machines"] {
        for entry in fs::read_dir(folder).unwrap().flatten() {
            if entry.file_name().to_string_lossy().contains(name) {
                found.push(entry.path().display().to_string());
            }
        }
    }
    for process in fs::read_dir("/proc").unwrap().flatten() {
        let words = fs::read(process.path().join("cmdline")).unwrap_or_default();
        if String::from_utf8_lossy(&words).contains(name) {
            found.push(process.path().display().to_string());
        }
    }
    found
}
