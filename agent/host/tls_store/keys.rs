//! Keys, and what is made of them here: requests for a certificate, and certificates that are signed by themselves.

use std::time::Duration;

use rcgen::{CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, KeyPair, RsaKeySize};
use rcgen::{PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_RSA_SHA256, PublicKeyData as _, SigningKey as _};
use time::OffsetDateTime;

use crate::host::Error;
use crate::host::moment::Moment;
use crate::terms::KeyType;

/// The common name of a certificate that stands in for one that is still to come.
pub const BOOTSTRAP: &str = "hostagent-bootstrap";
/// How long one that stands in counts.
pub const BOOTSTRAP_LIFETIME: Duration = Duration::from_hours(7 * 24);
/// How long before now it begins to count: the clock of whoever asks may be behind.
const HEAD_START: Duration = Duration::from_hours(1);

/// A new private key, as PEM (PKCS #8).
///
/// # Errors
/// When there is no randomness to be had.
pub fn generate(kind: KeyType) -> Result<String, Error> {
    let key = match kind {
        KeyType::EcdsaP256 => KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256),
        KeyType::EcdsaP384 => KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384),
        KeyType::Rsa => KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048),
    };
    Ok(key.map_err(|error| failed("make a key", &error))?.serialize_pem())
}

/// The kind of a private key and its public half (a DER `SubjectPublicKeyInfo`).
///
/// # Errors
/// When it is no key that is known here.
pub fn public_half(key: &str) -> Result<(Option<KeyType>, Vec<u8>), Error> {
    let key = read(key)?;
    let algorithm = key.algorithm();
    let kind = if algorithm == &PKCS_ECDSA_P256_SHA256 {
        Some(KeyType::EcdsaP256)
    } else if algorithm == &PKCS_ECDSA_P384_SHA384 {
        Some(KeyType::EcdsaP384)
    } else if algorithm == &PKCS_RSA_SHA256 {
        Some(KeyType::Rsa)
    } else {
        None
    };
    Ok((kind, key.subject_public_key_info()))
}

/// What a key of P-256 signs some bytes with, as JWS has it: two numbers of 32 bytes (RFC 7518, 3.4).
///
/// # Errors
/// When it is no such key.
pub fn sign(key: &str, bytes: &[u8]) -> Result<Vec<u8>, Error> {
    let key = read(key)?;
    if key.algorithm() != &PKCS_ECDSA_P256_SHA256 {
        return Err(Error::said("tls-key", "only keys of P-256 sign here"));
    }
    let signed = key.sign(bytes).map_err(|error| failed("sign with this key", &error))?;
    two_numbers(&signed).ok_or_else(|| Error::said("tls-key", "what was signed cannot be read"))
}

/// The two numbers of a signature, which are ASN.1 with as many bytes as each needs (RFC 3279, 2.2.3).
fn two_numbers(signed: &[u8]) -> Option<Vec<u8>> {
    let mut rest = signed.get(2..)?;
    let mut both = Vec::new();
    for _ in 0..2 {
        let (number, after) = rest.get(2..)?.split_at_checked(usize::from(*rest.get(1)?))?;
        let digits = number.get(number.iter().take_while(|byte| **byte == 0).count()..)?;
        both.extend(vec![0; 32_usize.checked_sub(digits.len())?]);
        both.extend(digits);
        rest = after;
    }
    Some(both)
}

/// A request for a certificate for these names with this key, as DER.
///
/// # Errors
/// When a name cannot stand in a certificate, or the key cannot sign.
pub fn request(key: &str, names: &[String]) -> Result<Vec<u8>, Error> {
    let mut params = CertificateParams::new(names.to_vec()).map_err(|error| failed("ask for these names", &error))?;
    params.distinguished_name = DistinguishedName::new();
    let request = params.serialize_request(&read(key)?).map_err(|error| failed("ask with this key", &error))?;
    Ok(request.der().to_vec())
}

/// A certificate for these names that the key signs itself, as PEM.
///
/// # Errors
/// When a name cannot stand in a certificate, or the key cannot sign.
pub fn self_signed(
    key: &str,
    names: &[String],
    common_name: &str,
    from: Moment,
    lifetime: Duration,
) -> Result<String, Error> {
    let mut params =
        CertificateParams::new(names.to_vec()).map_err(|error| failed("make one for these names", &error))?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.not_before = date(from.earlier(HEAD_START))?;
    params.not_after = date(from.later(lifetime))?;
    let signed = params.self_signed(&read(key)?).map_err(|error| failed("sign with this key", &error))?;
    Ok(signed.pem())
}

/// What a P-256 key signs, as JWS has it (RFC 7518, 3.4): two numbers of 32 bytes.
///
/// # Errors
/// When it is no such key.
pub fn sign_es256(key: &str, message: &[u8]) -> Result<Vec<u8>, Error> {
    let key = read(key)?;
    let der = key.sign(message).map_err(|error| failed("sign with this key", &error))?;
    let numbers = x509_parser::der_parser::parse_der(&der).ok().and_then(|(_, sequence)| {
        let numbers: Vec<[u8; 32]> =
            sequence.as_sequence().ok()?.iter().filter_map(|number| of_32(number.as_slice().ok()?)).collect();
        <[[u8; 32]; 2]>::try_from(numbers).ok()
    });
    let is_p256 = key.algorithm() == &PKCS_ECDSA_P256_SHA256;
    let numbers = numbers.filter(|_| is_p256).ok_or_else(|| Error::said("tls-key", "the key is not of P-256"))?;
    Ok(numbers.concat())
}

/// A number of DER, which has as many bytes as it needs and one more if it would look negative, with 32.
fn of_32(number: &[u8]) -> Option<[u8; 32]> {
    let bare: &[u8] = if number.len() > 32 { number.strip_prefix(&[0])? } else { number };
    let mut all = [0; 32];
    all.get_mut(32_usize.checked_sub(bare.len())?..)?.copy_from_slice(bare);
    Some(all)
}

fn date(moment: Moment) -> Result<OffsetDateTime, Error> {
    OffsetDateTime::from_unix_timestamp(moment.second())
        .map_err(|_| Error::said("tls-key", format!("`{moment}` cannot stand in a certificate")))
}

fn read(key: &str) -> Result<KeyPair, Error> {
    // What a parser says of a key may quote it.
    KeyPair::from_pem(key).map_err(|_| Error::said("tls-key", "the private key cannot be read"))
}

fn failed(what: &str, error: &rcgen::Error) -> Error {
    Error::said("tls-key", format!("could not {what}: {error}"))
}
