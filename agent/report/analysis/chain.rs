//! The critical path: what each moment of a run waited for, followed back from its end.
//!
//! It is found among what really happened: from what ended last to the one it had to wait for, and so on. That is a need,
//! or, when all it needs was long done, whatever had the place it stood ready for.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::FORMAT;
use super::history::{History, Part, Piece};
use crate::engine::course::Doing;
use crate::report::colour::{Hue, Ink};
use crate::report::moment::Moment;
use crate::report::words::{count, measured};

/// A part of the run that is shorter than this share is one link, however much was done in it.
const SHORT: f64 = 0.05;
/// From so many links on, short neighbours are told as one.
const MANY: usize = 24;
/// Shorter than this share is short among many.
const TINY: f64 = 0.01;
/// A share of the whole that is worth a link of its own, if nothing in it is known.
const WORTH: f64 = 0.01;
/// A share from which on something is worth a look.
const MUCH: f64 = 0.1;

/// The critical path of a run, from its beginning to its end.
#[derive(Debug, Serialize)]
pub struct Chain {
    /// The version of this shape.
    format: u32,
    /// How long the run took, from the start of the process.
    took_ms: Moment,
    /// What waited for the one before it.
    pub(super) links: Vec<Link>,
}

/// One link: it began when the one before it had ended.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Link {
    /// The id of a resource, `package:*`, `N resources`, or the name of a part of the run.
    pub(super) id: String,
    /// The part of the run: `survey`, `act`, … It is the id, if the whole part is one link.
    pub(super) part: &'static str,
    /// Since the start of the process.
    pub(super) from_ms: Moment,
    pub(super) took_ms: Moment,
    /// Whether it waited only for its turn: it does not need the one before it.
    pub(super) turn: bool,
    /// The rows it stands for.
    #[serde(skip)]
    pub(super) rows: Vec<usize>,
}

/// A row in one part of the run.
#[derive(Debug, Clone, Copy)]
struct Stay {
    row: usize,
    from: Moment,
    till: Moment,
}

impl Chain {
    /// The critical path of a run.
    pub fn of(history: &History) -> Self {
        let mut chain = before(history);
        for part in &history.parts {
            chain.extend(links_of(part, history));
        }
        Self { format: FORMAT, took_ms: history.total, links: shortened(chain, history.total) }
    }

    /// As a tree that begins with the end, as `systemd-analyze critical-chain` has it.
    pub fn text(&self, ink: Ink) -> String {
        let head = [
            format!(
                "{} in all; what ended last stands first, and each waited for the one below it",
                measured(self.took_ms)
            ),
            "@ is when it began, counted from the start of the process, and + is how long it took".to_owned(),
        ];
        let mut text: String = head.iter().map(|line| ink.paint(Hue::Faint, line) + "\n").collect();
        text.push('\n');
        let acted = self.links.iter().any(|link| link.part == "act");
        for (depth, link) in self.links.iter().rev().enumerate() {
            let branch = if depth == 0 { String::new() } else { " ".repeat(2 * (depth - 1)) + "└─" };
            let much = link.took_ms.share_of(self.took_ms) >= MUCH;
            let took = format!("+{}", measured(link.took_ms));
            // Else a resource that is on the path twice, by its look and by its change, reads like a mistake.
            let part = if acted && link.part == "survey" && !link.rows.is_empty() { "  (survey)" } else { "" };
            let turn = if link.turn { "  (waited only for its turn)" } else { "" };
            let line = format!(
                "{branch}{} {} {}{}\n",
                ink.paint(if much { Hue::Strong } else { Hue::Plain }, &link.id),
                ink.paint(Hue::Faint, &format!("@{}", self.at(link.from_ms))),
                ink.paint(if much { Hue::Bad } else { Hue::Faint }, &took),
                ink.paint(Hue::Faint, &[part, turn].concat()),
            );
            text.push_str(&line);
        }
        text
    }

    /// A moment, as exact as the whole run asks for.
    fn at(&self, moment: Moment) -> String {
        let ms = moment.ms();
        if self.took_ms.ms() < 1000.0 { format!("{ms:.2} ms") } else { format!("{:.3} s", ms / 1000.0) }
    }

    /// As JSON.
    pub fn json(&self) -> String {
        super::json(self)
    }

    /// Whether it goes through a row.
    pub(super) fn passes(&self, row: usize) -> bool {
        self.links.iter().any(|link| link.rows.contains(&row))
    }

    /// Whether a row is a link of its own.
    pub(super) fn has(&self, row: usize) -> bool {
        self.links.iter().any(|link| link.rows == [row])
    }
}

impl Link {
    fn of(part: &Piece<Part>) -> Self {
        let word = part.doing.word();
        Self {
            id: word.to_owned(),
            part: word,
            from_ms: part.from,
            took_ms: part.length(),
            turn: false,
            rows: Vec::new(),
        }
    }
}

