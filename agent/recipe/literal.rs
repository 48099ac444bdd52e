//! A value without a place: what a variable or a fact stands for.

use super::document::{Node, Value};
use crate::problem::Span;

/// A TOML value that is no table.
#[derive(Clone, Debug, PartialEq)]
pub enum Literal {
    /// Text.
    String(String),
    /// A whole number.
    Integer(i64),
    /// A number with a fraction.
    Float(f64),
    /// `true` or `false`.
    Bool(bool),
    /// A list.
    Array(Vec<Literal>),
}

impl Literal {
    /// The value of a node; `None` where a table or something withheld is in it.
    pub fn of(node: &Node) -> Option<Self> {
        Some(match &node.value {
            Value::String(text) => Self::String(text.clone()),
            Value::Integer(number) => Self::Integer(*number),
            Value::Float(number) => Self::Float(*number),
            Value::Bool(yes) => Self::Bool(*yes),
            Value::Array(elements) => Self::Array(elements.iter().map(Self::of).collect::<Option<_>>()?),
            Value::Table(_) | Value::Withheld => return None,
        })
    }

    /// The value in the place where `{{ … }}` stood.
    pub fn at(&self, span: &Span) -> Node {
        let value = match self {
            Self::String(text) => Value::String(text.clone()),
            Self::Integer(number) => Value::Integer(*number),
            Self::Float(number) => Value::Float(*number),
            Self::Bool(yes) => Value::Bool(*yes),
            Self::Array(elements) => Value::Array(elements.iter().map(|element| element.at(span)).collect()),
        };
        Node { value, span: span.clone(), woven: true }
    }

    /// The text within a longer string; a list has none.
    pub fn text(&self) -> Option<String> {
        match self {
            Self::String(text) => Some(text.clone()),
            Self::Integer(number) => Some(number.to_string()),
            Self::Float(number) => Some(number.to_string()),
            Self::Bool(yes) => Some(yes.to_string()),
            Self::Array(_) => None,
        }
    }

    /// What it is called in messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::String(_) => "a string",
            Self::Integer(_) => "an integer",
            Self::Float(_) => "a number",
            Self::Bool(_) => "a boolean",
            Self::Array(_) => "an array",
        }
    }

    /// Bytes, roughly, and how deep lists stand in one another: variables that name each other twice grow fast.
    pub(super) fn size(&self) -> (usize, usize) {
        match self {
            Self::String(text) => (text.len() + 1, 0),
            Self::Array(elements) => elements
                .iter()
                .map(Self::size)
                .fold((1, 1), |(bytes, depth), (more, below)| (bytes.saturating_add(more), depth.max(below + 1))),
            _ => (1, 0),
        }
    }
}

impl From<&str> for Literal {
    fn from(text: &str) -> Self {
        Self::String(text.to_owned())
    }
}

impl From<String> for Literal {
    fn from(text: String) -> Self {
        Self::String(text)
    }
}

impl From<i64> for Literal {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

impl From<bool> for Literal {
    fn from(yes: bool) -> Self {
        Self::Bool(yes)
    }
}
