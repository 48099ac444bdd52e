//! What the tools that people come from promise, in their own test suites, said again as recipes.
//!
//! Each case names the source it comes from. Where hostagent does otherwise on purpose, the case says so.

mod files;
mod packages;
mod passwords;
mod postgres;
mod privileges;
mod settings;
mod sites;
mod units;

use std::collections::BTreeSet;

use crate::evidence::having;
use crate::lab::{Machine, Said};

/// Converges: what the plan foresaw is what changed, and again changes nothing. Returns what changed.
fn changes(host: &Machine, recipe: &str) -> BTreeSet<String> {
    host.recipe(recipe);
    let planned = host.agent("plan --json");
    let converged = host.agent("converge --json").exits(0);
    assert_eq!(
        having(&converged, "changed"),
        having(&planned, "pending"),
        "what changed is what the plan said:\n{recipe}"
    );
    assert_eq!(host.agent("converge --json").exits(0).json()["changed"], 0, "again changes nothing:\n{recipe}");
    having(&converged, "changed")
}

/// Converges, and shows that a failure stays one until it is cured.
fn fails(host: &Machine, recipe: &str) -> Said {
    host.recipe(recipe);
    host.agent("converge").exits(1);
    host.agent("converge").exits(1)
}

/// What PostgreSQL answers to its superuser.
fn sql(host: &Machine, database: &str, statement: &str) -> String {
    host.write("/run/statement.sql", statement);
    let said =
        host.sh(&format!("runuser -u postgres -- psql -qAtX -v ON_ERROR_STOP=1 -d '{database}' -f /run/statement.sql"));
    said.succeeds().text().to_owned()
}