fn links_of(part: &Piece<Part>, history: &History) -> Vec<Link> {
    let whole =
        |worth: f64| if part.length().share_of(history.total) >= worth { vec![Link::of(part)] } else { Vec::new() };
    let stays = |within: fn(Doing) -> bool| stays(part, history, within);
    match part.doing {
        Part::Before(_) => Vec::new(),
        Part::Survey if part.length().share_of(history.total) < SHORT => vec![Link::of(part)],
        Part::Survey => back(part, history, &stays(|doing| doing == Doing::Surveying)),
        Part::Act => {
            let links = back(part, history, &stays(|doing| doing != Doing::Surveying));
            if links.is_empty() { whole(WORTH) } else { links }
        }
        // One after the other, by design.
        Part::Removals => {
            let mut stays = stays(|doing| doing != Doing::Surveying);
            stays.retain(|stay| history.rows.get(stay.row).is_some_and(|row| row.removal));
            stays.iter().map(|stay| stay.link(part, history, false)).collect()
        }
        Part::Again | Part::End => whole(WORTH),
    }
}

/// The rows with which something was done in a part of the run, in order of their ends.
fn stays(part: &Piece<Part>, history: &History, within: fn(Doing) -> bool) -> Vec<Stay> {
    let rows = history.rows.iter().enumerate();
    let mut stays: Vec<Stay> = rows
        .filter_map(|(number, row)| {
            let pieces = || row.pieces.iter().filter(|piece| within(piece.doing) && in_part(part, piece.from));
            let (from, till) = (pieces().next()?.from, pieces().map(|piece| piece.till).max()?);
            // What is remembered of it is written before those that need it go on.
            let till = row.ended.filter(|ended| part.doing == Part::Act && *ended > till).unwrap_or(till);
            Some(Stay { row: number, from, till })
        })
        .collect();
    stays.sort_by_key(|stay| (stay.till, stay.from));
    stays
}

fn in_part(part: &Piece<Part>, moment: Moment) -> bool {
    part.from <= moment && moment <= part.till
}

/// From what ended last to what each had to wait for.
fn back(part: &Piece<Part>, history: &History, stays: &[Stay]) -> Vec<Link> {
    let slack = slack(history.total);
    let places: BTreeMap<usize, usize> = stays.iter().enumerate().map(|(place, stay)| (stay.row, place)).collect();
    let of_row = |row: usize| places.get(&row).copied();
    let (mut links, mut seen) = (Vec::new(), BTreeSet::new());
    let mut here = stays.len().checked_sub(1);
    while let Some((number, stay)) = here.and_then(|number| Some((number, stays.get(number)?))) {
        if !seen.insert(number) {
            break;
        }
        let need = deciding(history, stay.row, &of_row);
        let ready = need.and_then(|need| stays.get(need)).map_or(part.from, |need| need.till);
        let before = stays.partition_point(|other| other.till <= stay.from).checked_sub(1);
        let turn = before.filter(|&before| stays.get(before).is_some_and(|before| before.till > ready));
        let turn = turn.filter(|_| stay.from - ready > slack);
        links.push(stay.link(part, history, turn.is_some()));
        here = turn.or(need);
    }
    links.reverse();
    links
}

/// Of what a row needs, the last in an order of ends. What is not in that order stands for what it needs itself.
pub(super) fn deciding(history: &History, row: usize, of_row: &dyn Fn(usize) -> Option<usize>) -> Option<usize> {
    let needs = |row: usize| history.rows.get(row).map(|row| row.needs.clone()).unwrap_or_default();
    let (mut left, mut known, mut found) = (needs(row), BTreeSet::new(), None);
    while let Some(need) = left.pop().filter(|_| known.len() <= history.rows.len()) {
        match of_row(need) {
            Some(stay) => found = found.max(Some(stay)),
            None if known.insert(need) => left.extend(needs(need)),
            None => {}
        }
    }
    found
}

/// Waiting for less than this is no waiting.
pub(super) fn slack(total: Moment) -> Moment {
    Moment::from(total.ms() * TINY).max(Moment::micros(200))
}

impl Stay {
    fn link(&self, part: &Piece<Part>, history: &History, turn: bool) -> Link {
        let id = history.rows.get(self.row).map(|row| row.name.clone()).unwrap_or_default();
        let (part, took_ms) = (part.doing.word(), self.till - self.from);
        Link { id, part, from_ms: self.from, took_ms, turn, rows: vec![self.row] }
    }
}

/// What comes before the survey: one link, unless something in it took long.
fn before(history: &History) -> Vec<Link> {
    let parts = || history.parts.iter().filter(|part| matches!(part.doing, Part::Before(_)));
    let share = |part: &Piece<Part>| part.length().share_of(history.total);
    if parts().any(|part| share(part) >= SHORT) {
        return parts().filter(|part| share(part) >= WORTH).map(Link::of).collect();
    }
    let (first, last) = (parts().next(), parts().next_back());
    let start = first.zip(last).map(|(first, last)| Link {
        id: "start".to_owned(),
        part: "start",
        took_ms: last.till - first.from,
        ..Link::of(first)
    });
    start.into_iter().collect()
}

