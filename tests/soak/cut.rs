//! How a run is cut off.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::lab::{Machine, eventually};

/// What happens to one run, to the run that is to finish it, and so on.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub(super) cuts: Vec<Cut>,
    /// Whether nobody wants that change any more after it was cut off.
    pub(super) is_given_up: bool,
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cuts: Vec<String> = self.cuts.iter().map(ToString::to_string).collect();
        write!(f, "{}{}", cuts.join(", then "), if self.is_given_up { ", given up" } else { "" })
    }
}

/// When a run is cut off, and what goes with it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Cut {
    /// hostagent alone, when so many resources are done with.
    After(usize),
    /// hostagent alone. What it started goes on for a while.
    Alone(Duration),
    /// hostagent and everything it started, as systemd ends a unit.
    WithAll(Duration),
    /// The machine's power.
    Power(Duration),
    /// hostagent alone, before a system call by which it changes something.
    Before(Call),
    /// hostagent alone, when this program is at work.
    AloneDuring(&'static str),
    /// hostagent and everything it started, when this program is at work.
    WithAllDuring(&'static str),
    /// The machine's power, when this program is at work.
    PowerDuring(&'static str),
}

/// One of a run's system calls: the so-maniest of a kind.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Call {
    kind: &'static str,
    number: usize,
}

/// The system calls by which a program changes something: files, other programs, what it says to servers.
const CALLS: &[&str] = &[
    "rename",
    "renameat",
    "renameat2",
    "unlink",
    "unlinkat",
    "rmdir",
    "mkdir",
    "mkdirat",
    "symlink",
    "symlinkat",
    "link",
    "linkat",
    "chmod",
    "fchmod",
    "fchmodat",
    "fchown",
    "fchownat",
    "lchown",
    "fsync",
    "fdatasync",
    "ftruncate",
    "write",
    "writev",
    "sendto",
    "sendmsg",
    "clone",
    "clone3",
    "vfork",
    "kill",
];

impl Call {
    /// Runs hostagent to its end, and tells which of these calls it made, in their order.
    pub(super) fn all_of_a_run(host: &Machine) -> Vec<Self> {
        host.has_agent();
        let trace = CALLS.join(",");
        host.sh(&format!("strace -qq -o /run/calls -e trace={trace} hostagent converge --verbose")).exits(0);
        let mut seen = BTreeMap::new();
        let mut calls = Vec::new();
        for line in host.read("/run/calls").lines() {
            let is_this = |kind: &&&str| line.strip_prefix(**kind).is_some_and(|rest| rest.starts_with('('));
            if let Some(&kind) = CALLS.iter().find(is_this) {
                let number = seen.entry(kind).and_modify(|number| *number += 1).or_insert(1);
                calls.push(Self { kind, number: *number });
            }
        }
        host.sh("rm /run/calls").succeeds();
        calls
    }
}

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::After(resources) => write!(f, "killed after {resources} resources"),
            Self::Alone(at) => write!(f, "killed at {:.3} s", at.as_secs_f64()),
            Self::WithAll(at) => write!(f, "killed with all it had started at {:.3} s", at.as_secs_f64()),
            Self::Power(at) => write!(f, "power cut at {:.3} s", at.as_secs_f64()),
            Self::AloneDuring(program) => write!(f, "killed while {program} worked"),
            Self::WithAllDuring(program) => write!(f, "killed with all it had started while {program} worked"),
            Self::PowerDuring(program) => write!(f, "power cut while {program} worked"),
            Self::Before(Call { kind, number }) => write!(f, "killed before {kind} number {number}"),
        }
    }
}

