//! The tree of a recipe: every key and every value knows where it was written.

use std::collections::BTreeMap;

use toml::de::{DeTable, DeValue};

use super::{secrets, syntax};
use crate::problem::{KeyPath, Problem, Problems, SourceId, Sources, Span, Step};

/// How deep tables and arrays may stand in one another; every walk over the tree recurses no deeper.
pub const DEEPEST: usize = 64;

/// One value and where it was written.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// The value.
    pub value: Value,
    /// Where it was written; for a table with a header the header, for a whole recipe its first byte.
    pub span: Span,
    /// Whether the value came out of `{{ … }}`: a string may then be read as the integer or boolean it spells.
    pub woven: bool,
}

/// A TOML value; dates have no use in recipes.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Text.
    String(String),
    /// A whole number.
    Integer(i64),
    /// A number with a fraction.
    Float(f64),
    /// `true` or `false`.
    Bool(bool),
    /// A list, also one written as `[[…]]`.
    Array(Vec<Node>),
    /// A table, also an inline one.
    Table(Table),
    /// Something was here and was wrong. It is reported already; whatever follows from its absence is not.
    Withheld,
}

/// The entries of a table.
pub type Table = BTreeMap<String, Entry>;

/// A key of a table with its value.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Where the key was written.
    pub key: Span,
    /// What stands under it.
    pub value: Node,
}

impl Node {
    /// A value as it was written.
    pub fn new(value: Value, span: Span) -> Self {
        Self { value, span, woven: false }
    }

    /// Whether it was taken out because it is wrong.
    pub fn is_withheld(&self) -> bool {
        self.value == Value::Withheld
    }

    /// The entries, if it is a table.
    pub fn table(&self) -> Option<&Table> {
        match &self.value {
            Value::Table(table) => Some(table),
            _ => None,
        }
    }

    /// The entries to change, if it is a table.
    pub fn table_mut(&mut self) -> Option<&mut Table> {
        match &mut self.value {
            Value::Table(table) => Some(table),
            _ => None,
        }
    }

    /// The text, if it is a string.
    pub fn string(&self) -> Option<&str> {
        match &self.value {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    /// The value one step down.
    pub fn step(&self, step: &Step) -> Option<&Self> {
        match (&self.value, step) {
            (Value::Table(table), Step::Key(key)) => table.get(key).map(|entry| &entry.value),
            (Value::Array(elements), Step::Index(index)) => elements.get(*index),
            _ => None,
        }
    }

    fn step_mut(&mut self, step: &Step) -> Option<&mut Self> {
        match (&mut self.value, step) {
            (Value::Table(table), Step::Key(key)) => table.get_mut(key).map(|entry| &mut entry.value),
            (Value::Array(elements), Step::Index(index)) => elements.get_mut(*index),
            _ => None,
        }
    }

    /// The value at `path`.
    pub fn get(&self, path: &KeyPath) -> Option<&Self> {
        path.steps().iter().try_fold(self, |node, step| node.step(step))
    }

    /// The value at `path`, to change it.
    pub fn get_mut(&mut self, path: &KeyPath) -> Option<&mut Self> {
        path.steps().iter().try_fold(self, |node, step| node.step_mut(step))
    }

    /// Where the last key of `path` was written; for an element of an array its value.
    pub fn key_span(&self, path: &KeyPath) -> Option<Span> {
        let (last, _) = path.steps().split_last()?;
        let parent = self.get(&path.parent()?)?;
        match (last, &parent.value) {
            (Step::Key(key), Value::Table(table)) => table.get(key).map(|entry| entry.key.clone()),
            _ => parent.step(last).map(|node| node.span.clone()),
        }
    }

    /// Where `path` was written, or else the nearest table or array around it that was.
    pub fn locate(&self, path: &KeyPath) -> Span {
        let mut node = self;
        for step in path.steps() {
            match node.step(step) {
                Some(below) => node = below,
                None => break,
            }
        }
        node.span.clone()
    }

    /// Whether anything in it was taken out.
    pub fn has_withheld(&self) -> bool {
        match &self.value {
            Value::Withheld => true,
            Value::Array(elements) => elements.iter().any(Self::has_withheld),
            Value::Table(table) => table.values().any(|entry| entry.value.has_withheld()),
            _ => false,
        }
    }
}

/// The tree of a text that is among the sources of `problems`.
///
/// Every syntax error is noted. `None` when the rest of the text cannot be trusted after one.
pub fn parse(source: SourceId, text: &str, problems: &mut Problems) -> Option<Node> {
    if let Some(range) = syntax::key_with_too_many_parts(text) {
        let says = format!("a key of more than {} parts", syntax::MOST_KEY_PARTS);
        problems.push(Problem::new(Span::new(source, range), says).hint("recipes are at most a few tables deep"));
        return None;
    }
    let (root, errors) = DeTable::parse_recoverable(text);
    let mut reader = Reader { source, sources: problems.sources_mut(), found: Vec::new() };
    // Also with syntax errors: it finds what must be hidden when a line is cited.
    let node = reader.table(root.get_ref(), Span::new(source, 0..0), 0);
    let found = reader.found;
    if !syntax::note(source, text, &errors, &node, problems) {
        return None;
    }
    problems.extend(found);
    Some(node)
}

struct Reader<'a> {
    source: SourceId,
    sources: &'a mut Sources,
    found: Vec<Problem>,
}

impl Reader<'_> {
    fn table(&mut self, table: &DeTable<'_>, span: Span, depth: usize) -> Node {
        let entries = table.iter().map(|(key, value)| {
            let node = self.node(value, depth + 1);
            if secrets::is_secret(key.get_ref()) {
                secrets::hide(&node, self.sources);
            }
            (key.get_ref().to_string(), Entry { key: Span::new(self.source, key.span()), value: node })
        });
        let entries: Table = entries.collect();
        secrets::hide_content(&entries, self.sources);
        Node::new(Value::Table(entries), span)
    }

