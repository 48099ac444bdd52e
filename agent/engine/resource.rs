//! The contract of everything hostagent manages: look, then put right.

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;

use serde::Serialize;

use super::changes::Changes;
use super::failure::Cause;
use super::patience::Patience;
use crate::host::ledger::Trace;
use crate::host::{Look, Touch};

/// Names one thing on this host and no other: `file:/etc/motd`, `service:nginx`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Id(String);

impl Id {
    /// The id of a kind and a name.
    pub fn new(kind: &str, name: impl fmt::Display) -> Self {
        Self(format!("{kind}:{name}"))
    }

    /// The id of the file, directory, link or mount at a path.
    pub fn at(kind: &str, path: &Path) -> Self {
        Self::new(kind, path.display())
    }

    /// Every resource of a kind, as any of them may bring what is needed; only for [`Resource::needs`] and
    /// [`Resource::precedes`]. Where all of a kind are applied together, one that failed alone holds up nobody who did
    /// not name it.
    pub fn every(kind: &str) -> Self {
        Self::new(kind, "*")
    }

    /// Every resource of a kind whose name begins with this; only for [`Resource::needs`].
    pub fn under(kind: &str, beginning: &str) -> Self {
        Self(format!("{kind}:{beginning}*"))
    }

    /// The part before the first colon.
    pub fn kind(&self) -> &str {
        self.0.split(':').next().unwrap_or_default()
    }

    /// The part after the first colon.
    pub fn name(&self) -> &str {
        self.0.split_once(':').map_or("", |(_, name)| name)
    }

    /// The whole of it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Id {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// One thing about this host that can be looked at and put right.
///
/// A resource compares and acts. It does not decide whether to act, does not log, and does not know which feature wanted
/// it. What it serialises to is what the recipe wants of it: the engine keeps a digest of that to tell drift (somebody
/// changed the host) from change (somebody changed the recipe). Secrets serialise as references.
pub trait Resource: fmt::Debug + Serialize + 'static {
    /// Whether all resources of this type in a plan are applied as one, by [`Resource::apply_all`]. All of them are
    /// looked at before any is applied, so what one finds must not depend on another.
    const TOGETHER: bool = false;

    /// Names this thing and no other, such as `file:/etc/nginx/nginx.conf`.
    fn id(&self) -> Id;

    /// Names what must be right first, if the plan has it. [`Id::every`] stands for all of a kind,
    /// [`Id::under`] for those below a place.
    fn needs(&self) -> Vec<Id> {
        Vec::new()
    }

    /// Whether it is tried though what it needs failed: what it keeps up must not lapse for that. Default: no.
    fn goes_on(&self, _: &Look) -> bool {
        false
    }

    /// Names what must wait for this, if the plan has it; [`Resource::needs`] seen from the other end.
    fn precedes(&self) -> Vec<Id> {
        Vec::new()
    }

    /// Lists how the host differs from what is wanted. A [`Look`] cannot write.
    ///
    /// # Errors
    /// When it cannot be told. On a host where something it needs is still to come, that means "not there yet".
    fn check(&self, host: &Look) -> impl Future<Output = Result<Changes, Cause>>;

    /// Makes it so. The engine looks again afterwards.
    ///
    /// # Errors
    /// When it cannot be made so; what was there still works then.
    fn apply(&self, host: &Touch) -> impl Future<Output = Result<(), Cause>>;

    /// Makes all that differ of one type so in one go; only called when [`Resource::TOGETHER`]. Names those that had to be
    /// left out, and why: they alone have failed.
    ///
    /// # Errors
    /// When none of them can be made so.
    fn apply_all(all: &[&Self], host: &Touch) -> impl Future<Output = Result<LeftOut, Cause>> {
        async move {
            for one in all {
                one.apply(host).await?;
            }
            Ok(LeftOut::new())
        }
    }

    /// What will be different when a host that has nothing of it yet gets it: shown by a plan on a bare host.
    fn when_absent(&self) -> Changes {
        Changes::none().note_absent()
    }

    /// Called by a run that found it right: forgets what was kept to go back to, since what is there has proven itself.
    ///
    /// # Errors
    /// When that cannot be forgotten.
    fn settle(&self, host: &Touch) -> Result<(), Cause> {
        let _ = host;
        Ok(())
    }

