//! Which names a CA may be asked for now: those whose failures do not rest, and that a look before the order finds in order.

use std::net::IpAddr;
use std::time::Duration;

use super::Certificate;
use super::memory::Names;
use super::subset::Standing;
use crate::acme::authority::Way;
use crate::acme::directory::Directory;
use crate::acme::failures::Failures;
use crate::acme::preflight::{self, Before, Own};
use crate::acme::refusal::Refusal;
use crate::acme::{account, order::Trouble};
use crate::aws::Platform;
use crate::aws::imds::Imds;
use crate::engine::Cause;
use crate::host::moment::Moment;
use crate::host::tls_store::Held;
use crate::host::{Error, Look, Touch};
use crate::terms::Challenge;

/// How long the metadata service may take to say by which address the world knows this host: it is only for a message, and
/// for who does not reach itself.
const METADATA: Duration = Duration::from_secs(3);

impl Certificate {
    /// Why none of the issuers may be asked now; `None` if one may.
    pub(super) fn waiting(&self, host: &Look, standing: &Standing) -> Result<Option<Cause>, Cause> {
        let mut last = None;
        for issuer in &self.issuers {
            let Some(directory) = issuer.directory() else {
                // What signs itself gives nothing that is better than this.
                let has_one = matches!(host.tls_held(&self.name)?, Held::Good(held) if self.is_issued(&held) || self.stands_in(&held));
                return Ok(last.filter(|_| has_one));
            };
            match self.rests(host, directory, standing)? {
                None => return Ok(None),
                rests => last = rests,
            }
        }
        Ok(last)
    }

    /// Why a CA may not be asked now.
    pub(super) fn rests(&self, host: &Look, directory: &str, standing: &Standing) -> Result<Option<Cause>, Cause> {
        // By the clock that failures are written down by.
        let now = Moment::now();
        let cause = |says: String, hint: &str| Cause::new("acme-waiting", says).hint(hint.to_owned());
        let of_all = self.memory().failures(host, directory)?.filter(|failures| failures.names.is_empty());
        if let Some(failures) = of_all.filter(|failures| self.may_ask(failures, now, standing).is_err()) {
            let whose = if self.forced.get() { ", which `--force` does not pass over" } else { "" };
            return Ok(Some(cause(format!("{}{whose}", failures.told()), &failures.hint)));
        }
        let free = free(self, host, directory, standing)?;
        if standing.is_worth(&free, &self.names) {
            return Ok(None);
        }
        Ok(lacking(self, host, directory, &free)?.map(|(says, failures)| cause(says, &failures.hint)))
    }
}

/// The names whose failures do not rest.
pub(super) fn free(of: &Certificate, host: &Look, directory: &str, standing: &Standing) -> Result<Vec<String>, Error> {
    let now = Moment::now();
    let failures = Names::at(directory).failures(host)?;
    let is_free =
        |name: &&String| failures.get(*name).is_none_or(|failures| of.may_ask(failures, now, standing).is_ok());
    Ok(of.names.iter().filter(is_free).cloned().collect())
}

/// What is remembered of the names that are not among these, and the failure whose next try is first.
pub(super) fn lacking(
    of: &Certificate,
    host: &Look,
    directory: &str,
    had: &[String],
) -> Result<Option<(String, Failures)>, Error> {
    let failures = Names::at(directory).failures(host)?;
    let lacking = of.names.iter().filter(|name| !had.contains(name));
    let lacking: Vec<(&String, &Failures)> =
        lacking.filter_map(|name| failures.get(name).map(|failures| (name, failures))).collect();
    let told = |(name, failures): &(&String, &Failures)| {
        let told = failures.told();
        if failures.says.contains(name.as_str()) { told } else { format!("`{name}`: {told}") }
    };
    let says: Vec<String> = lacking.iter().map(told).collect();
    // What a person has to do is said before what comes by itself.
    let first = lacking.iter().min_by_key(|(_, failures)| (!failures.is_paused(), failures.next()));
    Ok(first.map(|(_, failures)| (says.join("; "), (*failures).clone())))
}

/// The refusals of a look at these names before the CA is asked for them.
pub(super) async fn look(
    of: &Certificate,
    host: &Touch,
    ca: &Directory,
    names: &[String],
) -> Result<Vec<Refusal>, Trouble> {
    if !of.preflight {
        return Ok(Vec::new());
    }
    let thumbprint = account::thumbprint_of(&account::key(host)?)?;
    let before =
        Before { thumbprint: &thumbprint, identities: &ca.meta.caa_identities, way: way(of), own: own(host).await };
    Ok(preflight::refused(host, names, &before).await)
}

pub(super) fn way(of: &Certificate) -> Way {
    match of.challenge {
        Challenge::Http01 => Way::Http01,
        Challenge::Dns01 => Way::Dns01,
        Challenge::TlsAlpn01 => Way::TlsAlpn01,
    }
}

/// Refusals of several names as one.
pub(super) fn together(refusals: Vec<Refusal>) -> Option<Refusal> {
    let mut all = refusals.into_iter();
    let mut first = all.next()?;
    for other in all {
        first.says = format!("{}; {}", first.says, other.says);
        first.names.extend(other.names);
        first.retry_after = first.retry_after.max(other.retry_after);
    }
    Some(first)
}

async fn own(host: &Look) -> Own {
    let is_local = |ip: &IpAddr| match ip {
        IpAddr::V4(v4) => v4.is_loopback() || v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unicast_link_local(),
    };
    let addresses = host.addresses().into_iter().filter(|one| one.interface != "lo" && !is_local(&one.ip));
    Own { public: public(host).await, addresses: addresses.map(|one| one.ip).collect() }
}

async fn public(host: &Look) -> Option<IpAddr> {
    if !Platform::of(host).ok()?.is_ec2() {
        return None;
    }
    let mut metadata = Imds::open(host, METADATA).await.ok()?;
    let answer = metadata.get("meta-data/public-ipv4").await.ok()??;
    String::from_utf8(answer).ok()?.trim().parse().ok()
}
