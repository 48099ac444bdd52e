//! `{{ vars.x }}` and `{{ facts.x }}` in strings. Nothing else is evaluated.
//!
//! A string that is one reference and nothing else takes the value with its type, so `port = "{{ vars.port }}"` is an
//! integer. A literal `{{` is written `{{ "{{" }}`.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

use super::document::{Node, Value};
use super::literal::Literal;
use super::secrets::is_secret;
use crate::problem::{Problem, Problems, Sources, Span, nearest};

/// How many bytes references may add to a recipe: variables that name each other twice grow without bound.
const MOST_BYTES: usize = 16 << 20;

/// How deep lists may stand in one another in the value of a variable.
pub(super) const DEEPEST_LIST: usize = 16;

/// The facts a recipe may read.
#[derive(Clone, Copy)]
pub struct Facts<'a> {
    /// All names there are, also those that cannot be known here.
    pub names: &'a [&'a str],
    /// The value of a fact; `None` when it cannot be known on this host.
    pub value: &'a dyn Fn(&str) -> Option<Literal>,
}

impl fmt::Debug for Facts<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Facts").field("names", &self.names).finish_non_exhaustive()
    }
}

/// The values of variables; `None` for one that is declared but wrong.
pub type Values = BTreeMap<String, Option<Literal>>;

/// What a reference names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Namespace {
    /// `vars.`
    Vars,
    /// `facts.`
    Facts,
}

#[derive(Debug, PartialEq)]
enum Piece<'a> {
    Text(&'a str),
    Reference(Namespace, &'a str),
    /// Neither; with what stands in the braces, if they are closed.
    Mistake {
        says: &'static str,
        name: Option<&'a str>,
    },
}

/// Tells `found` about every reference in the strings of `node`.
pub fn references(node: &Node, found: &mut impl FnMut(Namespace, &str)) {
    match &node.value {
        Value::String(text) => {
            for (_, piece) in pieces(text) {
                if let Piece::Reference(namespace, name) = piece {
                    found(namespace, name);
                }
            }
        }
        Value::Array(elements) => elements.iter().for_each(|element| references(element, found)),
        Value::Table(table) => table.values().for_each(|entry| references(&entry.value, found)),
        _ => {}
    }
}

/// Puts values in the place of references.
#[derive(Debug)]
pub struct Weaver<'a> {
    facts: &'a Facts<'a>,
    bytes_left: usize,
}

impl<'a> Weaver<'a> {
    /// One for a whole recipe, over these facts.
    pub fn new(facts: &'a Facts<'a>) -> Self {
        Self { facts, bytes_left: MOST_BYTES }
    }

    /// Replaces the references in all strings of `node`; a string with a wrong one is withheld.
    pub fn weave(&mut self, node: &mut Node, values: &Values, problems: &mut Problems) {
        match &mut node.value {
            Value::String(text) if text.contains("{{") => {
                let whole = std::mem::take(text);
                *node = self.string(&whole, &node.span, values, problems);
            }
            Value::Array(elements) => {
                for element in elements {
                    self.weave(element, values, problems);
                }
            }
            Value::Table(table) => {
                for entry in table.values_mut() {
                    self.weave(&mut entry.value, values, problems);
                }
            }
            _ => {}
        }
    }

