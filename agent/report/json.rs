//! What came of a plan or a run, for machines: `--json`, and `last-run.json`.
//!
//! Fields are only ever added. `format` changes when one changes its meaning.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::engine::course::{Doing, Part};
use crate::engine::outcome::Told;
use crate::engine::{Cause, Change, Outcome, Phase, Shown, Verdict};
use crate::host::files::sha256_of;

use super::lead::Lead;
use super::moment::Moment;
use super::words::rfc3339;

/// The version of this shape.
pub(crate) const FORMAT: u32 = 1;
/// Bytes of a text that are put into a report; of a longer one only the digest is.
const LONGEST: usize = 64 * 1024;
/// The code of the trouble that a recipe is wrong.
pub const RECIPE_IS_WRONG: &str = "recipe-is-wrong";

/// What came of a plan or a run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Report {
    /// `converged`, `planned` or `failed`.
    pub outcome: String,
    /// How many resources were put right.
    pub changed: usize,
    /// How many could not be looked at or put right.
    pub failed: usize,
    /// How many differ (a plan).
    pub pending: usize,
    /// How many were left alone, because something they need failed or the run was asked to stop.
    pub skipped: usize,
    /// How many were as wanted.
    pub ok: usize,
    /// The version of this shape.
    pub format: u32,
    /// The version of hostagent.
    pub hostagent: String,
    /// When it began (RFC 3339).
    pub began: String,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
    /// The recipe.
    pub recipe: String,
    /// The tables or ids it was restricted to; empty: the whole recipe.
    pub only: Vec<String>,
    /// Whether it has not come to its end: it is going on, or was killed.
    pub unfinished: bool,
    /// Whether it was asked to stop before its end.
    pub interrupted: bool,
    /// What a killed run had left and this one put right first.
    pub healed: Vec<String>,
    /// What the recipe stopped naming, and stays because it may hold data.
    pub released: Vec<String>,
    /// What went wrong beside the resources.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trouble: Option<Trouble>,
    /// What else is to be known of the run, such as that it used a recipe which was kept.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// The verb that ran: `boot` or `converge`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verb: Option<String>,
    /// The boot of the machine in which it ran, by the kernel's name for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub boot: Option<String>,
    /// The exit code of the run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit: Option<u8>,
    /// Its parts, in order: `arguments recipe facts plan lock state`, of a boot also `metadata start`, before it began, at
    /// negative times; then `healing survey removals act again end`. Some may be missing, or come twice.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<Stretch>,
    /// Every resource, in the plan's order.
    pub resources: Vec<Entry>,
}

/// A piece of a run's time, in milliseconds since it began.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Stretch {
    /// What was done: a part of the run, or with a resource `surveying`, `looking`, `applying`, `verifying`.
    pub doing: String,
    /// When it began.
    pub from_ms: Moment,
    /// When it ended.
    pub till_ms: Moment,
}

/// One resource of a report.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Entry {
    /// Its id, such as `file:/etc/motd`.
    pub id: String,
    /// `ok`, `changed`, `pending`, `failed` or `skipped`.
    pub verdict: String,
    /// How it differed.
    pub changes: Vec<Difference>,
    /// How long its looks and its apply took, in milliseconds.
    pub ms: u64,
    /// From the start of the run to its first touch, in milliseconds.
    pub started_ms: u64,
    /// Whether somebody changed the host, and not the recipe.
    pub drift: bool,
    /// Whether the recipe names it no more.
    pub removal: bool,
    /// Remarks.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// Why it was skipped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<Trouble>,
    /// The table of the recipe that asked for it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub table: String,
    /// What it waited for, without what these waited for themselves. `package:*`: all that are applied as one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<String>,
    /// What it was applied as one with: `package:*`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub with: Option<String>,
    /// When all that it needs was done with, in milliseconds since the run began; missing if it was only looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ready_ms: Option<Moment>,
    /// When it was done with, and what needs it could go on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_ms: Option<Moment>,
    /// What was done with it, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub spans: Vec<Stretch>,
}

/// One difference: `null` stands for nothing there, `"(hidden)"` for a secret.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Difference {
    /// What differs.
    pub what: String,
    /// What the host had.
    pub from: Value,
    /// What it gets.
    pub to: Value,
}

/// What went wrong.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Trouble {
    /// A stable word.
    pub code: String,
    /// What happened, in the words of whoever refused.
    pub says: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// `looking`, `applying` or `verifying`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phase: Option<String>,
}

/// Of what a report speaks.
#[derive(Debug, Clone, Default)]
pub struct About {
    /// The recipe.
    pub recipe: String,
    /// The tables or ids it is restricted to.
    pub only: Vec<String>,
    /// What else is to be known of it.
    pub notes: Vec<String>,
    /// The verb of a run.
    pub verb: Option<&'static str>,
    /// The boot of the machine in which it runs.
    pub boot: Option<String>,
}

