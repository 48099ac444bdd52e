//! Where servers listen, with TLS and without, and who answers there for hosts that no site names.

use super::headers::{self, add_header};
use super::names;
use crate::features::nginx::Nginx;
use crate::features::nginx::dialect::{Dialect, Http2};
use crate::features::nginx::here::Here;
use crate::features::nginx::site::Site;
use crate::features::nginx::tls;
use crate::features::nginx::view::{RedirectView, UnknownNamesView};
use crate::features::nginx::words::{Name, ServerName, Socket, word};

/// The sockets of Debian's own default site.
const DEFAULT_SITE_LISTENS: [&str; 2] = ["80", "[::]:80"];
/// Where certificate authorities ask.
const CHALLENGE_PORT: u16 = 80;

/// The words after each `listen` of the server that serves a site, and its directives of TLS.
pub(super) fn of(site: &Site, ipv6: bool, dialect: &Dialect) -> (Vec<String>, Vec<String>) {
    let Some(certificate) = &site.certificate else {
        return (plain(&site.sockets(ipv6), site.default_server), Vec::new());
    };
    let sockets = site.tls_sockets(ipv6);
    let mut listen = with_tls(&sockets, dialect, site.default_server);
    if site.http3 && dialect.quic {
        // Who answers for unknown names says for all that every worker has a socket of its own.
        listen.extend(quic(&sockets, site.default_server, site.default_server));
    }
    (listen, certificate_lines(certificate, dialect))
}

/// The servers of a site that only lead elsewhere.
pub(super) fn redirects(site: &Site, ipv6: bool, here: &Here) -> Vec<RedirectView> {
    let sockets = site.sockets(ipv6);
    let exact = site.server_name.iter().find(|name| name.is_exact()).map(ServerName::as_str);
    let answers_acme = takes_challenges(site, ipv6);
    let mut found = Vec::new();
    let Some(certificate) = &site.certificate else {
        let first = site.server_name.first().filter(|_| !site.redirect_from.is_empty());
        found.extend(first.map(|name| RedirectView {
            listen: plain(&sockets, false),
            names: names(&site.redirect_from),
            settings: Vec::new(),
            answers_acme,
            to: format!("$scheme://{}{}$request_uri", name.as_str(), port_of(&sockets, 80)),
        }));
        return found;
    };
    let tls_sockets = site.tls_sockets(ipv6);
    let port = port_of(&tls_sockets, 443);
    // Only for names of its own may the host of the request say where to; somebody else's could be any.
    let alone = site.server_name.len() == 1 || site.default_server;
    let host = exact.filter(|_| alone).unwrap_or("$host");
    let to = format!("https://{host}{port}$request_uri");
    if !sockets.is_empty() {
        found.push(RedirectView {
            listen: plain(&sockets, site.default_server),
            names: if site.server_name.is_empty() { "_".to_owned() } else { names(&site.server_name) },
            settings: Vec::new(),
            answers_acme,
            to,
        });
    }
    let first = exact.filter(|_| !site.redirect_from.is_empty());
    let mut settings = certificate_lines(certificate, &here.dialect);
    let headers = headers::of(site, here);
    settings.extend(headers.iter().filter(|(name, _)| name.is("Strict-Transport-Security")).map(add_header));
    for (listen, settings, answers_acme) in [
        (plain(&sockets, false), Vec::new(), answers_acme),
        (with_tls(&tls_sockets, &here.dialect, false), settings, false),
    ] {
        found.extend(first.filter(|_| !listen.is_empty()).map(|name| RedirectView {
            listen,
            names: names(&site.redirect_from),
            settings,
            answers_acme,
            to: format!("https://{name}{port}$request_uri"),
        }));
    }
    found
}

/// Whether certificate authorities find it.
pub(super) fn takes_challenges(site: &Site, ipv6: bool) -> bool {
    site.sockets(ipv6).iter().any(|socket| socket.port() == Some(CHALLENGE_PORT))
}

