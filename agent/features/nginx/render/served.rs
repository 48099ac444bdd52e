//! What a site's `server` block says and its locations.

use super::groups::Groups;
use super::indented;
use crate::features::nginx::block::{Block, Rules};
use crate::features::nginx::proxy::Proxy;
use crate::features::nginx::site::{Return, Site};
use crate::features::nginx::static_files::StaticFiles;
use crate::features::nginx::view::{LocationView, ProxyView};
use crate::features::nginx::words::{
    ConfigPath, HeaderName, HeaderValue, LocationPath, Name, Network, Resolver, TryFile, UrlPath, quoted, word,
};

/// What stands in a `server` block.
#[derive(Debug)]
pub(super) struct Served {
    pub(super) settings: Vec<String>,
    pub(super) proxy_headers: Option<Vec<String>>,
    pub(super) locations: Vec<LocationView>,
}

/// Everything of a site.
pub(super) fn all(site: &Site, groups: &mut Groups) -> Served {
    let own = site.block();
    let proxies = site.blocks().filter_map(|(_, block)| proxy_of(&block));
    // The first proxy's headers stand once for the site; a location with other headers says all of its own again, because
    // nginx inherits either all or none.
    let proxy_headers = proxies.map(|proxy| proxy.headers()).next();
    let mut served = Served { settings: limits(&own.rules), proxy_headers, locations: Vec::new() };
    served.settings.extend(own.rules.add_header.iter().map(add_header));
    // A `return` beside locations would answer before nginx looks at them; a snippet may bring some.
    let alone = site.locations.is_empty() && own.rules.snippet.is_none() && own.rules.snippet_file.is_none();
    let views = site_serves(&mut served, &own, alone, groups);
    served.locations.extend(views);
    for location in &site.locations {
        let block = location.block();
        let views = below(&block, own.rules, served.proxy_headers.as_deref(), groups);
        served.locations.extend(views);
    }
    served
}

/// What the site itself serves: in the `server` block where that is enough, else in `location /`.
fn site_serves(served: &mut Served, own: &Block<'_>, alone: bool, groups: &mut Groups) -> Vec<LocationView> {
    if let Some(files) = own.files {
        served.settings.extend(root(files));
        if !files.spa && files.try_files.is_empty() {
            served.settings.extend(files.autoindex.then(|| "autoindex on".to_owned()));
            return Vec::new();
        }
        return file_locations(&LocationPath::root(), files, &[], own.rules.add_header);
    }
    let redirect = own.redirect.map(|url| vec![format!("return 308 {}", url.keeping_request())]);
    if let Some(lines) = redirect.or_else(|| own.answer.map(answer_lines)) {
        if alone {
            served.settings.extend(lines);
            return Vec::new();
        }
        return vec![LocationView { path: "/".into(), settings: lines, ..LocationView::default() }];
    }
    let view = proxy_of(own).map(|proxy| proxy_view(&proxy, "/", served.proxy_headers.as_deref(), groups));
    view.map(|proxy| LocationView { path: "/".into(), proxy: Some(proxy), ..LocationView::default() })
        .into_iter()
        .collect()
}

/// A location, and those that come with it.
fn below(block: &Block<'_>, site: Rules<'_>, headers: Option<&[String]>, groups: &mut Groups) -> Vec<LocationView> {
    let limits = limits(&block.rules);
    let mut views = match block.files {
        Some(files) => {
            let settings: Vec<String> = limits.into_iter().chain(root(files)).collect();
            file_locations(&block.path, files, &settings, &merged(site.add_header, block.rules.add_header))
        }
        None => vec![LocationView { path: block.path.words(), settings: limits, ..LocationView::default() }],
    };
    if let Some(view) = views.first_mut() {
        // nginx inherits either all headers or none, so one of its own brings the site's along.
        if !block.rules.add_header.is_empty() {
            view.settings.extend(merged(site.add_header, block.rules.add_header).iter().map(add_header));
        }
        let prefix = block.path.prefix().unwrap_or("/");
        view.proxy = proxy_of(block).map(|proxy| proxy_view(&proxy, prefix, headers, groups));
        view.settings.extend(block.redirect.map(|url| format!("return 308 {}", url.keeping_request())));
        view.settings.extend(block.answer.map(answer_lines).unwrap_or_default());
    }
    // Each of an application's locations: one without it would be a way around a snippet that asks who is there.
    for view in &mut views {
        view.snippet = block.rules.snippet.map(|text| indented(text, 8));
        if view.assets_or_404 {
            view.assets_include = block.rules.snippet_file.map(include);
            view.assets_snippet = block.rules.snippet.map(|text| indented(text, 12));
        }
    }
    views
}

