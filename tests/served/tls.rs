//! What is served over TLS, and what those get who come without, by another name, or with no name at all.

use crate::lab::acme::Acme;
use crate::lab::network::MACHINE;
use crate::lab::{Machine, Said};

pub(super) const RECIPE: &str = r#"
format = 1
[host]
packages = ["curl", "openssl"]
[nginx]
access_log = "/var/log/nginx/access.log json"
real_ip = { from = ["10.0.0.9/32"] }
[[nginx.site]]
name = "shop"
server_name = ["shop.example.org"]
redirect_from = ["www.shop.example.org"]
certificate = "shop"
add_header = { X-Shop = "open" }
proxy = { to = ["127.0.0.1:4101"] }
locations = [{ path = "/quiet/", add_header = { Cache-Control = "no-store" }, proxy = { to = ["127.0.0.1:4101"] } }]
[[nginx.site]]
name = "young"
server_name = ["young.example.org"]
certificate = "young"
rate_limit = { rate = "1r/m", burst = 1 }
static = { root = "/srv/www/young" }
[[nginx.site]]
name = "people"
server_name = ["people.example.org"]
certificate = "shop"
basic_auth = { user = [{ name = "ops", password = { generate = 32 } }] }
static = { root = "/srv/www/people" }
[tls]
issuer = { directory = "https://acme.lab:14000/dir", root = "/root/acme.pem" }
[[tls.certificate]]
name = "shop"
domains = ["shop.example.org", "www.shop.example.org", "people.example.org"]
[[tls.certificate]]
name = "young"
domains = ["young.example.org"]
issuer = "self-signed"
"#;

/// A machine before a CA to which the names of the sites lead.
pub(super) fn before_a_ca(debian: u8) -> Machine {
    let host =
        Machine::debian(debian).with_packages(["nginx", "curl", "openssl", "strace"]).with_acme(Acme::new()).boot();
    host.write("/root/acme.pem", &host.acme().root_pem());
    host.write("/root/ca.pem", &host.acme().issued_root_pem());
    for name in ["shop.example.org", "www.shop.example.org", "people.example.org"] {
        host.acme().dns().a(name, MACHINE);
    }
    host
}

/// What curl gets from a name that leads here: headers and body.
fn asked(host: &Machine, options: &str, url: &str) -> Said {
    let name = url.split("://").nth(1).unwrap().split('/').next().unwrap();
    let here = format!("--resolve {name}:443:127.0.0.1 --resolve {name}:80:127.0.0.1");
    host.sh(&format!("curl -sSi --max-time 10 {here} {options} '{url}'"))
}

pub(super) fn with_tls(host: &Machine) {
    let app = host.backend("127.0.0.1:4101", "the shop");
    let trusted = "--cacert /root/ca.pem";
    let page = asked(host, trusted, "https://shop.example.org/").succeeds();
    let page = page.says("HTTP/2 200").says("the shop").says("x-shop: open");
    let page = page.says("strict-transport-security: max-age=300").says("x-frame-options: SAMEORIGIN");
    page.says("x-content-type-options: nosniff").says("referrer-policy: strict-origin-when-cross-origin");
    assert_eq!(app.last_request().header("X-Forwarded-Proto"), "https");

    let quiet = asked(host, trusted, "https://shop.example.org/quiet/x").says("cache-control: no-store");
    quiet.says("strict-transport-security: max-age=300").says("x-shop: open").says("x-frame-options: SAMEORIGIN");

    let old = asked(host, &format!("{trusted} --tls-max 1.2"), "https://shop.example.org/");
    old.succeeds().says("the shop");
    // The client would speak it: the server does not.
    let older = format!("{trusted} --tlsv1.0 --tls-max 1.1 --ciphers DEFAULT@SECLEVEL=0");
    asked(host, &older, "https://shop.example.org/").fails().says("protocol version");
}

pub(super) fn without_tls_it_is_redirected(host: &Machine) {
    let said = |url: &str, to: &str| {
        asked(host, "", url).says("HTTP/1.1 308").says(&format!("Location: {to}\r\n"));
    };
    said("http://shop.example.org/cart?item=7", "https://shop.example.org/cart?item=7");
    said("http://www.shop.example.org/cart", "https://shop.example.org/cart");
    let moved = asked(host, "--cacert /root/ca.pem", "https://www.shop.example.org/cart");
    let moved = moved.says("HTTP/2 308").says("location: https://shop.example.org/cart\r\n");
    moved.says("strict-transport-security: max-age=300");
}

pub(super) fn a_challenge_is_answered_by_every_host(host: &Machine) {
    let token = "LoqXcYV8q5ONbJQxbmR7SCTNo3tiAXDfowyjxAjEuX0";
    let thumbprint = host.read("/var/lib/hostagent/tls/account/thumbprint");
    for name in ["shop.example.org", "www.shop.example.org", "nobody.example.org"] {
        let url = format!("http://{name}/.well-known/acme-challenge/{token}");
        let answer = host.get(&url).is(200);
        assert_eq!(answer.body, format!("{token}.{}", thumbprint.trim()), "{url}");
        for wrong in ["short", "../../etc/passwd", "%24host_and_more_of_it"] {
            let url = format!("http://{name}/.well-known/acme-challenge/{wrong}");
            let answer = host.ask(&url, &[]);
            assert!(answer.is_err() || answer.is_ok_and(|answer| answer.status != 200), "{url}");
        }
    }
}

