//! Which programs were started, and with which arguments.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::boot::ENVIRONMENT;
use super::commands::eventually;
use super::machine::Machine;
use super::said::Said;

/// What a command answered, and the arguments of every program that was started meanwhile.
#[derive(Debug)]
pub struct Recorded {
    /// What it answered.
    pub said: Said,
    /// One line a program: its path, then its arguments as strace quotes them.
    pub argv: Vec<String>,
}

impl Machine {
    /// Runs a line of shell and records what it starts, and what systemd starts for it.
    ///
    /// The recording is done from the host: nothing is installed in the machine.
    pub fn recording_argv(&self, line: &str) -> Recorded {
        let leader = self.leader().to_string();
        let tracer = Tracer::of(&leader, self.entry().folder.join("strace-systemd"));
        let file = self.entry().folder.join("strace");
        let mut command = strace(&file);
        command.args(["nsenter", "--all", "--target", &leader, "--", "sh", "-c", line]);
        let said = self.hear(line, command.env_clear().envs(ENVIRONMENT));
        let mut argv = started(&file);
        argv.extend(started(&tracer.finish()));
        Recorded { said, argv }
    }
}

fn strace(output: &Path) -> Command {
    let mut command = Command::new("strace");
    command.args(["-f", "-qq", "-e", "trace=execve,execveat", "-e", "abbrev=none", "-s", "1048576", "-o"]);
    command.arg(output);
    command
}

/// Follows a process that runs already, and whatever it starts.
struct Tracer {
    strace: Child,
    file: PathBuf,
}

impl Tracer {
    fn of(process: &str, file: PathBuf) -> Self {
        let mut command = strace(&file);
        command.args(["-p", process]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let strace = command.spawn().expect("strace runs");
        let status = format!("/proc/{process}/status");
        eventually("strace follows systemd", || {
            fs::read_to_string(&status).is_ok_and(|text| !text.contains("TracerPid:\t0\n"))
        });
        Self { strace, file }
    }

    fn finish(mut self) -> PathBuf {
        let strace = Pid::from_raw(self.strace.id().cast_signed());
        kill(strace, Signal::SIGINT).expect("strace is ours");
        self.strace.wait().expect("a child can be waited for");
        self.file
    }
}

fn started(trace: &Path) -> Vec<String> {
    let trace = fs::read(trace).unwrap_or_default();
    String::from_utf8_lossy(&trace).lines().filter_map(arguments).collect()
}

/// `123 execve("/bin/x", ["x", "a"], ["HOME=/root"]) = 0` → `/bin/x "x", "a"`
fn arguments(line: &str) -> Option<String> {
    let (_, call) = line.split_once("execve")?;
    let call = call.strip_prefix("at").unwrap_or(call);
    let (_, program) = call.split_once('"')?;
    let (program, rest) = program.split_once('"')?;
    let (_, list) = rest.split_once('[')?;
    let mut quoted = false;
    let mut escaped = false;
    // A bracket inside a string is no end of the list.
    let end = list.find(|c| {
        let ends = c == ']' && !quoted;
        if c == '"' && !escaped {
            quoted = !quoted;
        }
        escaped = c == '\\' && !escaped;
        ends
    })?;
    Some(format!("{program} {}", list.get(..end)?))
}
