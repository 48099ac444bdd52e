//! The name server's front: it knows which zones there are and who serves them, which challtestsrv does not.
//!
//! Whoever waits until the authoritative servers of a name have a text asks for its zone (SOA) and for their names (NS).
//! Everything else is passed on to challtestsrv and back.

use std::collections::BTreeSet;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::ADDRESS;
use super::service::held;
use crate::lab::network::{Network, within};

/// Who serves every zone; it is the lab's name server itself.
pub(super) const SERVER: &str = "ns1.acme.lab";

const NS: u16 = 2;
const SOA: u16 = 6;
const TTL: u32 = 1;
/// Milliseconds that challtestsrv may take: on a busy machine a tenth of a second is too little, and Pebble asks but once.
const PATIENCE: u64 = 2000;

/// The front, as long as this value lives.
#[derive(Debug)]
pub(super) struct Zones {
    pub(super) known: Arc<Mutex<BTreeSet<String>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Zones {
    /// Listens at port 53, and passes on to challtestsrv at another.
    pub(super) fn before(port: u16, network: &Network) -> Self {
        let open = |at: (&str, u16), patience: u64| {
            let socket = UdpSocket::bind(at).unwrap_or_else(|error| panic!("cannot listen at {at:?}: {error}"));
            socket.set_read_timeout(Some(Duration::from_millis(patience))).expect("a socket can wait so long");
            socket
        };
        let (front, back) = within(&network.outer(), || (open((ADDRESS, 53), 100), open((ADDRESS, 0), PATIENCE)));
        back.connect((ADDRESS, port)).expect("a socket of UDP can be told where to send");
        let (known, stop) = (Arc::<Mutex<BTreeSet<String>>>::default(), Arc::<AtomicBool>::default());
        let (shared, stopped) = (Arc::clone(&known), Arc::clone(&stop));
        let thread = thread::spawn(move || {
            let mut packet = [0; 4096];
            while !stopped.load(Ordering::Relaxed) {
                let Ok((length, asker)) = front.recv_from(&mut packet) else { continue };
                let query = packet.get(..length).unwrap_or_default();
                let own = reply(query, &held(&shared));
                answer(&front, &back, asker, query, own);
            }
        });
        Self { known, stop, thread: Some(thread) }
    }
}

impl Drop for Zones {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn answer(front: &UdpSocket, back: &UdpSocket, asker: SocketAddr, query: &[u8], own: Option<Vec<u8>>) {
    if let Some(reply) = own {
        let _ = front.send_to(&reply, asker);
        return;
    }
    let _ = back.send(query);
    let mut packet = [0; 4096];
    // A reply to an earlier question may have come late.
    while let Ok(length) = back.recv(&mut packet) {
        let reply = packet.get(..length).unwrap_or_default();
        if reply.get(..2) == query.get(..2) {
            let _ = front.send_to(reply, asker);
            return;
        }
    }
}

/// The answer to a question about a zone (RFC 1035, section 4); `None` for everything else.
fn reply(query: &[u8], zones: &BTreeSet<String>) -> Option<Vec<u8>> {
    let mut labels = Vec::new();
    let mut at = 12;
    loop {
        let length = usize::from(*query.get(at)?);
        at += 1;
        if length == 0 {
            break;
        }
        labels.push(String::from_utf8_lossy(query.get(at..at + length)?).to_ascii_lowercase());
        at += length;
    }
    let kind = u16::from_be_bytes([*query.get(at)?, *query.get(at + 1)?]);
    let question = query.get(12..at + 4)?;
    if kind != NS && kind != SOA {
        return None;
    }
    let zone =
        (0..labels.len()).filter_map(|skip| Some(labels.get(skip..)?.join("."))).find(|it| zones.contains(it))?;
    let is_zone = zone == labels.join(".");
    let soa = || {
        let mut said = [encoded(SERVER), encoded(&format!("hostmaster.{zone}"))].concat();
        // Serial number, refresh, retry, expire, and how long it is known that there is nothing.
        said.extend([1_u32, 7200, 900, 1_209_600, TTL].into_iter().flat_map(u32::to_be_bytes));
        record(&zone, SOA, &said)
    };
    let (answers, authority) = match (kind, is_zone) {
        (NS, true) => (record(&zone, NS, &encoded(SERVER)), Vec::new()),
        (_, true) => (soa(), Vec::new()),
        (_, false) => (Vec::new(), soa()),
    };
    let count = |records: &[u8]| [0, u8::from(!records.is_empty())];
    let mut reply = query.get(..2)?.to_vec();
    // A response, authoritative, recursion desired and available.
    reply.extend([0x85, 0x80, 0, 1]);
    reply.extend([count(&answers), count(&authority), [0, 0]].concat());
    reply.extend([question, &answers, &authority].concat());
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
