//! Users and groups of this host, read from passwd(5) and group(5).

use std::path::Path;

use super::{Error, Look, Touch};

/// A line of passwd(5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Login name.
    pub name: String,
    /// User ID.
    pub uid: u32,
    /// ID of the primary group.
    pub gid: u32,
    /// Full name and such.
    pub gecos: String,
    /// Home directory.
    pub home: String,
    /// Login shell.
    pub shell: String,
}

/// A line of group(5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Name.
    pub name: String,
    /// Group ID.
    pub gid: u32,
    /// Login names of its members (those that have it as primary group are not listed).
    pub members: Vec<String>,
}

/// How a user proves who they are, from shadow(5).
#[derive(Clone, PartialEq, Eq)]
pub enum Password {
    /// No password is the right one.
    Locked,
    /// None is asked for.
    Empty,
    /// The right one has this hash. Never shown.
    Hash(String),
}

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Locked => "Locked",
            Self::Empty => "Empty",
            Self::Hash(_) => "Hash(hidden)",
        })
    }
}

impl Look {
    /// Every user of the host, in the file's order.
    ///
    /// # Errors
    /// When /etc/passwd cannot be read.
    pub fn users(&self) -> Result<Vec<User>, Error> {
        let text = self.read_text(Path::new("/etc/passwd"))?.unwrap_or_default();
        Ok(text.lines().filter_map(user_of).collect())
    }

    /// Every group of the host, in the file's order.
    ///
    /// # Errors
    /// When /etc/group cannot be read.
    pub fn groups(&self) -> Result<Vec<Group>, Error> {
        let text = self.read_text(Path::new("/etc/group"))?.unwrap_or_default();
        Ok(text.lines().filter_map(group_of).collect())
    }

    /// The user of this name.
    ///
    /// # Errors
    /// When /etc/passwd cannot be read.
    pub fn user(&self, name: &str) -> Result<Option<User>, Error> {
        Ok(self.users()?.into_iter().find(|user| user.name == name))
    }

    /// The group of this name.
    ///
    /// # Errors
    /// When /etc/group cannot be read.
    pub fn group(&self, name: &str) -> Result<Option<Group>, Error> {
        Ok(self.groups()?.into_iter().find(|group| group.name == name))
    }

    /// The password of a user; `None` without a line in /etc/shadow.
    ///
    /// # Errors
    /// When /etc/shadow cannot be read.
    pub fn password(&self, name: &str) -> Result<Option<Password>, Error> {
        let text = self.read_text(Path::new("/etc/shadow"))?.unwrap_or_default();
        Ok(text.lines().find_map(|line| {
            let (user, rest) = line.split_once(':')?;
            let hash = rest.split(':').next()?;
            (user == name).then(|| match hash {
                "" => Password::Empty,
                // crypt(5): no hash begins so, so nothing matches.
                locked if locked.starts_with(['!', '*']) => Password::Locked,
                hash => Password::Hash(hash.to_owned()),
            })
        }))
    }

    /// The user ID for a name.
    ///
    /// # Errors
    /// When there is no such user.
    pub fn uid(&self, name: &str) -> Result<u32, Error> {
        if name == "root" {
            return Ok(0);
        }
        let found = self.user(name)?.map(|user| user.uid);
        found.ok_or_else(|| Error::NoAccount { kind: "user", name: name.into() })
    }

    /// The group ID for a name.
    ///
    /// # Errors
    /// When there is no such group.
    pub fn gid(&self, name: &str) -> Result<u32, Error> {
        if name == "root" {
            return Ok(0);
        }
        let found = self.group(name)?.map(|group| group.gid);
        found.ok_or_else(|| Error::NoAccount { kind: "group", name: name.into() })
    }

    /// The name for a user ID, or the number itself where no name is known.
    pub fn user_name(&self, uid: u32) -> String {
        let known = self.users().unwrap_or_default().into_iter().find(|user| user.uid == uid);
        known.map_or_else(|| uid.to_string(), |user| user.name)
    }

    /// The name for a group ID, or the number itself where no name is known.
    pub fn group_name(&self, gid: u32) -> String {
        let known = self.groups().unwrap_or_default().into_iter().find(|group| group.gid == gid);
        known.map_or_else(|| gid.to_string(), |group| group.name)
    }
}

