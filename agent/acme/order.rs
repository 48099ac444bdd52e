//! An order, from the key to the certificate, such that it can be cut off anywhere.
//!
//! | step | on the disk before it |
//! |---|---|
//! | place the order | the key, settled |
//! | prove the names | the order's address |
//! | ask for the certificate | the same: the request is made of the key and says the same each time |
//! | fetch it | the same |
//!
//! So a run that was killed leaves an order that the next one goes on with, and never a certificate without its key.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep};

use super::authority::{Authority, OpenOrder, Status, Unproven, Wanted, Way};
use super::chain;
use super::refusal::{Kind, Refusal};
use crate::host::moment::Moment;
use crate::host::tls_store::{keys, pair};
use crate::host::{Error, Touch};
use crate::terms::KeyType;

/// After so long an order is not gone on with: a CA forgets it after a week (Let's Encrypt).
const FORGOTTEN: Duration = Duration::from_hours(6 * 24);

/// How an order is waited for.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// The first pause.
    pub first: Duration,
    /// What the pauses grow to.
    pub most: Duration,
    /// How long in all, for each of proving and issuing.
    pub until: Duration,
}

impl Pace {
    /// For a CA: it looks from several places, and may take a while.
    pub const USUAL: Self =
        Self { first: Duration::from_millis(250), most: Duration::from_secs(10), until: Duration::from_mins(3) };
}

/// What is to be had, and where what is under way is kept.
#[derive(Debug, Clone)]
pub struct Task {
    /// The folder below `/var/lib/hostagent`, such as `tls/web/next`.
    pub folder: String,
    /// The CA's directory.
    pub issuer: String,
    /// The account's address there.
    pub account: String,
    /// What is ordered.
    pub wanted: Wanted,
    /// The kind of key.
    pub key_type: KeyType,
    /// How names are proven.
    pub way: Way,
    /// Whose chain is preferred: a part of the name of the topmost issuer.
    pub preferred_chain: Option<String>,
    /// The serial number of what there is already: an order that brings the same was over before.
    pub serial: Option<String>,
    /// How it is waited for.
    pub pace: Pace,
}

/// A key, and its certificate with those above it.
pub struct Issued {
    /// The key, as PEM.
    pub key: String,
    /// The certificates, as PEM.
    pub chain: String,
}

impl std::fmt::Debug for Issued {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Issued").field("chain", &self.chain).finish_non_exhaustive()
    }
}

/// Why there is no certificate.
#[derive(Debug)]
pub enum Trouble {
    /// The CA refused.
    Ca(Refusal),
    /// This host failed; the CA knows nothing of it.
    Host(Error),
}

impl From<Refusal> for Trouble {
    fn from(refusal: Refusal) -> Self {
        Self::Ca(refusal)
    }
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self::Host(error)
    }
}

/// What is kept of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct UnderWay {
    issuer: String,
    account: String,
    names: Vec<String>,
    profile: Option<String>,
    key_type: KeyType,
    since: Moment,
    url: Option<String>,
}

impl UnderWay {
    fn fits(&self, task: &Task, now: Moment) -> bool {
        let same = self.issuer == task.issuer && self.account == task.account && self.names == task.wanted.names;
        let is_young = self.since <= now.later(Duration::from_hours(1)) && now.since(self.since) < FORGOTTEN;
        same && self.profile == task.wanted.profile && self.key_type == task.key_type && is_young
    }

    fn keep(&self, host: &Touch, task: &Task) -> Result<(), Error> {
        let bytes = serde_json::to_vec(self).map_err(|error| Error::said("tls-store", error.to_string()))?;
        host.write_state_durably(&format!("{}/order.json", task.folder), &bytes)
    }
}

/// Gets a certificate, going on with what is under way.
///
/// # Errors
/// When the CA or this host refuses. What is worth going on with stays.
pub(crate) async fn issue<A: Authority>(host: &Touch, ca: &A, task: &Task, now: Moment) -> Result<Issued, Trouble> {
    let (key, mut under_way) = begun(host, task, now)?;
    let was_resumed = under_way.url.is_some();
    match go_on(host, ca, task, &key, &mut under_way).await {
        Ok(chain) if was_resumed && is_old(task, &chain) => {}
        Err(Trouble::Ca(refusal))
            if was_resumed && matches!(refusal.kind, Kind::Gone | Kind::Refused | Kind::Unusable) =>
        {
            tracing::info!(says = refusal.says, "an order of before cannot be gone on with; there will be a new one");
        }
        Ok(chain) => return Ok(Issued { key, chain }),
        Err(trouble) => return Err(trouble),
    }
    // What was under way is of no use. The key that may have been certified already is not used a second time.
    forget(host, task)?;
    let (key, mut under_way) = begun(host, task, now)?;
    let chain = go_on(host, ca, task, &key, &mut under_way).await?;
    Ok(Issued { key, chain })
}

/// Forgets what is under way: it came to its end.
///
/// # Errors
/// When it cannot be taken away.
pub fn forget(host: &Touch, task: &Task) -> Result<(), Error> {
    host.remove_state(&format!("{}/order.json", task.folder))?;
    host.remove_state(&format!("{}/privkey.pem", task.folder))
}

fn is_old(task: &Task, chain: &str) -> bool {
    let serial = pair::leaf(chain.as_bytes()).ok().map(|leaf| leaf.serial);
    serial.is_some() && serial == task.serial
}

