//! A machine's disk: an overlay whose changes are kept in memory.

use std::fs;
use std::path::Path;

use nix::mount::{MsFlags, mount};

use super::register::Entry;

/// Lays an overlay over these folders, and gives it a name and an identity.
pub fn lay(entry: &Entry, lower: &str) {
    let disk = entry.folder.join("disk");
    fs::create_dir_all(&disk).expect("/run can be written");
    attach("tmpfs", &disk, "tmpfs", "size=8g,mode=0755");
    for folder in ["upper", "work", "merged", "disks"] {
        fs::create_dir(disk.join(folder)).expect("a new disk can be written");
    }
    let (upper, work, merged) = (disk.join("upper"), disk.join("work"), disk.join("merged"));
    let layers = format!("lowerdir={lower},upperdir={},workdir={}", upper.display(), work.display());
    attach("overlay", &merged, "overlay", &layers);

    let name = &entry.name;
    let hosts = format!("127.0.0.1 localhost {name}\n::1 localhost ip6-localhost ip6-loopback\n");
    let identity = fs::read_to_string("/proc/sys/kernel/random/uuid").expect("/proc is mounted");
    for (path, text) in [
        ("etc/hosts", hosts),
        ("etc/hostname", format!("{name}\n")),
        // A new one each, as a cloud gives it; an empty one would make systemd enable every unit.
        ("etc/machine-id", identity.replace('-', "")),
    ] {
        fs::write(merged.join(path), text).expect("a new disk can be written");
    }
}

fn attach(source: &str, at: &Path, kind: &str, options: &str) {
    mount(Some(source), at, Some(kind), MsFlags::empty(), Some(options))
        .unwrap_or_else(|error| panic!("cannot mount {kind} at {} ({options}): {error}", at.display()));
}
