//! What a CA would not prove it is not asked for; what one name lacks the others do not suffer for.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;

use jiff::SignedDuration;

use crate::lab::acme::{Acme, Advice, Fault, Step};
use crate::lab::backend::{Door, Offer};
use crate::lab::metadata::Metadata;
use crate::lab::network::{MACHINE, enter, within};
use crate::lab::{Backend, Machine};

/// Where another host is, in the machine's own network.
const ELSEWHERE: &str = "10.0.0.77";
/// What the metadata service says is this host's public address.
const PUBLIC: &str = "192.0.2.10";
/// In seconds: older than what the CA has just issued.
const LATER: i64 = 6 * 3600 + 60;
const API: &str = "api.example.org";
const WWW: &str = "www.example.org";
const OLD: &str = "old.example.org";

/// A certificate for these names, and a site of nginx that has it.
fn recipe(host: &Machine, tls: &str, domains: &[&str]) {
    let site = r#"
[[nginx.site]]
name = "shop"
server_name = DOMAINS
certificate = "shop"
static = { root = "/srv/www/shop" }
"#;
    let site = site.replace("DOMAINS", &list(domains));
    host.recipe(&format!("{}{site}", without_a_site(host, tls, domains)));
}

fn without_a_site(host: &Machine, tls: &str, domains: &[&str]) -> String {
    let text = r#"
format = 1
[tls]
issuer = { directory = "DIRECTORY", root = "/root/acme.pem" }
OTHERS
[[tls.certificate]]
name = "shop"
domains = DOMAINS
"#;
    let text = text.replace("DIRECTORY", &host.acme().directory());
    text.replace("OTHERS", tls).replace("DOMAINS", &list(domains))
}

fn list(names: &[&str]) -> String {
    format!("[\"{}\"]", names.join("\", \""))
}

fn with_ca(debian: u8) -> Machine {
    let host = Machine::debian(debian).with_packages(["nginx", "curl", "openssl"]).with_acme(Acme::new()).boot();
    host.write("/root/acme.pem", &host.acme().root_pem());
    for name in [API, WWW, OLD] {
        host.acme().dns().a(name, MACHINE);
    }
    host
}

fn elsewhere(host: &Machine) -> Backend {
    host.network().has_outside(ELSEWHERE);
    let door = within(&host.network().outer(), || Door::tcp(&format!("{ELSEWHERE}:80")));
    Backend::behind(door, Offer::Text("another host".to_owned()))
}

/// As much later that nothing rests any more.
fn later(host: &Machine) {
    host.sh("rm -f /var/lib/hostagent/tls/account/names-*.json /var/lib/hostagent/tls/shop/failures-*.json").succeeds();
    host.sh("rm -f /var/lib/hostagent/tls/shop/advice.json").succeeds();
}

/// The CA wants it renewed now, and there is still time. One that is new is never due: it is [`LATER`].
fn is_due(host: &Machine) {
    host.acme().advises(Advice::between(SignedDuration::from_hours(-50_000), SignedDuration::from_hours(20)));
    host.acme().fault(Step::Certificate, Fault::off_by(LATER));
    later(host);
}

