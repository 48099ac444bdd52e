//! `hostagent tls list`: how do the certificates stand?

use clap::Args;
use serde_json::{Value, json};

use crate::host::Host;
use crate::host::moment::Moment;
use crate::report::certificates::{Row, Tone, text};
use crate::report::out;
use crate::resources::certificate::standing::{self, Next, Standing, State};

use super::{Exit, Manner, Of, Refusal};
use crate::cli::open;

/// What renews by itself.
const TIMER: &str = "hostagent-tls.timer";

/// Tell how the certificates stand: until when they are good, what is served, what comes next
///
/// Every certificate of the recipe, and those on the disk that it names no more. What is served is asked as a client would, on
/// port 443 of this host. No CA is asked.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sudo hostagent tls list
  sudo hostagent tls list -v                                 with all names
  sudo hostagent tls list --json | jq '.certificates[] | select(.alarms != [])'

States: bootstrap (one that nobody trusts stands in) · valid · due (renewed by the next run) · waiting (the last try
  failed; the next one is then) · paused (the CA wants a person) · broken, missing, expired
Exit codes: 0 all goes by itself · 1 something takes a person: expired, broken, paused, not served although it was
  issued, or failing with less than a quarter of its time left · 2, 5 as of `hostagent plan`")]
pub(super) struct List {
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    of: Of,
}

impl List {
    pub(super) async fn run(self, manner: Manner) -> Result<Exit, Refusal> {
        super::must_be_root("list")?;
        let opened = open::open(&self.of.wanted(Vec::new()), "tls list", &mut manner.lead()).await?;
        let host = Host::here()?.look();
        let mut all = Vec::new();
        for certificate in &opened.certificates {
            all.push(certificate.standing(&host, usize::MAX).await.map_err(|cause| super::refusal(&cause))?);
        }
        for name in host.tls_names()? {
            if all.iter().all(|standing| standing.name != name) {
                all.push(standing::left(&host, &name).map_err(|cause| super::refusal(&cause))?);
            }
        }
        let needs_person = all.iter().any(|standing| !standing.alarms.is_empty());
        let timer = host.timer_elapses(TIMER).await;
        if self.json {
            let certificates: Vec<Value> = all.iter().map(of_json).collect();
            let timer = timer.map(Moment::rfc3339);
            let whole = json!({ "needs_person": needs_person, "next_run": timer, "certificates": certificates });
            out::print(&format!("{whole}\n"))?;
        } else if all.is_empty() {
            out::print("this host has no certificates\nhint: a `[[tls.certificate]]` in the recipe makes one\n")?;
        } else {
            let rows: Vec<Row> = all.iter().map(|standing| row(standing, timer)).collect();
            out::print(&text(&rows, manner.ink(), manner.full, jiff::Timestamp::now()))?;
        }
        Ok(if needs_person { Exit::FAILED } else { Exit::AS_WANTED })
    }
}

fn row(standing: &Standing, timer: Option<Moment>) -> Row {
    let tone = match (standing.alarms.is_empty(), &standing.state) {
        (false, _) => Tone::Bad,
        (true, State::Valid) => Tone::Good,
        (true, State::Left) => Tone::Faint,
        (true, _) => Tone::Differs,
    };
    let (next, next_at) = match &standing.next {
        Next::Renewal(at) => ("renewal", Some(*at)),
        // What the timer begins goes on at that moment; nobody may have to wait for it.
        Next::Order => ("order", timer),
        Next::Try(at) => ("next try", Some(*at)),
        Next::Person => ("waits for a person", None),
        Next::Nothing => ("nothing", None),
    };
    let note = standing.failures.as_ref().filter(|_| standing.alarms.is_empty());
    Row {
        name: standing.name.clone(),
        tone,
        state: if standing.state == State::Left { "not in the recipe" } else { standing.state.word() }.to_owned(),
        ends: standing.issued.as_ref().map(|version| version.leaf.to.second()),
        served: served(standing),
        next: next.to_owned(),
        next_at: next_at.map(Moment::second),
        names: standing.names.clone(),
        issuer: standing.issuer.clone(),
        note: note.map(|failures| (format!("the last try failed: {}", failures.says), failures.hint.clone())),
        alarms: standing.alarms.iter().map(|alarm| (alarm.says.clone(), alarm.hint.clone())).collect(),
    }
}

/// Whether clients get what was issued.
fn served(standing: &Standing) -> String {
    let Some(issued) = &standing.issued else { return "-".to_owned() };
    let is_issued = |serial: &str| serial == issued.leaf.serial;
    let same = standing.served.iter().filter(|served| is_issued(&served.leaf.serial)).count();
    match (standing.served.len(), same) {
        (0, _) => "-".to_owned(),
        (all, same) if all == same => "yes".to_owned(),
        (_, 0) => "no".to_owned(),
        (_, same) => format!("{same} of {}", standing.names.len()),
    }
}

fn of_json(standing: &Standing) -> Value {
    let issued = standing.issued.as_ref().map(|version| {
        json!({
            "serial": version.leaf.serial,
            "names": version.leaf.names,
            "issuer": version.meta.issuer,
            "signed_by": version.leaf.issuer,
            "not_before": version.leaf.from.rfc3339(),
            "not_after": version.leaf.to.rfc3339(),
        })
    });
    let served: Vec<Value> = standing
        .served
        .iter()
        .map(|served| {
            let is_issued = standing.issued.as_ref().is_some_and(|version| version.leaf.serial == served.leaf.serial);
            json!({
                "name": served.name,
                "serial": served.leaf.serial,
                "not_after": served.leaf.to.rfc3339(),
                "is_issued": is_issued,
            })
        })
        .collect();
    let (next, at) = match &standing.next {
        Next::Renewal(at) => ("renewal", Some(*at)),
        Next::Order => ("order", None),
        Next::Try(at) => ("try", Some(*at)),
        Next::Person => ("person", None),
        Next::Nothing => ("nothing", None),
    };
    let error = standing.failures.as_ref().map(|failures| {
        json!({
            "code": failures.code,
            "says": failures.says,
            "hint": failures.hint,
            "count": failures.count,
            "first": failures.first.rfc3339(),
            "last": failures.last.rfc3339(),
        })
    });
    let link = match &standing.state {
        State::Paused(link) => link.clone(),
        _ => None,
    };
    let why = match &standing.state {
        State::Due(why) | State::Broken(why) => Some(why),
        _ => None,
    };
    let until = match standing.state {
        State::Waiting(until) => Some(until.rfc3339()),
        _ => None,
    };
    let alarms: Vec<Value> =
        standing.alarms.iter().map(|alarm| json!({ "says": alarm.says, "hint": alarm.hint })).collect();
    json!({
        "name": standing.name,
        "state": standing.state.word(),
        "why": why,
        "waiting_until": until,
        "wanted": { "names": standing.names, "issuer": standing.issuer },
        "issued": issued,
        "served": served,
        "next": { "what": next, "at": at.map(Moment::rfc3339) },
        "last_error": error,
        "unpause": link,
        "alarms": alarms,
    })
}
