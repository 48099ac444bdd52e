//! What a run makes to help itself, and what it must not leave, whatever cut it off.

use crate::lab::Machine;

/// Prints a line for everything that is left: what, and what it shows of it.
const LOOK: &str = r#"
left() { while IFS= read -r line; do echo "$1: $line"; done; }
ls /usr/sbin/policy-rc.d 2>/dev/null | left 'a policy that holds starts back'
find /run/systemd/system /run/systemd/transient -lname /dev/null 2>/dev/null | left 'a runtime mask'
find /run/hostagent ! -type d ! -name lock ! -name facts.json 2>/dev/null | left 'in /run'
find /var/lib/hostagent \( -path '*/undo/*' -o -name '*.new' -o -name '*-under-way' \) | left 'hostagent, half done'
find / -xdev \( -name '*.hostagent' -o -name '.*.hostagent*' \) | left 'a temporary file of hostagent'
find / -xdev \( -name '*.dpkg-new' -o -name '*.dpkg-tmp' \) | left 'a temporary file of dpkg'
find /var/lib/dpkg/updates /var/lib/dpkg/tmp.ci /var/cache/apt/archives/partial -mindepth 1 2>/dev/null | left 'dpkg, half done'
dpkg --audit | left 'half a package'
dpkg-query -W -f '${db:Status-Abbrev} ${Package}\n' | grep -Ev '^(ii|rc) ' | left 'half a package'
systemctl --failed --plain --no-legend | left 'a failed unit'
systemctl list-jobs --no-legend --plain | left 'a job of systemd'
systemctl show '*' -p Id -p NeedDaemonReload | grep -B1 'Reload=yes' | grep Id= | left 'a unit whose files systemd has not read'
for process in /proc/[0-9]*; do
    grep -qs '^HOSTAGENT_INSTALLS=' -z "$process/environ" && echo "$(cat "$process/comm")"
done | left 'of a transaction, still running'
ps -eo comm= | grep -E '^(hostagent|apt|dpkg|pg_ctl|deb-systemd)' | left 'still running'
"#;

/// Ends the test if anything is left.
pub(super) fn is_nowhere(host: &Machine) {
    let left = host.sh(LOOK).stdout;
    assert!(left.is_empty(), "left behind:\n{left}");
}
