//! What the process tells its caller in one number.

use std::process::ExitCode;

/// An exit code of hostagent. Numbers are never given another meaning, and one is kept for what is still to come: 194, as it
/// means "reboot, and run me again" to SSM Run Command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exit(u8);

impl Exit {
    /// The host is as wanted, or the question is answered.
    pub const AS_WANTED: Self = Self(0);
    /// Something failed; what did not depend on it was done.
    pub const FAILED: Self = Self(1);
    /// The recipe or the command line is wrong; nothing was touched.
    pub const WRONG: Self = Self(2);
    /// `plan`: the host differs from the recipe.
    pub const PENDING: Self = Self(3);
    /// Another run holds the lock.
    pub const LOCKED: Self = Self(4);
    /// The platform could not be asked: instance metadata, credentials.
    pub const UNASKED: Self = Self(5);

    /// The exit code that a report of a run notes. One that nobody knows is that of a failure.
    pub fn noted(code: u8) -> Self {
        let known = [Self::AS_WANTED, Self::WRONG, Self::LOCKED, Self::UNASKED];
        known.into_iter().find(|exit| exit.0 == code).unwrap_or(Self::FAILED)
    }

    /// The number.
    pub fn code(self) -> u8 {
        self.0
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.0)
    }
}
