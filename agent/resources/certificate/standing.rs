//! How a certificate stands: what is there, what is served, what comes next, and whether it takes a person. Asks no CA.

use std::collections::BTreeSet;

use futures_util::future::join_all;

use super::memory::{Memory, Names};
use super::{Certificate, Issuer};
use crate::acme::failures::Failures;
use crate::acme::refusal::unpause_link;
use crate::acme::renewal::{self, Point, Validity};
use crate::engine::Cause;
use crate::host::moment::Moment;
use crate::host::tls_store::pair::{Leaf, normal};
use crate::host::tls_store::{Held, Source, Version, place_of};
use crate::host::{Error, Look};

/// What there is of a certificate, in a word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// Nothing is there.
    Missing,
    /// What is there cannot be used, and why.
    Broken(String),
    /// One stands in until there is another.
    Bootstrap,
    /// Its time is over.
    Expired,
    /// The CA waits for a person, at this page if it named one.
    Paused(Option<String>),
    /// There has to be another one, and nobody may be asked before this moment.
    Waiting(Moment),
    /// There has to be another one, for this reason.
    Due(String),
    /// All is well.
    Valid,
    /// The recipe does not name it.
    Left,
}

impl State {
    /// Its word.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Broken(_) => "broken",
            Self::Bootstrap => "bootstrap",
            Self::Expired => "expired",
            Self::Paused(_) => "paused",
            Self::Waiting(_) => "waiting",
            Self::Due(_) => "due",
            Self::Valid => "valid",
            Self::Left => "left",
        }
    }
}

/// What is done next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// It is renewed, at the first run after this moment.
    Renewal(Moment),
    /// It is ordered by the next run.
    Order,
    /// It is ordered by the first run after this moment, as the last try failed.
    Try(Moment),
    /// Nothing, until a person lifts a pause.
    Person,
    /// Nothing.
    Nothing,
}

/// What a name is served with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Served {
    /// The name.
    pub name: String,
    /// The certificate.
    pub leaf: Leaf,
}

/// Something that takes a person, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alarm {
    /// What is wrong.
    pub says: String,
    /// What to do.
    pub hint: String,
}

/// How a certificate stands.
#[derive(Debug, Clone)]
pub struct Standing {
    /// What sites call it by.
    pub name: String,
    /// What the recipe wants it for.
    pub names: Vec<String>,
    /// Who issued it; of one that is still to come, who is asked first.
    pub issuer: String,
    /// What is there.
    pub issued: Option<Version>,
    /// What this host serves for its names.
    pub served: Vec<Served>,
    /// In a word.
    pub state: State,
    /// What comes next.
    pub next: Next,
    /// The failures since the last success, at the CA that failed last.
    pub failures: Option<Failures>,
    /// What takes a person.
    pub alarms: Vec<Alarm>,
}

impl Standing {
    /// The served certificate that is not the one that was issued, though it is for the same name.
    fn served_wrongly(&self, host: &Look) -> Result<Option<&Served>, Error> {
        let Some(issued) = &self.issued else { return Ok(None) };
        let mut others = BTreeSet::new();
        for name in host.tls_names()?.iter().filter(|name| **name != self.name) {
            if let Held::Good(version) = host.tls_held(name)? {
                others.insert(version.leaf.serial);
            }
        }
        let is_wrong = |served: &&Served| {
            let leaf = &served.leaf;
            leaf.serial != issued.leaf.serial && is_for(leaf, &served.name) && !others.contains(&leaf.serial)
        };
        Ok(self.served.iter().find(is_wrong))
    }
}

