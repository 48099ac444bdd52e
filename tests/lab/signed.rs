//! A small apt repository of the lab's own, signed with a key of the lab's own.
//!
//! It has one package, `lab-greeting`, in two versions: whoever installed it took it from here.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::{pool, tool};

/// The versions of `lab-greeting` in the repository.
pub const VERSIONS: [&str; 2] = ["1.0", "2.0"];

/// Makes the repository: `InRelease`, `Packages`, the packages, `key.asc`, `key.gpg`, `fingerprint`.
pub fn make(folder: &Path) {
    fs::create_dir_all(folder).expect("the cache can be written");
    for version in VERSIONS {
        package(folder, version);
    }
    sign(folder, &pool::index(folder));
}

fn package(folder: &Path, version: &str) {
    let tree = folder.join("tree");
    for part in ["DEBIAN", "usr/share/lab"] {
        fs::create_dir_all(tree.join(part)).expect("the cache can be written");
    }
    let control = format!(
        "Package: lab-greeting\nVersion: {version}\nArchitecture: all\n\
         Maintainer: lab <lab@example.org>\nDescription: a greeting\n"
    );
    fs::write(tree.join("DEBIAN/control"), control).expect("the cache can be written");
    let greeting = format!("greetings from lab-greeting {version}\n");
    fs::write(tree.join("usr/share/lab/greeting"), greeting).expect("the cache can be written");
    let file = folder.join(format!("lab-greeting_{version}_all.deb"));
    let mut command = Command::new("dpkg-deb");
    tool::heard(command.args(["--root-owner-group", "--build"]).arg(&tree).arg(file));
    fs::remove_dir_all(tree).expect("the cache can be written");
}

fn sign(folder: &Path, release: &str) {
    let ring = folder.join("ring");
    fs::create_dir_all(&ring).expect("the cache can be written");
    tool::run("chmod", &["0700".as_ref(), ring.as_os_str()]);
    let gpg = |arguments: &[&str], input: &[u8]| {
        let mut command = Command::new("gpg");
        command.arg("--homedir").arg(&ring).args(["--batch", "--quiet", "--pinentry-mode", "loopback"]);
        tool::fed(command.args(["--passphrase", ""]).args(arguments), input)
    };
    gpg(&["--quick-gen-key", "lab <lab@example.org>", "ed25519", "sign", "never"], b"");
    let listed = gpg(&["--with-colons", "--list-keys"], b"");
    let fingerprint = listed
        .lines()
        .find_map(|line| line.strip_prefix("fpr:").map(|rest| rest.replace(':', "")))
        .expect("gpg lists the key it made");
    let signed = gpg(&["--clearsign", "--digest-algo", "SHA512"], release.as_bytes());
    let armoured = gpg(&["--armor", "--export"], b"");

    for (name, text) in [("InRelease", signed), ("key.asc", armoured), ("fingerprint", fingerprint)] {
        fs::write(folder.join(name), text).expect("the cache can be written");
    }
    let key = folder.join("key.gpg").display().to_string();
    gpg(&["--output", &key, "--export"], b"");
    let mut agent = Command::new("gpgconf");
    tool::heard(agent.arg("--homedir").arg(&ring).args(["--kill", "gpg-agent"]));
    fs::remove_dir_all(ring).expect("the cache can be written");
}
