//! The rows of the picture from top to bottom: in sections, by the table that asked, and the short ones of a large run as one.

use std::collections::BTreeMap;

use super::chain::Chain;
use super::history::{History, Part, Piece, Row};
use crate::engine::course::Doing;
use crate::report::moment::Moment;
use crate::report::words::{count, measured};

/// More rows than this are too many to see at a glance: short ones are drawn as one.
const MANY: usize = 40;
/// What took less than this share is short.
const SHORT: f64 = 0.005;
/// Into so many slivers the time of a picture is cut where single bars would be finer than a pixel.
const SLIVERS: f64 = 600.0;
/// So many names of those drawn as one are told.
const NAMED: usize = 12;

/// The lanes of a picture.
#[derive(Debug, Default)]
pub(super) struct Sheet {
    pub(super) lanes: Vec<Lane>,
    /// The rows that were acted on, in the order of their ends.
    pub(super) ends: Vec<(Moment, usize)>,
    places: BTreeMap<usize, usize>,
    parts: BTreeMap<&'static str, usize>,
}

/// One line of a picture.
#[derive(Debug, Default)]
pub(super) struct Lane {
    pub(super) is_section: bool,
    pub(super) label: String,
    pub(super) title: String,
    /// What stands at its right.
    pub(super) note: String,
    pub(super) verdict: &'static str,
    pub(super) critical: bool,
    pub(super) bars: Vec<Bar>,
    /// From when it waited, when it was ready, when it began.
    pub(super) waited: Option<(Moment, Moment, Moment)>,
    pub(super) row: Option<usize>,
}

/// A bar.
#[derive(Debug)]
pub(super) struct Bar {
    pub(super) class: &'static str,
    pub(super) from: Moment,
    pub(super) till: Moment,
    says: &'static str,
}

impl Bar {
    pub(super) fn told(&self) -> String {
        format!(
            "{} {}, from {} to {}",
            self.says,
            exactly(self.till - self.from),
            exactly(self.from),
            exactly(self.till)
        )
    }

    fn of(piece: &Piece<Doing>) -> Self {
        let (class, says) = match piece.doing {
            Doing::Surveying => ("looking", "surveying"),
            Doing::Looking => ("looking", "looking"),
            Doing::Applying => ("applying", "applying"),
            Doing::Verifying => ("verifying", "verifying"),
        };
        Self { class, from: piece.from, till: piece.till, says }
    }
}

impl Sheet {
    pub(super) fn of(history: &History, chain: &Chain) -> Self {
        let mut sheet = Self::default();
        let rows = history.rows.iter().enumerate();
        sheet.ends = rows.filter_map(|(number, row)| Some((row.turn().and(row.over())?, number))).collect();
        sheet.ends.sort_unstable();
        sheet.own(history, chain);
        for (title, rows) in sections(history) {
            sheet.section(&title);
            let is_short = |row: &usize| history.rows.len() > MANY && is_short(*row, history, chain);
            let (short, shown): (Vec<usize>, Vec<usize>) = rows.into_iter().partition(is_short);
            let whole = shown.is_empty();
            for number in shown {
                sheet.row(number, history, chain);
            }
            sheet.folded(&short, whole, history, chain);
        }
        sheet
    }

    pub(super) fn lane_of(&self, row: usize) -> Option<usize> {
        self.places.get(&row).copied()
    }

    /// The lane of a part of the run.
    pub(super) fn lane_of_part(&self, word: &str) -> Option<usize> {
        let word = match Part::of(word) {
            Some(Part::Before(_)) => "start",
            _ => word,
        };
        self.parts.get(word).copied()
    }

    fn section(&mut self, title: &str) {
        self.lanes.push(Lane { is_section: true, label: title.to_owned(), ..Lane::default() });
    }

    /// What hostagent did for all resources together.
    fn own(&mut self, history: &History, chain: &Chain) {
        self.section("hostagent");
        let is_before = |part: &Piece<Part>| matches!(part.doing, Part::Before(_));
        let (before, rest): (Vec<_>, Vec<_>) = history.parts.iter().partition(|part| is_before(part));
        self.part("start", &before, true);
        for part in rest {
            let word = part.doing.word();
            let linked = chain.links.iter().any(|link| link.id == word && link.from_ms == part.from);
            if part.doing == Part::Survey || linked {
                self.part(word, &[part], linked);
            }
        }
    }

