//! The journal's `MESSAGE_ID` of each kind of event (systemd.journal-fields(7)): other programs key on them, so one is
//! never changed and never used again.
//!
//! `journalctl MESSAGE_ID=1004ebb6611b46d194b548ef46f8e4a7` lists every drift that was put right on a host.

/// A run began. `RESOURCES` says how many it looks at.
pub const RUN_BEGAN: &str = "e7076bf34c834929b4df48b6f7f6daff";
/// A run ended. `OUTCOME` is `converged` or `failed`; `CHANGED`, `FAILED`, `SKIPPED`, `OK` count; `TOOK_MS` is its length.
pub const RUN_ENDED: &str = "6b3694fe4fb54f5e88678d3d2ea0d35a";
/// A resource was put right because the recipe wants it so. `RESOURCE`, `VERDICT`, `WHAT` (what differed), `TOOK_MS`.
pub const CHANGED: &str = "97802b9c63cb47f1aa5f740218b85f2f";
/// A resource was put right because somebody had changed it. Fields as for [`CHANGED`].
pub const DRIFT: &str = "1004ebb6611b46d194b548ef46f8e4a7";
/// A resource could not be looked at or put right. `RESOURCE`, `VERDICT`, `CODE`, `PHASE`, `HINT`, `TOOK_MS`.
pub const FAILED: &str = "522ef6b5c6e249b388b6e42fcfb1e988";
/// A resource was left alone because of another one. `RESOURCE`, `VERDICT`.
pub const SKIPPED: &str = "3dedd43252ed499ea98e41d4cc91bc65";
/// What a killed run had left behind was put right.
pub const HEALED: &str = "c08576c405ea4d919f898bc2f6bbeeb9";
/// The recipe names a resource no more; it stays, because it may hold data. `RESOURCE`.
pub const RELEASED: &str = "93b4bb08298d4b6ea7639bc348f29f9f";
/// What else is to be known of a run, such as that it used the last good copy of a recipe whose source was down.
pub const NOTE: &str = "c60932798eb944e4993fa2a4ee0262c9";

/// All of them.
pub const ALL: [&str; 9] = [RUN_BEGAN, RUN_ENDED, CHANGED, DRIFT, FAILED, SKIPPED, HEALED, RELEASED, NOTE];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_id_is_its_own_and_has_the_form_the_journal_wants() {
        let all: std::collections::BTreeSet<&str> = ALL.into();
        assert_eq!(all.len(), ALL.len());
        assert!(all.iter().all(|id| id.len() == 32 && id.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f'))));
    }
}
