//! A metadata service of EC2 at `169.254.169.254:80`, where the machine finds the cloud, with the semantics of IMDSv2.
//!
//! ```no_run
//! let metadata = Metadata::new().user_data("format = 1\n").tag("hostagent:recipe", "web")
//!     .fault("user-data", Fault::status(503).retry_after(2).times(3));
//! let host = Machine::debian(12).with_metadata(metadata).boot();
//! host.metadata().stop();
//! assert_eq!(host.metadata().connections(), 1);
//! ```
//!
//! It is there before the machine boots, and the machine's firmware says that it is an EC2 instance. A test may change
//! everything while it runs. What it plays is what AWS documents, and what clients have met:
//!
//! | | |
//! |---|---|
//! | `PUT /latest/api/token` | 200; 400 without a TTL of 1 to 21600 s; 403 when disabled or with `X-Forwarded-For` |
//! | `GET`, `HEAD` | 200 or 404; 401 without a token, or with one that is unknown or too old; 403 when disabled |
//! | any other method | 405 |
//!
//! ```text
//! mod       what a test says of an instance
//! tree      the paths of an instance, and what they hold
//! fault     what goes wrong with a path, how often
//! answer    a request becomes an answer: the semantics
//! service   sockets, threads, the journal
//! ```

mod answer;
mod fault;
#[cfg(test)]
mod promises;
mod service;
mod tree;

use std::collections::BTreeMap;

pub use self::fault::Fault;
pub use self::service::Service;
use super::firmware::Firmware;
use super::machine::{Blueprint, Machine};

/// The ID of the lab's instance.
pub const INSTANCE: &str = "i-0af01c0123456789a";
/// The only role that an instance of the lab can have.
pub const ROLE: &str = "lab";

/// What a metadata service knows and how it behaves, before the machine boots.
#[derive(Debug, Clone)]
pub struct Metadata {
    firmware: Firmware,
    over_ipv6: bool,
    begin: State,
}

/// What a metadata service knows and how it behaves.
#[derive(Debug, Clone)]
struct State {
    /// By their paths below `/latest/`.
    leaves: BTreeMap<String, Vec<u8>>,
    faults: Vec<(String, Fault)>,
    is_disabled: bool,
}

impl Metadata {
    /// An instance without a role, without tags in its metadata and without user-data.
    pub fn new() -> Self {
        let begin = State { leaves: tree::of(INSTANCE), faults: Vec::new(), is_disabled: false };
        Self { firmware: Firmware::nitro(INSTANCE), over_ipv6: false, begin }
    }

    /// Is this instance, also by its firmware.
    pub fn instance(mut self, id: &str) -> Self {
        self.begin.leaves.extend(tree::identity(id));
        self.firmware = Firmware::nitro(id);
        self
    }

    /// Has this firmware; [`Firmware::none`] for a host that is not EC2 at all.
    pub fn firmware(mut self, firmware: Firmware) -> Self {
        self.firmware = firmware;
        self
    }

    /// Has this user-data.
    pub fn user_data(self, bytes: impl AsRef<[u8]>) -> Self {
        self.leaf("user-data", bytes)
    }

    /// Has this tag, and shows tags in its metadata.
    pub fn tag(self, key: &str, value: &str) -> Self {
        self.leaf(&format!("meta-data/tags/instance/{key}"), value)
    }

    /// Has a role with these credentials, which are valid for six hours.
    pub fn role(mut self, key: &str, secret: &str, token: &str) -> Self {
        self.begin.leaves.extend(tree::role(key, secret, token));
        self
    }

    /// Has this at a path below `/latest/`, such as `meta-data/public-ipv4`.
    pub fn leaf(mut self, path: &str, bytes: impl AsRef<[u8]>) -> Self {
        self.begin.leaves.insert(path.to_owned(), bytes.as_ref().to_vec());
        self
    }

    /// Has nothing at a path, nor below it.
    pub fn without(mut self, path: &str) -> Self {
        self.begin.remove(path);
        self
    }

    /// Does this wrong when a path below `/latest/` is asked for; the token's is `api/token`, and `*` is any. Faults of
    /// a path come one after the other.
    pub fn fault(mut self, path: &str, fault: Fault) -> Self {
        self.begin.faults.push((path.to_owned(), fault));
        self
    }

    /// Is switched off, as `modify-instance-metadata-options --http-endpoint disabled` does.
    pub fn disabled(mut self) -> Self {
        self.begin.is_disabled = true;
        self
    }

    /// Also listens at `fd00:ec2::254`.
    pub fn over_ipv6(mut self) -> Self {
        self.over_ipv6 = true;
        self
    }
}

impl State {
    fn remove(&mut self, path: &str) {
        let below = format!("{path}/");
        self.leaves.retain(|leaf, _| leaf != path && !leaf.starts_with(&below));
    }
}

impl Blueprint {
    /// Is an EC2 instance with this metadata.
    pub fn with_metadata(self, metadata: Metadata) -> Self {
        let mut machine = self.with_firmware(metadata.firmware.clone());
        machine.metadata = Some(metadata);
        machine
    }
}

impl Machine {
    /// The metadata service that it was made with.
    pub fn metadata(&self) -> &Service {
        self.metadata.as_ref().unwrap_or_else(|| panic!("{} was made without metadata", self.name()))
    }
}
