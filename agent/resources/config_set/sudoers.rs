//! A file of sudo rules, as a set that sudo's own checker must like: a mistake there locks everybody out.

use std::path::PathBuf;

use super::{ConfigCheck, ConfigFile, ConfigSet};
use crate::terms::Mode;

/// Where sudo reads further rules. It passes over names with a dot and those that end in `~`.
pub const DIRECTORY: &str = "/etc/sudoers.d";

/// The file that sudo reads first.
pub const MAIN: &str = "/etc/sudoers";

/// What sudo insists on.
pub const MODE: Mode = Mode::new(0o440);

/// The rules in one file below [`DIRECTORY`].
pub fn rules(name: impl Into<String>, path: impl Into<PathBuf>, content: impl Into<Vec<u8>>) -> ConfigSet {
    let file = ConfigFile { mode: MODE, ..ConfigFile::new(path, content) };
    let check = ConfigCheck::copy(["visudo", "--check", "--file", "%s"], &file.path);
    ConfigSet { checks: vec![check], ..ConfigSet::new(name, vec![file]) }
}

/// The check of all rules together: an alias that two files define is wrong only there.
pub fn all_together() -> ConfigCheck {
    ConfigCheck::copies(["visudo", "--check", "--file", "%s"], MAIN, DIRECTORY)
}

/// The same of the files as they stand, with their owners and modes.
pub fn as_they_stand() -> ConfigCheck {
    ConfigCheck::program(["visudo", "--check"])
}
