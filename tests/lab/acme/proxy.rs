//! The proxy in front of Pebble: connections, and a request that becomes an answer.

use std::sync::Arc;

use hyper::body::Bytes;
use hyper::header::{CONNECTION, CONTENT_LENGTH, HOST, HeaderValue, RETRY_AFTER, TRANSFER_ENCODING};
use hyper::{Method, Request, Uri};
use serde_json::Value;
use tokio::io::{AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::caller::Answer;
use super::change::Signer;
use super::fault::{self, Change, Fault, Step, What};
use super::pebble::{MANAGEMENT, PEBBLE};
use super::service::{Shared, held};
use super::{ADDRESS, NAME, PROXY, jws, order, wire};

/// What is done with a request.
enum Deed {
    Answer(Answer),
    /// Half of the body, then the connection ends.
    CutShort(Answer),
    /// Nothing, until the client goes.
    Stall,
    /// The connection is reset.
    Reset,
}

/// A request, and what is known of it.
struct Known {
    request: Request<Bytes>,
    step: Option<Step>,
    payload: Value,
}

/// Takes connections until the end of the runtime.
pub(super) async fn attend(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let _ = stream.set_nodelay(true);
        let connection = {
            let mut connections = held(&shared.connections);
            *connections += 1;
            *connections
        };
        tokio::spawn(serve(Arc::clone(&shared), connection, stream));
    }
}

/// Answers until the client goes; who is cut off in between, or does not trust the root, is of no interest.
async fn serve(shared: Arc<Shared>, connection: usize, stream: TcpStream) {
    let acceptor = TlsAcceptor::from(Arc::clone(&shared.authority.server));
    let Ok(stream) = acceptor.accept(stream).await else { return };
    let mut client = BufReader::new(stream);
    while let Some(request) = wire::read(&mut client).await {
        let wants_end = request.headers().get(CONNECTION).is_some_and(|word| word == "close");
        let is_head = request.method() == Method::HEAD;
        let (answer, is_whole) = match shared.deed(connection, request).await {
            Deed::Answer(answer) => (answer, true),
            Deed::CutShort(answer) => (answer, false),
            Deed::Stall => {
                let _ = tokio::io::copy(&mut client, &mut tokio::io::sink()).await;
                return;
            }
            Deed::Reset => {
                let _ = client.get_ref().get_ref().0.set_zero_linger();
                return;
            }
        };
        let (mut bytes, body) = wire::written(&answer);
        let said = if is_whole { body.len() } else { body.len() / 2 };
        if !is_head {
            bytes.extend_from_slice(&body.slice(..said));
        }
        let is_written = client.write_all(&bytes).await.is_ok() && client.flush().await.is_ok();
        if !is_written || !is_whole || wants_end {
            break;
        }
    }
    let _ = client.shutdown().await;
}

impl Shared {
    /// What is done with a request, faults first.
    async fn deed(&self, connection: usize, mut request: Request<Bytes>) -> Deed {
        // As Let's Encrypt calls it.
        if request.uri().path() == "/directory" {
            *request.uri_mut() = Uri::from_static("/dir");
        }
        let (protected, payload) = jws::opened(request.body());
        let asked = Known { step: Step::of(request.uri().path()), request, payload };
        let entry = self.note(connection, &asked.request, asked.step, protected, &asked.payload);

        let fault = fault::next(&mut held(&self.state).faults, asked.step);
        let Some(Fault { what, retry_after, .. }) = fault else {
            let answer = self.right(&asked).await;
            self.answered(entry, answer.status().as_u16());
            return Deed::Answer(answer);
        };
        let is_cut_short = matches!(what, What::CutShort);
        let mut answer = match what {
            What::Stall => return Deed::Stall,
            What::Reset => return Deed::Reset,
            What::Lost => {
                self.right(&asked).await;
                return Deed::Reset;
            }
            What::Slow(by) => {
                tokio::time::sleep(by).await;
                self.right(&asked).await
            }
            What::CutShort => self.right(&asked).await,
            What::Page(status, page) => order::answer(status, "text/html", page),
            What::Problem(problem) => problem.answer(self.nonce().await),
            What::Changed(change) => {
                let answer = self.right(&asked).await;
                let answer = change.made_to(answer, self.signer(change).await.as_ref());
                held(&self.memory).saw(asked.step, &answer);
                answer
            }
        };
        if let Some(value) = retry_after.and_then(|text| HeaderValue::from_str(&text).ok()) {
            answer.headers_mut().insert(RETRY_AFTER, value);
        }
        self.answered(entry, answer.status().as_u16());
        if is_cut_short { Deed::CutShort(answer) } else { Deed::Answer(answer) }
    }

    /// What a CA would say that is as it should be.
    async fn right(&self, asked: &Known) -> Answer {
        let refused = {
            let (state, memory) = (held(&self.state), held(&self.memory));
            if asked.step == Some(Step::RenewalInfo)
                && let Some(answer) = state.renewal_info(asked.request.uri().path(), &memory)
            {
                return answer;
            }
            let is_order = asked.step == Some(Step::NewOrder);
            is_order.then(|| state.refusal(&asked.payload, &memory)).flatten()
        };
        if let Some(problem) = refused {
            return problem.answer(self.nonce().await);
        }
        let answer = self.forward(PEBBLE, asked.request.clone()).await;
        let (state, mut memory) = (held(&self.state), held(&self.memory));
        state.completed(&asked.request, asked.step, &asked.payload, answer, &mut memory)
    }

    /// Asks Pebble, with the `Host` that the signature is for.
    async fn forward(&self, port: u16, request: Request<Bytes>) -> Answer {
        match self.caller.ask(port, request).await {
            Ok(mut answer) => {
                for name in [CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING] {
                    answer.headers_mut().remove(name);
                }
                answer
            }
            Err(error) => order::answer(502, "text/plain", format!("Pebble does not answer: {error}\n")),
        }
    }

    async fn nonce(&self) -> Option<HeaderValue> {
        let mut request = plain(&format!("{NAME}:{PROXY}"), "/nonce-plz");
        *request.method_mut() = Method::HEAD;
        self.forward(PEBBLE, request).await.headers().get("replay-nonce").cloned()
    }

    async fn signer(&self, change: Change) -> Option<Signer> {
        if !change.is_forgery() {
            return None;
        }
        Some(Signer { certificate: self.told("/intermediates/0").await, key: self.told("/intermediate-keys/0").await })
    }

    /// What Pebble tells of itself to those who run it.
    pub(super) async fn told(&self, path: &str) -> String {
        let answer = self.forward(MANAGEMENT, plain(&format!("{ADDRESS}:{MANAGEMENT}"), path)).await;
        String::from_utf8_lossy(answer.body()).into_owned()
    }
}

fn plain(host: &str, path: &str) -> Request<Bytes> {
    let mut request = Request::new(Bytes::new());
    *request.uri_mut() = path.parse::<Uri>().expect("a path of the lab");
    request.headers_mut().insert(HOST, HeaderValue::from_str(host).expect("a host of the lab"));
    request
}
