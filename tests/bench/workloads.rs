//! The work that peers are measured at, in each one's own language.

use std::fmt::Write as _;

use super::peers::Peer;

/// A piece of work: what a machine shall be afterwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Workload {
    /// `recipes/nano.toml`: nginx before an application, PostgreSQL with a role, a database and its access.
    Nano,
    /// Two packages, two services, a group, a user, two directories, and this many files.
    Host {
        /// How many files.
        files: usize,
    },
    /// Files alone.
    Files(usize),
}

impl Workload {
    /// What it is called in the table.
    pub(crate) fn name(self) -> String {
        match self {
            Self::Nano => "nano".to_owned(),
            Self::Host { files } => format!("{} resources", files + 8),
            Self::Files(files) => format!("{files} files"),
        }
    }

    /// The files that tell a peer what to do, by name; they are put into `/root/work/`.
    pub(crate) fn told_to(self, peer: Peer) -> Vec<(String, String)> {
        let one = |name: &str, text: String| vec![(name.to_owned(), text)];
        match (self, peer) {
            (Self::Nano, _) => nano(),
            (Self::Files(files), _) => one("recipe.toml", format!("format = 1\n{}", toml_files(files))),
            (Self::Host { files }, Peer::Hostagent) => one("recipe.toml", recipe(files)),
            (Self::Host { files }, Peer::Shell) => one("script.sh", script(files)),
            (Self::Host { files }, Peer::Ansible) => one("playbook.yml", playbook(files)),
            (Self::Host { files }, Peer::Puppet) => one("site.pp", manifest(files)),
            (Self::Host { files }, Peer::Pyinfra) => one("deploy.py", deploy(files)),
            (Self::Host { files }, Peer::Cfengine) => one("policy.cf", policy(files)),
        }
    }
}

fn nano() -> Vec<(String, String)> {
    let files = [
        ("recipe.toml", include_str!("nano/recipe.toml")),
        ("script.sh", include_str!("nano/script.sh")),
        ("playbook.yml", include_str!("nano/playbook.yml")),
        ("site.conf", include_str!("nano/site.conf")),
        ("pg_hba.conf", include_str!("nano/pg_hba.conf")),
        ("postgresql.conf", include_str!("nano/postgresql.conf")),
    ];
    files.map(|(name, text)| (name.to_owned(), text.to_owned())).to_vec()
}

/// The text of the file with this number, as it may stand in all these languages.
fn text(number: usize) -> String {
    format!("a = {number}\\nb = {number}\\nc = {number}\\nd = {number}\\ne = {number}\\n")
}

fn path(number: usize) -> String {
    format!("/etc/bench/conf.d/{number}.conf")
}

fn each(files: usize, mut tell: impl FnMut(&mut String, &str, &str)) -> String {
    (0..files).fold(String::new(), |mut told, number| {
        tell(&mut told, &path(number), &text(number));
        told
    })
}

fn toml_files(files: usize) -> String {
    let directories = "[[directory]]\npath = \"/etc/bench\"\n[[directory]]\npath = \"/etc/bench/conf.d\"\n";
    let files = each(files, |told, path, text| {
        let _ = writeln!(told, "[[file]]\npath = \"{path}\"\ncontent = \"{text}\"");
    });
    directories.to_owned() + &files
}

fn recipe(files: usize) -> String {
    format!(
        "format = 1\n[host]\npackages = [\"cron\", \"rsyslog\"]\n[[group]]\nname = \"bench\"\n\
         [[user]]\nname = \"bench\"\ngroup = \"bench\"\n\
         [[service]]\nname = \"cron\"\n[[service]]\nname = \"rsyslog\"\n{}",
        toml_files(files)
    )
}

fn script(files: usize) -> String {
    let files = each(files, |told, path, text| {
        let _ = writeln!(told, "put {path} $'{text}'");
    });
    format!(
        "#!/bin/bash\nset -euo pipefail\nexport DEBIAN_FRONTEND=noninteractive\n\
         put() {{ [[ -e $1 && $(<\"$1\")$'\\n' == \"$2\" ]] || printf %s \"$2\" >\"$1\"; }}\n\
         [[ $(dpkg-query -W -f='${{db:Status-Abbrev}}' cron rsyslog 2>/dev/null) == 'ii ii ' ]] ||\n\
         {{ apt-get -q update; apt-get -q -y install --no-install-recommends cron rsyslog; }}\n\
         getent group bench >/dev/null || groupadd bench\n\
         getent passwd bench >/dev/null || useradd --create-home --shell /bin/bash -g bench bench\n\
         mkdir -p /etc/bench/conf.d\n{files}\
         for unit in cron rsyslog; do\n\
         systemctl -q is-enabled $unit || systemctl -q enable $unit\n\
         systemctl -q is-active $unit || systemctl start $unit\ndone\n"
    )
}

