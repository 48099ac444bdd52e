//! A request becomes an answer: the semantics of IMDSv2, and the faults.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use super::State;
use super::fault::{self, What};
use super::tree;

const TTL: &str = "x-aws-ec2-metadata-token-ttl-seconds";
const TOKEN: &str = "x-aws-ec2-metadata-token";
/// A token lives six hours at most.
const LONGEST: u64 = 21_600;

/// A request as it came.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) method: String,
    pub(super) target: String,
    /// By their names in lower case.
    pub(super) headers: BTreeMap<String, String>,
}

/// What is done with a request.
#[derive(Debug)]
pub(super) enum Deed {
    /// Bytes of HTTP, after a while.
    Answer(Answer, Duration),
    /// Nothing, until the client goes.
    Silence,
    /// The connection is closed at once.
    Cut,
    /// Half of the answer, then the connection is closed.
    CutShort(Answer),
    /// These bytes, then the connection is closed.
    Raw(&'static [u8]),
    /// The head of an answer, and a body without an end.
    Endless,
}

/// An answer of HTTP.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

/// The tokens that were given, and until when each is good.
pub(super) type Tokens = BTreeMap<String, Instant>;

impl Request {
    /// The path below `/latest/`, or below any version's folder.
    pub(super) fn path(&self) -> &str {
        let path = self.target.split('?').next().unwrap_or_default().trim_start_matches('/');
        path.split_once('/').map_or("", |(_version, path)| path)
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }
}

impl Answer {
    fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, headers: vec![("Content-Type", "text/plain".to_owned())], body: body.into() }
    }

    /// A status with the page that EC2 gives.
    fn plain(status: u16) -> Self {
        let words = match status {
            400 => "Bad Request",
            401 => "Unauthorized",
            403 => "Forbidden",
            404 => "Not Found",
            405 => "Method Not Allowed",
            503 => "Service Unavailable",
            _ => "Error",
        };
        let page = format!(
            "<html><head><title>{status} - {words}</title></head><body><h1>{status} - {words}</h1></body></html>"
        );
        Self { status, headers: vec![("Content-Type", "text/html".to_owned())], body: page.into_bytes() }
    }

    /// Itself as bytes; a HEAD has no body.
    pub(super) fn bytes(&self, is_head: bool) -> Vec<u8> {
        let mut head =
            format!("HTTP/1.1 {} -\r\nServer: EC2ws\r\nContent-Length: {}\r\n", self.status, self.body.len());
        for (name, value) in &self.headers {
            let _ = write!(head, "{name}: {value}\r\n");
        }
        let body: &[u8] = if is_head { &[] } else { &self.body };
        [head.as_bytes(), b"\r\n", body].concat()
    }
}

/// What is done with a request, faults first.
pub(super) fn to(request: &Request, state: &mut State, tokens: &mut Tokens) -> Deed {
    let mut after = Duration::ZERO;
    let answer = match fault::next(&mut state.faults, request.path()) {
        Some(What::Silence) => return Deed::Silence,
        Some(What::Cut) => return Deed::Cut,
        Some(What::Garbage) => return Deed::Raw(b"220 mail.example.org ESMTP\r\n\r\n"),
        Some(What::Endless) => return Deed::Endless,
        Some(What::CutShort) => return Deed::CutShort(rightly(request, state, tokens)),
        Some(What::Body(body)) => Answer::new(200, body),
        Some(What::Status(status, retry_after)) => {
            let mut answer = Answer::plain(status);
            answer.headers.extend(retry_after.map(|seconds| ("Retry-After", seconds)));
            if (300..400).contains(&status) {
                answer.headers.push(("Location", "http://192.0.2.1/".to_owned()));
            }
            answer
        }
        Some(What::ForgottenTokens) => {
            tokens.clear();
            rightly(request, state, tokens)
        }
        Some(What::Slow(by)) => {
            after = by;
            rightly(request, state, tokens)
        }
        None => rightly(request, state, tokens),
    };
    Deed::Answer(answer, after)
}

/// As the real one does.
fn rightly(request: &Request, state: &State, tokens: &mut Tokens) -> Answer {
    if state.is_disabled {
        return Answer::plain(403);
    }
    match request.method.as_str() {
        "PUT" if request.target == "/latest/api/token" => token(request, tokens),
        // A version's path gives no token.
        "PUT" if request.path() == "api/token" => Answer::plain(403),
        "GET" | "HEAD" => {
            let now = Instant::now();
            let is_good = |token: &str| tokens.get(token).is_some_and(|until| *until > now);
            if !request.header(TOKEN).is_some_and(is_good) {
                return Answer::plain(401);
            }
            match tree::held(&state.leaves, request.path()) {
                Some(bytes) => Answer::new(200, bytes),
                None => Answer::plain(404),
            }
        }
        _ => Answer::plain(405),
    }
}

fn token(request: &Request, tokens: &mut Tokens) -> Answer {
    if request.header("x-forwarded-for").is_some() {
        return Answer::plain(403);
    }
    let seconds = request.header(TTL).and_then(|text| text.parse().ok()).filter(|ttl| (1..=LONGEST).contains(ttl));
    let Some(seconds) = seconds else { return Answer::plain(400) };
    let uuid = std::fs::read_to_string("/proc/sys/kernel/random/uuid").expect("/proc is mounted");
    let token = format!("AQAE{}==", uuid.trim().replace('-', ""));
    tokens.insert(token.clone(), Instant::now() + Duration::from_secs(seconds));
    let mut answer = Answer::new(200, token);
    answer.headers.push(("X-Aws-Ec2-Metadata-Token-Ttl-Seconds", seconds.to_string()));
    answer
}
