//! What the lab's CA promises: a real one when nothing is wrong, and exactly as wrong as it was told.

use std::net::UdpSocket;
use std::time::Duration;

use jiff::SignedDuration;
use serde_json::{Value, json};

use super::client::{Client, json_of, said};
use super::leaf::Leaf;
use super::{ADDRESS, Acme, Advice, Fault, Step};
use crate::lab::network::{MACHINE, within};
use crate::lab::{Machine, Said, eventually};

const NAMES: [&str; 2] = ["example.org", "www.example.org"];
const DNS: &str = "dns-01";

/// Kinds of records, by the low byte of their numbers; CAA is 257.
const NS: u8 = 2;
const SOA: u8 = 6;
const TXT: u8 = 16;
const CAA: u8 = 1;

/// The machine asks the directory with `curl`; what it prints ends with the status.
fn directory(host: &Machine) -> Said {
    host.sh(&format!("curl -s -i -m 3 -w '|%{{http_code}}' --cacert /root/acme.pem {}", host.acme().directory()))
}

fn with_curl(acme: Acme) -> Machine {
    let host = Machine::debian(12).with_packages(["curl"]).with_acme(acme).boot();
    host.write("/root/acme.pem", &host.acme().root_pem());
    host
}

/// What `openssl` in the machine says of a chain.
fn verified(host: &Machine, chain: &str) -> Said {
    host.write("/root/root.pem", &host.acme().issued_root_pem());
    host.write("/root/chain.pem", chain);
    host.sh("openssl verify -CAfile /root/root.pem -untrusted /root/chain.pem /root/chain.pem")
}

/// The machine asks the name server: the code of the reply, and how many answers and authorities it has.
fn records(host: &Machine, name: &str, kind: u8) -> (u8, u8, u8) {
    let mut query = vec![0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.') {
        query.push(label.len().try_into().unwrap());
        query.extend(label.as_bytes());
    }
    query.extend([0, u8::from(kind == CAA), kind, 0, 1]);
    let mut reply = [0; 512];
    within(&host.network().inner(), || {
        let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(3))).unwrap();
        socket.send_to(&query, (ADDRESS, 53)).unwrap();
        socket.recv(&mut reply).unwrap();
    });
    (reply[3] & 0xf, reply[7], reply[9])
}

#[test]
fn the_ca_asks_the_machines_own_web_server() {
    let acme = Acme::new().lifetime(Duration::from_hours(6 * 24));
    let host = Machine::debian(12).with_packages(["nginx", "curl"]).with_acme(acme).boot();
    host.write("/root/acme.pem", &host.acme().root_pem());
    directory(&host).exits(0).says("|200").says("order-plz").says_not("renewalInfo").says_not("profiles");
    host.sh(&format!("curl -s {}", host.acme().directory())).exits(60);

    let dns = host.acme().dns();
    for name in NAMES {
        dns.a(name, MACHINE);
    }
    host.sh("getent ahostsv4 www.example.org").exits(0).says(MACHINE);
    host.sh("getent hosts nobody.example.org").exits(2);
    assert!(dns.asked("www.example.org") > 0);
    dns.zone("example.org").caa("example.org", "issue", "lab.example").cname("alias.example.org", "www.example.org");
    host.sh("getent ahostsv4 alias.example.org").exits(0).says(MACHINE);
    let of = |name, kind| records(&host, name, kind);
    assert_eq!(of("example.org", NS), (0, 1, 0), "served by one");
    assert_eq!(of("example.org", SOA), (0, 1, 0));
    assert_eq!(of("_acme-challenge.www.example.org", SOA), (0, 0, 1), "the zone is further up");
    assert_eq!(of("example.org", CAA), (0, 1, 1));
    assert_eq!(of("_acme-challenge.example.org", TXT), (0, 0, 1));
    dns.txt("_acme-challenge.example.org", "one").txt("_acme-challenge.example.org", "two");
    assert_eq!(of("_acme-challenge.example.org", TXT), (0, 2, 1));
    dns.without_txt("_acme-challenge.example.org").fails("example.org");
    assert_eq!(of("_acme-challenge.example.org", TXT), (0, 0, 1));
    assert_eq!(of("example.org", CAA).0, 2, "SERVFAIL");
    dns.fails_not("example.org").without_caa("example.org");
    assert_eq!(of("example.org", CAA), (0, 0, 1));

    let mut client = Client::registered(host.acme());
    let unproved = client.order(&NAMES, &Value::Null);
    assert_eq!(client.prove(&unproved, "http-01"), "invalid", "nobody listens at port 80");

    let site = format!(
        "server {{ listen 80; location ~ \"^/\\.well-known/acme-challenge/(?<tok>[A-Za-z0-9_-]{{16,128}})$\" \
         {{ default_type text/plain; return 200 \"$tok.{}\"; }} }}\n",
        client.thumbprint()
    );
    host.write("/etc/nginx/sites-available/default", &site);
    host.sh("systemctl start nginx").succeeds();
    host.acme().forget();
    let issued = client.issue(&NAMES, &Value::Null, "http-01");
    verified(&host, &issued.chain).exits(0);
    let leaf = Leaf::read(&issued.chain).unwrap();
    assert_eq!(leaf.names, NAMES);
    assert_eq!(leaf.life.until - leaf.life.from, 6 * 24 * 3600 - 1);
    assert!(leaf.key.bytes == issued.key.public_key_raw());
    host.sh("grep -c acme-challenge /var/log/nginx/access.log").prints("6");

    let asked = host.acme().asked(Step::NewOrder);
    assert_eq!(asked.len(), 1, "{asked:#?}");
    assert_eq!(asked[0].payload["identifiers"][1]["value"], NAMES[1]);
    assert_eq!(asked[0].protected["url"], "https://acme.lab:14000/order-plz");
    assert_eq!((asked[0].status, host.acme().orders()), (Some(201), 1));
}

