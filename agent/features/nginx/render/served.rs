//! What a site's `server` block says and its locations.

use super::groups::Groups;
use super::headers::{self, Headers, add_header, merged};
use super::indented;
use crate::features::nginx::block::{Block, Rules};
use crate::features::nginx::here::Here;
use crate::features::nginx::limits::Limits;
use crate::features::nginx::proxy::{Protocol, Proxy};
use crate::features::nginx::site::{Return, Site};
use crate::features::nginx::static_files::StaticFiles;
use crate::features::nginx::view::{LocationView, ProxyView};
use crate::features::nginx::words::{
    ConfigPath, LocationPath, Name, Network, NextUpstream, Resolver, TryFile, UrlPath, quoted, word,
};
use crate::terms::Period;

/// What stands in a `server` block.
#[derive(Debug)]
pub(super) struct Served {
    /// What limits are counted in.
    pub(super) zones: Vec<String>,
    pub(super) settings: Vec<String>,
    pub(super) proxy_headers: Option<Vec<String>>,
    pub(super) locations: Vec<LocationView>,
}

/// Everything of a site.
pub(super) fn all(site: &Site, here: &Here, groups: &mut Groups) -> Served {
    let own = site.block();
    let headers = headers::of(site, here);
    let proxies = || site.blocks().filter_map(|(_, block)| proxy_of(&block));
    // The first proxy's headers stand once for the site; a location with other headers says all of its own again, because
    // nginx inherits either all or none.
    let proxy_headers = proxies().find(|proxy| proxy.protocol == Protocol::Http).map(|proxy| proxy.headers());
    let throttle = Limits::of(site.name.as_str(), None, &own.rules);
    let mut settings = limits(&own.rules);
    settings.extend(throttle.lines);
    settings.extend(site.basic_auth.iter().flat_map(|auth| auth.lines(&site.name, None)));
    settings.extend(headers.iter().map(add_header));
    if headers::speaks_for_applications(site) {
        let mut prefixes: Vec<&str> = proxies().map(|proxy| proxy.protocol.prefix()).collect();
        prefixes.extend(site.blocks().filter_map(|(_, block)| block.files?.php.as_ref()).map(|_| "fastcgi"));
        prefixes.sort_unstable();
        prefixes.dedup();
        settings.extend(prefixes.iter().map(|prefix| format!("{prefix}_hide_header Strict-Transport-Security")));
    }
    let mut served = Served { zones: throttle.zones, settings, proxy_headers, locations: Vec::new() };
    // A `return` beside locations, or other questions, would answer before nginx looks at them; a snippet may bring some.
    let alone = site.locations.is_empty()
        && site.certificate.is_none()
        && own.rules.snippet.is_none()
        && own.rules.snippet_file.is_none()
        && here.thumbprint.is_none();
    let views = site_serves(&mut served, &own, alone, &headers, groups);
    served.locations.extend(views);
    for (number, location) in (1..).zip(&site.locations) {
        let block = location.block();
        let throttle = Limits::of(site.name.as_str(), Some(number), &block.rules);
        let auth = location.basic_auth.iter().flat_map(|auth| auth.lines(&site.name, Some(number)));
        let lines: Vec<String> = throttle.lines.into_iter().chain(auth).collect();
        let views = below(&block, &headers, &lines, served.proxy_headers.as_deref(), groups);
        served.zones.extend(throttle.zones);
        served.locations.extend(views);
    }
    served
}

/// Of a site that is closed for a while: nothing but that, and whether nginx is well.
pub(super) fn closed(site: &Site, here: &Here, health_path: &UrlPath, retry_after: u64) -> Served {
    let own = site.block();
    let logs = Rules { allow: &[], deny: &[], snippet_file: None, error_page: &headers::NO_PAGES, ..own.rules };
    let mut settings = limits(&logs);
    settings.extend(headers::of(site, here).iter().filter(|(name, _)| !name.is("Retry-After")).map(add_header));
    settings.push(format!("add_header Retry-After {retry_after} always"));
    let plain = |path: String, lines: &[&str]| LocationView {
        path,
        settings: lines.iter().map(|line| (*line).to_owned()).collect(),
        ..LocationView::default()
    };
    let healthy = ["access_log off", "default_type text/plain", "return 200 \"ok\\n\""];
    let locations =
        vec![plain(format!("= {}", health_path.as_str()), &healthy), plain("/".to_owned(), &["return 503"])];
    Served { zones: Vec::new(), settings, proxy_headers: None, locations }
}

