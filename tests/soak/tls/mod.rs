//! Certificates, for long: what CI has a short sample of.
//!
//! ```text
//! kills     renewals that are cut off before each of their system calls
//! nonces    a CA that takes every second request for a replay
//! years     renewals over simulated years, with outages and clocks that jump
//! ```

mod kills;
mod nonces;
mod years;

use crate::lab::acme::Acme;
use crate::lab::network::MACHINE;
use crate::lab::{Machine, Said};

pub(crate) use self::kills::killed;
pub(crate) use self::nonces::renewed;
pub(crate) use self::years::{Years, lived};

/// The names of the certificate `api`.
pub(crate) const NAMES: [&str; 2] = ["api.example.org", "www.example.org"];
/// Where its files are.
pub(crate) const CURRENT: &str = "/var/lib/hostagent/tls/api/current";

/// A site over TLS, and its certificate from the lab's CA.
pub(crate) fn recipe() -> String {
    with_tls(&NAMES, "")
}

/// The same for other names, with more said of the certificate.
pub(crate) fn with_tls(names: &[&str], more: &str) -> String {
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
pub(crate) fn before_a_ca(debian: u8, acme: Acme) -> Machine {
    let host = Machine::debian(debian).with_packages(["nginx", "curl", "openssl", "strace"]).with_acme(acme).boot();
    host.write("/root/acme.pem", &host.acme().root_pem());
    for name in NAMES {
        host.acme().dns().a(name, MACHINE);
    }
    host.recipe(&recipe());
    host
}

/// The same, with the certificate issued and served.
pub(crate) fn secured(debian: u8, acme: Acme) -> Machine {
    let host = before_a_ca(debian, acme);
    host.agent("converge").exits(0);
    host
}

/// What a client gets that trusts the CA alone.
pub(crate) fn page(host: &Machine, name: &str) -> Said {
    host.write("/root/issued.pem", &host.acme().issued_root_pem());
    host.sh(&format!("curl -sSi -m 10 --resolve {name}:443:127.0.0.1 --cacert /root/issued.pem https://{name}/"))
}

/// The serial number that is served for a name.
pub(crate) fn served(host: &Machine, name: &str) -> String {
    let asked = format!("openssl s_client -connect 127.0.0.1:443 -servername {name} </dev/null 2>/dev/null");
    host.sh(&format!("{asked} | openssl x509 -noout -serial")).succeeds().text().to_owned()
}

/// The serial number that is on the disk.
pub(crate) fn issued(host: &Machine) -> String {
    host.sh(&format!("openssl x509 -noout -serial -in {CURRENT}/cert.pem")).succeeds().text().to_owned()
}

/// The key and the certificate that count belong together, and nothing of an order is left.
pub(crate) fn fits(host: &Machine) {
    let key = host.sh(&format!("openssl pkey -in {CURRENT}/privkey.pem -pubout")).succeeds();
    for file in ["cert", "fullchain"] {
        let of = host.sh(&format!("openssl x509 -in {CURRENT}/{file}.pem -noout -pubkey")).succeeds();
        assert_eq!(key.stdout, of.stdout, "{file}.pem is for another key");
    }
}

/// Asks for another certificate than there is: with a key of the other kind.
pub(crate) fn wants_another(host: &Machine) {
    let is_p384 = host.read("/etc/hostagent/recipe.toml").contains("p384");
    host.recipe(&with_tls(&NAMES, if is_p384 { "" } else { "key_type = \"ecdsa-p384\"" }));
}