/// The key and the order that are under way, or new ones: on the disk.
fn begun(host: &Touch, task: &Task, now: Moment) -> Result<(String, UnderWay), Error> {
    let place = format!("{}/privkey.pem", task.folder);
    let key = host.read_state(&place)?.and_then(|bytes| String::from_utf8(bytes).ok());
    let kept = host.read_state(&format!("{}/order.json", task.folder))?;
    let kept: Option<UnderWay> = kept.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    let is_of_kind = |key: &String| keys::public_half(key).is_ok_and(|(kind, _)| kind == Some(task.key_type));
    if let (Some(key), Some(kept)) = (key.filter(is_of_kind), kept.filter(|kept| kept.fits(task, now))) {
        return Ok((key, kept));
    }
    let under_way = UnderWay {
        issuer: task.issuer.clone(),
        account: task.account.clone(),
        names: task.wanted.names.clone(),
        profile: task.wanted.profile.clone(),
        key_type: task.key_type,
        since: now,
        url: None,
    };
    let key = keys::generate(task.key_type)?;
    // The order's address first: a new key beside an old address would be a certificate for a key that is gone.
    under_way.keep(host, task)?;
    host.write_state_durably(&place, key.as_bytes())?;
    Ok((key, under_way))
}

/// Brings an order to its end: the certificate and those above it.
async fn go_on<A: Authority>(
    host: &Touch,
    ca: &A,
    task: &Task,
    key: &str,
    under_way: &mut UnderWay,
) -> Result<String, Trouble> {
    let mut order = if let Some(url) = &under_way.url {
        ca.resume(url).await?
    } else {
        let order = place(ca, &task.wanted).await?;
        under_way.url = Some(order.url().to_owned());
        under_way.keep(host, task)?;
        order
    };
    let result = bring(ca, task, key, &mut order).await;
    // An order that has come to nothing is not worth going on with; the key is: nobody has certified it.
    if order.status() == Status::Invalid {
        under_way.url = None;
        under_way.keep(host, task)?;
    }
    let chains = result?;
    Ok(chain::preferred(&chains, task.preferred_chain.as_deref()))
}

/// Places an order; without what the CA does not know.
async fn place<A: Authority>(ca: &A, wanted: &Wanted) -> Result<A::Order, Refusal> {
    match ca.place(wanted).await {
        // The exemption from limits is lost, the certificate is not.
        Err(refusal) if refusal.kind == Kind::Replaced && wanted.replaces.is_some() => {
            tracing::info!(says = refusal.says, "the CA does not take it as a renewal; it is ordered anew");
            ca.place(&Wanted { replaces: None, ..wanted.clone() }).await
        }
        Err(refusal) if refusal.kind == Kind::NoProfile && wanted.profile.is_some() => {
            tracing::warn!(says = refusal.says, "the CA lacks the profile; its own choice is taken");
            ca.place(&Wanted { profile: None, ..wanted.clone() }).await
        }
        other => other,
    }
}

async fn bring<A: Authority>(ca: &A, task: &Task, key: &str, order: &mut A::Order) -> Result<Vec<String>, Trouble> {
    let mut status = order.status();
    if status == Status::Pending {
        for name in order.unproven().await?.into_iter().filter(|name| name.failed.is_none()) {
            if !name.ways.contains(&task.way) {
                let says = format!("the CA does not prove `{}` in the way that is wanted", name.name);
                return Err(Refusal::new(Kind::Refused, says).about(vec![name.name]).into());
            }
            order.ready(&name.name, task.way).await?;
        }
        status = wait(ca, task, order, |status| status == Status::Pending, "prove the names").await?;
    }
    if status == Status::Ready {
        let request = keys::request(key, &task.wanted.names)?;
        status = order.finalize(&request).await?;
    }
    if matches!(status, Status::Processing | Status::Ready | Status::Pending) {
        let is_at_it = |status| matches!(status, Status::Processing | Status::Ready | Status::Pending);
        status = wait(ca, task, order, is_at_it, "issue the certificate").await?;
    }
    match status {
        Status::Valid => Ok(order.certificate().await?),
        _ => Err(why(order.unproven().await?).into()),
    }
}

/// Waits as long as it is so.
async fn wait<A: Authority>(
    ca: &A,
    task: &Task,
    order: &mut A::Order,
    is_so: impl Fn(Status) -> bool,
    what: &str,
) -> Result<Status, Refusal> {
    let end = Instant::now() + task.pace.until;
    let mut pause = task.pace.first;
    loop {
        let wanted = ca.asks_to_wait().map_or(pause, |asked| asked.max(pause));
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() || wanted > left {
            let says = format!("the CA did not {what} within {} s", task.pace.until.as_secs());
            return Err(Refusal::new(Kind::Away, says).retry_after(ca.asks_to_wait()));
        }
        sleep(wanted).await;
        let status = order.look().await?;
        if !is_so(status) {
            return Ok(status);
        }
        pause = (pause * 2).min(task.pace.most);
    }
}

/// Why an order came to nothing: every name with what the CA found.
fn why(names: Vec<Unproven>) -> Refusal {
    let failed: Vec<(String, Refusal)> = names.into_iter().filter_map(|name| Some((name.name, name.failed?))).collect();
    let Some((_, first)) = failed.first() else {
        return Refusal::new(Kind::Gone, "the CA made the order invalid and does not say why");
    };
    let kind = if first.kind == Kind::Refused { Kind::Unproven } else { first.kind };
    let says: Vec<String> = failed.iter().map(|(name, refusal)| format!("`{name}`: {}", refusal.says)).collect();
    let wait = first.retry_after;
    Refusal::new(kind, says.join("; ")).retry_after(wait).about(failed.into_iter().map(|(name, _)| name).collect())
}

#[cfg(test)]
mod tests;
