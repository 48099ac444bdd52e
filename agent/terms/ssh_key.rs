//! Public keys as OpenSSH writes them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the type of a key may be (sshd(8), "Authorized keys file format"); certificates of these end in `-cert-v01@openssh.com`.
const TYPES: [&str; 8] = [
    "ssh-ed25519",
    "ssh-rsa",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
    "ssh-dss",
];

/// A line of `authorized_keys`: options if any, type, key, comment. The key must be whole.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
pub struct SshKey(String);

impl SshKey {
    /// The line.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The parts of a line of `authorized_keys`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyLine<'l> {
    /// Such as `from="10.0.0.0/8",no-pty`; empty if there are none.
    pub options: &'l str,
    /// Such as `ssh-ed25519`.
    pub kind: &'l str,
    /// The key itself, in base64.
    pub key: &'l str,
}

impl<'l> KeyLine<'l> {
    /// The parts of a line; `None` for one without a key, such as a comment.
    pub fn of(line: &'l str) -> Option<Self> {
        let line = line.trim();
        let (first, rest) = line.split_once([' ', '\t'])?;
        if TYPES.contains(&first) {
            let key = rest.split_whitespace().next()?;
            return Some(Self { options: "", kind: first, key });
        }
        if line.starts_with('#') {
            return None;
        }
        // Options end at the first blank that stands in no quotes.
        let mut quoted = false;
        let mut before = ' ';
        let end = line.find(|c: char| {
            quoted ^= c == '"' && before != '\\';
            before = c;
            !quoted && (c == ' ' || c == '\t')
        })?;
        let (options, rest) = line.split_at_checked(end)?;
        let mut words = rest.split_whitespace();
        let (kind, key) = (words.next()?, words.next()?);
        TYPES.contains(&kind).then_some(Self { options, kind, key })
    }
}

kept_as_text!(SshKey);

impl TryFrom<String> for SshKey {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let line = text.trim();
        let wrong = |says: &str, hint: &str| Err(format!("{says}\nhint: {hint}"));
        if line.contains("PRIVATE KEY") {
            return wrong(
                "this is a private key",
                "put the public one here, from the file that ends in `.pub`; make a new pair if others could read this recipe",
            );
        }
        if line.contains(['\n', '\r', '\0']) {
            return wrong("this is more than one line", "one key a string");
        }
        let Some(parts) = KeyLine::of(line) else {
            return wrong(
                "this is not a public key of OpenSSH",
                "a type, a key and a comment, such as `ssh-ed25519 AAAA… ops`",
            );
        };
        // The key names its own type again: what was cut off or pasted wrongly does not.
        let bytes = STANDARD.decode(parts.key).unwrap_or_default();
        let length = bytes.get(..4).and_then(|head| head.try_into().ok()).map(u32::from_be_bytes);
        let named = length.and_then(|length| bytes.get(4..4 + usize::try_from(length).ok()?));
        if named != Some(parts.kind.as_bytes()) || bytes.len() < parts.kind.len() + 32 {
            return wrong(
                &format!("this is not a whole key of the type `{}`", parts.kind),
                "copy the whole line of the `.pub` file",
            );
        }
        Ok(Self(line.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl";

    #[test]
    fn a_line_has_options_type_and_key() {
        let line = format!("from=\"10.0.0.0/8, 10.1.0.0/16\",no-pty ssh-ed25519 {KEY} a b");
        let parts = KeyLine::of(&line).unwrap();
        assert_eq!(
            parts,
            KeyLine { options: "from=\"10.0.0.0/8, 10.1.0.0/16\",no-pty", kind: "ssh-ed25519", key: KEY }
        );
        assert_eq!(KeyLine::of("# ssh-ed25519 AAAA"), None);
        assert_eq!(KeyLine::of(""), None);
    }

    #[test]
    fn what_is_no_whole_public_key_is_refused() {
        assert!(SshKey::try_from(format!("ssh-ed25519 {KEY} ops")).is_ok());
        assert!(SshKey::try_from(format!("no-pty ssh-ed25519 {KEY}\n")).is_ok());
        for (text, says) in [
            ("AAAA".to_owned(), "not a public key"),
            (format!("ssh-rsa {KEY}"), "not a whole key of the type `ssh-rsa`"),
            (format!("ssh-ed25519 {}", &KEY[..40]), "not a whole key"),
            (format!("ssh-ed25519 {KEY}\nssh-ed25519 {KEY}"), "more than one line"),
            ("-----BEGIN OPENSSH PRIVATE KEY-----\nx".to_owned(), "private key"),
        ] {
            let said = SshKey::try_from(text).unwrap_err();
            assert!(said.contains(says) && said.contains("\nhint: "), "{said}");
        }
    }
}
