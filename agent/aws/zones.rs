//! Zones of Route 53: texts of names, beside those that others have put there.
//!
//! All texts of a name are one record set, which is only ever replaced whole. So it is replaced as it was read: the change
//! takes away that very set and puts the new one there, and is refused as a whole if somebody was faster.

use std::time::Duration;

use aws_sdk_route53::Client;
use aws_sdk_route53::config::Builder;
use aws_sdk_route53::types::{
    ChangeAction, ChangeBatch, ChangeStatus, HostedZoneConfig, ResourceRecord, ResourceRecordSet, RrType,
};
use tokio::time::{Instant, sleep};

use super::Session;
use super::not_had::{Asked, Kind, NotHad};
use super::session::bounded;

/// How long a text is remembered by whoever asks.
const TTL: i64 = 60;
/// How often it is tried again when somebody else was faster.
const TRIES: u32 = 6;
/// How long a change may take until all servers of Route 53 have it: usually less than one minute.
const IN_SYNC: Duration = Duration::from_mins(2);
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// Zones of one account: 500, if nobody asked for more. What is beyond is not looked for.
const PAGES: usize = 50;
/// What it says of a change that does not fit what is there.
const INVALID: &str = "InvalidChangeBatch";

/// A change that Route 53 has taken, and tells to its servers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change(String);

/// A zone of the account.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Zone {
    id: String,
    name: String,
}

impl Session {
    /// Lets a name have a text beside those it has; nothing if it has it. The zone is the longest that the name ends in, if
    /// its ID is not said.
    ///
    /// # Errors
    /// When there is no such zone, or it may not be changed.
    pub async fn put_text(&self, zone: Option<&str>, name: &str, text: &str) -> Result<Option<Change>, NotHad> {
        self.change(zone, name, |texts| with(texts, text)).await
    }

    /// Takes a text of a name away, if it is there. The others stay.
    ///
    /// # Errors
    /// When there is no such zone, or it may not be changed.
    pub async fn take_text(&self, zone: Option<&str>, name: &str, text: &str) -> Result<(), NotHad> {
        self.change(zone, name, |texts| without(texts, text)).await.map(drop)
    }

    /// Waits until all servers of Route 53 have a change.
    ///
    /// # Errors
    /// When they do not have it after two minutes.
    pub async fn zone_is_in_sync(&self, change: &Change) -> Result<(), NotHad> {
        let asked = Asked { service: "Route 53", what: "change/*", action: "route53:GetChange", also: "" };
        let end = Instant::now() + IN_SYNC;
        loop {
            let status = bounded(asked, async {
                let answer = self.zones().await?.get_change().id(&change.0).send().await;
                let answer = answer.map_err(|error| NotHad::of(asked, &error))?;
                Ok(answer.change_info.map(|info| info.status))
            });
            if status.await? == Some(ChangeStatus::Insync) {
                return Ok(());
            }
            if Instant::now() >= end {
                let says = format!("Route 53 has not told a change to its servers after {} s", IN_SYNC.as_secs());
                return Err(NotHad::new(Kind::Down, says, "it may pass: run again"));
            }
            sleep(LOOK_EVERY).await;
        }
    }

    async fn zones(&self) -> Result<&Client, NotHad> {
        let access = self.access().await?;
        Ok(access.zones.get_or_init(|| {
            let mut config = Builder::from(&access.config);
            config.set_endpoint_url(self.endpoint("ROUTE_53").map(str::to_owned));
            Client::from_conf(config.build())
        }))
    }

    async fn change(
        &self,
        zone: Option<&str>,
        name: &str,
        new: impl Fn(&[String]) -> Option<Vec<String>>,
    ) -> Result<Option<Change>, NotHad> {
        let zone = match zone {
            Some(id) => id.to_owned(),
            None => self.zone_of(name).await?.id,
        };
        let mut tries = 0;
        loop {
            tries += 1;
            let before = self.texts(&zone, name).await?;
            let has = before.as_ref().map(values).unwrap_or_default();
            let Some(wanted) = new(&has) else { return Ok(None) };
            match self.replace(&zone, name, before, &wanted).await {
                Err(why) if tries < TRIES && is_overtaken(&why) => sleep(Duration::from_millis(300) * tries).await,
                other => return other.map(Some),
            }
        }
    }

