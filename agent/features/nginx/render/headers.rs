//! The headers of answers: a recipe's, and those that the program says for a site.

use std::collections::BTreeMap;

use super::transport;
use crate::features::nginx::here::Here;
use crate::features::nginx::site::Site;
use crate::features::nginx::tls::Hsts;
use crate::features::nginx::words::{ErrorPage, HeaderName, HeaderValue, Socket, StatusCodes};

/// Headers by their names.
pub(super) type Headers = BTreeMap<HeaderName, HeaderValue>;

/// No pages for errors.
pub(super) static NO_PAGES: BTreeMap<StatusCodes, ErrorPage> = BTreeMap::new();

/// Those of every answer of a site: its own, and the program's where it has none of the same name.
pub(super) fn of(site: &Site, here: &Here) -> Headers {
    let mut headers = site.add_header.clone();
    let mut add = |name: &'static str, value: String| {
        if !headers.keys().any(|own| own.is(name)) {
            headers.insert(HeaderName::known(name), HeaderValue::made(value));
        }
    };
    if site.has_security_headers() {
        add("X-Content-Type-Options", "$hostagent_content_type_options".to_owned());
        add("Referrer-Policy", "$hostagent_referrer_policy".to_owned());
        add("X-Frame-Options", "$hostagent_frame_options".to_owned());
    }
    if here.insists_for.contains_key(site.name.as_str()) {
        add("Strict-Transport-Security", transport::variable(site));
    }
    let port = site.tls_sockets(false).iter().find_map(Socket::port);
    if let Some(port) = port.filter(|_| site.http3 && here.dialect.quic) {
        add("Alt-Svc", format!("h3=\":{port}\"; ma=86400"));
    }
    if site.limits() {
        add("Retry-After", "$hostagent_retry_after".to_owned());
    }
    headers
}

/// Whether only the program says for how long browsers insist on TLS, whatever an application says.
pub(super) fn speaks_for_applications(site: &Site) -> bool {
    let own = site.add_header.keys().any(|name| name.is("Strict-Transport-Security"));
    site.certificate.is_some() && site.hsts != Hsts::Off && !own
}

/// The headers of a site with a location's in their place.
pub(super) fn merged(site: &Headers, own: &Headers) -> Headers {
    let kept = site.iter().filter(|(name, _)| !own.keys().any(|other| other.is(name.as_str())));
    kept.chain(own).map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// The directive of a header.
pub(super) fn add_header((name, value): (&HeaderName, &HeaderValue)) -> String {
    format!("add_header {} {} always", name.as_str(), value.word())
}
