//! Getting a certificate: from whoever is preferred and may be asked, with a rehearsal where the last try failed.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::memory::Names;
use super::subset::Standing;
use super::{Certificate, Eab, Issuer, gate, keeper, own};
use crate::acme::account::{self, Opening};
use crate::acme::authority::Wanted;
use crate::acme::directory::Directory;
use crate::acme::failures::Failures;
use crate::acme::http::Wire;
use crate::acme::order::{self, Issued, Pace, Task, Trouble};
use crate::acme::refusal::{Kind, Refusal};
use crate::acme::renewal::{ASK_EVERY, Advice, Point};
use crate::engine::{Cause, Changes};
use crate::host::moment::Moment;
use crate::host::tls_store::pair::normal;
use crate::host::tls_store::{Held, Meta, New, Readers, Source, Version, place_of};
use crate::host::{Look, Touch};

/// How long one that signs itself counts.
const OWN_LIFETIME: Duration = Duration::from_hours(90 * 24);
/// A look does not wait longer for advice.
const ADVICE: Duration = Duration::from_secs(10);
/// How long the old certificate may be served after a reload: old workers end first.
const SERVED: Duration = Duration::from_secs(30);
/// So long nobody may have got the old one.
const STEADY: Duration = Duration::from_millis(400);
/// So many names of a certificate are asked for: one may be served elsewhere.
const PROBED: usize = 3;
const LOOK_AGAIN: Duration = Duration::from_millis(40);
/// If the CA could not be asked for advice, it is asked again after so long.
const ADVICE_AGAIN: Duration = Duration::from_hours(1);

/// A CA as it is asked.
struct Asked<'a> {
    directory: &'a str,
    wire: Wire,
    says: Directory,
    eab: Option<&'a Eab>,
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
    Ok(Asked { directory, wire, says, eab: None })
}

/// Gets a certificate and commits it: for all names by whoever gives it, or else for those that can be proven. Says why some
/// are missing.
///
/// # Errors
/// When nobody issues one; what counted before still does.
pub(super) async fn issue(
    of: &Certificate,
    host: &Touch,
    standing: &Standing,
    readers: Readers,
    now: Moment,
) -> Result<Option<Cause>, Cause> {
    let mut last: Option<Cause> = None;
    let own = of.issuers.iter().position(|issuer| *issuer == Issuer::SelfSigned);
    let cas = of.issuers.get(..own.unwrap_or(of.issuers.len())).unwrap_or_default();
    // The second choice with all names is better than the first with some.
    let rounds: &[bool] = if cas.len() > 1 { &[true, false] } else { &[false] };
    for (issuer, is_whole) in rounds.iter().flat_map(|is_whole| cas.iter().map(move |issuer| (issuer, *is_whole))) {
        let Issuer::Acme { directory, .. } = issuer else { continue };
        if of.rests(host, directory, standing)?.is_some() {
            continue;
        }
        if let Some(cause) = &last {
            let says = &cause.says;
            tracing::warn!(certificate = of.name, says, "an issuer gave no certificate; the next one is asked");
        }
        let round = Round { standing, is_whole };
        match by_a_ca(of, host, &round, readers, now, issuer).await {
            Ok(missing) => return lacks(of, host, directory, missing),
            Err(Trouble::Host(error)) => return Err(error.into()),
            Err(Trouble::Ca(refusal)) => {
                let failures = remember(of, host, directory, &refusal)?;
                last = Some(cause(&refusal, directory, &failures));
            }
        }
    }
    if own.is_some() {
        return match host.tls_held(&of.name)? {
            // What others trust is never replaced by what nobody does.
            Held::Good(version) if !cas.is_empty() && of.is_issued(&version) && version.leaf.to > now => {
                Err(last.unwrap_or_else(nobody))
            }
            Held::Good(version) if of.stands_in(&version) && version.leaf.names == of.wanted() => Ok(None),
            _ => by_itself(of, host, readers).map(|()| None),
        };
    }
    Err(last.unwrap_or_else(nobody))
}