    fn string(&mut self, text: &str, span: &Span, values: &Values, problems: &mut Problems) -> Node {
        let withheld = Node::new(Value::Withheld, span.clone());
        let pieces = pieces(text);
        let is_alone = pieces.len() == 1;
        let mut woven = false;
        let mut whole = Some(String::new());
        for (range, piece) in &pieces {
            if let Piece::Reference(namespace, name) = piece {
                woven = true;
                if *namespace == Namespace::Vars && is_secret(name) {
                    problems.sources_mut().hide(span);
                }
            }
            let at = place(problems.sources(), span, text, range);
            match self.value(piece, at.clone(), values) {
                Ok(Some(literal)) if !self.pays(&literal) => {
                    let says = format!("the variables make the recipe larger than {} MiB", MOST_BYTES >> 20);
                    problems.push(Problem::new(span, says).hint("look for variables that name others many times"));
                    return withheld;
                }
                Ok(Some(literal)) if woven && is_alone => return literal.at(span),
                Ok(Some(literal)) => {
                    let more = literal.text();
                    if more.is_none() {
                        let says = format!("{} cannot stand within a longer string", literal.kind());
                        let reference = text.get(range.clone()).unwrap_or_default();
                        problems.push(Problem::new(at, says).hint(format!("write `\"{reference}\"` alone")));
                    }
                    whole = whole.zip(more).map(|(before, after)| before + &after);
                }
                Ok(None) => whole = None,
                Err(problem) => {
                    problems.push(problem);
                    whole = None;
                }
            }
        }
        whole.map_or(withheld, |text| Node { value: Value::String(text), span: span.clone(), woven })
    }

    /// What a piece stands for; `Ok(None)` for a variable whose own problem is reported already.
    fn value(&self, piece: &Piece<'_>, at: Span, values: &Values) -> Result<Option<Literal>, Problem> {
        match piece {
            Piece::Text(plain) => Ok(Some(Literal::from(*plain))),
            Piece::Mistake { says, name } => Err(mistake(at, says, *name, values)),
            Piece::Reference(Namespace::Vars, name) => variable(name, at, values),
            Piece::Reference(Namespace::Facts, name) => self.fact(name, at).map(Some),
        }
    }

    /// Whether the value still fits; takes its bytes off.
    fn pays(&mut self, literal: &Literal) -> bool {
        let (bytes, _) = literal.size();
        match self.bytes_left.checked_sub(bytes) {
            Some(left) => {
                self.bytes_left = left;
                true
            }
            None => false,
        }
    }

    fn fact(&self, name: &str, at: Span) -> Result<Literal, Problem> {
        if !self.facts.names.contains(&name) {
            let problem = Problem::new(at, format!("unknown fact `{name}`")).hint("`hostagent facts` lists them");
            return Err(problem.did_you_mean(name, self.facts.names.iter().copied()));
        }
        (self.facts.value)(name).ok_or_else(|| {
            Problem::new(at, format!("the fact `{name}` is not known on this host"))
                .hint("`hostagent facts` shows those that are")
        })
    }
}

fn variable(name: &str, at: Span, values: &Values) -> Result<Option<Literal>, Problem> {
    values.get(name).cloned().ok_or_else(|| {
        Problem::new(at, format!("unknown variable `{name}`"))
            .hint(format!("declare it: `{name} = …` in `[vars]`"))
            .did_you_mean(name, values.keys().map(String::as_str))
    })
}

/// A problem with what stands in `{{ … }}`, which may be a variable without its namespace.
fn mistake(at: Span, says: &str, inside: Option<&str>, values: &Values) -> Problem {
    let problem = Problem::new(at, says);
    if let Some(name) = inside {
        if values.contains_key(name) {
            return problem.hint(format!("did you mean `{{{{ vars.{name} }}}}`?"));
        }
        if let Some((namespace, rest)) = name.split_once('.')
            && let Some(near) = nearest(namespace, ["vars", "facts"])
        {
            return problem.hint(format!("did you mean `{{{{ {near}.{rest} }}}}`?"));
        }
    }
    problem.hint("write `{{ vars.name }}` or `{{ facts.name }}`; a literal `{{` is `{{ \"{{\" }}`")
}

/// The text between references, the references, and what is neither, with their bytes.
fn pieces(text: &str) -> Vec<(Range<usize>, Piece<'_>)> {
    let mut pieces = Vec::new();
    let mut at = 0;
    while let Some(rest) = text.get(at..) {
        let Some((plain, inside)) = rest.split_once("{{") else {
            if !rest.is_empty() {
                pieces.push((at..text.len(), Piece::Text(rest)));
            }
            break;
        };
        let open = at + plain.len();
        if !plain.is_empty() {
            pieces.push((at..open, Piece::Text(plain)));
        }
        let (length, piece) = reference(inside);
        at = open + 2 + length;
        pieces.push((open..at, piece));
    }
    pieces
}

