//! The kill matrix: a run that is cut off anywhere is finished by the next one, and nobody can tell afterwards.
//!
//! Runs are cut off in four ways: `kill -9` of hostagent when a resource is done with, `kill -9` at a random instant, the
//! same with everything that hostagent had started, and the power of the machine. Some of the runs that finish them are cut
//! off too. Then the machine is compared with one that was left in peace, over its whole disk.
//!
//! What it cannot show: a machine's disk is memory, so a power cut loses no byte that was written and not yet synced.
//!
//! ```text
//! cut       how a run is cut off
//! first     a bare machine's first run, cut off
//! change    a change to a host with data on it, cut off
//! state     what a machine is, as text, to compare
//! residue   what must not be left
//! dice      the random instants, by a seed
//! tls       certificates: kills, rejected nonces, years
//! matrix    all of it, several machines at a time, and the table
//! ```

#![expect(clippy::expect_used, reason = "a test that cannot go on ends with a sentence")]

mod change;
mod cut;
mod dice;
mod first;
mod matrix;
mod residue;
mod state;
pub(crate) mod tls;

/// The recipe people start with, as a host far from any CA has it.
pub(crate) fn nano_without_tls() -> String {
    let whole = include_str!("../../recipes/nano.toml").replace("certificate = \"api\"\n", "");
    let (before, after) = whole.split_once("[tls]\n").expect("it has TLS");
    let (_, after) = after.split_once("[postgres]\n").expect("the database comes after it");
    format!("{before}[postgres]\n{after}")
}

pub(crate) use self::dice::seed_of_the_commit;
pub(crate) use self::matrix::{Amount, run};
