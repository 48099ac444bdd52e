//! The recipe document: TOML text to typed tables, with every problem cited.
//!
//! ```text
//!  text ──document──► Node ──merge──► Node ──vars, interpolate──► Node ──deserialize──► a serde struct
//!                (spans on every key and value; `loading` does it in order)
//! ```
//!
//! A problem at any step is noted and the piece it is about is withheld from the later steps, so that one mistake is
//! reported once and hides no other.

mod base;
pub mod complaint;
pub mod deserialize;
pub mod document;
pub mod guide;
pub mod interpolate;
mod later;
pub mod literal;
pub mod loading;
pub mod merge;
mod schema;
mod secrets;
mod syntax;
mod tables;
pub mod user_data;
pub mod vars;
mod wording;

pub use schema::schema;
pub use tables::{Recipe, plan};
