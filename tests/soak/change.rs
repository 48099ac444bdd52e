//! A change to a host that has data on it and serves, cut off. One machine goes back and forth between two recipes.

use std::time::Duration;

use super::cut::{Call, Plan, is_of_a_resource};
use super::first::{finishes, login};
use super::state::State;
use crate::lab::{Backend, Machine};

/// What both want. `{…}` is what differs.
const RECIPE: &str = r#"
format = 1
[host]
packages = ["curl", { name = "tree", absent = {tree_is_absent} }]
[[user]]
name = "ops"
shell = "{shell}"
[[file]]
path = "/etc/motd"
content = "{this}\n"
[[file]]
path = "/etc/app/{this}.conf"
content = "{this}\n"
[[timer]]
name = "tidy"
on_calendar = "{often}"
command = ["/bin/true", "{this}"]
[[service]]
name = "nginx"
drop_in = { Service = { LimitNOFILE = {files} } }
[[nginx.site]]
name = "api"
server_name = ["api.example.org"]
proxy = { to = ["127.0.0.1:{port}"] }
[[nginx.site]]
name = "{this}"
server_name = ["{this}.example.org"]
return = { code = 200, text = "{this}" }
[postgres]
listen_addresses = ["*"]
settings = { shared_buffers = "{buffers}", work_mem = "{work}", log_min_duration_statement = "{slow}" }
[[postgres.role]]
name = "booking"
password = { file = "/root/password" }
connection_limit = {connections}
[[postgres.database]]
name = "booking"
owner = "booking"
[[postgres.hba]]
type = "host"
database = "booking"
user = "booking"
address = "{network}"
method = "scram-sha-256"
"#;

/// One of the two.
#[derive(Debug)]
struct Side {
    /// Its word for everything, and the other's.
    this: &'static str,
    other: &'static str,
    values: [(&'static str, &'static str); 9],
    password: &'static str,
    /// From where one may log in, and from where not.
    near: &'static str,
    far: &'static str,
    app: &'static str,
}

const SIDES: [Side; 2] = [
    Side {
        this: "summer",
        other: "winter",
        values: [
            ("tree_is_absent", "true"),
            ("shell", "/bin/bash"),
            ("often", "daily"),
            ("files", "4096"),
            ("port", "3000"),
            ("buffers", "32MB"),
            ("work", "4MB"),
            ("slow", "250ms"),
            ("connections", "10"),
        ],
        password: "of the summer",
        near: "10.0.0.50",
        far: "192.168.77.50",
        app: "the first app",
    },
    Side {
        this: "winter",
        other: "summer",
        values: [
            ("tree_is_absent", "false"),
            ("shell", "/bin/sh"),
            ("often", "hourly"),
            ("files", "8192"),
            ("port", "3001"),
            ("buffers", "48MB"),
            ("work", "8MB"),
            ("slow", "500ms"),
            ("connections", "20"),
        ],
        password: "of the winter",
        near: "192.168.77.50",
        far: "10.0.0.50",
        app: "the second app",
    },
];

impl Side {
    fn is_wanted_of(&self, host: &Machine) {
        let network = format!("{}/24", self.near);
        let words = self.values.into_iter().chain([("this", self.this), ("network", &network)]);
        let recipe = words.fold(RECIPE.to_owned(), |text, (name, value)| text.replace(&format!("{{{name}}}"), value));
        host.recipe(&recipe);
        host.write("/root/password", self.password);
    }