impl Touch {
    /// Forgets of the users that hostagent made those that are gone and those whose name another has by now; what a run
    /// that was cut off had made is its own.
    ///
    /// # Errors
    /// When /etc/passwd cannot be read, or the ledger not be written.
    pub(super) fn settle_accounts(&self) -> Result<(), Error> {
        let made: Vec<(String, Option<u32>)> =
            self.ledger().accounts().map(|(name, uid)| (name.to_owned(), uid)).collect();
        if made.is_empty() {
            return Ok(());
        }
        let users = self.users()?;
        for (name, made) in made {
            let now = users.iter().find(|user| user.name == name).map(|user| user.uid);
            let own = now.filter(|now| made.is_none_or(|made| made == *now));
            self.ledger_mut().has_made_account(&name, own)?;
        }
        Ok(())
    }
}

fn user_of(line: &str) -> Option<User> {
    let mut fields = line.split(':');
    let mut next = || fields.next().map(str::to_owned);
    let (name, _password) = (next()?, next()?);
    let (uid, gid) = (next()?.parse().ok()?, next()?.parse().ok()?);
    Some(User { name, uid, gid, gecos: next()?, home: next()?, shell: next()? })
}

fn group_of(line: &str) -> Option<Group> {
    let mut fields = line.split(':');
    let (name, _password, gid) = (fields.next()?.to_owned(), fields.next()?, fields.next()?.parse().ok()?);
    let members = fields.next()?.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect();
    Some(Group { name, gid, members })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_passwd_is_a_user() {
        let user = user_of("ops:x:1000:1001:Operations,,,:/home/ops:/bin/bash").unwrap();
        assert_eq!((user.name.as_str(), user.uid, user.gid), ("ops", 1000, 1001));
        assert_eq!((user.home.as_str(), user.shell.as_str()), ("/home/ops", "/bin/bash"));
        assert_eq!(user_of("+::::::"), None);
    }

    #[test]
    fn a_password_is_locked_empty_or_a_hash() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("etc")).unwrap();
        let shadow = "a:!:1::::::\nb:*:1::::::\nc::1::::::\nd:$y$j9T$x:1::::::\ne:!$y$x:1::::::\n";
        std::fs::write(root.path().join("etc/shadow"), shadow).unwrap();
        let look = crate::host::Host::at(root.path(), Box::new(crate::host::programs::Real)).unwrap().look();
        let of = |name| look.password(name).unwrap();
        assert_eq!([of("a"), of("b"), of("e")], [const { Some(Password::Locked) }; 3]);
        assert_eq!([of("c"), of("d"), of("f")], [Some(Password::Empty), Some(Password::Hash("$y$j9T$x".into())), None]);
    }

    #[test]
    fn a_user_that_it_made_is_its_own_until_it_is_gone_or_another() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("etc")).unwrap();
        let touch = || crate::host::Host::at(root.path(), Box::new(crate::host::programs::Real)).unwrap().touch();
        let there = |uid: u32| {
            std::fs::write(root.path().join("etc/passwd"), format!("ops:x:{uid}:1001::/home/ops:/bin/bash\n")).unwrap();
        };
        let owns = |uid| touch().ledger().made_account("ops", uid);
        let begun = || touch().ledger_mut().making_account("ops").unwrap();
        // Cut off before the user was there, and after.
        std::fs::write(root.path().join("etc/passwd"), "").unwrap();
        begun();
        touch().settle_accounts().unwrap();
        assert!(!owns(1000));
        begun();
        there(1000);
        assert!(owns(1000));
        touch().settle_accounts().unwrap();
        assert!(owns(1000) && !owns(1001));
        // Somebody took it away and made another.
        there(1001);
        assert!(!owns(1001));
        touch().settle_accounts().unwrap();
        there(1000);
        assert!(!owns(1000));
    }

    #[test]
    fn a_line_of_group_is_a_group() {
        assert_eq!(group_of("sudo:x:27:ops,dev").unwrap().members, ["ops", "dev"]);
        assert_eq!(group_of("nogroup:x:65534:").unwrap().members, Vec::<String>::new());
    }
}
