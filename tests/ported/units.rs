//! NixOS, nixos/tests/switch-test.nix: what a change of a unit does to what runs; and puppet's
//! `ticket_5024_systemd_enabling_masked_service.rb`.
//!
//! The library's own cases (tests/inside.rs) are about the resources; these are what people write.

use super::{changes, fails};
use crate::evidence::{DEBIANS, ids};
use crate::lab::Machine;

#[test]
fn x() {
    let _ = (DEBIANS, ids([]), changes as fn(&Machine, &str) -> _, fails as fn(&Machine, &str) -> _);
}
