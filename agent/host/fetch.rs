//! Fetches a file from a server over HTTP, or from this host (`file://`).

use std::path::Path;
use std::time::Duration;

use futures_util::StreamExt as _;

use super::{Error, Look};

/// How long a server may take to accept a connection.
const CONNECTING: Duration = Duration::from_secs(20);

impl Look {
    /// The bytes behind a URL (`https://`, `http://` or `file://`). Over plain HTTP the caller must know their digest.
    ///
    /// # Errors
    /// When the server cannot be reached, refuses, is not done after `patience`, or sends more than `limit` bytes.
    pub async fn fetch(&self, url: &str, limit: u64, patience: Duration) -> Result<Vec<u8>, Error> {
        if let Some(path) = url.strip_prefix("file://") {
            return self.fetch_here(Path::new(path), limit);
        }
        tracing::debug!(url = shown(url), "fetching");
        match tokio::time::timeout(patience, fetch(url, limit)).await {
            Ok(fetched) => fetched,
            Err(_elapsed) => {
                let says = format!("`{}` was not there after {patience:?}", shown(url));
                Err(Error::said_with_hint(
                    "fetch-slow",
                    says,
                    "is the server reachable from this host? try it with `curl -v`",
                ))
            }
        }
    }

    fn fetch_here(&self, path: &Path, limit: u64) -> Result<Vec<u8>, Error> {
        let size = self.found(path)?.map(|found| found.size);
        match self.read(path)? {
            Some(_) if size.is_some_and(|size| size > limit) => Err(too_large(&path.display().to_string(), limit)),
            Some(bytes) => Ok(bytes),
            None => Err(Error::said_with_hint(
                "fetch-missing",
                format!("there is no `{}`", path.display()),
                "put it there, or correct the URL",
            )),
        }
    }
}

async fn fetch(url: &str, limit: u64) -> Result<Vec<u8>, Error> {
    let failed = |error: reqwest::Error| refused(url, &error);
    let client = reqwest::Client::builder()
        .connect_timeout(CONNECTING)
        .user_agent(concat!("hostagent/", env!("CARGO_PKG_VERSION")));
    // A redirect from HTTPS to HTTP would give up what the scheme promised.
    let client = if url.starts_with("https://") { client.https_only(true) } else { client };
    let answer = client.build().map_err(failed)?.get(url).send().await.map_err(failed)?;
    let answer = answer.error_for_status().map_err(failed)?;
    if answer.content_length().is_some_and(|length| length > limit) {
        return Err(too_large(&shown(url), limit));
    }
    let mut bytes = Vec::new();
    let mut pieces = answer.bytes_stream();
    while let Some(piece) = pieces.next().await {
        bytes.extend_from_slice(&piece.map_err(failed)?);
        if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > limit {
            return Err(too_large(&shown(url), limit));
        }
    }
    Ok(bytes)
}

fn refused(url: &str, error: &reqwest::Error) -> Error {
    if let Some(status) = error.status() {
        let says = format!("the server answered {status} for `{}`", shown(url));
        return Error::said_with_hint("fetch-refused", says, "is the URL right, and may this host read it?");
    }
    // The outer errors say "error sending request for URL", whole URL included; the innermost says why.
    let mut source: &dyn std::error::Error = error;
    while let Some(inner) = source.source() {
        source = inner;
    }
    let says = format!("could not fetch `{}`: {source}", shown(url));
    Error::said_with_hint("fetch-failed", says, "is the server reachable from this host? try it with `curl -v`")
}

fn too_large(what: &str, limit: u64) -> Error {
    let says = format!("`{what}` is larger than {}", bytesize::ByteSize(limit).display().iec());
    Error::said_with_hint("fetch-too-large", says, "fetch it with a `[[run]]` of your own")
}

/// A URL as it may be shown: a user's password and a signed query stay out.
fn shown(url: &str) -> String {
    let plain = url.split(['?', '#']).next().unwrap_or_default();
    let Some((scheme, rest)) = plain.split_once("://") else { return plain.to_owned() };
    let (place, path) = rest.split_once('/').map_or((rest, String::new()), |(place, path)| (place, format!("/{path}")));
    let server = place.rsplit_once('@').map_or(place, |(_account, server)| server);
    format!("{scheme}://{server}{path}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Host;
    use crate::host::programs::Real;

    #[test]
    fn a_url_is_shown_without_what_may_be_secret() {
        for (url, expected) in [
            ("https://example.org/a/b.tar.gz", "https://example.org/a/b.tar.gz"),
            ("https://me:pw@example.org/a?X-Amz-Signature=s#top", "https://example.org/a"),
            ("http://10.0.0.1:8080", "http://10.0.0.1:8080"),
        ] {
            assert_eq!(shown(url), expected);
        }
    }

    #[tokio::test(flavor = "current_thread")]
    async fn an_answer_is_read_up_to_its_limit_and_a_refusal_is_cited() {
        let directory = tempfile::tempdir().unwrap();
        let look = Host::at(directory.path(), Box::new(Real)).unwrap().look();
        let second = Duration::from_secs(1);
        let url = serve("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello").await;
        assert_eq!(look.fetch(&url, 5, second).await.unwrap(), b"hello");

        let url = serve("HTTP/1.1 200 OK\r\n\r\nhello world").await;
        assert!(look.fetch(&url, 5, second).await.unwrap_err().to_string().ends_with("is larger than 5 B"));

        let url = serve("HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n").await;
        let said = look.fetch(&url, 5, second).await.unwrap_err().to_string();
        assert_eq!(said, format!("the server answered 403 Forbidden for `{url}`"));
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_file_of_this_host_is_fetched_from_its_root() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("a"), "x").unwrap();
        let look = Host::at(directory.path(), Box::new(Real)).unwrap().look();
        assert_eq!(look.fetch("file:///a", 9, Duration::ZERO).await.unwrap(), b"x");
        assert_eq!(look.fetch("file:///b", 9, Duration::ZERO).await.unwrap_err().to_string(), "there is no `/b`");
    }

    /// A server that gives one answer; its URL.
    async fn serve(answer: &'static str) -> String {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _ = stream.read(&mut [0_u8; 4096]).await.unwrap();
            stream.write_all(answer.as_bytes()).await.unwrap();
        });
        format!("http://127.0.0.1:{port}/file")
    }
}
