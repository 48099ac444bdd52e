//! What goes together with `certificate`, and what does not go without.

use std::collections::BTreeMap;

use crate::engine::Draft;
use crate::features::nginx::Nginx;
use crate::features::nginx::site::Site;
use crate::features::nginx::tls::Hsts;
use crate::features::nginx::words::{ServerName, Socket};
use crate::problem::KeyPath;

/// Whether any key of TLS is given.
pub(super) fn any(site: &Site) -> bool {
    site.certificate.is_some() || !given(site).is_empty()
}

/// The keys that count only beside `certificate`.
fn given(site: &Site) -> Vec<&'static str> {
    let keys = [
        ("listen_tls", site.listen_tls.is_some()),
        ("http3", site.http3),
        ("hsts", site.hsts != Hsts::default()),
        ("hsts_include_subdomains", site.hsts_include_subdomains),
        ("hsts_preload", site.hsts_preload),
    ];
    keys.into_iter().filter_map(|(key, given)| given.then_some(key)).collect()
}

/// Checks a site.
pub(super) fn site(site: &Site, at: &KeyPath, plan: &mut Draft) {
    if site.certificate.is_none() {
        for key in given(site) {
            let says = format!("`{key}` counts only beside `certificate`");
            plan.problem_at(at.key(key), says, "take it out, or name a certificate, such as `certificate = \"api\"`");
        }
        if site.sockets(false).iter().any(|socket| socket.port() == Some(443)) {
            plan.problem_at(
                at.key("listen"),
                format!("port 443 of site `{}` would speak plain HTTP", site.name),
                "name its certificate, such as `certificate = \"api\"`, and leave `listen` out; or listen on another port",
            );
        }
        return;
    }
    if site.listen_tls.as_ref().is_some_and(Vec::is_empty) {
        let says = format!("site `{}` has a certificate and listens nowhere with TLS", site.name);
        plan.problem_at(at.key("listen_tls"), says, "leave `listen_tls` out for port 443");
    }
    if site.default_server && !site.sockets(false).is_empty() && !site.server_name.iter().any(ServerName::is_exact) {
        plan.problem_at(
            at.key("default_server"),
            format!("site `{}` has no name that requests without TLS could be redirected to", site.name),
            "begin `server_name` with a plain name, such as `www.example.org`, or listen only with TLS: `listen = []`",
        );
    }
    if site.hsts_preload && (!site.hsts_include_subdomains || site.hsts == Hsts::Off) {
        plan.problem_at(
            at.key("hsts_preload"),
            "the lists of browsers take only names that insist on TLS with all names below",
            "add `hsts_include_subdomains = true`, or take it out",
        );
    }
    let off = site.hsts == Hsts::Off && site.hsts_include_subdomains && !site.hsts_preload;
    if off {
        let says = "`hsts_include_subdomains` does nothing with `hsts = \"off\"`";
        plan.problem_at(at.key("hsts_include_subdomains"), says, "take one of them out");
    }
}

/// A socket that speaks TLS for one site and not for another.
pub(super) fn sockets(nginx: &Nginx, ipv6: bool, here: &KeyPath, plan: &mut Draft) {
    let plain: BTreeMap<Socket, &Site> =
        nginx.site.iter().flat_map(|site| site.sockets(ipv6).into_iter().map(move |socket| (socket, site))).collect();
    for (at, site) in super::sites(nginx, here) {
        let tls = site.tls_sockets(ipv6);
        if let Some((socket, other)) = tls.iter().find_map(|socket| Some((socket, plain.get(socket)?))) {
            let key = if site.listen_tls.is_some() { "listen_tls" } else { "certificate" };
            plan.problem_at(
                at.key(key),
                format!("`{socket}` speaks TLS here, and site `{}` listens there without", other.name),
                "give one of them another port",
            );
        }
    }
}
