//! Certificates, read and forged.

use std::net::{Ipv4Addr, Ipv6Addr};

use rcgen::{
    CertificateParams, DistinguishedName, DnType, DnValue, ExtendedKeyUsagePurpose, Issuer, KeyIdMethod, KeyPair,
    PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_RSA_SHA256, PublicKeyData, SignatureAlgorithm, date_time_ymd,
};

use time::Duration;

use super::authority::called;
use super::der::{self, Element};
use super::fault::Change;
use super::jws::encoded;

/// Numbers of extensions, below 2.5.29.
const SUBJECT_KEY: u8 = 14;
const NAMES: u8 = 17;
const AUTHORITY_KEY: u8 = 35;

/// What is to be known of a certificate.
#[derive(Debug, Clone)]
pub(super) struct Leaf {
    /// Its name in ARI: the key of who signed it, and its serial number.
    pub(super) id: String,
    /// Sorted.
    pub(super) names: Vec<String>,
    pub(super) life: Life,
    pub(super) key: Key,
}

/// From when until when, in seconds of Unix.
#[derive(Debug, Clone, Copy)]
pub(super) struct Life {
    pub(super) from: i64,
    pub(super) until: i64,
}

/// A public key.
#[derive(Debug, Clone)]
pub(super) struct Key {
    algorithm: &'static SignatureAlgorithm,
    pub(super) bytes: Vec<u8>,
}

impl PublicKeyData for Key {
    fn der_bytes(&self) -> &[u8] {
        &self.bytes
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        self.algorithm
    }
}

impl Leaf {
    /// Reads the first certificate of a chain.
    pub(super) fn read(chain: &str) -> Option<Self> {
        let bytes = der::of_pem(chain)?;
        let parts = der::parts(&bytes)?;
        let serial = parts.get(1)?.content;
        let authority = der::elements(der::extension(&parts, AUTHORITY_KEY)?)?;
        let authority = der::elements(authority.first()?.content)?;
        let said = der::elements(der::extension(&parts, NAMES)?)?;
        let mut names: Vec<_> = der::elements(said.first()?.content)?.iter().filter_map(name).collect();
        names.sort();
        let life = der::elements(parts.get(4)?.content)?;
        Some(Self {
            id: format!("{}.{}", encoded(authority.first()?.content), encoded(serial)),
            names,
            life: Life { from: der::second(life.first()?)?, until: der::second(life.get(1)?)? },
            key: Key::read(parts.get(6)?.content)?,
        })
    }
}

impl Key {
    fn read(said: &[u8]) -> Option<Self> {
        const P256: [u8; 8] = [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
        const P384: [u8; 5] = [0x2b, 0x81, 0x04, 0x00, 0x22];
        let said = der::elements(said)?;
        let curve = der::elements(said.first()?.content)?.get(1)?.content;
        let algorithm = match curve {
            curve if curve == P256 => &PKCS_ECDSA_P256_SHA256,
            curve if curve == P384 => &PKCS_ECDSA_P384_SHA384,
            _ => &PKCS_RSA_SHA256,
        };
        // A string of bits begins with how many of the last byte do not count: none.
        Some(Self { algorithm, bytes: said.get(1)?.content.get(1..)?.to_vec() })
    }
}

fn name(said: &Element<'_>) -> Option<String> {
    match said.tag {
        0x82 => String::from_utf8(said.content.to_vec()).ok(),
        0x87 if said.content.len() == 4 => {
            <[u8; 4]>::try_from(said.content).ok().map(|v4| Ipv4Addr::from(v4).to_string())
        }
        0x87 => <[u8; 16]>::try_from(said.content).ok().map(|v6| Ipv6Addr::from(v6).to_string()),
        _ => None,
    }
}

/// A chain with another leaf, signed by the CA's own key. Everything but what is wrong with it is right.
pub(super) fn forged(change: Change, chain: &str, signer_pem: &str, signer_key: &str) -> Option<String> {
    let leaf = Leaf::read(chain)?;
    let signer = signer(signer_pem, signer_key)?;
    let names = match change {
        Change::OtherNames => vec!["somebody-else.example.net".to_owned()],
        _ => leaf.names,
    };
    let first = names.first().cloned().unwrap_or_default();
    let mut params = CertificateParams::new(names).ok()?;
    params.distinguished_name = called(&first);
    params.use_authority_key_identifier_extension = true;
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    (params.not_before, params.not_after) = match change {
        Change::Expired => (date_time_ymd(2020, 1, 1), date_time_ymd(2020, 4, 1)),
        Change::OffBy(seconds) => {
            let at = |second: i64| date_time_ymd(1970, 1, 1) + Duration::seconds(second + seconds);
            (at(leaf.life.from), at(leaf.life.until))
        }
        _ => (date_time_ymd(2020, 1, 1), date_time_ymd(2049, 1, 1)),
    };
    let certificate = match change {
        Change::AnotherKey => params.signed_by(&KeyPair::generate().ok()?, &signer).ok()?,
        _ => params.signed_by(&leaf.key, &signer).ok()?,
    };
    let (_, rest) = split(chain)?;
    Some(format!("{}{rest}", certificate.pem()))
}

/// Pebble's intermediate, whose name is one common name.
fn signer(pem: &str, key: &str) -> Option<Issuer<'static, KeyPair>> {
    let bytes = der::of_pem(pem)?;
    let parts = der::parts(&bytes)?;
    let names = der::elements(parts.get(5)?.content)?;
    let name = der::elements(der::elements(names.first()?.content)?.first()?.content)?;
    let name = String::from_utf8(name.get(1)?.content.to_vec()).ok()?;
    let identifier = der::elements(der::extension(&parts, SUBJECT_KEY)?)?;
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    // As Go writes it: names are compared by their bytes.
    params.distinguished_name.push(DnType::CommonName, DnValue::PrintableString(name.as_str().try_into().ok()?));
    params.key_identifier_method = KeyIdMethod::PreSpecified(identifier.first()?.content.to_vec());
    Some(Issuer::new(params, KeyPair::from_pem(key).ok()?))
}

/// The leaf of a chain, and the rest of it.
pub(super) fn split(chain: &str) -> Option<(&str, &str)> {
    const END: &str = "-----END CERTIFICATE-----\n";
    chain.find(END).and_then(|at| chain.split_at_checked(at + END.len()))
}
