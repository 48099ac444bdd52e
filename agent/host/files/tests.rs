//! Files, on real ones in a temporary root that plays a host.

mod aimed;
mod whole;

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use super::*;
use crate::host::Host;
use crate::host::programs::Real;

/// Somebody else.
const OTHER: u32 = 4711;

struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        fs::create_dir_all(place.at("/etc")).unwrap();
        fs::write(place.at("/etc/passwd"), "root").unwrap();
        place
    }

    fn at(&self, path: &str) -> PathBuf {
        self.0.path().join(path.trim_start_matches('/'))
    }

    fn touch(&self) -> Touch {
        Host::at(self.0.path(), Box::new(Real)).unwrap().touch()
    }

    /// A home directory that its owner, or everybody, may write.
    fn home(&self, mode: u32, owner: u32) -> PathBuf {
        let home = self.at("/home/ops");
        fs::create_dir_all(&home).unwrap();
        fs::set_permissions(&home, fs::Permissions::from_mode(mode)).unwrap();
        if Uid::effective().is_root() {
            chown(&home, Some(owner), Some(owner)).unwrap();
        }
        home
    }

    /// The ways in which somebody else may write a directory, as far as this process can make them.
    fn homes(&self) -> impl Iterator<Item = PathBuf> {
        let open = [(0o777, Uid::effective().as_raw()), (0o1777, Uid::effective().as_raw())];
        let theirs = [(0o700, OTHER), (0o755, OTHER)].into_iter().filter(|_| Uid::effective().is_root());
        let all: Vec<(u32, u32)> = open.into_iter().chain(theirs).collect();
        all.into_iter().map(|(mode, owner)| self.home(mode, owner))
    }

    fn names(&self, path: &str) -> Vec<String> {
        let entries =
            fs::read_dir(self.at(path)).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = entries.collect();
        names.sort();
        names
    }
}

fn access(mode: u32) -> Access {
    Access { uid: Uid::effective().as_raw(), gid: Gid::effective().as_raw(), mode }
}

fn mode_of(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().mode() & 0o7777
}