fn nobody() -> Cause {
    Cause::new("acme-refused", "no issuer may be asked now")
}

/// Remembers that what was issued is not what the recipe wants, so that the next try is not at once.
pub(super) fn is_not_wanted(of: &Certificate, host: &Touch, changes: &Changes) -> Result<Cause, Cause> {
    let directory = of.issuers.iter().find_map(Issuer::directory).unwrap_or_default();
    let says = format!("what was issued is not what was ordered: {changes}");
    let refusal = Refusal::new(Kind::Unusable, says);
    let failures = remember(of, host, directory, &refusal)?;
    Ok(cause(&refusal, directory, &failures))
}

/// Which orders are worth it.
struct Round<'a> {
    standing: &'a Standing,
    /// Only those of all names.
    is_whole: bool,
}

impl Round<'_> {
    fn is_worth(&self, can: &[String], wanted: &[String]) -> bool {
        if self.is_whole { can.len() == wanted.len() } else { self.standing.is_worth(can, wanted) }
    }
}

fn remember(of: &Certificate, host: &Touch, directory: &str, refusal: &Refusal) -> Result<Failures, Cause> {
    // What was written by the rehearsal counts as well.
    let before = of.memory().failures(host, directory)?;
    let failures = Failures::after(before.as_ref(), refusal, Moment::now()).about(refusal.blames(&of.names));
    of.memory().keep_failures(host, directory, &failures)?;
    Ok(failures)
}

/// Why what was issued is not whole, if it is not.
fn lacks(of: &Certificate, host: &Touch, directory: &str, missing: Missing) -> Result<Option<Cause>, Cause> {
    if missing.had.len() == of.names.len() {
        of.memory().forget_failures(host, directory)?;
        return Ok(None);
    }
    if let Some(refusal) = gate::together(missing.refusals) {
        remember(of, host, directory, &refusal)?;
    }
    let (says, hint) = match gate::lacking(of, host, directory, &missing.had)? {
        Some((says, failures)) => (says, failures.hint),
        None => ("some names could not be proven".to_owned(), "run again".to_owned()),
    };
    tracing::warn!(certificate = of.name, says, "issued for some names only");
    Ok(Some(Cause::new("tls-partial", format!("issued for {} alone: {says}", missing.had.join(" "))).hint(hint)))
}

fn cause(refusal: &Refusal, directory: &str, failures: &Failures) -> Cause {
    let whose = if refusal.says.contains(directory) { String::new() } else { format!("`{directory}`: ") };
    let says = format!("{whose}{}; {}", refusal.says, failures.next_in_words());
    Cause::new(refusal.code(), says).hint(refusal.hint())
}