#[test]
fn the_ca_fails_as_it_is_told() {
    let host = with_curl(Acme::new());
    let acme = host.acme();
    let fault = |fault| acme.fault(Step::Directory, fault);

    fault(Fault::rate_limited().retry_after(3600).times(1));
    let said = directory(&host).says("|429").says("retry-after: 3600").says("urn:ietf:params:acme:error:rateLimited");
    said.says("application/problem+json").says("replay-nonce: ");
    fault(Fault::status(503).retry_after_date(90).times(1));
    directory(&host).says("|503").says(" GMT\r\n").says("<html>").says_not("replay-nonce");
    fault(Fault::captive_portal().times(1));
    directory(&host).says("|200").says("hotel");
    directory(&host).says("|200").says("newOrder");

    fault(Fault::reset().times(1));
    directory(&host).exits(56);
    fault(Fault::stall().times(1));
    assert!(directory(&host).exits(28).took >= Duration::from_secs(3));
    fault(Fault::cut_short().times(1));
    directory(&host).exits(18).says("newAccount").says_not("newNonce");
    fault(Fault::slow(Duration::from_millis(500)).times(1));
    assert!(directory(&host).says("|200").took >= Duration::from_millis(500));

    let statuses: Vec<_> = acme.asked(Step::Directory).iter().map(|asked| asked.status).collect();
    assert_eq!(statuses, [Some(429), Some(503), Some(200), Some(200), None, None, Some(200), Some(200)]);

    fault(Fault::status(500));
    directory(&host).says("|500");
    directory(&host).says("|500");
    acme.mend();
    directory(&host).says("|200");
    acme.stop();
    directory(&host).exits(7);
    acme.start();
    directory(&host).exits(0).says("|200");
}

