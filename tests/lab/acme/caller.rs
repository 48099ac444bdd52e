//! How the lab itself asks the CA's servers, whatever their name resolves to.

use std::io;
use std::sync::Arc;

use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;

use super::{ADDRESS, NAME};

/// An answer with all of its body.
pub(super) type Answer = Response<Bytes>;

/// Somebody who trusts the root of the CA's TLS.
#[derive(Debug, Clone)]
pub(super) struct Caller {
    config: Arc<ClientConfig>,
}

impl Caller {
    pub(super) fn trusting(config: Arc<ClientConfig>) -> Self {
        Self { config }
    }

    /// Asks a server of the CA on a connection of its own; this thread must be in the CA's network.
    pub(super) async fn ask(&self, port: u16, request: Request<Bytes>) -> io::Result<Answer> {
        let stream = TcpStream::connect((ADDRESS, port)).await?;
        stream.set_nodelay(true)?;
        let name = ServerName::try_from(NAME).map_err(io::Error::other)?;
        let stream = TlsConnector::from(Arc::clone(&self.config)).connect(name, stream).await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
        tokio::spawn(connection);
        let answer = sender.send_request(request.map(Full::new)).await.map_err(io::Error::other)?;
        let (head, body) = answer.into_parts();
        let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
        Ok(Response::from_parts(head, body))
    }
}
