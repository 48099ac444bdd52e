//! A complaint in words: what was found, what is wanted, in TOML's terms, and how to write it.

use std::borrow::Cow;

use super::complaint::{Complaint, Kind};
use super::document::{Node, Value};
use super::guide::Guide;
use super::later;
use crate::problem::{KeyPath, Problem, Sources, Span, Step, nearest};

/// How many names a hint lists.
const MOST_NAMES: usize = 8;

/// How many tables a hint names.
const MOST_HOMES: usize = 2;

/// How much of a string a message repeats, in characters.
const MOST_TEXT: usize = 40;

/// The problem that the complaint is; `None` for one that is not to be shown.
pub(super) fn problem(complaint: &Complaint, root: &Node, guide: &Guide, sources: &Sources) -> Option<Problem> {
    let path = complaint.path();
    let subject = Subject { node: root.get(&path)?, key: root.key_span(&path), path: &path, guide, sources };
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
        Kind::Missing(key) => subject.missing(key),
        Kind::LiteralSecret => {
            let says = "a secret cannot stand in a recipe, which others can read";
            let key = subject.assignment();
            let there = format!("say where it is: `{key}{{ file = \"/run/credentials/…\" }}`");
            let made = format!(", or let hostagent make one: `{key}{{ generate = 32 }}`");
            // Of a hash nobody would know the password.
            let is_hash = path.last_key().is_some_and(|key| key.ends_with("hash"));
            Problem::new(&subject.node.span, says).hint(if is_hash { there } else { there + &made })
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
    guide: &'a Guide,
    sources: &'a Sources,
}

impl Subject<'_> {
    fn place(&self, is_key: bool) -> Span {
        self.key.clone().filter(|_| is_key).unwrap_or_else(|| self.node.span.clone())
    }

    fn unknown_key(&self, key: &str, known: &[&str]) -> Problem {
        let parent = self.path.parent().unwrap_or_default();
        let is_header = parent.steps().is_empty() && self.is_header();
        if let Some(remedy) = later::remedy(self.path) {
            let says = format!("`{key}` is not supported by this version of hostagent");
            return Problem::new(self.place(true), says).hint(remedy);
        }
        let what = if is_header { "table" } else { "key" };
        let problem = Problem::new(self.place(true), format!("unknown {what} `{key}`{}", within(&parent)));
        match (near_key(key, known), known) {
            (Some(near), _) => problem.hint(format!("did you mean `{near}`?")),
            (None, []) => problem.hint("nothing can be set here"),
            (None, [only]) => problem.hint(format!("the only key here is `{only}`")),
            (None, _) => match self.belongs(key) {
                Some(hint) => problem.hint(hint),
                None if is_header => problem.hint(format!("the tables are {}", tables(known))),
                None if known.len() <= MOST_NAMES => problem.hint(format!("the keys here are {}", names(known))),
                None => problem.hint("`hostagent schema` describes every key there is"),
            },
        }
    }

    /// The table that has the key, where there is not too much to choose from.
    fn belongs(&self, key: &str) -> Option<String> {
        let homes = self.guide.homes(key, self.path);
        if let Some(itself) = homes.iter().find(|home| home.keys == [key]) {
            return Some(format!("it is a table of its own: `{}`", itself.header()));
        }
        let headers: Vec<String> = homes.iter().map(|home| format!("`{}`", home.header())).collect();
        (1..=MOST_HOMES).contains(&headers.len()).then(|| format!("it belongs to {}", headers.join(" or ")))
    }

    /// Every key that must be there and is not, in one problem.
    fn missing(&self, first: &str) -> Problem {
        let is_there = |key: &str| self.node.table().is_some_and(|table| table.contains_key(key));
        let others = self.guide.required(self.path).into_iter().filter(|key| *key != first && !is_there(key));
        let keys: Vec<&str> = std::iter::once(first).chain(others).collect();
        let lines: Vec<String> = keys.iter().map(|key| format!("`{key} = …`")).collect();
        let listed: Vec<String> = keys.iter().map(|key| format!("`{key}`")).collect();
        Problem::new(&self.node.span, format!("missing {}{}", listed.join(" and "), within(self.path)))
            .hint(format!("add {}", lines.join(" and ")))
    }

    fn unknown_choice(&self, choice: &str, known: &[&str]) -> Problem {
        let says = match self.path.last_key() {
            Some(key) if self.sources.is_hidden(&self.node.span) => format!("not a choice for `{key}`"),
            Some(key) => format!("`{}` is not a choice for `{key}`", shortened(choice)),
            None => format!("`{}` is not a choice", shortened(choice)),
        };
        let problem = Problem::new(&self.node.span, says);
        match near_key(choice, known) {
            Some(near) => problem.hint(format!("did you mean `{near}`?")),
            None => problem.hint(format!("write one of {}", names(known))),
        }
    }

    /// Whether it was written under a header, not after `=`.
    fn is_header(&self) -> bool {
        let header = |node: &Node| node.table().is_some() && self.sources.text(&node.span).starts_with('[');
        match &self.node.value {
            Value::Array(elements) => elements.first().is_some_and(header),
            _ => header(self.node),
        }
    }

    fn no_table(&self, keys: &[&str]) -> Problem {
        let problem = Problem::new(&self.node.span, format!("expected a table, found {}", self.found()));
        match &self.node.value {
            Value::Array(_) if self.is_header() => {
                problem.hint(format!("there is only one: write `[{}]`", self.path.header()))
            }
            _ if (1..=MOST_NAMES).contains(&keys.len()) => problem.hint(format!("its keys are {}", names(keys))),
            _ => match self.path.steps() {
                [Step::Key(key)] => problem.hint(format!("write `[{key}]`, and a key on each line after it")),
                _ => problem,
            },
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
        let is_list = wanted == "an array";
        let wants = |word: &str| wanted.split([' ', ',', '`']).any(|found| found == word);
        match &self.node.value {
            Value::Table(_) if is_list && self.list_takes("object") => Some(if self.is_header() {
                format!("write `[[{}]]`", self.path.header())
            } else {
                format!("write `{key}[{{ … }}]`")
            }),
            Value::Integer(_) if wanted.starts_with("a mode") => {
                let octal = self.text().trim_start_matches("0o");
                let is_octal = !octal.is_empty() && octal.bytes().all(|b| (b'0'..=b'7').contains(&b));
                is_octal.then(|| format!("write `{key}\"{octal:0>4}\"`"))
            }
            Value::Integer(number @ 0..) if wanted.starts_with("a time in quotes") => {
                Some(format!("write `{key}\"{number}s\"` if it is seconds"))
            }
            Value::Integer(number @ 0..) if wanted.starts_with("a size in quotes") => Some(size(&key, *number, wanted)),
            Value::String(text) if wants("integer") && text.parse::<i64>().is_ok() => {
                Some(format!("write `{key}{text}`, without quotes"))
            }
            Value::String(text) if wants("true") && text.parse::<bool>().is_ok() => {
                Some(format!("write `{key}{text}`, without quotes"))
            }
            Value::String(_) | Value::Integer(_) | Value::Float(_) | Value::Bool(_)
                if is_list && self.list_takes(self.kind()) && !self.sources.is_hidden(&self.node.span) =>
            {
                Some(format!("write `{key}[{}]`", self.scalar()?))
            }
            Value::Integer(_) | Value::Float(_) | Value::Bool(_)
                if wants("string") && !self.sources.is_hidden(&self.node.span) =>
            {
                Some(format!("write `{key}\"{}\"`", self.scalar()?))
            }
            Value::Array(elements) if wants("string") && elements.len() == 1 => {
                Some("write the one element without brackets".to_owned())
            }
            _ => None,
        }
    }

    /// Whether what stands here may stand in the list that is wanted; also when nobody knows.
    fn list_takes(&self, kind: &str) -> bool {
        self.guide.items(self.path).is_none_or(|kinds| kinds.contains(&kind))
    }

    /// Its type as a schema names it.
    fn kind(&self) -> &'static str {
        match &self.node.value {
            Value::String(_) => "string",
            Value::Integer(_) => "integer",
            Value::Float(_) => "number",
            Value::Bool(_) => "boolean",
            Value::Array(_) => "array",
            Value::Table(_) | Value::Withheld => "object",
        }
    }

    /// What is there, with its value if that is short and may be seen.
    fn found(&self) -> Cow<'static, str> {
        let hidden = self.sources.is_hidden(&self.node.span);
        Cow::Owned(match &self.node.value {
            Value::String(_) if hidden => return Cow::Borrowed("a string"),
            Value::Integer(_) | Value::Float(_) if hidden => return Cow::Borrowed("a number"),
            Value::String(text) => format!("the string {:?}", shortened(text)),
            Value::Integer(number) => format!("the integer {}", self.as_written(number)),
            Value::Float(number) => format!("the number {}", self.as_written(number)),
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

    /// A number with the base and the digits that it was written with.
    fn as_written(&self, number: &impl ToString) -> String {
        if self.node.woven { number.to_string() } else { self.text().to_owned() }
    }

    /// A scalar as TOML writes it.
    fn scalar(&self) -> Option<String> {
        match &self.node.value {
            Value::String(text) => Some(format!("{:?}", shortened(text))),
            Value::Integer(number) => Some(self.as_written(number)),
            Value::Float(number) => Some(self.as_written(number)),
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

/// How to write a number that has no unit: with the unit of the example in what is wanted, unless it looks like bytes.
fn size(key: &str, number: i64, wanted: &str) -> String {
    let unit = wanted.trim_end_matches('"').trim_start_matches(|c: char| !c.is_ascii_digit());
    let unit = unit.trim_start_matches(|c: char| c.is_ascii_digit());
    // Nobody writes hundreds of GiB: the smaller unit was meant.
    let unit = if unit == "GiB" && number >= 100 { "MiB" } else { unit };
    if number == 0 || number >= 1 << 20 {
        return format!("write `{key}\"{number}{}\"`, which is bytes", if unit.ends_with('B') { "B" } else { "" });
    }
    format!("write `{key}\"{number}{unit}\"`; without a unit it would be {number} bytes")
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

fn tables(known: &[&str]) -> String {
    let header = |name: &&&str| !["format", "base", "vars"].contains(name);
    names(&known.iter().filter(header).collect::<Vec<_>>())
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
