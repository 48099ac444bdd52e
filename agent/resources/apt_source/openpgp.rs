//! As much of OpenPGP (RFC 9580) as tells which keys a keyring holds: armor, packet headers, fingerprints.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha1::Sha1;
use sha2::{Digest as _, Sha256};

use crate::terms::Fingerprint;

const BEGIN: &str = "-----BEGIN PGP PUBLIC KEY BLOCK-----";
const END: &str = "-----END PGP PUBLIC KEY BLOCK-----";

/// Packet types (RFC 9580, 5).
const SECRET_KEY: u8 = 5;
const PUBLIC_KEY: u8 = 6;
const SECRET_SUBKEY: u8 = 7;

/// The packets of a keyring, its armor taken off; what is not armored stays as it is.
///
/// # Errors
/// What is wrong with it.
pub(super) fn dearmored(bytes: &[u8]) -> Result<Vec<u8>, String> {
    if bytes.trim_ascii().is_empty() {
        return Err("is empty".into());
    }
    // Every packet begins with a byte above 127, and no text does.
    if bytes.first().is_some_and(|byte| *byte >= 0x80) {
        return Ok(bytes.to_vec());
    }
    let text = std::str::from_utf8(bytes).map_err(|_| "is neither an OpenPGP key nor text".to_owned())?;
    if text.contains("PGP PRIVATE KEY BLOCK") {
        return Err("holds a private key".into());
    }
    let mut packets = Vec::new();
    for begun in text.split(BEGIN).skip(1) {
        let (block, _) = begun.split_once(END).ok_or_else(|| format!("ends without `{END}`"))?;
        // Headers such as `Version:` end with an empty line; the checksum begins with `=`.
        let lines =
            block.trim_start_matches([' ', '\t', '\r']).strip_prefix('\n').unwrap_or(block).lines().map(str::trim);
        let body = lines
            .skip_while(|line| line.contains(':'))
            .filter(|line| !line.is_empty())
            .take_while(|line| !line.starts_with('='));
        let decoded = STANDARD.decode(body.collect::<String>());
        packets.extend(decoded.map_err(|error| format!("is not well-formed between `BEGIN` and `END`: {error}"))?);
    }
    if packets.is_empty() { Err(format!("has no `{BEGIN}`")) } else { Ok(packets) }
}

/// The fingerprints of all primary keys among these packets, in their order.
///
/// # Errors
/// What is wrong with them.
pub(super) fn fingerprints(packets: &[u8]) -> Result<Vec<Fingerprint>, String> {
    let mut found = Vec::new();
    let mut rest = packets;
    while !rest.is_empty() {
        let (tag, body, after) =
            packet(rest).ok_or_else(|| "is not a whole OpenPGP key: was it cut off?".to_owned())?;
        match tag {
            PUBLIC_KEY => found.push(fingerprint(body)?),
            SECRET_KEY | SECRET_SUBKEY => return Err("holds a private key".into()),
            _ if found.is_empty() => return Err("does not begin with a public key".into()),
            _ => {}
        }
        rest = after;
    }
    if found.is_empty() { Err("is empty".into()) } else { Ok(found) }
}

/// The type and body of the first packet, and what comes after it (RFC 9580, 4.2). Bodies in parts, which only data
/// packets may have, are not taken.
fn packet(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&header, rest) = bytes.split_first()?;
    let number = |bytes: &[u8]| bytes.iter().fold(0_usize, |sum, byte| sum << 8 | usize::from(*byte));
    let (tag, width, first) = match header {
        0xC0.. => (header & 0x3F, 0, *rest.first()?),
        0x80.. => (header >> 2 & 0x0F, 1 << (header & 3), 0),
        _ => return None,
    };
    let (length, content) = match (width, first) {
        (0, 0..=191) => (usize::from(first), rest.get(1..)?),
        (0, 192..=223) => (((usize::from(first) - 192) << 8) + usize::from(*rest.get(1)?) + 192, rest.get(2..)?),
        (0, 255) => (number(rest.get(1..5)?), rest.get(5..)?),
        (1 | 2 | 4, _) => (number(rest.get(..width)?), rest.get(width..)?),
        _ => return None,
    };
    let (body, after) = content.split_at_checked(length)?;
    Some((tag, body, after))
}

/// The fingerprint of a public key (RFC 9580, 5.5.4).
fn fingerprint(body: &[u8]) -> Result<Fingerprint, String> {
    let long = u32::try_from(body.len()).map_err(|_| "is too large".to_owned())?;
    match (body.first(), u16::try_from(body.len())) {
        (Some(4), Ok(short)) => Ok(Fingerprint::of(
            &Sha1::new().chain_update([0x99]).chain_update(short.to_be_bytes()).chain_update(body).finalize(),
        )),
        (Some(6), _) => Ok(Fingerprint::of(
            &Sha256::new().chain_update([0x9B]).chain_update(long.to_be_bytes()).chain_update(body).finalize(),
        )),
        (version, _) => {
            Err(format!("holds a key of version {}; apt takes 4 and 6", version.copied().unwrap_or_default()))
        }
    }
}
