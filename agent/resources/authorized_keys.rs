//! The keys that log a user in: `~/.ssh/authorized_keys`.
//!
//! hostagent keeps its keys in a block of their own, between two comments, and nobody else's there: what the recipe drops
//! goes, and the keys of others (EC2 writes the key pair's) stay. A key counts as there wherever it stands with the same
//! options; with other options outside the block it goes, for sshd would take the first that matches.
//!
//! The directory belongs to the user, who may put links there: nothing here follows one (`host::reading`, `host::files`).

use std::path::Path;

use serde::Serialize;

use crate::engine::{Cause, Changes, Id, Resource};
use crate::host::files::{Access, Kind};
use crate::host::ledger::Trace;
use crate::host::login_keys::{BEGIN, END, lines_of_others};
use crate::host::users::User;
use crate::host::{Error, Look, Touch};
use crate::terms::{AccountName, KeyLine, SshKey};

/// Whether a line of `authorized_keys` holds a key.
pub(crate) fn is_key(line: &str) -> bool {
    KeyLine::of(line).is_some()
}

/// The keys that log a user in over SSH.
#[derive(Debug, Clone, Serialize)]
pub struct AuthorizedKeys {
    /// Who is logged in.
    pub user: AccountName,
    /// The keys that do it.
    pub keys: Vec<SshKey>,
    /// Whether no others do.
    pub exclusive: bool,
}

impl AuthorizedKeys {
    fn account(&self, host: &Look) -> Result<User, Error> {
        let found = host.user(self.user.as_str())?;
        found.ok_or_else(|| Error::NoAccount { kind: "user", name: self.user.to_string() })
    }

    /// The file as it is, if it is there.
    fn now(host: &Look, user: &User) -> Result<Option<String>, Cause> {
        let bytes = host.login_keys(user)?;
        bytes.map(String::from_utf8).transpose().map_err(|_| {
            let says = format!("`{}/.ssh/authorized_keys` is not text", user.home);
            Cause::new("not-text", says).hint("move it away; it is written anew")
        })
    }

    /// The file as it should be, made from what it is.
    fn want(&self, now: &str) -> String {
        let wanted: Vec<KeyLine<'_>> = self.keys.iter().filter_map(|key| KeyLine::of(key.as_str())).collect();
        let mut others: Vec<&str> = if self.exclusive { Vec::new() } else { lines_of_others(now).collect() };
        let weaker = |line: &&str| {
            KeyLine::of(line)
                .is_none_or(|other| !wanted.iter().any(|key| key.key == other.key && key.options != other.options))
        };
        others.retain(weaker);
        let there = |key: &KeyLine<'_>| others.iter().any(|line| KeyLine::of(line) == Some(*key));
        let ours = self.keys.iter().filter(|key| KeyLine::of(key.as_str()).is_some_and(|key| !there(&key)));
        let mut block: Vec<&str> = ours.map(SshKey::as_str).collect();
        block.dedup();
        if !block.is_empty() {
            block.insert(0, BEGIN);
            block.push(END);
        }
        block.extend(others);
        block.into_iter().fold(String::new(), |text, line| text + line + "\n")
    }

    /// How the directory and the file stand: kind, owner and mode.
    fn standing(
        host: &Look,
        changes: Changes,
        path: &Path,
        kind: Kind,
        mode: u32,
        user: &User,
    ) -> Result<Changes, Cause> {
        let Some(found) = host.found(path)? else { return Ok(changes) };
        let aimed = "its owner could aim it at another file; remove it";
        found.must_be(kind, path).map_err(|error| Cause::from(error).hint(aimed))?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let owner = host.user_name(found.uid);
        let inner = Changes::none().mode(found.mode, mode).value("owner", &owner, &user.name);
        Ok(changes.within(&name, inner))
    }
}

impl Resource for AuthorizedKeys {
    fn id(&self) -> Id {
        Id::new("authorized_keys", &self.user)
    }

    fn needs(&self) -> Vec<Id> {
        let home = format!("/home/{}", self.user);
        vec![
            Id::new("user", &self.user),
            Id::new("directory", &home),
            Id::new("mount", &home),
            Id::new("mount", "/home"),
        ]
    }

