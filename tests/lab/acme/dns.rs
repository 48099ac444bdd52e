//! What names resolve to, for the machine and for the CA that checks who has them.

use std::time::Duration;

use serde_json::{Value, json};

use super::pebble::NAMES;
use super::service::held;
use super::zones::Zones;
use super::{ADDRESS, zones};
use crate::lab::http;
use crate::lab::network::Network;

/// The name server of the machine and of the CA. Of a name that it was not told it knows that there is nothing.
///
/// Pebble 2.4.0 does not ask for CAA: such a record is there for whoever looks before.
#[derive(Debug)]
pub struct Dns<'a> {
    pub(super) network: &'a Network,
    pub(super) zones: &'a Zones,
}

impl Dns<'_> {
    /// Lets a name have this IPv4 address, and no other.
    pub fn a(&self, name: &str, address: &str) -> &Self {
        self.without_a(name).tell("add-a", &json!({ "host": name, "addresses": [address] }))
    }

    /// Lets a name have no IPv4 address.
    pub fn without_a(&self, name: &str) -> &Self {
        self.tell("clear-a", &json!({ "host": name }))
    }

    /// Lets a name have this IPv6 address, and no other.
    pub fn aaaa(&self, name: &str, address: &str) -> &Self {
        self.without_aaaa(name).tell("add-aaaa", &json!({ "host": name, "addresses": [address] }))
    }

    /// Lets a name have no IPv6 address.
    pub fn without_aaaa(&self, name: &str) -> &Self {
        self.tell("clear-aaaa", &json!({ "host": name }))
    }

    /// Lets a name have this text beside those it has.
    pub fn txt(&self, name: &str, text: &str) -> &Self {
        self.tell("set-txt", &json!({ "host": full(name), "value": text }))
    }

    /// Lets a name have no text.
    pub fn without_txt(&self, name: &str) -> &Self {
        self.tell("clear-txt", &json!({ "host": full(name) }))
    }

    /// Lets a name have this rule about CAs beside those it has, such as `issue` and `letsencrypt.org`.
    pub fn caa(&self, name: &str, tag: &str, value: &str) -> &Self {
        self.tell("add-caa", &json!({ "host": name, "policies": [{ "tag": tag, "value": value }] }))
    }

    /// Lets a name have no rule about CAs.
    pub fn without_caa(&self, name: &str) -> &Self {
        self.tell("clear-caa", &json!({ "host": name }))
    }

    /// Lets a name be another one.
    pub fn cname(&self, name: &str, target: &str) -> &Self {
        self.tell("set-cname", &json!({ "host": name, "target": target }))
    }

    /// Lets a name be no other one any more.
    pub fn without_cname(&self, name: &str) -> &Self {
        self.tell("clear-cname", &json!({ "host": name }))
    }

    /// Answers SERVFAIL whatever is asked about a name.
    pub fn fails(&self, name: &str) -> &Self {
        self.tell("set-servfail", &json!({ "host": name }))
    }

    /// Answers rightly about a name again.
    pub fn fails_not(&self, name: &str) -> &Self {
        self.tell("clear-servfail", &json!({ "host": name }))
    }

    /// Lets a name be a zone, with an SOA and one authoritative server: this one.
    pub fn zone(&self, name: &str) -> &Self {
        held(&self.zones.known).zones.insert(name.to_ascii_lowercase());
        self.a(zones::SERVER, ADDRESS)
    }

    /// Lets every zone have a second authoritative server, which has texts so much later.
    pub fn lags(&self, lag: Duration) -> &Self {
        held(&self.zones.known).lag = Some(lag);
        self.a(zones::SECOND, zones::SECOND_ADDRESS)
    }

    /// How often a name was asked for, whatever was asked.
    pub fn asked(&self, name: &str) -> usize {
        let history = self.ask("dns-request-history", &json!({ "host": name }));
        let history: Value = serde_json::from_str(&history).expect("challtestsrv answers in JSON");
        history.as_array().map_or(0, Vec::len)
    }

    fn tell(&self, what: &str, body: &Value) -> &Self {
        self.ask(what, body);
        self
    }

    fn ask(&self, what: &str, body: &Value) -> String {
        let body = body.to_string();
        let length = body.len();
        let request = format!(
            "POST /{what} HTTP/1.1\r\nHost: {ADDRESS}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        let to = (ADDRESS.parse::<std::net::IpAddr>().expect("an address"), NAMES).into();
        let reply = http::talk(&self.network.outer(), to, request.as_bytes());
        let reply = reply.unwrap_or_else(|error| panic!("the lab's name server does not take {what} {body}: {error}"));
        let url = format!("http://{ADDRESS}:{NAMES}/{what}");
        let answer = http::response(&url, &reply).unwrap_or_else(|| panic!("no HTTP from {url}"));
        assert!(answer.status == 200, "the lab's name server does not take {body}\n{answer}");
        answer.body
    }
}

/// With the dot at the end that challtestsrv wants for texts.
fn full(name: &str) -> String {
    format!("{}.", name.trim_end_matches('.'))
}
