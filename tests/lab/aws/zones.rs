//! Zones of Route 53 and of Cloudflare, which the machine writes into by their APIs. What is in them is what the name server
//! of the lab's CA has; see `zones.py`.

use serde_json::{Value, json};

use super::Aws;
use crate::lab::acme::NAMES_API;

/// A hosted zone of Route 53.
#[derive(Debug)]
pub struct Zone<'a> {
    aws: &'a Aws<'a>,
    /// Its ID.
    pub id: String,
}

/// Cloudflare.
#[derive(Debug)]
pub struct Cloudflare<'a> {
    aws: &'a Aws<'a>,
}

impl Aws<'_> {
    /// A hosted zone that everybody may ask.
    pub fn zone(&self, name: &str) -> Zone<'_> {
        self.made(name, false)
    }

    /// A hosted zone of a VPC.
    pub fn private_zone(&self, name: &str) -> Zone<'_> {
        self.made(name, true)
    }

    /// Cloudflare, which takes this token.
    pub fn cloudflare(&self, token: &str) -> Cloudflare<'_> {
        self.is_at("cloudflare.example.org");
        self.serves_zones();
        self.ask(&json!({ "do": "cloudflare", "token": token }));
        Cloudflare { aws: self }
    }

    fn made(&self, name: &str, private: bool) -> Zone<'_> {
        self.is_at("route53.amazonaws.com");
        self.serves_zones();
        let id = self.ask(&json!({ "do": "zone", "name": name, "private": private }));
        Zone { aws: self, id: id.as_str().expect("a zone has an ID").to_owned() }
    }

    /// Lets the name server of the lab's CA have what is in the zones.
    fn serves_zones(&self) {
        self.ask(&json!({ "do": "serves_zones", "server": NAMES_API }));
    }
}

impl Zone<'_> {
    /// Has these texts of somebody else for a name.
    pub fn put(&self, name: &str, texts: &[&str]) -> &Self {
        self.aws.ask(&json!({ "do": "put_text", "zone": self.id, "name": name, "texts": texts }));
        self
    }

    /// The texts of a name, as Route 53 has them.
    pub fn texts(&self, name: &str) -> Vec<String> {
        listed(&self.aws.ask(&json!({ "do": "texts", "zone": self.id, "name": name })))
    }
}

impl Cloudflare<'_> {
    /// Has this zone from now on.
    pub fn zone(&self, name: &str) -> &Self {
        self.aws.ask(&json!({ "do": "cloudflare_zone", "name": name }));
        self
    }

    /// Has this text of somebody else for a name, in one of its zones.
    pub fn put(&self, name: &str, text: &str) -> &Self {
        self.aws.ask(&json!({ "do": "cloudflare_put", "name": name, "text": text }));
        self
    }

    /// The texts of a name, as Cloudflare has them.
    pub fn texts(&self, name: &str) -> Vec<String> {
        listed(&self.aws.ask(&json!({ "do": "cloudflare_texts", "name": name })))
    }
}

fn listed(answer: &Value) -> Vec<String> {
    let all = answer.as_array().expect("a list");
    all.iter().filter_map(Value::as_str).map(str::to_owned).collect()
}
