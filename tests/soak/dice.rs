//! Random instants that a seed brings back.

use std::process::Command;
use std::time::Duration;

/// splitmix64: small, and the same in every version of every library.
#[derive(Debug, Clone)]
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn of(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Whether it happens, `once` in so many times.
    pub(super) fn once_in(&mut self, times: u64) -> bool {
        self.next().is_multiple_of(times)
    }

    /// An instant before this time is over.
    pub(super) fn within(&mut self, most: Duration) -> Duration {
        let micros = u64::try_from(most.as_micros()).unwrap_or(u64::MAX).max(1);
        Duration::from_micros(self.next() % micros)
    }

    /// So many of these, each at most once, in their order.
    pub(super) fn some<T: Clone>(&mut self, of: &[T], number: usize) -> Vec<T> {
        let mut left = number.min(of.len());
        let mut chosen = Vec::new();
        for (index, one) in of.iter().enumerate() {
            let rest = u64::try_from(of.len() - index).unwrap_or(1);
            if self.next() % rest < u64::try_from(left).unwrap_or(0) {
                chosen.push(one.clone());
                left -= 1;
            }
        }
        chosen
    }
}

/// A seed that every commit has of its own, so that the short sample covers more with each; 0 without git.
pub(crate) fn seed_of_the_commit() -> u64 {
    let asked = Command::new("git").args(["rev-parse", "HEAD"]).current_dir(env!("CARGO_MANIFEST_DIR")).output();
    let commit = asked.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    commit.get(..8).and_then(|start| u64::from_str_radix(start, 16).ok()).unwrap_or(0)
}
