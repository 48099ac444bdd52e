//! Whether somebody can still log in by SSH with the settings of a recipe: the SSH server likes many that let nobody in.
//!
//! Asked before the settings are written, of two things: where passwords are turned off, that root or somebody who may use
//! sudo has a key; and that the login which runs hostagent now, if it is one by SSH, could be repeated. It answers for the
//! settings of the recipe alone, and where keys may come from elsewhere (a command, a certificate authority) it cannot
//! tell, and says nothing.

use std::path::Path;

use super::{Guard, sshd, sudoers};
use crate::engine::Id;
use crate::host::probe::Probe;
use crate::host::users::User;
use crate::host::{Error, Look, state};
use crate::resources::authorized_keys::is_key;

/// What a recipe's settings say of who may log in.
#[derive(Debug, Clone, Default)]
pub struct Access {
    /// Whether no password logs anybody in.
    pub no_passwords: bool,
    /// Whether no key does.
    pub no_keys: bool,
    /// Whether root does not get in.
    pub no_root: bool,
    /// The ports on which the server listens, if they are set.
    pub ports: Vec<u16>,
    /// Patterns of `AllowUsers`, and so on.
    pub allow_users: Vec<String>,
    /// Patterns of `DenyUsers`.
    pub deny_users: Vec<String>,
    /// Patterns of `AllowGroups`.
    pub allow_groups: Vec<String>,
    /// Patterns of `DenyGroups`.
    pub deny_groups: Vec<String>,
}

/// Settings by which keys come from elsewhere than `authorized_keys`, or logins need none.
pub const ELSEWHERE: [&str; 6] = [
    "AuthorizedKeysFile",
    "AuthorizedKeysCommand",
    "TrustedUserCAKeys",
    "GSSAPIAuthentication",
    "HostbasedAuthentication",
    "KbdInteractiveAuthentication",
];

/// What to do about a refusal.
const HINT: &str = "give somebody who may use sudo a key (`[[user]]` with `sudo` and `ssh_authorized_keys`), or correct \
                    the settings; where it is meant, say `lockout_is_meant = true` in `[ssh]`";

impl Access {
    /// Keeps these settings from being written where they would let nobody in.
    pub fn guard(self) -> Guard {
        let probe = Probe::new(async move |host: &Look| self.complaint(host));
        let mut needs = ["user", "authorized_keys"].map(Id::every).to_vec();
        needs.extend(["sudoers-", sudoers::MAIN].map(|name| Id::under("config_set", name)));
        Guard { probe, needs, code: "ssh-lockout", hint: HINT.to_owned() }
    }

    fn complaint(&self, host: &Look) -> Result<Option<String>, Error> {
        // Whose keys these are only root can tell, and only root changes anything.
        if host.is_real() && !state::is_root() {
            return Ok(None);
        }
        if let Some(complaint) = self.cuts_off(host)? {
            return Ok(Some(complaint));
        }
        if !self.no_passwords || keys_come_from_elsewhere(host)? || self.somebody_gets_in(host)? {
            return Ok(None);
        }
        Ok(Some(
            "with these settings no password logs in, and neither root nor anybody who may use sudo has a key that does"
                .to_owned(),
        ))
    }

    /// Why the login by SSH that runs this could not be repeated.
    fn cuts_off(&self, host: &Look) -> Result<Option<String>, Error> {
        let Some(login) = login(host)? else { return Ok(None) };
        if let Some(port) = login.port.filter(|port| !self.ports.is_empty() && !self.ports.contains(port)) {
            return Ok(Some(format!("you are logged in on port {port}, on which the server would no longer listen")));
        }
        let Some(user) = host.user(&login.user)? else { return Ok(None) };
        let who = &login.user;
        Ok((!self.admits(host, &user)?).then(|| format!("you are logged in as `{who}`, who would no longer get in")))
    }

