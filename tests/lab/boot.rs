//! Power on, power off: a root under systemd-nspawn.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::commands::eventually;
use super::register::Entry;

const PATIENCE: Duration = Duration::from_secs(90);

/// What a command inside a machine has for an environment.
pub const ENVIRONMENT: [(&str, &str); 4] = [
    ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
    ("HOME", "/root"),
    ("USER", "root"),
    ("LANG", "C.UTF-8"),
];

/// A machine that has power.
#[derive(Debug)]
pub struct Power {
    /// The process of systemd-nspawn, which is ours to reap if we started it.
    nspawn: u32,
    child: Option<Child>,
    /// The machine's process 1, by its number on this host.
    pub leader: u32,
}

impl Power {
    /// Boots a root and waits until systemd has started everything.
    pub fn on(entry: &Entry, root: &Path, namespace: &Path, more: &[String]) -> Self {
        let cgroup = cgroup(&entry.name);
        entry.note("cgroup", &cgroup.display().to_string());
        fs::create_dir_all(&cgroup).expect("the lab may make control groups");

        let console = entry.folder.join("console");
        let log = fs::File::options().create(true).append(true).open(&console);
        let log = log.expect("/run can be written");
        let enter = "echo $$ >\"$0/cgroup.procs\" && exec systemd-nspawn \"$@\"";
        let mut command = Command::new("setsid");
        command.args(["sh", "-c", enter]).arg(&cgroup);
        command.arg("-D").arg(root).args(["--boot", "--register=no", "--keep-unit"]);
        command.args(["--resolv-conf=off", "--timezone=off", "--kill-signal=SIGRTMIN+3"]);
        command.args([format!("--machine={}", entry.name), format!("--hostname={}", entry.name)]);
        command.arg(format!("--network-namespace-path={}", namespace.display())).args(more);
        // As a Debian of today has it, also on a host that still has the old hierarchies.
        command.env("SYSTEMD_NSPAWN_UNIFIED_HIERARCHY", "1").current_dir("/");
        let error_log = log.try_clone().expect("a file can be shared");
        command.stdin(Stdio::null()).stdout(log).stderr(error_log);
        let child = command.spawn().unwrap_or_else(|error| panic!("cannot run {command:?}: {error}"));

        let mut power = Self { nspawn: child.id(), child: Some(child), leader: 0 };
        entry.note("nspawn", &power.nspawn.to_string());
        let begun = Instant::now();
        while !power.is_up(&entry.name) {
            if power.has_ended() || begun.elapsed() > PATIENCE {
                let said = fs::read_to_string(&console).unwrap_or_default();
                panic!("{} did not boot; its console said:\n{said}", entry.name);
            }
            sleep(Duration::from_millis(10));
        }
        power
    }

    /// The power of a machine that another process turned on; `None` if it is off.
    pub fn of(entry: &Entry) -> Option<Self> {
        let nspawn = entry.noted("nspawn")?.parse().ok()?;
        let leader = leader(nspawn)?;
        Some(Self { nspawn, child: None, leader })
    }

    /// Waits until the machine has gone down by itself.
    pub fn wait_off(&mut self) {
        let begun = Instant::now();
        while !self.has_ended() {
            assert!(begun.elapsed() < PATIENCE, "the machine did not go down");
            sleep(Duration::from_millis(10));
        }
    }

    /// Pulls the plug.
    pub fn cut(&mut self, entry: &Entry) {
        let cgroup = cgroup(&entry.name);
        fs::write(cgroup.join("cgroup.kill"), "1").expect("the lab may kill its machine");
        self.wait_off();
        // A group that was killed once is marked. Programs that the next boot starts out of one (clone3(2) does it) into a
        // new one would be killed, too: the kernel takes them for some that escaped.
        eventually("the machine's control groups are gone", || remove_group(&cgroup).is_ok());
    }

    /// Collects the child, if it was ours, when others have ended it.
    pub fn reap(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.wait();
        }
    }

    fn has_ended(&mut self) -> bool {
        match &mut self.child {
            Some(child) => child.try_wait().expect("a child can be waited for").is_some(),
            None => leader(self.nspawn).is_none(),
        }
    }

    fn is_up(&mut self, name: &str) -> bool {
        let Some(leader) = leader(self.nspawn) else {
            return false;
        };
        let asked = enter(leader).args(["systemctl", "is-system-running", "--wait"]).output();
        let state = asked.map(|output| output.stdout).unwrap_or_default();
        match state.trim_ascii() {
            b"running" => {}
            b"degraded" => report_failed_units(leader, name),
            _ => return false,
        }
        self.leader = leader;
        true
    }
}

/// A command in all namespaces of the machine; what to run is still to be added.
pub fn enter(leader: u32) -> Command {
    let mut command = Command::new("nsenter");
    command.args(["--all", "--target", &leader.to_string(), "--"]);
    command.env_clear().envs(ENVIRONMENT);
    command
}

fn report_failed_units(leader: u32, name: &str) {
    let failed = enter(leader).args(["systemctl", "--failed", "--plain", "--no-legend"]).output();
    let failed = failed.map(|output| output.stdout).unwrap_or_default();
    eprintln!("lab: {name} came up, but these units failed:\n{}", String::from_utf8_lossy(&failed));
}

/// The only child of systemd-nspawn, once it is process 1 of the machine and runs systemd.
fn leader(nspawn: u32) -> Option<u32> {
    let children = fs::read_to_string(format!("/proc/{nspawn}/task/{nspawn}/children")).ok()?;
    let leader: u32 = children.trim().parse().ok()?;
    let status = fs::read_to_string(format!("/proc/{leader}/status")).ok()?;
    let is_first =
        status.lines().any(|line| line.strip_prefix("NSpid:").is_some_and(|ids| ids.trim().ends_with("\t1")));
    (is_first && status.starts_with("Name:\tsystemd\n")).then_some(leader)
}

/// Removes a control group and those in it.
fn remove_group(group: &Path) -> io::Result<()> {
    for entry in fs::read_dir(group)?.flatten() {
        if entry.file_type()?.is_dir() {
            remove_group(&entry.path())?;
        }
    }
    fs::remove_dir(group)
}

/// Where everything the machine runs is counted, and killed.
fn cgroup(name: &str) -> PathBuf {
    let mounts = fs::read_to_string("/proc/self/mounts").expect("/proc is mounted");
    let unified = mounts.lines().find_map(|line| {
        let mut words = line.split(' ').skip(1);
        let (point, kind) = (words.next()?, words.next()?);
        (kind == "cgroup2").then_some(point)
    });
    Path::new(unified.expect("this host has cgroup v2")).join("hostagent-lab").join(name)
}
