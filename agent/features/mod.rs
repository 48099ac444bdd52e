//! One table of the recipe a file or folder. A feature declares its table, compiles it to resources, and owns its
//! templates and tests. Features do not know each other: they meet at resource ids.

pub mod apt_source;
pub mod service;
pub mod timer;

use crate::engine::Draft;
use crate::facts::Facts;

/// A table of the recipe.
pub trait Feature {
    /// Its name in the recipe, such as `nginx`.
    const TABLE: &'static str;

    /// Adds what it wants to the draft, or says there what is wrong with it. Does no input or output.
    fn compile(&self, facts: &Facts, plan: &mut Draft);
}
