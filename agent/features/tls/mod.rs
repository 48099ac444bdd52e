//! `[tls]`: certificates that a CA issues and that are renewed by themselves.
//!
//! ```toml
//! [tls]
//! contact = ["mailto:ops@example.org"]
//! [[tls.certificate]]
//! name = "api"
//! domains = ["api.example.org"]
//! ```
//!
//! They lie in `/var/lib/hostagent/tls/NAME/current/`, as `fullchain.pem` and `privkey.pem`. Until the first is issued one
//! that signs itself stands there, so that a server that names them starts. The web server answers the CA's questions on
//! port 80, without files and reloads; or the names are proven by DNS, wildcards by that alone:
//!
//! ```toml
//! domains = ["example.org", "*.example.org"]
//! challenge = "dns-01"
//! dns = "route53"
//! ```

mod issuer;
mod keeper;
#[cfg(test)]
mod tests;

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::Deserialize;

use super::Feature;
use crate::engine::Draft;
use crate::facts::Facts;
use crate::problem::KeyPath;
use crate::resources;
use crate::resources::bootstrap_certificate::BootstrapCertificate;
use crate::resources::timer::Timer;
use crate::resources::tls_account::TlsAccount;
use crate::terms::{AccountName, CalendarEvent, Challenge, KeyType, OneOrMany, Period, UnitName};

pub use issuer::{Directory, Issuer};
pub use keeper::Keeper;

/// The most names that a CA takes in one certificate (Let's Encrypt, profile `classic`).
const MOST_NAMES: usize = 100;

/// Certificates, issued and renewed by themselves.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// Whom the CA may write to, such as `["mailto:ops@example.org"]`. Default: nobody.
    #[serde(default)]
    contact: Vec<String>,
    /// Who issues: `"letsencrypt"`, `"letsencrypt-staging"`, `"self-signed"`, or a CA's `{ directory, root, eab }`; of a list
    /// the first that does. Default: `"letsencrypt"`.
    issuer: Option<OneOrMany<Issuer>>,
    /// Whether names are looked at before a CA is asked for them: that they lead here, that port 80 answers, and that no CAA
    /// record forbids it. `false` where the world sees a name otherwise than this host does. Default: `true`.
    #[serde(default = "yes")]
    preflight: bool,
    /// When it is looked whether something is due (systemd.time(7)). Default: twice a day, at a time of this host's own.
    on_calendar: Option<CalendarEvent>,
    /// The certificates.
    #[serde(default)]
    certificate: Vec<Certificate>,
}

/// A certificate.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "TlsCertificate")]
pub struct Certificate {
    /// What sites call it by.
    name: UnitName,
    /// The names it is for.
    domains: OneOrMany<String>,
    /// Who issues it. Default: as `[tls]` says.
    issuer: Option<OneOrMany<Issuer>>,
    /// How the CA is shown that the names are this host's. Default: `"http-01"`, on port 80.
    #[serde(default)]
    challenge: Challenge,
    /// With `challenge = "dns-01"`: who keeps the zone, `"route53"` (with the role of the instance), `{ route53 = { zone } }` or
    /// `{ cloudflare = { token } }`.
    dns: Option<Keeper>,
    /// The kind of its key. Default: `"ecdsa-p256"`.
    #[serde(default)]
    key_type: KeyType,
    /// The profile of the CA, such as `"shortlived"`; where the CA lacks it, its own choice. Default: the CA's own choice.
    profile: Option<String>,
    /// A part of the name of the root that the chain shall lead to, such as `"ISRG Root X1"`. Default: the CA's own choice.
    preferred_chain: Option<String>,
    /// A group that may read the key too. Default: root alone.
    group: Option<AccountName>,
    /// Services that read the certificate again when there is a new one. Default: `["nginx"]`.
    reload: Option<Vec<UnitName>>,
}

fn yes() -> bool {
    true
}

impl Feature for Tls {
    const TABLE: &'static str = "tls";

