//! The keys of a recipe in `~/.ssh/authorized_keys`: a block of their own between two comments. The rest is other people's.

use std::path::{Path, PathBuf};

use super::files::Access;
use super::users::User;
use super::{Error, Look, Touch};

/// The line before the block.
pub const BEGIN: &str = "# keys of the recipe, kept by hostagent; others go below the end of this block";
/// The line after it.
pub const END: &str = "# end of the recipe's keys";

/// Every line that is not in the block, nor one of its two comments.
pub fn lines_of_others(text: &str) -> impl Iterator<Item = &str> {
    let mut inside = false;
    text.lines().filter(move |line| {
        let mark = matches!(*line, BEGIN | END);
        if mark {
            inside = *line == BEGIN;
        }
        !mark && !inside
    })
}

/// Whether a block begins and does not end: then nobody can tell whose the keys below it are.
fn is_open(text: &[u8]) -> bool {
    let text = String::from_utf8_lossy(text);
    text.lines().rfind(|line| matches!(*line, BEGIN | END)) == Some(BEGIN)
}

impl Look {
    /// The bytes of a user's `authorized_keys`, if it is there. Its directory is the user's: no link in it is followed.
    ///
    /// # Errors
    /// When the user could aim it at another file, or it cannot be read.
    pub fn login_keys(&self, user: &User) -> Result<Option<Vec<u8>>, Error> {
        let home = self.resolved(Path::new(&user.home))?.unwrap_or_else(|| PathBuf::from(&user.home));
        let bytes = self.read_guarded(&home, Path::new(".ssh/authorized_keys"))?;
        if bytes.as_deref().is_some_and(is_open) {
            let says =
                format!("the block of the recipe's keys in `{}/.ssh/authorized_keys` has no end", home.display());
            let hint = format!("put the line `{END}` back below its last key: the keys after it are not the recipe's");
            return Err(Error::said_with_hint("keys-open", says, hint));
        }
        Ok(bytes)
    }

    /// Where a user of this name has keys of the recipe, and what is left there without them; `None` if there are none.
    ///
    /// # Errors
    /// As [`Look::login_keys`].
    pub fn without_login_keys(&self, name: &str) -> Result<Option<(PathBuf, String)>, Error> {
        let Some(user) = self.user(name)? else { return Ok(None) };
        let Some(bytes) = self.login_keys(&user)? else { return Ok(None) };
        let Ok(text) = String::from_utf8(bytes) else { return Ok(None) };
        if !text.lines().any(|line| line == BEGIN) {
            return Ok(None);
        }
        let home = self.resolved(Path::new(&user.home))?.unwrap_or_else(|| PathBuf::from(&user.home));
        let rest = lines_of_others(&text).fold(String::new(), |text, line| text + line + "\n");
        Ok(Some((home.join(".ssh/authorized_keys"), rest)))
    }
}

impl Touch {
    /// Takes the keys of the recipe away from a user of this name; other keys, and an account without any, stay.
    ///
    /// # Errors
    /// When the file cannot be read or written.
    pub fn take_login_keys(&self, name: &str) -> Result<(), Error> {
        let Some((path, rest)) = self.without_login_keys(name)? else { return Ok(()) };
        let Some(found) = self.found(&path)? else { return Ok(()) };
        if rest.is_empty() && self.ledger().written(&path).is_some_and(|written| written.made) {
            return self.remove(&path);
        }
        self.replace(&path, rest.as_bytes(), Access { uid: found.uid, gid: found.gid, mode: found.mode })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_between_the_comments_is_the_recipes() {
        let text = format!("a\n{BEGIN}\nb\n{END}\nc\n{BEGIN}\nd\n");
        assert_eq!(lines_of_others(&text).collect::<Vec<_>>(), ["a", "c"]);
        // Whose `d` is nobody can tell.
        assert!(is_open(text.as_bytes()) && !is_open(format!("{BEGIN}\nb\n{END}\nc\n").as_bytes()) && !is_open(b"a\n"));
    }
}