impl Cut {
    /// Starts a run and cuts it off: the last it said, or none if it had ended before.
    pub(super) fn strike(self, host: &Machine) -> Option<String> {
        host.has_agent();
        let mut words = vec!["hostagent", "converge", "--verbose"];
        let injected;
        if let Self::Before(Call { kind, number }) = self {
            injected = format!("inject={kind}:signal=KILL:when={number}");
            words.splice(0..0, ["strace", "-qq", "-o", "/dev/null", "-e", &injected]);
        }
        let mut command = host.command(&words);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().expect("nsenter runs");
        let begun = Instant::now();
        let mut lines = BufReader::new(child.stdout.take().expect("stdout is a pipe")).lines().map_while(Result::ok);
        let mut last = None;
        let in_time = match self {
            Self::After(resources) => {
                let mut done = 0;
                while done < resources {
                    let Some(line) = lines.next() else { break };
                    if is_of_a_resource(&line) {
                        done += 1;
                        last = Some(line);
                    }
                }
                let in_time = end(&mut child, false);
                drop(lines.last());
                in_time
            }
            Self::Before(_) => {
                last = lines.filter(|line| is_of_a_resource(line)).last();
                !child.wait().expect("a child can be waited for").success()
            }
            Self::Alone(_)
            | Self::WithAll(_)
            | Self::Power(_)
            | Self::AloneDuring(_)
            | Self::WithAllDuring(_)
            | Self::PowerDuring(_) => {
                let reader = thread::spawn(move || lines.filter(|line| is_of_a_resource(line)).last());
                match self {
                    Self::AloneDuring(program) | Self::WithAllDuring(program) | Self::PowerDuring(program) => {
                        while is_running(&mut child) && !is_at_work(program, child.id()) {}
                    }
                    Self::Alone(at) | Self::WithAll(at) | Self::Power(at) => {
                        sleep(at.saturating_sub(begun.elapsed()));
                    }
                    Self::After(_) | Self::Before(_) => {}
                }
                let in_time = match self {
                    Self::Power(_) | Self::PowerDuring(_) => {
                        is_running(&mut child) && {
                            host.kill_power();
                            true
                        }
                    }
                    _ => end(&mut child, matches!(self, Self::WithAll(_) | Self::WithAllDuring(_))),
                };
                child.wait().expect("a child can be waited for");
                last = reader.join().expect("a reader only reads");
                in_time
            }
        };
        child.wait().expect("a child can be waited for");
        if in_time && matches!(self, Self::Power(_) | Self::PowerDuring(_)) {
            host.power_on();
        }
        let id = last.as_deref().and_then(|line| line.split_whitespace().nth(1)).unwrap_or("nothing yet");
        in_time.then(|| id.to_owned())
    }
}

/// Every resource has a line of its own: a sign, its id, what came of it.
pub(super) fn is_of_a_resource(line: &str) -> bool {
    let mut words = line.split_whitespace();
    let sign = words.next().is_some_and(|sign| sign.chars().count() == 1);
    sign && words.next().is_some_and(|id| id.contains(':'))
}

fn is_running(child: &mut Child) -> bool {
    child.try_wait().expect("a child can be waited for").is_none()
}

/// Kills hostagent, and all that it started; says whether it was still there.
fn end(nsenter: &mut Child, with_all: bool) -> bool {
    let mut agent = None;
    let mut gone = false;
    eventually("hostagent has started", || {
        agent = children(nsenter.id()).into_iter().find(|id| name(*id) == "hostagent");
        gone = !is_running(nsenter);
        agent.is_some() || gone
    });
    let Some(agent) = agent.filter(|_| !gone) else { return false };
    let mut all = vec![agent];
    if with_all {
        // Those that are stopped start no others meanwhile.
        let mut next = 0;
        while let Some(&id) = all.get(next) {
            let _ = kill(pid(id), Signal::SIGSTOP);
            all.extend(children(id));
            next += 1;
        }
    }
    let was_there = all.into_iter().map(|id| kill(pid(id), Signal::SIGKILL).is_ok()).fold(false, |any, one| any | one);
    // nsenter(1) stops when its child does.
    eventually("nsenter has ended", || {
        let _ = kill(pid(nsenter.id()), Signal::SIGCONT);
        !is_running(nsenter)
    });
    was_there
}

/// Whether a process, or one that it started, is this program.
fn is_at_work(program: &str, id: u32) -> bool {
    // The kernel keeps so much of a name.
    let start = program.get(..15).unwrap_or(program);
    name(id) == start || children(id).into_iter().any(|child| is_at_work(program, child))
}

fn pid(id: u32) -> Pid {
    Pid::from_raw(i32::try_from(id).expect("a process is a number"))
}

fn name(id: u32) -> String {
    fs::read_to_string(format!("/proc/{id}/comm")).unwrap_or_default().trim_end().to_owned()
}

/// What a process started, in all its threads.
fn children(id: u32) -> Vec<u32> {
    let threads = fs::read_dir(format!("/proc/{id}/task")).into_iter().flatten().flatten();
    let lists = threads.map(|thread| fs::read_to_string(thread.path().join("children")).unwrap_or_default());
    lists.flat_map(|list| list.split_whitespace().filter_map(|id| id.parse().ok()).collect::<Vec<_>>()).collect()
}
