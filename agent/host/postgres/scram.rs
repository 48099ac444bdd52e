//! Passwords as PostgreSQL stores them: made, and compared with a password, without the server ever seeing one.
//!
//! `SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>`, all but the count in Base64: RFC 5803, and
//! `src/common/scram-common.c` of PostgreSQL.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, KeyInit as _, Mac as _};
use rand::RngExt as _;
use sha2::{Digest as _, Sha256};

/// What PostgreSQL itself takes (`SCRAM_SHA_256_DEFAULT_ITERATIONS`).
const ITERATIONS: u32 = 4096;
/// What PostgreSQL itself takes (`SCRAM_DEFAULT_SALT_LEN`).
const SALT: usize = 16;
/// More than this and a stored verifier could keep the program busy for minutes.
const MOST_ITERATIONS: u32 = 10_000_000;

/// A stored SCRAM-SHA-256 verifier.
#[derive(PartialEq, Eq)]
struct Verifier {
    iterations: u32,
    salt: Vec<u8>,
    stored_key: Vec<u8>,
    server_key: Vec<u8>,
}

/// Whether `stored` (`pg_authid.rolpassword`) is what a role with this password should have: a SCRAM verifier of it, or
/// the very text if `wanted` is a verifier or MD5 hash already. An MD5 hash of the right password is not: it is weaker.
pub fn is_of(stored: &str, wanted: &str) -> bool {
    if is_hashed(wanted) {
        return stored == wanted;
    }
    match Verifier::parse(stored) {
        Some(verifier) => verifier == Verifier::of(wanted, &verifier.salt, verifier.iterations),
        None => false,
    }
}

/// What to store for a password; a verifier or MD5 hash is stored as it is.
pub fn to_store(wanted: &str) -> Cow<'_, str> {
    if is_hashed(wanted) {
        return Cow::Borrowed(wanted);
    }
    let mut salt = [0_u8; SALT];
    rand::rng().fill(&mut salt);
    Cow::Owned(Verifier::of(wanted, &salt, ITERATIONS).to_text())
}

/// Whether PostgreSQL would store this text as it is (`get_password_type` in `src/backend/libpq/crypt.c`).
fn is_hashed(text: &str) -> bool {
    let md5 = text
        .strip_prefix("md5")
        .is_some_and(|rest| rest.len() == 32 && rest.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')));
    md5 || Verifier::parse(text).is_some()
}

impl Verifier {
    fn parse(text: &str) -> Option<Self> {
        let (cost, keys) = text.strip_prefix("SCRAM-SHA-256$")?.split_once('$')?;
        let ((iterations, salt), (stored_key, server_key)) = (cost.split_once(':')?, keys.split_once(':')?);
        let key = |text: &str| BASE64.decode(text).ok().filter(|key| key.len() == 32);
        let iterations = iterations.parse().ok().filter(|n| (1..=MOST_ITERATIONS).contains(n))?;
        Some(Self {
            iterations,
            salt: BASE64.decode(salt).ok()?,
            stored_key: key(stored_key)?,
            server_key: key(server_key)?,
        })
    }

    /// RFC 5802, section 3.
    fn of(password: &str, salt: &[u8], iterations: u32) -> Self {
        let salted: [u8; 32] = pbkdf2::pbkdf2_hmac_array::<Sha256, 32>(prepared(password).as_bytes(), salt, iterations);
        let stored_key = Sha256::digest(keyed(&salted, b"Client Key")).to_vec();
        Self { iterations, salt: salt.to_vec(), stored_key, server_key: keyed(&salted, b"Server Key") }
    }

    fn to_text(&self) -> String {
        let [salt, stored, server] = [&self.salt, &self.stored_key, &self.server_key].map(|bytes| BASE64.encode(bytes));
        format!("SCRAM-SHA-256${}:{salt}${stored}:{server}", self.iterations)
    }
}

/// A password after SASLprep (RFC 4013), or its own bytes where that does not apply: PostgreSQL does the same.
fn prepared(password: &str) -> Cow<'_, str> {
    match stringprep::saslprep(password) {
        Ok(prepared) if !prepared.is_empty() => prepared,
        _ => Cow::Borrowed(password),
    }
}

fn keyed(key: &[u8], message: &[u8]) -> Vec<u8> {
    // HMAC takes a key of any length, so the empty answer is never seen.
    Hmac::<Sha256>::new_from_slice(key)
        .map(|hmac| hmac.chain_update(message).finalize().into_bytes().to_vec())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made by PostgreSQL 15: `CREATE ROLE … PASSWORD 'pencil'`, and one whose password SASLprep changes (`Ⅸ` is `IX`).
    const PENCIL: &str = include_str!("scram/pencil.verifier");
    const NINE: &str = include_str!("scram/nine.verifier");
    const MD5: &str = "md5b90c4ea1cbe94bc9a14a1e6a7e3a1c02";

    #[test]
    fn what_postgresql_stored_is_recognised() {
        assert!(is_of(PENCIL.trim(), "pencil"));
        assert!(!is_of(PENCIL.trim(), "pencil "));
        assert!(is_of(NINE.trim(), "\u{2168}") && is_of(NINE.trim(), "IX"));
    }

    #[test]
    fn what_is_made_is_recognised_and_never_the_same_twice() {
        let (one, other) = (to_store("geheim"), to_store("geheim"));
        assert_ne!(one, other);
        assert!(is_of(&one, "geheim") && is_of(&other, "geheim") && !is_of(&one, "gehe1m"));
        assert!(one.starts_with("SCRAM-SHA-256$4096:"));
    }

    #[test]
    fn what_is_hashed_already_is_taken_as_it_is() {
        assert_eq!(to_store(PENCIL.trim()), PENCIL.trim());
        assert!(is_of(PENCIL.trim(), PENCIL.trim()) && !is_of(PENCIL.trim(), NINE.trim()));
        assert!(is_of(MD5, MD5) && !is_of(PENCIL.trim(), MD5));
    }

    #[test]
    fn an_md5_hash_is_never_good_enough_for_a_password() {
        assert!(!is_of(MD5, "pencil"));
    }

    #[test]
    fn text_that_only_looks_hashed_is_a_password() {
        for password in [
            "md5",
            "md5B90C4EA1CBE94BC9A14A1E6A7E3A1C02",
            "SCRAM-SHA-256$4096:AA==$AA==:AA==",
            "SCRAM-SHA-256$",
            "\u{7}bell",
        ] {
            assert!(to_store(password).starts_with("SCRAM-SHA-256$4096:"), "{password}");
            assert!(is_of(&to_store(password), password), "{password}");
        }
    }
}
