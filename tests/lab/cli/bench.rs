//! `cargo lab bench`

use std::path::PathBuf;
use std::process::ExitCode;

use crate::bench;
use crate::lab::{agent, install, place};

/// Measure hostagent beside what it replaces, and print the table
///
/// The same work by a release build, an expert's shell script, Ansible, Puppet, pyinfra and CFEngine, each on machines of
/// its own, one after the other: about 40 minutes for all. Nothing else should run meanwhile.
#[derive(Debug, clap::Args)]
pub(crate) struct Bench {
    /// Only lines with this in their names, such as `nano`, `108` or `Ansible`; `certificates` for those instead
    filter: Option<String>,
}

impl Bench {
    pub(super) fn run(&self) -> ExitCode {
        install::ensure();
        let hostagent = released();
        let size = std::fs::metadata(&hostagent).map(|file| file.len()).unwrap_or_default();
        if self.filter.as_deref() == Some("certificates") {
            println!("\n{}", bench::certificates(&hostagent));
            return ExitCode::SUCCESS;
        }
        let table = bench::run(&hostagent, self.filter.as_deref());
        println!("\n{table}\nbinary: {} kB", size / 1000);
        ExitCode::SUCCESS
    }
}

/// `$HOSTAGENT_BIN`, or else a release build.
fn released() -> PathBuf {
    if let Some(path) = std::env::var_os("HOSTAGENT_BIN") {
        return PathBuf::from(path);
    }
    let built = agent::cargo().args(["build", "--release", "--bin", "hostagent"]).status();
    assert!(built.is_ok_and(|status| status.success()), "hostagent does not build");
    place::target().join("release/hostagent")
}