/// What the site itself serves: in the `server` block where that is enough, else in `location /`.
fn site_serves(
    served: &mut Served,
    own: &Block<'_>,
    alone: bool,
    headers: &Headers,
    groups: &mut Groups,
) -> Vec<LocationView> {
    if let Some(files) = own.files {
        served.settings.extend(root(files));
        let mut views = file_locations(&LocationPath::root(), files, &[], headers);
        // What nests nothing may as well stand in the `server` block.
        if !files.spa && files.dot_files && files.php.is_none() && files.try_files.is_empty() {
            served.settings.extend(views.drain(..).flat_map(|view| view.settings));
        }
        return views;
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
fn below(
    block: &Block<'_>,
    site_headers: &Headers,
    lines: &[String],
    headers: Option<&[String]>,
    groups: &mut Groups,
) -> Vec<LocationView> {
    let limits: Vec<String> = limits(&block.rules).into_iter().chain(lines.iter().cloned()).collect();
    let mut views = match block.files {
        Some(files) => {
            let settings: Vec<String> = limits.into_iter().chain(root(files)).collect();
            file_locations(&block.path, files, &settings, &merged(site_headers, block.rules.add_header))
        }
        None => vec![LocationView { path: block.path.words(), settings: limits, ..LocationView::default() }],
    };
    if let Some(view) = views.first_mut() {
        // nginx inherits either all headers or none, so one of its own brings the site's along.
        if !block.rules.add_header.is_empty() {
            view.settings.extend(merged(site_headers, block.rules.add_header).iter().map(add_header));
        }
        let prefix = block.path.prefix().unwrap_or("/");
        view.proxy = proxy_of(block).map(|proxy| proxy_view(&proxy, prefix, headers, groups));
        view.settings.extend(block.redirect.map(|url| format!("return 308 {}", url.keeping_request())));
        view.settings.extend(block.answer.map(answer_lines).unwrap_or_default());
    }
    // Each of an application's locations: one without it would be a way around a snippet that asks who is there.
    for view in &mut views {
        view.snippet = block.rules.snippet.map(|text| indented(text, 8));
        if view.assets_or_404 || view.php.is_some() {
            view.nested_include = block.rules.snippet_file.map(include);
            view.nested_snippet = block.rules.snippet.map(|text| indented(text, 12));
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
    let whom = match (&proxy.upstream, &looked_up) {
        // With a variable nginx takes the path as it is then; `rewrite` changes it before.
        (_, Some(_)) => "$hostagent_backend".to_owned(),
        (Some(name), None) => format!("{}{path}", name.in_config()),
        (None, None) => format!("{}{path}", groups.name_for(proxy)),
    };
    let pass = match proxy.protocol {
        Protocol::Http => format!("proxy_pass http://{whom}"),
        Protocol::Grpc => format!("grpc_pass grpc://{whom}"),
        Protocol::Uwsgi => format!("uwsgi_pass {whom}"),
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
    let inherits = proxy.protocol == Protocol::Http && site_headers == Some(wanted.as_slice());
    let headers = if inherits { Vec::new() } else { wanted };
    ProxyView { resolver, looked_up, rewrite, pass, settings: proxy_settings(proxy), headers }
}

fn proxy_settings(proxy: &Proxy) -> Vec<String> {
    let on = |yes: bool| if yes { "on" } else { "off" };
    let prefix = proxy.protocol.prefix();
    let mut settings: Vec<String> =
        (proxy.protocol == Protocol::Uwsgi).then(|| "include uwsgi_params".to_owned()).into_iter().collect();
    let mut say = |directive: &str, value: Option<String>| {
        settings.extend(value.map(|value| format!("{prefix}_{directive} {value}")));
    };
    let time = |period: &Option<Period>| period.as_ref().map(|time| time.as_str().to_owned());
    say("connect_timeout", Some(time(&proxy.connect_timeout).unwrap_or_else(|| "5s".to_owned())));
    say("read_timeout", time(&proxy.read_timeout));
    say("send_timeout", time(&proxy.send_timeout));
    let reasons: Vec<&str> = proxy.next_upstream.iter().map(NextUpstream::as_str).collect();
    say("next_upstream", (!reasons.is_empty()).then(|| reasons.join(" ")));
    let several = proxy.to.len() > 1 || proxy.upstream.is_some();
    let tries = proxy.next_upstream_tries.or(several.then_some(2));
    say("next_upstream_tries", tries.map(|tries| tries.to_string()));
    say("buffering", proxy.buffering.map(|yes| on(yes).to_owned()));
    say("request_buffering", proxy.request_buffering.map(|yes| on(yes).to_owned()));
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
    let mut names: Vec<&str> = files.index.iter().map(Name::as_str).collect();
    if files.php.is_some() && names.is_empty() {
        names = vec!["index.php", "index.html"];
    }
    if !names.is_empty() {
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
    // Only below a beginning of paths there may be other locations.
    let nests = path.prefix().is_some();
    let hides_dot_files = nests && !files.dot_files;
    if !files.spa {
        let mut words: Vec<&str> = files.try_files.iter().map(TryFile::as_str).collect();
        let base = path.prefix().unwrap_or("/").trim_end_matches('/');
        let front = format!("{base}/index.php$is_args$args");
        if files.php.is_some() && words.is_empty() {
            words = vec!["$uri", "$uri/", &front];
        }
        let tried = (!words.is_empty()).then(|| tried(&words));
        let kept = files.max_age.as_ref().map(|time| format!("expires {}", time.as_str()));
        let php = files.php.as_ref().filter(|_| nests).map(|place| place.as_str().to_owned());
        let whole = view(path.words(), list.into_iter().chain(kept).chain(tried).collect());
        return vec![LocationView { hides_dot_files, kept: files.max_age.is_some(), php, ..whole }];
    }
    let cached = |value: &str| {
        let others = headers.iter().filter(|(name, _)| !name.is("Cache-Control")).map(add_header);
        others.chain([format!("add_header Cache-Control {}", quoted(value))]).collect::<Vec<_>>()
    };
    let base = path.prefix().unwrap_or("/").trim_end_matches('/');
    let index = format!("{base}/{}", files.index.first().map_or("index.html", Name::as_str));
    let deep = view(path.words(), list.into_iter().chain([tried(&["$uri", &index])]).collect());
    let mut views = vec![
        LocationView { assets_or_404: true, hides_dot_files, ..deep },
        view(format!("= {}", word(&index)), cached("no-cache")),
    ];
    let usual = vec![UrlPath::known("/assets/")];
    for folder in files.immutable.as_ref().unwrap_or(&usual) {
        let mut more = cached("public, max-age=31536000, immutable");
        more.push(tried(&["$uri", "=404"]));
        let folder = view(format!("^~ {}", word(&format!("{base}{}", folder.as_str()))), more);
        views.push(LocationView { hides_dot_files, ..folder });
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
