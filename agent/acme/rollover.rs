//! Another key for the accounts (RFC 8555, 7.3.5), such that it can be cut off anywhere.
//!
//! | on the disk | each account has |
//! |---|---|
//! | `key.pem` | that key |
//! | `key.pem` and `next.pem` | one of the two: the CA is asked which, and given the next one |
//!
//! The next key is settled before any CA is asked, so no account is ever left with a key that nobody has. Written by hand,
//! as the library makes the next key itself and gives it out only after the CA has it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;

use super::account::{self, Record};
use super::directory::Directory;
use super::http::Wire;
use super::instant::Client;
use super::order::Trouble;
use super::refusal::{Kind, Refusal};
use crate::host::tls_store::keys;
use crate::host::{Error, Look, Touch};
use crate::terms::KeyType;

const NEXT: &str = "tls/account/next.pem";
/// How often a nonce may be rejected: at one in two this fails once in 10^4, and the next run goes on.
const NONCES: u32 = 14;

/// Whether the accounts are between two keys.
///
/// # Errors
/// When it cannot be read.
pub(crate) fn is_under_way(host: &Look) -> Result<bool, Error> {
    Ok(next(host)?.is_some())
}

/// Makes the next key, unless there is one.
///
/// # Errors
/// When it cannot be written.
pub(crate) fn begin(host: &Touch) -> Result<(), Error> {
    account::key(host)?;
    if next(host)?.is_none() {
        host.write_state_durably(NEXT, keys::generate(KeyType::EcdsaP256)?.as_bytes())?;
    }
    Ok(())
}

/// Gives every account the next key, and makes that the key. `reach` opens the way to a CA; `first` is the CA that matters
/// most: if that one says no, everything stays as it is.
///
/// # Errors
/// When the first CA refuses, or this host.
pub(crate) async fn finish(
    host: &Touch,
    first: Option<&str>,
    reach: impl Fn(&str) -> Result<Wire, Refusal>,
) -> Result<(), Trouble> {
    let Some(next) = next(host)? else { return Ok(()) };
    let old = account::key(host)?;
    let mut records = if old == next { Vec::new() } else { account::records(host)? };
    records.sort_by_key(|record| Some(record.directory.as_str()) != first);
    let (mut has_changed, mut left) = (false, Vec::new());
    for record in records {
        let changed = match reach(&record.directory) {
            Ok(wire) => change(&wire, &record, &old, &next).await,
            Err(refusal) => Err(refusal),
        };
        match changed {
            Ok(()) => has_changed = true,
            // A CA that was away may have it all the same: then it is asked again before anything else is.
            Err(refusal) if !has_changed && refusal.kind == Kind::Away => return Err(refusal.into()),
            Err(refusal) if !has_changed => {
                host.remove_state(NEXT)?;
                return Err(refusal.into());
            }
            Err(refusal) => left.push((record.directory, refusal)),
        }
    }
    // There is one key for all. An account that did not get it is given up: the CA makes another one when it is needed.
    for (directory, refusal) in left {
        tracing::warn!(directory, says = refusal.says, "the account there did not get the new key, and is given up");
        account::give_up(host, &directory)?;
    }
    account::replace(host, &next)?;
    Ok(host.remove_state(NEXT)?)
}

fn next(host: &Look) -> Result<Option<String>, Error> {
    let key = host.read_state(NEXT)?.and_then(|bytes| String::from_utf8(bytes).ok());
    // One that a power cut took back was not settled, so no CA was asked.
    Ok(key.filter(|key| account::is_usable(key)))
}

/// Gives one account the next key, if it has not got it yet.
async fn change(wire: &Wire, record: &Record, old: &str, next: &str) -> Result<(), Refusal> {
    let has_it = async || Ok(Client::find(wire, next, &record.directory).await?.is_some());
    if has_it().await? {
        return Ok(());
    }
    let ca = Directory::of(wire, &record.directory).await?;
    let Some(place) = ca.key_change else {
        return Err(Refusal::new(Kind::Refused, "the CA does not give accounts another key"));
    };
    let mut left = NONCES;
    loop {
        let nonce = wire.nonce(&ca.new_nonce).await?;
        let request = request(&record.url, &place, &nonce, old, next);
        let request = request.map_err(|error| Refusal::new(Kind::Unusable, error))?;
        match wire.post(&place, request).await {
            Ok(()) => return Ok(()),
            Err(refusal) if refusal.kind == Kind::BadNonce && left > 0 => left -= 1,
            // It may be the answer alone that was lost.
            Err(refusal) => return if has_it().await.unwrap_or(false) { Ok(()) } else { Err(refusal) },
        }
    }
}

