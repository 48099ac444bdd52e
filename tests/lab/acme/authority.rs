//! The TLS of the CA's own servers: a root, and a certificate for the directory, made on the spot.

use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use tokio_rustls::rustls::client::Resumption;
use tokio_rustls::rustls::crypto::{CryptoProvider, aws_lc_rs};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};

use super::LETS_ENCRYPT;

/// Who vouches for the CA's servers. It has nothing to do with what the CA issues.
#[derive(Debug)]
pub(super) struct Authority {
    pub(super) root_pem: String,
    pub(super) certificate_pem: String,
    pub(super) key_pem: String,
    /// For the proxy.
    pub(super) server: Arc<ServerConfig>,
    /// For whoever trusts the root alone.
    pub(super) client: Arc<ClientConfig>,
    /// The same for the proxy itself, without sessions to resume: Pebble's and the proxy's are of one name.
    pub(super) upstream: Arc<ClientConfig>,
}

impl Authority {
    /// A new one whose server has this name and address.
    pub(super) fn new(name: &str, address: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name = called("lab: TLS of the directory");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let root_key = KeyPair::generate().expect("a key can be made");
        let root = params.self_signed(&root_key).expect("a root can be made");
        let issuer = Issuer::new(params, root_key);

        let key = KeyPair::generate().expect("a key can be made");
        let names = [name, address].into_iter().chain(LETS_ENCRYPT).map(str::to_owned).collect::<Vec<_>>();
        let mut params = CertificateParams::new(names).expect("names of the lab");
        params.distinguished_name = called(name);
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let certificate = params.signed_by(&key, &issuer).expect("a certificate can be made");
        let client = client(root.der().clone());
        let mut upstream = client.clone();
        upstream.resumption = Resumption::disabled();
        Self {
            root_pem: root.pem(),
            certificate_pem: certificate.pem(),
            key_pem: key.serialize_pem(),
            server: server(certificate.der().clone(), key.serialize_der()),
            client: Arc::new(client),
            upstream: Arc::new(upstream),
        }
    }
}

pub(super) fn called(name: &str) -> DistinguishedName {
    let mut names = DistinguishedName::new();
    names.push(DnType::CommonName, name);
    names
}

/// Said, because a program with two of them has none by default.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

fn server(certificate: CertificateDer<'static>, key: Vec<u8>) -> Arc<ServerConfig> {
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key));
    let builder = ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
    let builder = builder.expect("usual versions of TLS").with_no_client_auth();
    let mut config = builder.with_single_cert(vec![certificate], key).expect("a pair that was just made");
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Arc::new(config)
}

fn client(root: CertificateDer<'static>) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(root).expect("a root that was just made");
    let builder = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
    builder.expect("usual versions of TLS").with_root_certificates(roots).with_no_client_auth()
}
