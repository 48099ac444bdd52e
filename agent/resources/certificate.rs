//! A certificate of a CA: issued when there is none, renewed when it is due, put right when it vanished.
//!
//! That it is due is a difference like any other: `plan` says why, `converge` orders, and a timer is `converge --only tls`.
//! What serves is never taken away: a new version is checked and committed whole, and a server that will not load it gets
//! the one before back.

mod issuing;
mod memory;
mod person;
mod revoking;
pub mod standing;

pub(super) use issuing::reach;
pub use revoking::Intended;
#[cfg(test)]
mod tests;

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

use self::memory::Memory;
use crate::acme::renewal::{self, Advice, Due, Point, Validity};
use crate::engine::{Cause, Changes, Id, Patience, Resource, Shown};
use crate::host::moment::Moment;
use crate::host::tls_store::pair::normal;
use crate::host::tls_store::{Held, Readers, Source, Version, keys, pair};
use crate::host::{Look, Touch};
use crate::terms::{AccountName, Challenge, KeyType};

/// A CA waits for names to be proven from several places; each of several may.
const PATIENCE: Duration = Duration::from_mins(15);

/// Who issues.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Issuer {
    /// The key itself: for places without a CA.
    SelfSigned,
    /// A CA that speaks ACME.
    Acme {
        /// Its directory.
        directory: String,
        /// The certificate (PEM) that its own TLS is trusted by, if this host does not trust it anyway.
        root: Option<PathBuf>,
        /// The directory of its twin for rehearsals.
        staging: Option<String>,
    },
}

impl Issuer {
    /// How it is named in what is kept of a certificate.
    fn directory(&self) -> Option<&str> {
        match self {
            Self::SelfSigned => None,
            Self::Acme { directory, .. } => Some(directory),
        }
    }

    fn shown(&self) -> String {
        self.directory().unwrap_or("self-signed").to_owned()
    }
}

/// A certificate.
#[derive(Debug, Clone, Serialize)]
pub struct Certificate {
    /// What others call it by.
    pub name: String,
    /// What it is for.
    pub names: Vec<String>,
    /// Who issues it, whoever is preferred first.
    pub issuers: Vec<Issuer>,
    /// Whom a CA may write to: `mailto:` addresses.
    pub contact: Vec<String>,
    /// How names are proven.
    pub challenge: Challenge,
    /// The kind of its key.
    pub key_type: KeyType,
    /// The CA's profile.
    pub profile: Option<String>,
    /// A part of the name of the topmost issuer of the chain that is preferred.
    pub preferred_chain: Option<String>,
    /// Who may read the key beside root.
    pub group: Option<AccountName>,
    /// Units that serve it and have to read it again.
    pub readers: Vec<String>,
    /// What the CA advised in this run.
    #[serde(skip)]
    pub learned: RefCell<Option<Advice>>,
    /// Whether a person wants another one, due or not.
    #[serde(skip)]
    pub forced: Cell<bool>,
}

/// Why there has to be another.
#[derive(Debug, PartialEq, Eq)]
enum Need {
    /// Nobody can serve what there is.
    Broken,
    /// It is not what the recipe wants.
    Other,
    /// It is due.
    Due(Due),
    /// A person wants it.
    Forced,
}

impl Certificate {
    fn readers_of(&self, host: &Look) -> Result<Readers, Cause> {
        let gid = self.group.as_ref().map(|group| host.gid(group.as_str())).transpose()?;
        Ok(Readers { gid })
    }

    /// How what there is differs from what is wanted, and whether that takes another.
    async fn compare(&self, host: &Look, now: Moment) -> Result<(Changes, Option<Need>), Cause> {
        let first = self.issuers.first().map_or_else(String::new, Issuer::shown);
        let version = match host.tls_held(&self.name)? {
            Held::Nothing => return Ok((Changes::none().appears("certificate", first).creating(), Some(Need::Broken))),
            Held::Broken(says) => {
                let changes = Changes::none().differs("certificate", Shown::Plain(says), Shown::Plain(first));
                return Ok((changes, Some(Need::Broken)));
            }
            Held::Good(version) => version,
        };
        let mut changes = self.others(&version, &first);
        if self.is_to_be_revoked(host, &version)? {
            let (from, to) = (Shown::Plain("wanted".to_owned()), Shown::Plain("replaced, then revoked".to_owned()));
            changes = changes.follows("revocation", from, to);
        }
        if !changes.is_empty() {
            return Ok((changes, Some(Need::Other)));
        }
        if self.forced.get() {
            let says = Shown::Plain(format!("wanted now; expires on {}", version.leaf.to));
            return Ok((changes.follows("renewal", says, Shown::Plain("renewed".to_owned())), Some(Need::Forced)));
        }
        if issuing::serves_older(self, host, &version).await? {
            let (from, to) = (Shown::Plain("an older certificate".to_owned()), Shown::Plain("this one".to_owned()));
            changes = changes.follows("served", from, to);
        }
        let due = self.due(host, &version, now).await?;
        let need = due.is_now(now).then(|| {
            changes = std::mem::take(&mut changes).differs(
                "renewal",
                Shown::Plain(due.to_string()),
                Shown::Plain("renewed".to_owned()),
            );
            Need::Due(due)
        });
        Ok((changes, need))
    }

