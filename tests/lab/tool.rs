//! Programs of the host that the lab runs, and what is said when one fails.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Output, Stdio};

/// Runs a program and returns what it printed; ends the lab if it fails.
pub fn run(program: &str, arguments: &[impl AsRef<OsStr>]) -> String {
    heard(Command::new(program).args(arguments))
}

/// Runs a prepared command and returns what it printed; ends the lab if it fails.
pub fn heard(command: &mut Command) -> String {
    let output =
        command.stdin(Stdio::null()).output().unwrap_or_else(|error| panic!("cannot run {command:?}: {error}"));
    accepted(command, &output)
}

/// Runs a program that reads `input`; ends the lab if it fails.
pub fn fed(command: &mut Command, input: &[u8]) -> String {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("cannot run {command:?}: {error}"));
    let mut stdin = child.stdin.take().expect("stdin is a pipe");
    let written = stdin.write_all(input);
    drop(stdin);
    let output = child.wait_with_output().expect("a child can be waited for");
    let printed = accepted(command, &output);
    written.unwrap_or_else(|error| panic!("{command:?} did not read its input: {error}"));
    printed
}

fn accepted(command: &Command, output: &Output) -> String {
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return printed;
    }
    let mut complaint = format!("{command:?} ended with {}", output.status);
    for text in [&*printed, &String::from_utf8_lossy(&output.stderr)] {
        if !text.trim().is_empty() {
            let _ = write!(complaint, "\n{}", text.trim_end());
        }
    }
    panic!("{complaint}")
}
