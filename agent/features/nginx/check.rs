//! What is wrong with a `[nginx]` that every single value of is right.

mod served;
mod tls;

use std::collections::{BTreeMap, BTreeSet};

use super::block::Block;
use super::site::Site;
use super::upstream::Upstream;
use super::words::ServerName;
use super::{Feature, Nginx, render};
use crate::engine::Draft;
use crate::facts::Facts;
use crate::problem::{KeyPath, Place, nearest};

/// The templates of a person's own that are nginx's. One that stands in for nothing is a slip of the pen.
pub(super) fn templates(facts: &Facts, plan: &mut Draft) -> BTreeMap<String, String> {
    let known = render::TEMPLATES.map(|template| template.name);
    let own = facts.templates.iter().filter(|(name, _)| name.starts_with("nginx/"));
    let (fit, strange): (Vec<_>, Vec<_>) = own.partition(|(name, _)| known.contains(&name.as_str()));
    for (name, _) in strange {
        let hint = match nearest(name, known) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("there are: {}", known.join(", ")),
        };
        plan.problem(format!("`/etc/hostagent/templates/{name}` stands in for no template"), hint);
    }
    fit.into_iter().map(|(name, text)| (name.clone(), text.clone())).collect()
}

/// What to do when a template cannot be filled in.
pub(super) fn hint_on_templates(own: &BTreeMap<String, String>) -> String {
    let own: Vec<String> = own.keys().map(|name| format!("`{name}`")).collect();
    if own.is_empty() {
        return "this is a mistake in hostagent; please report it".to_owned();
    }
    let own = own.join(", ");
    format!(
        "correct what stands in /etc/hostagent/templates in its place ({own}), or take it away; nothing was written"
    )
}

/// Notes every problem.
pub(super) fn all(nginx: &Nginx, ipv6: bool, plan: &mut Draft) {
    let here = KeyPath::root().key(Nginx::TABLE);
    numbers(nginx, &here, plan);
    upstreams(nginx, &here, plan);
    same_names(nginx, &here, plan);
    same_servers(nginx, ipv6, &here, plan);
    tls::sockets(nginx, ipv6, &here, plan);
    for (at, site) in sites(nginx, &here) {
        if site.config.is_some() {
            alone(site, &at, plan);
            continue;
        }
        names(site, &at, plan);
        tls::site(site, &at, plan);
        paths(site, &at, plan);
        for (index, block) in site.blocks() {
            let place = index.map_or(at.clone(), |number| at.key("locations").index(number));
            served::check(&block, index.is_some(), !site.locations.is_empty(), &place, plan);
            known(nginx, &block, &place, plan);
            people(&block, &place, plan);
            if index.is_some() {
                answers_to_all(site, &block, &place, plan);
            }
        }
    }
}

/// What the schema says of numbers, and nginx only at its next start.
fn numbers(nginx: &Nginx, here: &KeyPath, plan: &mut Draft) {
    let connections = nginx.worker_connections;
    if connections < 16 {
        let says = format!("{connections} connections are too few for a worker to listen and to answer");
        plan.problem_at(here.key("worker_connections"), says, "at least 16; 1024 is the default");
    }
    let Some(real_ip) = &nginx.real_ip else { return };
    let at = here.key("real_ip").key("from");
    if real_ip.from.is_empty() {
        plan.problem_at(
            at.clone(),
            "nobody is believed who asks",
            "add the network in front, such as `\"10.0.0.0/16\"`",
        );
    }
    for (index, _) in real_ip.from.iter().enumerate().filter(|(_, network)| network.as_str() == "all") {
        let hint = "name the network in front, such as `\"10.0.0.0/16\"`: anybody could be anybody else";
        plan.problem_at(at.index(index), "`all` would believe everybody", hint);
    }
}

fn sites<'n>(nginx: &'n Nginx, here: &KeyPath) -> impl Iterator<Item = (KeyPath, &'n Site)> {
    let list = here.key("site");
    nginx.site.iter().enumerate().map(move |(index, site)| (list.index(index), site))
}

