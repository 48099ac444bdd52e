//! Who is measured, how each gets onto a machine, and how it is run.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::lab::base::Base;
use crate::lab::release::Release;
use crate::lab::{Machine, pool, sources, sum, tool};

/// One that makes a host what it is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Peer {
    /// This program, as released.
    Hostagent,
    /// An expert's shell script.
    Shell,
    /// Debian's Ansible.
    Ansible,
    /// Debian's Puppet, `puppet apply`.
    Puppet,
    /// pyinfra from PyPI, on `@local`.
    Pyinfra,
    /// Debian's CFEngine, `cf-agent`.
    Cfengine,
}

/// What the peers are installed from: Debian's packages beside those that every machine can have, and PyPI's wheels.
const PACKAGES: &[&str] = &[
    "ansible",
    "certbot",
    "cfengine3",
    "cron",
    "curl",
    "dehydrated",
    "nginx",
    "openssl",
    "postgresql",
    "puppet-agent",
    "python3-apt",
    "python3-psycopg2",
    "python3-venv",
    "rsyslog",
    "sudo",
    "time",
];
const PYINFRA: &str = "pyinfra==3.10";

impl Peer {
    /// What it is called in the table.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Hostagent => "hostagent",
            Self::Shell => "shell script",
            Self::Ansible => "Ansible",
            Self::Puppet => "Puppet",
            Self::Pyinfra => "pyinfra",
            Self::Cfengine => "CFEngine",
        }
    }

    /// The line of shell that does the work, in `/root/work`.
    pub(crate) fn line(self) -> &'static str {
        match self {
            Self::Hostagent => "hostagent converge recipe.toml",
            Self::Shell => "bash script.sh",
            Self::Ansible => "ansible-playbook -i localhost, playbook.yml",
            Self::Puppet => "puppet apply site.pp",
            Self::Pyinfra => "/opt/pyinfra/bin/pyinfra -y @local deploy.py",
            Self::Cfengine => "cf-agent -KIf /root/work/policy.cf",
        }
    }

    /// A machine with this peer on it, and nothing of its work.
    pub(crate) fn machine(self, hostagent: &Path) -> Machine {
        let store = Store::filled();
        let host = Machine::debian(12).argument(&format!("--bind-ro={}:/srv/bench", store.folder.display())).boot();
        host.write("/etc/apt/sources.list", "deb [trusted=yes] file:/srv/bench/pool ./\n");
        host.installs(["time"].into_iter().chain(self.packages().iter().copied()));
        match self {
            Self::Hostagent => host.copy(hostagent, "/usr/local/bin/hostagent"),
            Self::Pyinfra => {
                let install = "python3 -m venv /opt/pyinfra && /opt/pyinfra/bin/pip install --quiet --no-index \
                               --find-links /srv/bench/wheels pyinfra";
                host.sh(install).succeeds();
            }
            Self::Cfengine => drop(
                host.sh("cf-key; systemctl disable --now cfengine3; mkdir -p /var/lib/cfengine3/inputs").succeeds(),
            ),
            Self::Puppet => drop(host.sh("systemctl disable --now puppet").succeeds()),
            Self::Shell | Self::Ansible => {}
        }
        // Every peer meets a machine that never fetched a list of packages, and knows it.
        let forget = "rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin; touch -d '2 days ago' /var/lib/apt/lists";
        host.sh(&format!("{forget}; mkdir -p /root/work")).succeeds();
        host.write("/root/booking.password", "correct horse battery staple");
        host
    }

    fn packages(self) -> &'static [&'static str] {
        match self {
            Self::Hostagent | Self::Shell => &[],
            Self::Ansible => &["ansible", "python3-apt", "sudo"],
            Self::Puppet => &["puppet-agent"],
            Self::Pyinfra => &["python3-venv"],
            Self::Cfengine => &["cfengine3"],
        }
    }
}

/// What peers are installed from, downloaded once.
pub(super) struct Store {
    folder: PathBuf,
}

impl Store {
    pub(super) fn filled() -> Self {
        let base = Base::of(Release::Bookworm);
        let stamp = sum::short(format!("{} {PYINFRA}", PACKAGES.join(" ")));
        let folder = base.layers().with_file_name(format!("bench-{stamp}"));
        if !folder.exists() {
            println!("downloading the peers, once");
            let draft = folder.with_extension("draft");
            let _ = fs::remove_dir_all(&draft);
            fs::create_dir_all(draft.join("wheels")).unwrap_or_else(|error| panic!("cannot write the cache: {error}"));
            let list = draft.join("sources.list");
            fs::write(&list, sources::of(Release::Bookworm))
                .unwrap_or_else(|error| panic!("cannot write the cache: {error}"));
            pool::fill(&list, &base.root(), &draft.join("pool"), PACKAGES);
            let mut pip = Command::new("python3");
            pip.args(["-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--only-binary=:all:"]);
            pip.args(["--python-version=3.11", PYINFRA, "--dest"]);
            tool::heard(pip.arg(draft.join("wheels")));
            fs::rename(&draft, &folder).unwrap_or_else(|error| panic!("cannot write the cache: {error}"));
        }
        Self { folder }
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }
}
