//! Where the lab keeps things.

use std::path::{Path, PathBuf};
use std::{env, fs};

/// Says that a folder is the lab's: what is in it may be removed.
const MARK: &str = ".hostagent-lab";

/// The cache of what is made once: base roots, packages, layers. Outside the checkout, and may be deleted.
///
/// `$HOSTAGENT_LAB`, or else `~/.cache/hostagent/lab`. It is there, and the lab's.
pub fn cache() -> PathBuf {
    let usual = home().join(".cache/hostagent/lab");
    let folder = env::var_os("HOSTAGENT_LAB").map_or_else(|| usual.clone(), PathBuf::from);
    // Nobody else has anything there.
    if folder == usual && folder.exists() && !folder.join(MARK).exists() {
        mark(&folder);
    }
    claim(&folder);
    folder
}

/// Makes a folder the lab's if it is new or empty, or sees that it is.
pub fn claim(folder: &Path) {
    if folder.join(MARK).exists() {
        return;
    }
    let is_empty = |path| fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none());
    assert!(
        !folder.exists() || is_empty(folder) || folder.join(MARK).exists(),
        "{0} has something in it, and nothing says that it is the lab's, which would remove what it takes for old\n\
         hint: name another folder in $HOSTAGENT_LAB, or say that it is the lab's: touch {0}/{MARK}",
        folder.display()
    );
    fs::create_dir_all(folder).expect("the cache can be made");
    mark(folder);
}

/// Whether a path is in a folder of the lab.
pub fn is_ours(path: &Path) -> bool {
    path.ancestors().skip(1).any(|folder| folder.join(MARK).exists())
}

fn mark(folder: &Path) {
    fs::write(folder.join(MARK), "cargo lab keeps here what its machines are made of, and removes what is old\n")
        .expect("the cache can be written");
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
