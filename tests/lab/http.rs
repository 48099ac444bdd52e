//! A small HTTP/1.1 client, so that a test says exactly what goes over the wire.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use super::network::within;

const PATIENCE: Duration = Duration::from_secs(10);

/// An answer of a server.
#[derive(Debug, Clone)]
pub struct Response {
    /// What was asked.
    pub url: String,
    /// Its status, such as 200.
    pub status: u16,
    /// Its headers by their names in lower case; several of one name are joined by `, `.
    pub headers: BTreeMap<String, String>,
    /// Its body.
    pub body: String,
}

impl Response {
    /// Expects this status.
    pub fn is(self, status: u16) -> Self {
        assert!(self.status == status, "expected status {status} from\n{self}");
        self
    }

    /// Expects this text in the body.
    pub fn says(self, text: &str) -> Self {
        assert!(self.body.contains(text), "expected the words `{text}` from\n{self}");
        self
    }

    /// A header; empty if it is not there.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(&name.to_ascii_lowercase()).map_or("", String::as_str)
    }
}

impl fmt::Display for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "GET {}\n--- status {}", self.url, self.status)?;
        for (name, value) in &self.headers {
            writeln!(f, "{name}: {value}")?;
        }
        write!(f, "\n{}", self.body)
    }
}

/// `http://name:port/path`, taken apart.
#[derive(Debug)]
pub struct Url<'a> {
    /// The host, without its port.
    pub host: &'a str,
    /// The port; 80 if it is not said.
    pub port: u16,
    /// The path, with its query.
    pub path: &'a str,
}

impl<'a> Url<'a> {
    /// Takes a URL apart.
    pub fn parse(url: &'a str) -> Self {
        let rest = url.strip_prefix("http://").unwrap_or_else(|| panic!("`{url}` is not http://…"));
        let (authority, path) = rest.find('/').map_or((rest, "/"), |slash| rest.split_at(slash));
        let (host, port) = authority.rsplit_once(':').map_or((authority, 80), |(host, port)| {
            (host, port.parse().unwrap_or_else(|_| panic!("`{url}` has no port")))
        });
        Self { host, port, path }
    }
}

/// Asks the server at an address for a URL, whatever its name resolves to.
pub fn get(namespace: &Path, address: &str, url: &str, headers: &[(&str, &str)]) -> io::Result<Response> {
    let Url { host, port, path } = Url::parse(url);
    let mut request = format!("GET {path} HTTP/1.1\r\n");
    let usual = [("Host", host), ("Connection", "close")];
    let is_given = |name: &str| headers.iter().any(|(given, _)| given.eq_ignore_ascii_case(name));
    for (name, value) in usual.iter().filter(|(name, _)| !is_given(name)).chain(headers) {
        let _ = write!(request, "{name}: {value}\r\n");
    }
    request += "\r\n";
    let reply = talk(namespace, SocketAddr::new(parsed(address), port), request.as_bytes())?;
    response(url, &reply).ok_or_else(|| io::Error::other(format!("no HTTP: {}", String::from_utf8_lossy(&reply))))
}

/// Sends some bytes and returns what comes back until the server hangs up, or is silent for a while.
pub fn talk(namespace: &Path, to: SocketAddr, bytes: &[u8]) -> io::Result<Vec<u8>> {
    within(namespace, || {
        let mut stream = TcpStream::connect_timeout(&to, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(bytes)?;
        let mut reply = Vec::new();
        match stream.read_to_end(&mut reply) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && !reply.is_empty() => {}
            read => drop(read?),
        }
        Ok(reply)
    })
}

/// Asks for a websocket, then sends some bytes through it; returns the status and what came back.
pub fn upgrade(namespace: &Path, address: &str, url: &str, bytes: &[u8]) -> io::Result<(u16, Vec<u8>)> {
    let Url { host, port, path } = Url::parse(url);
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    within(namespace, || {
        let mut stream = TcpStream::connect_timeout(&SocketAddr::new(parsed(address), port), PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(request.as_bytes())?;
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") {
            stream.read_exact(&mut byte)?;
            head.extend(byte);
        }
        let status = response(url, &head).map_or(0, |answer| answer.status);
        let mut echo = Vec::new();
        if status == 101 {
            stream.write_all(bytes)?;
            echo = vec![0; bytes.len()];
            stream.read_exact(&mut echo)?;
        }
        Ok((status, echo))
    })
}

fn parsed(address: &str) -> std::net::IpAddr {
    address.parse().unwrap_or_else(|_| panic!("`{address}` is not an address"))
}

/// Reads an answer; `None` if it is no HTTP.
pub fn response(url: &str, reply: &[u8]) -> Option<Response> {
    let split = reply.windows(4).position(|window| window == b"\r\n\r\n")?;
    let (head, rest) = reply.split_at(split);
    let head = String::from_utf8_lossy(head);
    let mut lines = head.split("\r\n");
    let status = lines.next()?.strip_prefix("HTTP/1.")?.split(' ').nth(1)?.parse().ok()?;
    let mut headers = BTreeMap::<String, String>::new();
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        headers
            .entry(name.to_ascii_lowercase())
            .and_modify(|known| *known = format!("{known}, {}", value.trim()))
            .or_insert_with(|| value.trim().to_owned());
    }
    let mut body = rest.get(4..)?.to_vec();
    if headers.get("transfer-encoding").is_some_and(|coding| coding == "chunked") {
        body = joined(&body)?;
    }
    let body = String::from_utf8_lossy(&body).into_owned();
    Some(Response { url: url.to_owned(), status, headers, body })
}

/// A chunked body, put together.
fn joined(mut chunks: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = chunks.windows(2).position(|window| window == b"\r\n")?;
        let size = std::str::from_utf8(chunks.get(..end)?).ok()?;
        let size = usize::from_str_radix(size.split(';').next()?.trim(), 16).ok()?;
        if size == 0 {
            return Some(body);
        }
        body.extend(chunks.get(end + 2..end + 2 + size)?);
        chunks = chunks.get(end + 4 + size..)?;
    }
}