    fn node(&mut self, spanned: &toml::Spanned<DeValue<'_>>, depth: usize) -> Node {
        let span = Span::new(self.source, spanned.span());
        if depth > DEEPEST {
            let says = format!("tables and arrays stand more than {DEEPEST} deep in one another");
            return self.withhold(Problem::new(&span, says), span);
        }
        let value = match spanned.get_ref() {
            DeValue::String(text) => {
                secrets::hide_in_url(&span, self.sources);
                Value::String(text.to_string())
            }
            DeValue::Boolean(yes) => Value::Bool(*yes),
            DeValue::Integer(integer) => match i64::from_str_radix(integer.as_str(), integer.radix()) {
                Ok(number) => Value::Integer(number),
                Err(_) => return self.withhold(Problem::new(&span, "the integer does not fit into 64 bits"), span),
            },
            DeValue::Float(float) => match float.as_str().parse::<f64>() {
                Ok(number) if number.is_finite() => Value::Float(number),
                _ => return self.withhold(Problem::new(&span, "the number is not finite"), span),
            },
            DeValue::Datetime(_) => {
                let problem =
                    Problem::new(&span, "dates are not used in recipes").hint("write it as a string, in quotes");
                return self.withhold(problem, span);
            }
            DeValue::Array(elements) => {
                Value::Array(elements.iter().map(|element| self.node(element, depth + 1)).collect())
            }
            DeValue::Table(table) => return self.table(table, span, depth),
        };
        Node::new(value, span)
    }

    fn withhold(&mut self, problem: Problem, span: Span) -> Node {
        self.found.push(problem);
        Node::new(Value::Withheld, span)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::Style;

    fn parsed(text: &str) -> (Option<Node>, Problems) {
        let mut problems = Problems::default();
        let source = problems.sources_mut().add("r.toml", text);
        let node = parse(source, text, &mut problems);
        (node, problems)
    }

    #[test]
    fn every_value_knows_where_it_was_written() {
        let text = "[[nginx.site]]\nname = \"api\"\nproxy = { port = 3000 }\n";
        let (node, problems) = parsed(text);
        let root = node.unwrap();
        let site = KeyPath::root().key("nginx").key("site").index(0);
        for (path, cited) in [
            (site.key("name"), "\"api\""),
            (site.key("proxy").key("port"), "3000"),
            (site.clone(), "[[nginx.site]]"),
            (site.key("certificate"), "[[nginx.site]]"),
            (site.key("proxy").key("to").index(3), "{ port = 3000 }"),
        ] {
            assert_eq!(problems.sources().text(&root.locate(&path)), cited, "{path}");
        }
        assert_eq!(problems.sources().text(&root.key_span(&site.key("name")).unwrap()), "name");
    }

    #[test]
    fn depth_is_bounded_whichever_way_it_is_written() {
        let arrays = format!("a = {}{}", "[".repeat(70), "]".repeat(70));
        let inline = format!("a = {}1{}", "{ b = ".repeat(70), "}".repeat(70));
        let dotted = format!("{}a = 1", "a.".repeat(100_000));
        let header = format!("[{}a]\n", "a . ".repeat(100_000));
        let both = format!("a = {}1{}", format!("{{ {}b = ", "b.".repeat(15)).repeat(79), "}".repeat(79));
        let bare = "a = [".repeat(100_000);
        for text in [arrays, inline, dotted, header, both, bare] {
            let (_, problems) = parsed(&text);
            assert!(!problems.is_empty(), "{}", text.get(..40).unwrap());
        }
    }

    #[test]
    fn values_without_a_use_are_withheld_and_reported() {
        let (node, problems) = parsed("a = 2024-01-01\nb = 99999999999999999999\nc = inf\nd = 0x10\n");
        assert_eq!(
            problems.render(Style::Plain),
            "\
error: dates are not used in recipes
 --> r.toml:1:5
  |
1 | a = 2024-01-01
  |     ^^^^^^^^^^
  |
  = help: write it as a string, in quotes

error: the integer does not fit into 64 bits
 --> r.toml:2:5
  |
2 | b = 99999999999999999999
  |     ^^^^^^^^^^^^^^^^^^^^

error: the number is not finite
 --> r.toml:3:5
  |
3 | c = inf
  |     ^^^

3 problems; nothing was touched
"
        );
        let root = node.unwrap();
        assert!(root.has_withheld());
        assert_eq!(root.step(&Step::Key("d".into())).unwrap().value, Value::Integer(16));
    }
}