/// What a site or location hands requests on to.
fn proxy_of(block: &Block<'_>) -> Option<Proxy> {
    block.proxy.cloned().or_else(|| block.upstream.map(Proxy::to_upstream))
}

fn proxy_view(proxy: &Proxy, prefix: &str, site_headers: Option<&[String]>, groups: &mut Groups) -> ProxyView {
    let path = proxy.path.as_ref().map_or("", UrlPath::as_str);
    let looked_up = proxy.service.as_ref().map(|name| format!("{}:{}", name.as_str(), proxy.port.unwrap_or(80)));
    let pass = match (&proxy.upstream, &looked_up) {
        // With a variable nginx takes the path as it is then; `rewrite` changes it before.
        (_, Some(_)) => "http://$hostagent_backend".to_owned(),
        (Some(name), None) => format!("http://{}{path}", name.in_config()),
        (None, None) => format!("http://{}{path}", groups.name_for(proxy)),
    };
    let replacing = proxy.path.as_ref().filter(|_| looked_up.is_some());
    let rewrite =
        replacing.map(|path| format!("{} {}$1", quoted(&format!("^{}(.*)$", escaped(prefix))), path.as_str()));
    let resolver = proxy.resolver.as_ref().filter(|_| looked_up.is_some()).map(|servers| {
        let servers: Vec<&str> = servers.iter().map(Resolver::as_str).collect();
        let valid = proxy.resolver_valid.as_ref().map_or("5s", |valid| valid.as_str());
        format!("{} valid={valid}{}", servers.join(" "), if proxy.resolver_ipv6 { "" } else { " ipv6=off" })
    });
    let wanted = proxy.headers();
    let headers = if site_headers == Some(wanted.as_slice()) { Vec::new() } else { wanted };
    ProxyView { resolver, looked_up, rewrite, pass, settings: proxy_settings(proxy), headers }
}

fn proxy_settings(proxy: &Proxy) -> Vec<String> {
    let on = |yes: bool| if yes { "on" } else { "off" };
    let connect = proxy.connect_timeout.as_ref().map_or("5s", |time| time.as_str());
    let mut settings = vec![format!("proxy_connect_timeout {connect}")];
    settings.extend(proxy.read_timeout.as_ref().map(|time| format!("proxy_read_timeout {}", time.as_str())));
    settings.extend(proxy.send_timeout.as_ref().map(|time| format!("proxy_send_timeout {}", time.as_str())));
    settings.extend(proxy.buffering.map(|yes| format!("proxy_buffering {}", on(yes))));
    settings.extend(proxy.request_buffering.map(|yes| format!("proxy_request_buffering {}", on(yes))));
    settings
}

/// The text as a regular expression that matches it alone.
fn escaped(text: &str) -> String {
    let special =
        |c: char| matches!(c, '.' | '*' | '+' | '?' | '(' | ')' | '[' | ']' | '{' | '}' | '|' | '^' | '$' | '\\');
    text.chars().flat_map(|c| special(c).then_some('\\').into_iter().chain([c])).collect()
}

fn root(files: &StaticFiles) -> Vec<String> {
    let mut lines: Vec<String> = files.root.iter().map(|path| format!("root {}", path.word())).collect();
    // Without the slash `/docs../secret` would leave the directory.
    lines.extend(files.alias.as_ref().map(|path| format!("alias {}", word(&format!("{}/", path.as_path().display())))));
    if !files.index.is_empty() {
        let names: Vec<&str> = files.index.iter().map(Name::as_str).collect();
        lines.push(format!("index {}", names.join(" ")));
    }
    lines
}

