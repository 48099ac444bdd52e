//! Getting a certificate: from whoever is preferred and may be asked, with a rehearsal where the last try failed.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{Certificate, Issuer, own};
use crate::acme::account::{self, Opening};
use crate::acme::authority::{Wanted, Way};
use crate::acme::directory::Directory;
use crate::acme::failures::Failures;
use crate::acme::http::Wire;
use crate::acme::order::{self, Issued, Pace, Task, Trouble};
use crate::acme::refusal::{Kind, Refusal};
use crate::acme::renewal::{ASK_EVERY, Advice, Point};
use crate::engine::Cause;
use crate::host::moment::Moment;
use crate::host::tls_store::{Held, Meta, New, Readers, Source, Version, place_of};
use crate::host::{Look, Touch};
use crate::terms::Challenge;

/// How long one that signs itself counts.
const OWN_LIFETIME: Duration = Duration::from_hours(90 * 24);
/// A look does not wait longer for advice.
const ADVICE: Duration = Duration::from_secs(10);
/// How long the old certificate may be served after a reload: old workers end first.
const SERVED: Duration = Duration::from_secs(30);
/// So long nobody may have got the old one.
const STEADY: Duration = Duration::from_millis(400);
const LOOK_AGAIN: Duration = Duration::from_millis(40);
/// If the CA could not be asked for advice, it is asked again after so long.
const ADVICE_AGAIN: Duration = Duration::from_hours(1);

/// A CA as it is asked.
struct Asked<'a> {
    directory: &'a str,
    wire: Wire,
    says: Directory,
}

/// The way to a CA, trusted by the file of its root if it has one.
pub(in crate::resources) fn reach(host: &Look, root: Option<&std::path::Path>) -> Result<Wire, Refusal> {
    let Some(path) = root else { return Wire::new(None) };
    let read = host.read(path).map_err(|error| Refusal::new(Kind::Refused, error))?;
    let missing = || Refusal::new(Kind::Refused, format!("the CA's `root` is not there: `{}`", path.display()));
    Wire::new(Some(&read.ok_or_else(missing)?))
}

/// What the CA advises for a certificate; what it advised last, if it cannot be asked.
pub(super) async fn advice(of: &Certificate, host: &Look, version: &Version, now: Moment) -> Option<Advice> {
    let id = version.leaf.renewal_id.as_deref()?;
    let issuer = of.issuers.iter().find(|issuer| issuer.directory() == version.meta.issuer.as_deref())?;
    let Issuer::Acme { directory, root, .. } = issuer else { return None };
    let ask = async {
        let ca = asked(host, directory, root.as_deref()).await?;
        ca.says.advice(&ca.wire, id, now).await
    };
    match tokio::time::timeout(ADVICE, ask).await {
        Ok(Ok(advice)) => Some(advice.unwrap_or_else(|| Advice::none(now, ASK_EVERY))),
        failed => {
            let says =
                failed.map_or("no answer".to_owned(), |answer| answer.err().map_or_else(String::new, |why| why.says));
            tracing::debug!(says, "the CA could not be asked for advice on a renewal");
            let before = of.memory().advice(host, id).ok().flatten();
            let before = before.unwrap_or_else(|| Advice::none(now, ADVICE_AGAIN));
            Some(Advice { asked: now, every: ADVICE_AGAIN, ..before })
        }
    }
}

async fn asked<'a>(host: &Look, directory: &'a str, root: Option<&std::path::Path>) -> Result<Asked<'a>, Refusal> {
    let wire = reach(host, root)?;
    let says = Directory::of(&wire, directory).await?;
    Ok(Asked { directory, wire, says })
}

