//! A certificate of a CA: issued when there is none, renewed when it is due, put right when it vanished.
//!
//! That it is due is a difference like any other: `plan` says why, `converge` orders, and a timer is `converge --only tls`.
//! What serves is never taken away: a new version is checked and committed whole, and a server that will not load it gets
//! the one before back.

mod gate;
mod issuing;
mod keeper;
mod memory;
mod person;
mod revoking;
pub mod standing;
mod subset;

pub(super) use issuing::reach;
pub use revoking::Intended;
#[cfg(test)]
mod tests;

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

pub use self::keeper::{Eab, Keeper};
use self::memory::Memory;
use self::subset::Standing;
use crate::acme::renewal::{self, Advice, Due, Point, Validity, Why};
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
        /// By what it knows whoever asks, from elsewhere.
        eab: Option<Eab>,
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
    /// Whether names are looked at before a CA is asked for them.
    pub preflight: bool,
    /// Who keeps their zones, if that is by DNS.
    pub dns: Option<Keeper>,
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
    /// What the CA advised in this run, and for which certificate.
    #[serde(skip)]
    pub learned: RefCell<Option<(String, Advice)>>,
    /// Whether a person wants another one, due or not.
    #[serde(skip)]
    pub forced: Cell<bool>,
}

/// There has to be another.
#[derive(Debug, Default, PartialEq, Eq)]
struct Need {
    standing: Standing,
    /// Whether it is due and nothing else.
    is_renewal: bool,
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
            Held::Nothing => {
                return Ok((Changes::none().appears("certificate", first).creating(), Some(Need::default())));
            }
            Held::Broken(says) => {
                let changes = Changes::none().differs("certificate", Shown::Plain(says), Shown::Plain(first));
                return Ok((changes, Some(Need::default())));
            }
            Held::Good(version) => version,
        };
        let (mut changes, wanted) = (Changes::none(), self.wanted());
        if version.leaf.names != wanted {
            let listed = |names: &BTreeSet<String>| names.iter().map(String::as_str).collect::<Vec<_>>().join(" ");
            changes = changes.value("names", &listed(&version.leaf.names), &listed(&wanted));
        }
        let has_other_names = !changes.is_empty();
        let mut others = self.others(&version, &first);
        if self.is_to_be_revoked(host, &version)? {
            let (from, to) = (Shown::Plain("wanted".to_owned()), Shown::Plain("replaced, then revoked".to_owned()));
            others = others.follows("revocation", from, to);
        }
        if self.forced.get() {
            let says = Shown::Plain(format!("wanted now; expires on {}", version.leaf.to));
            others = others.follows("renewal", says, Shown::Plain("renewed".to_owned()));
        }
        let differs = !others.is_empty();
        changes = changes.and(others);
        let left = version.leaf.to.since(now);
        let mut presses = left < version.leaf.to.since(version.leaf.from) / 4;
        let mut is_due = false;
        if !differs {
            let (due, is_over) = self.due(host, &version, now).await?;
            is_due = due.is_now(now);
            presses |= is_over;
            if self.stands_in(&version) {
                is_due = true;
                let (is, becomes) = (Shown::Plain("self-signed".to_owned()), Shown::Plain(first));
                changes = changes.follows("issuer", is, becomes);
            } else if is_due {
                let (is, becomes) = (Shown::Plain(due.to_string()), Shown::Plain("renewed".to_owned()));
                changes = changes.follows("renewal", is, becomes);
            }
        }
        if changes.is_empty() {
            return Ok((changes, None));
        }
        let in_use = if self.is_issued(&version) { &version.leaf.names & &wanted } else { BTreeSet::new() };
        let standing = Standing { in_use, is_due, presses, differs };
        Ok((changes, Some(Need { standing, is_renewal: !has_other_names && !differs })))
    }

    /// The names as a certificate has them.
    fn wanted(&self) -> BTreeSet<String> {
        self.names.iter().map(|name| normal(name)).collect()
    }

    /// Whether somebody trusts what there is: a rehearsal that was taken for the real thing is of no use to anybody.
    fn is_issued(&self, version: &Version) -> bool {
        let by = version.meta.issuer.as_deref();
        let is_twin = |issuer: &Issuer| matches!(issuer, Issuer::Acme { staging: Some(staging), .. } if Some(staging.as_str()) == by);
        version.meta.source == Source::Issued && !self.issuers.iter().any(is_twin)
    }

    /// Whether it signs itself although a CA is preferred, which gave none.
    fn stands_in(&self, version: &Version) -> bool {
        version.meta.source == Source::SelfSigned
            && self.issuers.first().is_some_and(|issuer| *issuer != Issuer::SelfSigned)
    }

    /// Whether a version that is there is of names that would be ordered.
    fn is_worth_taking(&self, version: &Version, standing: &Standing) -> bool {
        let names: Vec<String> = version.leaf.names.iter().cloned().collect();
        version.leaf.names.is_subset(&self.wanted()) && standing.is_worth(&names, &self.names)
    }

    /// How a certificate is not what the recipe wants, whatever its names are and whatever time it is.
    fn others(&self, version: &Version, first: &str) -> Changes {
        let mut changes = Changes::none();
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

    /// When it is due, by the CA's advice if it gives any; and whether the CA's window for it is over.
    async fn due(&self, host: &Look, version: &Version, now: Moment) -> Result<(Due, bool), Cause> {
        let validity = Validity { from: version.leaf.from, to: version.leaf.to };
        let mut advice = match &version.leaf.renewal_id {
            Some(id) if version.meta.source == Source::Issued => self.memory().advice(host, id)?,
            _ => None,
        };
        if let Some(id) = version.leaf.renewal_id.as_ref().filter(|_| version.meta.source == Source::Issued) {
            let is_learned = |learned: &Option<(String, Advice)>| learned.as_ref().is_some_and(|(of, _)| of == id);
            let is_old = advice.as_ref().is_none_or(|advice| advice.is_old(now));
            if is_old && !is_learned(&self.learned.borrow()) {
                let learned = issuing::advice(self, host, version, now).await;
                *self.learned.borrow_mut() = learned.map(|learned| (id.clone(), learned));
            }
            if let Some((_, learned)) = self.learned.borrow().as_ref().filter(|(of, _)| of == id) {
                advice = Some(learned.clone());
            }
        }
        let due = renewal::due(&validity, advice.as_ref(), Point::at(version.meta.point), now);
        let is_over = matches!(due.why, Why::Advised(_)) && advice.is_some_and(|advice| advice.end <= now);
        Ok((due, is_over))
    }

    /// Writes down what the CA advised in this run.
    fn keep_learned(&self, host: &Touch) -> Result<(), Cause> {
        let held = host.tls_held(&self.name)?;
        if let (Some((of, advice)), Held::Good(version)) = (self.learned.borrow().as_ref(), held)
            && let Some(id) = version.leaf.renewal_id.as_ref().filter(|id| *id == of)
        {
            self.memory().keep_advice(host, id, advice)?;
        }
        Ok(())
    }

    fn memory(&self) -> Memory<'_> {
        Memory::of(&self.name)
    }

    /// Whether a failed renewal can rest until the next try: there is still a quarter of the lifetime left.
    fn can_rest(&self, host: &Look, standing: &Standing, now: Moment) -> Result<Option<String>, Cause> {
        let Held::Good(version) = host.tls_held(&self.name)? else { return Ok(None) };
        let lifetime = version.leaf.to.since(version.leaf.from);
        if version.leaf.to.since(now) < lifetime / 4 {
            return Ok(None);
        }
        Ok(self.waiting(host, standing)?.map(|cause| format!("not renewed yet: {}", cause.says)))
    }

    /// Whether it is good, and only who serves it has missed that.
    async fn serves_older(&self, host: &Look) -> Result<bool, Cause> {
        match host.tls_held(&self.name)? {
            Held::Good(version) => issuing::serves_older(self, host, &version).await,
            _ => Ok(false),
        }
    }

    async fn catch_up(&self, host: &Touch) -> Result<(), Cause> {
        if self.serves_older(host).await? { issuing::reload(self, host, None).await } else { Ok(()) }
    }

    fn access(&self, host: &Look, changes: Changes) -> Result<Changes, Cause> {
        // A group that is still to come brings itself.
        let Ok(readers) = self.readers_of(host) else { return Ok(changes) };
        let missing = host.tls_missing(&self.name)?;
        let changes = missing.iter().fold(changes, |changes, path| {
            let what = path.file_name().unwrap_or_default().to_string_lossy();
            changes.appears(&what, "present")
        });
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

    /// nginx that refuses what a person wrote, or a package that cannot be had, is no reason to let one lapse: what served
    /// goes on serving, and answers for it.
    fn goes_on(&self, host: &Look) -> bool {
        host.tls_held(&self.name).is_ok_and(|held| held != Held::Nothing)
    }

    async fn check(&self, host: &Look) -> Result<Changes, Cause> {
        let now = Memory::now(host)?;
        let (mut changes, need) = self.compare(host, now).await?;
        let rests = match &need {
            Some(need) if need.is_renewal => self.can_rest(host, &need.standing, now)?,
            _ => None,
        };
        let is_kept = need.is_none() || rests.is_some();
        if let Some(note) = rests {
            changes = Changes::none().note(note);
        }
        if is_kept && self.serves_older(host).await? {
            let (from, to) = (Shown::Plain("an older certificate".to_owned()), Shown::Plain("this one".to_owned()));
            changes = changes.follows("served", from, to);
        }
        let changes = self.revocation_left(host, changes)?;
        self.access(host, changes)
    }

    async fn apply(&self, host: &Touch) -> Result<(), Cause> {
        let now = Memory::now(host)?;
        let readers = self.readers_of(host)?;
        let before = host.tls_held(&self.name)?;
        if matches!(before, Held::Broken(_)) && host.tls_back(&self.name, now)?.is_some() {
            issuing::reload(self, host, None).await?;
        }
        host.tls_give(&self.name, readers)?;
        let (_, need) = self.compare(host, now).await?;
        let Some(need) = need else {
            self.catch_up(host).await?;
            return revoking::finish(self, host).await;
        };
        // One that rests was only looked at for its owner and mode, and for one before it that is to be revoked.
        if need.is_renewal && self.can_rest(host, &need.standing, now)?.is_some() {
            self.catch_up(host).await?;
            return revoking::finish(self, host).await;
        }
        self.keep_learned(host)?;
        revoking::at_once(self, host).await?;
        if let Some(version) = host.tls_untaken(&self.name)?
            && !self.forced.get()
            && self.others(&version, "").is_empty()
            && self.is_worth_taking(&version, &need.standing)
            && !self.due(host, &version, now).await?.0.is_now(now)
        {
            tracing::info!(
                certificate = self.name,
                version = version.number,
                "what servers did not take is tried again"
            );
            let counted = host.tls_number(&self.name)?;
            host.tls_take(&self.name, version.number)?;
            issuing::reload(self, host, counted).await?;
            return revoking::finish(self, host).await;
        }
        if let Some(waiting) = self.waiting(host, &need.standing)? {
            self.catch_up(host).await?;
            return Err(waiting);
        }
        let before = host.tls_number(&self.name)?;
        let lacks = issuing::issue(self, host, &need.standing, readers, now).await?;
        self.forced.set(false);
        issuing::reload(self, host, before).await?;
        revoking::finish(self, host).await?;
        if let Some(lacks) = lacks {
            return Err(lacks);
        }
        // Else each run would order another one.
        match self.compare(host, now).await? {
            (changes, Some(again)) if !again.is_renewal => Err(issuing::is_not_wanted(self, host, &changes)?),
            _ => Ok(()),
        }
    }

    fn when_absent(&self) -> Changes {
        let first = self.issuers.first().map_or_else(String::new, Issuer::shown);
        Changes::none().appears("certificate", first).creating()
    }

    fn settle(&self, host: &Touch) -> Result<(), Cause> {
        issuing::forget_committed(self, host)?;
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
