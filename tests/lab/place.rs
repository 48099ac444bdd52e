//! Where the lab keeps things.

use std::env;
use std::path::PathBuf;

/// The cache of what is made once: base roots, packages, layers. Outside the checkout, and may be deleted.
///
/// `$HOSTAGENT_LAB`, or else `~/.cache/hostagent/lab`.
pub fn cache() -> PathBuf {
    env::var_os("HOSTAGENT_LAB").map_or_else(|| home().join(".cache/hostagent/lab"), PathBuf::from)
}

/// Where builds go, shared by every checkout: `$CARGO_TARGET_DIR`, or else `~/.cache/hostagent/target`.
pub fn target() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| home().join(".cache/hostagent/target"), PathBuf::from)
}

/// The register of machines that exist now; gone with the next boot of this host, as they are.
pub fn run() -> PathBuf {
    PathBuf::from("/run/hostagent-lab")
}

fn home() -> PathBuf {
    env::var_os("HOME").map_or_else(|| PathBuf::from("/root"), PathBuf::from)
}
