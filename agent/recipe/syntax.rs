//! What the TOML parser says, in the words of the other problems.
//!
//! The parser goes on after an error, so several are found at once; those that only follow from another are dropped.

use std::ops::Range;

use toml::de::Error;

use super::document::{Node, Value};
use super::secrets::is_secret;
use crate::problem::{Problem, Problems, SourceId, Span};

/// How many parts a dotted key may have. The parser bounds how deep brackets stand in one another, not this.
pub(super) const MOST_KEY_PARTS: usize = 16;

/// The parser's word for a key that is there twice. The first stays, and the rest of the text can be trusted.
const DUPLICATE: &str = "duplicate key";

/// Notes the errors; `false` when the tree they left cannot be trusted.
pub(super) fn note(source: SourceId, text: &str, errors: &[Error], tree: &Node, problems: &mut Problems) -> bool {
    let found: Vec<Found> = errors.iter().map(|error| Found::new(text, error)).collect();
    let sound = found.iter().all(|error| error.message == DUPLICATE);
    for error in causes(text, found) {
        let line = line_around(text, error.at.start);
        if let Some(equals) = text.get(line.clone()).and_then(secret_value) {
            problems.sources_mut().hide(&Span::new(source, line.start + equals..line.end));
        }
        let problem = error.problem(source, text);
        problems.push(match error.first(tree, text) {
            Some(other) => problem.beside(other),
            None => problem,
        });
    }
    sound
}

struct Found {
    message: String,
    expected: Option<String>,
    at: Range<usize>,
}

impl Found {
    fn new(text: &str, error: &Error) -> Self {
        let (message, expected) = match error.message().split_once(", expected ") {
            Some((message, expected)) => (message, Some(expected.to_owned())),
            None => (error.message(), None),
        };
        let at = error.span().unwrap_or(text.len()..text.len());
        Self { message: message.to_owned(), expected, at }
    }

    /// Whether it may be the first sign that a bracket is not closed.
    fn is_about_a_bracket(&self) -> bool {
        ["array", "inline table", "key-value pairs"].iter().any(|word| self.message.contains(word))
    }

    fn is_unclosed_bracket(&self) -> bool {
        matches!(self.message.as_str(), "unclosed array" | "unclosed inline table")
    }

    /// Of a key that is there twice, the first one; nothing where several could be it.
    fn first(&self, tree: &Node, text: &str) -> Option<Span> {
        if self.message != DUPLICATE {
            return None;
        }
        let named = header(text.get(line_around(text, self.at.start))?);
        if named.starts_with('[') {
            // The tree has the keys of both under one of them.
            let mut at = 0;
            let mut lines = text.get(..self.at.start)?.split_inclusive('\n').map(|line| {
                at += line.len();
                (at - line.len(), line)
            });
            let (start, line) = lines.find(|(_, line)| header(line) == named)?;
            return Some(Span::new(tree.span.source, start..start + line.len()));
        }
        let key = text.get(self.at.clone())?.trim_matches(['"', '\'']);
        let mut found = Vec::new();
        keys_before(tree, key, self.at.start, &mut found);
        if let [only] = found.as_slice() { Some(only.clone()) } else { None }
    }

    fn problem(&self, source: SourceId, text: &str) -> Problem {
        let at = Span::new(source, self.at.clone());
        let piece = text.get(self.at.clone()).unwrap_or_default();
        let line = text.get(line_around(text, self.at.start)).unwrap_or_default();
        match self.message.as_str() {
            DUPLICATE if line.trim_start().starts_with('[') => {
                let problem = Problem::new(at, format!("the table `{}` is here twice", header(line)));
                problem.hint("put all its keys under one of the two")
            }
            DUPLICATE => Problem::new(at, format!("`{piece}` is here twice")).hint("keep one of them"),
            "string values must be quoted" if piece.is_empty() => {
                Problem::new(at, "a key without a value").hint("write `key = value`")
            }
            "string values must be quoted" if piece.starts_with(['“', '”', '„', '‘', '’', '«']) => {
                let bare = piece.trim_matches(['“', '”', '„', '‘', '’', '«', '»']);
                Problem::new(at, "curly quotes do not make a string").hint(format!("write `{bare:?}`"))
            }
            "string values must be quoted" => {
                let quoted = format!("{piece:?}");
                Problem::new(at, "a string without quotes").hint(format!("write `{quoted}`"))
            }
            "invalid boolean" => Problem::new(at, "not a boolean").hint("write `true` or `false`"),
            "key with no value" | "invalid unquoted key" if line.contains(':') && !line.contains('=') => {
                Problem::new(at, "a key without a value").hint("write `key = value`, not `key: value`")
            }
            "unclosed array" => Problem::new(at, "an array is not closed before this")
                .hint("close it with `]`, or put a comma between its elements"),
            "unclosed inline table" => Problem::new(at, "an inline table is not closed before this")
                .hint("close it with `}`, or put a comma between its entries"),
            "key with no value" => Problem::new(at, "a key without a value").hint("write `key = value`"),
            "invalid basic string" | "invalid literal string" => {
                let problem = Problem::new(at, "the string is not closed, or holds what a string cannot");
                problem.hint("end it with the quote it began with")
            }
            "invalid multi-line basic string" | "invalid multi-line literal string" => {
                Problem::new(at, "the multi-line string is not closed").hint("end it with three quotes")
            }
            "unexpected leading zero" => {
                Problem::new(at, "a number does not begin with 0").hint("write a file mode as a string: `\"0644\"`")
            }
            "missing escaped value" => Problem::new(at, "unknown escape in a string")
                .hint("write `\\\\` for a backslash, or use single quotes"),
            "cannot recurse further; max recursion depth met" => {
                Problem::new(at, "brackets stand too deep in one another")
            }
            message => {
                let problem = Problem::new(at, message);
                match self.expected.as_deref() {
                    None | Some("nothing") => problem,
                    Some(expected) => problem.hint(format!("expected {expected}")),
                }
            }
        }
    }
}