impl Report {
    /// The report of a run that has only begun: until it says otherwise it has failed.
    pub fn born(about: &About) -> Self {
        Self {
            outcome: "failed".to_owned(),
            unfinished: true,
            began: rfc3339(std::time::SystemTime::now()),
            ..Self::about(about)
        }
    }

    /// The report of a plan or a run.
    pub fn of(outcome: &Outcome, about: &About) -> Self {
        Self {
            outcome: outcome.word().to_owned(),
            changed: outcome.count("changed"),
            failed: outcome.count("failed"),
            pending: outcome.count("pending"),
            skipped: outcome.count("skipped"),
            ok: outcome.count("ok"),
            began: rfc3339(outcome.began),
            took_ms: millis(outcome.took),
            interrupted: outcome.interrupted,
            healed: outcome.healed.clone(),
            released: outcome.released.iter().map(ToString::to_string).collect(),
            trouble: outcome.trouble.as_ref().map(|cause| trouble(cause, None)),
            parts: parts(outcome),
            resources: outcome.resources.iter().map(Entry::of).collect(),
            ..Self::about(about)
        }
    }

    /// The report of a run that ended before it came to any resource, which nobody touched.
    pub fn refused(about: &About, began: std::time::SystemTime, why: Trouble) -> Self {
        let took_ms = began.elapsed().map(millis).unwrap_or_default();
        Self { began: rfc3339(began), took_ms, trouble: Some(why), unfinished: false, ..Self::born(about) }
    }

    /// The report of a run that had nothing to do, as there is no recipe.
    pub fn nothing(about: &About, began: std::time::SystemTime) -> Self {
        let took_ms = began.elapsed().map(millis).unwrap_or_default();
        Self { outcome: "converged".to_owned(), began: rfc3339(began), took_ms, unfinished: false, ..Self::born(about) }
    }

    /// The same report with the exit code of its run.
    #[must_use]
    pub fn exits(self, code: u8) -> Self {
        Self { exit: Some(code), ..self }
    }

    /// Adds what came before the run.
    #[must_use]
    pub fn after(mut self, lead: &Lead, outcome: &Outcome) -> Self {
        self.parts.splice(0..0, lead.parts(outcome.since));
        self
    }

    /// Its text, with a line end.
    pub fn text(&self) -> String {
        // Plain data with text keys: there is nothing in it that JSON could not say.
        let mut text = serde_json::to_string(self).unwrap_or_default();
        text.push('\n');
        text
    }

    fn about(about: &About) -> Self {
        let hostagent = env!("CARGO_PKG_VERSION").to_owned();
        Self {
            format: FORMAT,
            hostagent,
            recipe: about.recipe.clone(),
            only: about.only.clone(),
            notes: about.notes.clone(),
            verb: about.verb.map(str::to_owned),
            boot: about.boot.clone(),
            ..Self::default()
        }
    }
}

impl Entry {
    fn of(told: &Told) -> Self {
        let (mut reason, mut error) = (None, None);
        match &told.verdict {
            Verdict::Failed(failure) => error = Some(trouble(&failure.cause, Some(failure.phase))),
            Verdict::Skipped(why) => reason = Some(why.clone()),
            Verdict::Ok | Verdict::Changed(_) | Verdict::Pending(_) => {}
        }
        Self {
            id: told.id.to_string(),
            verdict: told.verdict.word().to_owned(),
            changes: told.verdict.changes().iter().map(Difference::of).collect(),
            ms: millis(told.took),
            started_ms: millis(told.started),
            drift: told.drift,
            removal: told.removal,
            notes: told.notes.clone(),
            reason,
            error,
            ..Self::gone_through(told)
        }
    }

    /// What a report says of a resource's way through the run.
    fn gone_through(told: &Told) -> Self {
        let course = &told.course;
        let stretch = |span: &crate::engine::course::Span| Stretch {
            doing: doing_word(span.doing).to_owned(),
            from_ms: span.from.into(),
            till_ms: span.till.into(),
        };
        // What was only looked at kept nobody waiting: ten thousand files need not say so.
        let waited = course.spans.len() > 1 || told.verdict.word() == "skipped";
        Self {
            table: course.table.clone(),
            needs: course.needs.iter().map(ToString::to_string).collect(),
            with: course.with.as_ref().map(ToString::to_string),
            ready_ms: course.ready.filter(|_| waited).map(Moment::from),
            ended_ms: course.ended.filter(|_| waited).map(Moment::from),
            spans: course.spans.iter().map(stretch).collect(),
            ..Self::default()
        }
    }
}

/// The parts of a run; the last is what came after the last that has a name.
fn parts(outcome: &Outcome) -> Vec<Stretch> {
    let mut from = Moment::default();
    let named = outcome.parts.iter().map(|(part, till)| (part_word(*part), Moment::from(*till)));
    let end = (!outcome.parts.is_empty()).then(|| ("end", Moment::from(outcome.took)));
    let stretches = named.chain(end).map(|(doing, till_ms)| {
        let from_ms = std::mem::replace(&mut from, till_ms);
        Stretch { doing: doing.to_owned(), from_ms, till_ms }
    });
    stretches.collect()
}

