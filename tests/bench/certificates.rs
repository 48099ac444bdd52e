//! Who gets a certificate, how soon, and at what CA: hostagent beside what people have now, at the same Pebble.

use std::fmt::Write as _;
use std::path::Path;

use super::meter::{Cost, measure, median, time};
use super::peers::Store;
use crate::lab::Machine;
use crate::lab::acme::Acme;
use crate::lab::network::MACHINE;

/// Gets certificates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Client {
    Hostagent,
    /// Debian's certbot, with the web server's own folder.
    Certbot,
    /// Debian's dehydrated, the same way.
    Dehydrated,
}

const CLIENTS: [Client; 3] = [Client::Hostagent, Client::Certbot, Client::Dehydrated];
const NAMES: [&str; 5] = ["a.example.org", "b.example.org", "c.example.org", "d.example.org", "e.example.org"];
/// Of a hundred good nonces.
const REJECTED: [u8; 3] = [5, 20, 50];
/// First certificates, each on a machine of its own; the median counts.
const FIRST: usize = 3;
/// Certificates at each share of rejected nonces.
const MORE: usize = 20;

impl Client {
    fn name(self) -> &'static str {
        match self {
            Self::Hostagent => "hostagent",
            Self::Certbot => "certbot 2.1",
            Self::Dehydrated => "dehydrated 0.7",
        }
    }

    /// A machine that serves the names without TLS; for hostagent nginx is only installed.
    fn machine(self, hostagent: &Path, acme: Acme) -> Machine {
        let store = Store::filled();
        let bound = format!("--bind-ro={}:/srv/bench", store.folder().display());
        let host = Machine::debian(12).argument(&bound).with_acme(acme).boot();
        host.write("/etc/apt/sources.list", "deb [trusted=yes] file:/srv/bench/pool ./\n");
        let own = match self {
            Self::Hostagent => "openssl",
            Self::Certbot => "certbot",
            Self::Dehydrated => "dehydrated",
        };
        host.installs(["time", "nginx", "curl", own]);
        host.write("/root/acme.pem", &host.acme().root_pem());
        for name in NAMES {
            host.acme().dns().a(name, MACHINE);
        }
        let domains = NAMES.map(|name| format!("\"{name}\"")).join(", ");
        match self {
            Self::Hostagent => {
                host.copy(hostagent, "/usr/local/bin/hostagent");
                host.write("/root/work/recipe.toml", &recipe(&domains, ""));
                host.write("/root/work/other.toml", &recipe(&domains, "key_type = \"ecdsa-p384\""));
            }
            Self::Certbot => {
                let all = NAMES.map(|name| format!("-d {name}")).join(" ");
                let line = format!(
                    "export REQUESTS_CA_BUNDLE=/root/acme.pem\ncertbot certonly --non-interactive --agree-tos -m ops@example.org \
                     --server {} --webroot -w /var/www/html {all} --deploy-hook 'systemctl reload nginx' \"$@\"\n",
                    host.acme().directory()
                );
                host.write("/root/work/first.sh", &line);
                host.sh("systemctl start nginx").succeeds();
            }
            Self::Dehydrated => {
                let config = format!(
                    "CA={}\nWELLKNOWN=/var/www/html/.well-known/acme-challenge\nCURL_OPTS=\"--cacert /root/acme.pem\"\n",
                    host.acme().directory()
                );
                host.write("/etc/dehydrated/config", &config);
                host.write("/etc/dehydrated/domains.txt", &format!("{}\n", NAMES.join(" ")));
                let line = "dehydrated --register --accept-terms && dehydrated -c \"$@\" && systemctl reload nginx\n";
                host.write("/root/work/first.sh", line);
                host.sh("mkdir -p /var/www/html/.well-known/acme-challenge && systemctl start nginx").succeeds();
            }
        }
        host
    }

    fn first(self) -> &'static str {
        match self {
            Self::Hostagent => "hostagent converge recipe.toml",
            Self::Certbot | Self::Dehydrated => "bash first.sh",
        }
    }

    /// One certificate more: whether it came.
    fn another(self, host: &Machine, number: usize) -> bool {
        let line = match self {
            Self::Hostagent => {
                let recipe = if number.is_multiple_of(2) { "other" } else { "recipe" };
                format!(
                    "rm -f /var/lib/hostagent/tls/*/failures-*; hostagent converge /root/work/{recipe}.toml --only tls"
                )
            }
            Self::Certbot => "bash /root/work/first.sh --force-renewal".to_owned(),
            Self::Dehydrated => "bash /root/work/first.sh --force".to_owned(),
        };
        host.sh(&line).exit == 0
    }
}

fn recipe(domains: &str, more: &str) -> String {
    format!(
        "format = 1\n[[nginx.site]]\nname = \"five\"\nserver_name = [{domains}]\ncertificate = \"five\"\n\
         return = {{ code = 200, text = \"here\" }}\n[tls]\ncontact = [\"mailto:ops@example.org\"]\n\
         issuer = {{ directory = \"https://acme.lab:14000/dir\", root = \"/root/acme.pem\" }}\n\
         [[tls.certificate]]\nname = \"five\"\ndomains = [{domains}]\n{more}\n"
    )
}

/// Measures it, and returns the table in Markdown.
pub(crate) fn certificates(hostagent: &Path) -> String {
    let mut table = format!(
        "| client | first certificate for {} names | CPU | peak memory | came at {} % rejected nonces |\n|---|---|---|---|---|\n",
        NAMES.len(),
        REJECTED.map(|percent| percent.to_string()).join(", ")
    );
    for client in CLIENTS {
        let firsts = (0..FIRST).map(|_| {
            let host = client.machine(hostagent, Acme::new());
            measure(&host, client.first())
        });
        let first: Cost = median(firsts.collect());
        println!("{}: first {}", client.name(), time(first.wall));
        let came = REJECTED.map(|percent| {
            let host = client.machine(hostagent, Acme::new().rejects_nonces(percent));
            let came = (0..MORE).filter(|number| client.another(&host, *number)).count();
            println!("  {percent} % rejected: {came} of {MORE}");
            format!("{} %", came * 100 / MORE)
        });
        let _ = writeln!(table, "| {} | {first} | {} |", client.name(), came.join(", "));
    }
    table
}