    async fn check(&self, host: &Look) -> Result<Changes, Cause> {
        let user = match self.account(host) {
            Err(Error::NoAccount { .. }) if self.keys.is_empty() => return Ok(Changes::none()),
            user => user?,
        };
        let now = match Self::now(host, &user) {
            // Without keys there is nothing here that may be looked at.
            Err(_) if self.keys.is_empty() && !self.exclusive => return Ok(Changes::none()),
            now => now?,
        };
        let want = self.want(now.as_deref().unwrap_or_default());
        let same = now.as_deref().unwrap_or_default() == want;
        let changes = if same { Changes::none() } else { Changes::none().text("keys", now.as_deref(), &want) };
        if self.keys.is_empty() && changes.is_empty() {
            return Ok(changes);
        }
        let directory = Path::new(&user.home).join(".ssh");
        let changes = Self::standing(host, changes, &directory, Kind::Directory, 0o700, &user)?;
        Self::standing(host, changes, &directory.join("authorized_keys"), Kind::File, 0o600, &user)
    }

    async fn apply(&self, host: &Touch) -> Result<(), Cause> {
        let user = self.account(host)?;
        let home = host.resolved(Path::new(&user.home))?.ok_or_else(|| {
            let says = format!("`{}` has no home directory `{}`", user.name, user.home);
            Cause::new("no-home", says).hint("let the `[[user]]` have `create_home = true`")
        })?;
        let access = |mode| Access { uid: user.uid, gid: user.gid, mode };
        let (now, directory) = (Self::now(host, &user)?, home.join(".ssh"));
        host.make_directory(&directory, access(0o700))?;
        let (file, want) = (directory.join("authorized_keys"), self.want(now.as_deref().unwrap_or_default()));
        if now.as_ref() == Some(&want) {
            return Ok(host.set_access(&file, access(0o600))?);
        }
        Ok(host.replace(&file, want.as_bytes(), access(0o600))?)
    }

    fn when_absent(&self) -> Changes {
        if self.keys.is_empty() {
            Changes::none()
        } else {
            Changes::none().text("keys", None, &self.want("")).creating()
        }
    }

