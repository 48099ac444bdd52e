//! While packages are installed nothing starts by itself; afterwards starts what nobody else will.
//!
//! Debian's packages start their server from their postinst script, before its configuration is there. The two programs
//! they do it with, deb-systemd-invoke(1p) and invoke-rc.d(8), first ask `/usr/sbin/policy-rc.d`, so hostagent puts one
//! there for the time of a transaction. A mask would not do: the packages' own "enable" fails on a masked unit, which
//! then stays disabled, and only units known beforehand can be masked.
//!
//! - It speaks only inside hostagent's own transaction, known by a variable in the environment. Whatever becomes of
//!   hostagent, one that was left behind says "go on" to everybody else. The next run takes it away.
//! - It denies a start or restart only of units that were not running before: an upgrade still restarts what it upgrades,
//!   and stopping is never denied (a removed package must not leave its process).
//! - What it denied it writes to `/run/hostagent/held-starts`. Units that the recipe manages are started by their own
//!   resource later; the rest (`cron` in `[host] packages`, say) is started right after the transaction, the way the
//!   package meant to. The list is gone after a reboot, which starts what is enabled anyway.
//! - What did not come up stays on the list, and every run tries it again and tells of it.
//! - A policy-rc.d of somebody else is left alone and decides. If it denies, so be it; if it allows, a server starts once
//!   with the distribution's configuration before it gets its own.

use std::fmt::Write as _;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use super::files::{Access, Kind};
use super::programs::Program;
use super::{Error, Look, RUN_DIR, Touch};

const POLICY: &str = "/usr/sbin/policy-rc.d";
/// How hostagent knows its own policy again, also one of another version.
const MARK: &str = "# made by hostagent for the time of a package installation";
/// The environment variable that a transaction of hostagent carries.
pub(super) const VARIABLE: &str = "HOSTAGENT_INSTALLS";
/// Types of units that packages start; the others come and go by themselves.
const TYPES: [&str; 5] = ["service", "socket", "timer", "path", "target"];

/// What came of starting what was held back.
#[derive(Debug, Default)]
pub(super) struct Started {
    /// Units that were started.
    pub(super) units: Vec<String>,
    /// Units that did not start, each with why.
    refused: Vec<String>,
}

impl Started {
    /// What is to be told of those that did not start.
    pub(super) fn complaint(&self) -> Option<String> {
        let list = self.refused.join("; ");
        (!list.is_empty()).then(|| format!("installed, but not everything that the packages start came up: {list}"))
    }
}

/// Holds starts back until dropped.
#[derive(Debug)]
pub(super) struct Held {
    /// None where somebody else's policy stands.
    touch: Option<Touch>,
}

impl Drop for Held {
    fn drop(&mut self) {
        // What goes on without us still asks it, and the next run takes it away.
        if let Some(touch) = self.touch.as_ref().filter(|touch| !touch.0.0.left_at_work.get())
            && let Err(error) = touch.remove(Path::new(POLICY))
        {
            tracing::warn!("{error}; it concerns nobody but hostagent, and the next run takes it away");
        }
    }
}

impl Touch {
    /// Holds back what packages would start.
    pub(super) async fn hold_starts(&self) -> Result<Held, Error> {
        if self.found(Path::new(POLICY))?.is_some() && !self.policy_is_ours()? {
            tracing::info!("`{POLICY}` is not hostagent's: it decides which of the packages' units start now");
            return Ok(Held { touch: None });
        }
        let list = list();
        let made = DirBuilder::new().recursive(true).mode(0o700).create(self.place(Path::new(RUN_DIR)));
        made.map_err(|source| Error::File { doing: "make", path: RUN_DIR.into(), source })?;
        let policy = policy(&self.running_units().await, &list);
        self.replace(Path::new(POLICY), policy.as_bytes(), Access { uid: 0, gid: 0, mode: 0o755 })?;
        Ok(Held { touch: Some(self.clone()) })
    }

