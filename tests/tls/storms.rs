//! A CA in a bad state: what it costs is time, and never what is served.

use super::{NAMES, fits, issued, page, secured, served, wants_another};
use crate::evidence::on_each_debian;
use crate::lab::Machine;
use crate::lab::acme::{Acme, Fault, Step};

on_each_debian!(whatever_the_ca_answers_what_is_served_stays_and_the_next_run_is_well);

/// Lets pauses be over: as if a day had gone by.
fn forgets(host: &Machine) {
    host.sh("rm -f /var/lib/hostagent/tls/api/failures-*").succeeds();
}

fn whatever_the_ca_answers_what_is_served_stays_and_the_next_run_is_well(debian: u8) {
    let host = secured(debian, Acme::new());
    let faults = [
        (Step::Directory, Fault::status(503), "503"),
        (Step::Directory, Fault::captive_portal(), "acme.lab:14000/dir"),
        (Step::NewOrder, Fault::status(500), "500"),
        (Step::NewOrder, Fault::rate_limited(), "too many certificates"),
        (Step::Finalize, Fault::reset(), "acme.lab"),
        (Step::Certificate, Fault::truncated(), "cannot be used"),
        (Step::Certificate, Fault::another_key(), "not for this key"),
        (Step::Certificate, Fault::other_names(), "not for"),
        (Step::Certificate, Fault::expired(), "ended on"),
        (Step::Challenge, Fault::problem(403, "unauthorized", "no such authorization"), "no such authorization"),
    ];
    for (step, fault, says) in faults {
        let before = served(&host, NAMES[0]);
        wants_another(&host);
        host.acme().fault(step, fault);
        let failed = host.agent("converge").exits(1);
        assert!(failed.stdout.contains(says) || failed.stderr.contains(says), "{step:?}: {failed}");
        failed.says("next try");
        assert_eq!(served(&host, NAMES[0]), before, "{step:?}");
        page(&host, NAMES[0]).succeeds();
        host.acme().mend();
        // It is not asked again before its time.
        let asked = host.acme().requests().len();
        host.agent("converge").exits(1).says("next try");
        assert_eq!(host.acme().requests().len(), asked, "{step:?}");
        forgets(&host);
        host.agent("converge").exits(0);
        fits(&host);
        assert_ne!(served(&host, NAMES[0]), before, "{step:?}");
        assert_eq!(served(&host, NAMES[0]), issued(&host));
    }
    host.agent("plan").exits(0);
}

#[test]
fn a_limit_of_the_ca_is_kept_by_every_run_until_it_is_over_also_by_one_after_a_reboot() {
    let host = secured(13, Acme::new());
    wants_another(&host);
    host.acme().fault(Step::NewOrder, Fault::rate_limited().retry_after(3600).times(1));
    host.agent("converge").exits(1).says("too many certificates").says("as the CA wants");
    let asked = host.acme().requests().len();
    for _ in 0..3 {
        host.agent("converge").exits(1).says("as the CA wants");
    }
    host.reboot();
    host.agent_off_by(3500, "converge").exits(1).says("as the CA wants");
    assert_eq!(host.acme().requests().len(), asked);
    host.agent_off_by(3700, "converge").exits(0);
    assert!(host.acme().requests().len() > asked);
}

#[test]
fn a_name_that_the_ca_has_paused_is_asked_once_a_day_and_prints_the_link() {
    let host = secured(12, Acme::new());
    wants_another(&host);
    host.acme().fault(Step::NewOrder, Fault::paused("https://ca.example/unpause?jwt=abc"));
    for _ in 0..2 {
        host.agent("converge").exits(1).says("https://ca.example/unpause?jwt=abc");
    }
    assert_eq!(host.acme().asked(Step::NewOrder).len(), 2, "the first certificate's, and one that was refused");
}
