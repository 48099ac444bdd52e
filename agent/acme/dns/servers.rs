//! Waiting until every server of a zone has what was written: a CA asks any of them, also the slowest, and each of its
//! failures counts.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::place::{self, Server};
use super::{Record, unshown};
use crate::acme::refusal::Refusal;
use crate::host::dns::{self, Question};

/// The pauses between two rounds: the first, and what they grow to.
const PAUSES: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(3));
/// How often it is said that it is still waited.
const TELL_EVERY: Duration = Duration::from_secs(15);

/// What one server says of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Found {
    /// It has all texts.
    All,
    /// It has not all of them.
    Lags,
    /// It does not answer, for this reason.
    Silent(String),
}

/// Waits until every server of their zones has the records.
///
/// # Errors
/// When one still lacks a record after this time, or none of a zone can be asked.
pub(super) async fn wait(resolvers: &[SocketAddr], records: &[Record], patience: Duration) -> Result<(), Refusal> {
    let mut names: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for record in records {
        names.entry(&record.name).or_default().push(&record.text);
    }
    let (begun, mut told) = (Instant::now(), Instant::now());
    for (name, texts) in names {
        let servers = place::servers_of(resolvers, name).await?;
        let mut pause = PAUSES.0;
        loop {
            let mut found = Vec::new();
            for server in &servers {
                found.push((server.name.as_str(), look(server, name, &texts).await));
            }
            if found.iter().all(|(_, found)| *found == Found::All) {
                break;
            }
            if begun.elapsed() >= patience {
                outcome(name, &found, patience)?;
                break;
            }
            if told.elapsed() >= TELL_EVERY {
                told = Instant::now();
                let missing = listed(&found, |found| *found != Found::All);
                tracing::info!(name, servers = missing, "waiting until all name servers have the text");
            }
            sleep(pause).await;
            pause = (pause * 2).min(PAUSES.1);
        }
    }
    Ok(())
}

async fn look(server: &Server, name: &str, texts: &[&str]) -> Found {
    let mut last = "it has no address".to_owned();
    for at in &server.at {
        match dns::ask(*at, name, Question::Texts).await {
            Ok(answer) if texts.iter().all(|text| answer.texts.iter().any(|has| has == text)) => return Found::All,
            Ok(_) => return Found::Lags,
            Err(why) => last = why.to_string(),
        }
    }
    Found::Silent(last)
}

/// What becomes of it when the time is up. A server that nobody can ask is none that the CA can ask, as long as there is
/// another.
fn outcome(name: &str, found: &[(&str, Found)], patience: Duration) -> Result<(), Refusal> {
    let after = patience.as_secs();
    let lagging = listed(found, |found| *found == Found::Lags);
    if !lagging.is_empty() {
        let says =
            format!("{lagging} did not have the TXT record of `{name}` after {after} s; the CA was not asked to look");
        return Err(unshown(
            says,
            "it is tried again by itself; is the zone that is written to the one that these servers have?",
        ));
    }
    let silent: Vec<String> = found
        .iter()
        .filter_map(|(server, found)| match found {
            Found::Silent(why) => Some(format!("`{server}` ({why})")),
            _ => None,
        })
        .collect();
    let silent = silent.join(", ");
    if found.iter().any(|(_, found)| *found == Found::All) {
        tracing::warn!(name, servers = silent, "some name servers do not answer; the others have the text");
        return Ok(());
    }
    let says = format!("none of the name servers of `{name}` answers, within {after} s: {silent}");
    Err(unshown(says, "does a firewall keep this host from port 53 of them (UDP and TCP)?"))
}

fn listed(found: &[(&str, Found)], is_so: impl Fn(&Found) -> bool) -> String {
    let names: Vec<String> =
        found.iter().filter(|(_, found)| is_so(found)).map(|(server, _)| format!("`{server}`")).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIME: Duration = Duration::from_mins(2);

    fn after(found: &[Found]) -> Result<(), Refusal> {
        let servers = ["ns1.example", "ns2.example", "ns3.example"];
        let found: Vec<_> = servers.into_iter().zip(found.iter().cloned()).collect();
        outcome("_acme-challenge.a.example", &found, TIME)
    }

    #[test]
    fn a_server_that_lacks_the_text_is_named_and_the_ca_is_not_asked() {
        let refusal = after(&[Found::All, Found::Lags, Found::Silent("no answer".into())]).unwrap_err();
        assert_eq!(
            refusal.says,
            "`ns2.example` did not have the TXT record of `_acme-challenge.a.example` after 120 s; the CA was not asked to look"
        );
    }

    #[test]
    fn a_server_that_nobody_can_ask_stops_nothing_but_all_of_them_do() {
        let silent = || Found::Silent("192.0.2.1: no answer".into());
        assert_eq!(after(&[Found::All, silent()]), Ok(()));
        let refusal = after(&[silent(), silent()]).unwrap_err();
        assert!(refusal.says.contains("`ns1.example` (192.0.2.1: no answer), `ns2.example`"), "{refusal}");
        assert!(refusal.hint().contains("firewall"), "{}", refusal.hint());
    }
}
