//! Fetching a file from elsewhere: over HTTPS, or over HTTP where what must come is known beforehand.

use std::path::Path;
use std::time::Duration;

use super::doing::doing;
use super::{Error, Look, clock};

/// How long a server may say nothing in the middle of its answer.
const SILENCE: Duration = Duration::from_secs(30);
/// The pauses before the second and the third try.
const PAUSES: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(2)];

/// How something is fetched.
#[derive(Debug, Clone, Copy)]
pub struct Fetch {
    /// The most bytes it may have.
    pub limit: usize,
    /// How long one try may take; a server that is silent for long is given up before.
    pub timeout: Duration,
    /// Whether the caller compares what came with a digest or fingerprint of the recipe: then `http:` will do.
    pub pinned: bool,
}

impl Look {
    /// What a URL (`https:`, `file:`, or `http:` if pinned) holds. Tries three times.
    ///
    /// # Errors
    /// When it cannot be had, or is larger than its limit.
    pub async fn fetch(&self, url: &str, how: Fetch) -> Result<Vec<u8>, Error> {
        match url.split_once(':').map(|(scheme, rest)| (scheme.to_ascii_lowercase(), rest)) {
            Some((scheme, path)) if scheme == "file" => self.fetch_file(url, path.trim_start_matches("//"), how),
            Some((scheme, _)) if scheme == "https" || scheme == "http" && how.pinned => fetch_over_http(url, how).await,
            Some((scheme, _)) if scheme == "http" => {
                let says = format!("`{}` is not protected on its way, and nothing says what must come", shown(url));
                Err(Error::said_with_hint("fetch-unsafe", says, "use `https:`, or say its digest"))
            }
            _ => Err(Error::said_with_hint(
                "fetch-scheme",
                format!("`{}` is not a URL that can be fetched", shown(url)),
                "use `https:` or `file:`",
            )),
        }
    }

    fn fetch_file(&self, url: &str, path: &str, how: Fetch) -> Result<Vec<u8>, Error> {
        let bytes = self.read(Path::new(path))?.ok_or_else(|| {
            Error::said_with_hint("fetch-missing", format!("`{path}` is not there"), "put it there first")
        })?;
        if bytes.len() > how.limit { Err(too_large(url, how)) } else { Ok(bytes) }
    }
}

/// A URL as it may be shown: a user's password and a signed query stay out.
pub(crate) fn shown(url: &str) -> String {
    let plain = url.split(['?', '#']).next().unwrap_or_default();
    let Some((scheme, rest)) = plain.split_once("://") else { return plain.to_owned() };
    let (place, path) = rest.split_once('/').map_or((rest, String::new()), |(place, path)| (place, format!("/{path}")));
    let server = place.rsplit_once('@').map_or(place, |(_account, server)| server);
    format!("{scheme}://{server}{path}")
}

async fn fetch_over_http(url: &str, how: Fetch) -> Result<Vec<u8>, Error> {
    let built = reqwest::Client::builder()
        .https_only(!how.pinned)
        .connect_timeout(how.timeout.min(Duration::from_secs(10)))
        .read_timeout(how.timeout.min(SILENCE))
        .timeout(how.timeout)
        .user_agent(concat!("hostagent/", env!("CARGO_PKG_VERSION")))
        .build();
    let client = built.map_err(|error| failed(url, &error))?;
    let _doing = doing(|| format!("fetching `{}`", shown(url)));
    let mut pauses = PAUSES.into_iter();
    loop {
        match try_once(&client, url, how).await {
            Err(Attempt::MayPass(error)) => match pauses.next() {
                Some(pause) => tokio::time::sleep(pause).await,
                None => return Err(error),
            },
            Err(Attempt::Final(error)) => return Err(error),
            Ok(bytes) => return Ok(bytes),
        }
    }
}

/// Why a try failed.
enum Attempt {
    /// A connection or a server that may be better in a moment.
    MayPass(Error),
    Final(Error),
}