/// What the next key signs, signed by the old one.
fn request(account: &str, place: &str, nonce: &str, old: &str, next: &str) -> Result<String, Error> {
    let (old_half, next_half) = (account::public_of(old)?, account::public_of(next)?);
    let inner = signed(
        &json!({ "alg": "ES256", "jwk": next_half, "url": place }),
        &json!({ "account": account, "oldKey": old_half }),
        next,
    )?;
    let outer = json!({ "alg": "ES256", "kid": account, "nonce": nonce, "url": place });
    Ok(signed(&outer, &inner, old)?.to_string())
}

fn signed(protected: &serde_json::Value, payload: &serde_json::Value, key: &str) -> Result<serde_json::Value, Error> {
    let part = |value: &serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let (protected, payload) = (part(protected), part(payload));
    let signature = keys::sign_es256(key, format!("{protected}.{payload}").as_bytes())?;
    Ok(json!({ "protected": protected, "payload": payload, "signature": URL_SAFE_NO_PAD.encode(signature) }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::{Host, programs};

    fn host() -> (tempfile::TempDir, Touch) {
        let root = tempfile::tempdir().unwrap();
        let host = Host::at(root.path(), Box::new(programs::Real)).unwrap().touch();
        (root, host)
    }

    fn nobody(_: &str) -> Result<Wire, Refusal> {
        panic!("no CA is asked")
    }

    #[tokio::test]
    async fn without_an_account_the_key_is_merely_replaced() {
        let (_root, host) = host();
        let before = account::key(&host).unwrap();
        finish(&host, None, nobody).await.unwrap();
        assert_eq!(account::key(&host).unwrap(), before, "nothing was begun");
        begin(&host).unwrap();
        let next = next(&host).unwrap().unwrap();
        begin(&host).unwrap();
        assert_eq!(super::next(&host).unwrap().unwrap(), next, "it goes on with the key that may be known already");
        assert!(is_under_way(&host).unwrap());
        finish(&host, None, nobody).await.unwrap();
        assert!(!is_under_way(&host).unwrap() && account::is_sound(&host).unwrap());
        assert_eq!(account::key(&host).unwrap(), next);
    }

    #[tokio::test]
    async fn a_kill_after_the_key_was_replaced_is_made_good() {
        let (_root, host) = host();
        begin(&host).unwrap();
        let next = next(&host).unwrap().unwrap();
        host.write_state("tls/account/key.pem", next.as_bytes()).unwrap();
        assert!(!account::is_sound(&host).unwrap(), "the thumbprint is of the key before");
        account::note(&host, "https://ca.example/dir", "https://ca.example/account/1").unwrap();
        finish(&host, None, nobody).await.unwrap();
        assert!(!is_under_way(&host).unwrap() && account::is_sound(&host).unwrap());
    }

    #[tokio::test]
    async fn a_ca_that_is_away_leaves_both_keys_and_one_that_refuses_the_old_one() {
        let (_root, host) = host();
        account::note(&host, "https://ca.example/dir", "https://ca.example/account/1").unwrap();
        begin(&host).unwrap();
        let before = account::key(&host).unwrap();
        let away = finish(&host, None, |_| Err(Refusal::new(Kind::Away, "no answer"))).await;
        assert!(matches!(away, Err(Trouble::Ca(_))) && is_under_way(&host).unwrap());
        let refused = finish(&host, None, |_| Err(Refusal::new(Kind::Refused, "no"))).await;
        assert!(matches!(refused, Err(Trouble::Ca(_))) && !is_under_way(&host).unwrap());
        assert_eq!(account::key(&host).unwrap(), before);
    }
}