    /// Starts what was held back and has no resource of its own in this run. What does not start stays on the list.
    pub(super) async fn start_what_was_held(&self) -> Result<Started, Error> {
        let list = list();
        let Some(text) = self.read_text(&list)? else { return Ok(Started::default()) };
        let mut held: Vec<(&str, &str)> = text.lines().filter_map(|line| line.split_once(' ')).collect();
        held.sort_unstable();
        held.dedup();
        // Many packages ask twice: for the unit, and for the init script of its name.
        let units = held.clone();
        held.retain(|(action, unit)| {
            !units.iter().any(|(other, long)| other == action && long.strip_suffix(".service") == Some(unit))
        });
        let (mut done, mut left) = (Started::default(), String::new());
        for (action, unit) in held {
            let mine = self.starts_itself(unit);
            let program = match (mine, action, unit.contains('.')) {
                // Its new files are to be run, if its old ones were running.
                (true, "restart", _) => Program::does("systemctl").args(["try-restart", unit]),
                (true, ..) => continue,
                // These start only what is enabled, as the package's own call would have.
                (false, _, true) => Program::does("deb-systemd-invoke").args([action, unit]),
                (false, _, false) => Program::does("invoke-rc.d").args([unit, action]),
            };
            match self.run(&program).await {
                Ok(_) if mine => {}
                Ok(_) => done.units.push(unit.to_owned()),
                Err(error) => {
                    done.refused.push(format!("`{unit}`: {error}"));
                    if !mine {
                        let _ = writeln!(left, "{action} {unit}");
                    }
                }
            }
        }
        if !left.is_empty() {
            self.write_private(&list, left.as_bytes())?;
            return Ok(done);
        }
        match std::fs::remove_file(self.place(&list)) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                Err(Error::File { doing: "remove", path: list, source })
            }
            _ => Ok(done),
        }
    }

    /// Takes away a policy that a killed run left behind; says whether there was one.
    pub(super) fn remove_stale_policy(&self) -> Result<bool, Error> {
        let stale = self.policy_is_ours()?;
        if stale {
            self.remove(Path::new(POLICY))?;
        }
        Ok(stale)
    }
}

impl Look {
    fn policy_is_ours(&self) -> Result<bool, Error> {
        let plain = self.found(Path::new(POLICY))?.is_some_and(|found| found.kind == Kind::File);
        Ok(plain && self.read_text(Path::new(POLICY))?.is_some_and(|text| text.lines().any(|line| line == MARK)))
    }

    /// The units that run now; none without systemd.
    async fn running_units(&self) -> Vec<String> {
        let program = Program::asks("systemctl").args([
            "list-units",
            "--state=active,reloading,activating",
            "--plain",
            "--no-legend",
            "--full",
        ]);
        let Ok(listed) = self.ask(&program.arg(format!("--type={}", TYPES.join(",")))).await else { return Vec::new() };
        let plain = |name: &&str| name.chars().all(|c| c.is_ascii_alphanumeric() || ":_.@-".contains(c));
        listed
            .stdout
            .lines()
            .filter_map(|line| line.split_whitespace().next())
            .filter(plain)
            .map(str::to_owned)
            .collect()
    }

    /// Whether a resource of this run sees to this unit, or to another one of the same server: `postgresql.service`
    /// starts `postgresql@15-main.service`.
    fn starts_itself(&self, unit: &str) -> bool {
        self.0.units.borrow().iter().any(|own| family(own) == family(unit))
    }
}

/// Where starts are noted that were held back.
pub(super) fn list() -> PathBuf {
    Path::new(RUN_DIR).join("held-starts")
}

/// Whether a process belongs to a transaction of hostagent, this run's or that of one that was killed.
pub(super) fn is_ours(pid: i32) -> bool {
    let environ = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    environ
        .split(|byte| *byte == 0)
        .any(|entry| entry.strip_prefix(VARIABLE.as_bytes()).is_some_and(|rest| rest.starts_with(b"=")))
}