#[test]
fn the_ca_says_when_to_renew_and_remembers_what_an_order_replaces() {
    let acme = Acme::new().advises(Advice::usual()).profile("shortlived", "six days");
    let host = Machine::debian(13).with_acme(acme).boot();
    let acme = host.acme();
    let mut client = Client::registered(acme);
    assert_eq!(client.directory["meta"]["profiles"], json!({ "shortlived": "six days" }));
    let refused = client.order(&NAMES, &json!({ "profile": "classic" }));
    assert!(said(&refused).contains("error:invalidProfile"), "{refused:?}");
    let first = client.issue(&NAMES, &json!({ "profile": "shortlived" }), DNS);
    assert_eq!(first.order["profile"], "shortlived", "{}", first.order);
    let leaf = Leaf::read(&first.chain).unwrap();

    let url = format!("{}/{}", client.url("renewalInfo"), leaf.id);
    let window = |client: &Client<'_>| {
        let answer = client.get(&url);
        let time = |name: &str| {
            json_of(&answer)["suggestedWindow"][name].as_str().and_then(|text| text.parse::<jiff::Timestamp>().ok())
        };
        (time("start"), time("end"), answer.headers().get("retry-after").cloned())
    };
    let (start, end, wait) = window(&client);
    let usual = leaf.life.until - (leaf.life.until - leaf.life.from) / 3;
    assert_eq!(start.unwrap().as_second(), usual);
    assert!(end > start && wait.unwrap() == "21600");
    acme.advises(Advice::past().without_retry_after());
    assert!(window(&client).1.unwrap() < jiff::Timestamp::now() && window(&client).2.is_none());
    acme.advises(Advice::between(SignedDuration::from_hours(1), SignedDuration::from_hours(2)).retry_after("soon"));
    assert!(window(&client).0.unwrap() > jiff::Timestamp::now() && window(&client).2.unwrap() == "soon");
    acme.advises(Advice::malformed());
    assert_eq!(window(&client).0, None);
    acme.fault(Step::RenewalInfo, Fault::status(404).times(1));
    acme.fault(Step::RenewalInfo, Fault::status(500).times(1));
    let statuses = [(); 3].map(|()| client.get(&url).status().as_u16());
    assert_eq!(statuses, [404, 500, 200]);
    assert_eq!(client.get(&format!("{}/AAAA.AAAA", client.url("renewalInfo"))).status(), 404);

    let replaces = json!({ "replaces": leaf.id });
    let second = client.order(&NAMES, &replaces);
    assert_eq!((second.status().as_u16(), &json_of(&second)["replaces"]), (201, &json!(leaf.id)));
    let third = client.order(&NAMES, &replaces);
    assert!(third.status() == 409 && said(&third).contains("error:alreadyReplaced"), "{third:?}");
    let unknown = client.order(&NAMES, &json!({ "replaces": "AAAA.AAAA" }));
    assert_eq!(unknown.status(), 404, "{unknown:?}");
    assert_eq!(acme.asked(Step::NewOrder).last().unwrap().payload["replaces"], "AAAA.AAAA");
    assert_eq!(client.prove(&second, DNS), "ready");
    assert_eq!(client.fetch(&second, &NAMES).order["replaces"], leaf.id);

    // A CA that has neither reads over both.
    acme.advises_nothing();
    acme.profiles(&[]);
    let client = &mut Client::registered(acme);
    assert!(client.directory.get("renewalInfo").is_none());
    let order = client.order(&NAMES, &json!({ "replaces": leaf.id, "profile": "classic" }));
    assert!(order.status() == 201 && json_of(&order).get("replaces").is_none(), "{order:?}");
}

#[test]
fn the_ca_gives_wrong_certificates_and_stuck_orders() {
    let host = Machine::debian(12).with_acme(Acme::new()).boot();
    let acme = host.acme();
    let mut client = Client::registered(acme);
    let mut with = |fault: Fault| {
        acme.fault(Step::Certificate, fault.times(1));
        let issued = client.issue(&NAMES, &Value::Null, DNS);
        let is_of_key = Leaf::read(&issued.chain).map(|leaf| leaf.key.bytes == issued.key.public_key_raw());
        (issued.chain, is_of_key)
    };
    let (chain, is_of_key) = with(Fault::truncated());
    assert!(chain.contains("BEGIN CERTIFICATE") && is_of_key.is_none(), "{chain}");
    let (chain, is_of_key) = with(Fault::without_chain());
    assert_eq!((chain.matches("BEGIN CERTIFICATE").count(), is_of_key), (1, Some(true)));
    verified(&host, &chain).fails().says("unable to get local issuer certificate");
    let (chain, is_of_key) = with(Fault::another_key());
    assert_eq!(is_of_key, Some(false));
    verified(&host, &chain).exits(0);
    assert_eq!(Leaf::read(&chain).unwrap().names, NAMES);
    let (chain, is_of_key) = with(Fault::other_names());
    assert_eq!(is_of_key, Some(true));
    verified(&host, &chain).exits(0);
    assert_ne!(Leaf::read(&chain).unwrap().names, NAMES);
    let (chain, is_of_key) = with(Fault::expired());
    assert_eq!(is_of_key, Some(true));
    verified(&host, &chain).fails().says("certificate has expired");

    acme.fault(Step::Order, Fault::processing().retry_after(7).times(2));
    let order = client.order(&NAMES, &Value::Null);
    let url = order.headers()["location"].to_str().unwrap().to_owned();
    let stuck = client.post(&url, &Value::Null);
    assert_eq!(
        (&json_of(&stuck)["status"], stuck.headers()["retry-after"].as_bytes()),
        (&json!("processing"), &b"7"[..])
    );
    assert_eq!(json_of(&client.post(&url, &Value::Null))["status"], "processing");
    assert_eq!(json_of(&client.post(&url, &Value::Null))["status"], "pending");

    acme.fault(Step::NewOrder, Fault::account_deactivated().times(1));
    assert!(said(&client.order(&NAMES, &Value::Null)).contains("error:unauthorized"));
    acme.fault(Step::NewOrder, Fault::already_replaced().times(1));
    assert_eq!(client.order(&NAMES, &Value::Null).status(), 409);
    let before = acme.orders();
    acme.fault(Step::NewOrder, Fault::bad_nonce().times(1));
    assert_eq!((client.order(&NAMES, &Value::Null).status().as_u16(), client.rejected), (201, 1));
    assert_eq!(acme.orders(), before + 1);
}

