//! A plan and a run as a person reads them.

use crate::engine::outcome::Told;
use crate::engine::{Id, Outcome, Verdict};

use super::colour::{Hue, Ink};
use super::entry::Entry;
use super::sheet::Sheet;
use super::words::{count, list, tame, took};

/// The widest column of ids; longer ones push what follows them aside.
const WIDEST: usize = 44;

/// How much is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// A line a resource: a run.
    Brief,
    /// With diffs, long ones cut: a plan.
    Diffs,
    /// Everything, also what is as it should be: `-v`.
    Full,
}

/// How texts are laid out.
#[derive(Debug, Clone)]
pub struct Page {
    /// Whether there is colour.
    pub ink: Ink,
    /// How much is shown.
    pub detail: Detail,
    /// The command that makes the changes, such as `hostagent converge`.
    pub again: String,
    /// The width of the column of ids.
    pub width: usize,
}

impl Page {
    /// A page whose column of ids fits these.
    pub fn for_ids<'a>(ink: Ink, detail: Detail, again: &str, ids: impl Iterator<Item = &'a Id>) -> Self {
        let width = ids.map(|id| id.as_str().chars().count()).filter(|&width| width <= WIDEST).max();
        Self { ink, detail, again: again.to_owned(), width: width.unwrap_or_default() }
    }

    /// One resource.
    pub fn told(&self, told: &Told) -> String {
        Entry::of(told, self.detail).text(self.ink, self.width)
    }

    /// Whether a resource is worth a line: it is not merely as it should be.
    pub fn is_worth_a_line(&self, told: &Told) -> bool {
        self.detail == Detail::Full || !matches!(told.verdict, Verdict::Ok) || !told.notes.is_empty()
    }

    /// A whole plan.
    pub fn plan(&self, outcome: &Outcome) -> String {
        let (shown, quiet): (Vec<&Told>, Vec<&Told>) =
            outcome.resources.iter().partition(|told| self.is_worth_a_line(told));
        let fitting = Self::for_ids(self.ink, self.detail, &self.again, shown.iter().map(|told| &told.id));
        let mut sheet = Sheet::new(self.ink);
        for told in &shown {
            sheet.raw(&fitting.told(told));
        }
        let more = match quiet.len() {
            1 => "1 more is as it should be".to_owned(),
            more => format!("{more} more are as they should be"),
        };
        if !shown.is_empty() && !quiet.is_empty() {
            sheet.sign(Hue::Faint, "=", &self.ink.paint(Hue::Faint, &more));
        }
        self.remarks(outcome, &mut sheet);
        Self::ended(sheet, false, &self.plan_summary(outcome))
    }

    /// What ends a run: remarks, and the summary. `below` says that lines stand above it already.
    pub fn end(&self, outcome: &Outcome, below: bool) -> String {
        let mut sheet = Sheet::new(self.ink);
        if outcome.interrupted {
            self.left(outcome, &mut sheet);
        }
        self.remarks(outcome, &mut sheet);
        Self::ended(sheet, below, &self.run_summary(outcome))
    }

    /// That something a killed run left was put right.
    pub fn healed(&self, what: &str) -> String {
        let mut sheet = Sheet::new(self.ink);
        sheet.sign(Hue::Follows, "!", &format!("repaired first: {}", tame(what)));
        sheet.into_text()
    }

    fn ended(sheet: Sheet, below: bool, summary: &str) -> String {
        let above = sheet.into_text();
        let gap = if below || !above.is_empty() { "\n" } else { "" };
        [&above, gap, summary, "\n"].concat()
    }

    /// What belongs to no resource of the plan.
    fn remarks(&self, outcome: &Outcome, sheet: &mut Sheet) {
        if let Some(cause) = &outcome.trouble {
            sheet.failed("hostagent itself", cause);
        }
        for id in &outcome.released {
            let name = self.ink.paint(Hue::Strong, &tame(id.as_str()));
            sheet.sign(Hue::Faint, "=", &format!("{name}  no longer managed: it may hold data, so it stays"));
        }
    }

    /// What an interrupted run did not come to.
    fn left(&self, outcome: &Outcome, sheet: &mut Sheet) {
        let mut skipped =
            outcome.resources.iter().filter(|told| matches!(told.verdict, Verdict::Skipped(_))).peekable();
        if skipped.peek().is_some() {
            sheet.sign(Hue::Differs, ".", &self.ink.paint(Hue::Strong, "left undone"));
        }
        for told in skipped {
            sheet.below(Hue::Plain, &tame(told.id.as_str()));
        }
    }

    fn plan_summary(&self, outcome: &Outcome) -> String {
        let (failed, pending) = (outcome.count("failed"), outcome.count("pending"));
        let drifted = outcome.resources.iter().filter(|told| told.drift && told.verdict.word() == "pending").count();
        let drift = match drifted {
            0 => String::new(),
            all if all == pending => ", all of it drift".to_owned(),
            some => format!(", {some} of them drift"),
        };
        let changes = self.ink.paint(Hue::Strong, &count(pending, "change"));
        if failed > 0 || outcome.trouble.is_some() {
            let looks = self.ink.paint(Hue::Bad, &format!("{failed} could not be looked at"));
            return format!("{looks}, {changes} pending{drift}");
        }
        if pending > 0 {
            let them = if pending == 1 { "it" } else { "them" };
            return format!("{changes} pending{drift}; `{}` makes {them}", self.again);
        }
        let all = outcome.resources.len();
        let what = if all == 0 { "the recipe wants nothing".to_owned() } else { format!("{all} as wanted") };
        format!("{}: {what}", self.ink.paint(Hue::Good, "nothing to do"))
    }

    fn run_summary(&self, outcome: &Outcome) -> String {
        let (ok, changed, skipped) = (outcome.count("ok"), outcome.count("changed"), outcome.count("skipped"));
        let failed: Vec<&str> = outcome
            .resources
            .iter()
            .filter(|told| told.verdict.word() == "failed")
            .map(|told| told.id.as_str())
            .collect();
        let mut parts = Vec::new();
        if !failed.is_empty() {
            parts.push(format!("{} failed ({})", failed.len(), list(failed.iter().copied())));
        }
        if skipped > 0 {
            parts.push(format!("{skipped} {}", if outcome.interrupted { "left undone" } else { "skipped" }));
        }
        if changed > 0 {
            parts.push(format!("{changed} changed"));
        }
        match (ok, parts.is_empty()) {
            (0, true) => parts.push("the recipe wants nothing".to_owned()),
            (0, false) => {}
            (1, _) => parts.push("1 as it was".to_owned()),
            (_, true) => parts.push(format!("all {ok} as they were")),
            (_, false) => parts.push(format!("{ok} as they were")),
        }
        parts.push(format!("in {}", took(outcome.took)));
        let told = tame(&parts.join(", "));
        if outcome.interrupted {
            format!("{}: {told}; `{}` goes on from here", self.ink.paint(Hue::Differs, "stopped"), self.again)
        } else if outcome.is_good() {
            format!("{}: {told}", self.ink.paint(Hue::Good, "converged"))
        } else {
            format!("{}: {told}", self.ink.paint(Hue::Bad, "failed"))
        }
    }
}
