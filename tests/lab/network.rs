//! A machine's network: its own namespace, and a second one that plays the outside.
//!
//! ```text
//! machine  eth0 10.0.0.10/16, 192.168.77.10/24 ── eth0 10.0.0.50/16, 192.168.77.50/24  outside
//!          lo   127.0.0.1, 10.0.0.2 (resolver)         169.254.169.254 (metadata)
//! ```
//! What is at an address of the cloud must not be on the machine itself: its web server takes port 80 of all it has.
//! A machine beside another one has the same outside, on a cable of its own: the same cloud, CA and names, and 10.0.0.11
//! or what follows for an address. The two do not see each other.
//! There is no way out. They are named after the lab and the machine, and the register has their names from before they
//! are made: what bears a name like theirs and is not in the register is somebody else's, and stays.

use std::fs::File;
use std::net::{IpAddr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread;

use nix::sched::{CloneFlags, setns};

use super::register::Entry;
use super::tool;

/// The machine's address as the outside sees it; the last number of one beside another is higher.
pub const MACHINE: &str = "10.0.0.10";
/// How many machines can be beside one.
const BESIDE: u8 = 38;

/// The two namespaces of one machine.
#[derive(Debug, Clone)]
pub struct Network {
    inner: String,
    outer: String,
    /// The last number of its address.
    number: u8,
}

impl Network {
    /// Makes both namespaces and the cable between them, and lets the register know whose they are.
    pub fn make(&self, entry: &Entry) {
        let (name, outside) = (&self.inner, &self.outer);
        if self.is_beside() {
            self.lay_beside(entry);
            return;
        }
        is_free(&self.inner());
        is_free(&self.outer());
        entry.note("spaces", &format!("{name}\n{outside}\n"));
        ip(&format!("netns add {name}\nnetns add {outside}\n"));
        ip_in(
            name,
            &format!(
                "link set lo up\n\
                 addr add 10.0.0.2/32 dev lo\n\
                 link add eth0 type veth peer name eth0 netns {outside}\n\
                 addr add {MACHINE}/16 dev eth0\n\
                 addr add 192.168.77.10/24 dev eth0\n\
                 link set eth0 up\n\
                 route add 169.254.169.254 dev eth0\n"
            ),
        );
        ip_in(
            outside,
            "link set lo up\n\
             addr add 10.0.0.50/16 dev eth0\n\
             addr add 192.168.77.50/24 dev eth0\n\
             addr add 169.254.169.254/32 dev eth0\n\
             link set eth0 up\n",
        );
    }

    /// The network of the machine of this name.
    pub fn of(name: &str) -> Self {
        // No machine's name has a dot: none is another's outside.
        Self { inner: format!("hostagent-lab.{name}"), outer: format!("hostagent-lab.{name}.out"), number: 10 }
    }

    /// The network of a machine of this name that has the same outside as another one.
    pub fn beside(name: &str, other: &Self) -> Self {
        static COUNT: AtomicU8 = AtomicU8::new(0);
        let number = 11 + COUNT.fetch_add(1, Ordering::Relaxed) % BESIDE;
        Self { outer: other.outer.clone(), number, ..Self::of(name) }
    }

    /// The machine's address as the outside sees it.
    pub fn address(&self) -> String {
        format!("10.0.0.{}", self.number)
    }

    fn is_beside(&self) -> bool {
        self.address() != MACHINE
    }

    /// What the machine's cable is called outside.
    fn cable(&self) -> String {
        if self.is_beside() { format!("eth{}", self.number) } else { "eth0".to_owned() }
    }

    fn lay_beside(&self, entry: &Entry) {
        let (name, outside, cable, address) = (&self.inner, &self.outer, self.cable(), self.address());
        is_free(&self.inner());
        entry.note("spaces", &format!("{name}\n"));
        ip(&format!("netns add {name}\n"));
        ip_in(
            name,
            &format!(
                "link set lo up\n\
                 addr add 10.0.0.2/32 dev lo\n\
                 link add eth0 type veth peer name {cable} netns {outside}\n\
                 addr add {address}/16 dev eth0\n\
                 link set eth0 up\n\
                 route add 169.254.169.254 dev eth0\n"
            ),
        );
        ip_in(outside, &format!("link set {cable} up\nroute replace {address}/32 dev {cable} src 10.0.0.50\n"));
    }

    /// The machine's namespace.
    pub fn inner(&self) -> PathBuf {
        Path::new("/run/netns").join(&self.inner)
    }

    /// The outside's namespace.
    pub fn outer(&self) -> PathBuf {
        Path::new("/run/netns").join(&self.outer)
    }

    /// Gives the machine one more address.
    pub fn add(&self, address: IpAddr) {
        // One of IPv6 would be of no use until nobody else had claimed it.
        let at_once = if address.is_ipv6() { "nodad" } else { "" };
        ip_in(&self.inner, &format!("addr replace {address} dev lo {at_once}\n"));
    }

    /// Has one more IPv4 address of the cloud outside, in the machine's own network.
    pub fn has_outside(&self, address: &str) {
        ip_in(&self.outer, &format!("addr replace {address}/16 dev eth0\n"));
    }

    /// Has an IPv6 address of the cloud outside, and a way there.
    pub fn reach(&self, address: Ipv6Addr) {
        ip_in(&self.outer, &format!("addr replace {address}/64 dev eth0 nodad\n"));
        ip_in(&self.inner, &format!("addr replace fd00:ec2::10/64 dev eth0 nodad\nroute replace {address} dev eth0\n"));
    }

    /// Sends what the machine says to an address of the cloud to somebody who is not there: it is never answered.
    pub fn swallow(&self, address: IpAddr) {
        let nobody = "06:00:00:00:00:99";
        ip_in(&self.inner, &format!("neighbour replace {address} lladdr {nobody} dev eth0 nud permanent\n"));
    }

    /// Makes what the outside sends to the machine come from this address from now on.
    pub fn speak_as(&self, address: IpAddr) {
        let usual = ["10.0.0.50", "192.168.77.50"].contains(&address.to_string().as_str());
        if !usual {
            ip_in(&self.outer, &format!("addr replace {address}/32 dev eth0\n"));
            ip_in(&self.inner, &format!("route replace {address}/32 dev eth0\n"));
        }
        ip_in(&self.outer, &format!("route replace {}/32 dev {} src {address}\n", self.address(), self.cable()));
    }
}

/// Does some work in a network namespace; sockets made there stay there.
pub fn within<T: Send>(namespace: &Path, work: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| {
        let worker = scope.spawn(|| {
            enter(namespace);
            work()
        });
        match worker.join() {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

/// Moves this thread, and no other, into a network namespace.
pub fn enter(namespace: &Path) {
    let file = File::open(namespace).unwrap_or_else(|error| panic!("cannot open {}: {error}", namespace.display()));
    setns(file, CloneFlags::CLONE_NEWNET)
        .unwrap_or_else(|error| panic!("cannot enter {}: {error}", namespace.display()));
}

/// Somebody else's namespace is not taken.
fn is_free(space: &Path) {
    assert!(
        !space.exists(),
        "there is {} already, and the lab did not make it\nhint: another name, or `ip netns delete`",
        space.display()
    );
}

fn ip(batch: &str) {
    tool::fed(Command::new("ip").args(["-batch", "-"]), batch.as_bytes());
}

fn ip_in(namespace: &str, batch: &str) {
    tool::fed(Command::new("ip").args(["-netns", namespace, "-batch", "-"]), batch.as_bytes());
}
