//! `cargo lab play`: what stands around a machine that stays. Runs in the machine's network namespace.

use std::path::Path;
use std::process::ExitCode;
use std::thread;

use crate::lab::backend::{Backend, Door, Offer};
use crate::lab::names::{self, Names};

/// Play backends and name servers until the machine goes
#[derive(Debug, clap::Args)]
pub(crate) struct Play {
    /// Where a backend listens: `127.0.0.1:3000`, or `unix:` and a path of the host
    #[arg(long)]
    door: Vec<String>,
    /// A name that is the machine itself, as its resolver at an address says: `10.0.0.2=api.internal`
    #[arg(long)]
    name: Vec<String>,
}

impl Play {
    pub(super) fn run(&self) -> ExitCode {
        let backends: Vec<_> = self.door.iter().map(|at| open(at)).collect();
        let servers: Vec<_> = self.name.iter().map(|line| answer(line)).collect();
        while !(backends.is_empty() && servers.is_empty()) {
            thread::park();
        }
        ExitCode::SUCCESS
    }
}

fn open(at: &str) -> Backend {
    let (door, shown) = match at.strip_prefix("unix:") {
        Some(path) => (Door::unix(Path::new(path)), "a socket"),
        None => (Door::tcp(at), at),
    };
    Backend::behind(door, Offer::Text(format!("hello from the backend at {shown}\n")))
}

fn answer(line: &str) -> Names {
    let (resolver, known) = line.split_once('=').unwrap_or_else(|| panic!("`{line}` is not RESOLVER=NAME,…"));
    let server = Names::answering(names::bind(resolver));
    for name in known.split(',') {
        server.set(name, &["127.0.0.1"]);
    }
    server
}
