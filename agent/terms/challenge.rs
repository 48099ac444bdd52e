//! Ways to show a CA that a name is this host's.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a CA is shown that a name is this host's: `"http-01"` or `"dns-01"`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Challenge {
    /// The web server answers on port 80 of the name.
    #[default]
    #[serde(rename = "http-01")]
    Http01,
    /// A text is in the zone of the name while the CA looks; wildcards are proven in this way alone.
    #[serde(rename = "dns-01")]
    Dns01,
}