fn playbook(files: usize) -> String {
    let files = each(files, |told, path, text| {
        let _ = writeln!(told, "        - {{ path: {path}, text: \"{text}\" }}");
    });
    format!(
        "- hosts: localhost\n  connection: local\n  gather_facts: false\n  tasks:\n\
         \x20   - ansible.builtin.apt:\n        name: [cron, rsyslog]\n        install_recommends: false\n\
         \x20       update_cache: true\n        cache_valid_time: 3600\n\
         \x20   - ansible.builtin.group: {{ name: bench }}\n\
         \x20   - ansible.builtin.user: {{ name: bench, group: bench, shell: /bin/bash }}\n\
         \x20   - ansible.builtin.file: {{ path: \"{{{{ item }}}}\", state: directory, mode: \"0755\" }}\n\
         \x20     loop: [/etc/bench, /etc/bench/conf.d]\n\
         \x20   - ansible.builtin.copy: {{ dest: \"{{{{ item.path }}}}\", content: \"{{{{ item.text }}}}\", mode: \"0644\" }}\n\
         \x20     loop_control: {{ label: \"{{{{ item.path }}}}\" }}\n      loop:\n{files}\
         \x20   - ansible.builtin.systemd: {{ name: \"{{{{ item }}}}\", enabled: true, state: started }}\n\
         \x20     loop: [cron, rsyslog]\n"
    )
}

fn manifest(files: usize) -> String {
    let files = each(files, |told, path, text| {
        let _ = writeln!(told, "file {{ '{path}': ensure => file, mode => '0644', content => \"{text}\" }}");
    });
    format!(
        "exec {{ '/usr/bin/apt-get -q update': creates => '/var/lib/dpkg/info/rsyslog.list' }}\n\
         -> package {{ ['cron', 'rsyslog']: ensure => installed }}\n\
         -> service {{ ['cron', 'rsyslog']: ensure => running, enable => true }}\n\
         group {{ 'bench': ensure => present }}\n\
         user {{ 'bench': ensure => present, gid => 'bench', shell => '/bin/bash', managehome => true }}\n\
         file {{ ['/etc/bench', '/etc/bench/conf.d']: ensure => directory, mode => '0755' }}\n{files}"
    )
}

fn deploy(files: usize) -> String {
    let files = each(files, |told, path, text| {
        let _ = writeln!(told, "files.put(src=StringIO(\"{text}\"), dest=\"{path}\", mode=\"644\")");
    });
    format!(
        "from io import StringIO\nfrom pyinfra.operations import apt, files, server, systemd\n\
         apt.packages(packages=[\"cron\", \"rsyslog\"], no_recommends=True, update=True, cache_time=3600)\n\
         server.group(group=\"bench\")\n\
         server.user(user=\"bench\", group=\"bench\", shell=\"/bin/bash\", create_home=True)\n\
         files.directory(path=\"/etc/bench\", mode=\"755\")\n\
         files.directory(path=\"/etc/bench/conf.d\", mode=\"755\")\n{files}\
         for unit in [\"cron\", \"rsyslog\"]:\n    systemd.service(service=unit, running=True, enabled=True)\n"
    )
}

/// Files and services, as its packages and users need modules that Debian does not ship: less work than the others do.
fn policy(files: usize) -> String {
    let files = each(files, |told, path, text| {
        let text = text.replace("\\n", "$(const.n)");
        let _ = writeln!(told, "    \"{path}\" create => \"true\", content => \"{text}\", perms => m(\"0644\");");
    });
    format!(
        "body common control {{ bundlesequence => {{ main }}; inputs => {{ \"$(sys.libdir)/stdlib.cf\" }}; }}\n\
         bundle agent main {{\n  files:\n    \"/etc/bench/.\" create => \"true\";\n\
         \x20   \"/etc/bench/conf.d/.\" create => \"true\";\n{files}\
         \x20 services:\n    \"cron\" service_policy => \"start\";\n    \"rsyslog\" service_policy => \"start\";\n}}\n"
    )
}
