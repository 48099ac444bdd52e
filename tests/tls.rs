//! What `[tls]` promises, with a real CA around the machine and a real web server on it.

mod adopting;
mod command;
mod committing;
mod first;
mod long;
mod renewing;
mod storms;

use std::collections::BTreeSet;

use crate::lab::Said;
pub(crate) use crate::soak::tls::*;

/// What changed, by a report in JSON.
fn changed(said: &Said) -> BTreeSet<String> {
    crate::evidence::having(said, "changed")
}
