//! certbot's certificates, taken over while they are served, and given back.

use super::{NAMES, page, served};
use crate::lab::Machine;
use crate::lab::acme::Acme;
use crate::lab::network::MACHINE;

/// A site that somebody wrote by hand, with certbot's paths.
const HAND_WRITTEN: &str = r#"server {
    listen 443 ssl;
    server_name api.example.org www.example.org;
    ssl_certificate /etc/letsencrypt/live/api/fullchain.pem;
    ssl_certificate_key /etc/letsencrypt/live/api/privkey.pem;
    return 200 "it is me";
}
"#;
/// What stands on port 80 from then on, and answers the CA.
const SITE: &str = r#"
format = 1
[[nginx.site]]
name = "http"
server_name = ["api.example.org", "www.example.org"]
return = { code = 200, text = "plain" }
"#;

/// All that is in certbot's tree: paths, kinds, modes, where links lead, and every byte.
fn tree(host: &Machine) -> String {
    let found = "find . -printf '%p %y %m %u:%g %l\\n' | sort; find . -type f -print0 | sort -z | xargs -0 sha256sum";
    host.sh(&format!("cd /etc/letsencrypt && {found}")).succeeds().stdout
}

fn timer(host: &Machine) -> (String, String) {
    let word = |what: &str| host.sh(&format!("systemctl {what} certbot.timer")).stdout.trim().to_owned();
    (word("is-enabled"), word("is-active"))
}

#[test]
fn debian_12_takes_certbot_s_certificates_over_and_gives_them_back() {
    takes_over(12);
}

#[test]
fn debian_13_takes_certbot_s_certificates_over_and_gives_them_back() {
    takes_over(13);
}

fn takes_over(debian: u8) {
    let packages = ["nginx", "curl", "openssl", "certbot"];
    let host = Machine::debian(debian).with_packages(packages).with_acme(Acme::new()).boot();
    host.write("/root/acme.pem", &host.acme().root_pem());
    for name in NAMES {
        host.acme().dns().a(name, MACHINE);
    }
    host.sh("systemctl start nginx").succeeds();
    let certbot = format!(
        "REQUESTS_CA_BUNDLE=/root/acme.pem certbot certonly -n --webroot -w /var/www/html --cert-name api \
         --server {} --agree-tos -m ops@example.org --no-eff-email --deploy-hook 'systemctl reload nginx' -d {} -d {}",
        host.acme().directory(),
        NAMES[0],
        NAMES[1],
    );
    host.sh(&certbot).succeeds();
    host.write("/etc/nginx/conf.d/hand.conf", HAND_WRITTEN);
    host.sh("systemctl reload nginx && systemctl enable --now certbot.timer").succeeds();
    let (before, first, orders) = (tree(&host), served(&host, NAMES[0]), host.acme().orders());
    page(&host, NAMES[0]).says("it is me");

    let dry = host.agent("tls adopt --dry-run").exits(0).says("would lead").says("certbot.timer would be stopped");
    assert_eq!((tree(&host), timer(&host).1.as_str()), (before.clone(), "active"));
    assert!(!host.exists("/var/lib/hostagent/tls"));
    let said = host.agent("tls adopt").exits(0).says("`/etc/letsencrypt/live/api` leads to").says_not("PRIVATE KEY");
    assert_eq!(said.stdout, dry.stdout, "what belongs into the recipe");
    assert_eq!(timer(&host), ("disabled".to_owned(), "inactive".to_owned()));
    host.sh("test \"$(readlink /etc/letsencrypt/live/api)\" = /var/lib/hostagent/tls/api/current").succeeds();
    host.sh("cmp /etc/letsencrypt/archive/api/privkey1.pem /etc/letsencrypt/live/api/privkey.pem").succeeds();
    host.sh("nginx -t && systemctl restart nginx").succeeds();
    assert_eq!(served(&host, NAMES[0]), first);
    page(&host, NAMES[0]).says("it is me");
    let again = host.agent("tls adopt").exits(0);
    assert_eq!(again.stdout, said.stdout);
    host.sh("certbot renew -n --no-random-sleep-on-renew; readlink -e /etc/letsencrypt/live/api/cert.pem")
        .says("/var/lib/hostagent/tls/api/");

    // What was printed is a recipe, but for what this CA is trusted by.
    let root = said.stdout.replace("dir\" }", "dir\", root = \"/root/acme.pem\" }");
    assert!(root.contains("root ="), "{root}");
    host.recipe(&format!("{SITE}{root}"));
    host.agent("converge").exits(0);
    host.agent("tls list").exits(0).says("valid").says("yes");
    assert_eq!(host.acme().orders(), orders, "what was adopted is good");
    host.agent("tls renew api --force").exits(0);
    assert_ne!(served(&host, NAMES[0]), first, "the next one is ours, by the same path");
    page(&host, NAMES[0]).says("it is me");

    host.agent("tls adopt --undo").exits(0).says("is certbot's again");
    assert_eq!(tree(&host), before);
    assert_eq!(timer(&host), ("enabled".to_owned(), "active".to_owned()));
    host.sh("nginx -t && systemctl restart nginx").succeeds();
    assert_eq!(served(&host, NAMES[0]), first);
    host.sh("certbot certificates").succeeds().says("VALID: 89 days");
    host.agent("tls adopt --undo").exits(0);
    assert_eq!(tree(&host), before);
}
