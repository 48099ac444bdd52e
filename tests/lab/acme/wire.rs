//! Requests and answers of HTTP/1.1, read and written so that any of them can be spoilt.

use std::fmt::Write as _;

use hyper::body::Bytes;
use hyper::header::{CONTENT_LENGTH, HeaderName, HeaderValue};
use hyper::{Method, Request, Uri};
use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _};

use super::caller::Answer;

/// The next request; `None` when the client has gone, or speaks something else.
pub(super) async fn read(client: &mut (impl AsyncBufRead + Unpin)) -> Option<Request<Bytes>> {
    let mut line = String::new();
    client.read_line(&mut line).await.ok()?;
    let mut words = line.split_whitespace();
    let mut request = Request::new(Bytes::new());
    *request.method_mut() = Method::from_bytes(words.next()?.as_bytes()).ok()?;
    *request.uri_mut() = words.next()?.parse::<Uri>().ok()?;
    loop {
        let mut header = String::new();
        client.read_line(&mut header).await.ok()?;
        let Some((name, value)) = header.split_once(':') else { break };
        let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
        request.headers_mut().append(name, HeaderValue::from_str(value.trim()).ok()?);
    }
    let length = request.headers().get(CONTENT_LENGTH).and_then(|text| text.to_str().ok()?.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    client.read_exact(&mut body).await.ok()?;
    *request.body_mut() = body.into();
    Some(request)
}

/// An answer as bytes: its head, which says how long the body is, and the body.
pub(super) fn written(answer: &Answer) -> (Vec<u8>, Bytes) {
    let status = answer.status();
    let mut head = format!("HTTP/1.1 {} {}\r\n", status.as_u16(), status.canonical_reason().unwrap_or("so"));
    for (name, value) in answer.headers() {
        let _ = write!(head, "{name}: {}\r\n", String::from_utf8_lossy(value.as_bytes()));
    }
    let _ = write!(head, "content-length: {}\r\n\r\n", answer.body().len());
    (head.into_bytes(), answer.body().clone())
}
