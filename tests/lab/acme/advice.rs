//! When the CA says that a certificate is to be renewed (ARI, RFC 9773).

use hyper::header::{HeaderValue, RETRY_AFTER};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::caller::Answer;
use super::leaf::Life;
use super::order;

/// What is said of every certificate that the CA has issued.
#[derive(Debug, Clone)]
pub struct Advice {
    window: Window,
    retry_after: Option<String>,
    link: Option<String>,
}

#[derive(Debug, Clone)]
enum Window {
    /// In the last third of a certificate's life.
    Usual,
    Between(Timestamp, Timestamp),
    Body(String),
}

impl Advice {
    /// As Let's Encrypt says it: about when a third of the life is left, and ask again in six hours.
    pub fn usual() -> Self {
        Self { window: Window::Usual, retry_after: Some("21600".to_owned()), link: None }
    }

    /// The window is over: now.
    pub fn past() -> Self {
        Self::between(-SignedDuration::from_hours(48), -SignedDuration::from_hours(24))
    }

    /// The window begins and ends so long from now, before now if negative; an end before the begin is said, too.
    pub fn between(begin: SignedDuration, end: SignedDuration) -> Self {
        let now = Timestamp::now();
        Self { window: Window::Between(now + begin, now + end), ..Self::usual() }
    }

    /// A window without dates in it.
    pub fn malformed() -> Self {
        Self::body(r#"{"suggestedWindow":{"start":"soon","end":"later"}}"#)
    }

    /// 200 with this body.
    pub fn body(body: &str) -> Self {
        Self { window: Window::Body(body.to_owned()), ..Self::usual() }
    }

    /// With this `Retry-After`, whatever it says.
    pub fn retry_after(mut self, text: &str) -> Self {
        self.retry_after = Some(text.to_owned());
        self
    }

    /// Without a `Retry-After`, which the RFC demands.
    pub fn without_retry_after(mut self) -> Self {
        self.retry_after = None;
        self
    }

    /// With a page that says why.
    pub fn explained_at(mut self, link: &str) -> Self {
        self.link = Some(link.to_owned());
        self
    }

    /// The answer for a certificate of this life.
    pub(super) fn answer(&self, life: Life) -> Answer {
        let third = (life.until - life.from) / 3;
        let body = match &self.window {
            Window::Usual => self.said(life.until - third, life.until - third + third / 10),
            Window::Between(begin, end) => self.said(begin.as_second(), end.as_second()),
            Window::Body(body) => body.clone(),
        };
        let mut answer = order::answer(200, "application/json", body);
        if let Some(value) = self.retry_after.as_deref().and_then(|text| HeaderValue::from_str(text).ok()) {
            answer.headers_mut().insert(RETRY_AFTER, value);
        }
        answer
    }

    fn said(&self, begin: i64, end: i64) -> String {
        let mut said = json!({ "suggestedWindow": { "start": time(begin), "end": time(end) } });
        if let Some(link) = &self.link {
            said.as_object_mut().map(|said| said.insert("explanationURL".to_owned(), json!(link)));
        }
        said.to_string()
    }
}

fn time(second: i64) -> String {
    Timestamp::from_second(second).map_or_else(|_| String::new(), |time| time.to_string())
}
