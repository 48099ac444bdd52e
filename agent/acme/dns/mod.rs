//! Names proven by DNS (RFC 8555, 8.4): texts are written where the CA will look, seen there by every server of the zone,
//! and taken away again.
//!
//! | file | what it knows |
//! |---|---|
//! | `place` | where a name's text belongs: aliases followed, zones and their servers |
//! | `provider` | whoever keeps the zone: Route 53 or Cloudflare |
//! | `cloudflare` | Cloudflare's API; that of Route 53 is in `aws` |
//! | `servers` | waiting until every server has what was written |
//!
//! What is written is noted on the disk before. So a run that was killed leaves a note, and the next one takes away what it
//! finds there, but for what it needs itself: an order that is gone on with has the same texts.

mod cloudflare;
mod place;
mod provider;
mod servers;

use std::collections::BTreeSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use self::cloudflare::Cloudflare;
pub use self::provider::Provider;
use super::order::Trouble;
use super::refusal::{Kind, Refusal};
use crate::host::{Error, Touch};

/// How long all servers of a zone may take until they have what was written.
const PATIENCE: Duration = Duration::from_mins(2);

/// Proves names by DNS.
#[derive(Debug, Clone)]
pub struct Dns {
    provider: Provider,
    patience: Duration,
}

/// A text of a name. Both are what everybody may ask for: no secret.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// The name, in lower case and without a dot at its end.
    pub name: String,
    /// The text.
    pub text: String,
}

/// What was written, and with whom.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    provider: String,
    records: BTreeSet<Record>,
}

impl Dns {
    /// By whoever keeps the zone.
    pub fn with(provider: Provider) -> Self {
        Self { provider, patience: PATIENCE }
    }

    /// Lets names have their texts, and waits until every server that the CA may ask has them.
    ///
    /// # Errors
    /// When they cannot be written, or do not come to be seen.
    pub(super) async fn show(&self, host: &Touch, folder: &str, texts: &[(String, String)]) -> Result<(), Trouble> {
        let resolvers = host.resolvers()?;
        let mut wanted = BTreeSet::new();
        for (name, text) in texts {
            let name = place::followed(&resolvers, &place::challenge_of(name)).await?;
            wanted.insert(Record { name, text: text.clone() });
        }
        let before = written(host, folder)?;
        if let Some(before) = &before {
            let left = before.records.difference(&wanted).cloned().collect();
            self.take(host, folder, Written { records: left, ..before.clone() }).await;
        }
        // What could not be taken away is still to be known.
        let mut all = wanted.clone();
        all.extend(written(host, folder)?.into_iter().flat_map(|left| left.records));
        keep(host, folder, &Written { provider: self.provider.name().to_owned(), records: all })?;
        let wanted: Vec<Record> = wanted.into_iter().collect();
        self.provider.put(host, &wanted).await?;
        servers::wait(&resolvers, &wanted, self.patience).await?;
        Ok(())
    }

    /// Takes away what was written. What cannot be is left noted for the next time, and said: no certificate is given up
    /// for it.
    pub(super) async fn take_back(&self, host: &Touch, folder: &str) {
        match written(host, folder) {
            Ok(Some(written)) => self.take(host, folder, written).await,
            Ok(None) => {}
            Err(error) => tracing::warn!(%error, "what was written into DNS is not known"),
        }
    }

    async fn take(&self, host: &Touch, folder: &str, written: Written) {
        let mut left = Vec::new();
        for record in &written.records {
            let taken = if written.provider == self.provider.name() {
                self.provider.take(host, record).await
            } else {
                let says =
                    format!("it was written with `{}`, which the recipe does not name any more", written.provider);
                Err(Refusal::new(Kind::Dns, says).fix("take it away by hand"))
            };
            match taken {
                Ok(()) => {}
                // Nobody here can do it: a note that is kept would be of no use.
                Err(refusal) if written.provider != self.provider.name() => {
                    tracing::warn!(name = record.name, text = record.text, says = refusal.says, "a text stays in DNS");
                }
                Err(refusal) => {
                    tracing::warn!(name = record.name, says = refusal.says, "a text could not be taken out of DNS yet");
                    left.push(record.clone());
                }
            }
        }
        let kept = match self::written(host, folder) {
            Ok(Some(mut now)) => {
                now.records.retain(|record| !written.records.contains(record) || left.contains(record));
                keep(host, folder, &now)
            }
            Ok(None) => Ok(()),
            Err(error) => Err(error),
        };
        if let Err(error) = kept {
            tracing::warn!(%error, "that a text was taken out of DNS could not be noted");
        }
    }
}

fn place_of(folder: &str) -> String {
    format!("{folder}/dns.json")
}

/// What was written and not taken away since.
fn written(host: &Touch, folder: &str) -> Result<Option<Written>, Error> {
    let kept = host.read_state(&place_of(folder))?;
    Ok(kept.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
}

fn keep(host: &Touch, folder: &str, written: &Written) -> Result<(), Error> {
    if written.records.is_empty() {
        return host.remove_state(&place_of(folder));
    }
    let bytes = serde_json::to_vec(written).map_err(|error| Error::said("tls-store", error.to_string()))?;
    host.write_state_durably(&place_of(folder), &bytes)
}

/// A name cannot be shown by DNS, and what to do about it.
fn unshown(says: impl std::fmt::Display, fix: impl Into<String>) -> Refusal {
    Refusal::new(Kind::Dns, says).fix(fix)
}
