//! The account with a CA: one key for all of them, on the disk before anybody is asked, and one address for each.
//!
//! One key means one thumbprint, and the web server answers challenges with that alone, for every CA:
//!
//! ```text
//! /var/lib/hostagent/tls/account/
//!   key.pem           P-256, 0600
//!   thumbprint        what the web server answers challenges with (RFC 8555, 8.1)
//!   next.pem          the key that takes its place, as long as a rollover is under way
//!   <digest>.json     the account's address at one CA
//! ```

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::bound::{self, Binding};
use super::directory::Directory;
use super::http::Wire;
use super::instant::Client;
use super::order::Trouble;
use super::refusal::{Kind, Refusal};
use crate::host::files::sha256_of;
use crate::host::tls_store::{self, keys};
use crate::host::{Error, Look, STATE_DIR, Touch};
use crate::terms::KeyType;

const KEY: &str = "tls/account/key.pem";
const DEACTIVATED: &str = "tls/account/key.deactivated.pem";
const THUMBPRINT: &str = "tls/account/thumbprint";
/// Who holds the key speaks for this host.
const ALONE: u32 = 0o600;

/// The account at one CA.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Record {
    pub(super) directory: String,
    pub(super) url: String,
}

/// Whom the CA may write to, and with what it is asked.
#[derive(Debug, Clone)]
pub struct Opening<'a> {
    /// The CA's directory.
    pub directory: &'a str,
    /// `mailto:` addresses; may be empty.
    pub contact: &'a [String],
    /// What the CA says of itself.
    pub says: &'a Directory,
    /// By what it knows whoever opens the account, from elsewhere.
    pub binding: Option<&'a Binding>,
}

/// The thumbprint of the account key, if there is one.
///
/// # Errors
/// When it cannot be read.
pub fn thumbprint(host: &Look) -> Result<Option<String>, Error> {
    let text = host.read_state(THUMBPRINT)?.and_then(|bytes| String::from_utf8(bytes).ok());
    Ok(text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty()))
}

/// Whether the key is there, and the thumbprint that is written down is its.
///
/// # Errors
/// When it cannot be read.
pub fn is_sound(host: &Look) -> Result<bool, Error> {
    let Some(key) = read(host)? else { return Ok(false) };
    Ok(Some(thumbprint_of(&key)?) == thumbprint(host)?)
}

/// The mode of the key, if others than root may have it.
///
/// # Errors
/// When it cannot be looked at.
pub fn wrong_mode(host: &Look) -> Result<Option<u32>, Error> {
    let found = host.found(&Path::new(STATE_DIR).join(KEY))?;
    Ok(found.map(|found| found.mode).filter(|mode| *mode != ALONE))
}

/// The account key, made if there is none; and its thumbprint beside it.
///
/// # Errors
/// When it cannot be read or written.
pub fn key(host: &Touch) -> Result<String, Error> {
    let key = if let Some(key) = read(host)? {
        key
    } else {
        let key = keys::generate(KeyType::EcdsaP256)?;
        host.write_state_durably(KEY, key.as_bytes())?;
        key
    };
    let print = thumbprint_of(&key)?;
    if thumbprint(host)?.as_deref() != Some(&print) {
        host.write_state_durably(THUMBPRINT, format!("{print}\n").as_bytes())?;
    }
    Ok(key)
}

/// Whether there is an account at a CA, as far as is known here.
///
/// # Errors
/// When it cannot be read.
pub fn is_known(host: &Look, directory: &str) -> Result<bool, Error> {
    Ok(recorded(host, directory)?.is_some())
}

fn recorded(host: &Look, directory: &str) -> Result<Option<Record>, Error> {
    let kept = host.read_state(&place_of(directory))?;
    let kept: Option<Record> = kept.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    Ok(kept.filter(|record| record.directory == directory))
}

/// Opens the account at a CA, or makes one.
///
/// # Errors
/// When the CA or this host refuses.
pub(crate) async fn open(host: &Touch, wire: &Wire, opening: &Opening<'_>) -> Result<Client, Trouble> {
    let key = key(host)?;
    if let Some(record) = recorded(host, opening.directory)? {
        return Ok(Client::known(wire, &key, opening.directory, record.url).await?);
    }
    // A CA that knows the key gives its account: what was cut off before it was written down is found again.
    let client = match opening.binding {
        Some(binding) => {
            let url = bound::register(wire, opening.says, &key, binding).await?;
            let client = Client::known(wire, &key, opening.directory, url).await?;
            client.tell(opening.contact).await;
            client
        }
        None if opening.says.meta.external_account_required => return Err(unbound(opening.directory).into()),
        None => Client::register(wire, &key, opening).await?,
    };
    note(host, opening.directory, client.account())?;
    Ok(client)
}

fn unbound(directory: &str) -> Refusal {
    let says = "the CA takes only accounts that it knows from elsewhere (external account binding)";
    let fix = format!(
        "have the CA give you a key ID and an HMAC key, and write `issuer = {{ directory = \"{directory}\", eab = {{ kid = \"…\", \
         hmac = {{ ssm = \"/…\" }} }} }}`"
    );
    Refusal::new(Kind::Refused, says).fix(fix)
}

/// Writes down the account at a CA.
pub(super) fn note(host: &Touch, directory: &str, url: &str) -> Result<(), Error> {
    let record = Record { directory: directory.to_owned(), url: url.to_owned() };
    let bytes = serde_json::to_vec(&record).map_err(|error| Error::said("tls-store", error.to_string()))?;
    host.write_state_durably(&place_of(directory), &bytes)
}

