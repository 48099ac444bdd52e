//! From the table to the text of every file.

mod groups;
mod served;

use super::site::Site;
use super::view::{GroupView, MainView, RedirectView, SiteView};
use super::words::{ServerName, word};
use super::{Nginx, Upstream};
use crate::resources::config_set::ConfigFile;
use crate::template::{Template, managed};
use groups::Groups;

const MAIN: Template = crate::template!("nginx/nginx.conf.tera");
const SITE: Template = crate::template!("nginx/site.conf.tera");
const UPSTREAM: Template = crate::template!("nginx/upstream.conf.tera");
const LOCATION: Template = crate::template!("nginx/location.conf.tera");
const PROXY: Template = crate::template!("nginx/proxy.conf.tera");

/// The sockets of Debian's own default site.
const DEFAULT_SITE_LISTENS: [&str; 2] = ["80", "[::]:80"];

/// `/etc/nginx/nginx.conf`, and a file for each site.
///
/// # Errors
/// When a template is wrong.
pub(super) fn files(nginx: &Nginx, ipv6: bool) -> Result<Vec<ConfigFile>, String> {
    let main = MAIN.render_with(&[UPSTREAM], &main(nginx, ipv6))?;
    let mut files = vec![ConfigFile::new("/etc/nginx/nginx.conf", main)];
    for site in &nginx.site {
        let text = match &site.config {
            Some(own) => format!("{}\n\n{}\n", managed(&format!("the site `{}` of the recipe", site.name)), own.trim()),
            None => SITE.render_with(&[UPSTREAM, LOCATION, PROXY], &view(site, ipv6))?,
        };
        files.push(ConfigFile::new(format!("/etc/nginx/hostagent.d/{}.conf", site.name), text));
    }
    Ok(files)
}

fn main(nginx: &Nginx, ipv6: bool) -> MainView {
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
        log_format: nginx.log_format.iter().map(|(name, format)| log_format(name.as_str(), format.as_str())).collect(),
        sendfile: on(nginx.sendfile),
        tcp_nopush: on(nginx.tcp_nopush),
        tcp_nodelay: on(nginx.tcp_nodelay),
        keepalive_timeout: nginx.keepalive_timeout.as_str().to_owned(),
        keepalive_requests: nginx.keepalive_requests,
        server_tokens: on(nginx.server_tokens),
        client_max_body_size: nginx.client_max_body_size.as_str().to_owned(),
        server_names_hash_bucket_size: nginx.server_names_hash_bucket_size,
        gzip: nginx.gzip,
        proxy_cache_path: nginx.proxy_cache_path.iter().map(|cache| cache.as_str().to_owned()).collect(),
        websockets: proxies().any(|(_, block)| block.proxy.is_none_or(|proxy| proxy.websockets)),
        upstreams: nginx.upstream.iter().map(group).collect(),
        unknown_hosts: unknown_hosts(nginx, ipv6),
        extra_conf: nginx.extra_conf.as_deref().map(|text| indented(text, 0)),
        extra_http: nginx.extra_http.as_deref().map(|text| indented(text, 4)),
    }
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

/// The sockets of sites on which no site takes the requests for unknown hosts.
fn unknown_hosts(nginx: &Nginx, ipv6: bool) -> Vec<String> {
    let mut open: Vec<String> = Vec::new();
    let sites = || nginx.site.iter().filter(|site| site.config.is_none());
    for socket in sites().flat_map(|site| site.sockets(ipv6)) {
        let taken = sites().any(|site| site.default_server && site.sockets(ipv6).contains(&socket));
        let left = nginx.default_site && DEFAULT_SITE_LISTENS.contains(&socket.as_str());
        if !taken && !left && !open.contains(&socket.to_string()) {
            open.push(socket.to_string());
        }
    }
    open
}

fn view(site: &Site, ipv6: bool) -> SiteView {
    let sockets = site.sockets(ipv6);
    let names = |names: &[ServerName]| names.iter().map(server_name).collect::<Vec<_>>().join(" ");
    let mut groups = Groups::of(site);
    let served = served::all(site, &mut groups);
    let number = sockets.iter().find_map(super::words::Socket::port).filter(|port| *port != 80);
    let port = number.map(|it| format!(":{it}")).unwrap_or_default();
    let first = site.server_name.first().filter(|_| !site.redirect_from.is_empty());
    let redirect_from = first.map(|name| RedirectView {
        names: names(&site.redirect_from),
        to: format!("$scheme://{}{port}$request_uri", name.as_str()),
    });
    SiteView {
        pad: "",
        name: site.name.to_string(),
        upstreams: groups.found,
        listen: sockets.iter().map(ToString::to_string).collect(),
        default_server: site.default_server,
        server_name: if site.server_name.is_empty() { "_".to_owned() } else { names(&site.server_name) },
        redirect_from,
        settings: served.settings,
        proxy_headers: served.proxy_headers,
        locations: served.locations,
        snippet: site.snippet.as_deref().map(|text| indented(text, 4)),
    }
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