impl Certificate {
    /// How it stands; of so many of its names, at most, it is asked what is served.
    ///
    /// # Errors
    /// When it cannot be looked at.
    pub async fn standing(&self, host: &Look, most: usize) -> Result<Standing, Cause> {
        let now = Memory::now(host)?;
        let held = host.tls_held(&self.name)?;
        let all = self.all_failures(host)?;
        let due = self.need(host, &held, now)?;
        let paused = all.iter().find(|failures| failures.is_paused());
        let waiting = Self::next_try(&all, now);
        let issued = match &held {
            Held::Good(version) => Some((**version).clone()),
            _ => None,
        };
        let state = match (&held, paused, &issued) {
            (Held::Nothing, ..) => State::Missing,
            (Held::Broken(says), ..) => State::Broken(says.clone()),
            (_, _, Some(version)) if version.leaf.to <= now => State::Expired,
            (_, Some(paused), _) => State::Paused(unpause_link(&paused.says).map(str::to_owned)),
            (_, _, Some(version)) if version.meta.source == Source::Bootstrap && !self.is_own() => State::Bootstrap,
            _ => match (&due, waiting) {
                (Ok(_), _) => State::Valid,
                (Err(_), Some(until)) => State::Waiting(until),
                (Err(why), None) => State::Due(why.clone()),
            },
        };
        let next = match (&state, due, waiting) {
            (State::Paused(_), ..) => Next::Person,
            (_, Ok(at), _) => Next::Renewal(at),
            (_, Err(_), Some(until)) => Next::Try(until),
            (_, Err(_), None) => Next::Order,
        };
        let issuer = issued.as_ref().and_then(issuer_of);
        let issuer = issuer.unwrap_or_else(|| self.issuers.first().map_or_else(String::new, Issuer::shown));
        let failures = all.into_iter().max_by_key(|failures| failures.last);
        let served = served(host, self.names.iter().take(most)).await;
        let (name, names) = (self.name.clone(), self.names.clone());
        let mut standing = Standing { name, names, issuer, issued, served, state, next, failures, alarms: Vec::new() };
        standing.alarms = alarms(&standing, host, now)?;
        Ok(standing)
    }

    fn is_own(&self) -> bool {
        self.issuers.iter().all(|issuer| *issuer == Issuer::SelfSigned)
    }

    fn all_failures(&self, host: &Look) -> Result<Vec<Failures>, Error> {
        let directories = self.issuers.iter().filter_map(Issuer::directory);
        let all = directories.map(|directory| self.memory().failures(host, directory)).collect::<Result<Vec<_>, _>>();
        let mut all: Vec<Failures> = all?.into_iter().flatten().filter(|failures| failures.names.is_empty()).collect();
        for directory in self.issuers.iter().filter_map(Issuer::directory) {
            let of_names = Names::at(directory).failures(host)?;
            all.extend(
                of_names.into_iter().filter(|(name, _)| self.names.contains(name)).map(|(_, failures)| failures),
            );
        }
        Ok(all)
    }

    /// When another one is due; an error if it is now, and why.
    fn need(&self, host: &Look, held: &Held, now: Moment) -> Result<Result<Moment, String>, Cause> {
        let Held::Good(version) = held else { return Ok(Err("there is none".to_owned())) };
        if self.is_to_be_revoked(host, version)? {
            return Ok(Err("a person wants it revoked".to_owned()));
        }
        if version.leaf.names != self.wanted() {
            return Ok(Err("it is of other names".to_owned()));
        }
        let differs = self.others(version, &self.issuers.first().map_or_else(String::new, Issuer::shown));
        if !differs.is_empty() {
            return Ok(Err(differs.to_string()));
        }
        let validity = Validity { from: version.leaf.from, to: version.leaf.to };
        let advice = match &version.leaf.renewal_id {
            Some(id) if version.meta.source == Source::Issued => self.memory().advice(host, id)?,
            _ => None,
        };
        let due = renewal::due(&validity, advice.as_ref(), Point::at(version.meta.point), now);
        Ok(if due.is_now(now) { Err(due.to_string()) } else { Ok(due.at) })
    }

    /// The first moment at which one of the issuers may be asked, if none may now.
    fn next_try(all: &[Failures], now: Moment) -> Option<Moment> {
        let waits = all.iter().map(|failures| failures.may_try(now, false).err().map(|wait| wait.until));
        waits.collect::<Option<Vec<_>>>()?.into_iter().min()
    }
}

/// How a certificate stands that the recipe does not name any more.
///
/// # Errors
/// When it cannot be looked at.
pub fn left(host: &Look, name: &str) -> Result<Standing, Cause> {
    let issued = match host.tls_held(name)? {
        Held::Good(version) => Some(*version),
        _ => None,
    };
    Ok(Standing {
        name: name.to_owned(),
        names: issued.iter().flat_map(|version| version.leaf.names.iter().cloned()).collect(),
        issuer: issued.as_ref().and_then(issuer_of).unwrap_or_default(),
        issued,
        served: Vec::new(),
        state: State::Left,
        next: Next::Nothing,
        failures: None,
        alarms: Vec::new(),
    })
}

