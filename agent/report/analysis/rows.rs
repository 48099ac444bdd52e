//! What can be asked of a row.

use super::history::{Member, Piece, Row};
use crate::engine::course::Doing;
use crate::report::moment::Moment;
use crate::report::words::list;

impl Member {
    /// The part of its id after the colon.
    pub(super) fn name(&self) -> &str {
        self.id.split_once(':').map_or(&self.id, |(_, name)| name)
    }
}

impl Row {
    /// How long something was done with it.
    pub(super) fn spent(&self, doing: Doing) -> Moment {
        self.pieces.iter().filter(|piece| piece.doing == doing).map(Piece::length).sum()
    }

    /// How long anything was.
    pub(super) fn took(&self) -> Moment {
        self.pieces.iter().map(Piece::length).sum()
    }

    /// What was done with it after the survey.
    pub(super) fn acts(&self) -> impl Iterator<Item = &Piece<Doing>> {
        self.pieces.iter().filter(|piece| piece.doing != Doing::Surveying)
    }

    /// When its turn came.
    pub(super) fn turn(&self) -> Option<Moment> {
        self.acts().map(|piece| piece.from).next()
    }

    /// When all of it was done with.
    pub(super) fn over(&self) -> Option<Moment> {
        self.acts().map(|piece| piece.till).chain(self.ended).max()
    }

    /// How long it stood ready and waited for its turn.
    pub(super) fn stood(&self) -> Moment {
        self.turn().zip(self.ready).map(|(turn, ready)| turn - ready).unwrap_or_default().max(Moment::default())
    }

    pub(super) fn has(&self, verdict: &str) -> bool {
        self.members.iter().any(|member| member.verdict == verdict)
    }

    /// The verdict that matters most among its members.
    pub(super) fn verdict(&self) -> &'static str {
        ["failed", "changed", "pending", "skipped"].into_iter().find(|word| self.has(word)).unwrap_or("ok")
    }

    /// What it did, on one line.
    pub(super) fn did(&self) -> String {
        let verdict = self.verdict();
        let those: Vec<_> = self.members.iter().filter(|member| member.verdict == verdict).collect();
        let names = || list(those.iter().map(|member| member.name()));
        let more = those.first().map(|member| member.more.as_str()).unwrap_or_default();
        let verb = match verdict {
            "ok" => return "as it was".to_owned(),
            "pending" => "differs",
            "changed" if self.removal => "taken away",
            word => word,
        };
        match (self.members.len() > 1, more.is_empty()) {
            (true, _) if verdict == "failed" => format!("{verb} ({}): {more}", names()),
            (true, _) => format!("{verb} in one go: {}", names()),
            (false, true) => verb.to_owned(),
            (false, false) => format!("{verb}: {more}"),
        }
    }

    /// Its name where there is room: that of its members if they are several.
    pub(super) fn label(&self) -> String {
        let busy: Vec<_> = self.members.iter().filter(|member| member.verdict != "ok").collect();
        let shown: Vec<_> = if busy.is_empty() { self.members.iter().collect() } else { busy };
        match (self.members.as_slice(), self.name.split_once(':')) {
            ([_, _, ..], Some((kind, _))) => format!("{kind}: {}", list(shown.iter().map(|member| member.name()))),
            _ => self.name.clone(),
        }
    }
}