    /// The public zone that a name is in.
    async fn zone_of(&self, name: &str) -> Result<Zone, NotHad> {
        let asked = Asked {
            service: "Route 53",
            what: "*",
            action: "route53:ListHostedZones",
            also: ", or name the zone: `dns = { route53 = { zone = \"Z…\" } }`",
        };
        let mut zones = Vec::new();
        let mut marker = None;
        for _ in 0..PAGES {
            let answer = bounded(asked, async {
                let question = self.zones().await?.list_hosted_zones().set_marker(marker.clone());
                question.send().await.map_err(|error| NotHad::of(asked, &error))
            })
            .await?;
            let public =
                answer.hosted_zones.iter().filter(|zone| !zone.config().is_some_and(HostedZoneConfig::private_zone));
            zones.extend(public.map(|zone| Zone { id: bare(zone.id()), name: zone.name().to_owned() }));
            marker = answer.next_marker.filter(|_| answer.is_truncated);
            if marker.is_none() {
                break;
            }
        }
        chosen(name, zones)
    }

    /// The set of texts that a name has.
    async fn texts(&self, zone: &str, name: &str) -> Result<Option<ResourceRecordSet>, NotHad> {
        let what = format!("hostedzone/{zone}");
        let asked = Asked { service: "Route 53", what: &what, action: "route53:ListResourceRecordSets", also: "" };
        let answer = bounded(asked, async {
            let question = self.zones().await?.list_resource_record_sets().hosted_zone_id(zone);
            let question = question.start_record_name(name).start_record_type(RrType::Txt).max_items(1);
            question.send().await.map_err(|error| NotHad::of(asked, &error))
        })
        .await?;
        let is_so = |set: &ResourceRecordSet| normal(set.name()) == normal(name) && *set.r#type() == RrType::Txt;
        Ok(answer.resource_record_sets.into_iter().find(is_so))
    }

    async fn replace(
        &self,
        zone: &str,
        name: &str,
        before: Option<ResourceRecordSet>,
        texts: &[String],
    ) -> Result<Change, NotHad> {
        let what = format!("hostedzone/{zone}");
        let asked = Asked { service: "Route 53", what: &what, action: "route53:ChangeResourceRecordSets", also: "" };
        let broken = |error: &dyn std::error::Error| {
            NotHad::new(Kind::Wrong, format!("it cannot be asked: {error}"), "report it")
        };
        let change = |action, set| {
            let change = aws_sdk_route53::types::Change::builder().action(action).resource_record_set(set);
            change.build().map_err(|error| broken(&error))
        };
        let mut set = before.clone().map_or_else(
            || {
                ResourceRecordSet::builder()
                    .name(name)
                    .r#type(RrType::Txt)
                    .ttl(TTL)
                    .build()
                    .map_err(|error| broken(&error))
            },
            Ok,
        )?;
        let record = |text: &String| ResourceRecord::builder().value(text).build().map_err(|error| broken(&error));
        set.resource_records = Some(texts.iter().map(record).collect::<Result<_, _>>()?);
        let mut batch = ChangeBatch::builder().comment("hostagent: a certificate is being issued");
        if let Some(before) = before {
            batch = batch.changes(change(ChangeAction::Delete, before)?);
        }
        if !texts.is_empty() {
            batch = batch.changes(change(ChangeAction::Create, set)?);
        }
        let batch = batch.build().map_err(|error| broken(&error))?;
        bounded(asked, async {
            let question = self.zones().await?.change_resource_record_sets().hosted_zone_id(zone).change_batch(batch);
            let answer = question.send().await.map_err(|error| {
                let body = error.raw_response().and_then(|response| response.body().bytes()).unwrap_or_default();
                not_taken(&String::from_utf8_lossy(body)).unwrap_or_else(|| NotHad::of(asked, &error))
            })?;
            let id = answer.change_info.map(|info| bare(&info.id));
            id.map(Change).ok_or_else(|| NotHad::new(Kind::Wrong, "Route 53 does not say what it changed", "run again"))
        })
        .await
    }
}

