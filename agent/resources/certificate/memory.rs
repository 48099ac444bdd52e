//! What is kept of a certificate beside itself: failures, the CA's advice, and the latest moment that was ever seen. And what
//! is kept of names, whichever certificates they are in: a CA counts failures for each name of an account.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::acme::authority::Revoked;
use crate::acme::failures::Failures;
use crate::acme::refusal::Refusal;
use crate::acme::renewal::{self, Advice};
use crate::engine::Cause;
use crate::host::files::sha256_of;
use crate::host::moment::Moment;
use crate::host::{Error, Look, Touch};

/// The latest moment that was seen, of all certificates.
const SEEN: &str = "tls/seen.json";
/// So much later it is written down anew: a run with nothing to do writes nothing.
const SEEN_EVERY: std::time::Duration = std::time::Duration::from_hours(6);

/// So long a failure of a name is of any interest.
const NAMES_KEPT: std::time::Duration = std::time::Duration::from_hours(30 * 24);

/// What is kept of names at the CA with this directory.
#[derive(Debug, Clone, Copy)]
pub(super) struct Names<'a> {
    directory: &'a str,
}

impl<'a> Names<'a> {
    pub(super) fn at(directory: &'a str) -> Self {
        Self { directory }
    }

    fn place(self) -> String {
        format!("tls/account/names-{}.json", short(self.directory))
    }

    /// The failures of names since the last success of each.
    pub(super) fn failures(self, host: &Look) -> Result<BTreeMap<String, Failures>, Error> {
        Ok(read(host, &self.place())?.unwrap_or_default())
    }

    /// Remembers that it failed for these names; on the disk before anybody is asked again.
    pub(super) fn failed(self, host: &Touch, names: &[String], refusal: &Refusal, now: Moment) -> Result<(), Error> {
        let mut all = self.failures(host)?;
        all.retain(|_, failures| now.since(failures.last) < NAMES_KEPT);
        for name in names {
            let failures = Failures::after(all.get(name), refusal, now);
            all.insert(name.clone(), failures);
        }
        write(host, &self.place(), &all)
    }

    /// These were rehearsed well.
    pub(super) fn rehearsed(self, host: &Touch, names: &[String]) -> Result<(), Error> {
        self.change(host, names, |failures| Some(failures.rehearsed()))
    }

    /// A person lifted the pauses of these.
    pub(super) fn resumed(self, host: &Touch, names: &[String]) -> Result<(), Error> {
        self.change(host, names, |failures| Some(if failures.is_paused() { failures.resumed() } else { failures }))
    }

    /// These were proven.
    pub(super) fn proven(self, host: &Touch, names: &[String]) -> Result<(), Error> {
        self.change(host, names, |_| None)
    }

    fn change(
        self,
        host: &Touch,
        names: &[String],
        change: impl Fn(Failures) -> Option<Failures>,
    ) -> Result<(), Error> {
        let before = self.failures(host)?;
        let changed = before.clone().into_iter().filter_map(|(name, failures)| {
            let failures = if names.contains(&name) { change(failures)? } else { failures };
            Some((name, failures))
        });
        let after: BTreeMap<String, Failures> = changed.collect();
        if after == before { Ok(()) } else { write(host, &self.place(), &after) }
    }
}

/// A certificate that a person wants taken back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Revocation {
    /// Its serial number: as long as it counts, there has to be another one.
    pub(super) serial: String,
    /// Itself, as PEM: its version may be gone by then.
    pub(super) pem: String,
    /// The directory of the CA that issued it.
    pub(super) directory: String,
    /// Why.
    pub(super) reason: Revoked,
    /// Whether it is taken back before there is another one.
    pub(super) at_once: bool,
    /// Whether the CA has taken it back.
    pub(super) is_done: bool,
}

/// What is kept of a certificate of this name.
#[derive(Debug, Clone, Copy)]
pub(super) struct Memory<'a> {
    name: &'a str,
}

