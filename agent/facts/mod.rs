//! What is true of this host: plain data, gathered before anything is compiled, and only what is read.
//!
//! Most are local: files, and what the kernel tells. Those of an EC2 instance are asked of its metadata service, and only
//! there. A fact that cannot be known here has no value, and a recipe that reads it is told so.

pub mod ec2;
mod local;
mod templates;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use crate::aws::imds::{Imds, Unanswered};
use crate::host::{Error, Look};
use ec2::{Learned, Patience};
pub use templates::templates;

/// Every fact there is: its name, and what it says.
pub const NAMES: &[(&str, &str)] = &[
    ("account_id", "the AWS account of the EC2 instance: twelve digits"),
    ("ami_id", "the image that the EC2 instance was made from, such as `ami-0123456789abcdef0`"),
    ("arch", "the processor's kind as Debian has it: `amd64` or `arm64`"),
    ("availability_zone", "where the EC2 instance is, such as `eu-central-1a`; what that means differs by account"),
    ("availability_zone_id", "the same by a name that all accounts share, such as `euc1-az2`"),
    ("cpus", "how many processors the system runs on"),
    ("fqdn", "the host's name with its domain, if /etc/hosts gives it one; else as `hostname`"),
    ("hostname", "the host's name"),
    ("instance_id", "the EC2 instance's ID, such as `i-0123456789abcdef0`; elsewhere `not-on-ec2`"),
    ("instance_type", "the EC2 instance's type, such as `t3a.nano`"),
    ("interface", "the network interface of the default route"),
    ("ipv6", "whether the host has IPv6 at all, if only on itself"),
    ("is_ec2", "whether this is an EC2 instance"),
    ("kernel", "the kernel's release, such as `6.1.0-35-cloud-amd64`"),
    ("lifecycle", "how the EC2 instance is paid for: `on-demand`, `spot`, …"),
    ("machine", "the processor's kind as the kernel has it: `x86_64` or `aarch64`"),
    ("machine_id", "32 hexadecimal digits that no other machine has, of machine-id(5)"),
    ("memory_mib", "memory in MiB"),
    ("mounts", "where file systems of disks are mounted"),
    ("os_codename", "the operating system's code name, such as `bookworm`"),
    ("os_id", "the operating system, such as `debian`"),
    ("os_version", "its version, such as `12`"),
    ("partition", "the part of AWS that the EC2 instance is in: `aws`, `aws-cn`, …"),
    ("private_dns", "the EC2 instance's name in its VPC"),
    ("private_ip", "the IPv4 address on the interface of the default route"),
    ("private_ipv6", "the IPv6 address there that is not only the link's"),
    ("public_dns", "the EC2 instance's name on the internet, if it has one"),
    ("public_ip", "the EC2 instance's IPv4 address on the internet, if it has one"),
    ("region", "where the EC2 instance is, such as `eu-central-1`"),
    ("virtualization", "`ec2`, `kvm`, …, or the container's kind, such as `docker`; `none` where nothing says so"),
];

const IPV6: &str = "ipv6";

/// What is true of this host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// The operating system, from os-release(5).
    pub os: Os,
    /// What else was asked for, by its name in [`NAMES`].
    pub known: BTreeMap<String, Fact>,
    /// Templates in place of the program's, by their names.
    pub templates: BTreeMap<String, String>,
}

/// The operating system.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Os {
    /// `ID`, such as `debian`.
    pub id: String,
    /// `VERSION_ID`, such as `12`.
    pub version: String,
    /// `VERSION_CODENAME`, such as `bookworm`.
    pub codename: String,
}

/// The value of a fact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    /// Text.
    Text(String),
    /// A whole number.
    Number(i64),
    /// Yes or no.
    Bool(bool),
    /// Several texts.
    List(Vec<String>),
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Number(number) => number.fmt(f),
            Self::Bool(yes) => yes.fmt(f),
            Self::List(list) => f.write_str(&list.join(" ")),
        }
    }
}

impl Facts {
    /// Gathers the facts of these names, and those that tables of the recipe go by: the operating system, and IPv6. What a
    /// metadata service did not answer has no value here, and its reason in [`Learned::unanswered`].
    ///
    /// # Errors
    /// When a file that holds one is there and cannot be read.
    pub async fn gather(host: &Look, wanted: &BTreeSet<String>, patience: Patience) -> Result<(Self, Learned), Error> {
        Self::gather_from(host, wanted, async || Imds::open(host, patience.budget).await, patience.each).await
    }