/// What follows `{{`, and its bytes up to and with `}}`.
fn reference(inside: &str) -> (usize, Piece<'_>) {
    let trimmed = inside.trim_start();
    let blank = inside.len() - trimmed.len();
    for quote in ['"', '\''] {
        if let Some((literal, rest)) = trimmed.strip_prefix(quote).and_then(|quoted| quoted.split_once(quote))
            && rest.trim_start().starts_with("}}")
        {
            let length = blank + literal.len() + 2 + (rest.len() - rest.trim_start().len()) + 2;
            return (length, Piece::Text(literal));
        }
    }
    let Some((content, _)) = inside.split_once("}}") else {
        // The rest of the string is not looked at: it may hold anything.
        return (inside.len(), Piece::Mistake { says: "`{{` is not closed", name: None });
    };
    let name = content.trim();
    let piece = match name.split_once('.') {
        Some(("vars", var)) if is_name(var) => Piece::Reference(Namespace::Vars, var),
        Some(("facts", fact)) if is_name(fact) => Piece::Reference(Namespace::Facts, fact),
        _ => Piece::Mistake { says: "only variables and facts stand in `{{ }}`", name: Some(name) },
    };
    (content.len() + 2, piece)
}

/// Letters, digits, `_` and `-`, with dots between.
fn is_name(name: &str) -> bool {
    let is_part =
        |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    name.split('.').all(is_part)
}