    fn compile(&self, _: &Facts, plan: &mut Draft) {
        let here = KeyPath::root().key(Self::TABLE);
        plan.at(here.clone());
        for (index, contact) in self.contact.iter().enumerate() {
            if !contact.strip_prefix("mailto:").is_some_and(|address| address.contains('@')) {
                let hint = "write `mailto:` and an address, such as `mailto:ops@example.org`";
                plan.problem_at(here.key("contact").index(index), format!("`{contact}` is nobody to write to"), hint);
            }
        }
        issuers_problems(self.issuer.as_ref(), &here, plan);
        self.add_account(plan);
        let mut named = BTreeSet::new();
        for (index, certificate) in self.certificate.iter().enumerate() {
            let here = here.key("certificate").index(index);
            plan.at(here.clone());
            if !named.insert(certificate.name.as_str()) {
                let says = format!("there are two certificates `{}`", certificate.name);
                plan.problem_at(here.key("name"), says, "give one of them another name");
                continue;
            }
            certificate.problems(self.issuer.as_ref(), &here, plan);
            self.add(certificate, plan);
        }
        plan.at(here);
        if !self.certificate.is_empty() {
            plan.add(self.timer());
        }
    }
}

impl Tls {
    /// The account key, if anybody is asked with it; there is one for all CAs.
    fn add_account(&self, plan: &mut Draft) {
        let mut asked = Vec::new();
        for certificate in &self.certificate {
            let issuers = certificate.issuer.as_ref().or(self.issuer.as_ref());
            let issuers: Vec<_> = issuers.map_or_else(|| vec![&Issuer::LetsEncrypt], |all| all.iter().collect());
            for issuer in issuers.into_iter().filter(|issuer| **issuer != Issuer::SelfSigned).map(Issuer::resolved) {
                if !asked.contains(&issuer) {
                    asked.push(issuer);
                }
            }
        }
        if !asked.is_empty() {
            plan.add(TlsAccount { issuers: asked });
        }
    }

    fn add(&self, certificate: &Certificate, plan: &mut Draft) {
        let issuers = certificate.issuer.as_ref().or(self.issuer.as_ref());
        let issuers: Vec<_> = issuers
            .map_or_else(|| vec![Issuer::LetsEncrypt.resolved()], |all| all.iter().map(Issuer::resolved).collect());
        let name = certificate.name.to_string();
        let names = certificate.domains.to_vec();
        let bootstrap = plan.add(BootstrapCertificate {
            name: name.clone(),
            names: names.clone(),
            key_type: certificate.key_type,
            group: certificate.group.clone(),
        });
        let bootstrap = bootstrap.id();
        let readers = certificate.reload.as_ref();
        let readers =
            readers.map_or_else(|| vec!["nginx".to_owned()], |units| units.iter().map(ToString::to_string).collect());
        plan.add(resources::certificate::Certificate {
            name,
            names,
            issuers,
            contact: self.contact.clone(),
            challenge: certificate.challenge,
            preflight: self.preflight,
            dns: certificate.dns.as_ref().map(Keeper::resolved),
            key_type: certificate.key_type,
            profile: certificate.profile.clone(),
            preferred_chain: certificate.preferred_chain.clone(),
            group: certificate.group.clone(),
            readers: readers.iter().map(|unit| crate::host::systemd::full_name(unit)).collect(),
            learned: RefCell::default(),
            forced: Cell::default(),
        })
        .after(&bootstrap);
    }

    /// Looks twice a day whether something is due, not on the round minute that everybody takes.
    fn timer(&self) -> Timer {
        let when = self.on_calendar.clone().unwrap_or_else(|| CalendarEvent::known("*-*-* 03,15:17:43"));
        let exec = ["hostagent", "converge", "--only", "tls"].map(str::to_owned).to_vec();
        let description = "Certificates that are due (hostagent)".to_owned();
        let spread = Some(Period::known("11h"));
        Timer { description, randomized_delay: spread, ..Timer::new("hostagent-tls", when, exec) }
    }
}

