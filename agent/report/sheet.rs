//! The three kinds of line that every report is made of.

use super::colour::{Hue, Ink};
use super::entry::hinted;
use super::words::tame;
use crate::engine::Cause;

/// A text that grows by lines.
#[derive(Debug)]
pub(crate) struct Sheet {
    ink: Ink,
    text: String,
}

impl Sheet {
    pub(crate) fn new(ink: Ink) -> Self {
        Self { ink, text: String::new() }
    }

    /// A sign, and what it stands before.
    pub(crate) fn sign(&mut self, hue: Hue, sign: &str, rest: &str) {
        self.add(&["  ", &self.ink.paint(hue, sign), " ", rest]);
    }

    /// A line below one with a sign.
    pub(crate) fn below(&mut self, hue: Hue, line: &str) {
        self.add(&["      ", &self.ink.paint(hue, line)]);
    }

    /// A name and a value, in two columns.
    pub(crate) fn row(&mut self, name: &str, value: &str) {
        self.add(&["  ", &format!("{name:<10}"), value]);
    }

    /// The words of whoever refused, and what to do.
    pub(crate) fn cause(&mut self, says: &str, hint: Option<&str>) {
        for line in says.trim_end().lines() {
            self.below(Hue::Plain, &tame(line));
        }
        for (hue, line) in hint.into_iter().flat_map(hinted) {
            self.below(hue, &line);
        }
    }

    /// Something with a sign that failed for this cause.
    pub(crate) fn failed(&mut self, headline: &str, cause: &Cause) {
        self.sign(Hue::Bad, "x", headline);
        self.cause(&cause.says, cause.hint.as_deref());
    }

    /// Lines as they are.
    pub(crate) fn raw(&mut self, lines: &str) {
        self.text.push_str(lines);
    }

    pub(crate) fn into_text(self) -> String {
        self.text
    }

    fn add(&mut self, parts: &[&str]) {
        self.text.push_str(&parts.concat());
        self.text.push('\n');
    }
}