/// Tells short neighbours as one where there are too many links to read.
fn shortened(chain: Vec<Link>, total: Moment) -> Vec<Link> {
    if chain.len() <= MANY {
        return chain;
    }
    let mut links: Vec<Link> = Vec::new();
    for link in chain {
        let tiny = |link: &Link| !link.rows.is_empty() && link.took_ms.share_of(total) < TINY;
        match links.last_mut() {
            Some(last) if tiny(&link) && last.part == link.part && (tiny(last) || last.rows.len() > 1) => {
                last.took_ms = link.from_ms + link.took_ms - last.from_ms;
                last.rows.extend(link.rows);
                last.id = count(last.rows.len(), "resource");
            }
            _ => links.push(link),
        }
    }
    links
}

#[cfg(test)]
mod tests {
    use super::super::testing::{changed, right, run, stretch};
    use super::*;
    use crate::report::json::{Entry, Report};

    fn path(report: &Report) -> Vec<String> {
        let links = Chain::of(&History::of(report)).links;
        let told = |link: &Link| {
            let turn = if link.turn { " turn" } else { "" };
            format!("{} {} +{}{turn}", link.id, link.from_ms.ms(), link.took_ms.ms())
        };
        links.iter().map(told).collect()
    }

    #[test]
    fn the_path_goes_back_through_the_need_that_ended_last() {
        let report = run(
            1000.0,
            vec![
                changed("file:a", &[], 10.0, 10.0, 300.0),
                changed("file:b", &[], 10.0, 10.0, 600.0),
                changed("file:c", &["file:b", "file:a"], 600.0, 600.0, 1000.0),
                changed("file:d", &["file:a"], 300.0, 300.0, 900.0),
            ],
        );
        assert_eq!(path(&report), ["start 0 +10", "survey 10 +10", "file:b 20 +590", "file:c 610 +400"]);
    }

    #[test]
    fn what_was_left_alone_stands_for_what_it_needs() {
        let report = run(
            1000.0,
            vec![
                changed("file:a", &[], 10.0, 10.0, 600.0),
                right("file:b", &["file:a"], 600.0, 600.1),
                changed("file:c", &["file:b"], 600.1, 600.2, 1000.0),
            ],
        );
        assert_eq!(path(&report)[2..], ["file:a 20 +590", "file:c 610.2 +399.8"]);
    }

    #[test]
    fn who_stood_ready_and_waited_is_told_from_who_waited_for_a_need() {
        let report =
            run(1000.0, vec![changed("file:a", &[], 10.0, 10.0, 600.0), changed("file:b", &[], 10.0, 600.0, 1000.0)]);
        assert_eq!(path(&report)[2..], ["file:a 20 +590", "file:b 610 +400 turn"]);
        let text = Chain::of(&History::of(&report)).text(Ink::NONE);
        assert_eq!(text.lines().nth(3), Some("file:b @0.610 s +400 ms  (waited only for its turn)"), "{text}");
    }

    #[test]
    fn a_run_with_nothing_to_do_has_its_looks_as_path() {
        let looked = |id: &str, needs: &[&str], from, till| Entry {
            spans: vec![stretch("surveying", from, till)],
            ..right(id, needs, 10.0, 10.0)
        };
        let report = run(
            10.0,
            vec![
                looked("file:a", &[], 0.0, 4.0),
                looked("file:b", &["file:a"], 4.0, 9.5),
                looked("file:c", &["file:a"], 4.5, 5.0),
            ],
        );
        assert_eq!(path(&report), ["recipe 0 +10", "file:a 10 +4", "file:b 14 +5.5"]);
    }

    #[test]
    fn what_is_taken_away_stands_one_after_the_other() {
        let gone = |id: &str, from, till| Entry { removal: true, ..changed(id, &[], 0.0, from, till) };
        let mut report = run(
            400.0,
            vec![changed("file:a", &[], 10.0, 10.0, 400.0), gone("file:b", 401.0, 700.0), gone("file:c", 700.0, 900.0)],
        );
        report.parts[4] = stretch("removals", 400.0, 900.0);
        report.parts[5] = stretch("end", 900.0, 990.0);
        assert_eq!(path(&report)[2..], ["file:a 20 +390", "file:b 411 +299", "file:c 710 +200", "end 910 +90"]);
    }

    #[test]
    fn many_short_ones_are_told_as_one_and_a_report_that_names_itself_ends() {
        let serial = |n: u32| {
            let from = 10.0 + f64::from(n);
            changed(&format!("file:{n}"), &[], 10.0, from, from + 1.0)
        };
        let report = run(510.0, (0..500).map(serial).collect());
        assert_eq!(path(&report), ["start 0 +10", "survey 10 +10", "495 resources 25 +495"]);

        let rings = run(510.0, vec![changed("file:a", &["file:a"], 10.0, 10.0, 510.0)]);
        assert_eq!(path(&rings).last().unwrap(), "file:a 20 +500");
        assert_eq!(path(&Report::default()), Vec::<String>::new());
    }
}
