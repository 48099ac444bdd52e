//! What hostagent promises, one file a promise. Most are shown on real machines; see `lab/`.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on ends with a sentence")]
#![expect(clippy::indexing_slicing, reason = "a test that finds nothing there ends")]

#[path = "lab/mod.rs"]
mod lab;

mod analyze;
mod beginning;
mod boot;
mod bounded;
mod clusters;
mod cut_off;
mod drift;
mod elsewhere;
mod evidence;
mod failed_then_again;
mod harmless;
mod idempotence;
mod inside;
mod killed;
mod laws;
mod layers;
mod leaving;
mod market;
mod metadata;
mod packages;
mod ported;
mod problems;
mod recipes;
mod refused;
mod secrets;
mod served;
mod soak;
mod tls;