/// The accounts at all CAs.
pub(super) fn records(host: &Look) -> Result<Vec<Record>, Error> {
    let mut records = Vec::new();
    for name in host.names_in(&tls_store::root().join("account"))? {
        let Some(name) = name.to_str().and_then(|name| name.strip_suffix(".json")) else { continue };
        let kept = host.read_state(&format!("tls/account/{name}.json"))?;
        records.extend(kept.and_then(|bytes| serde_json::from_slice::<Record>(&bytes).ok()));
    }
    Ok(records)
}

/// Puts another key in the place of the account key.
pub(super) fn replace(host: &Touch, next: &str) -> Result<(), Error> {
    host.write_state_durably(KEY, next.as_bytes())?;
    key(host)?;
    Ok(())
}

/// Gives up the account at a CA: the next run makes one.
///
/// # Errors
/// When it cannot be taken away.
pub fn give_up(host: &Touch, directory: &str) -> Result<(), Error> {
    host.remove_state(&place_of(directory))
}

/// Forgets the account at a CA that knows it no more: the next run makes one. One that was deactivated is so for its key: with
/// another key the next run begins, which also tells the web server its thumbprint.
///
/// # Errors
/// When it cannot be taken away.
pub fn forget(host: &Touch, directory: &str, refusal: &Refusal) -> Result<(), Error> {
    give_up(host, directory)?;
    if refusal.says.to_ascii_lowercase().contains("deactivated")
        && let Some(key) = read(host)?
    {
        tracing::warn!(directory, "the account was deactivated; its key is kept as key.deactivated.pem");
        host.write_state_durably(DEACTIVATED, key.as_bytes())?;
        host.remove_state(KEY)?;
        host.remove_state(THUMBPRINT)?;
    }
    Ok(())
}

/// Gives the key its mode again.
///
/// # Errors
/// When the system refuses.
pub fn give(host: &Touch) -> Result<(), Error> {
    match (wrong_mode(host)?, read(host)?) {
        // Written anew it has them from the first moment on.
        (Some(_), Some(key)) => host.write_state_durably(KEY, key.as_bytes()),
        _ => Ok(()),
    }
}

fn place_of(directory: &str) -> String {
    let digest = sha256_of(directory.as_bytes());
    format!("tls/account/{}.json", digest.get(..16).unwrap_or(&digest))
}

fn read(host: &Look) -> Result<Option<String>, Error> {
    let key = host.read_state(KEY)?.and_then(|bytes| String::from_utf8(bytes).ok());
    // One that cannot be read is as good as none: a write that a power cut took back, and no CA knows it.
    Ok(key.filter(|key| is_usable(key)))
}

/// Whether accounts can have it.
pub(super) fn is_usable(key: &str) -> bool {
    keys::public_half(key).is_ok_and(|(kind, _)| kind == Some(KeyType::EcdsaP256))
}

/// The thumbprint of a P-256 key (RFC 7638).
///
/// # Errors
/// When it is no such key.
pub fn thumbprint_of(key: &str) -> Result<String, Error> {
    // In the order of RFC 7638, 3.3, which is that of the alphabet: serde_json's maps are sorted.
    Ok(URL_SAFE_NO_PAD.encode(Sha256::digest(public_of(key)?.to_string().as_bytes())))
}

/// The public half of a P-256 key as a JWK (RFC 7518, 6.2.1).
pub(super) fn public_of(key: &str) -> Result<serde_json::Value, Error> {
    let (_, public) = keys::public_half(key)?;
    // An uncompressed point ends the public half (RFC 5480, 2.2): 4, and two numbers of 32 bytes.
    let point =
        public.len().checked_sub(64).and_then(|at| public.get(at..)).and_then(|point| point.split_at_checked(32));
    let (x, y) = point.ok_or_else(|| Error::said("tls-key", "the account key is not of P-256"))?;
    let part = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    Ok(serde_json::json!({ "crv": "P-256", "kty": "EC", "x": part(x), "y": part(y) }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::{Host, programs};

    #[test]
    fn the_key_is_made_once_and_its_thumbprint_stands_beside_it() {
        let root = tempfile::tempdir().unwrap();
        let host = Host::at(root.path(), Box::new(programs::Real)).unwrap().touch();
        assert!(!is_sound(&host).unwrap() && thumbprint(&host).unwrap().is_none());
        let first = key(&host).unwrap();
        assert!(is_sound(&host).unwrap());
        assert_eq!(key(&host).unwrap(), first);
        assert_eq!(thumbprint(&host).unwrap().unwrap().len(), 43);
        // A thumbprint that is not the key's would answer every challenge wrongly.
        host.write_state(THUMBPRINT, b"other").unwrap();
        assert!(!is_sound(&host).unwrap());
        key(&host).unwrap();
        assert!(is_sound(&host).unwrap());
    }

    #[test]
    fn only_a_key_of_p_256_has_this_thumbprint() {
        assert!(thumbprint_of("-----BEGIN PRIVATE KEY-----\nMIGHAgEA\n-----END PRIVATE KEY-----\n").is_err());
        let (one, other) = (keys::generate(KeyType::EcdsaP256).unwrap(), keys::generate(KeyType::EcdsaP256).unwrap());
        assert_eq!(thumbprint_of(&one).unwrap(), thumbprint_of(&one).unwrap());
        assert_ne!(thumbprint_of(&one).unwrap(), thumbprint_of(&other).unwrap());
    }
}
