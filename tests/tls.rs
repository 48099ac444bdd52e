//! What `[tls]` promises, with a real CA around the machine and a real web server on it.

mod adopting;
mod command;
mod committing;
mod first;

use std::collections::BTreeSet;

use crate::lab::acme::Acme;
use crate::lab::network::MACHINE;
use crate::lab::{Machine, Said};

/// The names of the certificate `api`.
const NAMES: [&str; 2] = ["api.example.org", "www.example.org"];
/// Where its files are.
const CURRENT: &str = "/var/lib/hostagent/tls/api/current";

/// A site over TLS, and its certificate from the lab's CA.
fn recipe() -> String {
    with_tls(&NAMES, "")
}

/// The same for other names, with more said of the certificate.
fn with_tls(names: &[&str], more: &str) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("\"{name}\"")).collect();
    let names = names.join(", ");
    format!(
        r#"
format = 1
[[nginx.site]]
name = "api"
server_name = [{names}]
certificate = "api"
return = {{ code = 200, text = "it is me" }}
[tls]
contact = ["mailto:ops@example.org"]
issuer = {{ directory = "https://acme.lab:14000/dir", root = "/root/acme.pem" }}
[[tls.certificate]]
name = "api"
domains = [{names}]
{more}
"#
    )
}

/// A machine with nginx and nothing configured, and a CA to which its names lead.
fn before_a_ca(debian: u8, acme: Acme) -> Machine {
    before_a_ca_with(debian, acme, &[])
}

/// The same, with more packages.
fn before_a_ca_with(debian: u8, acme: Acme, more: &[&str]) -> Machine {
    let packages = ["nginx", "curl", "openssl"].into_iter().chain(more.iter().copied());
    let host = Machine::debian(debian).with_packages(packages).with_acme(acme).boot();
    host.write("/root/acme.pem", &host.acme().root_pem());
    for name in NAMES {
        host.acme().dns().a(name, MACHINE);
    }
    host.recipe(&recipe());
    host
}

/// The same, with the certificate issued and served.
fn secured(debian: u8, acme: Acme) -> Machine {
    let host = before_a_ca(debian, acme);
    host.agent("converge").exits(0);
    host
}

/// What a client gets that trusts the CA alone.
fn page(host: &Machine, name: &str) -> Said {
    host.write("/root/issued.pem", &host.acme().issued_root_pem());
    host.sh(&format!("curl -sSi -m 10 --resolve {name}:443:127.0.0.1 --cacert /root/issued.pem https://{name}/"))
}

/// The serial number that is served for a name.
fn served(host: &Machine, name: &str) -> String {
    let asked = format!("openssl s_client -connect 127.0.0.1:443 -servername {name} </dev/null 2>/dev/null");
    host.sh(&format!("{asked} | openssl x509 -noout -serial")).succeeds().text().to_owned()
}

/// The serial number that is on the disk.
fn issued(host: &Machine) -> String {
    host.sh(&format!("openssl x509 -noout -serial -in {CURRENT}/cert.pem")).succeeds().text().to_owned()
}

/// The key and the certificate that count belong together, and nothing of an order is left.
fn fits(host: &Machine) {
    let key = host.sh(&format!("openssl pkey -in {CURRENT}/privkey.pem -pubout")).succeeds();
    for file in ["cert", "fullchain"] {
        let of = host.sh(&format!("openssl x509 -in {CURRENT}/{file}.pem -noout -pubkey")).succeeds();
        assert_eq!(key.stdout, of.stdout, "{file}.pem is for another key");
    }
}

/// What changed, by a report in JSON.
fn changed(said: &Said) -> BTreeSet<String> {
    crate::evidence::having(said, "changed")
}
