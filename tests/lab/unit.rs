//! A systemd unit, as a test looks at it.

use std::collections::BTreeMap;

use super::machine::Machine;

/// A unit of a machine.
#[derive(Debug)]
pub struct Unit<'a> {
    host: &'a Machine,
    name: String,
}

/// What tells one start of a unit from the next: a reload keeps it, a restart does not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Start {
    /// systemd's name for this start.
    pub invocation_id: String,
    /// The main process.
    pub pid: u32,
    /// When it became active, in microseconds since the machine's boot.
    pub started_at: u64,
}

impl<'a> Unit<'a> {
    pub(super) fn new(host: &'a Machine, name: &str) -> Self {
        Self { host, name: name.to_owned() }
    }

    /// systemd's name for the present start; another after every restart.
    pub fn invocation_id(&self) -> String {
        self.property("InvocationID")
    }

    /// The main process, or 0.
    pub fn pid(&self) -> u32 {
        self.property("MainPID").parse().expect("systemd prints a number")
    }

    /// When it became active, in microseconds since the machine's boot.
    pub fn started_at(&self) -> u64 {
        self.property("ActiveEnterTimestampMonotonic").parse().expect("systemd prints a number")
    }

    /// All that a restart changes.
    pub fn start(&self) -> Start {
        Start { invocation_id: self.invocation_id(), pid: self.pid(), started_at: self.started_at() }
    }

    /// The start times of every process of the unit, by process: a reload of nginx gives it new workers.
    pub fn processes(&self) -> BTreeMap<u32, String> {
        let group = self.property("ControlGroup");
        let line = format!(
            "for p in $(cat /sys/fs/cgroup{group}/cgroup.procs); do echo $p $(cut -d')' -f2 /proc/$p/stat | cut -d' ' -f21); done"
        );
        let said = self.host.sh(&line).succeeds();
        let pairs = said.stdout.lines().filter_map(|line| line.split_once(' '));
        pairs.map(|(id, time)| (id.parse().expect("a process is a number"), time.to_owned())).collect()
    }

    /// `active`, `inactive`, `failed` …
    pub fn state(&self) -> String {
        self.property("ActiveState")
    }

    /// Whether it runs.
    pub fn is_active(&self) -> bool {
        self.state() == "active"
    }

    /// Whether it starts at boot.
    pub fn is_enabled(&self) -> bool {
        self.property("UnitFileState") == "enabled"
    }

    /// Any property, as `systemctl show` prints it.
    pub fn property(&self, name: &str) -> String {
        let line = format!("systemctl show --value -p {name} {}", self.name);
        self.host.sh(&line).succeeds().text().to_owned()
    }
}
