//! What certbot keeps of a certificate, read; and what a recipe says instead. Pure.
//!
//! certbot's own words: a *lineage* is a certificate with all its renewals; `renewal/NAME.conf` says how it is renewed.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::terms::{KeyType, UnitName};

const LETSENCRYPT: &str = "https://acme-v02.api.letsencrypt.org/directory";
const STAGING: &str = "https://acme-staging-v02.api.letsencrypt.org/directory";
/// What hostagent reloads unless it is told.
const USUAL: &str = "nginx";

/// How a lineage is renewed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Renewal {
    /// The directory of its CA.
    pub server: String,
    /// A part of the name of the topmost issuer of the chain that is preferred.
    pub preferred_chain: Option<String>,
    /// The CA's profile.
    pub profile: Option<String>,
    /// Who proves the names, such as `nginx`, `webroot` or `dns-route53`.
    pub authenticator: String,
    /// What runs before, after and for a renewal, by the words of the file.
    pub hooks: Vec<(String, String)>,
}

impl Renewal {
    /// Reads a `renewal/NAME.conf` (`ConfigObj`).
    pub fn read(text: &str) -> Self {
        let (mut params, mut is_within) = (BTreeMap::new(), false);
        for line in text.lines().map(str::trim) {
            if line.starts_with('[') {
                is_within = line == "[renewalparams]";
            } else if let Some((key, value)) = line.split_once('=').filter(|_| is_within && !line.starts_with('#')) {
                params.insert(key.trim(), bare(value));
            }
        }
        let value = |key: &str| params.get(key).filter(|value| !value.is_empty() && *value != "None").cloned();
        let hooks = ["pre_hook", "renew_hook", "deploy_hook", "post_hook"];
        Self {
            server: value("server").unwrap_or_else(|| LETSENCRYPT.to_owned()),
            preferred_chain: value("preferred_chain").or_else(|| value("preferred_chains")),
            profile: value("required_profile").or_else(|| value("preferred_profile")),
            authenticator: value("authenticator").unwrap_or_default(),
            hooks: hooks.into_iter().filter_map(|key| Some((key.to_owned(), value(key)?))).collect(),
        }
    }
}

/// A value without its quotes.
fn bare(value: &str) -> String {
    let value = value.trim();
    let quoted = |quote: char| value.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
    quoted('"').or_else(|| quoted('\'')).unwrap_or(value).trim_end_matches(',').to_owned()
}

/// The units that a hook has read the certificate again, if that is all it does.
pub fn reloads(hook: &str) -> Option<Vec<UnitName>> {
    let mut units = Vec::new();
    for command in hook.lines().filter_map(|line| line.split('#').next()).flat_map(|line| line.split([';', '&', '|'])) {
        let words: Vec<&str> = command.split_whitespace().filter(|word| *word != "sudo").collect();
        let program = words.first().map(|word| word.rsplit('/').next().unwrap_or(word));
        let rest = words.get(1..).unwrap_or_default();
        let rest: Vec<&str> = rest.iter().copied().filter(|word| !word.starts_with('-') || *word == "-s").collect();
        match (program, rest.as_slice()) {
            (None | Some("true" | "set" | "exit"), _) => {}
            (
                Some("systemctl"),
                ["reload" | "restart" | "reload-or-restart" | "try-restart" | "try-reload-or-restart", named @ ..],
            ) if !named.is_empty() => units.extend(named.iter().map(|name| (*name).to_owned())),
            (Some("service" | "invoke-rc.d"), [name, "reload" | "restart" | "force-reload"]) => {
                units.push((*name).to_owned());
            }
            (Some("nginx"), ["-s", "reload"]) => units.push("nginx".to_owned()),
            _ => return None,
        }
    }
    let names = units.into_iter().map(|name| UnitName::try_from(name.trim_end_matches(".service").to_owned()));
    names.collect::<Result<_, _>>().ok()
}

/// A lineage as a recipe has it.
#[derive(Debug, Clone)]
pub struct Adopted {
    /// Its name.
    pub name: String,
    /// What the certificate is for, by itself.
    pub names: Vec<String>,
    /// The kind of its key; `None` if it is of another than there is here.
    pub key_type: Option<KeyType>,
    /// How it was renewed.
    pub renewal: Renewal,
    /// What else ran when it was renewed, and where that was said: hooks in folders are for every lineage.
    pub shared_hooks: Vec<(String, String)>,
    /// What a person has to know.
    pub notes: Vec<String>,
}

/// What belongs into the recipe: a text of TOML, with what a person has to look at as comments.
pub fn recipe(all: &[Adopted]) -> String {
    let mut text = String::from("[tls]\n");
    let common = all
        .first()
        .map(|one| one.renewal.server.as_str())
        .filter(|server| all.iter().all(|other| other.renewal.server == *server));
    if let Some(issuer) = common.and_then(issuer) {
        let _ = writeln!(text, "issuer = {issuer}");
    }
    for one in all {
        let (reload, notes) = one.reads();
        let names: Vec<String> = one.names.iter().map(|name| quoted(name)).collect();
        let _ = writeln!(text, "\n[[tls.certificate]]\nname = {}\ndomains = [{}]", quoted(&one.name), names.join(", "));
        if let Some(issuer) = issuer(&one.renewal.server).filter(|_| common.is_none()) {
            let _ = writeln!(text, "issuer = {issuer}");
        }
        if let Some(kind) = one.key_type.filter(|kind| *kind != KeyType::default()) {
            let _ = writeln!(text, "key_type = {}", quoted(&kind.to_string()));
        }
        for (key, value) in [("profile", &one.renewal.profile), ("preferred_chain", &one.renewal.preferred_chain)] {
            if let Some(value) = value {
                let _ = writeln!(text, "{key} = {}", quoted(value));
            }
        }
        if reload.iter().any(|unit| unit != USUAL) {
            let units: Vec<String> = reload.iter().map(|unit| quoted(unit)).collect();
            let _ = writeln!(text, "reload = [{}]", units.join(", "));
        }
        for note in notes {
            let _ = writeln!(text, "# {}", note.replace(char::is_control, " "));
        }
    }
    text
}