    /// How long it may take. What takes longer is given up and has failed.
    fn patience(&self) -> Patience {
        Patience::USUAL
    }

    /// Called when its apply was given up because its time was up, and so stopped at any of its waits: leaves nothing
    /// half-done that the next run would put back.
    ///
    /// # Errors
    /// When something half-done stays.
    fn cut_off(&self, host: &Touch) -> Result<(), Cause> {
        let _ = host;
        Ok(())
    }

    /// The paths that are its alone: another resource that claims one too is a problem of the recipe.
    /// Default: those it leaves traces at.
    fn claims(&self) -> Vec<PathBuf> {
        let paths = self.traces().into_iter().filter_map(|trace| match trace {
            Trace::Path(path) => Some(path),
            _ => None,
        });
        paths.collect()
    }

    /// What it leaves on the host that hostagent takes away when the recipe stops naming it.
    /// Empty: it stays, and is reported as no longer managed.
    fn traces(&self) -> Vec<Trace> {
        Vec::new()
    }
}

/// What was left out when several were applied together: each with its reason.
pub type LeftOut = Vec<(Id, Cause)>;

/// A future on this thread.
pub(crate) type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

/// The twin of [`Resource`] that a plan can hold many kinds of.
pub(crate) trait AnyResource: fmt::Debug {
    fn id(&self) -> Id;
    fn needs(&self) -> Vec<Id>;
    fn goes_on(&self, host: &Look) -> bool;
    fn precedes(&self) -> Vec<Id>;
    fn check<'a>(&'a self, host: &'a Look) -> Boxed<'a, Result<Changes, Cause>>;
    fn apply<'a>(&'a self, host: &'a Touch) -> Boxed<'a, Result<(), Cause>>;
    fn apply_all<'a>(&'a self, all: &[&'a dyn AnyResource], host: &'a Touch) -> Boxed<'a, Result<LeftOut, Cause>>;
    fn together(&self) -> bool;
    fn when_absent(&self) -> Changes;
    fn settle(&self, host: &Touch) -> Result<(), Cause>;
    fn patience(&self) -> Patience;
    fn cut_off(&self, host: &Touch) -> Result<(), Cause>;
    fn traces(&self) -> Vec<Trace>;
    fn claims(&self) -> Vec<PathBuf>;
    /// A digest of what is wanted.
    fn wanted(&self) -> String;
    fn as_any(&self) -> &dyn Any;
}

impl<R: Resource> AnyResource for R {
    fn id(&self) -> Id {
        Resource::id(self)
    }

    fn needs(&self) -> Vec<Id> {
        Resource::needs(self)
    }

    fn goes_on(&self, host: &Look) -> bool {
        Resource::goes_on(self, host)
    }

    fn precedes(&self) -> Vec<Id> {
        Resource::precedes(self)
    }

    fn check<'a>(&'a self, host: &'a Look) -> Boxed<'a, Result<Changes, Cause>> {
        Box::pin(Resource::check(self, host))
    }

    fn apply<'a>(&'a self, host: &'a Touch) -> Boxed<'a, Result<(), Cause>> {
        Box::pin(Resource::apply(self, host))
    }

    fn apply_all<'a>(&'a self, all: &[&'a dyn AnyResource], host: &'a Touch) -> Boxed<'a, Result<LeftOut, Cause>> {
        let same: Vec<&'a R> = all.iter().filter_map(|one| one.as_any().downcast_ref()).collect();
        Box::pin(async move { R::apply_all(&same, host).await })
    }

    fn together(&self) -> bool {
        R::TOGETHER
    }

    fn when_absent(&self) -> Changes {
        Resource::when_absent(self)
    }

    fn traces(&self) -> Vec<Trace> {
        Resource::traces(self)
    }

    fn settle(&self, host: &Touch) -> Result<(), Cause> {
        Resource::settle(self, host)
    }

    fn patience(&self) -> Patience {
        Resource::patience(self)
    }

    fn cut_off(&self, host: &Touch) -> Result<(), Cause> {
        Resource::cut_off(self, host)
    }

    fn claims(&self) -> Vec<PathBuf> {
        Resource::claims(self)
    }

    fn wanted(&self) -> String {
        // What cannot be serialised cannot be told apart either: then every difference counts as a change.
        serde_json::to_vec(self).map(|bytes| crate::host::files::sha256_of(&bytes)).unwrap_or_default()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
