//! From the table to the text of every file.

mod groups;
mod headers;
mod listening;
mod served;
mod transport;

use std::path::PathBuf;

use super::here::Here;
use super::site::Site;
use super::view::{GroupView, MainView, SiteView};
use super::words::{ServerName, word};
use super::{Nginx, RealIp, Upstream};
use crate::resources::config_set::ConfigFile;
use crate::template::{Template, managed};
use groups::Groups;

const MAIN: Template = crate::template!("nginx/nginx.conf.tera");
const SITE: Template = crate::template!("nginx/site.conf.tera");
const UPSTREAM: Template = crate::template!("nginx/upstream.conf.tera");
const LOCATION: Template = crate::template!("nginx/location.conf.tera");
const PROXY: Template = crate::template!("nginx/proxy.conf.tera");
const ACME: Template = crate::template!("nginx/acme.conf.tera");

/// Every template; a file of the same name under `/etc/hostagent/templates/` takes its place.
pub(super) const TEMPLATES: [Template; 6] = [MAIN, SITE, UPSTREAM, LOCATION, PROXY, ACME];

/// What requests are logged as where `access_log` names `json` and the recipe has no such format of its own.
const JSON_LOG: &str = concat!(
    "json escape=json '{\"time\":\"$time_iso8601\",\"request_id\":\"$request_id\",\"client\":\"$remote_addr\",",
    "\"peer\":\"$realip_remote_addr\",\"host\":\"$host\",\"method\":\"$request_method\",\"uri\":\"$request_uri\",",
    "\"protocol\":\"$server_protocol\",\"status\":$status,\"bytes\":$bytes_sent,\"seconds\":$request_time,",
    "\"user_agent\":\"$http_user_agent\",\"referer\":\"$http_referer\",\"tls\":\"$ssl_protocol\",\"cipher\":\"$ssl_cipher\",",
    "\"upstream\":\"$upstream_addr\",\"upstream_status\":\"$upstream_status\",",
    "\"upstream_seconds\":\"$upstream_response_time\",\"upstream_connect_seconds\":\"$upstream_connect_time\"}'"
);

/// `/etc/nginx/nginx.conf`, and a file for each site.
///
/// # Errors
/// When a template is wrong.
pub(super) fn files(nginx: &Nginx, ipv6: bool, here: &Here) -> Result<Vec<ConfigFile>, String> {
    let main = MAIN.render_over(&here.templates, &[UPSTREAM], &main(nginx, ipv6, here))?;
    let mut files = vec![ConfigFile::new("/etc/nginx/nginx.conf", main)];
    for site in &nginx.site {
        let text = match &site.config {
            Some(own) => format!("{}\n\n{}\n", managed(&format!("the site `{}` of the recipe", site.name)), own.trim()),
            None => {
                SITE.render_over(&here.templates, &[UPSTREAM, LOCATION, PROXY, ACME], &view(nginx, site, ipv6, here))?
            }
        };
        files.push(ConfigFile::new(file_of(site), text));
    }
    Ok(files)
}

/// The file of a site.
pub(super) fn file_of(site: &Site) -> PathBuf {
    PathBuf::from(format!("/etc/nginx/hostagent.d/{}.conf", site.name))
}

fn main(nginx: &Nginx, ipv6: bool, here: &Here) -> MainView {
    let on = |yes: bool| if yes { "on" } else { "off" };
    let proxies = || {
        nginx.site.iter().flat_map(Site::blocks).filter(|(_, block)| block.proxy.is_some() || block.upstream.is_some())
    };
    MainView {
        pad: "    ",
        user: nginx.group.as_ref().map_or_else(|| nginx.user.to_string(), |group| format!("{} {group}", nginx.user)),
        worker_processes: nginx.worker_processes.as_str().to_owned(),
        worker_rlimit_nofile: nginx.worker_rlimit_nofile,
        worker_shutdown_timeout: nginx.worker_shutdown_timeout.as_str().to_owned(),
        worker_connections: nginx.worker_connections,
        multi_accept: nginx.multi_accept,
        error_log: nginx.error_log.as_str().to_owned(),
        access_log: nginx.access_log.as_str().to_owned(),
        log_format: log_formats(nginx),
        sendfile: on(nginx.sendfile),
        tcp_nopush: on(nginx.tcp_nopush),
        tcp_nodelay: on(nginx.tcp_nodelay),
        keepalive_timeout: nginx.keepalive_timeout.as_str().to_owned(),
        keepalive_requests: nginx.keepalive_requests,
        server_tokens: on(nginx.server_tokens),
        client_max_body_size: nginx.client_max_body_size.as_str().to_owned(),
        server_names_hash_bucket_size: nginx.server_names_hash_bucket_size,
        gzip: nginx.gzip,
        brotli: nginx.brotli,
        real_ip: nginx.real_ip.as_ref().map(RealIp::lines).unwrap_or_default(),
        tls: nginx.speaks_tls().then(|| nginx.tls_profile.view(&here.dialect)),
        security_headers: nginx.site.iter().any(Site::has_security_headers),
        limits: nginx.site.iter().any(Site::limits),
        acme: here.thumbprint.clone(),
        health_path: word(nginx.health_path.as_str()),
        proxy_cache_path: nginx.proxy_cache_path.iter().map(|cache| cache.as_str().to_owned()).collect(),
        websockets: proxies().any(|(_, block)| block.proxy.is_none_or(|proxy| proxy.websockets)),
        upstreams: nginx.upstream.iter().map(group).collect(),
        unknown_hosts: listening::unknown_hosts(nginx, ipv6),
        unknown_names: listening::unknown_names(nginx, ipv6, &here.dialect),
        extra_conf: nginx.extra_conf.as_deref().map(|text| indented(text, 0)),
        extra_http: nginx.extra_http.as_deref().map(|text| indented(text, 4)),
    }
}

