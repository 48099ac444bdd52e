//! The engine: a plan of resources, the one loop that looks and puts right, and what came of it.
//!
//! It knows no feature and no kind of resource.

pub mod changes;
pub mod course;
pub mod failure;
mod order;
pub mod outcome;
pub mod patience;
pub mod plan;
mod removal;
pub mod resource;
pub mod run;
pub mod stop;

pub use changes::{Change, Changes, Shown};
pub use failure::{Cause, Failure, Phase};
pub use outcome::{Outcome, Verdict};
pub use patience::Patience;
pub use plan::{Draft, Plan};
pub use resource::{Id, LeftOut, Resource};

#[cfg(test)]
mod tests;