    /// Whether somebody who can put things right has a key, or will have one before this is written.
    fn somebody_gets_in(&self, host: &Look) -> Result<bool, Error> {
        if self.no_keys {
            return Ok(false);
        }
        for id in host.expected_under("authorized_keys:") {
            let name = id.trim_start_matches("authorized_keys:");
            let rights_come = [Id::new("user", name), Id::new("config_set", format!("sudoers-{name}"))];
            let known = host.user(name)?;
            let admitted = match &known {
                Some(user) => self.admits(host, user)?,
                None => self.admits_name(name),
            };
            let may = match &known {
                Some(user) => may_put_right(host, user)?,
                None => false,
            };
            if admitted && (may || rights_come.iter().any(|id| host.expects(id))) {
                return Ok(true);
            }
        }
        for user in host.users()? {
            if self.admits(host, &user)? && has_key(host, &user) && may_put_right(host, &user)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether the lists let a user in.
    fn admits(&self, host: &Look, user: &User) -> Result<bool, Error> {
        if !self.admits_name(&user.name) {
            return Ok(false);
        }
        if self.allow_groups.is_empty() && self.deny_groups.is_empty() {
            return Ok(true);
        }
        // Groups that this run is still to give are taken for granted: they are before the next look.
        if host.expects(&Id::new("user", &user.name)) {
            return Ok(true);
        }
        let groups = groups_of(host, user)?;
        let any =
            |patterns: &[String]| groups.iter().any(|group| patterns.iter().any(|pattern| matches(pattern, group)));
        Ok(!any(&self.deny_groups) && (self.allow_groups.is_empty() || any(&self.allow_groups)))
    }

    fn admits_name(&self, name: &str) -> bool {
        // `USER@HOST` admits from some places, and denies from some: from which, nobody knows here.
        let admitted = |pattern: &String| matches(pattern.split('@').next().unwrap_or_default(), name);
        let denied = |pattern: &String| !pattern.contains('@') && matches(pattern, name);
        let kept_out = (self.no_root && name == "root") || self.deny_users.iter().any(denied);
        !kept_out && (self.allow_users.is_empty() || self.allow_users.iter().any(admitted))
    }
}

/// A login by SSH.
#[derive(Debug, PartialEq, Eq)]
struct Login {
    user: String,
    port: Option<u16>,
}

/// The login by SSH that runs this process: found among its parents, as sudo(8) takes the variables away that tell of it.
fn login(host: &Look) -> Result<Option<Login>, Error> {
    let mut below = None;
    let mut pid = std::process::id();
    while let Some(process) = host.process(pid)?.filter(|process| process.pid > 1) {
        // `sshd: ops@pts/0` and, above it, `sshd: ops [priv]`; since version 9.8 `sshd-session: …`.
        let title = ["sshd: ", "sshd-session: "].iter().find_map(|start| process.command.strip_prefix(start));
        if let Some(name) = title.and_then(|title| title.split(['@', ' ']).next()).filter(|name| !name.contains('/')) {
            let port = below.map(|pid| port_of(host, pid)).transpose()?.flatten();
            return Ok(Some(Login { user: name.to_owned(), port }));
        }
        below = Some(pid);
        pid = process.parent;
    }
    Ok(None)
}

/// The server's port, from the environment that it gave to a login: `SSH_CONNECTION=ADDRESS PORT ADDRESS PORT`.
fn port_of(host: &Look, pid: u32) -> Result<Option<u16>, Error> {
    let environ = host.read_text(Path::new(&format!("/proc/{pid}/environ")))?.unwrap_or_default();
    let found = environ.split('\0').find_map(|entry| entry.strip_prefix("SSH_CONNECTION="));
    Ok(found.and_then(|text| text.split(' ').nth(3)?.parse().ok()))
}

fn has_key(host: &Look, user: &User) -> bool {
    // A file that its owner could aim elsewhere is not read, and then counts for nothing.
    let bytes = host.login_keys(user).ok().flatten().unwrap_or_default();
    String::from_utf8_lossy(&bytes).lines().any(is_key)
}

/// Whether it is root, or somebody with a shell whom the rules of sudo name, or a group of theirs.
fn may_put_right(host: &Look, user: &User) -> Result<bool, Error> {
    if user.uid == 0 {
        return Ok(true);
    }
    if user.shell.ends_with("/nologin") || user.shell.ends_with("/false") {
        return Ok(false);
    }
    let mut names = vec![user.name.clone()];
    names.extend(groups_of(host, user)?.into_iter().map(|group| format!("%{group}")));
    let directory = Path::new(sudoers::DIRECTORY);
    let mut files = vec![Path::new(sudoers::MAIN).to_owned()];
    files.extend(host.names_in(directory)?.iter().map(|name| directory.join(name)));
    for file in files {
        let text = host.read_text(&file)?.unwrap_or_default();
        if text
            .lines()
            .filter_map(|line| line.split_whitespace().next())
            .any(|word| names.iter().any(|name| name == word))
        {
            return Ok(true);
        }
    }
    Ok(false)
}

fn groups_of(host: &Look, user: &User) -> Result<Vec<String>, Error> {
    let of = |group: &crate::host::users::Group| group.gid == user.gid || group.members.contains(&user.name);
    Ok(host.groups()?.into_iter().filter(of).map(|group| group.name).collect())
}

/// Whether other files of the server have one of [`ELSEWHERE`].
fn keys_come_from_elsewhere(host: &Look) -> Result<bool, Error> {
    let directory = Path::new(sshd::DIRECTORY);
    let mut files = vec![Path::new(sshd::MAIN).to_owned()];
    files.extend(host.names_in(directory)?.iter().map(|name| directory.join(name)));
    for file in files {
        let text = host.read_text(&file)?.unwrap_or_default();
        let set = |line: &str| {
            let mut words = line.split_whitespace();
            let name = words.next().unwrap_or_default();
            let says_no = words.next().is_some_and(|value| value.eq_ignore_ascii_case("no") || value == "none");
            !says_no && ELSEWHERE.iter().any(|setting| setting.eq_ignore_ascii_case(name))
        };
        if text.lines().any(set) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether a pattern of `sshd_config(5)` with `*` and `?` matches a name. One that begins with `!` matches nothing.
fn matches(pattern: &str, name: &str) -> bool {
    match (pattern.chars().next(), name.chars().next()) {
        (None, None) => true,
        (Some('*'), _) => {
            let rest = pattern.get(1..).unwrap_or_default();
            name.char_indices()
                .map(|(at, _)| at)
                .chain([name.len()])
                .any(|at| matches(rest, name.get(at..).unwrap_or_default()))
        }
        (Some(want), Some(is)) if want == '?' || want == is => {
            let after = |text: &str, c: char| text.get(c.len_utf8()..).unwrap_or_default().to_owned();
            matches(&after(pattern, want), &after(name, is))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::laws::Play;

    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl a\n";

    /// A host with root and `ops`, who has no rights.
    fn play() -> Play {
        Play::new()
            .file(
                "/etc/passwd",
                "root:x:0:0::/root:/bin/bash\nops:x:0:100::/home/ops:/bin/bash\n"
                    .replace("ops:x:0", "ops:x:1000")
                    .as_str(),
            )
            .file("/etc/group", "root:x:0:\nusers:x:100:\nsudo:x:27:\n")
            .file("/etc/sudoers", "root ALL=(ALL) ALL\n%sudo ALL=(ALL) ALL\n")
    }

    fn no_passwords() -> Access {
        Access { no_passwords: true, ..Access::default() }
    }

    fn refused(access: &Access, play: &Play) -> bool {
        access.complaint(&play.host.look()).unwrap().is_some()
    }

    #[test]
    fn without_passwords_root_or_somebody_with_sudo_needs_a_key() {
        let play = play();
        assert!(!refused(&Access::default(), &play));
        assert!(refused(&no_passwords(), &play));
        play.put("/root/.ssh/authorized_keys", "# none\n");
        assert!(refused(&no_passwords(), &play));
        play.put("/root/.ssh/authorized_keys", KEY);
        assert!(!refused(&no_passwords(), &play));
        assert!(refused(&Access { no_root: true, ..no_passwords() }, &play));
        assert!(refused(&Access { no_keys: true, ..no_passwords() }, &play));
        assert!(refused(&Access { allow_users: vec!["ops".into()], ..no_passwords() }, &play));
        assert!(!refused(&Access { allow_users: vec!["ops".into(), "r?*t@10.0.*".into()], ..no_passwords() }, &play));
    }

    #[test]
    fn a_key_of_somebody_who_may_not_use_sudo_does_not_count() {
        let play = play();
        let access = Access { no_root: true, ..no_passwords() };
        // The tests' user plays `ops`: keys are read only where they are their owner's.
        play.put("/home/ops/.ssh/authorized_keys", KEY);
        assert!(refused(&access, &play));
        play.put("/etc/sudoers.d/90-ops", "ops ALL=(ALL) NOPASSWD:ALL\n");
        assert!(!refused(&access, &play));
        std::fs::remove_file(play.place("/etc/sudoers.d/90-ops")).unwrap();
        play.put("/etc/group", "users:x:100:\nsudo:x:27:ops\n");
        assert!(!refused(&access, &play));
        assert!(refused(&Access { deny_groups: vec!["sud*".into()], ..access.clone() }, &play));
        play.put("/etc/passwd", "ops:x:1000:100::/home/ops:/usr/sbin/nologin\n");
        assert!(refused(&access, &play));
    }

    #[test]
    fn a_key_that_this_run_brings_counts() {
        let play = play();
        play.host.expect(&"authorized_keys:new");
        assert!(refused(&no_passwords(), &play), "a key without rights");
        play.host.expect(&"user:new");
        assert!(!refused(&no_passwords(), &play));
        assert!(refused(&Access { allow_users: vec!["ops".into()], ..no_passwords() }, &play));
        play.host.expect_nothing();
        assert!(refused(&no_passwords(), &play), "it did not come");
    }

    #[test]
    fn where_keys_come_from_elsewhere_nobody_can_tell() {
        let play = play();
        play.put("/etc/ssh/sshd_config", "#AuthorizedKeysFile .ssh/authorized_keys\nKbdInteractiveAuthentication no\n");
        assert!(refused(&no_passwords(), &play));
        play.put("/etc/ssh/sshd_config.d/60-connect.conf", "authorizedkeyscommand /usr/bin/keys\n");
        assert!(!refused(&no_passwords(), &play));
    }

    #[test]
    fn the_login_that_runs_this_is_not_cut_off() {
        let play = play();
        let stat = |pid: u32, parent: u32| format!("{pid} (x) S {parent} {} 4711 0", ["0"; 17].join(" "));
        let process = |pid: u32, parent: u32, command: &str| {
            play.put(&format!("/proc/{pid}/stat"), &stat(pid, parent));
            play.put(&format!("/proc/{pid}/cmdline"), command);
        };
        let me = std::process::id();
        process(me, 900_003, "hostagent\0converge\0");
        process(900_003, 900_002, "-bash\0");
        play.put("/proc/900003/environ", "A=1\0SSH_CONNECTION=10.0.0.9 50000 10.0.0.1 2222\0");
        process(900_002, 900_001, "sshd: ops@pts/0\0");
        process(900_001, 1, "sshd: ops [priv]\0");
        assert_eq!(login(&play.host.look()).unwrap(), Some(Login { user: "ops".into(), port: Some(2222) }));
        let says = |access: Access| access.complaint(&play.host.look()).unwrap();
        assert_eq!(says(Access::default()), None);
        assert_eq!(says(Access { ports: vec![22, 2222], allow_users: vec!["o*".into()], ..Access::default() }), None);
        assert_eq!(
            says(Access { ports: vec![22], ..Access::default() }).unwrap(),
            "you are logged in on port 2222, on which the server would no longer listen"
        );
        for access in [
            Access { allow_users: vec!["admin".into()], ..Access::default() },
            Access { deny_users: vec!["ops".into()], ..Access::default() },
            Access { allow_groups: vec!["sudo".into()], ..Access::default() },
        ] {
            assert_eq!(says(access).unwrap(), "you are logged in as `ops`, who would no longer get in");
        }
        // The listening server is nobody's login.
        process(900_003, 900_001, "-bash\0");
        process(900_001, 1, "sshd: /usr/sbin/sshd -D [listener] 0 of 10-100 startups\0");
        assert_eq!(login(&play.host.look()).unwrap(), None);
    }
}
