//! The one way to a CA: every request goes through here, whatever library signs it.
//!
//! | what comes | what is made of it |
//! |---|---|
//! | silence | an error after [`PATIENCE`]; nothing of ours waits forever |
//! | a proxy (`HTTPS_PROXY`, `NO_PROXY`) | used, as everybody does |
//! | `Retry-After`, `Link`, the status | kept, since libraries throw them away |
//! | an error that is no ACME problem (HTML of a load balancer) | an error that quotes it, with the status |
//! | an answer that is neither JSON nor PEM (a captive portal's 200) | the same |
//! | a redirect | refused: a request that was signed for one address is for no other |

use std::error::Error as _;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::{Request, Response};
use instant_acme::{BodyWrapper, BytesResponse, HttpClient};

use super::refusal::{Kind, Refusal, retry_after};

/// How long one request may take, with its answer.
const PATIENCE: Duration = Duration::from_mins(1);
/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(10);
/// No answer of a CA is longer.
const LONGEST: usize = 1 << 20;
/// So much of an answer that makes no sense is quoted.
const QUOTED: usize = 160;
/// Who asks: a CA that sees a fault writes to whoever this names.
const USER_AGENT: &str = concat!("hostagent/", env!("CARGO_PKG_VERSION"));

/// What was told beside the last answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Aside {
    /// The status.
    pub status: u16,
    /// How long the CA wants to be left alone.
    pub retry_after: Option<Duration>,
    /// Where other chains for the same certificate are (RFC 8555, 7.4.2).
    pub alternates: Vec<String>,
    /// The answer itself, if it was certificates.
    pub pem: Option<String>,
}

/// A client that remembers the last aside. Copies of it share that.
#[derive(Debug, Clone)]
pub struct Wire {
    client: reqwest::Client,
    last: Arc<Mutex<Aside>>,
}

/// What came was no answer of a CA.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoAnswer(pub Refusal);

impl fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for NoAnswer {}

impl Wire {
    /// A client that trusts what this host trusts, or these certificates (PEM) and no others.
    ///
    /// # Errors
    /// When the certificates cannot be read, or there is nothing to trust.
    pub fn new(root: Option<&[u8]>) -> Result<Self, Refusal> {
        Self::build(root, true)
    }

    fn build(root: Option<&[u8]>, https_only: bool) -> Result<Self, Refusal> {
        let mut builder = reqwest::Client::builder()
            .https_only(https_only)
            .connect_timeout(CONNECT)
            .timeout(PATIENCE)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(USER_AGENT);
        if let Some(root) = root {
            let roots = reqwest::Certificate::from_pem_bundle(root).map_err(|error| {
                Refusal::new(Kind::Refused, format!("the CA's `root` cannot be read: {}", reasons(&error)))
            })?;
            if roots.is_empty() {
                return Err(Refusal::new(Kind::Refused, "the CA's `root` holds no certificate"));
            }
            builder = builder.tls_certs_only(roots);
        }
        let client = builder.build().map_err(|error| Refusal::new(Kind::Refused, reasons(&error)))?;
        Ok(Self { client, last: Arc::default() })
    }

