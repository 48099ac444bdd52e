//! The first certificate: from a bare host to a page that a client trusts, in one run.

use super::{CURRENT, NAMES, before_a_ca, changed, fits, issued, page, served};
use crate::evidence::on_each_debian;
use crate::lab::acme::{Acme, Step};

on_each_debian!(one_run_makes_a_bare_host_serve_a_certificate_of_the_ca, a_host_without_a_ca_serves_at_once);

fn one_run_makes_a_bare_host_serve_a_certificate_of_the_ca(debian: u8) {
    let host = before_a_ca(debian, Acme::new());
    let planned = host.agent("plan --json").exits(3);
    assert_eq!(host.acme().connections(), 0, "a plan without a certificate has nothing to ask a CA");
    let converged = host.agent("converge --json").exits(0);
    assert_eq!(changed(&converged), crate::evidence::having(&planned, "pending"));
    for name in NAMES {
        page(&host, name).succeeds().says("HTTP/2 200").says("it is me").says("strict-transport-security: max-age=300");
    }
    fits(&host);
    assert_eq!(served(&host, NAMES[0]), issued(&host));
    let modes = host
        .sh(&format!("stat -L -c '%a %U:%G' {CURRENT} {CURRENT}/privkey.pem /var/lib/hostagent/tls/account/key.pem"));
    modes.prints("700 root:root\n600 root:root\n600 root:root");

    // Whether it has advice to give is asked once.
    host.agent("converge").exits(0);
    let asked = host.acme().requests().len();
    let loads = host.unit("nginx").processes();
    assert_eq!(host.agent("converge --json").exits(0).json()["changed"], 0);
    host.agent("plan").exits(0);
    assert_eq!(host.unit("nginx").processes(), loads, "nothing changed, and nginx was reloaded");
    assert_eq!((host.acme().requests().len(), host.acme().orders()), (asked, 1));
    assert_eq!(host.acme().asked(Step::NewOrder).len(), 1);
    host.sh("ls /var/lib/hostagent/tls/api").says_not("order").says("v");
    host.sh("ls -A /var/lib/hostagent/tls/api/next").prints("");
    assert!(host.unit("hostagent-tls.timer").is_active());
}

/// What a CA that is away costs is a certificate that nobody trusts, and not the web server.
fn a_host_without_a_ca_serves_at_once(debian: u8) {
    let host = before_a_ca(debian, Acme::new());
    host.acme().stop();
    let failed = host.agent("converge").exits(1);
    failed.says("certificate:api").says("acme.lab:14000").says("next try");
    host.sh(&format!("curl -skSi --resolve {0}:443:127.0.0.1 https://{0}/", NAMES[0]))
        .says("it is me")
        .says_not("strict-transport");
    host.sh(&format!("curl -sSI --resolve {0}:80:127.0.0.1 http://{0}/a?b", NAMES[0])).says("308");
    host.sh(&format!("openssl x509 -noout -subject -in {CURRENT}/cert.pem")).says("hostagent-bootstrap");
    host.acme().start();
    let waits = host.agent("converge").exits(1);
    waits.says("next try");
    assert_eq!(host.acme().orders(), 0, "a failure is remembered");
}
