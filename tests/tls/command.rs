//! What `hostagent tls` shows a person, and does for one who wants what no timer does.

use super::{CURRENT, NAMES, before_a_ca, issued, page, recipe, secured, served, with_tls};
use crate::lab::acme::{Acme, Fault, Step};
use crate::lab::{Machine, Said, eventually};

const METRICS: &str = "/var/lib/hostagent/metrics/tls.prom";
const LINK: &str = "https://acme.lab/unpause?jwt=x";

/// The state that `tls list` tells of the certificate, and how it exits.
fn stands(host: &Machine, state: &str, exit: i32) -> Said {
    let said = host.agent("tls list --json").exits(exit);
    let certificate = &said.json()["certificates"][0];
    assert_eq!(certificate["state"], state, "{certificate:#}");
    host.agent("tls list").exits(exit).says(state);
    said
}

/// As though what failed had failed long ago.
fn forgive(host: &Machine) {
    host.acme().mend();
    host.sh("rm -f /var/lib/hostagent/tls/api/failures-*.json").succeeds();
}

/// The serial number on the disk, as the CA writes it.
fn serial(host: &Machine) -> String {
    issued(host).trim().trim_start_matches("serial=").to_lowercase()
}

#[test]
fn a_person_sees_how_certificates_stand_from_the_first_second_on() {
    let host = before_a_ca(12, Acme::new());
    stands(&host, "missing", 1);
    host.acme().stop();
    host.agent("converge").exits(1);
    stands(&host, "bootstrap", 1);
    host.agent("tls list").says("none was issued yet").says("next try").says("api.example.org, www.example.org");
    host.agent("status").exits(1).says("certificate `api`: none was issued yet").says("`hostagent tls list`");
    assert!(host.read(METRICS).contains("hostagent_tls_bootstrap{name=\"api\"} 1"));
    assert!(host.read(METRICS).contains("hostagent_tls_failures{name=\"api\"} 1"));

    // One's own pause is not the CA's: a person need not wait for it.
    host.acme().start();
    host.agent("tls renew api --force").exits(0).says("certificate:api");
    let said = stands(&host, "valid", 0).json();
    assert_eq!(said["needs_person"], false);
    let certificate = &said["certificates"][0];
    assert_eq!(certificate["served"].as_array().unwrap().len(), 2);
    assert_eq!(certificate["served"][1]["is_issued"], true);
    assert_eq!(certificate["next"]["what"], "renewal");
    assert!(said["next_run"].is_string(), "{said:#}");
    host.agent("tls list").says("in 89 days").says("yes").says("acme.lab");
    host.agent("status").exits(0);

    let written = host.sh(&format!("stat -c %Y%i {METRICS}")).succeeds().stdout;
    assert!(host.read(METRICS).contains("hostagent_tls_failures{name=\"api\"} 0"));
    host.agent("converge").exits(0);
    assert_eq!(host.sh(&format!("stat -c %Y%i {METRICS}")).stdout, written, "nothing changed, and it was written");

    host.sh(&format!("rm {CURRENT}/privkey.pem")).succeeds();
    stands(&host, "broken", 1);
    host.agent("converge").exits(0);
    stands(&host, "valid", 0);

    // Somebody else has the port, with the same name.
    let other = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout /root/other.key \
                 -out /root/other.pem -days 9 -subj /CN=other -addext subjectAltName=DNS:api.example.org";
    host.sh(other).succeeds();
    host.sh("systemctl stop nginx").succeeds();
    let stranger =
        host.start("openssl s_server -accept 443 -cert /root/other.pem -key /root/other.key -quiet -naccept 20");
    eventually("a stranger serves", || host.sh("ss -ltn | grep -q ':443 '").exit == 0);
    stands(&host, "valid", 1);
    host.agent("tls list").exits(1).says("is served with another certificate").says("systemctl reload nginx");
    stranger.signal("TERM");
    host.sh("systemctl start nginx").succeeds();
    stands(&host, "valid", 0);

    host.recipe("format = 1\n[nginx]\n");
    host.agent("tls list").exits(0).says("not in the recipe");
    host.agent("tls renew nobody").exits(2).says("the recipe has no certificate `nobody`");
    host.agent("converge").exits(0);
    assert!(!host.exists(METRICS));
}

#[test]
fn a_renewal_that_a_person_forces_is_served_and_passes_over_no_wish_of_the_ca() {
    let host = secured(12, Acme::new());
    let (before, orders) = (issued(&host), host.acme().orders());
    host.agent("tls renew").exits(0);
    assert_eq!((issued(&host), host.acme().orders()), (before.clone(), orders), "nothing was due");
    host.agent("tls renew api --force").exits(0).says("renewal");
    assert_ne!(issued(&host), before);
    assert_eq!((served(&host, NAMES[0]), host.acme().orders()), (issued(&host), orders + 1));

    host.acme().fault(Step::NewOrder, Fault::rate_limited().retry_after(3600).times(1));
    host.agent("tls renew api --force").exits(1).says("rateLimited");
    host.acme().forget();
    host.agent("tls renew api --force").exits(1).says("as the CA wants, which `--force` does not pass over");
    assert!(host.acme().asked(Step::NewOrder).is_empty(), "the CA was asked again");
    // It is good for long: nobody has to come for that.
    stands(&host, "valid", 0);
    host.agent("tls list").says("the last try failed: the CA says `rateLimited`");

    forgive(&host);
    host.acme().fault(Step::NewOrder, Fault::paused(LINK).times(1));
    host.agent("tls renew api --force").exits(1);
    let said = stands(&host, "paused", 1).json();
    assert_eq!(said["certificates"][0]["unpause"], LINK);
    host.agent("tls list").exits(1).says(LINK).says("hostagent tls renew api --unpaused");
    host.acme().forget();
    host.agent("tls renew api --force").exits(1);
    assert!(host.acme().asked(Step::NewOrder).is_empty(), "the CA was asked again");
    host.agent("tls renew api --force --unpaused").exits(0);
    stands(&host, "valid", 0);

    // There has to be another one, and the CA fails at it: that waits, and is no alarm as long as much is left.
    host.recipe(&with_tls(&NAMES, "key_type = \"ecdsa-p384\""));
    stands(&host, "due", 0);
    host.acme().fault(Step::NewOrder, Fault::rate_limited().retry_after(3600).times(1));
    host.agent("tls renew").exits(1);
    stands(&host, "waiting", 0);
    host.agent("tls list").says("next try");
    host.agent("status").says_not("certificate `api`");
    forgive(&host);
    stands(&host, "due", 0);
    host.agent("tls renew").exits(0);
    host.agent("plan").exits(0);
}

