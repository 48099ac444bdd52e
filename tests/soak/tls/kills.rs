//! Renewals that are cut off before each of the system calls by which they change something: the requests to the CA, the
//! writes to the disk, the reload.

use super::{NAMES, fits, issued, page, secured, served, wants_another};
use crate::lab::Machine;
use crate::lab::acme::Acme;
use crate::soak::cut::{Call, Cut};
use crate::soak::dice::Dice;

/// What became of renewals that were cut off.
#[derive(Debug, Default)]
pub(crate) struct Kills {
    /// So many were.
    pub(crate) killed: usize,
    /// So many orders were placed once more, because the CA's answer to the first was lost with the run.
    pub(crate) placed_again: usize,
}

/// Cuts off so many renewals, at calls of one that was left in peace. Each is finished by the next run.
pub(crate) fn killed(debian: u8, count: usize, seed: u64) -> Kills {
    let host = secured(debian, Acme::new());
    wants_another(&host);
    let calls: Vec<Cut> = Call::all_of_a_run(&host).into_iter().map(Cut::Before).collect();
    let mut dice = Dice::of(seed);
    let mut kills = Kills::default();
    for cut in dice.some(&calls, count) {
        let before = (served(&host, NAMES[0]), host.acme().orders());
        wants_another(&host);
        if cut.strike(&host).is_none() {
            host.agent("converge").exits(0);
            continue;
        }
        kills.killed += 1;
        fits(&host);
        page(&host, NAMES[0]).succeeds();
        let lost = is_lost(&host, before.1);
        host.agent("converge").exits(0);
        fits(&host);
        assert_eq!(served(&host, NAMES[0]), issued(&host), "{cut}");
        assert_ne!(served(&host, NAMES[0]), before.0, "{cut}");
        assert_eq!(
            host.acme().orders() - before.1,
            1 + usize::from(lost),
            "{cut}: an order that could be gone on with"
        );
        kills.placed_again += usize::from(lost);
        host.agent("plan").exits(0);
        host.sh("ls -A /var/lib/hostagent/tls/api/next").prints("");
    }
    kills
}

/// Whether the CA has an order of which this host never heard.
fn is_lost(host: &Machine, orders: usize) -> bool {
    let kept = host.sh("cat /var/lib/hostagent/tls/api/next/order.json 2>/dev/null; true").stdout;
    host.acme().orders() > orders && kept.contains("\"url\":null")
}