/// The bytes of a piece of a string in the source, where it stands there as it is; else the string.
///
/// Escapes make a string's value differ from its text, so the same `{{` is looked for, counted from the front.
fn place(sources: &Sources, span: &Span, text: &str, range: &Range<usize>) -> Span {
    let number = text.get(..range.start).unwrap_or_default().matches("{{").count();
    let raw = sources.text(span);
    let piece = text.get(range.clone()).unwrap_or_default();
    match raw.match_indices("{{").nth(number) {
        Some((at, _)) if raw.get(at..).is_some_and(|found| found.starts_with(piece)) => {
            let start = span.range.start + at;
            Span::new(span.source, start..start + piece.len())
        }
        _ => span.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::Style;
    use crate::recipe::document;

    fn values() -> Values {
        let ports = Literal::Array(vec![80.into(), 443.into()]);
        [
            ("domain", Some(Literal::from("example.org"))),
            ("port", Some(3000.into())),
            ("ports", Some(ports)),
            ("broken", None),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
    }

    fn woven(text: &str) -> (Node, Problems) {
        let mut problems = Problems::default();
        let source = problems.sources_mut().add("r.toml", text);
        let mut node = document::parse(source, text, &mut problems).unwrap();
        let value = |name: &str| (name == "hostname").then(|| Literal::from("ip-10-0-0-1"));
        let facts = Facts { names: &["hostname", "instance_id"], value: &value };
        Weaver::new(&facts).weave(&mut node, &values(), &mut problems);
        (node, problems)
    }

    fn value_of_x(text: &str) -> Value {
        let (node, problems) = woven(text);
        assert!(problems.is_empty(), "{}", problems.render(Style::Plain));
        node.table().unwrap().get("x").unwrap().value.value.clone()
    }

    #[test]
    fn a_lone_reference_keeps_its_type_and_others_become_text() {
        for (text, expected) in [
            (r#"x = "{{ vars.port }}""#, Value::Integer(3000)),
            (r#"x = "{{vars.port}}""#, Value::Integer(3000)),
            (r#"x = "127.0.0.1:{{ vars.port }}""#, Value::String("127.0.0.1:3000".into())),
            (r#"x = "{{ facts.hostname }}.{{ vars.domain }}""#, Value::String("ip-10-0-0-1.example.org".into())),
            (r#"x = '{{ "{{" }} .Name }}'"#, Value::String("{{ .Name }}".into())),
            (r#"x = "{{ '{{' }} .Name }}""#, Value::String("{{ .Name }}".into())),
            (r#"x = "{ } }} {""#, Value::String("{ } }} {".into())),
            (r#"x = "{{ vars.broken }}!""#, Value::Withheld),
        ] {
            assert_eq!(value_of_x(text), expected, "{text}");
        }
        assert!(matches!(value_of_x(r#"x = "{{ vars.ports }}""#), Value::Array(ports) if ports.len() == 2));
    }

    #[test]
    fn wrong_references_are_cited_inside_of_the_string() {
        let text = r#"a = "http://{{ vars.domian }}/{{ facts.hostnam }}"
b = "\t{{ domain }} {{ var.port }}"
c = "{{ vars.port + 1 }}"
d = "x {{ vars.ports }}"
e = "{{ facts.instance_id }}"
f = """
{{ vars.port"""
"#;
        let (_, problems) = woven(text);
        assert_eq!(
            problems.render(Style::Plain),
            r#"error: unknown variable `domian`
 --> r.toml:1:13
  |
1 | a = "http://{{ vars.domian }}/{{ facts.hostnam }}"
  |             ^^^^^^^^^^^^^^^^^
  |
  = help: did you mean `domain`?

error: unknown fact `hostnam`
 --> r.toml:1:31
  |
1 | a = "http://{{ vars.domian }}/{{ facts.hostnam }}"
  |                               ^^^^^^^^^^^^^^^^^^^
  |
  = help: did you mean `hostname`?

error: only variables and facts stand in `{{ }}`
 --> r.toml:2:8
  |
2 | b = "\t{{ domain }} {{ var.port }}"
  |        ^^^^^^^^^^^^
  |
  = help: did you mean `{{ vars.domain }}`?

error: only variables and facts stand in `{{ }}`
 --> r.toml:2:21
  |
2 | b = "\t{{ domain }} {{ var.port }}"
  |                     ^^^^^^^^^^^^^^
  |
  = help: did you mean `{{ vars.port }}`?

error: only variables and facts stand in `{{ }}`
 --> r.toml:3:6
  |
3 | c = "{{ vars.port + 1 }}"
  |      ^^^^^^^^^^^^^^^^^^^
  |
  = help: write `{{ vars.name }}` or `{{ facts.name }}`; a literal `{{` is `{{ "{{" }}`

error: an array cannot stand within a longer string
 --> r.toml:4:8
  |
4 | d = "x {{ vars.ports }}"
  |        ^^^^^^^^^^^^^^^^
  |
  = help: write `"{{ vars.ports }}"` alone

error: the fact `instance_id` is not known on this host
 --> r.toml:5:6
  |
5 | e = "{{ facts.instance_id }}"
  |      ^^^^^^^^^^^^^^^^^^^^^^^
  |
  = help: `hostagent facts` shows those that are

error: `{{` is not closed
 --> r.toml:7:1
  |
7 | {{ vars.port"""
  | ^^^^^^^^^^^^
  |
  = help: write `{{ vars.name }}` or `{{ facts.name }}`; a literal `{{` is `{{ "{{" }}`

8 problems; nothing was touched
"#
        );
    }

    #[test]
    fn references_are_listed_wherever_they_stand() {
        let (node, _) = woven("a = 1");
        assert_eq!(node.table().unwrap().len(), 1);
        let mut problems = Problems::default();
        let text = "a = [\"{{ facts.hostname }}\"]\n[b]\nc = \"{{ vars.x }}{{ facts.cpu.count }}\"\n";
        let source = problems.sources_mut().add("r.toml", text);
        let mut names = Vec::new();
        let parsed = document::parse(source, text, &mut problems).unwrap();
        references(&parsed, &mut |namespace, name| names.push((namespace, name.to_owned())));
        assert_eq!(
            names,
            [
                (Namespace::Facts, "hostname".to_owned()),
                (Namespace::Vars, "x".to_owned()),
                (Namespace::Facts, "cpu.count".to_owned())
            ]
        );
    }
}
