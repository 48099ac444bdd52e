//! Where a name's text belongs. It may have been led elsewhere: `_acme-challenge.www.example.org CNAME www.acme.example.net`
//! lets a host write into a zone that has nothing else in it.

use std::net::SocketAddr;

use super::unshown;
use crate::acme::refusal::Refusal;
use crate::host::dns::{self, Question, Unanswered};

/// How many aliases are followed: resolvers give up at about as many.
const ALIASES: usize = 8;

/// A server of a zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Server {
    /// Its name.
    pub(super) name: String,
    /// Where it is; those of IPv4 first.
    pub(super) at: Vec<SocketAddr>,
}

/// The name whose text a CA asks for (RFC 8555, 8.4).
pub(super) fn challenge_of(name: &str) -> String {
    let name = name.strip_prefix("*.").unwrap_or(name).trim_end_matches('.');
    format!("_acme-challenge.{}", name.to_ascii_lowercase())
}

/// The zones that a name may be in, the longest first; one label alone is no zone of anybody's.
pub(super) fn suffixes(name: &str) -> Vec<String> {
    let labels: Vec<&str> = name.trim_end_matches('.').split('.').collect();
    let from = |skip: usize| labels.get(skip..).filter(|labels| labels.len() > 1).map(|labels| labels.join("."));
    (0..labels.len()).filter_map(from).collect()
}

/// The name that a name stands for; itself, if it stands for no other.
pub(super) async fn followed(resolvers: &[SocketAddr], name: &str) -> Result<String, Refusal> {
    let mut at = name.to_owned();
    for _ in 0..ALIASES {
        let answer = dns::resolve(resolvers, &at, Question::Alias).await.map_err(|why| unresolved(&at, &why))?;
        match answer.names.into_iter().next() {
            Some(next) if next != at => at = next,
            _ => return Ok(at),
        }
    }
    Err(unshown(format!("`{name}` is an alias of an alias, more than {ALIASES} times"), "shorten the chain of CNAMEs"))
}

/// The servers of the zone that a name is in.
pub(super) async fn servers_of(resolvers: &[SocketAddr], name: &str) -> Result<Vec<Server>, Refusal> {
    let ask = async |name: &str, question| {
        dns::resolve(resolvers, name, question).await.map_err(|why| unresolved(name, &why))
    };
    let nobody = |zone: &str| {
        unshown(
            format!("no name server of `{zone}` can be found, in which `{name}` is"),
            "is the zone delegated? see `dig +trace NS` of it",
        )
    };
    let zone = ask(name, Question::Zone).await?.zone;
    let zone = zone.ok_or_else(|| nobody("any zone"))?;
    let mut servers = Vec::new();
    for server in ask(&zone, Question::Servers).await?.names {
        let mut addresses = ask(&server, Question::V4).await?.addresses;
        addresses.extend(ask(&server, Question::V6).await?.addresses);
        let at = addresses.into_iter().map(|address| SocketAddr::new(address, 53)).collect();
        servers.push(Server { name: server, at });
    }
    if servers.iter().all(|server| server.at.is_empty()) { Err(nobody(&zone)) } else { Ok(servers) }
}

fn unresolved(name: &str, why: &Unanswered) -> Refusal {
    unshown(
        format!("`{name}` cannot be resolved: {why}"),
        "see `/etc/resolv.conf`, and ask yourself: `dig` and the name",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wildcard_and_its_bare_name_have_their_texts_in_one_place() {
        assert_eq!(challenge_of("*.Example.org"), "_acme-challenge.example.org");
        assert_eq!(challenge_of("example.org"), challenge_of("*.example.org"));
    }

    #[test]
    fn a_name_may_be_in_every_zone_above_it_but_not_in_one_of_a_single_label() {
        assert_eq!(
            suffixes("_acme-challenge.a.example.org"),
            ["_acme-challenge.a.example.org", "a.example.org", "example.org"]
        );
        assert!(suffixes("localhost").is_empty());
    }
}
