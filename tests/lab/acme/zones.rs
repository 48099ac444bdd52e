//! The name server's front: it knows which zones there are and who serves them, which challtestsrv does not.
//!
//! Whoever waits until the authoritative servers of a name have a text asks for its zone (SOA) and for their names (NS).
//! Everything else is passed on to challtestsrv and back. A zone may have a second server, which has texts later.

use std::collections::{BTreeMap, BTreeSet};
use std::net::UdpSocket;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::ADDRESS;
use super::service::held;
use crate::lab::network::{Network, within};

/// Who serves every zone; it is the lab's name server itself.
pub(super) const SERVER: &str = "ns1.acme.lab";
/// Who serves them too, when there is one that lags.
pub(super) const SECOND: &str = "ns2.acme.lab";
/// Where that one is.
pub(super) const SECOND_ADDRESS: &str = "10.0.0.62";

const NS: u16 = 2;
const SOA: u16 = 6;
const TXT: u16 = 16;
const TTL: u32 = 1;
/// Milliseconds that challtestsrv may take: on a busy machine a tenth of a second is too little, and Pebble asks but once.
const PATIENCE: u64 = 2000;

/// The fronts, as long as this value lives.
#[derive(Debug)]
pub(super) struct Zones {
    pub(super) known: Arc<Mutex<Known>>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

/// What the fronts were told.
#[derive(Debug, Default)]
pub(super) struct Known {
    pub(super) zones: BTreeSet<String>,
    /// How much later the second server has texts, if there is one.
    pub(super) lag: Option<Duration>,
    /// When the second server was asked for answers first: the answers as they are sent.
    seen: BTreeMap<Vec<u8>, Instant>,
}

impl Zones {
    /// Listens at port 53 of both servers, and passes on to challtestsrv at another.
    pub(super) fn before(port: u16, network: &Network) -> Self {
        network.has_outside(SECOND_ADDRESS);
        let (known, stop) = (Arc::<Mutex<Known>>::default(), Arc::<AtomicBool>::default());
        let open = |at: (&str, u16), patience: u64| {
            let socket = UdpSocket::bind(at).unwrap_or_else(|error| panic!("cannot listen at {at:?}: {error}"));
            socket.set_read_timeout(Some(Duration::from_millis(patience))).expect("a socket can wait so long");
            socket
        };
        let mut threads = Vec::new();
        for (address, lags) in [(ADDRESS, false), (SECOND_ADDRESS, true)] {
            let (front, back) = within(&network.outer(), || (open((address, 53), 100), open((ADDRESS, 0), PATIENCE)));
            back.connect((ADDRESS, port)).expect("a socket of UDP can be told where to send");
            // A machine that is busy must not make a server of names that loses questions.
            back.set_read_timeout(Some(Duration::from_secs(2))).expect("a socket can wait so long");
            let (shared, stopped) = (Arc::clone(&known), Arc::clone(&stop));
            threads.push(thread::spawn(move || {
                let mut packet = [0; 4096];
                while !stopped.load(Ordering::Relaxed) {
                    let Ok((length, asker)) = front.recv_from(&mut packet) else { continue };
                    let query = packet.get(..length).unwrap_or_default();
                    let own = reply(query, &held(&shared));
                    let Some(mut reply) = own.or_else(|| passed_on(&back, query)) else { continue };
                    if lags && is_early(&reply, &mut held(&shared)) {
                        reply = emptied(query);
                    }
                    let _ = front.send_to(&reply, asker);
                }
            }));
        }
        Self { known, stop, threads }
    }
}

impl Drop for Zones {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn passed_on(back: &UdpSocket, query: &[u8]) -> Option<Vec<u8>> {
    let _ = back.send(query);
    let mut packet = [0; 4096];
    // A reply to an earlier question may have come late.
    while let Ok(length) = back.recv(&mut packet) {
        let reply = packet.get(..length).unwrap_or_default();
        if reply.get(..2) == query.get(..2) {
            return Some(reply.to_vec());
        }
    }
    None
}

/// Whether a server that lags has these texts not yet.
fn is_early(reply: &[u8], known: &mut Known) -> bool {
    let has_texts = question(reply).is_some_and(|(_, kind, _)| kind == TXT) && reply.get(6..8) != Some(&[0, 0]);
    let Some(lag) = known.lag.filter(|_| has_texts) else { return false };
    let answers = reply.get(12..).unwrap_or_default().to_vec();
    known.seen.entry(answers).or_insert_with(Instant::now).elapsed() < lag
}

/// An answer that has nothing in it.
fn emptied(query: &[u8]) -> Vec<u8> {
    let (_, _, asked) = question(query).unwrap_or_default();
    [query.get(..2).unwrap_or_default(), &[0x84, 0, 0, 1, 0, 0, 0, 0, 0, 0], asked].concat()
}

/// The name, the kind, and the bytes of a question.
fn question(packet: &[u8]) -> Option<(Vec<String>, u16, &[u8])> {
    let mut labels = Vec::new();
    let mut at = 12;
    loop {
        let length = usize::from(*packet.get(at)?);
        at += 1;
        if length == 0 {
            break;
        }
        labels.push(String::from_utf8_lossy(packet.get(at..at + length)?).to_ascii_lowercase());
        at += length;
    }
    let kind = u16::from_be_bytes([*packet.get(at)?, *packet.get(at + 1)?]);
    Some((labels, kind, packet.get(12..at + 4)?))
}

/// The answer to a question about a zone (RFC 1035, section 4); `None` for everything else.
fn reply(query: &[u8], known: &Known) -> Option<Vec<u8>> {
    let (labels, kind, question) = question(query)?;
    if kind != NS && kind != SOA {
        return None;
    }
    let zone =
        (0..labels.len()).filter_map(|skip| Some(labels.get(skip..)?.join("."))).find(|it| known.zones.contains(it))?;
    let is_zone = zone == labels.join(".");
    let soa = || {
        let mut said = [encoded(SERVER), encoded(&format!("hostmaster.{zone}"))].concat();
        // Serial number, refresh, retry, expire, and how long it is known that there is nothing.
        said.extend([1_u32, 7200, 900, 1_209_600, TTL].into_iter().flat_map(u32::to_be_bytes));
        record(&zone, SOA, &said)
    };
    let servers: Vec<_> = [Some(SERVER), known.lag.map(|_| SECOND)].into_iter().flatten().collect();
    let (answers, authority) = match (kind, is_zone) {
        (NS, true) => (servers.iter().map(|server| record(&zone, NS, &encoded(server))).collect(), Vec::new()),
        (_, true) => (vec![soa()], Vec::new()),
        (_, false) => (Vec::new(), vec![soa()]),
    };
    let count = |records: &[Vec<u8>]| [0, u8::try_from(records.len()).unwrap_or_default()];
    let mut reply = query.get(..2)?.to_vec();
    // A response, authoritative, recursion desired and available.
    reply.extend([0x85, 0x80, 0, 1]);
    reply.extend([count(&answers), count(&authority), [0, 0]].concat());
    reply.extend([question, &answers.concat(), &authority.concat()].concat());
    Some(reply)
}

fn record(name: &str, kind: u16, said: &[u8]) -> Vec<u8> {
    let length = u16::try_from(said.len()).unwrap_or_default();
    let mut record = encoded(name);
    record.extend(kind.to_be_bytes());
    record.extend([0, 1]);
    record.extend(TTL.to_be_bytes());
    record.extend(length.to_be_bytes());
    record.extend(said);
    record
}

fn encoded(name: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for label in name.split('.') {
        bytes.push(u8::try_from(label.len()).unwrap_or_default());
        bytes.extend(label.as_bytes());
    }
    bytes.push(0);
    bytes
}
