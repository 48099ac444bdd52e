//! What is made once for each release: a base root, its packages, a signed repository.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{self, Command};
use std::time::{Duration, Instant};

use super::release::Release;
use super::{install, place, pool, signed, sources, sum, tool};

/// What a base root has beside what every Debian has (`minbase`): no sudo, no sshd, no locales.
///
/// A machine that has no more than this proves that a bare host converges.
const INCLUDED: &str = "systemd,systemd-sysv,dbus,ca-certificates,iproute2,procps";

/// Counts changes of how a base is made that its lists do not show; a new number makes every base anew.
const RECIPE: u32 = 1;

/// One release, ready to make machines of.
#[derive(Debug, Clone)]
pub struct Base {
    release: Release,
    folder: PathBuf,
}

impl Base {
    /// The base of a release, made now if it is not there. Two processes may ask at once.
    pub fn of(release: Release) -> Self {
        install::ensure();
        let base = Self::at(release);
        if !base.folder.exists() {
            base.make();
        }
        base
    }

    /// The base of a release, whether it is there or not.
    pub fn at(release: Release) -> Self {
        Self { release, folder: folder(release) }
    }

    /// Forgets the base of a release, so that the next machine has today's packages.
    pub fn forget(release: Release) {
        let folder = folder(release);
        assert!(!is_stood_on(&folder), "a machine stands on the base of {release}\nhint: cargo lab list");
        remove(&folder);
    }

    /// The root a machine is laid over; never written to.
    pub fn root(&self) -> PathBuf {
        self.folder.join("root")
    }

    /// Debian's packages, bound into machines at `/srv/repo`.
    pub fn pool(&self) -> PathBuf {
        self.folder.join("pool")
    }

    /// The signed repository, served by HTTP where a test asks for it.
    pub fn signed(&self) -> PathBuf {
        self.folder.join("signed")
    }

    /// Where layers of installed packages are kept.
    pub fn layers(&self) -> PathBuf {
        self.folder.join("layers")
    }

    fn make(&self) {
        let cache = place::cache();
        fs::create_dir_all(&cache).expect("the cache can be made");
        let lock =
            File::create(cache.join(format!("{}.lock", self.release.codename()))).expect("the cache can be written");
        lock.lock().expect("a lock can be waited for");
        if self.folder.exists() {
            return;
        }
        eprintln!("lab: making the base of {}, once, in {}", self.release, cache.display());
        let begun = Instant::now();
        let drafts = format!(".draft-{}-", self.release.codename());
        for abandoned in fs::read_dir(&cache).expect("the cache can be read").flatten() {
            if abandoned.file_name().to_string_lossy().starts_with(&drafts) {
                remove(&abandoned.path());
            }
        }
        let draft = cache.join(format!("{drafts}{}", process::id()));
        fs::create_dir_all(draft.join("layers")).expect("the cache can be written");

        let sources = draft.join("sources.list");
        fs::write(&sources, sources::of(self.release)).expect("the cache can be written");
        bootstrap(self.release, &sources, &draft.join("root"));
        pool::fill(&sources, &draft.join("root"), &draft.join("pool"), pool::PACKAGES);
        signed::make(&draft.join("signed"));
        finish(&draft.join("root"));

        fs::rename(&draft, &self.folder).expect("the cache is one file system");
        self.remove_older();
        eprintln!("lab: the base of {} took {} s", self.release, begun.elapsed().as_secs());
    }

    /// Removes what other definitions made more than a week ago, unless a machine still stands on it.
    fn remove_older(&self) {
        let start = format!("{}-", self.release.codename());
        for entry in fs::read_dir(place::cache()).expect("the cache can be read").flatten() {
            let folder = entry.path();
            let is_other = entry.file_name().to_string_lossy().starts_with(&start) && folder != self.folder;
            let age = entry.metadata().and_then(|meta| meta.modified()).ok().and_then(|time| time.elapsed().ok());
            let is_stale = age.is_some_and(|age| age > Duration::from_hours(7 * 24));
            if is_other && is_stale && !is_stood_on(&folder) {
                remove(&folder);
            }
        }
    }
}

fn bootstrap(release: Release, sources: &Path, root: &Path) {
    let include = format!("--include={INCLUDED}");
    let mut command = Command::new("mmdebstrap");
    command.args(["--mode=root", "--variant=minbase", &include, release.codename()]);
    tool::heard(command.arg(root).arg(sources));
}

/// Leaves in the root only what every machine shares.
fn finish(root: &Path) {
    let write = |path: &str, text: &str| {
        fs::write(root.join(path), text).expect("the base can be written");
    };
    for entry in fs::read_dir(root.join("etc/apt/sources.list.d")).expect("apt is in the base") {
        fs::remove_file(entry.expect("a folder can be listed").path()).expect("the base can be written");
    }
    write("etc/apt/sources.list", "deb [trusted=yes] file:/srv/repo ./\n");
    // The resolver of a VPC; a test plays it with `host.names()`.
    let _ = fs::remove_file(root.join("etc/resolv.conf"));
    write("etc/resolv.conf", "nameserver 10.0.0.2\noptions timeout:1 attempts:1\n");
    // Without these systemd rebuilds its caches at every boot, as after an upgrade of /usr.
    write("etc/.updated", "");
    write("var/.updated", "");
    fs::create_dir_all(root.join("srv/repo")).expect("the base can be written");
    // Kept over a reboot, and there when a test asks what was logged before it.
    fs::create_dir_all(root.join("var/log/journal")).expect("the base can be written");
}

/// Whether the overlay of some machine has this folder beneath it.
fn is_stood_on(folder: &Path) -> bool {
    let mounts = fs::read_to_string("/proc/self/mounts").expect("/proc is mounted");
    mounts.contains(&*folder.to_string_lossy())
}

fn folder(release: Release) -> PathBuf {
    place::cache().join(format!("{}-{}", release.codename(), stamp()))
}

/// Names the definition of a base, so that a changed one is made anew.
fn stamp() -> String {
    sum::short(format!("{RECIPE} {INCLUDED} {}", pool::PACKAGES.join(" ")))
}

/// Removes a folder of the cache, and of nobody else, never following a mount out of it.
pub fn remove(folder: &Path) {
    assert!(place::is_ours(folder), "{} is not in a folder of the lab, and stays", folder.display());
    tool::run("rm", &["-rf".as_ref(), "--one-file-system".as_ref(), folder.as_os_str()]);
}
