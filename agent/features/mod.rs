//! One table of the recipe a file or folder. A feature declares its table, compiles it to resources, and owns its
//! templates and tests. Features do not know each other: they meet at resource ids.

pub mod apt_source;
pub mod directory;
pub mod file;
pub mod group;
pub mod host;
pub mod link;
pub mod nginx;
pub mod postgres;
pub mod run;
pub mod service;
pub mod ssh;
pub mod timer;
pub mod tls;
pub mod user;

use crate::engine::{Draft, Id};
use crate::facts::Facts;
use crate::resources::package::Package;

/// A table of the recipe.
pub trait Feature {
    /// Its name in the recipe, such as `nginx`.
    const TABLE: &'static str;

    /// Adds what it wants to the draft, or says there what is wrong with it. Does no input or output.
    fn compile(&self, facts: &Facts, plan: &mut Draft);
}

/// Adds a package that a feature cannot do without, unless the recipe names it itself, perhaps with a version. What cannot
/// be there without it comes after the id.
pub(crate) fn needs_package(plan: &mut Draft, name: &str) -> Id {
    let id = Id::new("package", name);
    match plan.added::<Package>(&id) {
        None => drop(plan.add(Package::named(name))),
        Some((wanted, place)) if wanted.absent => {
            let says = format!("the package `{name}` is needed here, and `{place}` wants it absent");
            plan.problem(says, format!("take out one of them: what needs `{name}`, or its `absent = true`"));
        }
        Some(_) => {}
    }
    id
}

/// Whether a URL holds a user name or password, which the recipe, plans and errors would tell to everybody.
pub(crate) fn holds_login(url: &str) -> bool {
    let place = url.split_once("://").map_or("", |(_, rest)| rest.split(['/', '?', '#']).next().unwrap_or_default());
    place.contains('@')
}
