//! hostagent on a machine: built, copied in, given a recipe, run.

use std::env;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::Value;

use super::commands::Running;
use super::machine::Machine;
use super::place;
use super::said::Said;

/// Where the agent reads its recipe if it is not told.
pub const RECIPE: &str = "/etc/hostagent/recipe.toml";

impl Machine {
    /// Gives the machine its recipe.
    pub fn recipe(&self, text: &str) {
        self.write(RECIPE, text);
    }

    /// Runs `hostagent` with these arguments, as a line of shell has them.
    pub fn agent(&self, arguments: &str) -> Said {
        self.has_agent();
        self.sh(&format!("hostagent {arguments}"))
    }

    /// Starts `hostagent` and goes on, for a test that interrupts it.
    pub fn start_agent(&self, arguments: &str) -> Running<'_> {
        self.has_agent();
        self.start(&format!("hostagent {arguments}"))
    }

    /// Sees to it that the machine has the agent of this checkout.
    pub fn has_agent(&self) {
        self.agent.get_or_init(|| self.copy(&binary(), "/usr/local/bin/hostagent"));
    }
}

/// The agent: `$HOSTAGENT_BIN`, or what cargo built for these tests, or else built now.
pub fn binary() -> PathBuf {
    if let Some(path) = env::var_os("HOSTAGENT_BIN") {
        return PathBuf::from(path);
    }
    option_env!("CARGO_BIN_EXE_hostagent").map_or_else(build, PathBuf::from)
}

/// The library's own tests as one program: `$HOSTAGENT_LIB_TESTS`, or else built now, which takes a moment if it was before.
pub fn library_tests() -> PathBuf {
    if let Some(path) = env::var_os("HOSTAGENT_LIB_TESTS") {
        return PathBuf::from(path);
    }
    let mut command = cargo();
    command.args(["test", "--lib", "--no-run", "--message-format=json"]).stderr(Stdio::inherit());
    let built = command.output().expect("cargo runs");
    let messages = String::from_utf8_lossy(&built.stdout).into_owned();
    let messages = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let program = messages.filter_map(|message| Some(PathBuf::from(message.get("executable")?.as_str()?))).next_back();
    program.filter(|_| built.status.success()).unwrap_or_else(|| {
        panic!("the library's tests do not build\nhint: HOSTAGENT_LIB_TESTS=… names a program that is built already")
    })
}

/// cargo, building into the folder where everything else is built.
pub fn cargo() -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.env("CARGO_TARGET_DIR", place::target()).current_dir(env!("CARGO_MANIFEST_DIR"));
    command
}

fn build() -> PathBuf {
    let status = cargo().args(["build", "--bin", "hostagent"]).status();
    assert!(
        status.is_ok_and(|status| status.success()),
        "hostagent does not build\nhint: HOSTAGENT_BIN=… names one that is built already"
    );
    place::target().join("debug/hostagent")
}