/// The names that nginx serves a certificate of the CA for.
fn served(host: &Machine) -> Vec<String> {
    let ask = format!("openssl s_client -connect 127.0.0.1:443 -servername {API} </dev/null 2>/dev/null");
    let said = host.sh(&format!("{ask} | openssl x509 -noout -ext subjectAltName")).succeeds();
    let names = said.text().split([',', ' ', '\n']).filter_map(|word| word.strip_prefix("DNS:")).map(str::to_owned);
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

#[test]
fn debian_12_asks_no_ca_for_a_name_that_leads_elsewhere() {
    asks_no_ca_for_a_name_that_leads_elsewhere(12);
}

#[test]
fn debian_13_asks_no_ca_for_a_name_that_leads_elsewhere() {
    asks_no_ca_for_a_name_that_leads_elsewhere(13);
}

fn asks_no_ca_for_a_name_that_leads_elsewhere(debian: u8) {
    let host = with_ca(debian);
    let (acme, other) = (host.acme(), elsewhere(&host));
    // The web server is yet to come.
    host.recipe(&without_a_site(&host, "", &[API]));
    let nobody = format!("`{API}` leads to {MACHINE}, which is this host, and nobody listens at port 80");
    host.agent("converge").exits(1).says(&nobody);
    later(&host);
    recipe(&host, "", &[API]);
    // What the host itself thinks of its name is not what the CA sees.
    host.sh(&format!("echo '127.0.1.1 {API}' >>/etc/hosts")).succeeds();
    acme.dns().a(API, ELSEWHERE);
    let why = format!(
        "`{API}` leads to {ELSEWHERE}, where port 80 answers 200 OK and not what this host would; this host is {MACHINE}"
    );
    host.agent("converge").exits(1).says(&why).says("`preflight = false`");
    let looks = other.requests().len();
    assert!(other.last_request().path.starts_with("/.well-known/acme-challenge/"), "{looks}");
    host.agent("converge").exits(1).says(&why).says("next try");
    assert_eq!(other.requests().len(), looks, "it rests");

    later(&host);
    acme.dns().without_a(API);
    host.agent("converge").exits(1).says(&format!("`{API}` has no address"));

    later(&host);
    acme.dns().a(API, MACHINE).caa("example.org", "issue", "other.example");
    acme.goes_by("ca.lab");
    let why = "the CAA records of `example.org` forbid it: only `other.example` may issue, and this CA is `ca.lab`";
    host.agent("converge").exits(1).says(why);

    acme.dns().without_caa("example.org").caa("example.org", "issue", "CA.lab");
    assert_eq!((acme.asked(Step::NewOrder).len(), acme.asked(Step::Challenge).len()), (0, 0));

    later(&host);
    host.agent("converge").exits(0);
    assert_eq!((acme.orders(), served(&host)), (1, vec![API.to_owned()]));
    host.agent("plan --only certificate:shop").exits(0);
}

#[test]
fn who_cannot_say_where_a_name_leads_stops_nothing() {
    let host = with_ca(12);
    recipe(&host, "", &[API]);
    host.acme().goes_by("ca.lab");
    // Whoever answers for all of `org` does not.
    host.acme().dns().fails("org");
    host.agent("converge").exits(0);
    assert_eq!(served(&host), [API]);
}

#[test]
fn a_host_that_does_not_reach_its_own_public_address_is_asked_from_inside() {
    let host = Machine::debian(12).with_packages(["nginx", "curl", "openssl"]);
    let host = host.with_metadata(Metadata::new()).with_acme(Acme::new()).boot();
    host.write("/root/acme.pem", &host.acme().root_pem());
    recipe(&host, "", &[API]);
    host.acme().dns().a(API, PUBLIC);
    host.network().speak_as(PUBLIC.parse().unwrap());
    host.network().speak_as("10.0.0.50".parse().unwrap());
    // The world reaches it there; what it gets itself is the page of whoever translates.
    let outer = host.network().outer();
    let door = within(&outer, || TcpListener::bind((PUBLIC, 80)).unwrap());
    thread::spawn(move || {
        enter(&outer);
        while let Ok((mut guest, from)) = door.accept() {
            if from.ip().to_string() == MACHINE {
                let _ = guest.read(&mut [0; 4096]);
                let _ = guest.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 6\r\n\r\nrouter");
                continue;
            }
            thread::spawn({
                let outer = outer.clone();
                move || {
                    enter(&outer);
                    handed_on(guest);
                }
            });
        }
    });
    host.sh(&format!("curl -s -m 2 http://{PUBLIC}/")).prints("router");
    host.agent("converge").exits(0);
    assert_eq!((host.acme().orders(), served(&host)), (1, vec![API.to_owned()]));
}

/// One request there, and its answer back.
fn handed_on(mut guest: TcpStream) {
    let mut bytes = [0; 4096];
    let Ok(length) = guest.read(&mut bytes) else { return };
    let Ok(mut there) = TcpStream::connect((MACHINE, 80)) else { return };
    let request = String::from_utf8_lossy(&bytes[..length]).replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n");
    let _ = there.write_all(request.as_bytes());
    let mut answer = Vec::new();
    let _ = there.read_to_end(&mut answer);
    let _ = guest.write_all(&answer);
    let _ = guest.shutdown(Shutdown::Write);
}

#[test]
fn one_bad_name_of_three_does_not_take_the_others_certificate_away() {
    let host = with_ca(12);
    let (acme, _other) = (host.acme(), elsewhere(&host));
    let (all, two) = ([API, OLD, WWW], [API, WWW]);
    acme.dns().a(OLD, ELSEWHERE);
    recipe(&host, "", &all);
    let without = format!("issued for {API} {WWW} alone: `{OLD}` leads to {ELSEWHERE}");
    host.agent("converge").exits(1).says(&without);
    assert_eq!((acme.asked(Step::NewOrder).len(), served(&host)), (1, two.map(str::to_owned).to_vec()));
    // It has failed until it is whole, and asks the CA for nothing.
    host.agent("converge").exits(1).says(&format!("`{OLD}` leads to {ELSEWHERE}"));
    host.agent("plan").exits(3).says(&format!("{API} {WWW} -> {API} {OLD} {WWW}"));
    later(&host);
    host.agent("converge").exits(1).says(&format!("`{OLD}` leads to {ELSEWHERE}"));
    assert_eq!(acme.asked(Step::NewOrder).len(), 1);

    // The CA finds it, where nobody looked before.
    later(&host);
    host.sh("rm -r /var/lib/hostagent/tls/shop").succeeds();
    recipe(&host, "preflight = false", &all);
    host.agent("converge").exits(1).says(&format!("issued for {API} {WWW} alone: failed once, last with: `{OLD}`:"));
    assert_eq!((acme.asked(Step::NewOrder).len(), served(&host)), (3, two.map(str::to_owned).to_vec()));

    recipe(&host, "", &all);
    later(&host);
    acme.dns().a(OLD, MACHINE);
    host.agent("converge").exits(0);
    assert_eq!((acme.orders(), served(&host)), (4, all.map(str::to_owned).to_vec()));

    // A renewal gives no name up that is served, as long as there is time.
    acme.dns().a(OLD, ELSEWHERE);
    is_due(&host);
    let leads = format!("`{OLD}` leads to {ELSEWHERE}");
    host.agent_off_by(LATER, "converge").exits(1).says(&leads);
    host.agent_off_by(LATER, "converge").exits(0).says("not renewed yet").says(&leads);
    assert_eq!((acme.orders(), served(&host)), (4, all.map(str::to_owned).to_vec()));
    // When there is none any more, the others are renewed.
    acme.advises(Advice::past());
    later(&host);
    host.agent_off_by(LATER, "converge").exits(1).says(&without);
    assert_eq!((acme.orders(), served(&host)), (5, two.map(str::to_owned).to_vec()));
    assert!(acme.asked(Step::NewOrder).last().unwrap().payload.get("replaces").is_some());
}

#[test]
fn a_name_that_is_added_and_cannot_be_proven_leaves_the_certificate_and_its_renewals_alone() {
    let host = with_ca(13);
    let (acme, _other) = (host.acme(), elsewhere(&host));
    recipe(&host, "", &[API, WWW]);
    host.agent("converge").exits(0);
    let serial = "openssl x509 -in /var/lib/hostagent/tls/shop/current/cert.pem -noout -serial";
    let before = host.sh(serial).succeeds().text().to_owned();

    acme.dns().a(OLD, ELSEWHERE);
    recipe(&host, "", &[API, WWW, OLD]);
    for _ in 0..2 {
        host.agent("converge").exits(1).says(&format!("`{OLD}` leads to {ELSEWHERE}"));
    }
    host.sh(serial).prints(&before);
    assert_eq!(acme.asked(Step::NewOrder).len(), 1);

    is_due(&host);
    host.agent_off_by(LATER, "converge").exits(1).says(&format!("issued for {API} {WWW} alone: `{OLD}` leads"));
    assert_eq!((acme.orders(), served(&host)), (2, vec![API.to_owned(), WWW.to_owned()]));
}

#[test]
fn a_paused_name_asks_nothing_for_the_day_and_prints_the_link() {
    let host = with_ca(12);
    let acme = host.acme();
    let link = "https://portal.lab/sfe/v1/unpause?jwt=eyJ0";
    acme.fault(Step::NewOrder, Fault::paused(link).times(1));
    recipe(&host, "", &[API, WWW]);
    // The other name is not paused.
    let tells = format!("open {link} and confirm");
    host.agent("converge").exits(1).says(&format!("issued for {API} alone: failed once")).says(&tells);
    assert_eq!((acme.asked(Step::NewOrder).len(), served(&host)), (2, vec![API.to_owned()]));
    acme.forget();
    for _ in 0..3 {
        host.agent("converge").exits(1).says(&tells).says("next try");
    }
    host.agent("plan").exits(3);
    assert_eq!(acme.asked(Step::NewOrder).len(), 0);
    assert_eq!(acme.asked(Step::Account).len(), 0);
    later(&host);
    host.agent("converge").exits(0);
    assert_eq!((acme.orders(), served(&host)), (1, vec![API.to_owned(), WWW.to_owned()]));
}
