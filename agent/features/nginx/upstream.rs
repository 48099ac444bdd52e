//! `[[nginx.upstream]]`: groups of servers.

use schemars::JsonSchema;
use serde::Deserialize;

use super::proxy::Backend;
use super::words::{ServerAddress, Strategy, UpstreamName};
use crate::terms::Period;

/// A group of servers that sites hand requests on to by its name.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "NginxUpstream")]
pub struct Upstream {
    /// Its name.
    pub name: UpstreamName,
    /// Its servers: addresses with ports, unix sockets, or tables. A DNS name is looked up once, when nginx loads its
    /// configuration, and nginx does not start while it is unknown; `proxy = { service = … }` has no such trouble.
    pub servers: Vec<Backend>,
    /// How requests are spread: `least_conn`, `ip_hash`, `random`, `hash KEY [consistent]`. Default: in turns.
    pub strategy: Option<Strategy>,
    /// How many idle connections each worker keeps open; 0 for none. Default: 16.
    pub keepalive: Option<u32>,
}

/// A server of a group.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "NginxServer")]
pub struct Server {
    /// Where it is: an address with a port, or `unix:` and a path.
    pub address: ServerAddress,
    /// How many requests it gets compared with others. Default: 1.
    #[schemars(range(min = 1))]
    pub weight: Option<u32>,
    /// How many attempts may fail before it is left out for a while; 0 for any number. Default: nginx's own, 1.
    pub max_fails: Option<u32>,
    /// Within which time, and for how long. Default: nginx's own, 10 s.
    pub fail_timeout: Option<Period>,
    /// Whether it gets requests only while the others fail. Default: `false`.
    #[serde(default)]
    pub backup: bool,
}

impl Server {
    /// A server with every default.
    pub fn at(address: ServerAddress) -> Self {
        Self { address, weight: None, max_fails: None, fail_timeout: None, backup: false }
    }

    /// The words after `server`.
    pub(super) fn words(&self) -> String {
        let mut words = self.address.as_str().to_owned();
        let mut add = |word: String| words = format!("{words} {word}");
        self.weight.into_iter().for_each(|weight| add(format!("weight={weight}")));
        self.max_fails.into_iter().for_each(|count| add(format!("max_fails={count}")));
        self.fail_timeout.iter().for_each(|time| add(format!("fail_timeout={}", time.as_str())));
        if self.backup {
            add("backup".to_owned());
        }
        words
    }
}
