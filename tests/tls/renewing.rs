//! Renewals: when the CA wants them, seen by nobody, and never for nothing.

use super::{CURRENT, NAMES, before_a_ca, fits, issued, page, secured, served, wants_another};
use crate::evidence::on_each_debian;
use crate::lab::acme::{Acme, Advice, Fault, Step};
use crate::lab::eventually;

on_each_debian!(nobody_who_asks_meanwhile_sees_a_renewal);

/// How long the CA wants to be left alone between two questions for its advice, and a minute.
const LATER: i64 = 6 * 3600 + 60;

#[test]
fn a_window_that_the_ca_moves_into_the_past_renews_with_the_next_poll_and_says_what_it_replaces() {
    let host = secured(13, Acme::new().advises(Advice::usual()));
    let before = issued(&host);
    host.agent("converge").exits(0);
    host.acme().advises(Advice::past().explained_at("https://ca.example/incident"));
    assert_eq!(host.agent("converge --json").exits(0).json()["changed"], 0, "it is not asked again so soon");
    host.acme().fault(Step::Certificate, Fault::off_by(LATER));
    host.agent_off_by(LATER, "plan").exits(3).says("https://ca.example/incident");
    host.agent_off_by(LATER, "converge --only tls").exits(0);
    assert_ne!(issued(&host), before);
    assert_eq!(issued(&host), served(&host, NAMES[0]));
    let orders = host.acme().asked(Step::NewOrder);
    let replaces: Vec<_> = orders.iter().map(|order| order.payload["replaces"].is_string()).collect();
    assert_eq!(replaces, [false, true]);
    fits(&host);
}

#[test]
fn a_certificate_that_somebody_else_has_replaced_is_ordered_anew() {
    let host = secured(12, Acme::new().advises(Advice::past()));
    let before = issued(&host);
    host.agent("converge").exits(0);
    assert_eq!(issued(&host), before, "one that is new is not renewed at once, whatever is advised");
    host.acme().fault(Step::NewOrder, Fault::already_replaced().times(1));
    host.acme().fault(Step::Certificate, Fault::off_by(LATER));
    host.agent_off_by(LATER, "converge --only tls").exits(0);
    assert_ne!(issued(&host), before);
    let orders = host.acme().asked(Step::NewOrder);
    assert_eq!(orders.iter().map(|order| order.status).collect::<Vec<_>>(), [Some(201), Some(409), Some(201)]);
    assert!(orders[2].payload["replaces"].is_null());
}

#[test]
fn advice_that_makes_no_sense_or_does_not_come_is_no_reason_to_renew_or_to_fail() {
    let host = secured(13, Acme::new().advises(Advice::malformed()));
    let before = issued(&host);
    let mut later = 0;
    for advice in [Advice::body("[]"), Advice::usual().without_retry_after(), Advice::usual().retry_after("soon")] {
        later += LATER;
        host.acme().advises(advice);
        host.agent_off_by(later, "converge").exits(0);
    }
    host.acme().fault(Step::RenewalInfo, Fault::status(500));
    host.agent_off_by(later + LATER, "converge").exits(0);
    assert_eq!(issued(&host), before);
    assert_eq!(host.acme().orders(), 1);
}

#[test]
fn a_thousand_runs_with_nothing_to_do_reload_nothing_and_write_nothing() {
    let host = secured(13, Acme::new());
    host.agent("converge").exits(0);
    let written = "find /var/lib/hostagent/tls /etc/nginx -printf '%p %i %C@ %m\\n' | sort | sha256sum";
    let (before, workers) = (host.sh(written).stdout, host.unit("nginx").processes());
    let asked = host.acme().requests().len();
    let runs = "for i in $(seq 1000); do hostagent converge >/dev/null 2>&1 || exit 1; done";
    host.sh(runs).succeeds();
    assert_eq!(host.unit("nginx").processes(), workers);
    assert_eq!(host.sh(written).stdout, before);
    assert_eq!(host.acme().requests().len(), asked);
}

/// Each asks on a connection of its own, and one goes on over many requests.
fn nobody_who_asks_meanwhile_sees_a_renewal(debian: u8) {
    let host = secured(debian, Acme::new());
    let url = format!("--resolve {0}:443:127.0.0.1 https://{0}", NAMES[0]);
    let each = format!("curl -sk -m 10 -f -o /dev/null {url}/ || echo failed >>/run/asked");
    host.write("/run/ask", &format!("while [ ! -e /run/enough ]; do {each}; echo . >>/run/asked; done\n"));
    let askers: Vec<_> = (0..3).map(|_| host.start("sh /run/ask")).collect();
    for _ in 0..4 {
        let before = served(&host, NAMES[0]);
        wants_another(&host);
        host.agent("converge").exits(0);
        assert_ne!(served(&host, NAMES[0]), before);
    }
    host.write("/run/enough", "");
    for asker in askers {
        asker.wait();
    }
    let asked = host.read("/run/asked");
    assert!(asked.lines().filter(|line| *line == ".").count() > 100, "nobody asked");
    assert!(!asked.contains("failed"), "{} requests failed", asked.matches("failed").count());
}

/// systemd says that nginx was reloaded, and it was not.
#[test]
fn a_reload_that_did_not_take_is_seen_and_the_certificate_before_is_back_without_another_order() {
    let host = secured(12, Acme::new());
    let before = issued(&host);
    host.write("/etc/systemd/system/nginx.service.d/deaf.conf", "[Service]\nExecReload=\nExecReload=/bin/true\n");
    host.sh("systemctl daemon-reload").succeeds();
    wants_another(&host);
    for _ in 0..2 {
        let failed = host.agent("converge --only tls").exits(1);
        failed.says("is not served").says("version 2 is back");
        assert_eq!((served(&host, NAMES[0]), issued(&host)), (before.clone(), before.clone()));
        assert_eq!(host.acme().orders(), 2, "what was issued is kept, and tried again");
    }
    host.sh("rm -r /etc/systemd/system/nginx.service.d && systemctl daemon-reload").succeeds();
    host.agent("converge --only tls").exits(0);
    assert_eq!(host.acme().orders(), 2);
    assert_ne!(served(&host, NAMES[0]), before);
    assert_eq!(served(&host, NAMES[0]), issued(&host));
    page(&host, NAMES[0]).succeeds();
}

#[test]
fn what_a_person_breaks_in_nginx_keeps_the_old_configuration_and_the_certificate() {
    let host = before_a_ca(13, Acme::new());
    host.agent("converge").exits(0);
    host.write("/etc/nginx/conf.d/mine.conf", "server { listen 81; nonsense; }\n");
    wants_another(&host);
    let before = served(&host, NAMES[0]);
    let etc = host.digest("/etc/nginx");
    host.agent("converge --only tls").exits(1).says("mine.conf");
    etc.is_still(&host.digest("/etc/nginx"));
    assert_eq!(served(&host, NAMES[0]), before);
    host.sh("rm /etc/nginx/conf.d/mine.conf").succeeds();
    host.agent("converge").exits(0);
    assert_ne!(served(&host, NAMES[0]), before);
    eventually("the new one is served alone", || served(&host, NAMES[0]) == issued(&host));
    host.sh(&format!("openssl x509 -in {CURRENT}/cert.pem -noout")).succeeds();
}