    /// How a certificate is not what the recipe wants, whatever time it is.
    fn others(&self, version: &Version, first: &str) -> Changes {
        let mut changes = Changes::none();
        let wanted: BTreeSet<String> = self.names.iter().map(|name| normal(name)).collect();
        let listed = |names: &BTreeSet<String>| names.iter().map(String::as_str).collect::<Vec<_>>().join(" ");
        if version.leaf.names != wanted {
            changes = changes.value("names", &listed(&version.leaf.names), &listed(&wanted));
        }
        let is_of = |issuer: &Issuer| match version.meta.source {
            Source::Bootstrap => false,
            Source::SelfSigned => *issuer == Issuer::SelfSigned,
            Source::Issued => issuer.directory().is_some() && issuer.directory() == version.meta.issuer.as_deref(),
        };
        if !self.issuers.iter().any(is_of) {
            let has = match version.meta.source {
                Source::Bootstrap => keys::BOOTSTRAP.to_owned(),
                _ => version.meta.issuer.clone().unwrap_or_else(|| "self-signed".to_owned()),
            };
            changes = changes.value("issuer", &has, &first.to_owned());
        }
        match version.key_type {
            Some(kind) if kind == self.key_type => changes,
            Some(kind) => changes.value("key type", &kind.to_string(), &self.key_type.to_string()),
            None => changes.value("key type", &"another".to_owned(), &self.key_type.to_string()),
        }
    }

    /// When it is due, by the CA's advice if it gives any.
    async fn due(&self, host: &Look, version: &Version, now: Moment) -> Result<Due, Cause> {
        let validity = Validity { from: version.leaf.from, to: version.leaf.to };
        let mut advice = match &version.leaf.renewal_id {
            Some(id) if version.meta.source == Source::Issued => self.memory().advice(host, id)?,
            _ => None,
        };
        let is_old = advice.as_ref().is_none_or(|advice| advice.is_old(now));
        if version.meta.source == Source::Issued && is_old && self.learned.borrow().is_none() {
            let learned = issuing::advice(self, host, version, now).await;
            *self.learned.borrow_mut() = learned;
        }
        if let Some(learned) = self.learned.borrow().clone() {
            advice = Some(learned);
        }
        Ok(renewal::due(&validity, advice.as_ref(), Point::at(version.meta.point), now))
    }

    /// Writes down what the CA advised in this run.
    fn keep_learned(&self, host: &Touch) -> Result<(), Cause> {
        let held = host.tls_held(&self.name)?;
        if let (Some(advice), Held::Good(version)) = (self.learned.borrow().as_ref(), held)
            && let Some(id) = &version.leaf.renewal_id
        {
            self.memory().keep_advice(host, id, advice)?;
        }
        Ok(())
    }

    fn memory(&self) -> Memory<'_> {
        Memory::of(&self.name)
    }

    /// Whether a failed renewal can rest until the next try: there is still a quarter of the lifetime left.
    fn can_rest(&self, host: &Look, now: Moment) -> Result<Option<String>, Cause> {
        let Held::Good(version) = host.tls_held(&self.name)? else { return Ok(None) };
        let lifetime = version.leaf.to.since(version.leaf.from);
        if version.leaf.to.since(now) < lifetime / 4 {
            return Ok(None);
        }
        Ok(self.waiting(host, now)?.map(|cause| format!("not renewed yet: {}", cause.says)))
    }

    /// Why none of the issuers may be asked now; `None` if one may.
    fn waiting(&self, host: &Look, now: Moment) -> Result<Option<Cause>, Cause> {
        let mut last = None;
        for issuer in &self.issuers {
            let Some(directory) = issuer.directory() else { return Ok(None) };
            let Some(failures) = self.memory().failures(host, directory)? else { return Ok(None) };
            if self.may_ask(&failures, now).is_ok() {
                return Ok(None);
            }
            let whose = if self.forced.get() { ", which `--force` does not pass over" } else { "" };
            let times = if failures.count == 1 { "once".to_owned() } else { format!("{} times", failures.count) };
            let says = format!("failed {times}, last with: {}; {}{whose}", failures.says, failures.next_in_words());
            last = Some(Cause::new("acme-waiting", says).hint(failures.hint.clone()));
        }
        Ok(last)
    }

    fn access(&self, host: &Look, changes: Changes) -> Result<Changes, Cause> {
        // A group that is still to come brings itself.
        let Ok(readers) = self.readers_of(host) else { return Ok(changes) };
        let wrong = host.tls_access(&self.name, readers)?;
        Ok(wrong.iter().fold(changes, |changes, (path, is, want)| {
            let what = path.file_name().unwrap_or_default().to_string_lossy();
            let shown =
                |access: &crate::host::files::Access| format!("{:04o} {}:{}", access.mode, access.uid, access.gid);
            changes.differs(&format!("access {what}"), Shown::Plain(shown(is)), Shown::Plain(shown(want)))
        }))
    }
}

