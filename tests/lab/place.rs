//! Where the lab keeps things.

use std::env;
use std::path::PathBuf;

/// The cache of what is made once: base roots, packages, layers. Outside the checkout, and may be deleted.
///
/// `$HOSTAGENT_LAB`, or else `~/.cache/hostagent/lab`.
pub fn cache() -> PathBuf {
    env::var_os("HOSTAGENT_LAB").map_or_else(|| home().join(".cache/hostagent/lab"), PathBuf::from)
}

/// Where builds go: `$CARGO_TARGET_DIR`, or else where this program itself was built.
pub fn target() -> PathBuf {
    let beside = || {
        let program = env::current_exe().ok()?;
        let profile = program.ancestors().find(|folder| folder.ends_with("debug") || folder.ends_with("release"))?;
        profile.parent().map(PathBuf::from)
    };
    env::var_os("CARGO_TARGET_DIR")
        .map(PathBuf::from)
        .or_else(beside)
        .unwrap_or_else(|| home().join(".cache/hostagent/target"))
}

/// The register of machines that exist now; gone with the next boot of this host, as they are.
pub fn run() -> PathBuf {
    PathBuf::from("/run/hostagent-lab")
}

fn home() -> PathBuf {
    env::var_os("HOME").map_or_else(|| PathBuf::from("/root"), PathBuf::from)
}
