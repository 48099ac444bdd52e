//! What only EC2 itself knows of an instance: asked when a recipe reads it, in at most ten requests, and kept for the boot.
//!
//! Which instance this is, in this order: the firmware, what was kept since the boot, the identity document, the one that
//! was last known. An instance whose metadata service is dead stays the one it was.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::aws::imds::answers::{self, Document};
use crate::aws::imds::{BUDGET, Imds, Unanswered};
use crate::aws::instance::{Instance, Source};
use crate::aws::{InstanceId, Platform};
use crate::host::{Error, Look, Touch};

/// The file in `/run/hostagent`.
const KEPT: &str = "facts.json";
const DOCUMENT: &str = "dynamic/instance-identity/document";

/// Facts of the identity document: one request for all of them.
const OF_THE_DOCUMENT: [&str; 6] =
    ["account_id", "ami_id", "availability_zone", "instance_id", "instance_type", "region"];

/// Facts that are a request each.
const LEAVES: [(&str, &str); 6] = [
    ("availability_zone_id", "meta-data/placement/availability-zone-id"),
    ("lifecycle", "meta-data/instance-life-cycle"),
    ("partition", "meta-data/services/partition"),
    ("private_dns", "meta-data/local-hostname"),
    ("public_dns", "meta-data/public-hostname"),
    ("public_ip", "meta-data/public-ipv4"),
];

/// How long the metadata service may take.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// In all.
    pub budget: Duration,
    /// For one path, when there are others that can be told without it.
    pub each: Duration,
}

impl Patience {
    /// For facts without which nothing can be done.
    pub fn of(budget: Duration) -> Self {
        Self { budget, each: budget }
    }
}

impl Default for Patience {
    fn default() -> Self {
        Self::of(BUDGET)
    }
}

/// What could be learned of an instance.
#[derive(Debug, Default)]
pub struct Learned {
    pub(super) known: BTreeMap<String, String>,
    /// What was asked for and not answered, and why.
    pub unanswered: BTreeMap<String, Unanswered>,
    /// Which instance this is, if the firmware says so or it was asked.
    pub instance: Option<(InstanceId, Source)>,
    to_keep: Option<Kept>,
}

/// What is kept for the boot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Kept {
    /// Of this boot: `/proc/sys/kernel/random/boot_id`.
    boot: String,
    /// Of this instance.
    instance: InstanceId,
    facts: BTreeMap<String, String>,
}

/// The names of the facts that are learned here.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    OF_THE_DOCUMENT.into_iter().chain(LEAVES.into_iter().map(|(name, _)| name))
}

/// Learns the facts of these names, as far as they are facts of EC2, in a session that is opened only if it must be.
pub(super) async fn learn(
    host: &Look,
    wanted: &BTreeSet<String>,
    open: impl AsyncFnOnce() -> Result<Imds, Unanswered>,
    each: Duration,
) -> Result<Learned, Error> {
    let mut learned = Learned::default();
    let mut missing: BTreeSet<&str> = names().filter(|name| wanted.contains(*name)).collect();
    let Platform::Ec2(by_firmware) = Platform::of(host)? else {
        if missing.contains("instance_id") {
            learned.knows("instance_id", "not-on-ec2");
        }
        return Ok(learned);
    };
    if let Some(id) = &by_firmware {
        learned.is(id, Source::Firmware);
        missing.remove("instance_id");
    }
    if missing.is_empty() {
        return Ok(learned);
    }
    let mut kept = kept(host, by_firmware.as_ref())?;
    if let Some(kept) = &kept {
        if by_firmware.is_none() {
            learned.is(&kept.instance, Source::Metadata);
            missing.remove("instance_id");
        }
        missing.retain(|name| {
            kept.facts.get(*name).is_none_or(|value| {
                learned.knows(name, value);
                false
            })
        });
    }
    if missing.is_empty() {
        return Ok(learned);
    }
    let mut imds = match open().await {
        Ok(imds) => imds,
        Err(why) => {
            learned.unanswered.extend(missing.into_iter().map(|name| (name.to_owned(), why.clone())));
            return learned.or_last_known(host);
        }
    };
    let facts = ask(&mut imds, &missing, each, &mut learned).await;
    // What was learned belongs to the boot it was learned in, and only where it is known whose it is.
    let instance = learned.instance.as_ref().map(|(id, _)| id.clone());
    if let (Some(instance), Some(boot), false) = (instance, boot(host)?, facts.is_empty()) {
        let kept = kept.get_or_insert(Kept { boot, instance, facts: BTreeMap::new() });
        kept.facts.extend(facts);
        learned.to_keep = Some(kept.clone());
    }
    learned.or_last_known(host)
}

