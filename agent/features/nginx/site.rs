//! `[[nginx.site]]`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::block::{Block, Rules};
use super::limits::RateLimit;
use super::location::Location;
use super::people::BasicAuth;
use super::proxy::Proxy;
use super::static_files::StaticFiles;
use super::tls::Hsts;
use super::words::{
    AccessLog, Buffer, ConfigPath, ErrorLog, ErrorPage, HeaderName, HeaderValue, Listen, LocationPath, Name, Network,
    ServerName, SiteName, Socket, StatusCode, StatusCodes, Target, Text, UpstreamName, Url,
};

/// A site: names it answers to, and what it answers with. It serves one of `proxy`, `upstream`, `static`, `redirect`,
/// `return`; `locations` serve other things below it.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "each is a key of the recipe")]
#[schemars(rename = "NginxSite")]
pub struct Site {
    /// Its name, and that of its file in `/etc/nginx/hostagent.d/`.
    pub name: SiteName,
    /// The names it answers to. May only be left out with `default_server` or `config`.
    #[serde(default)]
    pub server_name: Vec<ServerName>,
    /// Names that are redirected (308) to the first of `server_name`. Default: none.
    #[serde(default)]
    pub redirect_from: Vec<ServerName>,
    /// The name of a `[[tls.certificate]]`: the site is served over TLS, and what comes without it is redirected (308) and
    /// answers the challenges of certificate authorities. Default: none, and no TLS.
    pub certificate: Option<Name>,
    /// Where it listens: ports, addresses with a port, unix sockets. With `certificate`: where it listens without TLS, to
    /// redirect; `[]` for nowhere. Default: `[80]`.
    pub listen: Option<Vec<Listen>>,
    /// Where it listens with TLS, beside `certificate`. Default: `[443]`.
    pub listen_tls: Option<Vec<Listen>>,
    /// Whether it also speaks HTTP/3 (UDP), if nginx is built with it. Default: `false`.
    #[serde(default)]
    pub http3: bool,
    /// For how long browsers insist on TLS, beside `certificate`. Default: `"ramp"`.
    #[serde(default)]
    pub hsts: Hsts,
    /// Whether they also do for every name below. Default: `false`.
    #[serde(default)]
    pub hsts_include_subdomains: bool,
    /// Whether the names may go into the lists that browsers are shipped with; hard to take back. Default: `false`.
    #[serde(default)]
    pub hsts_preload: bool,
    /// Whether answers get `X-Content-Type-Options`, `Referrer-Policy` and `X-Frame-Options` (`SAMEORIGIN`), where the
    /// application does not say them itself. Default: whether it has a `certificate`.
    pub security_headers: Option<bool>,
    /// Whether it is closed for a while: everything gets 503 with `Retry-After`, but the path that tells whether nginx is
    /// well. Default: that of `[nginx]`.
    pub maintenance: Option<bool>,
    /// Whether it also answers for hosts that no site names. Default: `false`.
    #[serde(default)]
    pub default_server: bool,
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
    /// Paths of the site that are served otherwise. Default: none.
    #[serde(default)]
    pub locations: Vec<Location>,
    /// The whole file of the site in nginx's own language; then no other key may be given than `name`. Default: none.
    pub config: Option<String>,
    /// The largest body of a request; `"0"` for any. Default: that of `[nginx]`.
    pub client_max_body_size: Option<Buffer>,
    /// Headers that every answer gets. Default: none.
    #[serde(default)]
    pub add_header: BTreeMap<HeaderName, HeaderValue>,
    /// Pages for errors by their statuses, such as `{ 404 = "/404.html", "502 503" = "/50x.html" }`. Default: nginx's own.
    #[serde(default)]
    pub error_page: BTreeMap<StatusCodes, ErrorPage>,
    /// Where its requests are logged. Default: that of `[nginx]`.
    pub access_log: Option<AccessLog>,
    /// Where its troubles are logged. Default: that of `[nginx]`.
    pub error_log: Option<ErrorLog>,
    /// Who may ask; everybody else may not, unless `deny` says otherwise. Default: everybody.
    #[serde(default)]
    pub allow: Vec<Network>,
    /// Who may not ask; comes after `allow`. Default: nobody, or `["all"]` where `allow` is given.
    #[serde(default)]
    pub deny: Vec<Network>,
    /// Who may come in, by name and password. Default: everybody.
    pub basic_auth: Option<BasicAuth>,
    /// How often one address may ask, whatever for. Default: as often as it likes.
    pub rate_limit: Option<RateLimit>,
    /// How many requests of one address may be under way. Default: any number.
    #[schemars(range(min = 1))]
    pub connections_per_address: Option<u32>,
    /// Lines of one's own, in nginx's language, inside of `server`. Default: none.
    pub snippet: Option<String>,
    /// A file with such lines, under `/etc/hostagent/` or `/etc/nginx/`. Default: none.
    pub snippet_file: Option<ConfigPath>,
}

/// An answer of a status alone, a text, or an address to go to.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "NginxReturn")]
pub struct Return {
    /// Its status, such as 204; 444 closes without an answer.
    pub code: StatusCode,
    /// Its text, as `text/plain`; variables allowed. Default: nginx's own page for the status.
    pub text: Option<Text>,
    /// Where it leads, for 301, 302, 303, 307 and 308. Default: none.
    pub url: Option<Target>,
}

impl Site {
    /// The sockets it listens on without TLS, each once.
    pub(super) fn sockets(&self, ipv6: bool) -> Vec<Socket> {
        each_once(self.listen.as_deref().unwrap_or(&[Listen::Port(80)]), ipv6)
    }

    /// The sockets it listens on with TLS, each once.
    pub(super) fn tls_sockets(&self, ipv6: bool) -> Vec<Socket> {
        let listen = self.listen_tls.as_deref().unwrap_or(&[Listen::Port(443)]);
        if self.certificate.is_some() { each_once(listen, ipv6) } else { Vec::new() }
    }

    /// Whether answers get the usual headers of security.
    pub(super) fn has_security_headers(&self) -> bool {
        self.security_headers.unwrap_or(self.certificate.is_some())
    }

    /// Whether it, or one of its locations, limits anybody.
    pub(super) fn limits(&self) -> bool {
        let limits =
            |block: Block<'_>| block.rules.rate_limit.is_some() || block.rules.connections_per_address.is_some();
        self.blocks().any(|(_, block)| limits(block))
    }

    /// What it says of itself, and then its locations with their numbers from 0.
    pub(super) fn blocks(&self) -> impl Iterator<Item = (Option<usize>, Block<'_>)> {
        let locations = self.locations.iter().enumerate();
        std::iter::once((None, self.block())).chain(locations.map(|(index, it)| (Some(index), it.block())))
    }

    pub(super) fn block(&self) -> Block<'_> {
        Block {
            path: LocationPath::root(),
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

fn each_once(listen: &[Listen], ipv6: bool) -> Vec<Socket> {
    let mut sockets: Vec<Socket> = Vec::new();
    for socket in listen.iter().flat_map(|listen| listen.sockets(ipv6)) {
        if !sockets.contains(&socket) {
            sockets.push(socket);
        }
    }
    sockets
}