/// The errors that are not consequences of another one: the first of a line, and the first sign of an open bracket.
fn causes(text: &str, mut found: Vec<Found>) -> Vec<Found> {
    // Duplicate keys are noted by the second pass of the parser, after all others.
    found.sort_by_key(|error| error.at.start);
    let unclosed = found.iter().rposition(Found::is_unclosed_bracket);
    let first_sign = found.iter().position(Found::is_about_a_bracket);
    if let (Some(first), Some(last)) = (first_sign, unclosed) {
        let which = found.get(last).map(|error| error.message.clone());
        found.drain(first + 1..=last.max(first));
        if let (Some(sign), Some(message)) = (found.get_mut(first), which) {
            sign.message = message;
        }
    }
    let mut line_end = None;
    found.retain(|error| {
        let is_first = line_end.is_none_or(|end| error.at.start > end);
        if is_first {
            line_end = Some(line_around(text, error.at.start).end);
        }
        is_first
    });
    found
}

/// Where this key stands before `end`.
fn keys_before(node: &Node, key: &str, end: usize, found: &mut Vec<Span>) {
    match &node.value {
        Value::Array(elements) => elements.iter().for_each(|element| keys_before(element, key, end, found)),
        Value::Table(table) => {
            for (name, entry) in table {
                if name == key && entry.key.range.start < end {
                    found.push(entry.key.clone());
                }
                keys_before(&entry.value, key, end, found);
            }
        }
        _ => {}
    }
}

/// A table's name in brackets, without what follows: that may be a secret whose line end is forgotten.
fn header(line: &str) -> &str {
    let line = line.trim();
    let mut quote = None;
    for (at, c) in line.char_indices() {
        match (quote, c) {
            (Some(open), _) if open == c => quote = None,
            (None, '"' | '\'') => quote = Some(c),
            (None, ']') => {
                let (name, rest) = line.split_at(at + 1);
                let is_list = line.starts_with("[[") && rest.starts_with(']');
                return line.get(..name.len() + usize::from(is_list)).unwrap_or(name);
            }
            _ => {}
        }
    }
    line.split(['=', '#']).next().unwrap_or_default()
}

/// The line that `offset` is in, without its end.
fn line_around(text: &str, offset: usize) -> Range<usize> {
    let at = text.floor_char_boundary(offset);
    let (before, after) = text.split_at(at);
    let start = before.rfind('\n').map_or(0, |newline| newline + 1);
    start..at + after.find('\n').unwrap_or(after.len())
}

/// Where the value begins on a line that sets a secret.
fn secret_value(line: &str) -> Option<usize> {
    let is_key = |before: &str| {
        let key = before.trim_end().trim_end_matches(['"', '\'']);
        key.rsplit(|c: char| !c.is_alphanumeric() && c != '_' && c != '-').next().is_some_and(is_secret)
    };
    line.match_indices('=').find(|(at, _)| line.get(..*at).is_some_and(is_key)).map(|(at, _)| {
        let value = line.get(at + 1..).unwrap_or_default();
        at + 1 + value.len() - value.trim_start().len()
    })
}