    fn traces(&self) -> Vec<Trace> {
        vec![Trace::Keys(self.user.to_string())]
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::engine::Draft;
    use crate::engine::run::{Stop, converge};
    use crate::host::Host;
    use crate::resources::config_set::sudoers::rules;
    use crate::resources::laws::{Play, keeps_its_word};

    const A: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl a";
    const B: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ1w4q3sVV8n8gWq0vJp3Q3r8Yp0mQ4yq9a7p1c2d3e4 b";
    const FILE: &str = "/home/ops/.ssh/authorized_keys";

    fn play() -> Play {
        let play = Play::new().file("/etc/passwd", "root:x:0:0::/root:/bin/bash\nops:x:0:0::/home/ops:/bin/bash\n");
        std::fs::create_dir_all(play.place("/home/ops")).unwrap();
        play
    }

    fn keys(keys: &[&str], exclusive: bool) -> AuthorizedKeys {
        let keys = keys.iter().map(|key| (*key).to_owned().try_into().unwrap()).collect();
        AuthorizedKeys { user: "root".to_owned().try_into().unwrap(), keys, exclusive }.of("ops")
    }

    impl AuthorizedKeys {
        fn of(self, user: &str) -> Self {
            Self { user: user.to_owned().try_into().unwrap(), ..self }
        }
    }

    fn owned_by_root(play: &Play) {
        // The tests' user plays `ops`: both have the number 0 here.
        play.put("/etc/passwd", "ops:x:0:0::/home/ops:/bin/bash\n");
    }

    #[tokio::test(flavor = "current_thread")]
    async fn keys_keep_their_word_beside_those_of_others() {
        let play = play();
        owned_by_root(&play);
        play.put(FILE, &format!("{B}\n# mine\n"));
        keeps_its_word::<AuthorizedKeys>(&keys(&[A], false), &play.host).await;
        assert_eq!(play.text(FILE), format!("{BEGIN}\n{A}\n{END}\n{B}\n# mine\n"));
        assert_eq!(play.host.look().found(FILE.as_ref()).unwrap().unwrap().mode, 0o600);
        assert_eq!(play.host.look().found("/home/ops/.ssh".as_ref()).unwrap().unwrap().mode, 0o700);
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_key_the_recipe_dropped_goes_and_one_that_is_there_anyway_is_not_added() {
        let play = play();
        owned_by_root(&play);
        play.put(FILE, &format!("{B}\n"));
        keeps_its_word::<AuthorizedKeys>(&keys(&[A, B], false), &play.host).await;
        keeps_its_word::<AuthorizedKeys>(&keys(&[B], false), &play.host).await;
        assert_eq!(play.text(FILE), format!("{B}\n"));
        keeps_its_word::<AuthorizedKeys>(&keys(&[A], false), &play.host).await;
        keeps_its_word::<AuthorizedKeys>(&keys(&[], false), &play.host).await;
        assert_eq!(play.text(FILE), format!("{B}\n"));
    }

    /// What a run says of each resource.
    async fn converged(draft: Draft, host: &Host) -> Vec<String> {
        let outcome = converge(&draft.finish().unwrap(), host, &Stop::new(), &mut |_| {}).await;
        outcome.resources.iter().map(|told| format!("{} {}", told.id, told.verdict.word())).collect()
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_user_that_leaves_the_recipe_loses_its_keys_and_sudo_rights_and_no_more() {
        let play = Play::with(|argv, _| (argv[0] == "visudo").then(|| (0, String::new())))
            .file("/etc/passwd", "ops:x:0:0::/home/ops:/bin/bash\n");
        owned_by_root(&play);
        play.put(FILE, &format!("{B}\n"));
        let mut draft = Draft::default();
        draft.add(keys(&[A], false).of("ops"));
        draft.add(rules("sudoers-ops", "/etc/sudoers.d/hostagent-ops", "ops ALL=(ALL) ALL\n"));
        converged(draft, &play.host).await;
        assert_eq!(play.text(FILE), format!("{BEGIN}\n{A}\n{END}\n{B}\n"));
        assert!(play.place("/etc/sudoers.d/hostagent-ops").exists());

        let gone = converged(Draft::default(), &play.host).await;
        assert_eq!(gone, ["config_set:sudoers-ops changed", "authorized_keys:ops changed"]);
        assert_eq!(play.text(FILE), format!("{B}\n"));
        assert_eq!(play.host.look().found(FILE.as_ref()).unwrap().unwrap().mode, 0o600);
        assert!(!play.place("/etc/sudoers.d/hostagent-ops").exists());
        assert!(converged(Draft::default(), &play.host).await.is_empty());
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_link_in_the_place_of_the_keys_is_not_followed_when_they_go() {
        let play = play();
        owned_by_root(&play);
        let mut draft = Draft::default();
        draft.add(keys(&[A], false));
        converged(draft, &play.host).await;
        play.put("/etc/other", &format!("{BEGIN}\n{A}\n{END}\n"));
        std::fs::remove_file(play.place(FILE)).unwrap();
        symlink(play.place("/etc/other"), play.place(FILE)).unwrap();
        assert_eq!(converged(Draft::default(), &play.host).await, ["authorized_keys:ops failed"]);
        assert!(play.text("/etc/other").contains(A));
    }

    #[tokio::test(flavor = "current_thread")]
    async fn keys_that_were_all_there_was_take_their_file_along() {
        let play = play();
        owned_by_root(&play);
        let mut draft = Draft::default();
        draft.add(keys(&[A], false));
        converged(draft, &play.host).await;
        assert_eq!(converged(Draft::default(), &play.host).await, ["authorized_keys:ops changed"]);
        assert!(!play.place(FILE).exists() && play.place("/home/ops/.ssh").exists());
    }

    #[tokio::test(flavor = "current_thread")]
    async fn exclusive_keys_are_all_there_is() {
        let play = play();
        owned_by_root(&play);
        play.put(FILE, &format!("{B}\n"));
        keeps_its_word::<AuthorizedKeys>(&keys(&[A], true), &play.host).await;
        assert_eq!(play.text(FILE), format!("{BEGIN}\n{A}\n{END}\n"));
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_key_with_fewer_restrictions_outside_the_block_goes() {
        let play = play();
        owned_by_root(&play);
        play.put(FILE, &format!("{A}\n"));
        let bound = format!("no-pty {A}");
        keeps_its_word::<AuthorizedKeys>(&keys(&[&bound], false), &play.host).await;
        assert_eq!(play.text(FILE), format!("{BEGIN}\n{bound}\n{END}\n"));
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_link_that_a_user_placed_is_neither_read_nor_written() {
        let play = play();
        owned_by_root(&play);
        play.put("/etc/shadow", "root:secret");
        std::fs::create_dir_all(play.place("/home/ops/.ssh")).unwrap();
        symlink(play.place("/etc/shadow"), play.place(FILE)).unwrap();
        let said = keys(&[A], false).check(&play.host.look()).await.unwrap_err();
        assert_eq!(said.code, "unsafe-path");
        assert!(keys(&[A], false).apply(&play.host.touch()).await.is_err());
        assert_eq!(play.text("/etc/shadow"), "root:secret");
    }

    #[tokio::test(flavor = "current_thread")]
    async fn nothing_is_wanted_of_a_user_without_keys() {
        let play = play();
        owned_by_root(&play);
        assert!(play.differs(&keys(&[], false)).await.is_empty());
        assert!(play.differs(&keys(&[], false).of("nobody")).await.is_empty());
    }
}