/// The locations of files: one, or those of an application of one page. Each says the limits, as none inherits from
/// another.
fn file_locations(path: &LocationPath, files: &StaticFiles, limits: &[String], headers: &Headers) -> Vec<LocationView> {
    let view = |path: String, more: Vec<String>| {
        let settings = limits.iter().cloned().chain(more).collect();
        LocationView { path, settings, ..LocationView::default() }
    };
    let tried = |list: &[&str]| format!("try_files {}", list.join(" "));
    let list = files.autoindex.then(|| "autoindex on".to_owned());
    if !files.spa {
        let words: Vec<&str> = files.try_files.iter().map(TryFile::as_str).collect();
        return vec![view(path.words(), list.into_iter().chain((!words.is_empty()).then(|| tried(&words))).collect())];
    }
    let cached = |value: &str| {
        let others = headers.iter().filter(|(name, _)| !name.is("Cache-Control")).map(add_header);
        others.chain([format!("add_header Cache-Control {}", quoted(value))]).collect::<Vec<_>>()
    };
    let base = path.prefix().unwrap_or("/").trim_end_matches('/');
    let index = format!("{base}/{}", files.index.first().map_or("index.html", Name::as_str));
    let deep = view(path.words(), list.into_iter().chain([tried(&["$uri", &index])]).collect());
    let mut views =
        vec![LocationView { assets_or_404: true, ..deep }, view(format!("= {}", word(&index)), cached("no-cache"))];
    let usual = vec![UrlPath::known("/assets/")];
    for folder in files.immutable.as_ref().unwrap_or(&usual) {
        let mut more = cached("public, max-age=31536000, immutable");
        more.push(tried(&["$uri", "=404"]));
        views.push(view(format!("^~ {}", word(&format!("{base}{}", folder.as_str()))), more));
    }
    views
}

fn answer_lines(answer: &Return) -> Vec<String> {
    let code = answer.code.code();
    match (&answer.text, &answer.url) {
        (Some(text), _) => {
            vec!["default_type text/plain".to_owned(), format!("return {code} {}", quoted(text.as_str()))]
        }
        (None, Some(url)) => vec![format!("return {code} {}", url.as_str())],
        (None, None) => vec![format!("return {code}")],
    }
}

/// The directives of rules, headers apart.
fn limits(rules: &Rules<'_>) -> Vec<String> {
    let mut lines = Vec::new();
    lines.extend(rules.client_max_body_size.map(|size| format!("client_max_body_size {}", size.as_str())));
    lines.extend(rules.access_log.map(|log| format!("access_log {}", log.as_str())));
    lines.extend(rules.error_log.map(|log| format!("error_log {}", log.as_str())));
    lines.extend(
        rules.error_page.iter().map(|(codes, page)| format!("error_page {} {}", codes.as_str(), page.as_str())),
    );
    lines.extend(rules.allow.iter().map(|network| format!("allow {}", network.as_str())));
    lines.extend(rules.deny.iter().map(|network| format!("deny {}", network.as_str())));
    if !rules.allow.is_empty() && rules.deny.is_empty() {
        lines.push(format!("deny {}", Network::all().as_str()));
    }
    lines.extend(rules.snippet_file.map(include));
    lines
}

fn include(path: &ConfigPath) -> String {
    format!("include {}", path.word())
}

type Headers = std::collections::BTreeMap<HeaderName, HeaderValue>;

/// The headers of a site with a location's in their place.
fn merged(site: &Headers, own: &Headers) -> Headers {
    let kept = site.iter().filter(|(name, _)| !own.keys().any(|other| other.is(name.as_str())));
    kept.chain(own).map(|(name, value)| (name.clone(), value.clone())).collect()
}

fn add_header((name, value): (&HeaderName, &HeaderValue)) -> String {
    format!("add_header {} {} always", name.as_str(), value.word())
}