    /// What was told beside the last answer.
    pub fn aside(&self) -> Aside {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What a plain address holds.
    ///
    /// # Errors
    /// When nothing comes, or no JSON, or an error.
    pub async fn get(&self, url: &str) -> Result<Bytes, Refusal> {
        let request = Request::get(url).body(Bytes::new());
        let request =
            request.map_err(|error| Refusal::new(Kind::Refused, format!("`{url}` is no address: {error}")))?;
        let answer = self.send(request).await?;
        if answer.status().is_success() {
            return Ok(answer.into_body());
        }
        Err(problem(&answer, self.aside().retry_after))
    }

    /// A nonce (RFC 8555, 7.2), for a request that is signed here.
    ///
    /// # Errors
    /// When the CA gives none.
    pub async fn nonce(&self, url: &str) -> Result<String, Refusal> {
        let request = Request::head(url).body(Bytes::new());
        let request =
            request.map_err(|error| Refusal::new(Kind::Refused, format!("`{url}` is no address: {error}")))?;
        let answer = self.send(request).await?;
        let nonce = answer.headers().get("replay-nonce").and_then(|nonce| nonce.to_str().ok());
        nonce.map(str::to_owned).ok_or_else(|| Refusal::new(Kind::Away, format!("`{}` gave no nonce", place(url))))
    }

    /// Posts a request that is signed (RFC 8555, 6.2).
    ///
    /// # Errors
    /// When the CA does not take it.
    pub async fn post(&self, url: &str, signed: String) -> Result<(), Refusal> {
        let request = Request::post(url).header("content-type", "application/jose+json").body(Bytes::from(signed));
        let request =
            request.map_err(|error| Refusal::new(Kind::Refused, format!("`{url}` is no address: {error}")))?;
        let answer = self.send(request).await?;
        if answer.status().is_success() { Ok(()) } else { Err(problem(&answer, self.aside().retry_after)) }
    }

    /// Sends a request as it is; what comes is an answer of a CA, though maybe an error.
    pub(super) async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, Refusal> {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Aside::default();
        let (parts, body) = request.into_parts();
        let url = parts.uri.to_string();
        let place = place(&url);
        let mut request = self.client.request(parts.method.clone(), &url).body(body);
        for (name, value) in parts.headers.iter().filter(|(name, _)| *name != hyper::header::USER_AGENT) {
            request = request.header(name, value);
        }
        let away = |error: &reqwest::Error| {
            let says = format!("`{place}` gave no answer: {}", reasons(error));
            Refusal::new(Kind::Away, says)
        };
        let mut answer = request.send().await.map_err(|error| away(&error))?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        let mut bytes = Vec::new();
        while let Some(piece) = answer.chunk().await.map_err(|error| away(&error))? {
            bytes.extend_from_slice(&piece);
            if bytes.len() > LONGEST {
                return Err(Refusal::new(Kind::Away, format!("`{place}` answered more than {LONGEST} bytes")));
            }
        }
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let links = headers.get_all("link").iter().filter_map(|value| value.to_str().ok());
        let aside = Aside {
            status: status.as_u16(),
            retry_after: text("retry-after").and_then(|value| retry_after(value, jiff::Timestamp::now())),
            alternates: links.flat_map(alternates).collect(),
            pem: String::from_utf8(bytes.clone()).ok().filter(|text| text.contains("-----BEGIN CERTIFICATE")),
        };
        let wait = aside.retry_after;
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = aside;
        // A nonce is asked for with HEAD: an error has no body there that could be a CA's.
        let is_bare_error = parts.method == hyper::Method::HEAD && status.as_u16() >= 400;
        if is_bare_error || parts.method != hyper::Method::HEAD && !is_acme(status.as_u16(), &bytes) {
            let says = format!("`{place}` answered {status}, and not as a CA does: {}", quoted(&bytes));
            let kind = if status.as_u16() == 429 { Kind::Limited } else { Kind::Away };
            return Err(Refusal::new(kind, says).retry_after(wait));
        }
        let mut response = Response::builder().status(status);
        if let Some(all) = response.headers_mut() {
            *all = headers;
        }
        response.body(Bytes::from(bytes)).map_err(|error| Refusal::new(Kind::Away, error))
    }
}

impl HttpClient for Wire {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, instant_acme::Error>> + Send>> {
        let wire = self.clone();
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            let body = match body.collect().await {
                Ok(body) => body.to_bytes(),
                Err(never) => match never {},
            };
            match wire.send(Request::from_parts(parts, body)).await {
                Ok(answer) => Ok(BytesResponse::from(answer.map(Full::new))),
                Err(refusal) => Err(instant_acme::Error::Other(Box::new(NoAnswer(refusal)))),
            }
        })
    }
}

/// Whether an answer is one that a CA gives: JSON, certificates, or nothing where nothing need be said.
fn is_acme(status: u16, body: &[u8]) -> bool {
    let is_json = || serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(body).is_ok();
    match status {
        200..300 => body.is_empty() || body.trim_ascii_start().starts_with(b"-----BEGIN") || is_json(),
        // A problem says at least one of these (RFC 7807, 3.1).
        400.. => serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(body)
            .is_ok_and(|problem| problem.contains_key("type") || problem.contains_key("detail")),
        _ => false,
    }
}

/// The refusal that an answer is, which is a problem document.
pub(super) fn problem(answer: &Response<Bytes>, wait: Option<Duration>) -> Refusal {
    let problem: serde_json::Value = serde_json::from_slice(answer.body()).unwrap_or_default();
    let text = |key: &str| problem.get(key).and_then(serde_json::Value::as_str).unwrap_or_default().to_owned();
    Refusal::of_problem(&text("type"), &text("detail"), Some(answer.status().as_u16())).retry_after(wait)
}

/// The addresses of a `Link` header that lead to alternates.
fn alternates(value: &str) -> Vec<String> {
    let links = value.split(',').filter_map(|link| link.trim().split_once('>'));
    let alternates = links.filter(|(_, parameters)| {
        parameters.split(';').any(|parameter| matches!(parameter.trim(), "rel=\"alternate\"" | "rel=alternate"))
    });
    alternates.filter_map(|(url, _)| url.strip_prefix('<')).map(str::to_owned).collect()
}

/// The beginning of an answer that makes no sense, on one line and without its markup's blanks.
fn quoted(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let words: Vec<&str> = text.split_whitespace().collect();
    let line = words.join(" ");
    let short: String = line.chars().take(QUOTED).collect();
    match (short.is_empty(), short.len() < line.len()) {
        (true, _) => "nothing".to_owned(),
        (false, true) => format!("`{short}…`"),
        (false, false) => format!("`{short}`"),
    }
}

