//! What a serde type dislikes about a node: the kind of complaint and the path to the node, kept apart from words.

use std::fmt;

use serde::de::{self, Expected, Unexpected};

use crate::problem::{KeyPath, Step};

/// The error of the deserializer.
#[derive(Debug)]
pub struct Complaint(Box<Content>);

#[derive(Debug)]
struct Content {
    kind: Kind,
    /// Innermost step first: it grows while the complaint travels up.
    steps: Vec<Step>,
    about_key: bool,
}

/// What is disliked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A value of another type, or one that the type does not take.
    Unexpected {
        /// In serde's words.
        expected: String,
        /// In serde's words; the node says it better.
        found: String,
    },
    /// A table was wanted, with these keys if they are known.
    NoTable(&'static [&'static str]),
    /// A key that the struct does not have.
    UnknownKey {
        /// The key.
        key: String,
        /// Those it has.
        known: &'static [&'static str],
    },
    /// A string or a key that is none of the choices.
    UnknownChoice {
        /// What was written.
        choice: String,
        /// The choices.
        known: &'static [&'static str],
    },
    /// A string or table was wanted that makes a choice.
    NoChoice(&'static [&'static str]),
    /// More than one choice in a table.
    ManyChoices(Vec<String>),
    /// A choice that needs a value was written as a string.
    ChoiceWithoutValue(&'static str),
    /// A choice that has no value was written as a table.
    ChoiceWithValue(&'static str),
    /// A key that must be there.
    Missing(&'static str),
    /// A key under two of its names.
    Twice(&'static str),
    /// The type's own words, perhaps with a line `hint: …`.
    Custom(String),
    /// A value where only a reference to a secret may stand.
    LiteralSecret,
    /// Follows from what is withheld; never shown.
    Consequence,
}

impl Complaint {
    /// A complaint about the node in hand.
    pub fn new(kind: Kind) -> Self {
        Self(Box::new(Content { kind, steps: Vec::new(), about_key: false }))
    }

    /// The same from one step further up.
    #[must_use]
    pub fn under(mut self, step: Step) -> Self {
        self.0.steps.push(step);
        self
    }

    /// The same about the key, not the value.
    #[must_use]
    pub fn about_key(mut self, key: &str) -> Self {
        self.0.about_key = true;
        self.under(Step::Key(key.to_owned()))
    }

    /// What is disliked.
    pub fn kind(&self) -> &Kind {
        &self.0.kind
    }

    /// The node from the root.
    pub fn path(&self) -> KeyPath {
        self.0.steps.iter().rev().cloned().collect()
    }

    /// Whether the last key of the path is meant, not what stands under it.
    pub fn is_about_key(&self) -> bool {
        self.0.about_key
    }
}

/// For serde's own use; people see the words of `wording`.
impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.kind {
            Kind::Custom(words) => f.write_str(words),
            kind => write!(f, "{kind:?}"),
        }
    }
}

impl std::error::Error for Complaint {}

impl de::Error for Complaint {
    fn custom<T: fmt::Display>(words: T) -> Self {
        Self::new(Kind::Custom(words.to_string()))
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new(Kind::Unexpected { expected: expected.to_string(), found: found.to_string() })
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::invalid_type(found, expected)
    }

    fn invalid_length(length: usize, expected: &dyn Expected) -> Self {
        let noun = if length == 1 { "element" } else { "elements" };
        Self::new(Kind::Unexpected { expected: expected.to_string(), found: format!("{length} {noun}") })
    }

    fn unknown_variant(choice: &str, known: &'static [&'static str]) -> Self {
        Self::new(Kind::UnknownChoice { choice: choice.to_owned(), known })
    }

    fn unknown_field(key: &str, known: &'static [&'static str]) -> Self {
        Self::new(Kind::UnknownKey { key: key.to_owned(), known })
    }

    fn missing_field(key: &'static str) -> Self {
        Self::new(Kind::Missing(key))
    }

    fn duplicate_field(key: &'static str) -> Self {
        Self::new(Kind::Twice(key))
    }
}