impl Resource for Certificate {
    fn id(&self) -> Id {
        Id::new("certificate", &self.name)
    }

    fn needs(&self) -> Vec<Id> {
        // The web server answers the CA's challenges.
        let mut needs =
            vec![Id::new("bootstrap_certificate", &self.name), Id::every("tls_account"), Id::every("package")];
        needs.extend(self.readers.iter().map(|unit| Id::new("service", crate::host::systemd::short_name(unit))));
        needs.extend(self.group.iter().map(|group| Id::new("group", group)));
        needs
    }

    async fn check(&self, host: &Look) -> Result<Changes, Cause> {
        let now = Memory::now(host)?;
        let (mut changes, need) = self.compare(host, now).await?;
        if matches!(need, Some(Need::Due(_)))
            && let Some(note) = self.can_rest(host, now)?
        {
            changes = Changes::none().note(note);
        }
        let changes = self.revocation_left(host, changes)?;
        self.access(host, changes)
    }

    async fn apply(&self, host: &Touch) -> Result<(), Cause> {
        let now = Memory::now(host)?;
        let readers = self.readers_of(host)?;
        let before = host.tls_held(&self.name)?;
        if matches!(before, Held::Broken(_)) && host.tls_back(&self.name)?.is_some() {
            issuing::reload(self, host).await?;
        }
        host.tls_give(&self.name, readers)?;
        let (changes, need) = self.compare(host, now).await?;
        let Some(need) = need else {
            // It is good; only who serves it may have missed that.
            if !changes.is_empty() {
                issuing::reload(self, host).await?;
            }
            return revoking::finish(self, host).await;
        };
        // One that rests was only looked at for its owner and mode, and for one before it that is to be revoked.
        if matches!(need, Need::Due(_)) && self.can_rest(host, now)?.is_some() {
            return revoking::finish(self, host).await;
        }
        self.keep_learned(host)?;
        revoking::at_once(self, host).await?;
        if let Some(version) = host.tls_untaken(&self.name)?
            && !self.forced.get()
            && self.others(&version, "").is_empty()
            && !self.due(host, &version, now).await?.is_now(now)
        {
            tracing::info!(
                certificate = self.name,
                version = version.number,
                "what servers did not take is tried again"
            );
            host.tls_take(&self.name, &version)?;
            issuing::reload(self, host).await?;
            return revoking::finish(self, host).await;
        }
        if let Some(waiting) = self.waiting(host, now)? {
            return Err(waiting);
        }
        issuing::issue(self, host, readers, now).await?;
        self.learned.borrow_mut().take();
        self.forced.set(false);
        issuing::reload(self, host).await?;
        revoking::finish(self, host).await
    }

    fn when_absent(&self) -> Changes {
        let first = self.issuers.first().map_or_else(String::new, Issuer::shown);
        Changes::none().appears("certificate", first).creating()
    }

    fn settle(&self, host: &Touch) -> Result<(), Cause> {
        self.keep_learned(host)?;
        Memory::keep_now(host)
    }

    fn patience(&self) -> Patience {
        Patience::applying(PATIENCE)
    }

    fn claims(&self) -> Vec<PathBuf> {
        vec![crate::host::tls_store::place_of(&self.name)]
    }
}

/// A key and certificate that its key signs.
fn own(
    names: &[String],
    kind: KeyType,
    name: &str,
    now: Moment,
    lifetime: Duration,
) -> Result<(String, String), Cause> {
    let key = keys::generate(kind)?;
    let chain = keys::self_signed(&key, names, name, now, lifetime)?;
    pair::check(&key, chain.as_bytes(), names, now)?;
    Ok((key, chain))
}