/// Gets a certificate and commits it.
///
/// # Errors
/// When nobody issues one; what counted before still does.
pub(super) async fn issue(of: &Certificate, host: &Touch, readers: Readers, now: Moment) -> Result<(), Cause> {
    let mut last: Option<Cause> = None;
    for issuer in &of.issuers {
        if let Some(cause) = &last {
            tracing::warn!(
                certificate = of.name,
                says = cause.says,
                "an issuer gave no certificate; the next one is asked"
            );
        }
        let result = match issuer {
            Issuer::SelfSigned => by_itself(of, host, readers, now),
            Issuer::Acme { directory, root, staging } => {
                let before = of.memory().failures(host, directory)?;
                if before.as_ref().is_some_and(|failures| of.may_ask(failures, now).is_err()) {
                    continue;
                }
                match by_a_ca(of, host, readers, now, (directory, root.as_deref(), staging.as_deref())).await {
                    Ok(()) => of.memory().forget_failures(host, directory).map_err(Cause::from),
                    Err(Trouble::Host(error)) => return Err(error.into()),
                    Err(Trouble::Ca(refusal)) => {
                        // What was written by the rehearsal counts as well.
                        let before = of.memory().failures(host, directory)?;
                        let failures = Failures::after(before.as_ref(), &refusal, Moment::now());
                        of.memory().keep_failures(host, directory, &failures)?;
                        Err(cause(&refusal, directory, &failures))
                    }
                }
            }
        };
        match result {
            Ok(()) => return Ok(()),
            Err(cause) => last = Some(cause),
        }
    }
    Err(last.unwrap_or_else(|| Cause::new("acme-refused", "no issuer may be asked now")))
}

fn cause(refusal: &Refusal, directory: &str, failures: &Failures) -> Cause {
    let whose = if refusal.says.contains(directory) { String::new() } else { format!("`{directory}`: ") };
    let says = format!("{whose}{}; {}", refusal.says, failures.next_in_words());
    Cause::new(refusal.code(), says).hint(refusal.hint())
}

fn by_itself(of: &Certificate, host: &Touch, readers: Readers, now: Moment) -> Result<(), Cause> {
    let first = of.names.first().map_or(of.name.as_str(), String::as_str);
    // RFC 5280, A.1: a common name has at most 64 characters.
    let common: String = first.chars().take(64).collect();
    let (key, chain) = own(&of.names, of.key_type, &common, now, OWN_LIFETIME)?;
    let meta = Meta {
        source: Source::SelfSigned,
        issuer: None,
        made: now,
        point: Point::draw().thousandths(),
        trusted_since: None,
    };
    let new = New { key: &key, chain: chain.as_bytes(), names: &of.names, meta: &meta, readers };
    host.tls_commit(&of.name, &new, now)?;
    Ok(())
}

async fn by_a_ca(
    of: &Certificate,
    host: &Touch,
    readers: Readers,
    now: Moment,
    (directory, root, staging): (&str, Option<&std::path::Path>, Option<&str>),
) -> Result<(), Trouble> {
    let failures = of.memory().failures(host, directory)?;
    if let (Some(failures), Some(staging)) = (failures.filter(Failures::wants_rehearsal), staging) {
        let ca = asked(host, staging, root).await?;
        let (_, task) = from(of, host, &ca, "rehearsal", now).await?;
        order::forget(host, &task)?;
        tracing::info!(certificate = of.name, "rehearsed with the staging twin; now in earnest");
        of.memory().keep_failures(host, directory, &failures.rehearsed())?;
    }
    let ca = asked(host, directory, root).await?;
    let (issued, task) = from(of, host, &ca, "next", now).await?;
    let meta = Meta {
        source: Source::Issued,
        issuer: Some(directory.to_owned()),
        made: now,
        point: Point::draw().thousandths(),
        trusted_since: None,
    };
    let chain = issued.chain.as_bytes();
    let new = New { key: &issued.key, chain, names: &of.names, meta: &meta, readers };
    match host.tls_commit(&of.name, &new, now) {
        Ok(_) => {}
        Err(error) if error.code() == "tls-unfit" => {
            // It came from the CA and cannot be used: neither can that order.
            order::forget(host, &task)?;
            return Err(Refusal::new(Kind::Unusable, format!("what the CA issued cannot be used: {error}")).into());
        }
        Err(error) => return Err(error.into()),
    }
    Ok(order::forget(host, &task)?)
}

