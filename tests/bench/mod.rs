//! The speed table: the same work by hostagent and by what it replaces, on one machine, in one run.
//!
//! Ratios are what it is for; the figures are those of the machine it ran on. Nothing here is a test: a slow machine fails
//! no promise.
//!
//! ```text
//! workloads   what is to be done, in each peer's language
//! peers       who does it, how it gets onto a machine, how it is run
//! meter       what a run took
//! certificates   the same question of certificates, beside certbot and dehydrated
//! ```

mod certificates;
mod meter;
mod peers;
mod workloads;

use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

pub(crate) use self::certificates::certificates;
use self::meter::{Cost, measure, median, time};
use self::peers::Peer;
use self::workloads::Workload;

/// Who is asked to do what.
const MATRIX: &[(Workload, &[Peer])] = &[
    (Workload::Nano, &[Peer::Hostagent, Peer::Shell, Peer::Ansible]),
    (Workload::Host { files: 12 }, ALL),
    (Workload::Host { files: 100 }, ALL),
    (Workload::Files(10), &[Peer::Hostagent]),
    (Workload::Files(100), &[Peer::Hostagent]),
    (Workload::Files(1_000), &[Peer::Hostagent]),
    (Workload::Files(10_000), &[Peer::Hostagent]),
];

const ALL: &[Peer] = &[Peer::Hostagent, Peer::Cfengine, Peer::Shell, Peer::Pyinfra, Peer::Puppet, Peer::Ansible];

/// First converges, each on a machine of its own; the median counts.
const FIRST: usize = 3;
/// Runs with nothing to do: at least this many …
const FEWEST: usize = 3;
/// … at most this many …
const MOST: usize = 15;
/// … and no more once they took this long together.
const ENOUGH: Duration = Duration::from_secs(20);

/// One line of the table.
struct Line {
    workload: Workload,
    peer: Peer,
    first: Cost,
    again: Cost,
}

/// Measures everything whose workload or peer has `filter` in its name, and returns the table, in Markdown.
pub(crate) fn run(hostagent: &Path, filter: Option<&str>) -> String {
    let mut lines = Vec::new();
    for &(workload, peers) in MATRIX {
        for &peer in peers {
            let name = format!("{}, {}", workload.name(), peer.name());
            if filter.is_none_or(|filter| name.contains(filter)) {
                println!("{name}");
                lines.push(line(workload, peer, hostagent));
            }
        }
    }
    table(&lines)
}

fn line(workload: Workload, peer: Peer, hostagent: &Path) -> Line {
    let mut firsts = Vec::new();
    let mut agains = Vec::new();
    while firsts.len() < FIRST {
        let host = peer.machine(hostagent);
        for (name, text) in workload.told_to(peer) {
            host.write(&format!("/root/work/{name}"), &text);
        }
        firsts.push(measure(&host, peer.line()));
        if firsts.len() == FIRST {
            let begun = Instant::now();
            while agains.len() < FEWEST || (agains.len() < MOST && begun.elapsed() < ENOUGH) {
                agains.push(measure(&host, peer.line()));
            }
        }
    }
    let line = Line { workload, peer, first: median(firsts), again: median(agains) };
    println!("  first {}, again {}", time(line.first.wall), time(line.again.wall));
    line
}

fn table(lines: &[Line]) -> String {
    let mut table = "| work | by | first converge | CPU | memory | nothing to do | CPU | memory | × |\n\
                     |---|---|---|---|---|---|---|---|---|\n"
        .to_owned();
    for line in lines {
        let ours = lines.iter().find(|other| other.workload == line.workload && other.peer == Peer::Hostagent);
        let ratio = ours.map_or(1.0, |ours| line.again.wall.as_secs_f64() / ours.again.wall.as_secs_f64());
        let Line { workload, peer, first, again } = line;
        let _ = writeln!(table, "| {} | {} | {first} | {again} | {ratio:.1} |", workload.name(), peer.name());
    }
    table
}
