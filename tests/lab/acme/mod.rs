//! A CA that speaks ACME around a machine, and whatever may be wrong with one.
//!
//! ```no_run
//! let acme = Acme::new().rejects_nonces(50).advises(Advice::usual());
//! let host = Machine::debian(12).with_acme(acme).boot();
//! host.acme().dns().a("www.example.org", MACHINE);
//! host.acme().fault(Step::NewOrder, Fault::rate_limited().retry_after(3600).times(1));
//! assert_eq!(host.acme().asked(Step::NewOrder).len(), 0);
//! ```
//!
//! It is Debian's [Pebble](https://github.com/letsencrypt/pebble) 2.4.0 with its `pebble-challtestsrv`, in the network
//! outside the machine, and in front of it a proxy of the lab's own, at the name that a recipe has:
//!
//! ```text
//! machine ── https://acme.lab:14000/dir   proxy: faults, ARI, profiles, the journal ── Pebble
//!         ── 10.0.0.61:53                 challtestsrv: what names resolve to ───────╯
//! 10.0.0.10:80, :443  the machine's own web server, asked by Pebble
//! ```
//!
//! The proxy never changes a request: it is signed. Pebble 2.4.0 reads over what it does not know in one, `replaces` and
//! `profile`, so the proxy only has to write them into the answers. What Pebble knows is kept in memory: a CA that begins
//! anew has other roots, and neither accounts nor orders.
//!
//! ```text
//! mod         what a test says of a CA
//! fault       what goes wrong at which step, how often
//! advice      when it says that a certificate is to be renewed (ARI)
//! service     the running CA: faults, the journal, stop and start
//! proxy       connections: a request becomes an answer
//! order       what Pebble lacks: renewalInfo, replaces, profile
//! change      right answers made wrong
//! leaf        certificates read, and forged with Pebble's own keys
//! jws, der, wire, caller, authority      what these are made of
//! pebble      Debian's programs, fetched once, started and ended
//! dns, zones  what names resolve to, and who says so
//! ```

mod advice;
mod authority;
mod caller;
mod change;
#[cfg(test)]
mod client;
mod der;
mod dns;
mod fault;
mod jws;
mod leaf;
mod order;
mod pebble;
#[cfg(test)]
mod promises;
mod proxy;
mod service;
mod wire;
mod zones;

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

pub use self::advice::Advice;
pub use self::dns::Dns;
pub use self::fault::{Fault, Step};
#[expect(unused_imports, reason = "what a test may name")]
pub use self::service::Asked;
pub use self::service::Service;
use super::machine::{Blueprint, Machine};
use super::register::Entry;

/// The CA's name, which the machine knows.
const NAME: &str = "acme.lab";
/// Where it is in the machine's network.
const ADDRESS: &str = "10.0.0.61";
/// What a client speaks to.
const PROXY: u16 = 14_000;
/// The names of Let's Encrypt and of its staging.
const LETS_ENCRYPT: [&str; 2] = ["acme-v02.api.letsencrypt.org", "acme-staging-v02.api.letsencrypt.org"];

/// A CA as it is before the machine boots.
#[derive(Debug, Clone)]
pub struct Acme {
    settings: Settings,
    begin: State,
    is_lets_encrypt: bool,
}

/// What Pebble is told when it starts.
#[derive(Debug, Clone)]
struct Settings {
    rejects_nonces: u8,
    reuses_authorizations: u8,
    alternate_roots: u8,
    lifetime: Duration,
    /// Key IDs with their keys in base64url; needed if there are any.
    bindings: BTreeMap<String, String>,
    blocked: Vec<String>,
}

/// What the proxy does, and may be told at any time.
#[derive(Debug, Clone, Default)]
struct State {
    faults: Vec<(Step, Fault)>,
    /// `None` is a CA without ARI.
    advice: Option<Advice>,
    /// By their names, with what is said of them; none is a CA without profiles.
    profiles: BTreeMap<String, String>,
}

