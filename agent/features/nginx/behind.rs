//! `real_ip = { … }`: who asks, where something in front of nginx asks for them.

use schemars::JsonSchema;
use serde::Deserialize;

use super::words::{HeaderName, Network};

/// Who asks, behind a load balancer or a content network. Their address is taken from a header, if who connects is one of
/// `from`: it is what logs, limits, `allow` and `deny` go by.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "NginxRealIp")]
pub struct RealIp {
    /// The networks that are believed: the VPC's for an Application Load Balancer; for `CloudFront` in front of it also the
    /// networks of its list `com.amazonaws.global.cloudfront.origin-facing`.
    pub from: Vec<Network>,
    /// The header. Default: `"X-Forwarded-For"`, of which the last address counts that is not one of `from`.
    pub header: Option<HeaderName>,
}

impl RealIp {
    /// The directives.
    pub(super) fn lines(&self) -> Vec<String> {
        let from = self.from.iter().map(|network| format!("set_real_ip_from {}", network.as_str()));
        let header = self.header.as_ref().map_or("X-Forwarded-For", HeaderName::as_str);
        from.chain([format!("real_ip_header {header}"), "real_ip_recursive on".to_owned()]).collect()
    }
}
