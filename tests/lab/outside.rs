//! Who talks to a machine: itself, or somebody outside from an address of choice.

use std::io;
use std::net::SocketAddr;

use super::backend::Backend;
use super::boot::ENVIRONMENT;
use super::http::{self, Response};
use super::machine::Machine;
use super::said::Said;

impl Machine {
    /// Asks the machine for a URL from inside, at 127.0.0.1, whatever the name resolves to.
    pub fn get(&self, url: &str) -> Response {
        self.get_with(url, &[])
    }

    /// The same with headers of one's own.
    pub fn get_with(&self, url: &str, headers: &[(&str, &str)]) -> Response {
        self.ask(url, headers).unwrap_or_else(|error| panic!("GET {url} of {}: {error}", self.name()))
    }

    /// The same, for a test that expects nobody to answer.
    pub fn ask(&self, url: &str, headers: &[(&str, &str)]) -> io::Result<Response> {
        http::get(&self.network().inner(), "127.0.0.1", url, headers)
    }

    /// Sends bytes to a port of the machine and returns what comes back.
    pub fn talk(&self, port: u16, bytes: &[u8]) -> io::Result<Vec<u8>> {
        http::talk(&self.network().inner(), SocketAddr::from(([127, 0, 0, 1], port)), bytes)
    }

    /// Opens a websocket and sends bytes through it: the status, and what the other end echoed.
    pub fn websocket(&self, url: &str, bytes: &[u8]) -> (u16, Vec<u8>) {
        http::upgrade(&self.network().inner(), "127.0.0.1", url, bytes)
            .unwrap_or_else(|error| panic!("a websocket to {url} of {}: {error}", self.name()))
    }

    /// Somebody outside who has this address. The machine is 10.0.0.10 to them.
    #[expect(clippy::wrong_self_convention, reason = "it reads as the sentence it is")]
    pub fn from_outside(&self, address: &str) -> Outside<'_> {
        Outside { host: self, address: address.to_owned() }
    }

    /// Serves the lab's signed repository at `http://127.0.0.1:8100/`, as long as the value lives.
    pub fn signed_repository(&self) -> SignedRepository {
        let folder = self.base().signed();
        let fingerprint = std::fs::read_to_string(folder.join("fingerprint"));
        SignedRepository {
            url: "http://127.0.0.1:8100/".to_owned(),
            fingerprint: fingerprint.expect("the base has a signed repository"),
            server: self.serves("127.0.0.1:8100", folder),
        }
    }
}

/// Somebody outside, at one address.
#[derive(Debug)]
pub struct Outside<'a> {
    host: &'a Machine,
    address: String,
}

impl Outside<'_> {
    /// Runs a line of shell outside, with the programs of the machine: `psql -h 10.0.0.10 …`.
    pub fn sh(&self, line: &str) -> Said {
        self.speak();
        let leader = self.host.leader().to_string();
        let mut command = std::process::Command::new("nsenter");
        command.args(["--target", &leader, "--mount", "--uts", "--ipc", "--pid", "--cgroup"]);
        command.arg(format!("--net={}", self.host.network().outer().display()));
        command.args(["--", "timeout", "900", "sh", "-c", line]).env_clear().envs(ENVIRONMENT);
        self.host.hear(&format!("(from {}) {line}", self.address), &mut command)
    }

    /// Asks the machine for a URL, whatever the name resolves to.
    pub fn get(&self, url: &str) -> Response {
        self.get_with(url, &[])
    }

    /// The same with headers of one's own.
    pub fn get_with(&self, url: &str, headers: &[(&str, &str)]) -> Response {
        self.ask(url, headers).unwrap_or_else(|error| panic!("GET {url} from {}: {error}", self.address))
    }

    /// The same, for a test that expects nobody to answer.
    pub fn ask(&self, url: &str, headers: &[(&str, &str)]) -> io::Result<Response> {
        self.speak();
        let network = self.host.network();
        http::get(&network.outer(), &network.address(), url, headers)
    }

    fn speak(&self) {
        let address = self.address.parse();
        let address = address.unwrap_or_else(|_| panic!("`{}` is not an address", self.address));
        self.host.network().speak_as(address);
    }
}

/// The lab's signed repository, being served. Its key is `key.asc` (armoured) and `key.gpg` beneath the URL.
#[derive(Debug)]
pub struct SignedRepository {
    /// Where apt finds it: `deb [signed-by=…] URL ./`.
    pub url: String,
    /// The fingerprint of its key.
    pub fingerprint: String,
    /// The server, which remembers what it was asked.
    pub server: Backend,
}
