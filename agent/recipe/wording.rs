//! A complaint in words: what was found, what is wanted, in TOML's terms, and how to write it.

use std::borrow::Cow;

use super::complaint::{Complaint, Kind};
use super::document::{Node, Value};
use crate::problem::{KeyPath, Problem, Sources, Span, Step, nearest};

/// How many names a hint lists.
const MOST_NAMES: usize = 8;

/// How much of a string a message repeats, in characters.
const MOST_TEXT: usize = 40;

/// The problem that the complaint is; `None` for one that is not to be shown.
pub(super) fn problem(complaint: &Complaint, root: &Node, sources: &Sources) -> Option<Problem> {
    let path = complaint.path();
    let subject = Subject { node: root.get(&path)?, key: root.key_span(&path), path: &path, sources };
    let key_or_value = || subject.place(complaint.is_about_key());
    Some(match complaint.kind() {
        Kind::Unexpected { expected, found } => {
            subject.unexpected(key_or_value(), expected, found, complaint.is_about_key())
        }
        Kind::NoTable(keys) => subject.no_table(keys),
        Kind::UnknownKey { key, known } => subject.unknown_key(key, known),
        Kind::UnknownChoice { choice, known } if complaint.is_about_key() => subject.unknown_key(choice, known),
        Kind::UnknownChoice { choice, known } => subject.unknown_choice(choice, known),
        Kind::NoChoice(known) => {
            let says = format!("expected one of {}, found {}", names(known), subject.found());
            Problem::new(&subject.node.span, says)
        }
        Kind::ManyChoices(found) => {
            let problem = Problem::new(&subject.node.span, format!("expected one key, found {}", names(found)));
            problem.hint("keep one of them")
        }
        Kind::ChoiceWithoutValue(name) => {
            let problem = Problem::new(&subject.node.span, format!("`{name}` needs a value"));
            problem.hint(format!("write `{}{{ {name} = … }}`", subject.assignment()))
        }
        Kind::ChoiceWithValue(name) => {
            let problem = Problem::new(&subject.node.span, format!("`{name}` has no value"));
            problem.hint(format!("write `{}\"{name}\"`", subject.assignment()))
        }
        Kind::Missing(key) => {
            let says = format!("missing `{key}`{}", within(&path));
            Problem::new(&subject.node.span, says).hint(format!("add `{key} = …`"))
        }
        Kind::Twice(key) => {
            let problem = Problem::new(&subject.node.span, format!("`{key}` is here twice, once under another name"));
            problem.hint("keep one of them")
        }
        Kind::Custom(words) => custom(key_or_value(), words),
        Kind::Consequence => return None,
    })
}

/// The known key that an unknown one was meant to be.
pub(super) fn near_key<'a>(key: &str, known: &[&'a str]) -> Option<&'a str> {
    nearest(key, known.iter().copied())
}

/// The type's own words, of which a line may be the hint.
fn custom(at: Span, words: &str) -> Problem {
    match words.split_once("\nhint: ") {
        Some((says, hint)) => Problem::new(at, says).hint(hint),
        None => Problem::new(at, words),
    }
}

/// What a complaint is about.
struct Subject<'a> {
    node: &'a Node,
    key: Option<Span>,
    path: &'a KeyPath,
    sources: &'a Sources,
}

