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

use crate::evidence::{changes, fails, sql};