fn part_word(part: Part) -> &'static str {
    match part {
        Part::Healing => "healing",
        Part::Survey => "survey",
        Part::Removals => "removals",
        Part::Act => "act",
        Part::Again => "again",
    }
}

fn doing_word(doing: Doing) -> &'static str {
    match doing {
        Doing::Surveying => "surveying",
        Doing::Looking => "looking",
        Doing::Applying => "applying",
        Doing::Verifying => "verifying",
    }
}

impl Difference {
    fn of(change: &Change) -> Self {
        Self { what: change.what.clone(), from: shown(&change.from), to: shown(&change.to) }
    }
}

fn shown(value: &Shown) -> Value {
    match value {
        Shown::Absent => Value::Null,
        Shown::Plain(text) | Shown::Text(text) if text.len() > LONGEST => {
            Value::String(format!("({} bytes, SHA-256 {})", text.len(), sha256_of(text.as_bytes())))
        }
        Shown::Plain(text) | Shown::Text(text) => Value::String(text.clone()),
        Shown::Hidden | Shown::Unknown => Value::String(value.to_string()),
    }
}

fn trouble(cause: &Cause, phase: Option<Phase>) -> Trouble {
    Trouble {
        code: cause.code.to_owned(),
        says: cause.says.clone(),
        hint: cause.hint.clone(),
        phase: phase.map(|at| phase_word(at).to_owned()),
    }
}

/// The word of a phase in reports.
pub(crate) fn phase_word(phase: Phase) -> &'static str {
    match phase {
        Phase::Looking => "looking",
        Phase::Applying => "applying",
        Phase::Verifying => "verifying",
    }
}

pub(crate) fn millis(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Changes;
    use crate::report::testing::{changed, failed, run, skipped};

    #[test]
    fn a_run_as_json_begins_with_what_matters_most() {
        let changes = Changes::none().text("content", None, "hello\n").appears("mode", "0644").creating();
        let outcome = run(vec![
            changed("file:/etc/motd", changes),
            failed(
                "service:nginx",
                Phase::Applying,
                Cause::new("unit-failed", "it did not start").hint("see `journalctl -u nginx`"),
            ),
            skipped("certificate:api", "needs service:nginx, which failed"),
        ]);
        let text = Report::of(&outcome, &About { recipe: "web.toml".into(), ..About::default() }).text();
        let version = env!("CARGO_PKG_VERSION");
        let expected = format!(
            concat!(
                r#"{{"outcome":"failed","changed":1,"failed":1,"pending":0,"skipped":1,"ok":0,"format":1,"hostagent":"{}","#,
                r#""began":"2026-01-02T03:04:05.006Z","took_ms":14200,"recipe":"web.toml","only":[],"unfinished":false,"#,
                r#""interrupted":false,"healed":[],"released":[],"resources":["#,
                r#"{{"id":"file:/etc/motd","verdict":"changed","changes":[{{"what":"content","from":null,"to":"hello\n"}},"#,
                r#"{{"what":"mode","from":null,"to":"0644"}}],"ms":2,"started_ms":1,"drift":false,"removal":false}},"#,
                r#"{{"id":"service:nginx","verdict":"failed","changes":[],"ms":2,"started_ms":1,"drift":false,"removal":false,"#,
                r#""error":{{"code":"unit-failed","says":"it did not start","hint":"see `journalctl -u nginx`","phase":"applying"}}}},"#,
                r#"{{"id":"certificate:api","verdict":"skipped","changes":[],"ms":2,"started_ms":1,"drift":false,"removal":false,"#,
                r#""reason":"needs service:nginx, which failed"}}]}}"#,
                "\n"
            ),
            version
        );
        assert_eq!(text, expected);
        assert_eq!(serde_json::from_str::<Report>(&text).unwrap().text(), text);
    }

    #[test]
    fn a_secret_is_hidden_and_a_huge_text_is_a_digest() {
        let huge = "x".repeat(LONGEST + 1);
        let changes = Changes::none().secret("password", false).text("content", None, &huge);
        let report = Report::of(&run(vec![changed("pg_role:app", changes)]), &About::default());
        let differences = &report.resources[0].changes;
        assert_eq!((&differences[0].from, &differences[0].to), (&Value::from("(hidden)"), &Value::from("(hidden)")));
        assert!(differences[1].to.as_str().unwrap().starts_with("(65537 bytes, SHA-256 "));
    }

    #[test]
    fn a_report_of_a_later_version_can_still_be_read() {
        let report: Report =
            serde_json::from_str(r#"{"outcome":"converged","moon":"full","resources":[{"id":"a:b","tide":1}]}"#)
                .unwrap();
        assert_eq!((report.outcome.as_str(), report.resources[0].id.as_str()), ("converged", "a:b"));
    }
}
