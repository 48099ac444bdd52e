//! The running service: sockets outside, where the machine finds the cloud, a thread a connection, and the journal.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::answer::{self, Deed, Request, Tokens};
use super::{Fault, Metadata, State};
use crate::lab::network::{Network, within};

const V4: IpAddr = IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254));
const V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);

/// A metadata service that is there as long as its machine.
#[derive(Debug)]
pub struct Service {
    network: Network,
    addresses: Vec<IpAddr>,
    shared: Arc<Shared>,
    running: Mutex<Option<Running>>,
}

/// A request that came, in the order they came.
#[derive(Debug, Clone)]
pub struct Asked {
    /// Which connection it came on, from 1.
    pub connection: usize,
    /// Such as `GET`.
    pub method: String,
    /// Below `/latest/`, such as `meta-data/instance-id`.
    pub path: String,
    /// By their names in lower case.
    pub headers: BTreeMap<String, String>,
    /// The status of the answer; `None` if there was none.
    pub status: Option<u16>,
    /// When it came.
    pub at: Instant,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    tokens: Mutex<Tokens>,
    given: Mutex<BTreeSet<String>>,
    journal: Mutex<Vec<Asked>>,
    connections: Mutex<usize>,
}

#[derive(Debug)]
struct Running {
    stop: Arc<AtomicBool>,
    /// To hang up on when the service stops.
    open: Arc<Mutex<Vec<TcpStream>>>,
    doors: Vec<JoinHandle<()>>,
}

impl Service {
    /// Starts one in a machine's network.
    pub(in crate::lab) fn start_for(metadata: &Metadata, network: &Network) -> Self {
        let shared = Shared {
            state: Mutex::new(metadata.begin.clone()),
            tokens: Mutex::default(),
            given: Mutex::default(),
            journal: Mutex::default(),
            connections: Mutex::default(),
        };
        let mut addresses = vec![V4];
        if metadata.over_ipv6 {
            network.reach(V6);
            addresses.push(V6.into());
        }
        let service = Self { network: network.clone(), addresses, shared: Arc::new(shared), running: Mutex::default() };
        service.start();
        service
    }

    /// Listens again after [`Service::stop`].
    pub fn start(&self) {
        let mut running = held(&self.running);
        assert!(running.is_none(), "the metadata service runs already");
        let (stop, open) = (Arc::new(AtomicBool::new(false)), Arc::<Mutex<Vec<TcpStream>>>::default());
        let doors = self.addresses.iter().map(|address| {
            let listener = within(&self.network.outer(), || listen(SocketAddr::new(*address, 80)));
            let (shared, stop, open) = (Arc::clone(&self.shared), Arc::clone(&stop), Arc::clone(&open));
            thread::spawn(move || attend(&listener, &shared, &stop, &open))
        });
        let doors = doors.collect();
        *running = Some(Running { stop, open, doors });
    }