pub(super) fn others_get_nothing(host: &Machine) {
    host.get("http://nobody.example.org/healthz").is(200).says("ok");
    assert!(host.ask("http://nobody.example.org/", &[]).is_err(), "unknown hosts get no answer");
    let unknown = asked(host, "-k", "https://nobody.example.org/").fails();
    assert!(unknown.stderr.contains("unrecognized name"), "{unknown}");
    let other = asked(host, "--cacert /root/ca.pem -H 'Host: people.example.org'", "https://shop.example.org/");
    other.says("HTTP/2 421");
}

pub(super) fn a_certificate_that_nobody_trusts_binds_nobody_and_who_asks_too_often_waits(host: &Machine) {
    host.write("/srv/www/young/index.html", "young");
    asked(host, "--cacert /root/ca.pem", "https://young.example.org/").fails();
    for _ in 0..2 {
        asked(host, "-k", "https://young.example.org/").says("HTTP/2 200").says_not("strict-transport");
    }
    let refused = asked(host, "-k", "https://young.example.org/").says("HTTP/2 429");
    refused.says("retry-after: 30").says("x-frame-options: SAMEORIGIN");
}

pub(super) fn only_people_with_a_password_come_in(host: &Machine) {
    host.write("/srv/www/people/index.html", "inside");
    host.write("/srv/www/people/.secret", "hidden");
    let trusted = "--cacert /root/ca.pem";
    asked(host, trusted, "https://people.example.org/").says("HTTP/2 401").says_not("inside");
    asked(host, &format!("{trusted} -u ops:wrong"), "https://people.example.org/").says("HTTP/2 401");
    let word = host.sh("cat /etc/hostagent/secrets/nginx.site.people.ops").succeeds().text().to_owned();
    let with = format!("{trusted} -u ops:{word}");
    asked(host, &with, "https://people.example.org/").says("HTTP/2 200").says("inside");
    asked(host, &with, "https://people.example.org/.secret").says("HTTP/2 404").says_not("hidden");
    assert!(!host.read("/etc/nginx/hostagent.d/people.people").contains(&word));
    host.sh("stat -c '%a %U:%G' /etc/nginx/hostagent.d/people.people").prints("640 root:www-data");
}

/// Each line of the log is an object with what a person looks for.
pub(super) fn requests_are_logged_as_json(host: &Machine) {
    let log = host.read("/var/log/nginx/access.log");
    let line = log.lines().find(|line| line.contains("/quiet/x")).unwrap();
    let request: serde_json::Value = serde_json::from_str(line).unwrap();
    assert_eq!(request["request_id"].as_str().unwrap().len(), 32, "{line}");
    assert_eq!((&request["status"], &request["upstream"]), (&200.into(), &"127.0.0.1:4101".into()), "{line}");
    assert!(request["upstream_seconds"].as_str().unwrap().parse::<f64>().is_ok(), "{line}");
}

/// One word closes a site; load balancers still see that nginx is well.
pub(super) fn a_closed_site_says_so(host: &Machine) {
    host.recipe(&RECIPE.replace("redirect_from", "maintenance = true\nredirect_from"));
    host.agent("converge").exits(0);
    let trusted = "--cacert /root/ca.pem";
    let closed = asked(host, trusted, "https://shop.example.org/cart").says("HTTP/2 503");
    closed.says("retry-after: 300").says_not("the shop");
    asked(host, trusted, "https://shop.example.org/healthz").says("HTTP/2 200").says("ok");
    asked(host, "-k", "https://young.example.org/x").says("HTTP/2 4");
    host.recipe(RECIPE);
    host.agent("converge").exits(0);
}

/// What nginx refuses never serves, and what a person wrote in place of a template is theirs to mend.
pub(super) fn a_broken_template_leaves_everything_as_it_was(host: &Machine) {
    let place = "/etc/hostagent/templates/nginx/site.conf.tera";
    let before = host.read("/etc/nginx/hostagent.d/shop.conf");
    host.write(place, "server { listen 80; {{ no_such_thing }} }\n");
    host.agent("converge").exits(1).says("no_such_thing").says("/etc/hostagent/templates");
    host.write(place, "server { this_is_no_directive; }\n");
    host.agent("converge").exits(1).says("this_is_no_directive");
    assert_eq!(host.read("/etc/nginx/hostagent.d/shop.conf"), before);
    asked(host, "--cacert /root/ca.pem", "https://shop.example.org/quiet/").says("HTTP/2");
    host.sh(&format!("rm {place}")).succeeds();
    host.agent("converge").exits(0);
    host.agent("plan").exits(0);
}
