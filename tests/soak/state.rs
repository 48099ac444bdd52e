//! What a machine is, as text: every path of its disk, what is in /etc, packages, accounts, units, what its servers run
//! with and what is in its database.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use crate::lab::Machine;

/// A machine as it is, in sections of lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct State {
    sections: BTreeMap<String, BTreeSet<String>>,
}

/// The look. What differs by nature between two machines that nobody disturbed is left out here, and nowhere else:
/// journals, temporary folders of services, the inside of a database cluster, backups that tools keep of account files and of ucf's list,
/// the note of what apt's lists were last refreshed for (a refresh that outlives its run has none, and needs none),
/// numbers of accounts (their order is free), and the contents of: the machine's identity and name, generated secrets,
/// Debian's self-signed certificate, the loader's cache.
const LOOK: &str = r#"
section() { echo "== $1"; }
section 'on disk'
find / -xdev \( -path '/var/log/journal/*' -o -path '/var/tmp/*' -o -path '/var/lib/postgresql/*/main/*' \
    -o -path '/var/lib/systemd/random-seed' -o -path '/var/lib/systemd/timers/*' -o -path '/etc/*-' -o -path '/var/lib/ucf/hashfile.*' \
    -o -path /var/lib/hostagent/apt-sources \) \
    -prune -o -printf '%p %y %m %u:%g %l\n'
section 'in /etc'
find /etc -xdev -type f ! -path '/etc/hostagent/secrets/*' ! -name 'ssl-cert-snakeoil.*' ! -name '*-' \
    ! -name machine-id ! -name hosts ! -name passwd ! -name group ! -name shadow ! -name gshadow ! -name ld.so.cache \
    -exec sha256sum {} +
sed "s/NAME_OF_MACHINE/MACHINE/" /etc/hosts
section 'accounts'
cut -d: -f1,2,5-7 /etc/passwd
cut -d: -f1,2,4 /etc/group
cut -d: -f1,2,4- /etc/shadow
cut -d: -f1,2,3- /etc/gshadow
awk -F: '$3 >= 1000 { print $1, $3, $4 }' /etc/passwd
section 'packages'
dpkg-query -W -f '${Package} ${Version} ${db:Status-Abbrev}\n'
apt-mark showmanual
dpkg --verify
section 'units'
systemctl list-unit-files --plain --no-legend | awk '{ print $1, $2 }'
systemctl list-units --plain --no-legend --state=active,activating,failed --type=service,socket,timer,path |
    awk '{ print $1, $3 }'
section 'servers'
ask() { runuser -u postgres -- psql -Atc "$1" "$2"; }
ask "select name, setting from pg_settings where name in
    ('shared_buffers', 'max_connections', 'listen_addresses', 'work_mem', 'log_min_duration_statement')" postgres
ask "select 'waits for a restart', name from pg_settings where pending_restart" postgres
ask "select type, database, user_name, address, netmask, auth_method, error from pg_hba_file_rules" postgres
ask "select rolname, rolcanlogin, rolsuper, rolcreatedb, rolconnlimit, left(rolpassword, 18) from pg_authid" postgres
ask "select datname, pg_get_userbyid(datdba), datacl, pg_encoding_to_char(encoding), datcollate from pg_database" postgres
section 'data'
ask "select * from guests" booking 2>&1 || true
"#;

impl State {
    /// Looks at a machine.
    pub(super) fn of(host: &Machine) -> Self {
        let said = host.sh(&LOOK.replace("NAME_OF_MACHINE", host.name())).succeeds();
        let mut sections = BTreeMap::<String, BTreeSet<String>>::new();
        let mut lines = &mut BTreeSet::new();
        for line in said.stdout.lines() {
            match line.strip_prefix("== ") {
                Some(name) => lines = sections.entry(name.to_owned()).or_default(),
                None => drop(lines.insert(line.to_owned())),
            }
        }
        assert!(sections.len() == 7, "a look has seven sections:\n{said}");
        Self { sections }
    }

    /// Expects a machine to be the same.
    pub(super) fn is_also_that_of(&self, host: &Machine) {
        let (other, nothing) = (Self::of(host), BTreeSet::new());
        let mut told = String::new();
        for (name, lines) in &self.sections {
            let others = other.sections.get(name).unwrap_or(&nothing);
            for line in lines.difference(others) {
                let _ = writeln!(told, "{name}: missing: {line}");
            }
            for line in others.difference(lines) {
                let _ = writeln!(told, "{name}: instead: {line}");
            }
        }
        assert!(told.is_empty(), "not as on an undisturbed machine:\n{told}");
    }
}
