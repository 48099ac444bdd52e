//! The first run on a bare machine, cut off.

use std::time::Duration;

use super::cut::{Plan, is_of_a_resource};
use super::residue;
use super::state::State;
use crate::lab::{Backend, Machine};

/// What the first run comes to when nobody disturbs it.
#[derive(Debug)]
pub(super) struct First {
    debian: u8,
    /// How long it takes.
    pub(super) took: Duration,
    /// How many resources it has.
    pub(super) resources: usize,
    state: State,
}

impl First {
    pub(super) fn undisturbed(debian: u8) -> Self {
        let (host, _app) = bare(debian);
        let said = host.agent("converge --verbose").exits(0);
        let resources = said.stdout.lines().filter(|line| is_of_a_resource(line)).count();
        assert!(resources > 10, "a line for every resource:\n{said}");
        works(&host);
        Self { debian, took: said.took, resources, state: State::of(&host) }
    }

    /// Cuts off one run after the other, and expects the next one to make the machine what it would have been; tells
    /// where each was cut off that had not ended before.
    pub(super) fn is_finished_after(&self, plan: &Plan) -> Vec<Option<String>> {
        let (host, _app) = bare(self.debian);
        let struck = plan.cuts.iter().map(|cut| cut.strike(&host)).collect();
        finishes(&host);
        works(&host);
        self.state.is_also_that_of(&host);
        struck
    }
}

/// The next run ends well, and leaves nothing to do and nothing behind.
pub(super) fn finishes(host: &Machine) {
    host.agent("converge").exits(0);
    host.agent("plan").exits(0);
    let again = host.agent("converge --json").exits(0);
    assert!(
        again.json().get("changed").is_some_and(|changed| *changed == 0),
        "the run after it has nothing to do:\n{again}"
    );
    residue::is_nowhere(host);
}

fn bare(debian: u8) -> (Machine, Backend) {
    let host = Machine::debian(debian).boot();
    let app = host.backend("127.0.0.1:3000", "hello from the app\n");
    host.recipe(&super::nano_without_tls());
    (host, app)
}

fn works(host: &Machine) {
    let near = host.from_outside("10.0.0.50");
    near.get("http://api.example.org/").is(200).says("hello from the app");
    assert!(near.ask("http://nobody.example.org/", &[]).is_err(), "a name that no site has gets no answer");
    let password = host.read("/etc/hostagent/secrets/postgres.role.booking");
    near.sh(&login(&password)).prints("booking");
    near.sh(&login("wrong")).fails().says("password authentication failed");
    host.from_outside("192.168.77.50").sh(&login(&password)).fails().says("no pg_hba.conf entry");
}

/// A login with a password from outside.
pub(super) fn login(password: &str) -> String {
    format!("PGPASSWORD={} psql -h 10.0.0.10 -U booking -d booking -Atc 'select current_user'", password.trim())
}