fn by_itself(of: &Certificate, host: &Touch, readers: Readers) -> Result<(), Cause> {
    // By the clock, not by the latest moment ever seen: it must not begin in the future.
    let now = Moment::now();
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

/// What was issued, and what not.
struct Missing {
    had: Vec<String>,
    refusals: Vec<Refusal>,
}

async fn by_a_ca(
    of: &Certificate,
    host: &Touch,
    round: &Round<'_>,
    readers: Readers,
    now: Moment,
    issuer: &Issuer,
) -> Result<Missing, Trouble> {
    let Issuer::Acme { directory, root, eab, .. } = issuer else {
        return Err(Refusal::new(Kind::Refused, "it is no CA").into());
    };
    let (names, mut refusals) = (Names::at(directory), Vec::new());
    let mut had = gate::free(of, host, directory, round.standing)?;
    let ca = Asked { eab: eab.as_ref(), ..asked(host, directory, root.as_deref()).await? };
    let mut found = gate::look(of, host, &ca.says, &had).await?;
    loop {
        for refusal in found {
            names.failed(host, &refusal.names, &refusal, Moment::now())?;
            had.retain(|name| !refusal.names.contains(name));
            refusals.push(refusal);
        }
        if !round.is_worth(&had, &of.names) {
            let refusal = gate::together(refusals);
            return Err(refusal.unwrap_or_else(|| Refusal::new(Kind::Unready, "no name can be proven now")).into());
        }
        match order_for(of, host, &ca, issuer, &had, readers, now).await {
            Ok(()) => {
                names.proven(host, &had)?;
                return Ok(Missing { had, refusals });
            }
            // Whoever is to blame rests, and the others go on if that is worth it; there are ever fewer of them.
            Err(Trouble::Ca(refusal)) => {
                let blamed = refusal.blames(&had);
                if blamed.is_empty() {
                    return Err(refusal.into());
                }
                tracing::info!(certificate = of.name, says = refusal.says, "some names were not proven");
                found = vec![refusal.about(blamed)];
            }
            Err(trouble) => return Err(trouble),
        }
    }
}

/// Orders a certificate for these names, after a rehearsal if the last try failed, and commits it.
async fn order_for(
    of: &Certificate,
    host: &Touch,
    ca: &Asked<'_>,
    issuer: &Issuer,
    names: &[String],
    readers: Readers,
    now: Moment,
) -> Result<(), Trouble> {
    if let Issuer::Acme { root, staging: Some(staging), .. } = issuer {
        rehearse(of, host, ca, (staging, root.as_deref()), names, now).await?;
    }
    let (issued, task) = from(of, host, ca, "next", names, now).await?;
    let meta = Meta {
        source: Source::Issued,
        issuer: Some(ca.directory.to_owned()),
        made: now,
        point: Point::draw().thousandths(),
        trusted_since: None,
    };
    let chain = issued.chain.as_bytes();
    let new = New { key: &issued.key, chain, names, meta: &meta, readers };
    match host.tls_commit(&of.name, &new, now) {
        Ok(_) => {}
        Err(error) if error.code() == "tls-unfit" => {
            // It may have come damaged: it is fetched once more. If that is no better, neither is the order.
            let before = of.memory().failures(host, ca.directory)?;
            if before.is_some_and(|before| before.code == Refusal::new(Kind::Unusable, "").code()) {
                order::forget(host, &task)?;
            }
            return Err(Refusal::new(Kind::Unusable, format!("what the CA issued cannot be used: {error}")).into());
        }
        Err(error) => return Err(error.into()),
    }
    Ok(order::forget(host, &task)?)
}

/// Orders from the staging twin what failed the last time: there, failures cost nothing.
async fn rehearse(
    of: &Certificate,
    host: &Touch,
    ca: &Asked<'_>,
    (staging, root): (&str, Option<&std::path::Path>),
    names: &[String],
    now: Moment,
) -> Result<(), Trouble> {
    let kept = Names::at(ca.directory).failures(host)?;
    let of_all = of.memory().failures(host, ca.directory)?;
    let of_all = of_all.filter(|failures| failures.names.is_empty() && failures.wants_rehearsal());
    let is_wanted = |name: &String| kept.get(name).is_some_and(Failures::wants_rehearsal);
    if of_all.is_none() && !names.iter().any(is_wanted) {
        return Ok(());
    }
    let rehearsed = async {
        let twin = asked(host, staging, root).await?;
        let (_, task) = from(of, host, &twin, "rehearsal", names, now).await?;
        Ok(order::forget(host, &task)?)
    };
    match rehearsed.await {
        // Only a name that cannot be proven there cannot be proven here. That the twin is away says nothing.
        Err(Trouble::Ca(refusal)) if refusal.kind != Kind::Unproven => {
            tracing::info!(certificate = of.name, says = refusal.says, "it could not be rehearsed; now in earnest");
            return Ok(());
        }
        other => other?,
    }
    tracing::info!(certificate = of.name, "rehearsed with the staging twin; now in earnest");
    Names::at(ca.directory).rehearsed(host, names)?;
    if let Some(failures) = of_all {
        of.memory().keep_failures(host, ca.directory, &failures.rehearsed())?;
    }
    Ok(())
}

/// Forgets an order whose certificate counts already: the run that committed it was killed before it could.
pub(super) fn forget_committed(of: &Certificate, host: &Touch) -> Result<(), Cause> {
    let folder = format!("tls/{}/next", of.name);
    let Some(key) = host.read_state(&format!("{folder}/privkey.pem"))? else { return Ok(()) };
    if host.read(&place_of(&of.name).join("current/privkey.pem"))?.is_some_and(|counts| counts == key) {
        order::forget_at(host, &folder)?;
    }
    Ok(())
}

fn shares_a_name(version: &Version, names: &[String]) -> bool {
    names.iter().any(|name| version.leaf.names.contains(&normal(name)))
}

/// Orders from a CA.
async fn from(
    of: &Certificate,
    host: &Touch,
    ca: &Asked<'_>,
    folder: &str,
    names: &[String],
    now: Moment,
) -> Result<(Issued, Task), Trouble> {
    let proof = keeper::proof(of, host).await?;
    let binding = match ca.eab {
        Some(eab) if !account::is_known(host, ca.directory)? => Some(eab.binding(host).await?),
        _ => None,
    };
    let opening = Opening { directory: ca.directory, contact: &of.contact, says: &ca.says, binding: binding.as_ref() };
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
        // A CA takes it for a renewal only of a certificate with a name in common.
        Some(id) if ca.says.renewal_info.is_some() && counts.is_some_and(|version| shares_a_name(version, names)) => {
            let pem = host.read_text(&place_of(&of.name).join("current/cert.pem"))?;
            pem.map(|pem| (id, pem))
        }
        _ => None,
    };
    let task = Task {
        folder: format!("tls/{}/{folder}", of.name),
        issuer: ca.directory.to_owned(),
        account: client.account().to_owned(),
        wanted: Wanted { names: names.to_vec(), profile, replaces },
        key_type: of.key_type,
        proof,
        preferred_chain: of.preferred_chain.clone(),
        serial: counts.map(|version| version.leaf.serial.clone()),
        pace: Pace::USUAL,
    };
    match order::issue(host, &client, &task, now).await {
        Err(Trouble::Ca(refusal)) if refusal.kind == Kind::NoAccount => {
            account::forget(host, ca.directory, &refusal)?;
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
    for name in of.names.iter().take(PROBED) {
        match host.tls_served(name).await {
            // Who serves something else does not serve this certificate.
            Some(leaf) if leaf.serial != version.leaf.serial && host.tls_was_before(&of.name, &leaf.serial)? => {
                return Ok(true);
            }
            // Nobody is there at all.
            None => return Ok(false),
            Some(_) => {}
        }
    }
    Ok(false)
}

/// Lets the servers read what counts now, and looks whether they serve it. Where they do not, what counted before is back.
///
/// # Errors
/// When a server does not take it, or goes on serving what was before.
pub(super) async fn reload(of: &Certificate, host: &Touch, before: Option<u32>) -> Result<(), Cause> {
    let Held::Good(version) = host.tls_held(&of.name)? else { return Ok(()) };
    let mut is_read = false;
    for unit in &of.readers {
        if !host.has_systemd() || !host.unit(unit).await?.is_up() {
            continue;
        }
        is_read = true;
        if let Err(error) = host.reload_once(unit).await {
            return Err(
                back(of, host, before, &format!("`{unit}` did not take the new certificate"), error.into()).await
            );
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
            return Err(back(of, host, before, "the new certificate is not served", cause).await);
        }
        sleep(LOOK_AGAIN).await;
    }
}

/// Goes back to the version before, and has it read.
async fn back(of: &Certificate, host: &Touch, before: Option<u32>, what: &str, cause: Cause) -> Cause {
    let gone_back = match before {
        Some(number) => host.tls_take(&of.name, number).map(|()| Some(number)),
        None => host.tls_back(&of.name, Moment::now()),
    };
    let also = match gone_back {
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
