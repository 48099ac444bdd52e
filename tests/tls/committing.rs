//! From the certificate on the disk to the one that is served: one rename, one reload, and a look whether it took.

use super::{CURRENT, NAMES, fits, issued, page, secured, served};
use crate::evidence::on_each_debian;
use crate::lab::acme::Acme;

on_each_debian!(
    a_disk_that_takes_nothing_leaves_what_is_served,
    what_was_cut_off_before_the_reload_is_reloaded_by_the_next_run
);

/// Forces the next run to get another certificate.
const VANISHED: &str = "rm -r /var/lib/hostagent/tls/api/current/privkey.pem";

/// A disk that is full, and one that is read-only, at the moment of the commit.
fn a_disk_that_takes_nothing_leaves_what_is_served(debian: u8) {
    let host = secured(debian, Acme::new());
    let before = issued(&host);
    let wants_more = super::with_tls(&NAMES, "key_type = \"ecdsa-p384\"");
    host.recipe(&wants_more);
    let store = "/var/lib/hostagent/tls/api/v";
    for broken in
        [format!("mount -t tmpfs -o size=4k,mode=700 none {store}"), format!("mount --bind -o ro {store} {store}")]
    {
        host.sh(&format!("cp -a {store} /root/v && {broken} && (cp -a /root/v/. {store}/ 2>/dev/null; true)"))
            .succeeds();
        host.agent("converge").exits(1).says("certificate:api");
        assert_eq!(served(&host, NAMES[0]), before, "{broken}");
        page(&host, NAMES[0]).succeeds().says("it is me");
        host.sh(&format!("umount {store}; rm -r /root/v")).succeeds();
        fits(&host);
        assert_eq!(issued(&host), before, "{broken}");
    }
    // What the CA gave is not lost: the same order is gone on with when there is room.
    let orders = host.acme().orders();
    host.sh("rm -f /var/lib/hostagent/tls/api/failures-*").succeeds();
    host.agent("converge").exits(0);
    assert_eq!(host.acme().orders(), orders);
    assert_ne!(served(&host, NAMES[0]), before);
    host.sh(&format!("openssl pkey -in {CURRENT}/privkey.pem -noout -text")).says("384 bit");
    host.agent("plan").exits(0);
}

fn what_was_cut_off_before_the_reload_is_reloaded_by_the_next_run(debian: u8) {
    let host = secured(debian, Acme::new());
    let before = issued(&host);
    // As a kill between the rename and the reload leaves it: the link leads to a version that nobody has read.
    host.sh(&format!(
        "cd /var/lib/hostagent/tls/api && cp -a v/000002 v/000003 && cd v/000003 && \
         openssl req -x509 -key privkey.pem -subj /CN=other -addext subjectAltName=DNS:{},DNS:{} -days 80 -out cert.pem && \
         cp cert.pem fullchain.pem && ln -sfn v/000003 ../../current",
        NAMES[0], NAMES[1]
    ))
    .succeeds();
    assert_eq!(served(&host, NAMES[0]), before);
    host.agent("plan --only tls").exits(3).says("an older certificate");
    host.agent("converge --only tls").exits(0);
    assert_eq!(served(&host, NAMES[0]), issued(&host));
    host.agent("plan").exits(0);
}

#[test]
fn a_key_that_vanished_is_served_on_and_replaced() {
    let host = secured(13, Acme::new());
    let before = issued(&host);
    host.sh(VANISHED).succeeds();
    host.agent("plan").exits(3).says("privkey.pem");
    assert_eq!(served(&host, NAMES[0]), before);
    host.agent("converge").exits(0);
    fits(&host);
    assert_ne!(served(&host, NAMES[0]), before);
    page(&host, NAMES[0]).succeeds();
    host.agent("plan").exits(0);
    // All of it.
    host.sh("rm -r /var/lib/hostagent/tls/api").succeeds();
    host.agent("converge").exits(0);
    page(&host, NAMES[0]).succeeds().says("it is me");
    host.agent("plan").exits(0);
}