/// A site in nginx's own language says everything itself.
fn alone(site: &Site, at: &KeyPath, plan: &mut Draft) {
    let block = site.block();
    let others = !block.serves().is_empty()
        || block.rules.any()
        || site.default_server
        || site.listen.is_some()
        || tls::any(site)
        || site.basic_auth.is_some()
        || site.security_headers.is_some()
        || site.maintenance.is_some()
        || !(site.server_name.is_empty() && site.redirect_from.is_empty() && site.locations.is_empty());
    if others {
        plan.problem_at(
            at.key("config"),
            format!("site `{}` has `config` and other keys", site.name),
            "`config` is the whole file: say the rest in it, or take it out and use `snippet` for single lines",
        );
    }
}

fn names(site: &Site, at: &KeyPath, plan: &mut Draft) {
    if site.certificate.is_none() && site.listen.as_ref().is_some_and(Vec::is_empty) {
        plan.problem_at(
            at.key("listen"),
            format!("site `{}` listens nowhere", site.name),
            "leave `listen` out for port 80",
        );
    }
    if site.server_name.is_empty() && !site.default_server {
        plan.problem_at(
            at.clone(),
            format!("site `{}` has no `server_name`", site.name),
            "name the hosts it answers to, such as `server_name = [\"www.example.org\"]`, or let it take unknown hosts with `default_server = true`",
        );
    }
    if !site.redirect_from.is_empty() && !site.server_name.first().is_some_and(ServerName::is_exact) {
        plan.problem_at(
            at.key("redirect_from"),
            format!("site `{}` has no first `server_name` that is one name, to redirect to", site.name),
            "begin `server_name` with a plain name, such as `www.example.org`",
        );
    }
}

/// People with a password.
fn people(block: &Block<'_>, at: &KeyPath, plan: &mut Draft) {
    let Some(auth) = block.rules.basic_auth else { return };
    let at = at.key("basic_auth");
    if auth.user.is_empty() {
        let hint = "add somebody, such as `{ name = \"ops\", password = { generate = 32 } }`";
        plan.problem_at(at.key("user"), "nobody may come in", hint);
    }
    let mut seen = BTreeSet::new();
    for (index, person) in auth.user.iter().enumerate().filter(|(_, person)| !seen.insert(person.name.as_str())) {
        let says = format!("`{}` is there twice", person.name.as_str());
        plan.problem_at(at.key("user").index(index).key("name"), says, "keep one of them");
    }
    if block.redirect.is_some() || block.answer.is_some() {
        let says = "`basic_auth` does nothing here: nginx answers a redirect or return before it asks who is there";
        plan.problem_at(at, says, "take it out, or serve something");
    }
}

/// A location that answers before the site's rules of who may ask are looked at. One with a name is only for the site
/// itself, such as for its error pages.
fn answers_to_all(site: &Site, block: &Block<'_>, at: &KeyPath, plan: &mut Draft) {
    let key = if block.redirect.is_some() { "redirect" } else { "return" };
    let answers = block.redirect.is_some() || block.answer.is_some();
    if !answers || !site.block().rules.restrict() || block.rules.restrict() || block.path.words().starts_with('@') {
        return;
    }
    let rule = if site.allow.is_empty() { "deny" } else { "allow" };
    plan.problem_at(
        at.key(key),
        format!(
            "`{rule}` of site `{}` does not hold for this `{key}`: nginx answers it before it asks who is there",
            site.name
        ),
        format!("take the location out, or move `{rule}` to the locations that are not for everybody"),
    );
}

/// Two locations for the same paths.
fn paths(site: &Site, at: &KeyPath, plan: &mut Draft) {
    let mut seen: BTreeMap<String, String> = BTreeMap::new();
    if !site.block().serves().is_empty() {
        seen.insert("/".to_owned(), "the site itself".to_owned());
    }
    for (index, location) in site.locations.iter().enumerate() {
        // nginx takes `^~ /x` and `/x` for the same place.
        let words = location.path.words();
        let place = words.strip_prefix("^~ ").unwrap_or(&words).to_owned();
        if let Some(other) = seen.get(&place) {
            let says = format!("`{words}` of site `{}` is already served by {other}", site.name);
            plan.problem_at(at.key("locations").index(index).key("path"), says, "keep one of them");
        } else {
            seen.insert(place, format!("its location {}", index + 1));
        }
    }
}