    /// As [`Facts::gather`], in a session that is opened only if it must be, and for so long a path.
    ///
    /// # Errors
    /// When a file that holds one is there and cannot be read.
    pub async fn gather_from(
        host: &Look,
        wanted: &BTreeSet<String>,
        session: impl AsyncFnOnce() -> Result<Imds, Unanswered>,
        each: Duration,
    ) -> Result<(Self, Learned), Error> {
        let mut facts = Self { os: local::os(host)?, known: BTreeMap::new(), templates: templates(host)? };
        for group in
            local::GROUPS.iter().filter(|group| group.names.iter().any(|name| *name == IPV6 || wanted.contains(*name)))
        {
            let all = (group.gather)(host)?;
            facts.known.extend(all.into_iter().map(|(name, fact)| (name.to_owned(), fact)));
        }
        let learned = ec2::learn(host, wanted, session, each).await?;
        facts.known.extend(learned.known.iter().map(|(name, text)| (name.clone(), Fact::Text(text.clone()))));
        Ok((facts, learned))
    }

    /// The facts of a host that is not at hand: a value of the right kind for every name. A check uses them, so that it
    /// says the same of a recipe wherever it runs.
    pub fn example() -> Self {
        let text = |text: &str| Fact::Text(text.to_owned());
        let known = [
            ("account_id", text("123456789012")),
            ("ami_id", text("ami-0123456789abcdef0")),
            ("arch", text("amd64")),
            ("availability_zone", text("eu-central-1a")),
            ("availability_zone_id", text("euc1-az2")),
            ("cpus", Fact::Number(2)),
            ("fqdn", text("host.example.org")),
            ("hostname", text("host")),
            ("instance_id", text("i-0123456789abcdef0")),
            ("instance_type", text("t3a.nano")),
            ("interface", text("ens5")),
            ("ipv6", Fact::Bool(true)),
            ("is_ec2", Fact::Bool(true)),
            ("kernel", text("6.1.0-35-cloud-amd64")),
            ("lifecycle", text("on-demand")),
            ("machine", text("x86_64")),
            ("machine_id", text("0123456789abcdef0123456789abcdef")),
            ("memory_mib", Fact::Number(512)),
            ("mounts", Fact::List(vec!["/".to_owned()])),
            ("partition", text("aws")),
            ("private_dns", text("ip-10-0-0-10.eu-central-1.compute.internal")),
            ("private_ip", text("10.0.0.10")),
            ("private_ipv6", text("fd00::10")),
            ("public_dns", text("ec2-192-0-2-10.eu-central-1.compute.amazonaws.com")),
            ("public_ip", text("192.0.2.10")),
            ("region", text("eu-central-1")),
            ("virtualization", text("ec2")),
        ];
        Self {
            os: Os { id: "debian".to_owned(), version: "12".to_owned(), codename: "bookworm".to_owned() },
            known: known.map(|(name, fact)| (name.to_owned(), fact)).into(),
            templates: BTreeMap::new(),
        }
    }

    /// Whether the host has IPv6; so it has unless something says otherwise.
    pub fn has_ipv6(&self) -> bool {
        self.value(IPV6) != Some(Fact::Bool(false))
    }

    /// Facts written down, for a host that is not at hand: `hostname = "web"` and so on.
    ///
    /// # Errors
    /// What is no fact, or has no value that a fact may have.
    pub fn from_toml(text: &str) -> Result<Self, String> {
        let table: toml::Table = text.parse().map_err(|error: toml::de::Error| error.to_string())?;
        let mut facts = Self::default();
        for (name, value) in table {
            if !Self::names().any(|known| known == name) {
                return Err(format!("unknown fact `{name}`"));
            }
            let fact = fact_of(&value)
                .ok_or_else(|| format!("`{name}` is neither text, number, boolean nor a list of texts"))?;
            match (name.as_str(), &fact) {
                ("os_id", Fact::Text(text)) => facts.os.id.clone_from(text),
                ("os_version", Fact::Text(text)) => facts.os.version.clone_from(text),
                ("os_codename", Fact::Text(text)) => facts.os.codename.clone_from(text),
                _ => drop(facts.known.insert(name, fact)),
            }
        }
        Ok(facts)
    }

    /// The names of all facts.
    pub fn names() -> impl Iterator<Item = &'static str> {
        NAMES.iter().map(|(name, _)| *name)
    }

    /// The value of a fact; `None` when it cannot be known on this host, or was not asked for.
    pub fn value(&self, name: &str) -> Option<Fact> {
        let text = |text: &String| Some(Fact::Text(text.clone())).filter(|_| !text.is_empty());
        match name {
            "os_id" => text(&self.os.id),
            "os_version" => text(&self.os.version),
            "os_codename" => text(&self.os.codename),
            other => self.known.get(other).cloned(),
        }
    }
}

fn fact_of(value: &toml::Value) -> Option<Fact> {
    Some(match value {
        toml::Value::String(text) => Fact::Text(text.clone()),
        toml::Value::Integer(number) => Fact::Number(*number),
        toml::Value::Boolean(yes) => Fact::Bool(*yes),
        toml::Value::Array(list) => {
            Fact::List(list.iter().map(|one| one.as_str().map(str::to_owned)).collect::<Option<_>>()?)
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