/// Why the failures of a certificate take a person: little is left of it, or there never was one.
///
/// # Errors
/// When it cannot be looked at.
pub fn endangered(host: &Look, name: &str, directories: &[String]) -> Result<Option<String>, Cause> {
    let now = Memory::now(host)?;
    let Held::Good(version) = host.tls_held(name)? else { return Ok(None) };
    let mut last: Option<Failures> = None;
    for directory in directories {
        let failures = Memory::of(name).failures(host, directory)?;
        last = last.into_iter().chain(failures).max_by_key(|failures| failures.last);
    }
    Ok(last.filter(|_| is_endangered(&version, now)).map(|failures| danger(&version, &failures)))
}

/// Whether failures are no longer to be waited for: less than a quarter of the lifetime is left, or it only stands in.
fn is_endangered(version: &Version, now: Moment) -> bool {
    let lifetime = version.leaf.to.since(version.leaf.from);
    version.meta.source == Source::Bootstrap || version.leaf.to.since(now) < lifetime / 4
}

fn danger(version: &Version, failures: &Failures) -> String {
    let times = if failures.count == 1 { "once".to_owned() } else { format!("{} times", failures.count) };
    let what = if version.meta.source == Source::Bootstrap { "none was issued yet" } else { "little time is left" };
    format!("{what}, and it failed {times}, last with: {}", failures.says)
}

fn alarms(standing: &Standing, host: &Look, now: Moment) -> Result<Vec<Alarm>, Cause> {
    let mut alarms = Vec::new();
    let mut add = |says: String, hint: &str| alarms.push(Alarm { says, hint: hint.to_owned() });
    let converge = "`hostagent converge --only tls` makes one";
    match &standing.state {
        State::Missing => add("there is no certificate".to_owned(), converge),
        State::Broken(says) => add(says.clone(), "`hostagent converge --only tls` goes back to one that can be served"),
        State::Expired => {
            let ended = standing.issued.as_ref().map_or_else(String::new, |version| version.leaf.to.to_string());
            add(format!("it expired on {ended}"), converge);
        }
        _ => {}
    }
    if let Some(failures) = &standing.failures {
        if failures.is_paused() {
            let renew = format!("{}; then `hostagent tls renew {} --unpaused`", failures.hint, standing.name);
            add(failures.says.clone(), &renew);
        } else if let Some(version) = standing.issued.as_ref().filter(|version| is_endangered(version, now)) {
            add(danger(version, failures), &failures.hint);
        }
    }
    if let Some(served) = standing.served_wrongly(host)? {
        let says = format!("`{}` is served with another certificate, until {}", served.name, served.leaf.to);
        let place = place_of(&standing.name).join("current");
        let hint =
            format!("does the web server read `{}`? `systemctl reload nginx` has it read again", place.display());
        add(says, &hint);
    }
    Ok(alarms)
}

async fn served(host: &Look, names: impl Iterator<Item = &String>) -> Vec<Served> {
    let asked = names.map(async |name| {
        let leaf = host.tls_served(name).await?;
        Some(Served { name: name.clone(), leaf })
    });
    join_all(asked).await.into_iter().flatten().collect()
}

fn issuer_of(version: &Version) -> Option<String> {
    match version.meta.source {
        Source::Bootstrap => None,
        Source::SelfSigned => Some("self-signed".to_owned()),
        Source::Issued => version.meta.issuer.clone(),
    }
}