/// The server's name in the name of a unit.
fn family(unit: &str) -> &str {
    let name = unit.split('@').next().unwrap_or(unit);
    match name.rsplit_once('.') {
        Some((stem, kind)) if TYPES.contains(&kind) => stem,
        _ => name,
    }
}

/// The program: see policy-rc.d(8) for what it is asked and answers. One call of deb-systemd-invoke may name several
/// units, and a "no" for one is a "no" for all: so the units on the caller's command line are noted. The caller is one
/// process further up where its shell stays.
fn policy(running: &[String], list: &Path) -> String {
    let mut names = String::new();
    for unit in running {
        let _ = writeln!(names, "{unit}");
    }
    format!(
        r#"#!/bin/sh
{MARK}
# It concerns nothing else, and may be removed.
[ -n "${VARIABLE}" ] || exit 0
while case "$1" in --*) true ;; *) false ;; esac; do shift; done
case "$2" in
start | "(start)") action=start ;;
restart | "(restart)") action=restart ;;
*) exit 0 ;;
esac
case "$1" in *.*) unit=$1 ;; *) unit=$1.service ;; esac
running='
{names}'
case "$running" in *"
$unit
"*) exit 0 ;; esac
caller=$(tr '\000' ' ' </proc/$PPID/cmdline)
case "$caller" in
*deb-systemd-invoke*) ;;
*)  read -r _ _ _ above _ </proc/$PPID/stat
    caller=$(tr '\000' ' ' </proc/$above/cmdline) ;;
esac
{{
    echo "$action $1"
    case "$caller" in *deb-systemd-invoke*)
        for word in $caller; do
            case "$word" in {types}) echo "$action $word" ;; esac
        done ;;
    esac
}} >>'{list}'
exit 101
"#,
        types = TYPES.map(|kind| format!("?*.{kind}")).join(" | "),
        list = list.display(),
    )
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;
    use std::process::Command;

    use super::*;

    /// Asks a policy as deb-systemd-invoke does; its answer and what it noted.
    fn answer(ours: bool, question: &[&str]) -> (i32, String) {
        let directory = tempfile::tempdir().unwrap();
        let (program, list) = (directory.path().join("policy-rc.d"), directory.path().join("list"));
        fs::write(&program, policy(&["ssh.service".into(), "postgresql@15-main.service".into()], &list)).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        let mut command = Command::new("sh");
        command.arg(&program).args(question).env_remove(VARIABLE);
        if ours {
            command.env(VARIABLE, "1");
        }
        let code = command.status().unwrap().code().unwrap();
        (code, fs::read_to_string(&list).unwrap_or_default())
    }

    #[test]
    fn only_starts_of_what_did_not_run_are_held_back() {
        assert_eq!(answer(true, &["nginx.service", "start"]), (101, "start nginx.service\n".into()));
        assert_eq!(answer(true, &["--quiet", "nginx", "restart", "5"]), (101, "restart nginx\n".into()));
        assert_eq!(answer(true, &["ssh", "restart"]), (0, String::new()));
        assert_eq!(answer(true, &["postgresql@15-main.service", "start"]), (0, String::new()));
        assert_eq!(answer(true, &["sh.service", "start"]).0, 101);
        assert_eq!(answer(true, &["nginx", "stop"]), (0, String::new()));
        assert_eq!(answer(true, &["nginx", "try-restart"]), (0, String::new()));
    }

    #[test]
    fn one_that_was_left_behind_speaks_to_nobody() {
        assert_eq!(answer(false, &["nginx.service", "start"]), (0, String::new()));
    }

    #[test]
    fn units_of_one_server_are_one_family() {
        assert_eq!(family("postgresql@15-main.service"), "postgresql");
        assert_eq!(family("postgresql"), "postgresql");
        assert_eq!(family("apt-daily.timer"), "apt-daily");
        assert_eq!(family("php8.2-fpm"), "php8.2-fpm");
    }
}