impl Subject<'_> {
    fn place(&self, is_key: bool) -> Span {
        self.key.clone().filter(|_| is_key).unwrap_or_else(|| self.node.span.clone())
    }

    fn unknown_key(&self, key: &str, known: &[&str]) -> Problem {
        let parent = self.path.parent().unwrap_or_default();
        let problem = Problem::new(self.place(true), format!("unknown key `{key}`{}", within(&parent)));
        match (near_key(key, known), known) {
            (Some(near), _) => problem.hint(format!("did you mean `{near}`?")),
            (None, []) => problem.hint("nothing can be set here"),
            (None, [only]) => problem.hint(format!("the only key here is `{only}`")),
            (None, _) if known.len() <= MOST_NAMES => problem.hint(format!("the keys here are {}", names(known))),
            (None, _) => problem,
        }
    }

    fn unknown_choice(&self, choice: &str, known: &[&str]) -> Problem {
        let says = match self.path.last_key() {
            _ if self.sources.is_hidden(&self.node.span) => "not one of the choices".to_owned(),
            Some(key) => format!("`{}` is not a choice for `{key}`", shortened(choice)),
            None => format!("`{}` is not a choice", shortened(choice)),
        };
        let problem = Problem::new(&self.node.span, says);
        match near_key(choice, known) {
            Some(near) => problem.hint(format!("did you mean `{near}`?")),
            None => problem.hint(format!("write one of {}", names(known))),
        }
    }

    fn no_table(&self, keys: &[&str]) -> Problem {
        let problem = Problem::new(&self.node.span, format!("expected a table, found {}", self.found()));
        match &self.node.value {
            Value::Array(_) if self.text().starts_with("[[") => {
                problem.hint(format!("there is only one: write `[{}]`", self.path.header()))
            }
            _ if keys.is_empty() => problem,
            _ if keys.len() <= MOST_NAMES => problem.hint(format!("its keys are {}", names(keys))),
            _ => problem,
        }
    }

    fn unexpected(&self, at: Span, expected: &str, found: &str, is_key: bool) -> Problem {
        if is_key {
            return Problem::new(at, format!("expected {}, found the key {found}", in_toml(expected, self.node)));
        }
        let is_length = found.ends_with(" element") || found.ends_with(" elements");
        let seen = if is_length { Cow::Borrowed(found) } else { self.found() };
        let wanted = in_toml(expected, self.node);
        let problem = Problem::new(at, format!("expected {wanted}, found {seen}"));
        match self.how_to_write(&wanted) {
            Some(hint) => problem.hint(hint),
            None => problem,
        }
    }

    /// The usual slips.
    fn how_to_write(&self, wanted: &str) -> Option<String> {
        let key = self.assignment();
        let wants = |word: &str| wanted.split([' ', ',', '`']).any(|found| found == word);
        match &self.node.value {
            Value::Table(_) if wants("array") || wants("list") => Some(if self.text().starts_with('[') {
                format!("write `[[{}]]`", self.path.header())
            } else {
                format!("write `{key}[{{ … }}]`")
            }),
            Value::String(text) if wants("integer") && text.parse::<i64>().is_ok() => {
                Some(format!("write `{key}{text}`, without quotes"))
            }
            Value::String(text) if wants("true") && text.parse::<bool>().is_ok() => {
                Some(format!("write `{key}{text}`, without quotes"))
            }
            Value::String(_) | Value::Integer(_) | Value::Float(_) | Value::Bool(_)
                if (wants("array") || wants("list")) && !self.sources.is_hidden(&self.node.span) =>
            {
                Some(format!("write `{key}[{}]`", self.scalar()?))
            }
            Value::Integer(_) | Value::Float(_) | Value::Bool(_) if wants("string") => {
                Some(format!("write `{key}\"{}\"`", self.scalar()?))
            }
            Value::Array(elements) if wants("string") && elements.len() == 1 => {
                Some("write the one element without brackets".to_owned())
            }
            _ => None,
        }
    }

    /// What is there, with its value if that is short and may be seen.
    fn found(&self) -> Cow<'static, str> {
        let hidden = self.sources.is_hidden(&self.node.span);
        Cow::Owned(match &self.node.value {
            Value::String(_) if hidden => return Cow::Borrowed("a string"),
            Value::String(text) => format!("the string {:?}", shortened(text)),
            Value::Integer(number) => format!("the integer {number}"),
            Value::Float(number) => format!("the number {number}"),
            Value::Bool(yes) => format!("`{yes}`"),
            Value::Array(elements) if elements.is_empty() => return Cow::Borrowed("an empty array"),
            Value::Array(elements) if elements.iter().all(|element| element.table().is_some()) => {
                return Cow::Borrowed("an array of tables");
            }
            Value::Array(_) => return Cow::Borrowed("an array"),
            Value::Table(table) if table.is_empty() => return Cow::Borrowed("an empty table"),
            Value::Table(_) | Value::Withheld => return Cow::Borrowed("a table"),
        })
    }

    /// A scalar as TOML writes it.
    fn scalar(&self) -> Option<String> {
        match &self.node.value {
            Value::String(text) => Some(format!("{:?}", shortened(text))),
            Value::Integer(number) => Some(number.to_string()),
            Value::Float(number) => Some(number.to_string()),
            Value::Bool(yes) => Some(yes.to_string()),
            _ => None,
        }
    }

    /// `key = `, or nothing for an element of an array.
    fn assignment(&self) -> String {
        match self.path.steps().last() {
            Some(Step::Key(key)) => format!("{} = ", KeyPath::root().key(key.as_str())),
            _ => String::new(),
        }
    }

    fn text(&self) -> &str {
        self.sources.text(&self.node.span)
    }
}

/// serde's name for what it wants, in TOML's terms. Words of hand-written visitors stay.
fn in_toml<'a>(expected: &'a str, found: &Node) -> Cow<'a, str> {
    let is_integer = matches!(found.value, Value::Integer(_));
    let range = match expected {
        "i8" => "from -128 to 127",
        "i16" => "from -32768 to 32767",
        "i32" => "from -2147483648 to 2147483647",
        "u8" => "from 0 to 255",
        "u16" => "from 0 to 65535",
        "u32" => "from 0 to 4294967295",
        "u64" | "u128" | "usize" => "of 0 or more",
        "i64" | "i128" | "isize" => "",
        "f32" | "f64" => return Cow::Borrowed("a number"),
        "a boolean" => return Cow::Borrowed("`true` or `false`"),
        "a sequence" => return Cow::Borrowed("an array"),
        "a map" => return Cow::Borrowed("a table"),
        "a character" => return Cow::Borrowed("a string of one character"),
        "a borrowed string" => return Cow::Borrowed("a string"),
        _ if expected.starts_with("struct ") => return Cow::Borrowed("a table"),
        _ if expected.starts_with("tuple ")
            || expected.starts_with("a tuple ")
            || expected.starts_with("an array of length") =>
        {
            let size = expected.rsplit(' ').find(|word| word.parse::<usize>().is_ok());
            return size.map_or(Cow::Borrowed("an array"), |count| Cow::Owned(format!("an array of {count} elements")));
        }
        _ => return Cow::Borrowed(expected),
    };
    match range {
        _ if !is_integer => Cow::Borrowed("an integer"),
        "" => Cow::Borrowed("an integer"),
        range => Cow::Owned(format!("an integer {range}")),
    }
}

/// Where a key is missing or unknown; nothing for the recipe itself.
fn within(path: &KeyPath) -> String {
    if path.steps().is_empty() { String::new() } else { format!(" in `{path}`") }
}

fn names<S: AsRef<str>>(known: &[S]) -> String {
    known.iter().map(|name| format!("`{}`", name.as_ref())).collect::<Vec<_>>().join(", ")
}

fn shortened(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(MOST_TEXT) {
        Some((end, _)) => Cow::Owned(format!("{}…", text.get(..end).unwrap_or_default())),
        None => Cow::Borrowed(text),
    }
}