fn is_for(leaf: &Leaf, name: &str) -> bool {
    let name = normal(name);
    let above = name.split_once('.').map(|(_, above)| format!("*.{above}"));
    leaf.names.contains(&name) || above.is_some_and(|above| leaf.names.contains(&above))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::tests::{CA, DAY, of_ca, put};
    use super::*;
    use crate::acme::refusal::{Kind, Refusal};
    use crate::resources::laws::Play;

    fn fail(play: &Play, kind: Kind, says: &str) {
        let failures = Failures::after(None, &Refusal::new(kind, says), Moment::now());
        Memory::of("web").keep_failures(&play.host.touch(), CA, &failures).unwrap();
    }

    async fn told(play: &Play) -> (String, usize) {
        let standing = of_ca().standing(&play.host.look(), 1).await.unwrap();
        (standing.state.word().to_owned(), standing.alarms.len())
    }

    async fn is(play: &Play, state: &str, alarms: usize) {
        assert_eq!(told(play).await, (state.to_owned(), alarms));
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_certificate_has_a_state_from_its_first_second_to_its_last() {
        let play = Play::new();
        is(&play, "missing", 1).await;
        put(&play, Source::Bootstrap, Duration::ZERO, 7 * DAY);
        is(&play, "bootstrap", 0).await;
        put(&play, Source::Issued, DAY, 89 * DAY);
        is(&play, "valid", 0).await;
        put(&play, Source::Issued, 61 * DAY, 29 * DAY);
        is(&play, "due", 0).await;
        std::fs::remove_file(play.place("/var/lib/hostagent/tls/web/current/privkey.pem")).unwrap();
        is(&play, "broken", 1).await;
    }

    #[tokio::test(flavor = "current_thread")]
    async fn failures_take_a_person_when_there_is_nothing_else_or_little_is_left() {
        let play = Play::new();
        put(&play, Source::Issued, 61 * DAY, 29 * DAY);
        fail(&play, Kind::Away, "nobody there");
        is(&play, "waiting", 0).await;
        put(&play, Source::Issued, 70 * DAY, 20 * DAY);
        is(&play, "waiting", 1).await;
        let look = play.host.look();
        assert!(endangered(&look, "web", &[CA.to_owned()]).unwrap().unwrap().starts_with("little time is left"));
        assert_eq!(endangered(&look, "web", &[]).unwrap(), None, "of a CA that nobody asks any more");
        put(&play, Source::Bootstrap, Duration::ZERO, 7 * DAY);
        is(&play, "bootstrap", 1).await;
        put(&play, Source::Issued, DAY, 89 * DAY);
        is(&play, "valid", 0).await;
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_pause_names_the_page_on_which_it_is_lifted() {
        let play = Play::new();
        put(&play, Source::Issued, DAY, 89 * DAY);
        fail(&play, Kind::Paused, "temporarily prevented, visit https://ca.example/unpause?x");
        let standing = of_ca().standing(&play.host.look(), 1).await.unwrap();
        assert_eq!(standing.state, State::Paused(Some("https://ca.example/unpause?x".to_owned())));
        assert_eq!((standing.next, standing.alarms.len()), (Next::Person, 1));
        assert!(standing.alarms[0].hint.ends_with("then `hostagent tls renew web --unpaused`"));
    }

    #[tokio::test(flavor = "current_thread")]
    async fn what_is_served_is_held_against_what_was_issued() {
        let play = Play::new();
        put(&play, Source::Issued, DAY, 89 * DAY);
        let look = play.host.look();
        let Held::Good(version) = look.tls_held("web").unwrap() else { panic!() };
        let mut standing = of_ca().standing(&look, 1).await.unwrap();
        let wrongly = |standing: &mut Standing, leaf: Leaf| {
            standing.served = vec![Served { name: "a.example".to_owned(), leaf }];
            standing.served_wrongly(&look).unwrap().is_some()
        };
        assert!(!wrongly(&mut standing, version.leaf.clone()));
        let other = Leaf { serial: "01".to_owned(), ..version.leaf.clone() };
        assert!(wrongly(&mut standing, other.clone()));
        let wildcard = Leaf { names: ["*.example".to_owned()].into(), ..other.clone() };
        assert!(wrongly(&mut standing, wildcard));
        // What a server has for names it does not know says nothing of this certificate.
        assert!(!wrongly(&mut standing, Leaf { names: ["b.example".to_owned()].into(), ..other }));
    }

    #[tokio::test(flavor = "current_thread")]
    async fn what_the_recipe_does_not_name_any_more_is_shown_and_no_alarm() {
        let play = Play::new();
        put(&play, Source::Issued, 100 * DAY, 2 * DAY);
        let standing = left(&play.host.look(), "web").unwrap();
        assert_eq!((standing.state, standing.issuer.as_str(), standing.alarms.len()), (State::Left, CA, 0));
        assert_eq!(play.host.look().tls_names().unwrap(), ["web"]);
    }
}
