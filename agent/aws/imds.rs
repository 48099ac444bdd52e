//! The metadata service of EC2, by IMDSv2 alone.
//!
//! One keep-alive connection, to literal addresses, through no proxy and along no redirect; a token that lives five minutes
//! and is shown nowhere; every try bounded, and all of them together.
//!
//! | what the service does | what is made of it |
//! |---|---|
//! | 403 to the token | [`Unanswered`] `imds-disabled`, at once |
//! | silence, no connection, a cut, 5xx, 429 | asked again, after a pause that grows or that it asked for, within the budget |
//! | 404 | [`None`] |
//! | 401 | one new token, at once |
//! | 3xx, any other status | [`Unanswered`] `imds-refused`, at once |
//!
//! Facts: <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html>

pub mod answers;
mod endpoints;
mod line;
mod pauses;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod token;
mod unanswered;

use std::collections::BTreeMap;
use std::time::Duration;

use http_body_util::Empty;
use hyper::body::Bytes;
use hyper::header::{CONTENT_LENGTH, HOST, HeaderValue, USER_AGENT};
use hyper::{Method, Request};
use tokio::time::{Instant, sleep, timeout_at};

use super::Platform;
use crate::host::Look;

pub use endpoints::{Endpoints, SETTING};
pub use unanswered::Unanswered;

use line::{Answer, Line};
use pauses::Pauses;
use token::Token;
use unanswered::{Kind, Trouble};

/// How long the service may take, in all, unless it is said.
pub const BUDGET: Duration = Duration::from_mins(1);

/// What the last of several tries has left.
const LAST_TRY: Duration = Duration::from_secs(1);

const TOKEN: &str = "x-aws-ec2-metadata-token";
const TTL: &str = "x-aws-ec2-metadata-token-ttl-seconds";
const TOKEN_PATH: &str = "api/token";

/// A session with the metadata service.
#[derive(Debug)]
pub struct Imds {
    endpoints: Endpoints,
    budget: Duration,
    until: Instant,
    line: Option<Line>,
    token: Option<Token>,
}

impl Imds {
    /// Opens a session: asks for a token. From here on the service may take so long, in all.
    ///
    /// # Errors
    /// [`Unanswered`]; its code is `not-on-ec2` where no firmware says that this is an instance, and then nobody was asked.
    pub async fn open(host: &Look, budget: Duration) -> Result<Self, Unanswered> {
        // A directory that plays a host has no service.
        let is_ec2 = host.is_real() && Platform::of(host).is_ok_and(|platform| platform.is_ec2());
        if !is_ec2 {
            return Err(Unanswered::not_on_ec2());
        }
        Self::at(Endpoints::here(), budget).await
    }

    /// Opens a session with the service at these addresses.
    ///
    /// # Errors
    /// [`Unanswered`].
    pub async fn at(endpoints: Endpoints, budget: Duration) -> Result<Self, Unanswered> {
        let until = Instant::now() + budget;
        let mut imds = Self { endpoints, budget, until, line: None, token: None };
        imds.renew(until).await?;
        Ok(imds)
    }

    /// What a path below `/latest/` holds, such as `meta-data/instance-id`; `None` if there is nothing.
    ///
    /// # Errors
    /// [`Unanswered`], when the session's time is over before there is an answer.
    pub async fn get(&mut self, path: &str) -> Result<Option<Vec<u8>>, Unanswered> {
        self.get_until(path, self.until).await
    }

    /// The same for something that one can do without: this path has no more than so long.
    ///
    /// # Errors
    /// [`Unanswered`].
    pub async fn get_within(&mut self, path: &str, patience: Duration) -> Result<Option<Vec<u8>>, Unanswered> {
        self.get_until(path, self.until.min(Instant::now() + patience)).await
    }

    /// The user-data; `None` if there is none.
    ///
    /// # Errors
    /// [`Unanswered`]: that there is none is known only when the service said so.
    pub async fn user_data(&mut self) -> Result<Option<Vec<u8>>, Unanswered> {
        Ok(self.get("user-data").await?.filter(|bytes| !bytes.is_empty()))
    }

    /// The tags of the instance whose keys begin so. None when the instance does not show its tags, as is usual.
    ///
    /// # Errors
    /// [`Unanswered`].
    pub async fn instance_tags(&mut self, beginning: &str) -> Result<BTreeMap<String, String>, Unanswered> {
        const FOLDER: &str = "meta-data/tags/instance";
        let keys = self.get(FOLDER).await?.unwrap_or_default();
        let mut tags = BTreeMap::new();
        for key in answers::tag_keys(&keys, beginning) {
            let path = format!("{FOLDER}/{key}");
            // One may vanish after it was listed.
            if let Some(value) = self.get(&path).await? {
                let value = answers::text(&value).map_err(|why| Unanswered::unreadable(&path, &why))?;
                tags.insert(key, value);
            }
        }
        Ok(tags)
    }