/// The first key with more dots than recipes need: the parser makes a table of each part and drops them recursively.
pub(super) fn key_with_too_many_parts(text: &str) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    let mut at = 0;
    let mut start = 0;
    let mut dots = 0;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'.' => dots += 1,
            b'\n' | b'=' | b',' | b'[' | b']' | b'{' | b'}' => {
                start = at + 1;
                dots = 0;
            }
            b'#' => at = end_of_comment(bytes, at),
            b'"' | b'\'' => at = end_of_string(bytes, at, *byte),
            _ => {}
        }
        if dots >= MOST_KEY_PARTS {
            return Some(start..at + 1);
        }
        at += 1;
    }
    None
}

/// The last byte of the comment at `at`.
fn end_of_comment(bytes: &[u8], at: usize) -> usize {
    bytes.iter().skip(at).position(|byte| *byte == b'\n').map_or(bytes.len(), |length| at + length - 1)
}

/// The last byte of the string that `quote` opens at `at`. A string of one line ends with the line at the latest.
fn end_of_string(bytes: &[u8], at: usize, quote: u8) -> usize {
    let fence = [quote; 3];
    let long = bytes.get(at..at + 3) == Some(&fence);
    let mut here = at + if long { 3 } else { 1 };
    while let Some(byte) = bytes.get(here) {
        match byte {
            b'\\' if quote == b'"' => here += 1,
            b'\n' if !long => return here - 1,
            _ if long && bytes.get(here..here + 3) == Some(&fence) => return here + 2,
            _ if !long && *byte == quote => return here,
            _ => {}
        }
        here += 1;
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::Style;
    use crate::recipe::document::parse;

    fn says(text: &str) -> String {
        let mut problems = Problems::default();
        let source = problems.sources_mut().add("r.toml", text);
        parse(source, text, &mut problems);
        problems.render(Style::Plain)
    }

    #[test]
    fn a_table_that_is_here_twice_is_named_without_what_follows() {
        for (line, name) in [
            ("[postgres]password = \"x\"", "[postgres]"),
            (" [[file]]  # x", "[[file]]"),
            ("[a.\"]\".'[']b", "[a.\"]\".'[']"),
            ("[a password = x", "[a password "),
            ("", ""),
        ] {
            assert_eq!(header(line), name);
        }
    }

    #[test]
    fn several_syntax_errors_are_reported_at_once() {
        assert_eq!(
            says("name = api\nport = 80\nmode = 0644\nspa = True\nport = 81\npath = \"/etc\ntitle: x\n"),
            "\
error: a string without quotes
 --> r.toml:1:8
  |
1 | name = api
  |        ^^^
  |
  = help: write `\"api\"`

error: a number does not begin with 0
 --> r.toml:3:8
  |
3 | mode = 0644
  |        ^
  |
  = help: write a file mode as a string: `\"0644\"`

error: not a boolean
 --> r.toml:4:7
  |
4 | spa = True
  |       ^^^^
  |
  = help: write `true` or `false`

error: `port` is here twice
 --> r.toml:5:1
  |
5 | port = 81
  | ^^^^
  |
  = note: the other one is at r.toml:2
  = help: keep one of them

error: the string is not closed, or holds what a string cannot
 --> r.toml:6:13
  |
6 | path = \"/etc
  |             ^
  |
  = help: end it with the quote it began with

error: a key without a value
 --> r.toml:7:6
  |
7 | title: x
  |      ^
  |
  = help: write `key = value`, not `key: value`

6 problems; nothing was touched
"
        );
    }

    #[test]
    fn an_open_bracket_is_one_problem() {
        assert_eq!(
            says("a = [1, 2\nb = 3\n[c]\nd = 4\n"),
            "\
error: an array is not closed before this
 --> r.toml:2:1
  |
2 | b = 3
  | ^
  |
  = help: close it with `]`, or put a comma between its elements

1 problem; nothing was touched
"
        );
    }

    #[test]
    fn dots_are_counted_in_keys_only() {
        let long = ".".repeat(100);
        for text in [
            format!("a = \"{long}\""),
            format!("a = '''\n{long}'''"),
            format!("a = \"\"\"\n\\\"{long}\"\"\""),
            format!("# {long}\na = 1"),
            format!("a = [{}]", "1.5, ".repeat(100)),
        ] {
            assert_eq!(key_with_too_many_parts(&text), None, "{text}");
        }
        assert_eq!(key_with_too_many_parts(&format!("a = 1\n\"x\"{long} = 1")), Some(6..25));
    }

    #[test]
    fn a_secret_is_not_cited_even_in_broken_toml() {
        let text = says("db_password = \"hunter2\nname = \"x\"\n[[role]]\npassword = 'hunter2' x\n");
        assert!(!text.contains("hunter2"), "{text}");
    }
}
