use std::fs;
use std::os::unix::fs::symlink;

use std::time::{SystemTime, UNIX_EPOCH};

use super::*;
use crate::host::processes::booted;
use crate::host::{Host, programs};

/// A host with nginx's processes under `/proc`.
struct Machine(tempfile::TempDir);

const MASTER: u32 = 70;

impl Machine {
    fn new() -> Self {
        let machine = Self(tempfile::tempdir().unwrap());
        machine.write("/run/nginx.pid", "70\n");
        machine.write("/etc/nginx/nginx.conf", "http {}\n");
        machine.process(MASTER, 1, "nginx: master process /usr/sbin/nginx", -100);
        machine
    }

    fn write(&self, path: &str, text: &str) {
        let place = self.0.path().join(path.trim_start_matches('/'));
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        fs::write(place, text).unwrap();
    }

    /// A process that started so many seconds from now.
    fn process(&self, pid: u32, parent: u32, command: &str, from_now: i128) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos().cast_signed();
        let ticks = (now - booted().unwrap()) / 10_000_000 + from_now * 100;
        self.write(
            &format!("/proc/{pid}/stat"),
            &format!("{pid} (nginx) S {parent} {} {ticks} 0", ["0"; 17].join(" ")),
        );
        self.write(&format!("/proc/{pid}/cmdline"), &format!("{command}\0"));
    }

    async fn ask(&self, make: fn(Vec<PathBuf>, Option<PathBuf>) -> Probe) -> Option<String> {
        let host = Host::at(self.0.path(), Box::new(programs::Real)).unwrap();
        let probe = make(vec!["/etc/nginx".into()], Some("/var/log/nginx/error.log".into()));
        probe.ask(&host.look()).await.unwrap()
    }
}

const TAKEN: &str = "2026/01/02 03:04:05 [notice] 99#99: signal process started
2026/01/02 03:04:05 [emerg] 70#70: bind() to 0.0.0.0:8080 failed (98: Address already in use)
2026/01/02 03:04:05 [emerg] 70#70: bind() to 0.0.0.0:8080 failed (98: Address already in use)
2026/01/02 03:04:07 [emerg] 70#70: still could not bind()
";

#[tokio::test]
async fn workers_newer_than_the_files_have_taken_them() {
    let machine = Machine::new();
    machine.process(71, MASTER, "nginx: worker process is shutting down", -50);
    machine.process(72, MASTER, "nginx: worker process", 5);
    machine.process(73, 1, "nginx: worker process", -50);
    machine.process(74, MASTER, "nginx: cache manager process", -50);
    assert_eq!(machine.ask(are_newer_than).await, None);
    assert_eq!(machine.ask(must_restart).await, None);
}

#[tokio::test]
async fn workers_older_than_the_files_have_not_and_the_log_says_why() {
    let machine = Machine::new();
    machine.process(71, MASTER, "nginx: worker process", -50);
    machine
        .write("/var/log/nginx/error.log", &format!("2026/01/01 00:00:00 [emerg] 70#70: of an earlier time\n{TAKEN}"));
    assert_eq!(
        machine.ask(are_newer_than).await.unwrap(),
        "nginx did not take its configuration and goes on with the one of before; its error log says:
  bind() to 0.0.0.0:8080 failed (98: Address already in use)
  still could not bind()"
    );
    assert_eq!(machine.ask(must_restart).await, None, "somebody else has the port");
}

#[tokio::test]
async fn a_port_that_nginx_itself_holds_wants_a_restart() {
    let machine = Machine::new();
    machine.process(71, MASTER, "nginx: worker process", -50);
    machine.write("/var/log/nginx/error.log", TAKEN);
    machine.write("/proc/net/tcp", "  sl  local_address\n   0: 00000000:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4242 1\n");
    fs::create_dir_all(machine.0.path().join("proc/70/fd")).unwrap();
    symlink("socket:[4242]", machine.0.path().join("proc/70/fd/6")).unwrap();
    let reason = machine.ask(must_restart).await.unwrap();
    assert_eq!(reason, "the running nginx itself stands in the way of `0.0.0.0:8080`");
}

#[tokio::test]
async fn a_moved_cache_wants_a_restart() {
    let machine = Machine::new();
    machine.process(71, MASTER, "nginx: worker process", -50);
    let line = "2026/01/02 03:04:05 [emerg] 70#70: cache \"main\" uses the \"/b\" cache path while previously it used the \"/a\" cache path\n";
    machine.write("/var/log/nginx/error.log", line);
    assert!(machine.ask(must_restart).await.is_some());
}

#[tokio::test]
async fn workers_that_come_late_are_waited_for() {
    let machine = Machine::new();
    machine.process(71, MASTER, "nginx: worker process", -50);
    let later = async {
        tokio::time::sleep(Duration::from_millis(60)).await;
        machine.process(71, MASTER, "nginx: worker process is shutting down", -50);
        machine.process(72, MASTER, "nginx: worker process", 5);
    };
    let (answer, ()) = tokio::join!(machine.ask(are_newer_than), later);
    assert_eq!(answer, None);
}