    fn part(&mut self, word: &'static str, pieces: &[&Piece<Part>], critical: bool) {
        let bar =
            |piece: &&Piece<Part>| Bar { class: "own", from: piece.from, till: piece.till, says: piece.doing.word() };
        let total: Moment = pieces.iter().map(|piece| piece.length()).sum();
        let lines = pieces
            .iter()
            .map(|piece| format!("{} {}: {}", piece.doing.word(), exactly(piece.length()), piece.doing.means()));
        self.parts.insert(word, self.lanes.len());
        self.lanes.push(Lane {
            label: word.to_owned(),
            title: std::iter::once(format!("{word}: {}", exactly(total))).chain(lines).collect::<Vec<_>>().join("\n"),
            note: measured(total),
            verdict: "ok",
            critical,
            bars: pieces.iter().filter(|piece| piece.length() > Moment::default()).map(bar).collect(),
            ..Lane::default()
        });
    }

    fn row(&mut self, number: usize, history: &History, chain: &Chain) {
        let Some(row) = history.rows.get(number) else { return };
        let verdict = row.verdict();
        let mut bars: Vec<Bar> = row.pieces.iter().map(Bar::of).collect();
        if let Some(bar) = bars.last_mut().filter(|_| verdict == "failed") {
            bar.class = "failing";
        }
        self.places.insert(number, self.lanes.len());
        self.lanes.push(Lane {
            label: row.label(),
            title: title(row, history),
            note: if matches!(verdict, "failed" | "skipped") { verdict.to_owned() } else { measured(row.took()) },
            verdict,
            critical: chain.has(number),
            bars,
            waited: waited(row, history),
            row: Some(number),
            ..Lane::default()
        });
    }

    /// Short rows of a section as one; they may be the whole of it.
    fn folded(&mut self, numbers: &[usize], whole: bool, history: &History, chain: &Chain) {
        let rows: Vec<&Row> = numbers.iter().filter_map(|&number| history.rows.get(number)).collect();
        if let ([number], 1) = (numbers, rows.len()) {
            return self.row(*number, history, chain);
        }
        if rows.is_empty() {
            return;
        }
        let all = |word: &str| rows.iter().all(|row| row.verdict() == word);
        let verdict = ["ok", "skipped", "changed", "pending"].into_iter().find(|word| all(word)).unwrap_or("");
        let what = match verdict {
            "ok" => "as they were",
            "" => "each short",
            word => word,
        };
        let count_of = count(rows.len(), "resource");
        let total: Moment = rows.iter().map(|row| row.took()).sum();
        let names = rows.iter().take(NAMED).map(|row| row.name.clone());
        let more = rows.len().checked_sub(NAMED).filter(|more| *more > 0).map(|more| format!("and {more} more"));
        let head = format!("{count_of} {what}: {} in all", exactly(total));
        let place = self.lanes.len();
        self.places.extend(numbers.iter().map(|&number| (number, place)));
        self.lanes.push(Lane {
            label: if whole { format!("{count_of} {what}") } else { format!("{} more {what}", rows.len()) },
            title: std::iter::once(head).chain(names).chain(more).collect::<Vec<_>>().join("\n"),
            note: measured(total),
            verdict: if verdict == "ok" || verdict == "skipped" { "ok" } else { "changed" },
            bars: merged(&rows, history.total),
            critical: numbers.iter().any(|number| chain.passes(*number)),
            ..Lane::default()
        });
    }
}

/// Rows by who asked for them; where things were done earlier, on the whole, stands higher.
fn sections(history: &History) -> Vec<(String, Vec<usize>)> {
    let mut sections: Vec<(String, Vec<usize>)> = Vec::new();
    for (number, row) in history.rows.iter().enumerate() {
        let title = match &row.table {
            _ if row.removal => "no longer in the recipe".to_owned(),
            Some(table) if !table.is_empty() => format!("[{table}]"),
            _ => "shared by several tables".to_owned(),
        };
        match sections.iter_mut().find(|(known, _)| *known == title) {
            Some((_, rows)) => rows.push(number),
            None => sections.push((title, vec![number])),
        }
    }
    let acted = history.rows.iter().any(|row| row.turn().is_some());
    let begun = |row: &Row| if acted { row.turn() } else { row.pieces.first().map(|piece| piece.from) };
    sections.sort_by_key(|(_, rows)| {
        let begun: Vec<Moment> = rows.iter().filter_map(|&row| begun(history.rows.get(row)?)).collect();
        (begun.is_empty(), middle(&begun))
    });
    sections
}

