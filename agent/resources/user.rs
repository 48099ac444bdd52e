//! A user of the host: made if missing, and kept as the recipe has it. Never deleted.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::engine::{Cause, Changes, Id, Resource};
use crate::host::files::Kind;
use crate::host::programs::Program;
use crate::host::users::{self, Password};
use crate::host::{Error, Look, Touch};
use crate::secret::{Secret, SecretRef};
use crate::terms::{AccountName, Mode};

/// People's user IDs begin here (`UID_MIN` of login.defs(5)); below are the system's and packages' own.
const FIRST_PERSON: u32 = 1000;
/// The number of `nobody`, who is no person.
const NOBODY: u32 = 65534;
/// In place of a hash: no password is the right one.
const LOCKS: [&str; 2] = ["*", "!"];

/// A user of the host. What is not said is not managed, but for the shell, home directory and password of a person that
/// hostagent made: somebody who was there before keeps theirs.
#[derive(Debug, Clone, Serialize)]
pub struct User {
    /// Login name.
    pub name: AccountName,
    /// User ID. Default: the next free one.
    pub uid: Option<u32>,
    /// Full name and such.
    pub comment: Option<String>,
    /// Home directory. Default for a new user: `/home/NAME`.
    pub home: Option<PathBuf>,
    /// Whether the home directory is made when it is missing. Default: that of a person that hostagent made is.
    pub create_home: Option<bool>,
    /// Login shell. Default: `/bin/bash`; for a new system user `/usr/sbin/nologin`; a user that was there before keeps its own.
    pub shell: Option<PathBuf>,
    /// Primary group. Default for a new user: one of its own name.
    pub group: Option<AccountName>,
    /// Groups it is in beside that.
    pub groups: BTreeSet<AccountName>,
    /// Whether it is in no others.
    pub exact_groups: bool,
    /// Whether it gets a number below those of people, when it is made.
    pub system: bool,
    /// What becomes of its password. Default: that of a person that hostagent made is locked; others keep theirs.
    pub login: Option<Login>,
}

/// What becomes of a user's password.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum Login {
    /// No password logs in, as in cloud images: keys do.
    Locked,
    /// The one with this crypt(5) hash.
    Hash(SecretRef),
    /// Whatever it is. A new user has none.
    Kept,
}

impl User {
    /// A person with a home directory, without a password.
    pub fn new(name: AccountName) -> Self {
        Self {
            name,
            uid: None,
            comment: None,
            home: None,
            create_home: None,
            shell: None,
            group: None,
            groups: BTreeSet::new(),
            exact_groups: false,
            system: false,
            login: None,
        }
    }

    /// Whether the defaults for people hold for the user that is there: a person, and one that hostagent made.
    fn is_own_person(&self, host: &Look, found: &users::User) -> bool {
        let is_person = !self.system && found.uid >= FIRST_PERSON && found.uid != NOBODY;
        is_person && host.ledger().made_account(self.name.as_str(), found.uid)
    }

    /// The shell it gets when it is made.
    fn first_shell(&self) -> String {
        let default = if self.system { "/usr/sbin/nologin" } else { "/bin/bash" };
        self.shell.as_ref().map_or_else(|| default.to_owned(), |shell| shell.display().to_string())
    }

    /// The shell that the user that is there should have.
    fn wanted_shell(&self, host: &Look, found: &users::User) -> String {
        if self.shell.is_some() || self.is_own_person(host, found) { self.first_shell() } else { found.shell.clone() }
    }

    fn has_home(&self, host: &Look, found: &users::User) -> bool {
        self.create_home.unwrap_or_else(|| self.is_own_person(host, found))
    }

    fn wanted_login(&self, host: &Look, found: &users::User) -> &Login {
        let default = if self.is_own_person(host, found) { &Login::Locked } else { &Login::Kept };
        self.login.as_ref().unwrap_or(default)
    }

    /// The groups it is in beside its primary one, and those it should be in.
    fn memberships(&self, host: &Look, found: &users::User) -> Result<(BTreeSet<String>, BTreeSet<String>), Error> {
        let groups = host.groups()?;
        let member = |group: &&users::Group| group.members.contains(&found.name);
        let now: BTreeSet<String> = groups.iter().filter(member).map(|group| group.name.clone()).collect();
        let mut want: BTreeSet<String> = self.groups.iter().map(ToString::to_string).collect();
        // The primary group needs no line that says so once more.
        want.remove(&self.primary(host, found));
        if !self.exact_groups {
            want.extend(now.iter().cloned());
        }
        Ok((now, want))
    }

    fn primary(&self, host: &Look, found: &users::User) -> String {
        self.group.as_ref().map_or_else(|| host.group_name(found.gid), ToString::to_string)
    }