/// Orders from a CA.
async fn from(
    of: &Certificate,
    host: &Touch,
    ca: &Asked<'_>,
    folder: &str,
    now: Moment,
) -> Result<(Issued, Task), Trouble> {
    if ca.says.meta.external_account_required {
        let says = "the CA takes only accounts that it knows from elsewhere (EAB)";
        return Err(Refusal::new(Kind::Refused, says).into());
    }
    let opening = Opening { directory: ca.directory, contact: &of.contact };
    let client = account::open(host, &ca.wire, &opening).await?;
    let held = host.tls_held(&of.name)?;
    let counts = match &held {
        Held::Good(version) if version.meta.issuer.as_deref() == Some(ca.directory) => Some(version),
        _ => None,
    };
    let has_profile = |name: &&String| ca.says.meta.profiles.contains_key(name.as_str());
    let profile = of.profile.as_ref().filter(has_profile).cloned();
    if let (Some(wanted), None) = (&of.profile, &profile) {
        tracing::warn!(certificate = of.name, profile = wanted, "the CA lacks the profile; its own choice is taken");
    }
    let replaces = match counts.and_then(|version| version.leaf.renewal_id.clone()) {
        Some(id) if ca.says.renewal_info.is_some() => {
            let pem = host.read_text(&place_of(&of.name).join("current/cert.pem"))?;
            pem.map(|pem| (id, pem))
        }
        _ => None,
    };
    let task = Task {
        folder: format!("tls/{}/{folder}", of.name),
        issuer: ca.directory.to_owned(),
        account: client.account().to_owned(),
        wanted: Wanted { names: of.names.clone(), profile, replaces },
        key_type: of.key_type,
        way: match of.challenge {
            Challenge::Http01 => Way::Http01,
        },
        preferred_chain: of.preferred_chain.clone(),
        serial: counts.map(|version| version.leaf.serial.clone()),
        pace: Pace::USUAL,
    };
    match order::issue(host, &client, &task, now).await {
        Err(Trouble::Ca(refusal)) if refusal.kind == Kind::NoAccount => {
            account::forget(host, ca.directory)?;
            Err(refusal.into())
        }
        Err(trouble) => Err(trouble),
        Ok(issued) => Ok((issued, task)),
    }
}

/// Whether a server of this host still serves what counted before.
///
/// # Errors
/// When the store cannot be looked at.
pub(super) async fn serves_older(of: &Certificate, host: &Look, version: &Version) -> Result<bool, Cause> {
    let Some(name) = of.names.first() else { return Ok(false) };
    match host.tls_served(name).await {
        // Who serves something else does not serve this certificate.
        Some(leaf) if leaf.serial != version.leaf.serial => Ok(host.tls_was_before(&of.name, &leaf.serial)?),
        _ => Ok(false),
    }
}

/// Lets the servers read what counts now, and looks whether they serve it. Where they do not, what was before is back.
///
/// # Errors
/// When a server does not take it, or goes on serving what was before.
pub(super) async fn reload(of: &Certificate, host: &Touch) -> Result<(), Cause> {
    let Held::Good(version) = host.tls_held(&of.name)? else { return Ok(()) };
    let mut is_read = false;
    for unit in &of.readers {
        if !host.has_systemd() || !host.unit(unit).await?.is_up() {
            continue;
        }
        is_read = true;
        if let Err(error) = host.reload_once(unit).await {
            return Err(back(of, host, &format!("`{unit}` did not take the new certificate"), error.into()).await);
        }
    }
    let end = Instant::now() + SERVED;
    let mut good_since = None;
    if !is_read {
        return Ok(());
    }
    loop {
        if !serves_older(of, host, &version).await? {
            // nginx lets old and new workers answer side by side for a tenth of a second.
            if good_since.get_or_insert_with(Instant::now).elapsed() >= STEADY {
                return Ok(());
            }
        } else if Instant::now() < end {
            good_since = None;
        } else {
            let says = format!("an older certificate is still served {} s after the reload", SERVED.as_secs());
            let cause = Cause::new("tls-not-served", says).hint("does the web server read it from `current/`?");
            return Err(back(of, host, "the new certificate is not served", cause).await);
        }
        sleep(LOOK_AGAIN).await;
    }
}

/// Goes back to the version before, and has it read.
async fn back(of: &Certificate, host: &Touch, what: &str, cause: Cause) -> Cause {
    let also = match host.tls_back(&of.name) {
        Ok(Some(number)) => format!("version {number} is back"),
        Ok(None) => "there is none to go back to".to_owned(),
        Err(error) => format!("nor could the one before be put back: {error}"),
    };
    for unit in &of.readers {
        if let Err(error) = host.reload_once(unit).await {
            tracing::warn!(%error, unit, "the version before could not be read either");
        }
    }
    Cause { says: format!("{what}, {also}: {}", cause.says), ..cause }
}
