//! Plays a name server whose answers a test may change at any time.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use super::machine::Machine;
use super::network;

/// A name server: A records from a table, "no such name" for the rest.
#[derive(Debug)]
pub struct Names {
    book: Arc<Mutex<Book>>,
    stop: Arc<AtomicBool>,
}

#[derive(Debug, Default)]
struct Book {
    table: BTreeMap<String, Vec<Ipv4Addr>>,
    asked: Vec<String>,
}

impl Machine {
    /// Plays a name server at an address of the machine. Every machine asks `10.0.0.2`, as in a VPC.
    pub fn names(&self, at: &str) -> Names {
        self.network().add(at.parse().unwrap_or_else(|_| panic!("`{at}` is not an address")));
        let socket = network::within(&self.network().inner(), || bind(at));
        Names::answering(socket)
    }
}

/// Opens port 53 at an address of this thread's network namespace.
pub fn bind(at: &str) -> UdpSocket {
    UdpSocket::bind((at, 53)).unwrap_or_else(|error| panic!("cannot listen at {at}: {error}"))
}

impl Names {
    /// Starts answering on a socket.
    pub fn answering(socket: UdpSocket) -> Self {
        let names = Self { book: Arc::default(), stop: Arc::default() };
        let (book, stop) = (Arc::clone(&names.book), Arc::clone(&names.stop));
        socket.set_read_timeout(Some(Duration::from_millis(50))).expect("a socket can wait so long");
        thread::spawn(move || {
            let mut packet = [0; 512];
            while !stop.load(Ordering::Relaxed) {
                let Ok((length, asker)) = socket.recv_from(&mut packet) else {
                    continue;
                };
                let mut book = book.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(reply) = packet.get(..length).and_then(|query| book.reply(query)) {
                    let _ = socket.send_to(&reply, asker);
                }
            }
        });
        names
    }

    /// Lets a name have these addresses from now on; none at all is an empty answer.
    pub fn set(&self, name: &str, addresses: &[&str]) {
        let parsed = addresses.iter().map(|text| text.parse().expect("an IPv4 address")).collect();
        self.book().table.insert(name.to_ascii_lowercase(), parsed);
    }

    /// Lets a name be unknown from now on.
    pub fn forget(&self, name: &str) {
        self.book().table.remove(&name.to_ascii_lowercase());
    }

    /// How often a name was asked for.
    pub fn asked(&self, name: &str) -> usize {
        self.book().asked.iter().filter(|asked| asked.eq_ignore_ascii_case(name)).count()
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Names {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

impl Book {
    /// The answer to a query with one question (RFC 1035, section 4).
    fn reply(&mut self, query: &[u8]) -> Option<Vec<u8>> {
        const A: u16 = 1;
        const TTL: u32 = 1;
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
        let name = labels.join(".");
        self.asked.push(name.clone());

        let known = self.table.get(&name);
        let addresses = known.filter(|_| kind == A).cloned().unwrap_or_default();
        let code: u8 = if known.is_some() { 0 } else { 3 };
        let mut reply = query.get(..2)?.to_vec();
        // A response, authoritative, recursion desired and available.
        reply.extend([0x85, 0x80 | code, 0, 1, 0, u8::try_from(addresses.len()).ok()?, 0, 0, 0, 0]);
        reply.extend(question);
        for address in addresses {
            // The name of the question, class IN.
            reply.extend([0xc0, 12, 0, 1, 0, 1]);
            reply.extend(TTL.to_be_bytes());
            reply.extend([0, 4]);
            reply.extend(address.octets());
        }
        Some(reply)
    }
}
