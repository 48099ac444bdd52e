//! What the templates get: words that are ready to stand in a configuration.

use serde::Serialize;

/// For `nginx.conf.tera`.
#[derive(Debug, Serialize)]
#[expect(clippy::struct_excessive_bools, reason = "nginx has that many switches")]
pub(super) struct MainView {
    pub(super) pad: &'static str,
    pub(super) user: String,
    pub(super) worker_processes: String,
    pub(super) worker_rlimit_nofile: u32,
    pub(super) worker_shutdown_timeout: String,
    pub(super) worker_connections: u32,
    pub(super) multi_accept: bool,
    pub(super) error_log: String,
    pub(super) access_log: String,
    pub(super) log_format: Vec<String>,
    pub(super) sendfile: &'static str,
    pub(super) tcp_nopush: &'static str,
    pub(super) tcp_nodelay: &'static str,
    pub(super) keepalive_timeout: String,
    pub(super) keepalive_requests: Option<u32>,
    pub(super) server_tokens: &'static str,
    pub(super) client_max_body_size: String,
    pub(super) server_names_hash_bucket_size: u32,
    pub(super) gzip: bool,
    pub(super) brotli: bool,
    /// The directives that say who asks, behind something in front.
    pub(super) real_ip: Vec<String>,
    /// Where any site has a certificate.
    pub(super) tls: Option<TlsView>,
    pub(super) security_headers: bool,
    pub(super) limits: bool,
    /// The thumbprint that answers to challenges end in.
    pub(super) acme: Option<String>,
    pub(super) health_path: String,
    pub(super) proxy_cache_path: Vec<String>,
    pub(super) websockets: bool,
    pub(super) upstreams: Vec<GroupView>,
    /// The sockets on which requests for unknown hosts get no answer.
    pub(super) unknown_hosts: Vec<String>,
    /// Where connections for unknown names are refused.
    pub(super) unknown_names: Option<UnknownNamesView>,
    pub(super) extra_conf: Option<String>,
    pub(super) extra_http: Option<String>,
}

/// What holds for every connection with TLS.
#[derive(Debug, Serialize)]
pub(super) struct TlsView {
    pub(super) profile: &'static str,
    pub(super) protocols: &'static str,
    pub(super) ciphers: Option<&'static str>,
    pub(super) curves: &'static str,
    pub(super) tickets_off: bool,
}

/// The server of connections for names that no site has.
#[derive(Debug, Serialize)]
pub(super) struct UnknownNamesView {
    pub(super) listen: Vec<String>,
    pub(super) settings: Vec<String>,
    pub(super) status: u16,
}

/// For `upstream.conf.tera`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct GroupView {
    pub(super) name: String,
    /// Whether workers share what they know of its servers.
    pub(super) zone: bool,
    pub(super) strategy: Option<String>,
    pub(super) servers: Vec<String>,
    pub(super) keepalive: Option<u32>,
}

/// For `site.conf.tera`.
#[derive(Debug, Serialize)]
pub(super) struct SiteView {
    pub(super) pad: &'static str,
    pub(super) name: String,
    /// What follows from whether others trust the certificate.
    pub(super) maps: Vec<MapView>,
    /// What limits are counted in.
    pub(super) zones: Vec<String>,
    pub(super) upstreams: Vec<GroupView>,
    pub(super) redirects: Vec<RedirectView>,
    /// The words of each `listen`.
    pub(super) listen: Vec<String>,
    pub(super) server_name: String,
    pub(super) settings: Vec<String>,
    /// Whether a connection is good only for the name that it was opened for.
    pub(super) own_names_only: bool,
    pub(super) proxy_headers: Option<Vec<String>>,
    /// The thumbprint that answers to challenges end in.
    pub(super) acme: Option<String>,
    pub(super) answers_acme: bool,
    pub(super) locations: Vec<LocationView>,
    pub(super) snippet: Option<String>,
}

/// A `map`: what it is of, the variable, and the lines within.
#[derive(Debug, Serialize)]
pub(super) struct MapView {
    pub(super) of: String,
    pub(super) variable: String,
    pub(super) lines: Vec<String>,
}

/// A server that only leads elsewhere.
#[derive(Debug, Serialize)]
pub(super) struct RedirectView {
    pub(super) listen: Vec<String>,
    pub(super) names: String,
    pub(super) settings: Vec<String>,
    pub(super) answers_acme: bool,
    pub(super) to: String,
}

/// For `location.conf.tera`.
#[derive(Debug, Default, Serialize)]
pub(super) struct LocationView {
    pub(super) path: String,
    pub(super) settings: Vec<String>,
    pub(super) proxy: Option<ProxyView>,
    /// Whether what begins with a dot is not there.
    pub(super) hides_dot_files: bool,
    /// Whether browsers may keep its files without asking; what scripts answer never.
    pub(super) kept: bool,
    /// Who takes scripts.
    pub(super) php: Option<String>,
    pub(super) assets_or_404: bool,
    /// What holds for scripts and assets too, and a location within another does not inherit.
    pub(super) nested_include: Option<String>,
    pub(super) nested_snippet: Option<String>,
    pub(super) snippet: Option<String>,
}

/// For `proxy.conf.tera`.
#[derive(Debug, Serialize)]
pub(super) struct ProxyView {
    pub(super) resolver: Option<String>,
    pub(super) looked_up: Option<String>,
    pub(super) rewrite: Option<String>,
    /// The directive that says to whom.
    pub(super) pass: String,
    pub(super) settings: Vec<String>,
    /// Their directives; those of the site, unless there are any.
    pub(super) headers: Vec<String>,
}
