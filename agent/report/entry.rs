//! One resource as a person reads it: a headline, and below it what does not fit there.

use crate::engine::outcome::Told;
use crate::engine::{Change, Changes, Failure, Shown, Verdict};

use super::colour::{Hue, Ink};
use super::diff::{self, Line};
use super::sheet::Sheet;
use super::terminal::Detail;
use super::words::{count, tame, took};

/// Characters that fit behind an id before a line gets hard to read.
const ROOM: usize = 76;
/// A value longer than this gets a line of its own.
const LONG: usize = 60;
/// Times shorter than this are not worth a word.
const WORTH_TELLING: std::time::Duration = std::time::Duration::from_millis(500);

/// What becomes of a resource, in one character.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sign {
    Appears,
    Differs,
    Goes,
    Follows,
    Right,
    Failed,
    Skipped,
}

/// One resource, ready to be shown.
#[derive(Debug)]
pub(crate) struct Entry {
    sign: Sign,
    id: String,
    brief: Vec<Line>,
    body: Vec<Line>,
}

impl Sign {
    fn look(self) -> (Hue, &'static str) {
        match self {
            Self::Appears => (Hue::Good, "+"),
            Self::Differs => (Hue::Differs, "~"),
            Self::Goes => (Hue::Bad, "-"),
            Self::Follows => (Hue::Follows, "!"),
            Self::Right => (Hue::Faint, "="),
            Self::Failed => (Hue::Bad, "x"),
            Self::Skipped => (Hue::Faint, "."),
        }
    }

    fn of(told: &Told, changes: &Changes) -> Self {
        let goes = |change: &Change| change.to == Shown::Absent;
        if told.removal || (!changes.is_empty() && changes.list().iter().all(goes)) {
            Self::Goes
        } else if told.id.kind() == "run" {
            Self::Follows
        } else if changes.creates() {
            Self::Appears
        } else if changes.stands_alone() {
            Self::Differs
        } else {
            Self::Follows
        }
    }
}

impl Entry {
    /// What became of a resource, in this much detail.
    pub(crate) fn of(told: &Told, detail: Detail) -> Self {
        let mut entry = match &told.verdict {
            Verdict::Changed(changes) | Verdict::Pending(changes) => Self::differing(told, changes, detail),
            Verdict::Failed(failure) => Self::failed(failure),
            Verdict::Skipped(reason) => {
                Self::new(Sign::Skipped, told, (Hue::Faint, format!("skipped: {}", tame(reason))))
            }
            Verdict::Ok if told.removal => {
                Self::new(Sign::Goes, told, (Hue::Faint, "no longer in the recipe".to_owned()))
            }
            Verdict::Ok => Self::new(Sign::Right, told, (Hue::Faint, "as it should be".to_owned())),
        };
        if told.took >= WORTH_TELLING && detail != Detail::Diffs {
            entry.brief.push((Hue::Faint, format!("({})", took(told.took))));
        }
        entry.body.extend(told.notes.iter().map(|note| (Hue::Differs, format!("note: {}", tame(note)))));
        entry
    }

    fn new(sign: Sign, told: &Told, brief: Line) -> Self {
        Self { sign, id: tame(told.id.as_str()), brief: vec![brief], body: Vec::new() }
    }

    fn failed(failure: &Failure) -> Self {
        let mut body: Vec<Line> = failure.cause.says.trim_end().lines().map(|line| (Hue::Plain, tame(line))).collect();
        if let Some(hint) = &failure.cause.hint {
            body.extend(hinted(hint));
        }
        let brief = vec![(Hue::Bad, failure.doing().to_owned())];
        Self { sign: Sign::Failed, id: tame(failure.id.as_str()), brief, body }
    }

    fn differing(told: &Told, changes: &Changes, detail: Detail) -> Self {
        let speaking = changes.list().iter().filter(|change| !is_plain_from(told, change));
        let (texts, values): (Vec<&Change>, Vec<&Change>) = speaking.partition(|change| is_text(change));
        let (line, body) = match detail {
            Detail::Brief => (briefly(changes, &texts, &values), Vec::new()),
            Detail::Diffs | Detail::Full => at_length(changes, &texts, &values, detail == Detail::Full),
        };
        let mut brief = Vec::new();
        if told.removal {
            brief.push((Hue::Faint, "no longer in the recipe".to_owned()));
        }
        if told.drift {
            brief.push((Hue::Differs, if line.is_empty() { "drift" } else { "drift:" }.to_owned()));
        }
        if !line.is_empty() {
            brief.push((Hue::Plain, line));
        }
        Self { sign: Sign::of(told, changes), id: tame(told.id.as_str()), brief, body }
    }

    /// Its text; ids are padded to `width`.
    pub(crate) fn text(&self, ink: Ink, width: usize) -> String {
        let (hue, sign) = self.sign.look();
        let strong = if matches!(self.sign, Sign::Right | Sign::Skipped) { Hue::Plain } else { Hue::Strong };
        let mut headline = ink.paint(strong, &self.id);
        if !self.brief.is_empty() {
            let gap = width.saturating_sub(self.id.chars().count()) + 2;
            headline.push_str(&" ".repeat(gap));
            let brief: Vec<String> = self.brief.iter().map(|(hue, part)| ink.paint(*hue, part)).collect();
            headline.push_str(&brief.join(" "));
        }
        let mut sheet = Sheet::new(ink);
        sheet.sign(hue, sign, &headline);
        for (hue, line) in &self.body {
            sheet.below(*hue, line);
        }
        sheet.into_text()
    }
}