fn same_names(nginx: &Nginx, here: &KeyPath, plan: &mut Draft) {
    let mut seen: BTreeMap<&str, KeyPath> = BTreeMap::new();
    for (at, site) in sites(nginx, here) {
        if let Some(other) = seen.get(site.name.as_str()) {
            let says = format!("two sites are named `{}`", site.name);
            plan.problem_beside(at.key("name"), Place::Name(other.clone()), says, "give one of them another name");
        } else {
            seen.insert(site.name.as_str(), at);
        }
    }
}

/// Two sites that answer to the same name, or for unknown hosts, on the same socket.
fn same_servers(nginx: &Nginx, ipv6: bool, here: &KeyPath, plan: &mut Draft) {
    let mut taken: BTreeMap<(String, Option<&str>), &Site> = BTreeMap::new();
    for (at, site) in sites(nginx, here) {
        let named =
            site.server_name.iter().enumerate().map(|(index, name)| (at.key("server_name").index(index), Some(name)));
        let moved = site
            .redirect_from
            .iter()
            .enumerate()
            .map(|(index, name)| (at.key("redirect_from").index(index), Some(name)));
        let unknown = site.default_server.then(|| (at.key("default_server"), None));
        for (place, name) in named.chain(moved).chain(unknown) {
            for socket in site.sockets(ipv6).into_iter().chain(site.tls_sockets(ipv6)) {
                let Some(other) = taken.insert((socket.to_string(), name.map(ServerName::as_str)), site) else {
                    continue;
                };
                let who = if std::ptr::eq(other, site) {
                    "the same site".to_owned()
                } else {
                    format!("site `{}`", other.name)
                };
                let (says, hint) = match name {
                    Some(known) => (
                        format!("`{}` on `{socket}` is already answered by {who}", known.as_str()),
                        "nginx would never ask the second one: take the name out of one, or let one listen elsewhere",
                    ),
                    None => (
                        format!("unknown hosts on `{socket}` already go to {who}"),
                        "keep `default_server = true` in one site, or let one listen elsewhere",
                    ),
                };
                plan.problem_at(place.clone(), says, hint);
                break;
            }
        }
    }
}

fn upstreams(nginx: &Nginx, here: &KeyPath, plan: &mut Draft) {
    let mut seen: BTreeMap<&str, KeyPath> = BTreeMap::new();
    for (index, group) in nginx.upstream.iter().enumerate() {
        let at = here.key("upstream").index(index);
        let Upstream { name, servers, strategy, .. } = group;
        if name.is_id() {
            let hint = "a name of its own, such as `backend`";
            plan.problem_at(at.key("name"), format!("`{name}` is an id and cannot name an upstream"), hint);
        }
        if let Some(other) = seen.get(name.as_str()) {
            let says = format!("two upstreams are named `{name}`");
            plan.problem_beside(at.key("name"), Place::Name(other.clone()), says, "give one of them another name");
        }
        let of_site = nginx.site.iter().find(|site| name.as_str().strip_prefix(site.name.as_str()).is_some_and(is_own));
        if let Some(site) = of_site {
            let says = format!("`{name}` is what hostagent names the servers of site `{}`", site.name);
            plan.problem_at(at.key("name"), says, "give the upstream another name");
        }
        served::servers(servers, strategy.as_ref(), &at.key("servers"), plan);
        seen.insert(name.as_str(), at);
    }
}

/// Whether it is what follows the name of a site in the names of its own groups.
fn is_own(rest: &str) -> bool {
    rest.strip_prefix("_backend").is_some_and(|number| number.is_empty() || number.starts_with('_'))
}

/// A group of servers that nobody declares.
fn known(nginx: &Nginx, block: &Block<'_>, at: &KeyPath, plan: &mut Draft) {
    let Some(name) = block.upstream_name() else { return };
    let place = if block.upstream.is_some() { at.key("upstream") } else { at.key("proxy").key("upstream") };
    if name.is_id() {
        let hint = "this version knows no apps and containers: declare an `[[nginx.upstream]]` and name that";
        return plan.problem_at(place, format!("nothing brings the servers of `{name}`"), hint);
    }
    let declared = || nginx.upstream.iter().map(|group| group.name.as_str());
    if declared().any(|known| known == name.as_str()) || !plan.is_whole() {
        return;
    }
    let hint = match nearest(name.as_str(), declared()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("declare it: `[[nginx.upstream]]` with `name = \"{name}\"` and `servers`"),
    };
    plan.problem_at(place, format!("upstream `{name}` is not declared"), hint);
}
