//! `locations` of a site.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::block::{Block, Rules};
use super::limits::RateLimit;
use super::people::BasicAuth;
use super::proxy::Proxy;
use super::site::Return;
use super::static_files::StaticFiles;
use super::words::{
    AccessLog, Buffer, ConfigPath, ErrorLog, ErrorPage, HeaderName, HeaderValue, LocationPath, Network, StatusCodes,
    UpstreamName, Url,
};

/// Paths of a site that are served otherwise, or have rules of their own.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "NginxLocation")]
pub struct Location {
    /// Which paths: `/api/` (what begins with it), `= /api` (exactly it), `^~ /api/`, `~ regex`, `~* regex`, `@name`.
    pub path: LocationPath,
    /// Hands requests on to an application. Default: none.
    pub proxy: Option<Proxy>,
    /// Hands requests on to a group of servers: one of `[[nginx.upstream]]`. Default: none.
    pub upstream: Option<UpstreamName>,
    /// Serves files. Default: none.
    #[serde(rename = "static")]
    pub files: Option<StaticFiles>,
    /// Redirects (308) to another host, keeping path and query, or to one address. Default: none.
    pub redirect: Option<Url>,
    /// Answers with a status. Default: none.
    #[serde(rename = "return")]
    pub answer: Option<Return>,
    /// The largest body of a request; `"0"` for any. Default: that of the site.
    pub client_max_body_size: Option<Buffer>,
    /// Headers that answers get beside the site's; one of the same name takes its place. Default: none.
    #[serde(default)]
    pub add_header: BTreeMap<HeaderName, HeaderValue>,
    /// Pages for errors by their statuses; these alone count here if there are any. Default: those of the site.
    #[serde(default)]
    pub error_page: BTreeMap<StatusCodes, ErrorPage>,
    /// Where requests are logged. Default: that of the site.
    pub access_log: Option<AccessLog>,
    /// Where troubles are logged. Default: that of the site.
    pub error_log: Option<ErrorLog>,
    /// Who may ask; everybody else may not, unless `deny` says otherwise. Default: as the site has it.
    #[serde(default)]
    pub allow: Vec<Network>,
    /// Who may not ask; comes after `allow`. Default: as the site has it, or `["all"]` where `allow` is given.
    #[serde(default)]
    pub deny: Vec<Network>,
    /// Who may come in, by name and password; nobody else of the site's. Default: as the site has it.
    pub basic_auth: Option<BasicAuth>,
    /// How often one address may ask. Default: as the site has it.
    pub rate_limit: Option<RateLimit>,
    /// How many requests of one address may be under way. Default: as the site has it.
    #[schemars(range(min = 1))]
    pub connections_per_address: Option<u32>,
    /// Lines of one's own, in nginx's language, inside of `location`. Default: none.
    pub snippet: Option<String>,
    /// A file with such lines, under `/etc/hostagent/` or `/etc/nginx/`. Default: none.
    pub snippet_file: Option<ConfigPath>,
}

impl Location {
    pub(super) fn block(&self) -> Block<'_> {
        Block {
            path: self.path.clone(),
            proxy: self.proxy.as_ref(),
            upstream: self.upstream.as_ref(),
            files: self.files.as_ref(),
            redirect: self.redirect.as_ref(),
            answer: self.answer.as_ref(),
            rules: Rules {
                client_max_body_size: self.client_max_body_size.as_ref(),
                add_header: &self.add_header,
                error_page: &self.error_page,
                access_log: self.access_log.as_ref(),
                error_log: self.error_log.as_ref(),
                allow: &self.allow,
                deny: &self.deny,
                basic_auth: self.basic_auth.as_ref(),
                rate_limit: self.rate_limit.as_ref(),
                connections_per_address: self.connections_per_address,
                snippet: self.snippet.as_deref(),
                snippet_file: self.snippet_file.as_ref(),
            },
        }
    }
}
