//! What took how long, slowest first.

use serde::Serialize;

use super::FORMAT;
use super::history::{History, Part, Row};
use crate::engine::course::Doing;
use crate::report::colour::{Hue, Ink};
use crate::report::moment::Moment;
use crate::report::words::{cut, measured, percent};

/// The widest column of names; longer ones push what follows them aside.
const WIDEST: usize = 44;
/// Characters that fit behind an id before a line gets hard to read.
const ROOM: usize = 76;
/// A share from which on something is worth a look.
const MUCH: f64 = 0.1;

/// What took how long, slowest first. What ran at the same time counts each.
#[derive(Debug, Serialize)]
pub struct Blame {
    /// The version of this shape.
    format: u32,
    /// How long the run took, from the start of the process.
    took_ms: Moment,
    /// Resources and parts of the run.
    rows: Vec<Line>,
}

/// One resource, several that were applied as one, or a part of the run.
#[derive(Debug, Serialize)]
struct Line {
    /// How long anything was done with it.
    ms: Moment,
    /// The same as a part of the whole, 0 to 1.
    share: f64,
    /// The id, `package:*`, or the name of a part of the run such as `facts`.
    id: String,
    /// The ids, if there is more than one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ids: Vec<String>,
    /// What came of it, if it is a resource.
    #[serde(skip_serializing_if = "Option::is_none")]
    verdict: Option<&'static str>,
    /// What it did, in words.
    did: String,
    surveying_ms: Moment,
    looking_ms: Moment,
    applying_ms: Moment,
    verifying_ms: Moment,
    /// How long it stood ready and waited for its turn.
    stood_ms: Moment,
}

impl Blame {
    /// Whom to blame in a run.
    pub fn of(history: &History) -> Self {
        let parts = history
            .parts
            .iter()
            .filter(|part| matches!(part.doing, Part::Before(_) | Part::End) && part.length() > Moment::default());
        let mut rows: Vec<Line> = history.rows.iter().map(|row| Line::of(row, history.total)).collect();
        rows.extend(parts.map(|part| Line {
            verdict: None,
            ..Line::new(part.doing.word(), part.length(), history.total, part.doing.means().to_owned())
        }));
        rows.sort_by_key(|row| std::cmp::Reverse(row.ms));
        Self { format: FORMAT, took_ms: history.total, rows }
    }

    /// As a table: time, share, id, what it did.
    pub fn text(&self, ink: Ink) -> String {
        let width = self.rows.iter().map(|row| row.id.chars().count()).filter(|&width| width <= WIDEST).max();
        let width = width.unwrap_or_default();
        let mut text = String::new();
        for row in &self.rows {
            let time = format!("{:>10}", measured(row.ms));
            let gap = " ".repeat(width.saturating_sub(row.id.chars().count()));
            let hue = if row.share >= MUCH { Hue::Strong } else { Hue::Plain };
            let hue_of_did = if row.verdict == Some("failed") { Hue::Bad } else { Hue::Faint };
            let did = ink.paint(hue_of_did, &cut(&row.did, ROOM));
            let share = percent(row.ms.share_of(self.took_ms));
            let share = ink.paint(Hue::Faint, &format!("{share:>4}"));
            let line =
                [&ink.paint(hue, &time), "  ", &share, "  ", &ink.paint(hue, &row.id), &gap, "  ", &did].concat();
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }

    /// As JSON.
    pub fn json(&self) -> String {
        super::json(self)
    }
}

impl Line {
    fn of(row: &Row, total: Moment) -> Self {
        Self {
            ids: row.members.iter().filter(|_| row.members.len() > 1).map(|member| member.id.clone()).collect(),
            verdict: Some(row.verdict()),
            surveying_ms: row.spent(Doing::Surveying),
            looking_ms: row.spent(Doing::Looking),
            applying_ms: row.spent(Doing::Applying),
            verifying_ms: row.spent(Doing::Verifying),
            stood_ms: row.stood(),
            ..Self::new(&row.name, row.took(), total, row.did())
        }
    }

    fn new(id: &str, ms: Moment, total: Moment, did: String) -> Self {
        let none = Moment::default();
        Self {
            ms,
            // Four decimals are a hundredth of a percent.
            share: (ms.share_of(total) * 10_000.0).round() / 10_000.0,
            id: id.to_owned(),
            ids: Vec::new(),
            verdict: None,
            did,
            surveying_ms: none,
            looking_ms: none,
            applying_ms: none,
            verifying_ms: none,
            stood_ms: none,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{changed, right, run, stretch};
    use super::*;
    use crate::report::json::{Difference, Entry, Trouble};

    #[test]
    fn what_was_done_in_one_go_is_one_line_and_its_time_counts_once() {
        let package = |name: &str, verify: f64| Entry {
            with: Some("package:*".to_owned()),
            spans: vec![stretch("applying", 10.0, 810.0), stretch("verifying", verify, verify + 1.0)],
            ..changed(&format!("package:{name}"), &[], 10.0, 10.0, 812.0)
        };
        let differs = |what: &str| Difference { what: what.to_owned(), ..Difference::default() };
        let failed = Entry {
            verdict: "failed".to_owned(),
            error: Some(Trouble { says: "nginx says:\n  no such thing\n  at all".to_owned(), ..Trouble::default() }),
            ..changed("config_set:nginx", &[], 10.0, 820.0, 900.0)
        };
        let skipped = Entry {
            verdict: "skipped".to_owned(),
            reason: Some("needs config_set:nginx, which failed".to_owned()),
            ..right("service:nginx", &[], 900.0, 900.0)
        };
        let report = run(
            990.0,
            vec![
                package("curl", 810.0),
                package("nginx", 811.0),
                Entry {
                    changes: vec![differs("content"), differs("mode")],
                    ..changed("file:/a", &[], 10.0, 812.0, 820.0)
                },
                failed,
                skipped,
                Entry { removal: true, ..changed("file:/b", &[], 10.0, 900.0, 950.0) },
            ],
        );
        let blame = Blame::of(&History::of(&report));
        assert_eq!(
            blame.text(Ink::NONE),
            "    802 ms   80%  package:*         changed in one go: curl, nginx
     81 ms    8%  config_set:nginx  failed: nginx says: no such thing
     51 ms    5%  file:/b           taken away
     10 ms    1%  recipe            read the recipe and its bases
   9.00 ms    1%  file:/a           changed: content, mode
   1.00 ms   <1%  service:nginx     skipped: needs config_set:nginx, which failed
"
        );
        let json: serde_json::Value = serde_json::from_str(&blame.json()).unwrap();
        assert_eq!((&json["format"], &json["took_ms"]), (&1.into(), &1000.0.into()));
        let first = &json["rows"][0];
        assert_eq!(
            (&first["ms"], &first["share"], &first["ids"][1]),
            (&802.0.into(), &0.802.into(), &"package:nginx".into())
        );
        assert_eq!((&first["applying_ms"], &first["verifying_ms"]), (&800.0.into(), &2.0.into()));
    }
}
