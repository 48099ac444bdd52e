//! A run as it went: what was done in one go is one row, and time begins with the process.

use std::collections::BTreeMap;

use crate::engine::course::Doing;
use crate::report::json::{Entry, Report, Stretch};
use crate::report::moment::Moment;
use crate::report::words::{list, tame};

/// A run as it went.
#[derive(Debug)]
pub struct History {
    /// `converge` or `plan`.
    pub(super) verb: &'static str,
    pub(super) recipe: String,
    /// When the run began (RFC 3339).
    pub(super) began: String,
    /// How it ended, in words.
    pub(super) ended: String,
    /// How long it took, from the start of the process.
    pub(super) total: Moment,
    pub(super) parts: Vec<Piece<Part>>,
    pub(super) rows: Vec<Row>,
}

/// A piece of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Piece<T> {
    pub(super) doing: T,
    pub(super) from: Moment,
    pub(super) till: Moment,
}

/// A part of a run, and of what came before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// Arguments, recipe, facts, plan, lock, state, healing: what comes before anything is looked at.
    Before(&'static str),
    Survey,
    Removals,
    Act,
    Again,
    End,
}

/// One resource, or several that were applied as one.
#[derive(Debug, Default)]
pub(super) struct Row {
    /// Its id, or `package:*`.
    pub(super) name: String,
    /// The ids, if there is more than one.
    pub(super) members: Vec<Member>,
    /// The table of the recipe; `None` if several asked for it.
    pub(super) table: Option<String>,
    pub(super) removal: bool,
    /// Rows that it waited for.
    pub(super) needs: Vec<usize>,
    pub(super) ready: Option<Moment>,
    pub(super) ended: Option<Moment>,
    pub(super) pieces: Vec<Piece<Doing>>,
}

/// What came of one resource of a row.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) id: String,
    pub(super) verdict: String,
    /// How it differed, or why it failed or was skipped.
    pub(super) more: String,
}

impl<T> Piece<T> {
    pub(super) fn length(&self) -> Moment {
        self.till - self.from
    }
}

impl Part {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Before(word) => word,
            Self::Survey => "survey",
            Self::Removals => "removals",
            Self::Act => "act",
            Self::Again => "again",
            Self::End => "end",
        }
    }

    /// What hostagent does in it, for who reads the word for the first time.
    pub(super) fn means(self) -> &'static str {
        match self {
            Self::Before("arguments") => "read the command line",
            Self::Before("recipe") => "read the recipe and its bases",
            Self::Before("facts") => "gathered what the recipe asks of this host",
            Self::Before("plan") => "checked and compiled the recipe",
            Self::Before("lock") => "waited until no other run was going on",
            Self::Before("metadata") => "asked the metadata service what the instance is to be",
            Self::Before("start") => "waited until the machine had started",
            Self::Before("state") => "opened what it remembers",
            Self::Before("healing") => "looked for what a killed run may have left",
            Self::Before(_) => "before the run",
            Self::Survey => "looked at everything",
            Self::Removals => "took away what the recipe names no more",
            Self::Act => "put right what differed",
            Self::Again => "looked again at what may have read what went",
            Self::End => "wrote down what it remembers",
        }
    }

    pub(super) fn of(word: &str) -> Option<Self> {
        const BEFORE: [&str; 9] =
            ["arguments", "lock", "metadata", "recipe", "facts", "plan", "start", "state", "healing"];
        Some(match word {
            "survey" => Self::Survey,
            "removals" => Self::Removals,
            "act" => Self::Act,
            "again" => Self::Again,
            "end" => Self::End,
            // A word of a later version is left out.
            word => Self::Before(BEFORE.into_iter().find(|known| *known == word)?),
        })
    }
}

impl History {
    /// What a report tells.
    pub fn of(report: &Report) -> Self {
        let start = report.parts.iter().map(|part| part.from_ms).min().unwrap_or_default();
        let piece = |stretch: &Stretch| {
            let doing = Part::of(&stretch.doing)?;
            Some(Piece { doing, from: stretch.from_ms - start, till: stretch.till_ms - start })
        };
        let parts: Vec<_> = report.parts.iter().filter_map(piece).collect();
        Self {
            verb: if parts.iter().any(|part| part.doing == Part::Act) { "converge" } else { "plan" },
            recipe: tame(&report.recipe),
            began: tame(&report.began),
            ended: ended(report),
            total: parts.iter().map(|part| part.till).max().unwrap_or_default(),
            parts,
            rows: rows(report, start),
        }
    }
}