/// Those of the recipe, and the one that comes with the program where somebody uses it.
fn log_formats(nginx: &Nginx) -> Vec<String> {
    let blocks = || nginx.site.iter().flat_map(Site::blocks);
    let mut logs = blocks().filter_map(|(_, block)| block.rules.access_log).chain([&nginx.access_log]);
    let uses_ours = logs.any(|log| log.as_str().split(' ').nth(1) == Some("json"))
        && !nginx.log_format.keys().any(|name| name.as_str() == "json");
    let own = nginx.log_format.iter().map(|(name, format)| log_format(name.as_str(), format.as_str()));
    own.chain(uses_ours.then(|| JSON_LOG.to_owned())).collect()
}

/// The words after `log_format`.
fn log_format(name: &str, format: &str) -> String {
    let escape =
        ["escape=default ", "escape=json ", "escape=none "].into_iter().find(|escape| format.starts_with(escape));
    let text = format.strip_prefix(escape.unwrap_or_default()).unwrap_or(format);
    format!("{name} {}{}", escape.unwrap_or_default(), super::words::quoted(text))
}

fn group(upstream: &Upstream) -> GroupView {
    GroupView {
        name: upstream.name.in_config(),
        zone: upstream.servers.len() > 1,
        strategy: upstream.strategy.as_ref().map(|strategy| strategy.as_str().to_owned()),
        servers: upstream.servers.iter().map(|server| server.0.words()).collect(),
        keepalive: Some(upstream.keepalive.unwrap_or(groups::KEEPALIVE)).filter(|count| *count > 0),
    }
}

fn view(nginx: &Nginx, site: &Site, ipv6: bool, here: &Here) -> SiteView {
    let mut groups = Groups::of(site);
    let is_closed = site.maintenance.unwrap_or(nginx.maintenance);
    let served = if is_closed {
        served::closed(site, here, &nginx.health_path, nginx.maintenance_retry_after.duration().as_secs())
    } else {
        served::all(site, here, &mut groups)
    };
    let (listen, tls_settings) = listening::of(site, ipv6, &here.dialect);
    SiteView {
        pad: "",
        name: site.name.to_string(),
        maps: transport::maps(site, here),
        zones: served.zones,
        upstreams: groups.found,
        redirects: listening::redirects(site, ipv6, here),
        listen,
        server_name: if site.server_name.is_empty() { "_".to_owned() } else { names(&site.server_name) },
        settings: tls_settings.into_iter().chain(served.settings).collect(),
        own_names_only: site.certificate.is_some() && !site.default_server,
        proxy_headers: served.proxy_headers,
        acme: here.thumbprint.clone(),
        answers_acme: site.certificate.is_none() && listening::takes_challenges(site, ipv6),
        locations: served.locations,
        snippet: site.snippet.as_deref().filter(|_| !is_closed).map(|text| indented(text, 4)),
    }
}

fn names(names: &[ServerName]) -> String {
    names.iter().map(server_name).collect::<Vec<_>>().join(" ")
}

/// A regular expression is always quoted: braces in it would end the word.
fn server_name(name: &ServerName) -> String {
    if name.as_str().starts_with('~') { super::words::quoted(name.as_str()) } else { word(name.as_str()) }
}

/// Somebody's own lines, moved to the right. Text in quotes that goes over several lines is left where it is: spaces in it
/// would count.
pub(super) fn indented(text: &str, width: usize) -> String {
    let own_lines = text.trim_matches('\n').trim_end();
    let open = |line: &str, quote: char| line.matches(quote).count() % 2 == 1;
    if own_lines.lines().any(|line| !line.trim_start().starts_with('#') && (open(line, '"') || open(line, '\''))) {
        return own_lines.to_owned();
    }
    let own = own_lines
        .lines()
        .filter(|line| !line.trim().is_empty())
        .map(|line| line.len() - line.trim_start().len())
        .min()
        .unwrap_or(0);
    let moved = own_lines.lines().map(|line| match line.get(own..).map(str::trim_end) {
        Some(rest) if !rest.is_empty() => format!("{:width$}{rest}", ""),
        _ => String::new(),
    });
    moved.collect::<Vec<_>>().join("\n")
}