#[test]
fn a_revoked_certificate_has_a_successor_before_the_ca_hears_of_it() {
    let host = secured(12, Acme::new());
    let (old, first) = (serial(&host), issued(&host));
    host.agent("tls revoke api </dev/null").exits(2).says("--yes");
    assert_eq!(host.acme().status_of(&old).as_deref(), Some("Valid"));

    // As long as there is no successor, the old one counts.
    host.acme().fault(Step::NewOrder, Fault::status(503).times(1));
    host.agent("tls revoke api --reason key-compromise --yes").exits(1);
    assert_eq!(host.acme().status_of(&old).as_deref(), Some("Valid"));
    assert_eq!(served(&host, NAMES[0]), first);
    host.agent("plan").exits(3).says("replaced, then revoked");
    forgive(&host);
    host.acme().fault(Step::Revoke, Fault::lost().times(1));
    host.agent("converge").exits(1).says("is not revoked yet");
    assert_ne!(issued(&host), first);
    host.agent("plan").exits(3).says("is wanted back");
    host.agent("converge").exits(0);
    assert_eq!(host.acme().status_of(&old).as_deref(), Some("Revoked"));
    assert_eq!(host.acme().status_of(&serial(&host)).as_deref(), Some("Valid"));
    assert_eq!(served(&host, NAMES[0]), issued(&host));
    let reason = &host.acme().asked(Step::Revoke)[0].payload["reason"];
    assert_eq!(reason, 1, "key-compromise (RFC 5280, 5.3.1)");
    let versions = "for c in /var/lib/hostagent/tls/api/v/*/cert.pem; do openssl x509 -noout -serial -in $c; done";
    host.sh(versions).succeeds().says("serial=").says_not(&old.to_uppercase());
    host.agent("plan").exits(0);
    page(&host, NAMES[0]).says("it is me");

    // In one go, as it is meant to be.
    let old = serial(&host);
    host.agent("tls revoke api --yes").exits(0);
    assert_eq!(host.acme().status_of(&old).as_deref(), Some("Revoked"));
    // And when it is urgent, before there is another one.
    let old = serial(&host);
    host.acme().fault(Step::NewOrder, Fault::status(503).times(1));
    host.agent("tls revoke api --at-once --yes").exits(1);
    assert_eq!(host.acme().status_of(&old).as_deref(), Some("Revoked"));
    page(&host, NAMES[0]).says("it is me");
    forgive(&host);
    host.agent("converge").exits(0);
    assert_ne!(serial(&host), old);
    // The first answer was lost, and asked for again.
    assert_eq!(host.acme().asked(Step::Revoke).len(), 4);
}

#[test]
fn accounts_get_another_key_and_the_web_server_answers_with_it_before_the_next_order() {
    let host = secured(12, Acme::new());
    let print = || host.read("/var/lib/hostagent/tls/account/thumbprint").trim().to_owned();
    let answer =
        || host.sh("curl -s http://127.0.0.1/.well-known/acme-challenge/abcdefghijklmnop -H 'Host: api.example.org'");
    let account = host.sh("cat /var/lib/hostagent/tls/account/*.json").stdout;
    let (first, before) = (print(), issued(&host));
    host.agent("tls rollover").exits(0).says("tls_account:key");
    assert_ne!(print(), first);
    answer().prints(&format!("abcdefghijklmnop.{}", print()));
    assert_eq!(issued(&host), before, "certificates stay");
    host.agent("tls renew api --force").exits(0);
    assert_ne!(issued(&host), before);
    assert_eq!(host.sh("cat /var/lib/hostagent/tls/account/*.json").stdout, account, "it is the same account");

    // The CA has the new key, and its answer is lost.
    let second = print();
    host.acme().fault(Step::KeyChange, Fault::lost().times(1));
    host.agent("tls rollover").exits(0);
    assert_ne!(print(), second);
    host.agent("tls renew api --force").exits(0);

    // The CA never heard of it: both keys stay until the next run, and nothing is ordered meanwhile.
    let third = print();
    host.acme().fault(Step::KeyChange, Fault::reset().times(1));
    host.agent("tls rollover").exits(1).says("the next run goes on");
    assert_eq!(print(), third);
    host.agent("plan").exits(3).says("tls_account:key");
    host.agent("converge").exits(0);
    assert_ne!(print(), third);
    answer().prints(&format!("abcdefghijklmnop.{}", print()));
    host.agent("tls renew api --force").exits(0);
    host.agent("plan").exits(0);
    let secret = host.read("/var/lib/hostagent/tls/account/key.pem");
    let line = secret.lines().nth(1).unwrap();
    assert!(!host.journal().contains(line) && !host.read("/var/lib/hostagent/last-run.json").contains(line));
    assert!(host.read("/etc/hostagent/recipe.toml") == recipe());
}