impl Acme {
    /// Pebble as it is, but for its moods: no nonce is rejected, no authorization is reused, nothing is waited for.
    /// Certificates are good for 90 days. There is neither ARI nor are there profiles.
    pub fn new() -> Self {
        let settings = Settings {
            rejects_nonces: 0,
            reuses_authorizations: 0,
            alternate_roots: 0,
            lifetime: Duration::from_hours(90 * 24),
            bindings: BTreeMap::new(),
            blocked: Vec::new(),
        };
        Self { settings, begin: State::default(), is_lets_encrypt: false }
    }

    /// Is also Let's Encrypt, by its names, and the machine trusts it by itself.
    pub fn plays_lets_encrypt(mut self) -> Self {
        self.is_lets_encrypt = true;
        self
    }

    /// Rejects so many of a hundred good nonces, by Pebble's own dice.
    pub fn rejects_nonces(mut self, percent: u8) -> Self {
        self.settings.rejects_nonces = percent;
        self
    }

    /// Takes an authorization of before in so many of a hundred cases.
    pub fn reuses_authorizations(mut self, percent: u8) -> Self {
        self.settings.reuses_authorizations = percent;
        self
    }

    /// Has so many more roots, each with a chain of its own (`Link: …;rel="alternate"`).
    pub fn alternate_roots(mut self, count: u8) -> Self {
        self.settings.alternate_roots = count;
        self
    }

    /// Issues certificates that are good for so long.
    pub fn lifetime(mut self, lifetime: Duration) -> Self {
        self.settings.lifetime = lifetime;
        self
    }

    /// Takes accounts with an external binding only; this is one, its key in base64url.
    pub fn binding(mut self, key_id: &str, key: &str) -> Self {
        self.settings.bindings.insert(key_id.to_owned(), key.to_owned());
        self
    }

    /// Issues nothing for a name of two words, nor below it.
    pub fn refuses(mut self, name: &str) -> Self {
        // Pebble 2.4.0 compares from the end, and does not see that a shorter name has come to its own.
        assert!(
            name.split('.').count() <= 2,
            "Pebble would crash when a name is ordered that is shorter than `{name}`"
        );
        self.settings.blocked.push(name.to_owned());
        self
    }

    /// Has ARI, and gives this advice.
    pub fn advises(mut self, advice: Advice) -> Self {
        self.begin.advice = Some(advice);
        self
    }

    /// Has a profile. What it issues is the same.
    pub fn profile(mut self, name: &str, says: &str) -> Self {
        self.begin.profiles.insert(name.to_owned(), says.to_owned());
        self
    }

    /// Does this wrong at a step. Faults of a step come one after the other.
    pub fn fault(mut self, step: Step, fault: Fault) -> Self {
        self.begin.faults.push((step, fault));
        self
    }

    pub(super) fn is_lets_encrypt(&self) -> bool {
        self.is_lets_encrypt
    }

    /// Lets a machine that has no power yet find the CA and its name server.
    pub(super) fn lay(entry: &Entry) {
        let etc = entry.folder.join("disk/merged/etc");
        let hosts = fs::read_to_string(etc.join("hosts")).expect("a new disk has it");
        let all = LETS_ENCRYPT.join(" ");
        fs::write(etc.join("hosts"), format!("{hosts}{ADDRESS} {NAME} {all}\n")).expect("a new disk can be written");
        let resolver = format!("nameserver {ADDRESS}\noptions timeout:1 attempts:2\n");
        fs::write(etc.join("resolv.conf"), resolver).expect("a new disk can be written");
    }
}

impl Service {
    /// Lets a machine that has no power yet trust the TLS of the directory by itself.
    pub(super) fn is_trusted_on(&self, entry: &Entry) {
        let trusted = entry.folder.join("disk/merged/etc/ssl/certs/ca-certificates.crt");
        fs::create_dir_all(trusted.with_file_name("")).expect("a new disk can be written");
        let before = fs::read_to_string(&trusted).unwrap_or_default();
        fs::write(&trusted, format!("{before}{}", self.root_pem())).expect("a new disk can be written");
    }
}

impl Blueprint {
    /// Has this CA around it, and the CA's name server as its own.
    pub fn with_acme(mut self, acme: Acme) -> Self {
        self.acme = Some(acme);
        self
    }
}

impl Machine {
    /// The CA that it was made with.
    pub fn acme(&self) -> &Service {
        self.acme.as_ref().unwrap_or_else(|| panic!("{} was made without a CA", self.name()))
    }
}