impl Certificate {
    fn problems(&self, usual: Option<&OneOrMany<Issuer>>, here: &KeyPath, plan: &mut Draft) {
        let issuers = self.issuer.as_ref().or(usual);
        let is_own = issuers.is_some_and(|all| all.iter().all(|issuer| *issuer == Issuer::SelfSigned));
        let name = self.name.as_str();
        if name == "account" || name.starts_with('.') {
            let says = format!("`{name}` is not a name for a certificate");
            plan.problem_at(here.key("name"), says, "the folder of that name has another use; take another one");
        }
        issuers_problems(self.issuer.as_ref(), here, plan);
        keeper::problems(self.challenge, self.dns.as_ref(), name, here, plan);
        let at = here.key("domains");
        if self.domains.is_empty() {
            plan.problem_at(at.clone(), format!("the certificate `{name}` is for no name"), "say which");
        }
        if self.domains.len() > MOST_NAMES {
            let says = format!("{} names are more than a CA takes in one certificate", self.domains.len());
            plan.problem_at(at.clone(), says, "make several certificates of them");
        }
        let mut seen = BTreeSet::new();
        for (index, domain) in self.domains.iter().enumerate() {
            let here = if self.domains.len() == 1 { at.clone() } else { at.index(index) };
            if let Some((says, hint)) = wrong_with(domain, is_own, self.challenge) {
                plan.problem_at(here, says, hint);
            } else if !seen.insert(domain.to_ascii_lowercase()) {
                plan.problem_at(here, format!("`{domain}` is named twice"), "take one of them out");
            }
        }
    }
}

/// What is wrong with a name for a certificate, and what to do about it. One that signs itself proves nothing.
fn wrong_with(domain: &str, is_own: bool, challenge: Challenge) -> Option<(String, &'static str)> {
    if domain.parse::<std::net::IpAddr>().is_ok() {
        let hint = "an address is proven on port 80 alone; give it a certificate of its own, with `http-01`";
        let is_asked = challenge != Challenge::Http01 && !is_own;
        return is_asked.then(|| (format!("`{domain}` cannot be proven with `{challenge}`"), hint));
    }
    let plain = domain.strip_prefix("*.");
    if plain.is_some() && !is_own && challenge != Challenge::Dns01 {
        let hint = "a CA proves wildcards by DNS alone: `challenge = \"dns-01\"`; or name the hosts one by one";
        return Some((format!("`{domain}` cannot be proven with `{challenge}`"), hint));
    }
    let is_label = |label: &str| {
        let plain = label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        plain && (1..=63).contains(&label.len()) && !label.starts_with('-') && !label.ends_with('-')
    };
    let plain = plain.unwrap_or(domain);
    let is_whole = plain.contains('.') || is_own;
    let fits = domain.len() <= 253 && is_whole && plain.split('.').all(is_label);
    let hint = "a whole name, such as `www.example.org`, or an address; of another script its `xn--` form";
    (!fits).then(|| (format!("`{domain}` is not a name that a CA can prove"), hint))
}

fn issuers_problems(issuers: Option<&OneOrMany<Issuer>>, here: &KeyPath, plan: &mut Draft) {
    let Some(issuers) = issuers else { return };
    let at = here.key("issuer");
    if issuers.is_empty() {
        plan.problem_at(at.clone(), "nobody issues", "leave `issuer` out for `\"letsencrypt\"`");
    }
    for (index, issuer) in issuers.iter().enumerate() {
        let Issuer::Other(other) = issuer else { continue };
        let here = if issuers.len() == 1 { at.clone() } else { at.index(index) };
        if let Some(eab) = &other.eab {
            let here = here.key("eab");
            if eab.kid.trim().is_empty() {
                plan.problem_at(here.key("kid"), "the key ID is empty", "the CA gives it with the HMAC key");
            }
            keeper::secret_problems(&eab.hmac, &here.key("hmac"), plan);
        }
        let all = [("directory", Some(&other.directory)), ("staging", other.staging.as_ref())];
        for (key, url) in all.into_iter().filter_map(|(key, url)| Some((key, url?))) {
            if !url.starts_with("https://") {
                let says = format!("`{key}` is not protected on its way: `{url}`");
                plan.problem_at(
                    here.key(key),
                    says,
                    "ACME speaks `https://` alone; for a CA of your own name its `root`",
                );
            } else if super::holds_login(url) {
                plan.problem_at(here.key(key), format!("`{key}` holds a user name"), "take it out");
            }
        }
    }
}
