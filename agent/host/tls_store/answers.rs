//! Answers to a CA that asks port 443 whose a name is (tls-alpn-01, RFC 8737): only while it asks, and only where no server
//! listens there. Nothing is served by it.

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rcgen::{CertificateParams, CustomExtension, DistinguishedName, KeyPair};
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::net::TcpListener;
use tokio::task::{AbortHandle, JoinSet};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;

use crate::host::{Error, Touch};

/// The protocol in which it is asked and answered; no other is spoken.
const ALPN: &[u8] = b"acme-tls/1";
const HTTPS: u16 = 443;
/// How long whoever asks may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// How many may ask at once: a CA asks from a few places.
const AT_ONCE: usize = 64;

/// Answers until dropped.
#[derive(Debug)]
pub struct Answers(AbortHandle);

impl Drop for Answers {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Touch {
    /// Answers for these names with what belongs to them: the digest of the key authorization, as base64url.
    ///
    /// # Errors
    /// When somebody else listens at port 443.
    pub async fn answer_tls_alpn(&self, names: &[(String, String)]) -> Result<Answers, Error> {
        let config = config(names)?;
        let listener = match TcpListener::bind((Ipv6Addr::UNSPECIFIED, HTTPS)).await {
            // A host without IPv6.
            Err(error) if error.raw_os_error() == Some(nix::errno::Errno::EAFNOSUPPORT as i32) => {
                TcpListener::bind((Ipv4Addr::UNSPECIFIED, HTTPS)).await
            }
            other => other,
        };
        Ok(answering(listener.map_err(|error| taken(&error))?, config))
    }
}

fn taken(error: &io::Error) -> Error {
    let hint = "`tls-alpn-01` is for hosts where no server listens there (see `ss -ltnp 'sport = 443'`); with a web server use \
                `challenge = \"http-01\"`";
    Error::said_with_hint("tls-port", format!("port {HTTPS} cannot be listened at: {error}"), hint)
}

fn answering(listener: TcpListener, config: ServerConfig) -> Answers {
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let task = tokio::spawn(async move {
        let mut asked = JoinSet::new();
        loop {
            let Ok((stream, _)) = listener.accept().await else { continue };
            while asked.len() >= AT_ONCE {
                asked.join_next().await;
            }
            let acceptor = acceptor.clone();
            // The certificate is the answer: there is nothing to say after it.
            asked.spawn(async move { drop(tokio::time::timeout(PATIENCE, acceptor.accept(stream)).await) });
        }
    });
    Answers(task.abort_handle())
}

fn config(names: &[(String, String)]) -> Result<ServerConfig, Error> {
    let mut all = BTreeMap::new();
    for (name, digest) in names {
        all.insert(name.to_ascii_lowercase(), Arc::new(certified(name, digest)?));
    }
    let builder = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().map_err(|error| failed(&error))?;
    let mut config = builder.with_no_client_auth().with_cert_resolver(Arc::new(ByName(all)));
    config.alpn_protocols = vec![ALPN.to_vec()];
    Ok(config)
}

/// A certificate for one name that says nothing but the digest (RFC 8737, 3), and its key.
fn certified(name: &str, digest: &str) -> Result<CertifiedKey, Error> {
    let digest = URL_SAFE_NO_PAD.decode(digest).ok().filter(|digest| digest.len() == 32);
    let digest = digest.ok_or_else(|| Error::said("tls-key", format!("what proves `{name}` is no digest")))?;
    let mut params = CertificateParams::new([name.to_owned()]).map_err(|error| failed(&error))?;
    params.distinguished_name = DistinguishedName::new();
    params.custom_extensions = vec![CustomExtension::new_acme_identifier(&digest)];
    let key = KeyPair::generate().map_err(|error| failed(&error))?;
    let certificate = params.self_signed(&key).map_err(|error| failed(&error))?;
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let key = aws_lc_rs::sign::any_supported_type(&key).map_err(|error| failed(&error))?;
    Ok(CertifiedKey::new(vec![certificate.der().clone()], key))
}

fn failed(error: &dyn std::error::Error) -> Error {
    Error::said("tls-key", format!("could not make what proves a name: {error}"))
}

/// The certificates by the names that are asked for. Not the library's own: it checks them, and does not know what they say.
#[derive(Debug)]
struct ByName(BTreeMap<String, Arc<CertifiedKey>>);

impl ResolvesServerCert for ByName {
    fn resolve(&self, asked: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        // Whoever wants a page is not served here.
        let mut protocols = asked.alpn()?;
        protocols
            .any(|protocol| protocol == ALPN)
            .then(|| self.0.get(&asked.server_name()?.to_ascii_lowercase()).cloned())?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_ends_with_the_value_and_what_is_no_digest_is_refused() {
        let digest = URL_SAFE_NO_PAD.encode([7; 32]);
        let names = vec![("a.example".to_owned(), digest)];
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let answers = answering(listener, config(&names).unwrap());
        assert!(tokio::net::TcpStream::connect(at).await.is_ok());
        drop(answers);
        while tokio::net::TcpStream::connect(at).await.is_ok() {
            tokio::task::yield_now().await;
        }
        for digest in ["", "AAAA", "no digest"] {
            let names = vec![("a.example".to_owned(), digest.to_owned())];
            assert!(config(&names).unwrap_err().to_string().contains("`a.example` is no digest"));
        }
    }

    #[test]
    fn the_digest_stands_in_a_critical_extension_of_a_certificate_for_the_name() {
        use x509_parser::prelude::FromDer as _;
        let made = certified("a.example", &URL_SAFE_NO_PAD.encode([7; 32])).unwrap();
        let (_, certificate) = x509_parser::certificate::X509Certificate::from_der(&made.cert[0]).unwrap();
        let identifier =
            certificate.extensions().iter().find(|it| it.oid.to_id_string() == "1.3.6.1.5.5.7.1.31").unwrap();
        assert!(identifier.critical);
        assert_eq!(identifier.value, [&[4, 32][..], &[7; 32]].concat());
        let names = certificate.subject_alternative_name().unwrap().unwrap();
        assert_eq!(names.value.general_names.len(), 1);
    }
}
