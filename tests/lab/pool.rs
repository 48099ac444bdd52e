//! The packages a machine can install: downloaded once, then no network is needed.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::{sum, tool};

/// What recipes and tests install; each brings its dependencies along. All of them can be installed together.
pub const PACKAGES: &[&str] = &[
    // Servers that hostagent has a table for.
    "nginx",
    "postgresql",
    "postgresql-contrib",
    "mariadb-server",
    "redis-server",
    "openssh-server",
    // What a host usually has.
    "acl",
    "attr",
    "busybox-static",
    "cron",
    "curl",
    "e2fsprogs",
    "gpg",
    "gpgv",
    "locales",
    "logrotate",
    "less",
    "netcat-openbsd",
    "openssl",
    "python3",
    "python3-apt",
    "rsync",
    "rsyslog",
    "ssl-cert",
    "strace",
    "sudo",
    "systemd-timesyncd",
    "tzdata",
    "util-linux-extra",
    "xfsprogs",
    "zsh",
    // Small ones, to install and remove.
    "cowsay",
    "hello",
    "sl",
    "tree",
    // Peers, to compare with.
    "ansible-core",
    "certbot",
];

/// Downloads packages as the root would install them, and indexes them.
pub fn fill(sources: &Path, root: &Path, pool: &Path, packages: &[&str]) {
    let scratch = pool.with_extension("apt");
    for folder in [pool, &scratch.join("lists/partial"), &scratch.join("cache/archives/partial")] {
        fs::create_dir_all(folder).expect("the cache can be written");
    }
    apt(sources, root, &scratch, &["update"]);
    let install = ["install", "--download-only", "--no-install-recommends"];
    apt(sources, root, &scratch, &[&install, packages].concat());
    for package in fs::read_dir(scratch.join("cache/archives")).expect("apt made its cache") {
        let package = package.expect("a folder can be listed").path();
        if package.extension().is_some_and(|extension| extension == "deb") {
            let name = package.file_name().expect("a file has a name");
            fs::rename(&package, pool.join(name)).expect("the cache is one file system");
        }
    }
    index(pool);
    fs::remove_dir_all(&scratch).expect("the cache can be written");
}

/// Writes the `Packages` and `Release` files that make a folder of packages a repository; returns the latter.
pub fn index(pool: &Path) -> String {
    let mut command = Command::new("dpkg-scanpackages");
    let index = tool::heard(command.args(["-m", "."]).current_dir(pool));
    let sum = sum::of(&index);
    let release = format!(
        "Origin: lab\nLabel: lab\nSuite: lab\nCodename: lab\nDate: {}Architectures: amd64 arm64 all\n\
         SHA256:\n {sum} {} Packages\n",
        tool::run("date", &["-R", "-u"]),
        index.len()
    );
    for (name, text) in [("Packages", &index), ("Release", &release)] {
        fs::write(pool.join(name), text).expect("the cache can be written");
    }
    release
}

/// The host's apt, so that its proxy and credentials count, with the root's packages as what is there.
fn apt(sources: &Path, root: &Path, scratch: &Path, arguments: &[&str]) {
    let mut command = Command::new("apt-get");
    command.args(["-y", "-qq"]);
    let paths = [
        ("Dir::State::Lists", scratch.join("lists")),
        ("Dir::State::status", root.join("var/lib/dpkg/status")),
        ("Dir::State::extended_states", scratch.join("extended_states")),
        ("Dir::Cache", scratch.join("cache")),
        ("Dir::Etc::SourceList", sources.to_owned()),
        ("Dir::Etc::SourceParts", "/dev/null".into()),
        ("Dir::Etc::Preferences", "/dev/null".into()),
        ("Dir::Etc::PreferencesParts", "/dev/null".into()),
    ];
    for (name, path) in paths {
        command.arg("-o").arg(format!("{name}={}", path.display()));
    }
    for option in ["APT::Sandbox::User=root", "Debug::NoLocking=1", "APT::Update::Post-Invoke-Success="] {
        command.args(["-o", option]);
    }
    tool::heard(command.args(arguments));
}