/// An address without what may be secret or long in it.
fn place(url: &str) -> &str {
    url.split(['?', '#']).next().unwrap_or_default()
}

/// The error with every reason below it.
pub(super) fn reasons(error: &reqwest::Error) -> String {
    let mut reasons = Vec::new();
    let mut below = error.source();
    while let Some(reason) = below {
        reasons.push(reason.to_string());
        below = reason.source();
    }
    // The error itself names the whole address, which may hold what is nobody's business.
    if reasons.is_empty() { "it could not be asked".to_owned() } else { reasons.join(": ") }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    /// A server that gives this answer once, and what it is asked.
    async fn server(answer: String) -> (String, tokio::task::JoinHandle<String>) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/dir", listener.local_addr().unwrap());
        let asked = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut bytes = [0; 4096];
            let n = stream.read(&mut bytes).await.unwrap();
            stream.write_all(answer.as_bytes()).await.unwrap();
            String::from_utf8_lossy(&bytes[..n]).into_owned()
        });
        (url, asked)
    }

    fn answer(status: &str, headers: &str, body: &str) -> String {
        format!("HTTP/1.1 {status}\r\nconnection: close\r\n{headers}content-length: {}\r\n\r\n{body}", body.len())
    }

    fn wire() -> Wire {
        Wire::build(None, false).unwrap()
    }

    #[tokio::test]
    async fn html_instead_of_a_problem_is_quoted_and_its_retry_after_kept() {
        let html = answer("503 Service Unavailable", "retry-after: 120\r\n", "<html>\n  <h1>Overloaded</h1></html>");
        let (url, _) = server(html).await;
        let refusal = wire().get(&url).await.unwrap_err();
        assert_eq!((refusal.kind, refusal.retry_after), (Kind::Away, Some(Duration::from_mins(2))));
        let expected = format!(
            "`{url}` answered 503 Service Unavailable, and not as a CA does: `<html> <h1>Overloaded</h1></html>`"
        );
        assert_eq!(refusal.says, expected);
    }

    #[tokio::test]
    async fn a_captive_portal_s_200_is_no_answer() {
        let (url, _) = server(answer("200 OK", "", "<html>Sign in</html>")).await;
        let refusal = wire().get(&url).await.unwrap_err();
        assert!(refusal.kind == Kind::Away && refusal.says.contains("Sign in"), "{refusal}");
    }

    #[tokio::test]
    async fn a_problem_keeps_its_words_and_how_long_to_wait() {
        let body = r#"{"type":"urn:ietf:params:acme:error:rateLimited","detail":"too many"}"#;
        let (url, _) = server(answer("429 Too Many Requests", "retry-after: 3600\r\n", body)).await;
        let refusal = wire().get(&url).await.unwrap_err();
        assert_eq!((refusal.kind, refusal.retry_after), (Kind::Limited, Some(Duration::from_hours(1))));
        assert_eq!(refusal.says, "the CA says `rateLimited`: too many");
    }

    #[tokio::test]
    async fn a_redirect_is_not_followed() {
        let (url, _) = server(answer("302 Found", "location: https://elsewhere.example/\r\n", "")).await;
        assert!(wire().get(&url).await.unwrap_err().says.contains("answered 302 Found"));
    }

    #[tokio::test]
    async fn who_asks_is_said_and_other_chains_are_remembered() {
        let links = "link: <https://ca.example/dir>;rel=\"index\"\r\nlink: <https://ca.example/c/1/1>;rel=\"alternate\", <https://ca.example/c/1/2>; rel=\"alternate\"\r\n";
        let (url, asked) = server(answer("200 OK", links, "-----BEGIN CERTIFICATE-----\n")).await;
        let wire = wire();
        wire.get(&url).await.unwrap();
        assert_eq!(wire.aside().alternates, ["https://ca.example/c/1/1", "https://ca.example/c/1/2"]);
        assert!(wire.aside().pem.is_some());
        assert!(asked.await.unwrap().contains(concat!("user-agent: hostagent/", env!("CARGO_PKG_VERSION"))));
    }

    #[tokio::test]
    async fn nobody_there_is_said_with_the_reason_and_plain_http_is_refused() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/dir?secret", listener.local_addr().unwrap());
        let refusal = Wire::new(None).unwrap().get(&url).await.unwrap_err();
        assert_eq!(refusal.kind, Kind::Away);
        assert!(refusal.says.contains("/dir` gave no answer") && !refusal.says.contains("secret"), "{refusal}");
        drop(listener);
        let refusal = wire().get(&url).await.unwrap_err();
        assert!(refusal.says.contains("refused"), "{refusal}");
    }

    #[test]
    fn a_root_that_is_none_is_refused() {
        assert!(Wire::new(Some(b"nothing")).unwrap_err().says.contains("`root`"));
    }
}