    async fn password(&self, host: &Look, found: &users::User, changes: Changes) -> Result<Changes, Cause> {
        let login = self.wanted_login(host, found);
        if *login == Login::Kept {
            return Ok(changes);
        }
        let now = match host.password(self.name.as_str()) {
            Ok(now) => now,
            Err(Error::File { source, .. }) if source.kind() == std::io::ErrorKind::PermissionDenied => {
                return Ok(changes.note("only root can see whether its password is as wanted"));
            }
            Err(error) => return Err(error.into()),
        };
        let name = |now: &Option<Password>| match now {
            Some(Password::Locked) => "locked",
            Some(Password::Empty) => "not asked for",
            Some(Password::Hash(_)) => "set",
            None => "none",
        };
        match login {
            Login::Hash(reference) => {
                let want = self.hash(reference, host).await?;
                let same = match &now {
                    Some(Password::Hash(now)) => now == want.expose(),
                    Some(Password::Locked) => LOCKS.contains(&want.expose()),
                    _ => false,
                };
                Ok(changes.secret("password", same))
            }
            _ => Ok(changes.value("password", &name(&now), &"locked")),
        }
    }

    /// The hash, if it is one: a second line of it would be read by chpasswd as another user's.
    async fn hash(&self, reference: &SecretRef, host: &Look) -> Result<Secret, Cause> {
        let wrong = || {
            let says = format!("{reference} is not a password hash for `{}`", self.name);
            let hint = "it must hold one hash on one line, as `mkpasswd` prints it (it begins with `$`), or `!` for no password";
            Cause::new("not-a-hash", says).hint(hint)
        };
        // No hash can be generated: nobody would know its password.
        if matches!(reference, SecretRef::Generate(_)) {
            return Err(wrong());
        }
        let secret = reference.value(&format!("user.{}", self.name), host).await?.ok_or_else(wrong)?;
        if is_crypt_field(secret.expose()) { Ok(secret) } else { Err(wrong()) }
    }

    /// Makes it, with everything that useradd(8) can say.
    async fn add(&self, host: &Touch) -> Result<(), Cause> {
        let mut program = Program::does("useradd").args(self.system.then_some("--system"));
        if let Some(uid) = self.uid {
            program = program.arg("--uid").arg(uid.to_string());
        }
        program = match &self.group {
            Some(group) => program.arg("--gid").arg(group.as_str()),
            // A group of its name that is there already is taken, which useradd itself refuses to do.
            None if host.group(self.name.as_str())?.is_some() => program.arg("--gid").arg(self.name.as_str()),
            None => program.arg("--user-group"),
        };
        program = program.arg("--shell").arg(self.first_shell());
        if let Some(comment) = &self.comment {
            program = program.arg("--comment").arg(comment);
        }
        if let Some(home) = &self.home {
            program = program.arg("--home-dir").arg(home.display().to_string());
        }
        if !self.groups.is_empty() {
            program = program.arg("--groups").arg(joined(self.groups.iter().map(AccountName::as_str)));
        }
        program =
            program.arg(if self.create_home.unwrap_or(!self.system) { "--create-home" } else { "--no-create-home" });
        host.ledger_mut().making_account(self.name.as_str())?;
        let added = host.run(&program.arg(self.name.as_str())).await;
        // It may fail with the user made, or without: whose a user of this name is later depends on that.
        let made = host.user(self.name.as_str())?.map(|made| made.uid);
        host.ledger_mut().has_made_account(self.name.as_str(), made)?;
        added?;
        Ok(())
    }

    /// Changes what differs, in one call of usermod(8).
    async fn change(&self, host: &Touch, found: &users::User) -> Result<(), Cause> {
        let mut args: Vec<String> = Vec::new();
        let mut set = |option: &str, value: String| args.extend([option.to_owned(), value]);
        if let Some(uid) = self.uid.filter(|&uid| uid != found.uid) {
            set("--uid", uid.to_string());
        }
        if let Some(group) = self.group.as_ref().filter(|group| host.group_name(found.gid) != group.as_str()) {
            set("--gid", group.to_string());
        }
        let shell = self.wanted_shell(host, found);
        if shell != found.shell {
            set("--shell", shell);
        }
        if let Some(comment) = self.comment.as_ref().filter(|comment| **comment != found.gecos) {
            set("--comment", comment.clone());
        }
        let (now, want) = self.memberships(host, found)?;
        if now != want {
            set("--groups", joined(want.iter().map(String::as_str)));
        }
        if let Some(home) = self.home.as_ref().filter(|home| home.as_path() != Path::new(&found.home)) {
            set("--home", home.display().to_string());
            let moves = host.found(Path::new(&found.home))?.is_some() && host.found(home)?.is_none();
            args.extend(moves.then(|| "--move-home".to_owned()));
        }
        if args.is_empty() {
            return Ok(());
        }
        let own = host.ledger().made_account(self.name.as_str(), found.uid);
        if own && self.uid.is_some_and(|uid| uid != found.uid) {
            host.ledger_mut().making_account(self.name.as_str())?;
        }
        let changed = host.run(&Program::does("usermod").args(args).arg(self.name.as_str())).await;
        if own {
            let now = host.user(self.name.as_str())?.map(|now| now.uid);
            host.ledger_mut().has_made_account(self.name.as_str(), now)?;
        }
        changed?;
        Ok(())
    }

