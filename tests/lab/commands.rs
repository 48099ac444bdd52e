//! What a test does on a machine: run, read, write, install, kill.

use std::fs::File;
use std::io::Read as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::PoisonError;
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2};
use nix::sys::stat::Mode;

use super::boot::enter;
use super::machine::Machine;
use super::said::Said;
use super::tool;
use super::unit::Unit;

/// How long a command may take: long enough for any installation, short enough for CI to say why.
const PATIENCE: &str = "900";

impl Machine {
    /// Runs a line of shell as root.
    pub fn sh(&self, line: &str) -> Said {
        let mut command = self.command(&["timeout", PATIENCE, "sh", "-c", line]);
        self.hear(line, &mut command)
    }

    /// Starts a program, not a line of shell, and goes on.
    pub fn start(&self, program: &str) -> Running<'_> {
        let line = format!("echo $$ >/run/lab-running; exec {program}");
        let mut command = self.command(&["sh", "-c", &line]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let _ = std::fs::remove_file(self.root().join("run/lab-running"));
        let begun = Instant::now();
        let child = command.spawn().expect("nsenter runs");
        eventually("the program has started", || self.exists("/run/lab-running"));
        let id = self.read("/run/lab-running").trim().to_owned();
        Running { host: self, program: program.to_owned(), id, child, begun }
    }

    /// Installs packages from the pool, as a person would.
    pub fn installs<'a>(&self, packages: impl IntoIterator<Item = &'a str>) {
        let names: Vec<_> = packages.into_iter().collect();
        let quiet = "DEBIAN_FRONTEND=noninteractive apt-get -y -q";
        self.sh(&format!("{quiet} update && {quiet} install {}", names.join(" "))).succeeds();
    }

    /// The text of a file; links are followed as the machine follows them.
    pub fn read(&self, path: &str) -> String {
        let mut text = String::new();
        let read = self.open(path).and_then(|mut file| file.read_to_string(&mut text));
        read.unwrap_or_else(|error| panic!("cannot read {path} of {}: {error}", self.name()));
        text
    }

    /// Whether there is a file or folder.
    pub fn exists(&self, path: &str) -> bool {
        self.open(path).is_ok()
    }

    /// Writes a file as an editor does: folders are made, an existing file keeps its mode and owner.
    pub fn write(&self, path: &str, text: &str) {
        let line = "mkdir -p \"$(dirname \"$0\")\" && cat >\"$0\"";
        tool::fed(&mut self.command(&["sh", "-c", line, path]), text.as_bytes());
    }

    /// Copies a file of the host into the machine, with mode 0755.
    pub fn copy(&self, from: &Path, to: &str) {
        let target = self.root().join(to.trim_start_matches('/'));
        tool::run("install", &["-D".as_ref(), "-m0755".as_ref(), from.as_os_str(), target.as_os_str()]);
    }

    /// A systemd unit.
    pub fn unit(&self, name: &str) -> Unit<'_> {
        Unit::new(self, name)
    }

    /// Everything in the journal, of all boots, with every field.
    pub fn journal(&self) -> String {
        self.sh("journalctl --no-pager --all --output=verbose").succeeds().stdout
    }

    /// What the journal says to these options, such as `-u nginx -o cat`.
    pub fn journal_of(&self, options: &str) -> String {
        self.sh(&format!("journalctl --no-pager {options}")).succeeds().stdout
    }

    /// A command in the machine, not yet run.
    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = enter(self.leader());
        command.args(words);
        command
    }

    /// Runs a prepared command and remembers what was said, for a test that fails later.
    pub(super) fn hear(&self, line: &str, command: &mut Command) -> Said {
        let begun = Instant::now();
        let output = command.stdin(Stdio::null()).output().expect("nsenter runs");
        self.note_said(line, begun, &output)
    }

    fn note_said(&self, line: &str, begun: Instant, output: &Output) -> Said {
        let status = output.status;
        let said = Said {
            machine: self.name().to_owned(),
            command: line.to_owned(),
            exit: status.code().or(status.signal().map(|signal| 128 + signal)).unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            took: begun.elapsed(),
        };
        let mut conversation = self.conversation.lock().unwrap_or_else(PoisonError::into_inner);
        conversation.push(abridged(&said.to_string()));
        said
    }

    /// Expects that no command so far said this.
    pub fn has_not_said(&self, text: &str) {
        let conversation = self.conversation.lock().unwrap_or_else(PoisonError::into_inner);
        let telling = conversation.iter().find(|said| said.contains(text));
        assert!(telling.is_none(), "expected no word of `{text}` from\n{}", telling.map_or("", String::as_str));
    }

    /// Prints the conversation so far, for the log of a test that failed.
    pub(super) fn tell_what_was_said(&self) {
        let conversation = self.conversation.lock().unwrap_or_else(PoisonError::into_inner);
        eprintln!("--- the conversation with {}", self.name());
        for said in conversation.iter() {
            eprintln!("{said}");
        }
        eprintln!("--- end of the conversation with {}", self.name());
    }

    /// Opens a path as the machine sees it: an absolute link leads into the machine, not into the host.
    fn open(&self, path: &str) -> std::io::Result<File> {
        let root = File::open(self.root())?;
        let how = OpenHow::new()
            .flags(OFlag::O_RDONLY | OFlag::O_CLOEXEC)
            .mode(Mode::empty())
            .resolve(ResolveFlag::RESOLVE_IN_ROOT);
        Ok(openat2(&root, path, how)?.into())
    }
}

/// A program that runs in a machine.
#[derive(Debug)]
pub struct Running<'a> {
    host: &'a Machine,
    program: String,
    id: String,
    child: Child,
    begun: Instant,
}

impl Running<'_> {
    /// Sends it a signal, such as `TERM`.
    pub fn signal(&self, signal: &str) {
        self.host.sh(&format!("kill -{signal} {}", self.id)).succeeds();
    }

    /// Whether it has not ended yet.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("a child can be waited for").is_none()
    }

    /// Waits for its end.
    pub fn wait(self) -> Said {
        let output = self.child.wait_with_output().expect("a child can be waited for");
        self.host.note_said(&self.program, self.begun, &output)
    }
}

/// Waits until something holds; ends the test if it does not within half a minute.
pub fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(30), "not within 30 s: {what}");
        sleep(Duration::from_millis(20));
    }
}

/// The first and last lines of a long text.
fn abridged(text: &str) -> String {
    const ENDS: usize = 30;
    let lines: Vec<_> = text.lines().collect();
    let Some((head, rest)) = lines.split_at_checked(ENDS) else {
        return text.to_owned();
    };
    let Some((left_out, tail)) = rest.len().checked_sub(ENDS).map(|middle| rest.split_at(middle)) else {
        return text.to_owned();
    };
    format!("{}\n… {} lines …\n{}", head.join("\n"), left_out.len(), tail.join("\n"))
}
