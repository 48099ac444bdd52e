//! A key and its certificates: read, and held against each other before anything serves them.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::keys;
use crate::host::Error;
use crate::host::moment::Moment;

/// A certificate that counts only from then on is meant for a clock that is right: this one may be behind.
const CLOCK_BEHIND: Duration = Duration::from_hours(3 * 24);

/// What is known of the certificate of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaf {
    /// The names it is for.
    pub names: BTreeSet<String>,
    /// Its first moment.
    pub from: Moment,
    /// Its last.
    pub to: Moment,
    /// Its serial number in hex.
    pub serial: String,
    /// Who issued it.
    pub issuer: String,
    /// Whether that is itself.
    pub is_self_signed: bool,
    /// What names it to its CA when it is to be renewed (RFC 9773, 4.1).
    pub renewal_id: Option<String>,
}

/// Certificates as the files of a server want them: the server's own, and those above it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    /// The server's own, as PEM.
    pub leaf: String,
    /// Those above, as PEM; may be empty.
    pub above: String,
}

/// What is known of the first certificate of a PEM text.
///
/// # Errors
/// When it is none.
pub fn leaf(pem: &[u8]) -> Result<Leaf, Error> {
    let ders = ders(pem)?;
    let first = ders.first().ok_or_else(|| unfit("there is no certificate in it"))?;
    read(&parsed(first)?)
}

/// What is known of a certificate.
///
/// # Errors
/// When it is none.
pub(super) fn leaf_of(der: &CertificateDer<'static>) -> Result<Leaf, Error> {
    read(&parsed(der)?)
}

/// Holds a key, certificates and what is wanted against each other.
///
/// # Errors
/// What does not fit.
pub fn check(key: &str, pem: &[u8], names: &[String], now: Moment) -> Result<Leaf, Error> {
    let ders = ders(pem)?;
    let all = ders.iter().map(parsed).collect::<Result<Vec<_>, _>>()?;
    let first = all.first().ok_or_else(|| unfit("there is no certificate in it"))?;
    let (_, public) = keys::public_half(key)?;
    if first.public_key().raw != public {
        return Err(unfit("the certificate is not for this key"));
    }
    let leaf = read(first)?;
    let missing: Vec<&str> =
        names.iter().filter(|name| !leaf.names.contains(&normal(name))).map(String::as_str).collect();
    if !missing.is_empty() {
        return Err(unfit(&format!("the certificate is not for `{}`", missing.join("`, `"))));
    }
    if leaf.to <= now {
        return Err(unfit(&format!("the certificate ended on {}", leaf.to)));
    }
    if leaf.from > now.later(CLOCK_BEHIND) {
        return Err(unfit(&format!("the certificate begins on {}", leaf.from)));
    }
    for (below, above) in all.iter().zip(all.iter().skip(1)) {
        if below.issuer().as_raw() != above.subject().as_raw() {
            return Err(unfit(&format!(
                "`{}` is followed by `{}`, which did not issue it",
                below.subject(),
                above.subject()
            )));
        }
        if below.verify_signature(Some(above.public_key())).is_err() {
            return Err(unfit(&format!("`{}` is not signed by `{}`", below.subject(), above.subject())));
        }
    }
    Ok(leaf)
}

/// Parts certificates as the files of a server want them.
///
/// # Errors
/// When there is none.
pub fn split(pem: &[u8]) -> Result<Chain, Error> {
    let mut all = ders(pem)?.into_iter().map(|der| armoured(&der));
    let leaf = all.next().ok_or_else(|| unfit("there is no certificate in it"))?;
    Ok(Chain { leaf, above: all.collect() })
}

/// A name as a certificate has it: lower case, and addresses in one spelling.
pub fn normal(name: &str) -> String {
    name.parse::<IpAddr>().map_or_else(|_| name.trim_end_matches('.').to_ascii_lowercase(), |ip| ip.to_string())
}

fn ders(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, Error> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    all.map_err(|error| unfit(&format!("the certificates cannot be read: {error:?}")))
}

fn parsed<'a>(der: &'a CertificateDer<'static>) -> Result<X509Certificate<'a>, Error> {
    match X509Certificate::from_der(der) {
        Ok(([], certificate)) => Ok(certificate),
        Ok(_) => Err(unfit("there is more in a certificate than the certificate")),
        Err(error) => Err(unfit(&format!("a certificate cannot be read: {error}"))),
    }
}

