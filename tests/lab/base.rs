//! What is made once for each release: a base root, its packages, a signed repository.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Instant;

use sha2::{Digest as _, Sha256};

use super::release::Release;
use super::{install, place, pool, signed, sources, tool};

/// What a base root has beside what every Debian has (`minbase`): no sudo, no sshd, no locales.
///
/// A machine that has no more than this proves that a bare host converges.
const INCLUDED: &str = "systemd,systemd-sysv,dbus,ca-certificates,iproute2,procps";

/// Counts changes of how a base is made that its lists do not show; a new number makes every base anew.
const RECIPE: u32 = 2;

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
        let base = Self { release, folder: folder(release) };
        if !base.folder.exists() {
            base.make();
        }
        base
    }

    /// Forgets the base of a release, so that the next machine has today's packages.
    pub fn forget(release: Release) {
        remove(&folder(release));
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
        let draft = cache.join(format!(".draft-{}", self.release.codename()));
        remove(&draft);
        fs::create_dir_all(draft.join("layers")).expect("the cache can be written");

        let sources = draft.join("sources.list");
        fs::write(&sources, sources::of(self.release)).expect("the cache can be written");
        bootstrap(self.release, &sources, &draft.join("root"));
        pool::fill(&sources, &draft.join("root"), &draft.join("pool"));
        signed::make(&draft.join("signed"));
        finish(&draft.join("root"));

        fs::rename(&draft, &self.folder).expect("the cache is one file system");
        eprintln!("lab: the base of {} took {} s", self.release, begun.elapsed().as_secs());
    }
}

fn bootstrap(release: Release, sources: &Path, root: &Path) {
    let include = format!("--include={INCLUDED}");
    let mut command = std::process::Command::new("mmdebstrap");
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

fn folder(release: Release) -> PathBuf {
    place::cache().join(format!("{}-{}", release.codename(), stamp()))
}

/// Names the definition of a base, so that a changed one is made anew.
fn stamp() -> String {
    let mut digest = Sha256::new();
    digest.update(RECIPE.to_le_bytes());
    digest.update(INCLUDED);
    for package in pool::PACKAGES {
        digest.update(package);
        digest.update(" ");
    }
    let bytes = digest.finalize();
    bytes.iter().take(6).map(|byte| format!("{byte:02x}")).collect()
}

/// Removes a folder of the cache, never following a mount out of it.
pub fn remove(folder: &Path) {
    tool::run("rm", &["-rf".as_ref(), "--one-file-system".as_ref(), folder.as_os_str()]);
}
