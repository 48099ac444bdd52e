//! What a command answered, and what a test expects of it.

use std::fmt;
use std::time::Duration;

use serde_json::Value;

/// A command, its exit code and its words.
#[derive(Debug, Clone)]
pub struct Said {
    /// Where it ran.
    pub machine: String,
    /// What was run.
    pub command: String,
    /// Its exit code; 128 and the signal's number if a signal ended it.
    pub exit: i32,
    /// What it printed.
    pub stdout: String,
    /// What it complained.
    pub stderr: String,
    /// How long it took.
    pub took: Duration,
}

impl Said {
    /// Expects this exit code.
    pub fn exits(self, code: i32) -> Self {
        self.expect(|said| said.exit == code, || format!("exit code {code}"))
    }

    /// Expects exit code 0.
    pub fn succeeds(self) -> Self {
        self.exits(0)
    }

    /// Expects any other exit code.
    pub fn fails(self) -> Self {
        self.expect(|said| said.exit != 0, || "a failure".to_owned())
    }

    /// Expects this text in what it printed or complained.
    pub fn says(self, text: &str) -> Self {
        self.expect(|said| said.has(text), || format!("the words `{text}`"))
    }

    /// Expects that this text is nowhere in what it said.
    pub fn says_not(self, text: &str) -> Self {
        self.expect(|said| !said.has(text), || format!("no word of `{text}`"))
    }

    /// Expects to have printed exactly this, blanks at the end aside.
    pub fn prints(self, text: &str) -> Self {
        self.expect(|said| said.text() == text.trim_end(), || format!("exactly\n{text}"))
    }

    /// What it printed, read as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("expected JSON ({error}) from\n{self}"))
    }

    /// What it printed, without blanks at the end.
    pub fn text(&self) -> &str {
        self.stdout.trim_end()
    }

    fn has(&self, text: &str) -> bool {
        self.stdout.contains(text) || self.stderr.contains(text)
    }

    fn expect(self, met: impl FnOnce(&Self) -> bool, wanted: impl FnOnce() -> String) -> Self {
        assert!(met(&self), "expected {} from\n{self}", wanted());
        self
    }
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}# {}", self.machine, self.command)?;
        f.write_str(&self.stdout)?;
        if !self.stderr.is_empty() {
            writeln!(f, "--- stderr\n{}", self.stderr.trim_end())?;
        }
        write!(f, "--- exit {} after {} ms", self.exit, self.took.as_millis())
    }
}
