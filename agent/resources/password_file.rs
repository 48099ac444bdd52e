//! A file of names and hashed passwords, as web servers ask for them (htpasswd).
//!
//! The server computes the hash anew for every request, also for each of a page's twenty images, so the hash is a fast one:
//! SHA-1 with eight random bytes (`{SSHA}`). What keeps a password from whoever reads the file is its length; `{ generate =
//! 32 }` makes one that nobody guesses.

use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rand::RngExt as _;
use serde::Serialize;
use sha1::{Digest as _, Sha1};

use super::file::{accounts, owned, places_above};
use crate::engine::{Cause, Changes, Id, Resource};
use crate::host::files::{Access, Kind};
use crate::host::ledger::Trace;
use crate::host::{Look, Touch};
use crate::secret::{Secret, SecretRef};
use crate::terms::{AccountName, Mode};

const SCHEME: &str = "{SSHA}";
/// How long a SHA-1 is.
const DIGEST: usize = 20;

/// Who may come in, with which password.
#[derive(Debug, Clone, Serialize)]
pub struct PasswordFile {
    /// Where.
    pub path: PathBuf,
    /// The group that reads it: the server's.
    pub group: AccountName,
    /// Names, each with its password.
    pub users: Vec<(String, SecretRef)>,
    /// What generated passwords are kept under, before the name.
    pub kept_as: String,
}

impl PasswordFile {
    const MODE: Mode = Mode::new(0o640);

    fn secret_name(&self, user: &str) -> String {
        format!("{}.{user}", self.kept_as)
    }

    /// The hash of a name in a file.
    fn hash_of<'t>(text: &'t str, user: &str) -> Option<&'t str> {
        text.lines().find_map(|line| line.strip_prefix(user)?.strip_prefix(':'))
    }

    /// The names in a file.
    fn names(text: &str) -> impl Iterator<Item = &str> {
        text.lines().map(|line| line.split(':').next().unwrap_or_default())
    }
}

impl Resource for PasswordFile {
    fn id(&self) -> Id {
        Id::at("password_file", &self.path)
    }

    fn needs(&self) -> Vec<Id> {
        let mut needs = places_above(&self.path);
        needs.extend(accounts(&AccountName::root(), &self.group));
        needs.push(Id::every("package"));
        needs
    }

    async fn check(&self, host: &Look) -> Result<Changes, Cause> {
        let Some(found) = host.found(&self.path)? else { return Ok(self.when_absent()) };
        found.must_be(Kind::File, &self.path)?;
        let text = host.read_text(&self.path)?.unwrap_or_default();
        let mut changes = owned(host, Changes::none(), &found, Self::MODE, &AccountName::root(), &self.group);
        for (user, password) in &self.users {
            let wanted = password.value(&self.secret_name(user), host).await?;
            let hash = Self::hash_of(&text, user);
            let same = wanted.is_some_and(|wanted| hash.is_some_and(|hash| is_of(hash, &wanted)));
            changes = changes.secret(&format!("password of {user}"), same);
        }
        let wanted = |name: &str| self.users.iter().any(|(user, _)| user == name);
        for name in Self::names(&text).filter(|name| !wanted(name)) {
            changes = changes.disappears(name, "present");
        }
        Ok(changes)
    }

    async fn apply(&self, host: &Touch) -> Result<(), Cause> {
        let text = host.read_text(&self.path)?.unwrap_or_default();
        let mut lines = String::new();
        for (user, password) in &self.users {
            let wanted = password.value_or_made(&self.secret_name(user), host).await?;
            let kept = Self::hash_of(&text, user).filter(|hash| is_of(hash, &wanted)).map(str::to_owned);
            let hash = kept.unwrap_or_else(|| hashed(&wanted, &rand::rng().random::<[u8; 8]>()));
            lines = lines + user + ":" + &hash + "\n";
        }
        let access = Access { uid: 0, gid: host.gid(self.group.as_str())?, mode: Self::MODE.bits() };
        Ok(host.replace(&self.path, lines.as_bytes(), access)?)
    }

    fn when_absent(&self) -> Changes {
        let users = self.users.iter();
        users
            .fold(Changes::none(), |changes, (user, _)| changes.secret(&format!("password of {user}"), false))
            .creating()
    }

    fn traces(&self) -> Vec<Trace> {
        vec![Trace::Path(self.path.clone())]
    }
}

/// A password with this salt, as the server reads it.
fn hashed(password: &Secret, salt: &[u8]) -> String {
    let mut digest = Sha1::new();
    digest.update(password.expose().as_bytes());
    digest.update(salt);
    let both: Vec<u8> = digest.finalize().iter().chain(salt).copied().collect();
    format!("{SCHEME}{}", STANDARD.encode(both))
}

/// Whether a hash is that of a password.
fn is_of(hash: &str, password: &Secret) -> bool {
    let bytes = hash.strip_prefix(SCHEME).and_then(|text| STANDARD.decode(text).ok()).unwrap_or_default();
    bytes.get(DIGEST..).is_some_and(|salt| hashed(password, salt) == hash)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::laws::{CANARY, Play, keeps_its_word};

    fn people(names: &[&str]) -> PasswordFile {
        let users = names.iter().map(|name| ((*name).to_owned(), SecretRef::Generate(32))).collect();
        let path = "/etc/nginx/hostagent.d/api.people".into();
        PasswordFile { path, group: AccountName::root(), users, kept_as: "nginx.site.api".to_owned() }
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_password_file_keeps_its_word_and_a_hash_that_is_right_stays() {
        let play = Play::new();
        keeps_its_word::<PasswordFile>(&people(&["ops"]), &play.host).await;
        let first = play.text("/etc/nginx/hostagent.d/api.people");
        keeps_its_word::<PasswordFile>(&people(&["ops", "dev"]), &play.host).await;
        let second = play.text("/etc/nginx/hostagent.d/api.people");
        assert!(second.starts_with(&first) && second.lines().count() == 2, "{second}");
        keeps_its_word::<PasswordFile>(&people(&["dev"]), &play.host).await;
        assert!(!play.text("/etc/nginx/hostagent.d/api.people").contains("ops:"));
    }

    #[test]
    fn a_hash_is_of_one_password_alone() {
        let hash = hashed(&Secret::new(CANARY.to_owned()), b"12345678");
        assert!(is_of(&hash, &Secret::new(CANARY.to_owned())) && !is_of(&hash, &Secret::new("other".to_owned())));
        // What `openssl dgst -sha1` makes of `secretsalt`, with the salt behind it.
        assert_eq!(hashed(&Secret::new("secret".to_owned()), b"salt"), "{SSHA}gVK8WC9YyFT1gMsQHTGCgT3sSv5zYWx0");
        for wrong in ["", "{SSHA}", "{SSHA}!", "{SSHA}AAAA", "plain"] {
            assert!(!is_of(wrong, &Secret::new("secret".to_owned())), "{wrong}");
        }
    }
}
