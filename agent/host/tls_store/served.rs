//! What certificate a server of this host serves: asked as a client asks, by the name it is for.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use tokio_rustls::rustls::{ClientConfig, DigitallySignedStruct, Error as TlsError, SignatureScheme};

use super::pair::{self, Leaf};
use crate::host::Look;

/// Nobody on this host takes longer for a handshake.
const PATIENCE: Duration = Duration::from_secs(5);
/// Where servers serve.
const HTTPS: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 443);

impl Look {
    /// The certificate that is served here for a name; `None` if nobody serves any.
    pub async fn tls_served(&self, name: &str) -> Option<Leaf> {
        // A directory that plays a host serves nothing.
        if self.is_real() { served_at(HTTPS, name).await } else { None }
    }
}

async fn served_at(address: SocketAddr, name: &str) -> Option<Leaf> {
    let name = name.strip_prefix("*.").map_or_else(|| name.to_owned(), |rest| format!("any.{rest}"));
    let asked = async {
        let stream = TcpStream::connect(address).await.ok()?;
        let connector = TlsConnector::from(Arc::new(config()?));
        let stream = connector.connect(ServerName::try_from(name).ok()?, stream).await.ok()?;
        let certificate = stream.get_ref().1.peer_certificates()?.first()?.clone().into_owned();
        pair::leaf_of(&certificate).ok()
    };
    tokio::time::timeout(PATIENCE, asked).await.ok()?
}

fn config() -> Option<ClientConfig> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder =
        ClientConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions().ok()?;
    Some(builder.dangerous().with_custom_certificate_verifier(Arc::new(Any(provider))).with_no_client_auth())
}

/// Takes every certificate: it is looked at and not trusted, and nothing is sent to whoever has it.
#[derive(Debug)]
struct Any(Arc<CryptoProvider>);

impl ServerCertVerifier for Any {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use rustls_pki_types::PrivateKeyDer;
    use rustls_pki_types::pem::PemObject as _;
    use tokio_rustls::TlsAcceptor;
    use tokio_rustls::rustls::ServerConfig;

    use super::*;
    use crate::host::moment::Moment;
    use crate::host::tls_store::keys;
    use crate::terms::KeyType;

    #[tokio::test]
    async fn what_is_served_is_known_though_nobody_trusts_it() {
        let key = keys::generate(KeyType::EcdsaP256).unwrap();
        let pem =
            keys::self_signed(&key, &["a.example".to_owned()], "own", Moment::now(), Duration::from_hours(1)).unwrap();
        let chain = vec![CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()];
        let provider = Arc::new(aws_lc_rs::default_provider());
        let server = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
        let server = server.with_no_client_auth().with_single_cert(chain, key).unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let _ = TlsAcceptor::from(Arc::new(server)).accept(stream).await;
        });
        let served = served_at(address, "a.example").await.unwrap();
        assert_eq!(served, pair::leaf(pem.as_bytes()).unwrap());
        // The listener is gone with its one connection.
        assert_eq!(served_at(address, "a.example").await, None);
    }
}