fn ended(report: &Report) -> String {
    let counts = [
        (report.failed, "failed"),
        (report.skipped, if report.interrupted { "left undone" } else { "skipped" }),
        (report.changed, "changed"),
        (report.pending, "pending"),
        (report.ok, "as they were"),
    ];
    let counts = counts.iter().filter(|(number, _)| *number > 0).map(|(number, word)| format!("{number} {word}"));
    let counts = counts.collect::<Vec<_>>().join(", ");
    format!("{}: {}", tame(&report.outcome), if counts.is_empty() { "nothing wanted" } else { &counts })
}

fn rows(report: &Report, start: Moment) -> Vec<Row> {
    let name = |entry: &Entry| tame(entry.with.as_ref().unwrap_or(&entry.id));
    let (mut rows, mut places) = (Vec::<Row>::new(), BTreeMap::new());
    for entry in &report.resources {
        let place = *places.entry(name(entry)).or_insert(rows.len());
        if place == rows.len() {
            let (table, removal) = (Some(tame(&entry.table)), entry.removal);
            let at = |moment: Option<Moment>| moment.map(|moment| moment - start);
            let (ready, ended) = (at(entry.ready_ms), at(entry.ended_ms));
            rows.push(Row { name: name(entry), table, removal, ready, ended, ..Row::default() });
        }
        if let Some(row) = rows.get_mut(place) {
            row.add(entry, start);
        }
    }
    let mut waits = BTreeMap::new();
    for entry in &report.resources {
        let needs = || entry.needs.iter().filter_map(|need| places.get(&tame(need)).copied()).collect();
        waits.entry(name(entry)).or_insert_with(needs);
    }
    for row in &mut rows {
        row.needs = waits.remove(&row.name).unwrap_or_default();
        row.tidy();
    }
    rows
}

/// The first line of what somebody said; with the next, if it only announces that.
fn first(says: &str) -> String {
    let mut lines = says.lines();
    let line = lines.next().unwrap_or_default().to_owned();
    match lines.next() {
        Some(next) if line.ends_with(':') => format!("{line} {}", next.trim()),
        _ => line,
    }
}

impl Row {
    fn add(&mut self, entry: &Entry, start: Moment) {
        if self.table.as_ref().is_some_and(|table| *table != entry.table) {
            self.table = None;
        }
        let pieces = entry.spans.iter().filter_map(|span| {
            let doing = match span.doing.as_str() {
                "surveying" => Doing::Surveying,
                "looking" => Doing::Looking,
                "applying" => Doing::Applying,
                "verifying" => Doing::Verifying,
                _ => return None,
            };
            Some(Piece { doing, from: span.from_ms - start, till: span.till_ms - start })
        });
        self.pieces.extend(pieces);
        let what = || list(entry.changes.iter().map(|change| change.what.as_str()));
        let more = match (&entry.error, &entry.reason) {
            (Some(error), _) => first(&error.says),
            (None, Some(reason)) => reason.clone(),
            (None, None) => what(),
        };
        self.members.push(Member { id: tame(&entry.id), verdict: tame(&entry.verdict), more: tame(&more) });
    }

    /// Joins what several did in one go or one after another, so that no moment counts twice.
    fn tidy(&mut self) {
        self.pieces.sort_by_key(|piece| (piece.from, piece.till));
        let mut joined: Vec<Piece<Doing>> = Vec::with_capacity(self.pieces.len());
        for piece in self.pieces.drain(..) {
            match joined.last_mut() {
                Some(last) if last.doing == piece.doing && piece.from - last.till <= SEAM => {
                    last.till = last.till.max(piece.till);
                }
                _ => joined.push(piece),
            }
        }
        self.pieces = joined;
    }
}

/// A gap that is no gap: between two looks of one row nothing else was done.
const SEAM: Moment = Moment::micros(50);