#[test]
fn machines_beside_each_other_have_one_ca() {
    let first = Machine::debian(12).with_packages(["nginx", "curl"]).with_acme(Acme::new()).boot();
    let second = Machine::debian(12).with_packages(["nginx", "curl"]).beside(&first).boot();
    let mut client = Client::registered(first.acme());
    for host in [&first, &second] {
        host.write("/root/acme.pem", &first.acme().root_pem());
        let line = format!("curl -s --cacert /root/acme.pem {}", first.acme().directory());
        host.sh(&line).exits(0).says("newOrder");
        let site = format!("server {{ listen 80; location / {{ return 200 \"this is {}\"; }} }}\n", host.name());
        host.write("/etc/nginx/sites-available/default", &site);
        host.sh("systemctl start nginx").succeeds();
        host.from_outside("10.0.0.50").get("http://www.example.org/").says(&format!("this is {}", host.name()));
        host.from_outside("203.0.113.7").get("http://www.example.org/").says(&format!("this is {}", host.name()));
    }
    let site = format!(
        "server {{ listen 80; location ~ ^/.well-known/acme-challenge/(?<tok>.+)$ {{ return 200 \"$tok.{}\"; }} }}\n",
        client.thumbprint()
    );
    second.write("/etc/nginx/sites-available/default", &site);
    // After a reload the old workers may still answer.
    second.sh("systemctl restart nginx").succeeds();
    first.acme().dns().a("second.example.org", &second.network().address());
    client.issue(&["second.example.org"], &Value::Null, "http-01");
    first.acme().dns().a("first.example.org", &first.network().address());
    let order = client.order(&["first.example.org"], &Value::Null);
    assert_eq!(client.prove(&order, "http-01"), "invalid", "the first one has other words for that");
    drop(second);
    first.from_outside("10.0.0.50").get("http://www.example.org/").says(first.name());
}

#[test]
fn the_ca_has_moods_and_may_forget_everything() {
    let host = Machine::debian(12).with_acme(Acme::new().rejects_nonces(50).refuses("blocked.test")).boot();
    let acme = host.acme();
    let mut client = Client::registered(acme);
    client.issue(&NAMES, &Value::Null, DNS);
    assert!(client.rejected > 2, "{} of a hundred nonces", client.rejected);
    let refused = client.order(&["www.blocked.test"], &Value::Null);
    assert!(said(&refused).contains("error:rejectedIdentifier"), "{refused:?}");

    let root = acme.issued_root_pem();
    assert!(root.starts_with("-----BEGIN CERTIFICATE-----"), "{root}");
    acme.begins_anew();
    assert_ne!(acme.issued_root_pem(), root);
    let unknown = client.order(&NAMES, &Value::Null);
    assert!(said(&unknown).contains("error:accountDoesNotExist"), "{unknown:?}");

    acme.becomes(Acme::new().binding("kid", "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W"));
    let mut client = Client::of(acme);
    assert_eq!(client.directory["meta"]["externalAccountRequired"], true);
    let refused = client.post(&client.url("newAccount"), &json!({ "termsOfServiceAgreed": true }));
    assert!(said(&refused).contains("error:externalAccountRequired"), "{refused:?}");

    let name = host.name().to_owned();
    drop(host);
    eventually("nothing bears its name", || crate::lab::promises::traces(&name).is_empty());
}
