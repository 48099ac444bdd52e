//! The token of IMDSv2. Who has it may ask for the role's credentials, so it is shown nowhere.

use std::fmt;
use std::time::Duration;

use hyper::header::HeaderValue;
use tokio::time::Instant;

/// How long it lives: as long as any run may be busy with the service, and no more (the most is six hours).
pub(super) const TTL: Duration = Duration::from_mins(5);

/// A session token: without `Display`, and its `Debug` says nothing.
pub(super) struct Token {
    value: HeaderValue,
    given: Instant,
}

impl Token {
    /// The token that an answer holds; `None` if that is no token.
    pub(super) fn read(body: &[u8]) -> Option<Self> {
        let body = body.trim_ascii();
        let is_token = (1..=1024).contains(&body.len()) && body.iter().all(u8::is_ascii_graphic);
        let mut value = HeaderValue::from_bytes(body).ok().filter(|_| is_token)?;
        value.set_sensitive(true);
        Some(Self { value, given: Instant::now() })
    }

    /// To be sent, and for nothing else.
    pub(super) fn header(&self) -> HeaderValue {
        self.value.clone()
    }

    /// Whether it is about to end.
    pub(super) fn is_old(&self) -> bool {
        self.given.elapsed() + Duration::from_secs(10) >= TTL
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_not_shown() {
        let token = Token::read(b"AQAEsecret==\n").unwrap();
        assert_eq!(format!("{token:?} {:?}", token.header()), "Token(…) Sensitive");
        assert_eq!(token.header().as_bytes(), b"AQAEsecret==");
    }

    #[test]
    fn what_cannot_be_a_token_is_none() {
        for body in [&b""[..], b"<html> not found", b"a\r\nX-Other: b", &[b'a'; 1025], b"\xff"] {
            assert!(Token::read(body).is_none(), "{body:?}");
        }
    }
}