/// Asks for what is missing; what came.
async fn ask(
    imds: &mut Imds,
    missing: &BTreeSet<&str>,
    each: Duration,
    learned: &mut Learned,
) -> BTreeMap<String, String> {
    let mut facts = BTreeMap::new();
    // Without the firmware's word the document must say whose the other answers are, so it is always asked for.
    let needs_document = OF_THE_DOCUMENT.iter().any(|name| missing.contains(name));
    if needs_document || learned.instance.is_none() {
        match document(imds, each, learned.instance.as_ref()).await {
            Ok(document) => learned.take(document, missing, &mut facts),
            Err(why) => {
                let of_the_document = OF_THE_DOCUMENT.iter().filter(|name| missing.contains(*name));
                learned.unanswered.extend(of_the_document.map(|name| ((*name).to_owned(), why.clone())));
            }
        }
    }
    for (name, path) in LEAVES.iter().filter(|(name, _)| missing.contains(name)) {
        let word = |bytes: Vec<u8>| answers::word(&bytes).map_err(|why| Unanswered::unreadable(path, &why));
        match imds.get_within(path, each).await.and_then(|bytes| bytes.map(word).transpose()) {
            Ok(Some(value)) => {
                learned.knows(name, &value);
                facts.insert((*name).to_owned(), value);
            }
            // Absent, and asked for again the next time: a public address may come at any time.
            Ok(None) => {}
            Err(why) => drop(learned.unanswered.insert((*name).to_owned(), why)),
        }
    }
    facts
}

async fn document(
    imds: &mut Imds,
    each: Duration,
    instance: Option<&(InstanceId, Source)>,
) -> Result<Document, Unanswered> {
    let bytes = imds.get_within(DOCUMENT, each).await?;
    let bytes = bytes.ok_or_else(|| Unanswered::unreadable(DOCUMENT, "there is none"))?;
    let document = answers::document(&bytes).map_err(|why| Unanswered::unreadable(DOCUMENT, &why))?;
    match instance.filter(|(id, _)| *id != document.instance_id) {
        None => Ok(document),
        Some((id, _)) => {
            let why = format!("it is of {}, and this is {id}", document.instance_id);
            Err(Unanswered::unreadable(DOCUMENT, &why))
        }
    }
}

impl Learned {
    /// Keeps what the metadata service said just now for this boot: the next run need not ask.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn keep(&self, host: &Touch) -> Result<(), Error> {
        let Some(kept) = &self.to_keep else { return Ok(()) };
        let text = serde_json::to_vec_pretty(kept).map_err(|error| Error::said("facts", error.to_string()))?;
        host.write_run(KEPT, &text)
    }

    /// Remembers which instance this is; whether it is another one than was last known, or the first. An instance that
    /// nobody could name is never new.
    ///
    /// # Errors
    /// When that cannot be read or written.
    pub fn remember(&self, host: &Touch) -> Result<bool, Error> {
        self.instance.as_ref().map_or(Ok(false), |(id, source)| Instance::remember(host, id, *source))
    }

    fn knows(&mut self, name: &str, value: &str) {
        self.known.insert(name.to_owned(), value.to_owned());
    }

    fn is(&mut self, id: &InstanceId, source: Source) {
        self.knows("instance_id", id.as_str());
        self.instance = Some((id.clone(), source));
    }

    /// Takes what the document says.
    fn take(&mut self, document: Document, missing: &BTreeSet<&str>, facts: &mut BTreeMap<String, String>) {
        if self.instance.is_none() {
            self.is(&document.instance_id, Source::Metadata);
        }
        for (name, value) in [
            ("account_id", document.account_id),
            ("ami_id", document.image_id),
            ("availability_zone", document.availability_zone),
            ("instance_type", document.instance_type),
            ("region", document.region),
        ] {
            if let Some(value) = value {
                if missing.contains(name) {
                    self.knows(name, &value);
                }
                // All of them, as they came at once.
                facts.insert(name.to_owned(), value);
            }
        }
    }

    /// An instance that nobody can name now is the one that it was.
    fn or_last_known(mut self, host: &Look) -> Result<Self, Error> {
        if let Some(why) = self.unanswered.get("instance_id")
            && let Some(last) = Instance::last_known(host)?
        {
            tracing::warn!("{why}; this is {}, as was last known", last.id);
            self.unanswered.remove("instance_id");
            self.knows("instance_id", last.id.as_str());
        }
        Ok(self)
    }
}

/// What was kept in this boot, of this instance. One that is damaged, or only root's, counts as absent.
fn kept(host: &Look, by_firmware: Option<&InstanceId>) -> Result<Option<Kept>, Error> {
    let bytes = match host.read_run(KEPT) {
        Err(Error::File { source, .. }) if source.kind() == std::io::ErrorKind::PermissionDenied => None,
        bytes => bytes?,
    };
    let kept = bytes.and_then(|bytes| serde_json::from_slice::<Kept>(&bytes).ok());
    let boot = boot(host)?;
    Ok(kept.filter(|kept| boot.as_ref() == Some(&kept.boot) && by_firmware.is_none_or(|id| *id == kept.instance)))
}

fn boot(host: &Look) -> Result<Option<String>, Error> {
    let id = host.read_text(Path::new("/proc/sys/kernel/random/boot_id"))?;
    Ok(id.map(|id| id.trim().to_owned()).filter(|id| !id.is_empty()))
}

#[cfg(test)]
mod tests;