/// The lines of a hint.
pub(crate) fn hinted(hint: &str) -> Vec<Line> {
    let mut lines = hint.lines();
    let first = (Hue::Follows, format!("hint: {}", tame(lines.next().unwrap_or_default())));
    std::iter::once(first).chain(lines.map(|line| (Hue::Follows, format!("      {}", tame(line))))).collect()
}

/// Whether a change says no more than the sign and the id do.
fn is_plain_from(told: &Told, change: &Change) -> bool {
    let says_present =
        change.what == "state" && change.from == Shown::Absent && change.to == Shown::Plain("present".to_owned());
    let says_path =
        told.removal && change.to == Shown::Absent && change.from == Shown::Plain(told.id.name().to_owned());
    says_present || says_path
}

fn is_text(change: &Change) -> bool {
    matches!((&change.from, &change.to), (Shown::Text(_), _) | (_, Shown::Text(_)))
}

/// Everything on one line, or only the names of what differs.
fn briefly(changes: &Changes, texts: &[&Change], values: &[&Change]) -> String {
    let creates = changes.creates();
    let all = join(texts.iter().map(|change| size(change)).chain(values.iter().map(|change| value(change, creates))));
    let names = || join(texts.iter().chain(values).map(|change| tame(&change.what)));
    if all.chars().count() <= ROOM { all } else { names() }
}

/// What fits on the headline, and everything else below it.
fn at_length(changes: &Changes, texts: &[&Change], values: &[&Change], full: bool) -> (String, Vec<Line>) {
    let creates = changes.creates();
    let sizes = texts.iter().filter(|_| creates && texts.len() == 1).map(|change| size(change));
    let line = join(sizes.chain(values.iter().map(|change| value(change, creates))));
    let fits = (creates || values.len() <= 1) && line.chars().count() <= ROOM;
    let mut body = if fits { Vec::new() } else { table(values, creates) };
    for change in texts {
        body.extend(lines_of(change, texts.len() > 1 || change.what != "content", full));
    }
    (if fits { line } else { String::new() }, body)
}

fn join(parts: impl Iterator<Item = String>) -> String {
    parts.filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ")
}

/// How large a text is, or how much of it differs.
fn size(change: &Change) -> String {
    let what = tame(&change.what);
    match (&change.from, &change.to) {
        (Shown::Text(old), Shown::Text(new)) => {
            let (more, less) = diff::counts(old, new);
            format!("{what} +{more} -{less}")
        }
        (_, Shown::Text(new)) if change.what == "content" => lines(new),
        (_, Shown::Text(new)) => format!("{what} ({})", lines(new)),
        _ => format!("{what} goes"),
    }
}

fn lines(text: &str) -> String {
    if text.is_empty() { "empty".to_owned() } else { count(text.lines().count(), "line") }
}

/// A change of a short value. What is created has no value to come from.
fn value(change: &Change, creates: bool) -> String {
    let (what, arrow) = (tame(&change.what), arrow(change, creates));
    format!("{what} {arrow}")
}

fn arrow(change: &Change, creates: bool) -> String {
    let (from, to) = (tame(&change.from.to_string()), tame(&change.to.to_string()));
    if (creates && change.from == Shown::Absent) || change.from == change.to { to } else { format!("{from} -> {to}") }
}

/// One line a value, in two columns; long values stand below each other.
fn table(values: &[&Change], creates: bool) -> Vec<Line> {
    let width = values.iter().map(|change| tame(&change.what).chars().count()).max().unwrap_or_default();
    let mut lines = Vec::new();
    for change in values {
        let what = tame(&change.what);
        let (from, to) = (tame(&change.from.to_string()), tame(&change.to.to_string()));
        let one = arrow(change, creates);
        if from.chars().count().max(to.chars().count()) <= LONG || one == to {
            lines.push((Hue::Plain, format!("{what:width$}  {one}")));
        } else {
            lines.push((Hue::Plain, what));
            lines.push((Hue::Bad, format!("  - {from}")));
            lines.push((Hue::Good, format!("  + {to}")));
        }
    }
    lines
}

fn lines_of(change: &Change, named: bool, full: bool) -> Vec<Line> {
    let label = if named { Some((Hue::Strong, size(change))) } else { None };
    let body = match (&change.from, &change.to) {
        (Shown::Text(old), Shown::Text(new)) => diff::unified(old, new, full),
        (_, Shown::Text(new)) => diff::new(new, full),
        (Shown::Text(old), _) if full => diff::unified(old, "", full),
        (Shown::Text(old), _) => vec![(Hue::Bad, format!("{} go; `-v` shows them", lines(old)))],
        _ => Vec::new(),
    };
    label.into_iter().chain(body).collect()
}
