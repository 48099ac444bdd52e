//! What a site and a location have in common: what they serve, and the rules for it.

use std::collections::BTreeMap;

use super::limits::RateLimit;
use super::people::BasicAuth;
use super::proxy::Proxy;
use super::site::Return;
use super::static_files::StaticFiles;
use super::words::{
    AccessLog, Buffer, ConfigPath, ErrorLog, ErrorPage, HeaderName, HeaderValue, LocationPath, Network, StatusCodes,
    UpstreamName, Url,
};

/// A site or one of its locations.
#[derive(Debug, Clone)]
pub(super) struct Block<'a> {
    pub(super) path: LocationPath,
    pub(super) proxy: Option<&'a Proxy>,
    pub(super) upstream: Option<&'a UpstreamName>,
    pub(super) files: Option<&'a StaticFiles>,
    pub(super) redirect: Option<&'a Url>,
    pub(super) answer: Option<&'a Return>,
    pub(super) rules: Rules<'a>,
}

/// What holds for requests, whatever they are answered with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules<'a> {
    pub(super) client_max_body_size: Option<&'a Buffer>,
    pub(super) add_header: &'a BTreeMap<HeaderName, HeaderValue>,
    pub(super) error_page: &'a BTreeMap<StatusCodes, ErrorPage>,
    pub(super) access_log: Option<&'a AccessLog>,
    pub(super) error_log: Option<&'a ErrorLog>,
    pub(super) allow: &'a [Network],
    pub(super) deny: &'a [Network],
    pub(super) basic_auth: Option<&'a BasicAuth>,
    pub(super) rate_limit: Option<&'a RateLimit>,
    pub(super) connections_per_address: Option<u32>,
    pub(super) snippet: Option<&'a str>,
    pub(super) snippet_file: Option<&'a ConfigPath>,
}

impl Block<'_> {
    /// The keys of what it serves; exactly one is right.
    pub(super) fn serves(&self) -> Vec<&'static str> {
        let keys = [
            ("proxy", self.proxy.is_some()),
            ("upstream", self.upstream.is_some()),
            ("static", self.files.is_some()),
            ("redirect", self.redirect.is_some()),
            ("return", self.answer.is_some()),
        ];
        keys.into_iter().filter_map(|(key, given)| given.then_some(key)).collect()
    }

    /// The group of servers it refers to by name.
    pub(super) fn upstream_name(&self) -> Option<&UpstreamName> {
        self.upstream.or_else(|| self.proxy.and_then(|proxy| proxy.upstream.as_ref()))
    }
}

impl Rules<'_> {
    /// Whether there is any.
    pub(super) fn any(&self) -> bool {
        self.client_max_body_size.is_some()
            || !self.add_header.is_empty()
            || !self.error_page.is_empty()
            || self.access_log.is_some()
            || self.error_log.is_some()
            || self.restrict()
            || self.basic_auth.is_some()
            || self.rate_limit.is_some()
            || self.connections_per_address.is_some()
            || self.snippet.is_some()
            || self.snippet_file.is_some()
    }

    /// Whether not everybody may ask.
    pub(super) fn restrict(&self) -> bool {
        !self.allow.is_empty() || !self.deny.is_empty()
    }
}
