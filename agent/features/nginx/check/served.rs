//! What a site or location serves: exactly one thing, and that with keys that go together.

use crate::engine::Draft;
use crate::features::nginx::block::Block;
use crate::features::nginx::proxy::{Backend, Protocol, Proxy};
use crate::features::nginx::site::Return;
use crate::features::nginx::static_files::StaticFiles;
use crate::features::nginx::words::{LocationPath, Strategy};
use crate::problem::KeyPath;

const WHAT: &str = "`proxy`, `upstream`, `static`, `redirect`, `return`";

/// Checks a site or one of its locations.
pub(super) fn check(block: &Block<'_>, is_location: bool, has_locations: bool, at: &KeyPath, plan: &mut Draft) {
    let serves = block.serves();
    let what = if is_location { format!("location `{}`", block.path.words()) } else { "the site".to_owned() };
    match serves.as_slice() {
        [] if is_location && !block.rules.any() => {
            plan.problem_at(
                at.clone(),
                format!("{what} says nothing"),
                format!("one of {WHAT}, or a rule such as `deny`"),
            );
        }
        [] if !is_location && !has_locations => {
            plan.problem_at(at.clone(), format!("{what} serves nothing"), format!("one of {WHAT}, or `locations`"));
        }
        [first, second, ..] => {
            let says = format!("{what} serves two things: `{first}` and `{second}`");
            plan.problem_at(at.key(*second), says, "keep one; `locations` serve other things below it");
        }
        _ => {}
    }
    if (block.redirect.is_some() || block.answer.is_some()) && block.rules.restrict() {
        let key = if block.rules.allow.is_empty() { "deny" } else { "allow" };
        let says = format!("`{key}` does nothing here: nginx answers a redirect or return before it asks who is there");
        plan.problem_at(at.key(key), says, "take it out, or move what may be seen into `locations`");
    }
    if let Some(path) = block
        .rules
        .snippet_file
        .filter(|path| !["/etc/hostagent", "/etc/nginx"].iter().any(|top| path.as_path().starts_with(top)))
    {
        let says = format!("`{}` is not a place for a snippet", path.as_path().display());
        plan.problem_at(at.key("snippet_file"), says, "put it under `/etc/hostagent/` or `/etc/nginx/`");
    }
    if block.rules.connections_per_address == Some(0) {
        let says = "nobody could ask with 0 connections";
        plan.problem_at(at.key("connections_per_address"), says, "1 or more; `deny = [\"all\"]` for nobody");
    }
    if let Some(proxy) = block.proxy {
        self::proxy(proxy, &block.path, &at.key("proxy"), plan);
    }
    if let Some(files) = block.files {
        static_files(files, &block.path, is_location, &at.key("static"), plan);
    }
    if let Some(answer) = block.answer {
        self::answer(answer, &at.key("return"), plan);
    }
}