    async fn get_until(&mut self, path: &str, until: Instant) -> Result<Option<Vec<u8>>, Unanswered> {
        let mut has_new_token = false;
        loop {
            let token = match &self.token {
                Some(token) if !token.is_old() => token.header(),
                _ => {
                    self.renew(until).await?;
                    continue;
                }
            };
            let asked = Asked { method: Method::GET, path, header: (TOKEN, token) };
            let answer = self.ask(&asked, until).await?;
            match answer.status {
                200 => return Ok(Some(answer.body)),
                404 => return Ok(None),
                401 if !has_new_token => {
                    has_new_token = true;
                    self.renew(until).await?;
                }
                403 => return Err(Unanswered::disabled(&asked.to_string())),
                status => return Err(Unanswered::refused(&asked.to_string(), status)),
            }
        }
    }

    /// Takes a new token.
    async fn renew(&mut self, until: Instant) -> Result<(), Unanswered> {
        self.token = None;
        let ttl = HeaderValue::from(token::TTL.as_secs());
        let asked = Asked { method: Method::PUT, path: TOKEN_PATH, header: (TTL, ttl) };
        let answer = self.ask(&asked, until).await?;
        match answer.status {
            200 => {
                let no_token = || Unanswered::unreadable(TOKEN_PATH, "it is no token");
                self.token = Some(Token::read(&answer.body).ok_or_else(no_token)?);
                Ok(())
            }
            403 => Err(Unanswered::disabled(&asked.to_string())),
            status => Err(Unanswered::refused(&asked.to_string(), status)),
        }
    }

    /// Asks until there is an answer that is no server's error, or the time is over.
    async fn ask(&mut self, asked: &Asked<'_>, until: Instant) -> Result<Answer, Unanswered> {
        let begun = Instant::now();
        let patience = until.saturating_duration_since(begun);
        let mut pauses = Pauses::new();
        let mut tries = 0;
        let mut last =
            Trouble::new(Kind::Silent, format!("the {} s for all questions are over", self.budget.as_secs()));
        loop {
            let Ok(tried) = timeout_at(until, self.try_once(asked)).await else {
                self.line = None;
                return Err(last.after(&asked.to_string(), tries, patience));
            };
            tries += 1;
            let mut is_asked_for = false;
            let (trouble, pause) = match tried {
                Ok(answer) if answer.status < 500 && answer.status != 429 => {
                    tracing::debug!("{asked}: {} after {} ms", answer.status, begun.elapsed().as_millis());
                    return Ok(answer);
                }
                Ok(Answer { status, retry_after, .. }) => {
                    let wait = retry_after
                        .map_or_else(String::new, |pause| format!(" and `Retry-After: {}`", pause.as_secs()));
                    let trouble = Trouble::new(Kind::Broken, format!("it answered {status}{wait}"));
                    is_asked_for = retry_after.is_some();
                    (trouble, retry_after.map_or_else(|| pauses.next(), pauses::asked_for))
                }
                Err(trouble) => (trouble, pauses.next()),
            };
            tracing::debug!("{asked}, try {tries}: {}", trouble.says);
            let left = until.saturating_duration_since(Instant::now());
            let pause = match trouble.kind {
                Kind::Hopeless => None,
                _ if pause < left => Some(pause),
                // A pause of one's own is cut short, for one more try within the time.
                _ if !is_asked_for => left.checked_sub(LAST_TRY),
                _ => None,
            };
            let Some(pause) = pause else { return Err(trouble.after(&asked.to_string(), tries, patience)) };
            last = trouble;
            sleep(pause).await;
        }
    }

    /// Asks once, on the line there is, or on a new one.
    async fn try_once(&mut self, asked: &Asked<'_>) -> Result<Answer, Trouble> {
        let kept = self.line.take().filter(Line::is_open);
        let is_kept = kept.is_some();
        let mut line = match kept {
            Some(line) => line,
            None => Line::open(&self.endpoints).await?,
        };
        let mut answer = line.ask(asked.request(&self.endpoints)?).await;
        // A line that was kept may have been ended by the other side meanwhile; that is nobody's fault.
        if is_kept && answer.as_ref().is_err_and(|trouble| trouble.kind == Kind::Broken) {
            line = Line::open(&self.endpoints).await?;
            answer = line.ask(asked.request(&self.endpoints)?).await;
        }
        let answer = answer?;
        self.line = Some(line);
        Ok(answer)
    }
}

/// A question. Shown without its header, which may be the token.
struct Asked<'a> {
    method: Method,
    path: &'a str,
    header: (&'static str, HeaderValue),
}

impl Asked<'_> {
    fn request(&self, endpoints: &Endpoints) -> Result<Request<Empty<Bytes>>, Trouble> {
        let (name, value) = &self.header;
        let request = Request::builder()
            .method(self.method.clone())
            .uri(format!("/latest/{}", self.path))
            .header(HOST, endpoints.host())
            .header(USER_AGENT, concat!("hostagent/", env!("CARGO_PKG_VERSION")))
            .header(*name, value);
        // RFC 9110, 8.6: a PUT says that it has no content, a GET does not.
        let request = if self.method == Method::PUT { request.header(CONTENT_LENGTH, 0) } else { request };
        request.body(Empty::new()).map_err(|error| Trouble::new(Kind::Hopeless, error.to_string()))
    }
}

impl std::fmt::Display for Asked<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} /latest/{}", self.method, self.path)
    }
}

/// Whether bytes are a token.
fn is_token(bytes: &[u8]) -> bool {
    Token::read(bytes).is_some()
}
