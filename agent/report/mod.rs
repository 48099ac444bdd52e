//! What came of a plan or a run, and where it is shown: a terminal or a pipe, JSON, the journal, the last run's report.
//!
//! Only this folder and `cli` print. Everything is a text first, so that tests read what a person reads.

pub mod analysis;
pub mod certificates;
pub mod colour;
mod diff;
mod entry;
pub mod journal;
pub mod json;
pub mod last_run;
pub mod lead;
mod live;
pub mod message_ids;
pub mod moment;
pub mod out;
pub mod screen;
mod sheet;
pub mod status;
pub mod terminal;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod words;

pub use colour::{Colour, Ink};
pub use json::Report;
pub use lead::Lead;
pub use screen::Screen;
pub use terminal::Detail;
