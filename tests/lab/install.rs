//! What the lab needs from the host it runs on.

use std::env;
use std::path::Path;
use std::process::Command;
use std::sync::Once;

use nix::unistd::Uid;

use super::tool;

/// A program the lab runs, and the Debian package that has it.
const NEEDED: [(&str, &str); 11] = [
    ("mmdebstrap", "mmdebstrap"),
    ("systemd-nspawn", "systemd-container"),
    ("dpkg-scanpackages", "dpkg-dev"),
    ("ip", "iproute2"),
    ("strace", "strace"),
    ("gpg", "gpg"),
    ("gpg-agent", "gpg-agent"),
    ("flock", "util-linux"),
    ("losetup", "mount"),
    ("python3", "python3-venv"),
    ("c++", "g++"),
];

const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// Installs the packages that are missing, and says which.
pub fn ensure() {
    static DONE: Once = Once::new();
    DONE.call_once(install);
}

fn install() {
    assert!(
        Uid::effective().is_root(),
        "the lab makes namespaces and mounts, so it must run as root\nhint: sudo -E cargo lab …"
    );
    let mut missing: Vec<_> =
        NEEDED.iter().filter(|(program, _)| !is_there(program)).map(|(_, package)| *package).collect();
    if !Path::new(KEYRING).exists() {
        missing.push("debian-archive-keyring");
    }
    if missing.is_empty() {
        return;
    }
    eprintln!("lab: installing {} with apt", missing.join(" "));
    let apt = |arguments: &[&str]| {
        let mut command = Command::new("apt-get");
        command.args(["-q", "-o", "DPkg::Lock::Timeout=600"]).args(arguments);
        tool::heard(command.env("DEBIAN_FRONTEND", "noninteractive"))
    };
    apt(&["update"]);
    apt(&[&["install", "-y", "--no-install-recommends"], &missing[..]].concat());
}

fn is_there(program: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]).any(|folder| folder.join(program).exists())
}