async fn try_once(client: &reqwest::Client, url: &str, how: Fetch) -> Result<Vec<u8>, Attempt> {
    let passing = |error: reqwest::Error| {
        if error.is_builder() || error.is_redirect() {
            Attempt::Final(failed(url, &error))
        } else {
            Attempt::MayPass(failed(url, &error))
        }
    };
    let mut response = client.get(url).send().await.map_err(passing)?;
    let status = response.status();
    if !status.is_success() {
        let passes = status.is_server_error() || status.as_u16() == 429;
        let code = match status.as_u16() {
            _ if passes => "fetch-unavailable",
            401 | 403 => "fetch-forbidden",
            404 | 410 => "fetch-gone",
            _ => "fetch-refused",
        };
        let hint = if passes { "it may pass: run again" } else { "is the address right, and open to this host?" };
        let error = Error::said_with_hint(code, format!("`{}` answered {status}", shown(url)), hint);
        return Err(if passes { Attempt::MayPass(error) } else { Attempt::Final(error) });
    }
    let mut bytes = Vec::new();
    while let Some(piece) = response.chunk().await.map_err(passing)? {
        bytes.extend_from_slice(&piece);
        if bytes.len() > how.limit {
            return Err(Attempt::Final(too_large(url, how)));
        }
    }
    Ok(bytes)
}

/// The error with every reason below it: reqwest's own text ends at "error sending request".
fn failed(url: &str, error: &reqwest::Error) -> Error {
    let place = shown(url);
    let mut reasons = Vec::new();
    let mut below = std::error::Error::source(error);
    while let Some(reason) = below {
        reasons.push(reason.to_string());
        below = reason.source();
    }
    let reason = if reasons.is_empty() { error.to_string() } else { reasons.join(": ") };
    let usual = || format!("see `curl -v {place}` on this host; certificates need the package `ca-certificates`");
    let hint = clock::hint_for(&reason).unwrap_or_else(usual);
    Error::said_with_hint("fetch-failed", format!("could not fetch `{place}`: {reason}"), hint)
}

fn too_large(url: &str, how: Fetch) -> Error {
    let says = format!("`{}` is larger than {} bytes", shown(url), how.limit);
    Error::said_with_hint("fetch-too-large", says, "is the address right?")
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;
    use crate::host::{Host, programs::Real};

    const HOW: Fetch = Fetch { limit: 10, timeout: Duration::from_secs(5), pinned: true };

    /// A server that gives each of these answers once; its URL.
    async fn server(answers: &'static [&'static str]) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/key", listener.local_addr().unwrap());
        tokio::spawn(async move {
            for answer in answers {
                let (mut stream, _) = listener.accept().await.unwrap();
                let _ = stream.read(&mut [0; 4096]).await.unwrap();
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        url
    }

    fn look(root: &Path) -> Look {
        Host::at(root, Box::new(Real)).unwrap().look()
    }

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

    #[tokio::test]
    async fn a_server_that_stumbles_is_asked_again_and_one_that_refuses_is_not() {
        let root = tempfile::tempdir().unwrap();
        let url = server(&[
            "HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 3\r\n\r\nkey",
        ])
        .await;
        assert_eq!(look(root.path()).fetch(&url, HOW).await.unwrap(), b"key");

        let url = server(&["HTTP/1.1 404 Not Found\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"]).await;
        let error = look(root.path()).fetch(&url, HOW).await.unwrap_err();
        assert_eq!((error.code(), error.to_string()), ("fetch-gone", format!("`{url}` answered 404 Not Found")));
    }

    #[tokio::test]
    async fn more_than_the_limit_is_refused() {
        let root = tempfile::tempdir().unwrap();
        let url = server(&["HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n12345678901"]).await;
        let error = look(root.path()).fetch(&url, HOW).await.unwrap_err();
        assert_eq!(error.to_string(), format!("`{url}` is larger than 10 bytes"));
    }

    #[tokio::test]
    async fn http_is_refused_unless_what_comes_is_known() {
        let root = tempfile::tempdir().unwrap();
        let error = look(root.path()).fetch("http://127.0.0.1/key", Fetch { pinned: false, ..HOW }).await.unwrap_err();
        assert_eq!(error.code(), "fetch-unsafe");
        assert_eq!(look(root.path()).fetch("ftp://127.0.0.1/key", HOW).await.unwrap_err().code(), "fetch-scheme");
    }

    #[tokio::test]
    async fn a_file_is_read_from_this_host() {
        let root = tempfile::tempdir().unwrap();
        std::fs::write(root.path().join("key"), "key").unwrap();
        assert_eq!(look(root.path()).fetch("file:///key", HOW).await.unwrap(), b"key");
        assert_eq!(look(root.path()).fetch("file:///other", HOW).await.unwrap_err().code(), "fetch-missing");
    }
}
