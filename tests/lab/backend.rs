//! Plays the programs that a machine's nginx stands in front of.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, BufRead as _, BufReader, Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use serde_json::json;

use super::machine::Machine;
use super::network;

/// A small HTTP server that remembers what it was asked.
///
/// `/echo` answers with the request as JSON; a websocket is taken and echoes; everything else gets the body.
#[derive(Debug)]
pub struct Backend {
    shared: Arc<Shared>,
    stop: Arc<AtomicBool>,
}

/// A request as it reached the backend.
#[derive(Debug, Clone)]
pub struct Request {
    /// Such as `GET`.
    pub method: String,
    /// With its query.
    pub path: String,
    /// By their names in lower case.
    pub headers: BTreeMap<String, String>,
}

impl Request {
    /// A header; empty if it was not sent.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(&name.to_ascii_lowercase()).map_or("", String::as_str)
    }
}

/// What a backend has to give.
#[derive(Debug, Clone)]
pub enum Offer {
    /// This text, whatever is asked.
    Text(String),
    /// The files of a folder.
    Folder(PathBuf),
}

#[derive(Debug)]
struct Shared {
    offer: Offer,
    status: Mutex<u16>,
    requests: Mutex<Vec<Request>>,
}

impl Machine {
    /// Plays a program of the machine that listens at `127.0.0.1:3000` or `unix:/run/app.sock`.
    pub fn backend(&self, at: &str, body: &str) -> Backend {
        self.plays(at, Offer::Text(body.to_owned()))
    }

    /// Serves a folder of the host by HTTP inside the machine.
    pub fn serves(&self, at: &str, folder: PathBuf) -> Backend {
        self.plays(at, Offer::Folder(folder))
    }

    fn plays(&self, at: &str, offer: Offer) -> Backend {
        let door = match at.strip_prefix("unix:") {
            Some(path) => Door::unix(&self.root().join(path.trim_start_matches('/'))),
            None => network::within(&self.network().inner(), || Door::tcp(at)),
        };
        Backend::behind(door, offer)
    }
}

impl Backend {
    /// Starts serving behind an open door.
    pub fn behind(door: Door, offer: Offer) -> Self {
        let shared = Arc::new(Shared { offer, status: Mutex::new(200), requests: Mutex::default() });
        let stop = Arc::new(AtomicBool::new(false));
        let backend = Self { shared: Arc::clone(&shared), stop: Arc::clone(&stop) };
        thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                match door.accept() {
                    Some(guest) => {
                        let shared = Arc::clone(&shared);
                        thread::spawn(move || serve(&shared, guest));
                    }
                    None => thread::sleep(Duration::from_millis(5)),
                }
            }
        });
        backend
    }

    /// Everything it was asked so far.
    pub fn requests(&self) -> Vec<Request> {
        self.shared.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The last thing it was asked.
    pub fn last_request(&self) -> Request {
        self.requests().pop().expect("the backend was asked something")
    }

    /// Answers with this status from now on.
    pub fn answers(&self, status: u16) {
        *self.shared.status.lock().unwrap_or_else(PoisonError::into_inner) = status;
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// Where a backend listens.
#[derive(Debug)]
pub enum Door {
    /// At a port.
    Tcp(TcpListener),
    /// At a socket in the file system.
    Unix(UnixListener),
}

trait Guest: Read + Write + Send {}
impl<T: Read + Write + Send> Guest for T {}

impl Door {
    /// Listens at an address of this thread's network namespace.
    pub fn tcp(at: &str) -> Self {
        let listener = TcpListener::bind(at).unwrap_or_else(|error| panic!("cannot listen at {at}: {error}"));
        listener.set_nonblocking(true).expect("a socket can be made so");
        Self::Tcp(listener)
    }

    /// Listens at a path, for everybody.
    pub fn unix(path: &Path) -> Self {
        let _ = fs::remove_file(path);
        let listener =
            UnixListener::bind(path).unwrap_or_else(|error| panic!("cannot listen at {}: {error}", path.display()));
        fs::set_permissions(path, fs::Permissions::from_mode(0o666)).expect("our own socket");
        listener.set_nonblocking(true).expect("a socket can be made so");
        Self::Unix(listener)
    }

    fn accept(&self) -> Option<Box<dyn Guest>> {
        match self {
            Self::Tcp(listener) => {
                let (guest, _) = listener.accept().ok()?;
                guest.set_nonblocking(false).ok()?;
                Some(Box::new(guest))
            }
            Self::Unix(listener) => {
                let (guest, _) = listener.accept().ok()?;
                guest.set_nonblocking(false).ok()?;
                Some(Box::new(guest))
            }
        }
    }
}

/// Answers until the guest goes; who is cut off in between is of no interest.
fn serve(shared: &Shared, guest: Box<dyn Guest>) {
    let mut guest = BufReader::new(guest);
    while let Ok(Some(request)) = read_request(&mut guest) {
        shared.requests.lock().unwrap_or_else(PoisonError::into_inner).push(request.clone());
        if request.header("upgrade").eq_ignore_ascii_case("websocket") {
            let _ = echo(&mut guest);
            return;
        }
        if guest.get_mut().write_all(&answer(shared, &request)).is_err() {
            return;
        }
        if request.header("connection").eq_ignore_ascii_case("close") {
            return;
        }
    }
}

fn read_request(guest: &mut BufReader<Box<dyn Guest>>) -> io::Result<Option<Request>> {
    let mut line = String::new();
    if guest.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split_whitespace().map(str::to_owned);
    let (Some(method), Some(path)) = (words.next(), words.next()) else {
        return Ok(None);
    };
    let mut headers = BTreeMap::new();
    loop {
        let mut header = String::new();
        guest.read_line(&mut header)?;
        let Some((name, value)) = header.split_once(':') else {
            break;
        };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let length = headers.get("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
    io::copy(&mut guest.take(length), &mut io::sink())?;
    Ok(Some(Request { method, path, headers }))
}

fn echo(guest: &mut BufReader<Box<dyn Guest>>) -> io::Result<()> {
    let accept = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    guest.get_mut().write_all(accept.as_bytes())?;
    loop {
        let heard = guest.fill_buf()?.to_vec();
        if heard.is_empty() {
            return Ok(());
        }
        guest.consume(heard.len());
        guest.get_mut().write_all(&heard)?;
    }
}

fn answer(shared: &Shared, request: &Request) -> Vec<u8> {
    let mut status = *shared.status.lock().unwrap_or_else(PoisonError::into_inner);
    let body = match &shared.offer {
        _ if request.path == "/echo" => {
            let echo = json!({ "method": request.method, "path": request.path, "headers": request.headers });
            echo.to_string().into_bytes()
        }
        Offer::Text(text) => text.clone().into_bytes(),
        Offer::Folder(folder) => {
            let path = request.path.split('?').next().unwrap_or_default().trim_start_matches('/');
            fs::read(folder.join(path)).unwrap_or_else(|_| {
                status = 404;
                Vec::new()
            })
        }
    };
    let head = format!("HTTP/1.1 {status} so\r\nContent-Length: {}\r\nX-Backend: lab\r\n\r\n", body.len());
    let body = if request.method == "HEAD" { Vec::new() } else { body };
    [head.into_bytes(), body].concat()
}