    async fn set_password(&self, host: &Touch, found: &users::User) -> Result<(), Cause> {
        if self.password(host, found, Changes::none()).await?.is_empty() {
            return Ok(());
        }
        match self.wanted_login(host, found) {
            Login::Kept => {}
            Login::Locked => drop(host.run(&Program::does("usermod").arg("--lock").arg(self.name.as_str())).await?),
            Login::Hash(reference) => {
                let hash = self.hash(reference, host).await?;
                let line = format!("{}:{}\n", self.name, hash.expose());
                host.run(&Program::does("chpasswd").arg("--encrypted").stdin(line)).await?;
            }
        }
        Ok(())
    }
}

/// Whether shadow(5) can hold this as a password: a hash of crypt(5), or one of those that no password has.
fn is_crypt_field(text: &str) -> bool {
    let plain = |c: u8| c.is_ascii_graphic() && !b":;*!\\".contains(&c);
    LOCKS.contains(&text) || (text.len() > 1 && text.starts_with('$') && text.bytes().all(plain))
}

/// What a new home directory's mode leaves out, if `/etc/login.defs` says it.
fn home_mask(host: &Look) -> Result<Option<String>, Error> {
    let text = host.read_text(Path::new("/etc/login.defs"))?.unwrap_or_default();
    let mode =
        text.lines().find_map(|line| Mode::try_from(line.trim().strip_prefix("HOME_MODE")?.trim().to_owned()).ok());
    Ok(mode.map(|mode| format!("{:04o}", 0o777 & !mode.bits())))
}

fn joined<'n>(names: impl Iterator<Item = &'n str>) -> String {
    names.collect::<Vec<_>>().join(",")
}

impl Resource for User {
    fn id(&self) -> Id {
        Id::new("user", &self.name)
    }

    fn needs(&self) -> Vec<Id> {
        let groups = self.groups.iter().chain(&self.group);
        let mut needs: Vec<Id> = groups.map(|group| Id::new("group", group)).collect();
        needs.push(Id::new("group", &self.name));
        // Packages bring users and groups of their own, and lock /etc/passwd while they do.
        needs.push(Id::every("package"));
        needs
    }

    async fn check(&self, host: &Look) -> Result<Changes, Cause> {
        let Some(found) = host.user(self.name.as_str())? else { return Ok(self.when_absent()) };
        let mut changes = Changes::none().value("uid", &found.uid, &self.uid.unwrap_or(found.uid));
        let group = host.group_name(found.gid);
        changes = changes.value("group", &group, &self.primary(host, &found));
        if let Some(comment) = &self.comment {
            changes = changes.value("comment", &found.gecos, comment);
        }
        changes = changes.value("shell", &found.shell, &self.wanted_shell(host, &found));
        let home = self.home.as_ref().map_or_else(|| found.home.clone(), |home| home.display().to_string());
        changes = changes.value("home", &found.home, &home);
        if self.has_home(host, &found)
            && !host.found(Path::new(&home))?.is_some_and(|it| matches!(it.kind, Kind::Directory | Kind::Link))
        {
            changes = changes.appears("home directory", &home);
        }
        let (now, want) = self.memberships(host, &found)?;
        let names = |set: &BTreeSet<String>| joined(set.iter().map(String::as_str));
        changes = changes.value("groups", &names(&now), &names(&want));
        self.password(host, &found, changes).await
    }

    async fn apply(&self, host: &Touch) -> Result<(), Cause> {
        let _alone = host.accounts().await;
        for group in self.groups.iter().chain(&self.group) {
            host.gid(group.as_str())?;
        }
        if let Some(Login::Hash(reference)) = &self.login {
            self.hash(reference, host).await?;
        }
        match host.user(self.name.as_str())? {
            None => self.add(host).await?,
            Some(found) => self.change(host, &found).await?,
        }
        let Some(found) = host.user(self.name.as_str())? else { return Ok(()) };
        self.set_password(host, &found).await?;
        if self.has_home(host, &found) && host.found(Path::new(&found.home))?.is_none() {
            // As useradd does it: owned by the user, with what is in /etc/skel, and closed as login.defs(5) has it.
            let helper = Program::does("mkhomedir_helper").arg(self.name.as_str());
            host.run(&helper.args(home_mask(host)?)).await?;
        }
        Ok(())
    }

    fn when_absent(&self) -> Changes {
        let mut changes = Changes::none().appears("user", &self.name);
        if let Some(uid) = self.uid {
            changes = changes.appears("uid", uid);
        }
        if let Some(group) = &self.group {
            changes = changes.appears("group", group);
        }
        changes = changes.appears("shell", self.first_shell());
        if !self.groups.is_empty() {
            changes = changes.appears("groups", joined(self.groups.iter().map(AccountName::as_str)));
        }
        if let Some(Login::Hash(_)) = self.login {
            changes = changes.secret("password", false);
        }
        changes.creating()
    }
}

#[cfg(test)]
mod tests;