#[derive(Serialize, Deserialize)]
struct Advised {
    /// The certificate that it is for.
    renewal_id: String,
    advice: Advice,
}

impl<'a> Memory<'a> {
    pub(super) fn of(name: &'a str) -> Self {
        Self { name }
    }

    fn place(self, file: &str) -> String {
        format!("tls/{}/{file}.json", self.name)
    }

    fn failures_at(self, directory: &str) -> String {
        self.place(&format!("failures-{}", short(directory)))
    }

    /// The failures at a CA since the last success.
    pub(super) fn failures(self, host: &Look, directory: &str) -> Result<Option<Failures>, Error> {
        read(host, &self.failures_at(directory))
    }

    /// On the disk before anybody is asked again: a restart must not forget it.
    pub(super) fn keep_failures(self, host: &Touch, directory: &str, failures: &Failures) -> Result<(), Error> {
        write(host, &self.failures_at(directory), failures)
    }

    pub(super) fn forget_failures(self, host: &Touch, directory: &str) -> Result<(), Error> {
        host.remove_state(&self.failures_at(directory))
    }

    /// What the CA advised for the certificate that it knows by this.
    pub(super) fn advice(self, host: &Look, renewal_id: &str) -> Result<Option<Advice>, Error> {
        let kept: Option<Advised> = read(host, &self.place("advice"))?;
        Ok(kept.filter(|kept| kept.renewal_id == renewal_id).map(|kept| kept.advice))
    }

    pub(super) fn keep_advice(self, host: &Touch, renewal_id: &str, advice: &Advice) -> Result<(), Cause> {
        let kept = self.advice(host, renewal_id)?;
        if kept.as_ref() == Some(advice) {
            return Ok(());
        }
        let advised = Advised { renewal_id: renewal_id.to_owned(), advice: advice.clone() };
        Ok(write(host, &self.place("advice"), &advised)?)
    }

    /// What a person wants taken back.
    pub(super) fn revocation(self, host: &Look) -> Result<Option<Revocation>, Error> {
        read(host, &self.place("revocation"))
    }

    /// On the disk before anything is done for it: what was cut off is gone on with.
    pub(super) fn keep_revocation(self, host: &Touch, revocation: &Revocation) -> Result<(), Error> {
        write(host, &self.place("revocation"), revocation)
    }

    pub(super) fn forget_revocation(self, host: &Touch) -> Result<(), Error> {
        host.remove_state(&self.place("revocation"))
    }

    /// What time it is, if the clock was not set back.
    pub(super) fn now(host: &Look) -> Result<Moment, Error> {
        Ok(renewal::believed(Moment::now(), read(host, SEEN)?))
    }

    /// Writes down how late it is.
    pub(super) fn keep_now(host: &Touch) -> Result<(), Cause> {
        let (now, seen) = (Moment::now(), read::<Moment>(host, SEEN)?);
        // One that is far ahead was the mistake.
        let is_wrong = seen.is_some_and(|seen| renewal::believed(now, Some(seen)) == now && seen > now);
        if is_wrong || seen.is_none_or(|seen| now.since(seen) >= SEEN_EVERY) {
            write(host, SEEN, &now)?;
        }
        Ok(())
    }
}

/// A file name for a directory.
fn short(directory: &str) -> String {
    sha256_of(directory.as_bytes()).chars().take(16).collect()
}

/// What cannot be read is as good as forgotten: it is a memory, and no reason to be without a certificate.
fn read<T: DeserializeOwned>(host: &Look, place: &str) -> Result<Option<T>, Error> {
    Ok(host.read_state(place)?.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
}

fn write<T: Serialize>(host: &Touch, place: &str, value: &T) -> Result<(), Error> {
    let bytes = serde_json::to_vec(value).map_err(|error| Error::said("tls-store", error.to_string()))?;
    host.write_state_durably(place, &bytes)
}
