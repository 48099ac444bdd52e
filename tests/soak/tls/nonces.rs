//! Many certificates from a CA that takes good nonces for used ones.

use super::{fits, secured, wants_another};
use crate::lab::acme::Acme;

/// Issues so many certificates, one after the other, while so many of a hundred good nonces are rejected: how many failed.
pub(crate) fn renewed(count: usize, rejected: u8) -> usize {
    let host = secured(12, Acme::new().rejects_nonces(rejected));
    let first = host.acme().orders();
    let mut failed = 0;
    for _ in 0..count {
        wants_another(&host);
        if host.agent("converge --only tls").exit != 0 {
            failed += 1;
            host.sh("rm -f /var/lib/hostagent/tls/api/failures-*").succeeds();
        }
        fits(&host);
    }
    assert!(failed > 0 || host.acme().orders() - first == count, "one order each");
    failed
}
