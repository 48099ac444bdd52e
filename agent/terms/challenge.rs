//! Ways to show a CA that a name is this host's.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a CA is shown that a name is this host's: `"http-01"`, `"dns-01"` or `"tls-alpn-01"`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Challenge {
    /// The web server answers on port 80 of the name.
    #[default]
    #[serde(rename = "http-01")]
    Http01,
    /// A text is in the zone of the name while the CA looks; wildcards are proven in this way alone.
    #[serde(rename = "dns-01")]
    Dns01,
    /// hostagent itself answers on port 443 of the name while the CA looks: for hosts where no server listens there.
    #[serde(rename = "tls-alpn-01")]
    TlsAlpn01,
}

impl fmt::Display for Challenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Http01 => "http-01",
            Self::Dns01 => "dns-01",
            Self::TlsAlpn01 => "tls-alpn-01",
        })
    }
}
