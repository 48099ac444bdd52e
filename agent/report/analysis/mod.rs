//! Where a run's time went: `hostagent analyze`, in the manner of `systemd-analyze`.
//!
//! Everything is computed from the report that a run leaves, and from nothing else: the same report gives the same text
//! and the same picture, anywhere.

mod blame;
mod chain;
mod history;
mod kept;
mod lanes;
mod picture;
mod rows;
mod scale;
mod svg;
#[cfg(test)]
mod testing;

pub use blame::Blame;
pub use chain::Chain;
pub use history::History;
pub use kept::{Unfit, read};
pub use picture::draw;

/// The version of the shapes that `--json` prints.
const FORMAT: u32 = 1;

/// A shape as JSON, with a line end.
fn json(shape: &impl serde::Serialize) -> String {
    // Plain data with text keys: there is nothing in it that JSON could not say.
    serde_json::to_string(shape).unwrap_or_default() + "\n"
}