fn proxy(proxy: &Proxy, path: &LocationPath, at: &KeyPath, plan: &mut Draft) {
    let ways =
        [("to", !proxy.to.is_empty()), ("service", proxy.service.is_some()), ("upstream", proxy.upstream.is_some())];
    let given: Vec<&str> = ways.into_iter().filter_map(|(key, given)| given.then_some(key)).collect();
    match given.as_slice() {
        [] => plan.problem_at(
            at.clone(),
            "the proxy leads nowhere",
            "one of `to = [\"127.0.0.1:3000\"]`, `service` or `upstream`",
        ),
        [first, second, ..] => {
            plan.problem_at(
                at.key(*second),
                format!("the proxy leads to two things: `{first}` and `{second}`"),
                "keep one",
            );
        }
        [_] => {}
    }
    if proxy.service.is_some() {
        if proxy.port.is_none() {
            plan.problem_at(at.key("service"), "`service` has no `port`", "add it, such as `port = 3000`");
        }
        if proxy.resolver.as_ref().is_none_or(|servers| servers.is_empty()) {
            let hint = "add the address of a name server, such as `resolver = \"10.0.0.2\"` (a VPC's is its network's third address, or `169.254.169.253`)";
            plan.problem_at(
                at.key("service"),
                "`service` has no `resolver`: nginx does not read /etc/resolv.conf",
                hint,
            );
        }
    }
    let needs = |only: &str, keys: &[(&'static str, bool)], has: bool, plan: &mut Draft| {
        for (key, _) in keys.iter().filter(|(_, given)| *given && !has) {
            plan.problem_at(
                at.key(*key),
                format!("`{key}` counts only beside `{only}`"),
                format!("take it out, or add `{only}`"),
            );
        }
    };
    if proxy.port == Some(0) {
        plan.problem_at(at.key("port"), "there is no port 0", "such as `port = 3000`");
    }
    let of_service = [
        ("port", proxy.port.is_some()),
        ("resolver", proxy.resolver.is_some()),
        ("resolver_valid", proxy.resolver_valid.is_some()),
        ("resolver_ipv6", proxy.resolver_ipv6),
    ];
    needs("service", &of_service, proxy.service.is_some(), plan);
    needs(
        "to",
        &[("strategy", proxy.strategy.is_some()), ("keepalive", proxy.keepalive.is_some())],
        !proxy.to.is_empty(),
        plan,
    );
    for (index, backend) in proxy.to.iter().enumerate() {
        let (Some(name), Some(port)) = (backend.0.address.dns_name(), backend.0.address.port()) else { continue };
        plan.problem_at(
            at.key("to").index(index),
            format!("`{name}` is a name: nginx would look it up once, and not start while it is unknown"),
            format!("`proxy = {{ service = \"{name}\", port = {port}, resolver = \"10.0.0.2\" }}` looks it up again and again"),
        );
    }
    servers(&proxy.to, proxy.strategy.as_ref(), &at.key("to"), plan);
    speaks(proxy, at, plan);
    if proxy.path.is_some() && path.prefix().is_none() {
        let says = format!("`{}` has no beginning that `path` could replace", path.words());
        plan.problem_at(at.key("path"), says, "a location such as `/api/` has");
    }
}

/// Keys that a protocol has no directive for.
fn speaks(proxy: &Proxy, at: &KeyPath, plan: &mut Draft) {
    let name = proxy.protocol.prefix();
    let keys = [
        ("path", proxy.path.is_some(), proxy.protocol != Protocol::Http),
        ("buffering", proxy.buffering.is_some(), proxy.protocol == Protocol::Grpc),
        ("request_buffering", proxy.request_buffering.is_some(), proxy.protocol == Protocol::Grpc),
    ];
    for (key, ..) in keys.into_iter().filter(|(_, given, without)| *given && *without) {
        plan.problem_at(at.key(key), format!("nginx has no `{key}` for `{name}`"), "take it out");
    }
}

/// Checks the servers of a group.
pub(super) fn servers(servers: &[Backend], strategy: Option<&Strategy>, at: &KeyPath, plan: &mut Draft) {
    for (index, _) in servers.iter().enumerate().filter(|(_, server)| server.0.weight == Some(0)) {
        let hint = "1 or more; `backup = true` for one that only helps out, or take it out";
        plan.problem_at(at.index(index).key("weight"), "a server of weight 0 gets nothing", hint);
    }
    if let Some(refusing) = strategy.filter(|it| it.refuses_backup()) {
        for (index, _) in servers.iter().enumerate().filter(|(_, server)| server.0.backup) {
            let says = format!("nginx has no `backup` servers with `{}`", refusing.as_str());
            plan.problem_at(at.index(index), says, "take `backup` out, or use `least_conn` or turns");
        }
    }
    if at.last_key() == Some("servers") && servers.is_empty() {
        plan.problem_at(at.clone(), "the upstream has no servers", "add one, such as `\"127.0.0.1:3000\"`");
    }
    if !servers.is_empty() && servers.iter().all(|server| server.0.backup) {
        plan.problem_at(at.clone(), "every server is a backup, for none", "let one be without `backup`");
    }
}

fn static_files(files: &StaticFiles, path: &LocationPath, is_location: bool, at: &KeyPath, plan: &mut Draft) {
    let folder = path.prefix().is_some_and(|prefix| prefix.ends_with('/'));
    match (&files.root, &files.alias) {
        (None, None) => {
            plan.problem_at(at.clone(), "no directory is named", "add `root`, such as `root = \"/srv/www/app\"`");
        }
        (Some(_), Some(_)) => plan.problem_at(at.key("alias"), "`root` and `alias` are both given", "keep one"),
        (None, Some(_)) if !is_location => plan.problem_at(at.key("alias"), "`alias` is for locations", "use `root`"),
        (None, Some(_)) if !folder => {
            let says = format!("`alias` would stand for `{}`, which is no folder", path.words());
            plan.problem_at(at.key("alias"), says, "end the location's path with `/`");
        }
        _ => {}
    }
    scripts(files, path, at, plan);
    if files.spa {
        if files.max_age.is_some() {
            let hint = "take it out; `immutable` names the folders that browsers may keep for a year";
            plan.problem_at(at.key("max_age"), "`spa` says itself how long files may be kept", hint);
        }
        if files.alias.is_some() {
            plan.problem_at(
                at.key("spa"),
                "`spa` does not go with `alias`",
                "use `root`, with the location's path as a folder in it",
            );
        }
        if !files.try_files.is_empty() {
            plan.problem_at(at.key("try_files"), "`spa` says itself what is tried", "take `try_files` or `spa` out");
        }
        if !folder {
            let says = format!("`{}` is no folder that an application could live in", path.words());
            plan.problem_at(at.key("spa"), says, "end the location's path with `/`");
        }
    } else if files.immutable.is_some() {
        plan.problem_at(
            at.key("immutable"),
            "`immutable` counts only beside `spa = true`",
            "take it out, or add `spa = true`",
        );
    }
}

fn scripts(files: &StaticFiles, path: &LocationPath, at: &KeyPath, plan: &mut Draft) {
    if files.php.is_none() {
        return;
    }
    if files.spa {
        plan.problem_at(at.key("php"), "`spa` and `php` both take every path that is no file", "keep one of them");
    }
    if files.alias.is_some() {
        let hint = "use `root`, with the location's path as a folder in it";
        plan.problem_at(at.key("php"), "`php` does not go with `alias`: php-fpm would not find the scripts", hint);
    }
    if path.prefix().is_none() {
        let says = format!("`{}` has no beginning that scripts could be below", path.words());
        plan.problem_at(at.key("php"), says, "a location such as `/blog/` has");
    }
}

fn answer(answer: &Return, at: &KeyPath, plan: &mut Draft) {
    let code = answer.code.code();
    match (&answer.text, &answer.url) {
        (Some(_), Some(_)) => plan.problem_at(at.key("url"), "`text` and `url` are both given", "keep one"),
        (_, None) if answer.code.redirects() => {
            plan.problem_at(
                at.key("code"),
                format!("{code} leads elsewhere, and no `url` says where"),
                "add `url = \"https://…\"`",
            );
        }
        (None, Some(_)) if !answer.code.redirects() => {
            plan.problem_at(at.key("url"), format!("{code} leads nowhere"), "use 301, 302, 303, 307 or 308 with `url`");
        }
        _ => {}
    }
}