    fn other(&self) -> &'static Self {
        SIDES.iter().find(|side| side.this == self.other).expect("there are two")
    }

    /// Everything answers as this side has it, and nothing as the other.
    fn works(&self, host: &Machine) {
        let near = host.from_outside(self.near);
        near.get("http://api.example.org/").is(200).says(self.app);
        near.get(&format!("http://{}.example.org/", self.this)).says(self.this);
        assert!(near.ask(&format!("http://{}.example.org/", self.other), &[]).is_err(), "a site that is gone answers");
        near.sh(&login(&quoted(self.password))).prints("booking");
        near.sh(&login(&quoted(self.other().password))).fails().says("password authentication failed");
        host.from_outside(self.far).sh(&login(&quoted(self.password))).fails().says("no pg_hba.conf entry");
        let files = self.values.iter().find(|(name, _)| *name == "files").map(|(_, value)| *value);
        let limit = format!("grep 'Max open files' /proc/{}/limits", host.unit("nginx").pid());
        host.sh(&limit).says(files.expect("a side has a number of files"));
    }

    /// The change to this side when nobody disturbs it, seen twice: once by its system calls, once by the clock.
    fn undisturbed(&'static self, host: &Machine) -> Way {
        self.is_wanted_of(host);
        let calls = Call::all_of_a_run(host);
        self.other().is_wanted_of(host);
        host.agent("converge").exits(0);
        self.is_wanted_of(host);
        let said = host.agent("converge --verbose").exits(0);
        let resources = said.stdout.lines().filter(|line| is_of_a_resource(line)).count();
        self.works(host);
        Way { to: self, took: said.took, resources, calls, state: State::of(host) }
    }
}

fn quoted(password: &str) -> String {
    format!("'{password}'")
}

/// A machine that changes, and what it comes to when nobody disturbs it.
#[derive(Debug)]
pub(super) struct Change {
    host: Machine,
    _apps: [Backend; 2],
    /// The side to go to, then the one where it is.
    ways: [Way; 2],
}

/// The way to one side.
#[derive(Debug)]
struct Way {
    to: &'static Side,
    took: Duration,
    resources: usize,
    calls: Vec<Call>,
    state: State,
}

impl Change {
    pub(super) fn undisturbed(debian: u8) -> Self {
        let [summer, winter] = &SIDES;
        let host = Machine::debian(debian).with_packages(["nginx", "postgresql", "sudo", "strace"]).boot();
        let apps = [host.backend("127.0.0.1:3000", summer.app), host.backend("127.0.0.1:3001", winter.app)];
        summer.is_wanted_of(&host);
        host.agent("converge").exits(0);
        let table = "create table guests as select id, md5(id::text) as name from generate_series(1, 2000) id";
        host.sh(&format!("runuser -u postgres -- psql -qc '{table}' booking")).succeeds();
        // What only the first time leaves is there after the first time round.
        for side in [winter, summer] {
            side.is_wanted_of(&host);
            host.agent("converge").exits(0);
        }
        let ways = [winter, summer].map(|side| side.undisturbed(&host));
        Self { host, _apps: apps, ways }
    }

    /// How long the change to come takes.
    pub(super) fn took(&self) -> Duration {
        let [next, _] = &self.ways;
        next.took
    }

    /// How many resources it has.
    pub(super) fn resources(&self) -> usize {
        let [next, _] = &self.ways;
        next.resources
    }

    /// Its system call of this number.
    pub(super) fn call(&self, number: usize) -> Option<Call> {
        let [next, _] = &self.ways;
        next.calls.get(number).copied()
    }

    /// Changes to the other side, cuts off one run after the other, and expects the next one to finish the change; tells
    /// where each was cut off that had not ended before. Who gives up wants the old side back after the first.
    pub(super) fn is_finished_after(&mut self, plan: &Plan) -> Vec<Option<String>> {
        let [next, now] = &self.ways;
        next.to.is_wanted_of(&self.host);
        let mut struck = Vec::new();
        for cut in &plan.cuts {
            struck.push(cut.strike(&self.host));
            if plan.is_given_up {
                now.to.is_wanted_of(&self.host);
            }
        }
        let way = if plan.is_given_up { now } else { next };
        finishes(&self.host);
        way.to.works(&self.host);
        way.state.is_also_that_of(&self.host);
        if !plan.is_given_up {
            self.ways.reverse();
        }
        struck
    }
}
