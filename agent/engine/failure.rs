//! Why something could not be looked at or put right.

use std::fmt;

use super::changes::Changes;
use super::resource::Id;
use crate::host;

/// What a resource says when it cannot look or apply. The engine adds the id and the phase.
#[derive(Debug, Clone)]
pub struct Cause {
    /// A stable word for machines.
    pub code: &'static str,
    /// What happened, in the words of whoever refused.
    pub says: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// Whether whoever could tell is merely not running: what it holds is as it was left.
    pub asleep: bool,
}

impl Cause {
    /// A cause in words.
    pub fn new(code: &'static str, says: impl Into<String>) -> Self {
        Self { code, says: says.into(), hint: None, asleep: false }
    }

    /// Whether nothing that is still to come can change it.
    pub fn is_final(&self) -> bool {
        matches!(self.code, "wrong-kind" | "pg-fixed" | "ssh-lockout")
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.says)
    }
}

impl From<host::Error> for Cause {
    fn from(error: host::Error) -> Self {
        Self { code: error.code(), hint: error.hint(), says: error.to_string(), asleep: error.is_asleep() }
    }
}

/// When it failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// While finding out how the host differs.
    Looking,
    /// While putting it right.
    Applying,
    /// While looking again afterwards.
    Verifying,
}

/// A resource that failed: which, when, why.
#[derive(Debug, Clone)]
pub struct Failure {
    /// The resource.
    pub id: Id,
    /// When.
    pub phase: Phase,
    /// Why.
    pub cause: Cause,
}

impl Failure {
    /// The host took the change and yet differs.
    pub(crate) fn did_not_hold(id: Id, left: &Changes) -> Self {
        let cause = Cause::new("did-not-hold", format!("was applied, and still differs: {left}"))
            .hint("something on this host puts it back; stop that, or change the recipe");
        Self { id, phase: Phase::Verifying, cause }
    }

    /// What could not be done, in one phrase.
    pub fn doing(&self) -> &'static str {
        match self.phase {
            Phase::Looking => "could not look",
            Phase::Applying => "could not apply",
            Phase::Verifying => "did not hold",
        }
    }
}
