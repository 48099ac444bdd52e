//! The SSH server: its drop-ins as a set that `sshd -t` must like, and the service that loads them.

use super::{ConfigCheck, ConfigFile, ConfigSet};
use crate::resources::directory::Directory;
use crate::resources::service::{OnChange, Service};

/// Where the server reads drop-ins. The first value of a setting counts.
pub const DIRECTORY: &str = "/etc/ssh/sshd_config.d";
/// The file that the server reads, and that leads it to the drop-ins.
pub const MAIN: &str = "/etc/ssh/sshd_config";
/// The package that brings it.
pub const PACKAGE: &str = "openssh-server";
/// The set of the `[ssh]` table.
pub const SET: &str = "sshd";
/// The set of all `[[file]]`s that the server reads.
pub const FILES: &str = "sshd-files";

/// Drop-ins of the server.
pub fn drop_ins(name: &str, files: Vec<ConfigFile>) -> ConfigSet {
    let copies = ConfigCheck::copies(["sshd", "-t", "-f", "%s"], MAIN, DIRECTORY);
    let checks = vec![copies, ConfigCheck::program(["sshd", "-t"])];
    ConfigSet { checks, read_by: Some("ssh".to_owned()), ..ConfigSet::new(name, files) }
}

/// The directory without which `sshd -t` refuses to check anything; the service makes it only while it runs.
pub fn privilege_separation() -> Directory {
    Directory { stays: true, ..Directory::new("/run/sshd") }
}

/// The service: it reloads when a drop-in changes, and whoever is logged in stays so.
pub fn service() -> Service {
    Service {
        reads: vec![MAIN.into(), DIRECTORY.into()],
        on_change: OnChange::Reload,
        sets: vec![SET.to_owned(), FILES.to_owned()],
        ..Service::running("ssh")
    }
}