impl Adopted {
    /// The units that read it, and what a person has to look at.
    fn reads(&self) -> (Vec<String>, Vec<String>) {
        let (mut units, mut notes) = (vec![USUAL.to_owned()], self.notes.clone());
        for (place, hook) in self.renewal.hooks.iter().chain(&self.shared_hooks) {
            match reloads(hook) {
                Some(named) => units.extend(named.iter().map(ToString::to_string)),
                None => notes.push(format!("{place} is not run any more: {}", hook.trim())),
            }
        }
        let mut seen = Vec::new();
        units.retain(|unit| {
            !seen.contains(unit) && {
                seen.push(unit.clone());
                true
            }
        });
        if self.names.iter().any(|name| name.starts_with("*.")) || self.renewal.authenticator.starts_with("dns") {
            notes.push(format!("was proven by DNS (`{}`): see `challenge`", self.renewal.authenticator));
        } else {
            notes.push("port 80 of the names has to be a site of `[[nginx.site]]`: it answers the CA".to_owned());
        }
        if self.key_type.is_none() {
            notes.push("its key is of a kind that is not made here: the next one is of P-256".to_owned());
        }
        (units, notes)
    }
}

/// The issuer as a recipe writes it, unless it is the usual one.
fn issuer(server: &str) -> Option<String> {
    match server {
        LETSENCRYPT => None,
        STAGING => Some(quoted("letsencrypt-staging")),
        other => Some(format!("{{ directory = {} }}", quoted(other))),
    }
}

/// A string of TOML, which JSON's are too.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONF: &str = r#"# renew_before_expiry = 30 days
version = 2.1.0
archive_dir = /etc/letsencrypt/archive/example.org
cert = /etc/letsencrypt/live/example.org/cert.pem

# Options used in the renewal process
[renewalparams]
account = 48d6b9e8d767eccf7e4d877d6ffa81e3
authenticator = webroot
server = https://acme-staging-v02.api.letsencrypt.org/directory
key_type = ecdsa
preferred_chain = "ISRG Root X1"
renew_hook = systemctl reload postfix
post_hook = None
[[webroot_map]]
example.org = /var/www
server = not this one
"#;

    fn adopted(name: &str, renewal: Renewal) -> Adopted {
        let names = vec![name.to_owned(), format!("www.{name}")];
        let (shared_hooks, notes) = (Vec::new(), Vec::new());
        Adopted { name: name.to_owned(), names, key_type: Some(KeyType::Rsa), renewal, shared_hooks, notes }
    }

    #[test]
    fn how_a_lineage_is_renewed_is_read_as_certbot_writes_it() {
        let renewal = Renewal::read(CONF);
        assert_eq!((renewal.server.as_str(), renewal.authenticator.as_str()), (STAGING, "webroot"));
        assert_eq!(renewal.preferred_chain.as_deref(), Some("ISRG Root X1"));
        assert_eq!(renewal.hooks, [("renew_hook".to_owned(), "systemctl reload postfix".to_owned())]);
        assert_eq!(Renewal::read("").server, LETSENCRYPT);
    }

    #[test]
    fn a_hook_that_only_reloads_is_known_and_any_other_is_a_person_s() {
        let units = |hook: &str| reloads(hook).map(|all| all.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert_eq!(units("systemctl reload nginx.service postfix").unwrap(), ["nginx", "postfix"]);
        assert_eq!(
            units("#!/bin/sh\nset -e\n/usr/sbin/nginx -s reload && service dovecot restart").unwrap(),
            ["nginx", "dovecot"]
        );
        assert_eq!(units("sudo systemctl --quiet try-reload-or-restart haproxy # new one").unwrap(), ["haproxy"]);
        assert_eq!(units("#!/bin/sh\n").unwrap(), [""; 0]);
        for other in ["cp $RENEWED_LINEAGE/privkey.pem /srv", "systemctl stop nginx", "systemctl reload $UNIT"] {
            assert_eq!(reloads(other), None, "{other}");
        }
    }

    #[test]
    fn a_recipe_says_what_the_lineages_were() {
        let first = adopted("example.org", Renewal::read(CONF));
        let hooks = vec![("post_hook".to_owned(), "rm -f /tmp/x".to_owned())];
        let second = Renewal { server: "https://ca.example/dir".to_owned(), hooks, ..Renewal::default() };
        let second = Adopted { key_type: Some(KeyType::EcdsaP256), ..adopted("other.example", second) };
        assert_eq!(
            recipe(&[first.clone(), second]),
            r#"[tls]

[[tls.certificate]]
name = "example.org"
domains = ["example.org", "www.example.org"]
issuer = "letsencrypt-staging"
key_type = "rsa"
preferred_chain = "ISRG Root X1"
reload = ["nginx", "postfix"]
# port 80 of the names has to be a site of `[[nginx.site]]`: it answers the CA

[[tls.certificate]]
name = "other.example"
domains = ["other.example", "www.other.example"]
issuer = { directory = "https://ca.example/dir" }
# post_hook is not run any more: rm -f /tmp/x
# port 80 of the names has to be a site of `[[nginx.site]]`: it answers the CA
"#
        );
        assert!(recipe(&[first]).starts_with("[tls]\nissuer = \"letsencrypt-staging\"\n"));
    }
}
