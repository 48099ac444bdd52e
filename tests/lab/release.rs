//! The Debian releases a machine can run.

use std::fmt;

/// A Debian release.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Release {
    /// Debian 12.
    Bookworm,
    /// Debian 13.
    Trixie,
}

impl Release {
    /// Every release the lab knows.
    pub const ALL: [Self; 2] = [Self::Bookworm, Self::Trixie];

    /// The release with this number.
    pub fn numbered(number: u8) -> Self {
        match number {
            12 => Self::Bookworm,
            13 => Self::Trixie,
            _ => panic!("the lab has Debian 12 and 13, not {number}"),
        }
    }

    /// Its number: 12.
    pub fn number(self) -> u8 {
        match self {
            Self::Bookworm => 12,
            Self::Trixie => 13,
        }
    }

    /// Its name in the archive: `bookworm`.
    pub fn codename(self) -> &'static str {
        match self {
            Self::Bookworm => "bookworm",
            Self::Trixie => "trixie",
        }
    }
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Debian {} ({})", self.number(), self.codename())
    }
}
