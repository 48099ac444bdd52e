//! Layers of installed packages, so that a test about drift need not install first.

use std::fs::{self, File};
use std::path::PathBuf;

use super::base::{Base, remove};
use super::machine::Machine;
use super::release::Release;
use super::{sum, tool};

/// What a machine wrote that is its own and not the packages'.
const OWN: [&str; 12] = [
    "etc/hostname",
    "etc/hosts",
    "etc/machine-id",
    "root",
    "run",
    "srv",
    "tmp",
    "usr/sbin/policy-rc.d",
    "var/cache/apt",
    "var/lib/apt/lists",
    "var/lib/systemd",
    "var/log/journal",
];

/// The folder that, laid over the base, has these packages installed; made now if it is not there.
pub fn of(base: &Base, release: Release, packages: &[String]) -> PathBuf {
    let mut wanted: Vec<_> = packages.iter().map(String::as_str).collect();
    wanted.sort_unstable();
    wanted.dedup();
    let key = sum::short(wanted.join(" "));
    let layer = base.layers().join(&key);
    if layer.exists() {
        return layer;
    }
    let lock = File::create(base.layers().join(format!("{key}.lock"))).expect("the cache can be written");
    lock.lock().expect("a lock can be waited for");
    if !layer.exists() {
        make(release, &wanted, &layer);
    }
    layer
}

fn make(release: Release, packages: &[&str], layer: &std::path::Path) {
    eprintln!("lab: installing {} for {release}, once", packages.join(" "));
    // It waits for no slot: the test that needs the layer may hold the last one.
    let host = Machine::debian(release.number()).boot_in(None);
    host.write("/usr/sbin/policy-rc.d", "#!/bin/sh\nexit 101\n");
    host.sh("chmod 0755 /usr/sbin/policy-rc.d").succeeds();
    let enabled = "systemctl list-unit-files --state=enabled --plain --no-legend | cut -d' ' -f1 | sort";
    host.sh(&format!("{enabled} >/run/before")).succeeds();
    host.installs(packages.iter().copied());
    host.sh(&format!("{enabled} | comm -13 /run/before - | xargs -r systemctl disable --now --quiet")).succeeds();
    host.power_off();

    let draft = layer.with_extension("draft");
    remove(&draft);
    let upper = host.entry().folder.join("disk/upper");
    tool::run("cp", &["-a".as_ref(), upper.as_os_str(), draft.as_os_str()]);
    for path in OWN {
        remove(&draft.join(path));
    }
    fs::rename(&draft, layer).expect("the cache is one file system");
}