/// Where some moments are on the whole.
fn middle(moments: &[Moment]) -> Moment {
    let count = u32::try_from(moments.len()).unwrap_or(u32::MAX).max(1);
    Moment::from(moments.iter().copied().sum::<Moment>().ms() / f64::from(count))
}

fn is_short(number: usize, history: &History, chain: &Chain) -> bool {
    history.rows.get(number).is_some_and(|row| {
        !chain.has(number) && row.verdict() != "failed" && row.took().share_of(history.total) < SHORT
    })
}

/// From when a row waited in the act, when it was ready, and when it began or was given up.
fn waited(row: &Row, history: &History) -> Option<(Moment, Moment, Moment)> {
    let act = history.parts.iter().find(|part| part.doing == Part::Act)?;
    let given_up = row.ended.filter(|_| row.verdict() == "skipped");
    Some((act.from, row.ready?, row.turn().or(given_up)?))
}

/// The bars of several rows: for each sliver of time what was done for most of it.
fn merged(rows: &[&Row], total: Moment) -> Vec<Bar> {
    let sliver = Moment::from(total.ms() / SLIVERS).max(Moment::micros(1));
    let mut shares: BTreeMap<i64, BTreeMap<&'static str, (Moment, &'static str)>> = BTreeMap::new();
    for bar in rows.iter().flat_map(|row| &row.pieces).map(Bar::of) {
        for number in bar.from.count_of(sliver)..=bar.till.count_of(sliver) {
            let (from, till) = (bar.from.max(sliver.times(number)), bar.till.min(sliver.times(number + 1)));
            let share = shares.entry(number).or_default().entry(bar.class).or_insert((Moment::default(), bar.says));
            share.0 = share.0 + (till - from);
        }
    }
    let mut bars: Vec<Bar> = Vec::new();
    for (number, share) in shares {
        let Some((class, (_, says))) = share.into_iter().max_by_key(|(_, (time, _))| *time) else { continue };
        let (from, till) = (sliver.times(number), sliver.times(number + 1).min(total));
        match bars.last_mut() {
            Some(last) if last.class == class && last.till == from => last.till = till,
            _ => bars.push(Bar { class, from, till, says }),
        }
    }
    bars
}

/// What a row tells when a pointer rests on it.
fn title(row: &Row, history: &History) -> String {
    let mut lines = vec![row.name.clone(), row.did()];
    if row.members.len() > 1 {
        let names: Vec<&str> = row.members.iter().take(NAMED).map(super::history::Member::name).collect();
        let more = row.members.len().checked_sub(NAMED).filter(|more| *more > 0);
        lines.push(names.join(", ") + &more.map(|more| format!(" and {more} more")).unwrap_or_default());
    }
    let spent = [
        (Doing::Surveying, "surveying"),
        (Doing::Looking, "looking"),
        (Doing::Applying, "applying"),
        (Doing::Verifying, "verifying"),
    ];
    let spent =
        spent.iter().map(|(doing, word)| (row.spent(*doing), word)).filter(|(time, _)| *time > Moment::default());
    lines.extend(spent.map(|(time, word)| format!("{word} {}", exactly(time))));
    if let Some((from, ready, till)) = waited(row, history) {
        let needs = row.needs.iter().filter_map(|&need| Some(history.rows.get(need)?.name.as_str()));
        let needs = needs.take(NAMED).collect::<Vec<_>>().join(", ");
        if !needs.is_empty() {
            lines.push(format!("waited {} for {needs}", exactly(ready - from)));
        }
        if till > ready && row.turn().is_some() {
            lines.push(format!("waited {} for its turn", exactly(till - ready)));
        }
    }
    if let (Some(from), Some(till)) = (row.turn(), row.over()) {
        lines.push(format!("from {} to {}", exactly(from), exactly(till)));
    }
    lines.join("\n")
}

fn exactly(time: Moment) -> String {
    format!("{:.3} ms", time.ms())
}