fn read(certificate: &X509Certificate<'_>) -> Result<Leaf, Error> {
    let names =
        certificate.subject_alternative_name().map_err(|error| unfit(&format!("its names cannot be read: {error}")))?;
    let names = names.iter().flat_map(|names| &names.value.general_names).filter_map(|name| match name {
        GeneralName::DNSName(name) => Some(normal(name)),
        GeneralName::IPAddress(bytes) => address(bytes).map(|ip| ip.to_string()),
        _ => None,
    });
    let key_id = certificate.extensions().iter().find_map(|extension| match extension.parsed_extension() {
        ParsedExtension::AuthorityKeyIdentifier(authority) => authority.key_identifier.as_ref().map(|id| id.0),
        _ => None,
    });
    let part = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    Ok(Leaf {
        names: names.collect(),
        from: Moment::at(certificate.validity().not_before.timestamp()),
        to: Moment::at(certificate.validity().not_after.timestamp()),
        serial: hex(certificate.raw_serial()),
        issuer: certificate.issuer().to_string(),
        is_self_signed: certificate.issuer().as_raw() == certificate.subject().as_raw(),
        renewal_id: key_id.map(|id| format!("{}.{}", part(id), part(certificate.raw_serial()))),
    })
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    <[u8; 4]>::try_from(bytes).map(IpAddr::from).or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok()
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn armoured(der: &[u8]) -> String {
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let lines: Vec<&str> = text.as_bytes().chunks(64).filter_map(|line| std::str::from_utf8(line).ok()).collect();
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
}

fn unfit(says: &str) -> Error {
    Error::said_with_hint("tls-unfit", says, "the certificate that was there is still in use")
}

#[cfg(test)]
mod tests {
    use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

    use super::*;
    use crate::terms::KeyType;

    const NOW: Moment = Moment::at(1_795_000_000);
    const WEEK: Duration = Duration::from_hours(7 * 24);

    fn own(names: &[&str], from: Moment) -> (String, String, Vec<String>) {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let key = keys::generate(KeyType::EcdsaP256).unwrap();
        let pem = keys::self_signed(&key, &names, "own", from, WEEK).unwrap();
        (key, pem, names)
    }

    fn says(key: &str, pem: &str, names: &[String], now: Moment) -> String {
        check(key, pem.as_bytes(), names, now).unwrap_err().to_string()
    }

    #[test]
    fn a_pair_that_fits_is_known_by_its_names_and_dates() {
        let (key, pem, names) = own(&["a.example", "*.a.example", "192.0.2.1", "2001:db8::1"], NOW);
        let leaf = check(&key, pem.as_bytes(), &names, NOW).unwrap();
        assert_eq!(leaf.names, names.iter().cloned().collect());
        assert_eq!((leaf.to, leaf.is_self_signed), (NOW.later(WEEK), true));
        let upper = ["A.Example.".to_owned()];
        assert!(check(&key, pem.as_bytes(), &upper, NOW).is_ok());
    }

    #[test]
    fn every_kind_of_key_makes_a_pair_and_a_request() {
        for kind in [KeyType::EcdsaP256, KeyType::EcdsaP384, KeyType::Rsa] {
            let key = keys::generate(kind).unwrap();
            let names = ["a.example".to_owned()];
            let pem = keys::self_signed(&key, &names, "own", NOW, WEEK).unwrap();
            assert!(check(&key, pem.as_bytes(), &names, NOW).is_ok(), "{kind}");
            assert!(!keys::request(&key, &names).unwrap().is_empty());
            assert_eq!(keys::public_half(&key).unwrap().0, Some(kind));
        }
    }

    #[test]
    fn what_does_not_fit_is_refused_and_said() {
        let (key, pem, names) = own(&["a.example"], NOW);
        let (other, ..) = own(&["a.example"], NOW);
        assert_eq!(says(&other, &pem, &names, NOW), "the certificate is not for this key");
        let more = [names[0].clone(), "b.example".to_owned()];
        assert_eq!(says(&key, &pem, &more, NOW), "the certificate is not for `b.example`");
        assert!(says(&key, &pem, &names, NOW.later(WEEK)).starts_with("the certificate ended on"));
        assert!(says(&key, &pem, &names, NOW.earlier(WEEK)).starts_with("the certificate begins on"));
        assert!(
            check(&key, pem.as_bytes(), &names, NOW.earlier(Duration::from_hours(48))).is_ok(),
            "a clock that is behind"
        );
        let cut = &pem[..pem.len() / 2];
        assert!(check(&key, cut.as_bytes(), &names, NOW).is_err());
        assert_eq!(says(&key, "", &names, NOW), "there is no certificate in it");
        assert_eq!(says("-----BEGIN secret", &pem, &names, NOW), "the private key cannot be read");
    }

    #[test]
    fn those_above_must_have_issued_those_below_in_this_order() {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "the CA");
        let (ca_key, false_key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
        let above = params.self_signed(&ca_key).unwrap().pem();
        let false_above = params.self_signed(&false_key).unwrap().pem();
        let issuer = Issuer::new(params, ca_key);
        let key = KeyPair::generate().unwrap();
        let names = vec!["a.example".to_owned()];
        let mut params = CertificateParams::new(names.clone()).unwrap();
        params.use_authority_key_identifier_extension = true;
        let pem = params.signed_by(&key, &issuer).unwrap().pem();
        let key = key.serialize_pem();
        let now = leaf(pem.as_bytes()).unwrap().from;

        let found = check(&key, format!("{pem}{above}").as_bytes(), &names, now).unwrap();
        assert!(found.renewal_id.as_ref().is_some_and(|id| id.split('.').all(|part| !part.is_empty())));
        assert!(says(&key, &format!("{pem}{false_above}"), &names, now).contains("is not signed by"));
        assert_eq!(says(&key, &format!("{above}{pem}"), &names, now), "the certificate is not for this key");
        let (_, stranger, _) = own(&["b.example"], NOW);
        assert!(says(&key, &format!("{pem}{stranger}"), &names, now).contains("which did not issue it"));

        let chain = split(format!("{pem}{above}").as_bytes()).unwrap();
        assert_eq!(leaf(chain.leaf.as_bytes()).unwrap(), found);
        assert_eq!(chain.above.matches("BEGIN").count(), 1);
    }
}