    /// Ends it: connections are cut, and new ones are refused.
    pub fn stop(&self) {
        let Some(running) = held(&self.running).take() else { return };
        running.stop.store(true, Ordering::Relaxed);
        for door in running.doors {
            let _ = door.join();
        }
        for stream in held(&running.open).drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Drops every packet to it on the way, as a firewall does.
    pub fn is_firewalled(&self) {
        self.network.swallow(V4);
    }

    /// Everything it was asked so far, the newest last.
    pub fn requests(&self) -> Vec<Asked> {
        held(&self.shared.journal).clone()
    }

    /// How many TCP connections there were so far.
    pub fn connections(&self) -> usize {
        *held(&self.shared.connections)
    }

    /// Every token that it ever gave, to look for where none may be.
    pub fn tokens(&self) -> BTreeSet<String> {
        held(&self.shared.given).clone()
    }

    /// Begins the journal anew.
    pub fn forget(&self) {
        held(&self.shared.journal).clear();
        *held(&self.shared.connections) = 0;
    }

    /// Does this wrong from now on; see [`Metadata::fault`].
    pub fn fault(&self, path: &str, fault: Fault) {
        held(&self.shared.state).faults.push((path.to_owned(), fault));
    }

    /// Does nothing wrong any more, and is enabled.
    pub fn mend(&self) {
        let mut state = held(&self.shared.state);
        state.faults.clear();
        state.is_disabled = false;
    }

    /// Switches it off, as an administrator does.
    pub fn disable(&self) {
        held(&self.shared.state).is_disabled = true;
    }

    /// Knows none of its tokens any more.
    pub fn forget_tokens(&self) {
        held(&self.shared.tokens).clear();
    }

    /// Has this at a path below `/latest/` from now on.
    pub fn set(&self, path: &str, bytes: impl AsRef<[u8]>) {
        held(&self.shared.state).leaves.insert(path.to_owned(), bytes.as_ref().to_vec());
    }

    /// Has nothing at a path, nor below it, from now on.
    pub fn remove(&self, path: &str) {
        held(&self.shared.state).remove(path);
    }

    /// Is another instance from now on; the firmware is [`super::Machine::firmware_says`]'s.
    pub fn become_instance(&self, id: &str) {
        held(&self.shared.state).leaves.extend(super::tree::identity(id));
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.stop();
    }
}

fn listen(at: SocketAddr) -> TcpListener {
    let listener = TcpListener::bind(at).unwrap_or_else(|error| panic!("cannot listen at {at}: {error}"));
    listener.set_nonblocking(true).expect("a socket can be made so");
    listener
}

fn attend(listener: &TcpListener, shared: &Arc<Shared>, stop: &AtomicBool, open: &Mutex<Vec<TcpStream>>) {
    while !stop.load(Ordering::Relaxed) {
        let Ok((stream, _)) = listener.accept() else {
            thread::sleep(Duration::from_millis(1));
            continue;
        };
        let number = {
            let mut connections = held(&shared.connections);
            *connections += 1;
            *connections
        };
        let _ = stream.set_nonblocking(false).and_then(|()| stream.set_nodelay(true));
        held(open).extend(stream.try_clone());
        let shared = Arc::clone(shared);
        thread::spawn(move || serve(&shared, number, stream));
    }
}

/// Answers until the client goes; who is cut off in between is of no interest.
fn serve(shared: &Shared, connection: usize, stream: TcpStream) {
    let mut client = BufReader::new(stream);
    while let Ok(Some(request)) = read(&mut client) {
        let entry = shared.note(connection, &request);
        let deed = {
            let (mut state, mut tokens) = (held(&shared.state), held(&shared.tokens));
            let deed = answer::to(&request, &mut state, &mut tokens);
            held(&shared.given).extend(tokens.keys().cloned());
            deed
        };
        let is_head = request.method == "HEAD";
        let wants_end = request.headers.get("connection").is_some_and(|word| word.eq_ignore_ascii_case("close"));
        let stream = client.get_mut();
        let done = match deed {
            Deed::Answer(answer, after) => {
                thread::sleep(after);
                shared.answered(entry, answer.status);
                stream.write_all(&answer.bytes(is_head))
            }
            Deed::Silence => {
                // Until the client hangs up, or the service is stopped.
                let _ = io::copy(&mut client, &mut io::sink());
                return;
            }
            Deed::Cut => Err(io::ErrorKind::ConnectionReset.into()),
            Deed::CutShort(answer) => {
                let bytes = answer.bytes(is_head);
                let _ = stream.write_all(bytes.get(..bytes.len().saturating_sub(5)).unwrap_or_default());
                Err(io::ErrorKind::ConnectionReset.into())
            }
            Deed::Raw(bytes) => {
                let _ = stream.write_all(bytes);
                Err(io::ErrorKind::ConnectionReset.into())
            }
            Deed::Endless => endless(stream),
        };
        if done.is_err() || wants_end {
            // A clone of the stream is kept elsewhere, so dropping this one would not hang up.
            let _ = client.get_ref().shutdown(Shutdown::Both);
            return;
        }
    }
    let _ = client.get_ref().shutdown(Shutdown::Both);
}

impl Shared {
    /// Notes a request; its place in the journal.
    fn note(&self, connection: usize, request: &Request) -> usize {
        let mut journal = held(&self.journal);
        journal.push(Asked {
            connection,
            method: request.method.clone(),
            path: request.path().to_owned(),
            headers: request.headers.clone(),
            status: None,
            at: Instant::now(),
        });
        journal.len() - 1
    }

    fn answered(&self, entry: usize, status: u16) {
        if let Some(asked) = held(&self.journal).get_mut(entry) {
            asked.status = Some(status);
        }
    }
}

fn read(client: &mut BufReader<TcpStream>) -> io::Result<Option<Request>> {
    let mut line = String::new();
    if client.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split_whitespace().map(str::to_owned);
    let (Some(method), Some(target)) = (words.next(), words.next()) else { return Ok(None) };
    let mut headers = BTreeMap::new();
    loop {
        let mut header = String::new();
        client.read_line(&mut header)?;
        let Some((name, value)) = header.split_once(':') else { break };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let length = headers.get("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
    io::copy(&mut client.take(length), &mut io::sink())?;
    Ok(Some(Request { method, target, headers }))
}

/// A body that goes on until the client has had enough.
fn endless(stream: &mut TcpStream) -> io::Result<()> {
    stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")?;
    loop {
        stream.write_all(b"1000\r\n")?;
        stream.write_all(&[b'x'; 0x1000])?;
        stream.write_all(b"\r\n")?;
    }
}

fn held<T>(what: &Mutex<T>) -> MutexGuard<'_, T> {
    what.lock().unwrap_or_else(PoisonError::into_inner)
}
