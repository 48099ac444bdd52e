//! Limits: how often, and over how many connections, one address may ask.

use schemars::JsonSchema;
use serde::Deserialize;

use super::block::Rules;
use super::words::Rate;

/// How often one address may ask. Who asks more often gets 429, with the time to wait in `Retry-After`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "NginxRateLimit")]
pub struct RateLimit {
    /// How many requests in a second or minute, evenly: `"20r/s"`, `"30r/m"`.
    pub rate: Rate,
    /// How many more may come at once. Default: 20.
    pub burst: Option<u32>,
}

/// What a limit needs: the memory that it is counted in, outside of `server`, and the lines within.
#[derive(Debug, Default)]
pub(super) struct Limits {
    pub(super) zones: Vec<String>,
    pub(super) lines: Vec<String>,
}

impl Limits {
    /// Of a site, or of its location of this number from 1.
    pub(super) fn of(site: &str, location: Option<usize>, rules: &Rules<'_>) -> Self {
        let mut limits = Self::default();
        let number = location.map(|number| format!("_{number}")).unwrap_or_default();
        if let Some(limit) = rules.rate_limit {
            let (zone, rate) = (format!("{site}_rate{number}"), limit.rate.as_str());
            limits.zones.push(format!("limit_req_zone $binary_remote_addr zone={zone}:10m rate={rate}"));
            limits.lines.push(format!("limit_req zone={zone} burst={} nodelay", limit.burst.unwrap_or(20)));
        }
        if let Some(most) = rules.connections_per_address {
            let zone = format!("{site}_connections{number}");
            limits.zones.push(format!("limit_conn_zone $binary_remote_addr zone={zone}:10m"));
            limits.lines.push(format!("limit_conn {zone} {most}"));
        }
        limits
    }
}