/// Why Route 53 did not take a change. It says so in two shapes, of which the SDK knows one.
fn not_taken(body: &str) -> Option<NotHad> {
    let messages = body.contains(INVALID).then(|| body.split("<Message>").skip(1))?;
    let said: Vec<&str> = messages.filter_map(|rest| rest.split("</Message>").next()).collect();
    let says = format!("Route 53 answered {INVALID}: {}", said.join("; "));
    Some(NotHad::new(Kind::Wrong, says, "does something else stand at that name, such as a CNAME?"))
}

/// Whether somebody else has changed the same since it was looked at, or is at it.
fn is_overtaken(why: &NotHad) -> bool {
    [INVALID, "PriorRequestNotComplete"].iter().any(|word| why.says.contains(word))
}

/// The zone that a name is in; two of one name cannot be told apart here.
fn chosen(name: &str, zones: Vec<Zone>) -> Result<Zone, NotHad> {
    let name = normal(name);
    let is_in = |zone: &Zone| {
        let zone = normal(&zone.name);
        name == zone || name.strip_suffix(&zone).is_some_and(|rest| rest.ends_with('.'))
    };
    let mut zones: Vec<Zone> = zones.into_iter().filter(is_in).collect();
    let longest = zones.iter().map(|zone| zone.name.len()).max();
    zones.retain(|zone| Some(zone.name.len()) == longest);
    let which = "name it: `dns = { route53 = { zone = \"Z…\" } }`";
    match (zones.pop(), zones.pop()) {
        (Some(zone), None) => Ok(zone),
        (Some(one), Some(other)) => {
            let says = format!("Route 53 has two public zones `{}`: {} and {}", normal(&one.name), other.id, one.id);
            Err(NotHad::new(Kind::Wrong, says, which))
        }
        (None, _) => {
            let says = format!("Route 53 has no public zone in this account that `{name}` is in");
            Err(NotHad::new(
                Kind::Gone,
                says,
                format!("is it another account's? lead the name into a zone of this one with a CNAME, or {which}"),
            ))
        }
    }
}

/// Texts as Route 53 keeps them, in quotes, with one more; `None` if it is there.
fn with(texts: &[String], text: &str) -> Option<Vec<String>> {
    let quoted = quoted(text);
    (!texts.contains(&quoted)).then(|| texts.iter().cloned().chain([quoted]).collect())
}

/// The same without one; `None` if it is not there.
fn without(texts: &[String], text: &str) -> Option<Vec<String>> {
    let quoted = quoted(text);
    texts.contains(&quoted).then(|| texts.iter().filter(|text| **text != quoted).cloned().collect())
}

fn quoted(text: &str) -> String {
    format!("\"{text}\"")
}

fn values(set: &ResourceRecordSet) -> Vec<String> {
    set.resource_records().iter().map(|record| record.value().to_owned()).collect()
}

/// `/hostedzone/Z1` and `/change/C1` are the IDs `Z1` and `C1`.
fn bare(id: &str) -> String {
    id.rsplit('/').next().unwrap_or(id).to_owned()
}

