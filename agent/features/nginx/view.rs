//! What the templates get: words that are ready to stand in a configuration.

use serde::Serialize;

/// For `nginx.conf.tera`.
#[derive(Debug, Serialize)]
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
    pub(super) proxy_cache_path: Vec<String>,
    pub(super) websockets: bool,
    pub(super) upstreams: Vec<GroupView>,
    /// The sockets on which requests for unknown hosts get no answer.
    pub(super) unknown_hosts: Vec<String>,
    pub(super) extra_conf: Option<String>,
    pub(super) extra_http: Option<String>,
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
    pub(super) upstreams: Vec<GroupView>,
    pub(super) listen: Vec<String>,
    pub(super) default_server: bool,
    pub(super) server_name: String,
    pub(super) redirect_from: Option<RedirectView>,
    pub(super) settings: Vec<String>,
    pub(super) proxy_headers: Option<Vec<String>>,
    pub(super) locations: Vec<LocationView>,
    pub(super) snippet: Option<String>,
}

/// Names that lead to the first name of a site.
#[derive(Debug, Serialize)]
pub(super) struct RedirectView {
    pub(super) names: String,
    pub(super) to: String,
}

/// For `location.conf.tera`.
#[derive(Debug, Default, Serialize)]
pub(super) struct LocationView {
    pub(super) path: String,
    pub(super) settings: Vec<String>,
    pub(super) proxy: Option<ProxyView>,
    pub(super) assets_or_404: bool,
    /// What holds for those assets too, and a location within another does not inherit.
    pub(super) assets_include: Option<String>,
    pub(super) assets_snippet: Option<String>,
    pub(super) snippet: Option<String>,
}

/// For `proxy.conf.tera`.
#[derive(Debug, Serialize)]
pub(super) struct ProxyView {
    pub(super) resolver: Option<String>,
    pub(super) looked_up: Option<String>,
    pub(super) rewrite: Option<String>,
    pub(super) pass: String,
    pub(super) settings: Vec<String>,
    /// Those of the site, unless there are any.
    pub(super) headers: Vec<String>,
}