/// The sockets on which no site takes the requests for unknown hosts.
pub(super) fn unknown_hosts(nginx: &Nginx, ipv6: bool) -> Vec<String> {
    let open = without_default(nginx, |site| site.sockets(ipv6));
    let left = |socket: &str| nginx.default_site && DEFAULT_SITE_LISTENS.contains(&socket);
    open.iter().map(ToString::to_string).filter(|socket| !left(socket)).collect()
}

/// Who answers connections for names that no site has.
pub(super) fn unknown_names(nginx: &Nginx, ipv6: bool, dialect: &Dialect) -> Option<UnknownNamesView> {
    let open = without_default(nginx, |site| site.tls_sockets(ipv6));
    let first = nginx.site.iter().filter(|site| site.config.is_none()).find_map(|site| site.certificate.as_ref())?;
    if open.is_empty() {
        return None;
    }
    let mut listen = with_tls(&open, dialect, true);
    if dialect.quic {
        let speak = |socket: &Socket| sites(nginx).any(|site| site.http3 && site.tls_sockets(ipv6).contains(socket));
        let also: Vec<Socket> = open.iter().filter(|socket| speak(socket)).cloned().collect();
        listen.extend(quic(&also, true, true));
    }
    // Older versions must show some certificate, and end the connection after it.
    let (settings, status) = if dialect.reject_handshake {
        let mut settings = http2_line(dialect);
        settings.push("ssl_reject_handshake on".to_owned());
        (settings, 421)
    } else {
        (certificate_lines(first, dialect), 444)
    };
    Some(UnknownNamesView { listen, settings, status })
}

/// Every site that is not in nginx's own language.
fn sites(nginx: &Nginx) -> impl Iterator<Item = &Site> {
    nginx.site.iter().filter(|site| site.config.is_none())
}

/// The sockets of sites that are no site's for unknown hosts, each once.
fn without_default(nginx: &Nginx, sockets: impl Fn(&Site) -> Vec<Socket>) -> Vec<Socket> {
    let mut open: Vec<Socket> = Vec::new();
    for socket in sites(nginx).flat_map(&sockets) {
        let taken = sites(nginx).any(|site| site.default_server && sockets(site).contains(&socket));
        if !taken && !open.contains(&socket) {
            open.push(socket);
        }
    }
    open
}

fn plain(sockets: &[Socket], default: bool) -> Vec<String> {
    sockets.iter().map(|socket| format!("{socket}{}", default_word(default))).collect()
}

fn with_tls(sockets: &[Socket], dialect: &Dialect, default: bool) -> Vec<String> {
    let http2 = if dialect.http2 == Http2::Parameter { " http2" } else { "" };
    sockets.iter().map(|socket| format!("{socket} ssl{http2}{}", default_word(default))).collect()
}

fn quic(sockets: &[Socket], default: bool, reuse: bool) -> Vec<String> {
    let reuse = if reuse { " reuseport" } else { "" };
    let udp = sockets.iter().filter(|socket| socket.port().is_some());
    udp.map(|socket| format!("{socket} quic{reuse}{}", default_word(default))).collect()
}

fn default_word(default: bool) -> &'static str {
    if default { " default_server" } else { "" }
}

fn http2_line(dialect: &Dialect) -> Vec<String> {
    (dialect.http2 == Http2::Directive).then(|| "http2 on".to_owned()).into_iter().collect()
}

fn certificate_lines(name: &Name, dialect: &Dialect) -> Vec<String> {
    let mut lines = http2_line(dialect);
    lines.push(format!("ssl_certificate {}", word(&tls::chain_of(name).display().to_string())));
    lines.push(format!("ssl_certificate_key {}", word(&tls::key_of(name).display().to_string())));
    lines
}

/// The port in an address, unless it is the usual one.
fn port_of(sockets: &[Socket], usual: u16) -> String {
    let port = sockets.iter().find_map(Socket::port).filter(|port| *port != usual);
    port.map(|it| format!(":{it}")).unwrap_or_default()
}