fn normal(name: &str) -> String {
    name.trim_end_matches('.').to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::testing::{Server, reply, session};

    const NAME: &str = "_acme-challenge.dev.example.org";

    fn zones(all: &[(&str, &str)]) -> Vec<Zone> {
        all.iter().map(|(id, name)| Zone { id: (*id).into(), name: (*name).into() }).collect()
    }

    #[test]
    fn the_zone_is_the_longest_and_two_of_one_name_are_told() {
        let all = [("Z1", "example.org."), ("Z2", "dev.example.org."), ("Z3", "ev.example.org.")];
        assert_eq!(chosen("_acme-challenge.dev.example.org", zones(&all)).unwrap().id, "Z2");
        assert_eq!(chosen("_acme-challenge.xdev.example.org", zones(&all)).unwrap().id, "Z1");
        let none = chosen("a.example.net", zones(&all)).unwrap_err();
        assert!(none.says.contains("`a.example.net`") && none.hint.contains("CNAME"), "{none:?}");
        let two = chosen("a.b.c", zones(&[("Z1", "b.c."), ("Z2", "b.c.")])).unwrap_err();
        assert_eq!(two.says, "Route 53 has two public zones `b.c`: Z1 and Z2");
    }

    #[test]
    fn a_text_stands_beside_others_and_goes_alone() {
        let others = vec!["\"theirs\"".to_owned()];
        let both = with(&others, "ours").unwrap();
        assert_eq!(both, ["\"theirs\"", "\"ours\""]);
        assert_eq!(with(&both, "ours"), None);
        assert_eq!(without(&both, "ours").unwrap(), others);
        assert_eq!(without(&others, "ours"), None);
        assert_eq!(without(&["\"ours\"".to_owned()], "ours").unwrap(), Vec::<String>::new());
    }

    fn sets(values: &[&str]) -> String {
        let record = |it: &&str| format!("<ResourceRecord><Value>\"{it}\"</Value></ResourceRecord>");
        let records = values.iter().map(record).collect::<Vec<_>>().concat();
        let set = format!(
            "<ResourceRecordSet><Name>{NAME}.</Name><Type>TXT</Type><TTL>300</TTL><ResourceRecords>{records}</ResourceRecords></ResourceRecordSet>"
        );
        let all = if values.is_empty() { String::new() } else { set };
        reply(
            200,
            "",
            &format!(
                "<ListResourceRecordSetsResponse><ResourceRecordSets>{all}</ResourceRecordSets><IsTruncated>false</IsTruncated><MaxItems>1</MaxItems></ListResourceRecordSetsResponse>"
            ),
        )
    }

    fn changed() -> String {
        reply(
            200,
            "",
            "<ChangeResourceRecordSetsResponse><ChangeInfo><Id>/change/C1</Id><Status>PENDING</Status><SubmittedAt>2026-11-21T10:00:00Z</SubmittedAt></ChangeInfo></ChangeResourceRecordSetsResponse>",
        )
    }

    #[tokio::test]
    async fn a_set_is_replaced_as_it_was_read_and_again_if_somebody_was_faster() {
        let why = "<Message>Tried to delete resource record set but the values provided do not match</Message>";
        let one = format!("<InvalidChangeBatch><Messages>{why}</Messages></InvalidChangeBatch>");
        let other = format!("<ErrorResponse><Error><Code>InvalidChangeBatch</Code>{why}</Error></ErrorResponse>");
        assert!(
            not_taken(&one).unwrap().says.ends_with(
                "InvalidChangeBatch: Tried to delete resource record set but the values provided do not match"
            )
        );
        let (one, other) = (reply(400, "", &one), reply(400, "", &other));
        let answers = [sets(&["a"]), one, sets(&["a"]), other, sets(&["a", "b"]), changed()];
        let server = Server::answering(&answers).await;
        let change = session(&server).put_text(Some("Z1"), NAME, "ours").await.unwrap();
        assert_eq!(change, Some(Change("C1".into())));
        let asked = server.asked();
        let last = &asked[5];
        assert!(last.starts_with("POST /2013-04-01/hostedzone/Z1/rrset"), "{last}");
        let (delete, create) = last.split_once("<Action>CREATE</Action>").unwrap();
        assert!(delete.contains("<Action>DELETE</Action>") && delete.matches("<Value>").count() == 2, "{delete}");
        assert!(create.matches("<Value>").count() == 3 && create.contains("<TTL>300</TTL>"), "{create}");
    }

    #[tokio::test]
    async fn what_is_there_is_not_put_again_and_what_is_not_is_not_taken() {
        let server = Server::answering(&[sets(&["ours"]), sets(&[])]).await;
        let session = session(&server);
        assert_eq!(session.put_text(Some("Z1"), NAME, "ours").await.unwrap(), None);
        session.take_text(Some("Z1"), NAME, "ours").await.unwrap();
        assert_eq!(server.asked().len(), 2);
    }
}
