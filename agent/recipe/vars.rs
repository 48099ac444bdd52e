//! `[vars]`: the values a recipe leaves open, their defaults, and what overrides them.
//!
//! A variable is a literal, which is its default, or `{ required = "what it is" }`, or
//! `{ default = …, about = "what it is" }`. Variables may name facts and each other.

use std::collections::{BTreeMap, BTreeSet};

use super::document::{self, Node, Table, Value};
use super::interpolate::{DEEPEST_LIST, Namespace, Values, Weaver, references};
use super::literal::Literal;
use super::secrets::is_secret;
use crate::problem::{Place, Problem, Problems, Span};

/// The keys of a variable that is more than its default.
const KEYS: [&str; 3] = ["required", "default", "about"];

/// The declared variables.
#[derive(Clone, Debug, Default)]
pub struct Vars(BTreeMap<String, Var>);

#[derive(Clone, Debug)]
struct Var {
    declared: Span,
    start: Start,
}

/// What the value of a variable is made from.
#[derive(Clone, Debug)]
enum Start {
    /// An override: taken as it is, so that a tag of an instance cannot read facts.
    Given(Literal),
    /// The default, which may hold references.
    Default(Node),
    /// Nothing; reported already.
    Wrong,
}

impl Vars {
    /// Reads the declarations and overrides them.
    pub fn declare(table: Table, overrides: &BTreeMap<String, String>, problems: &mut Problems) -> Self {
        let mut vars = BTreeMap::new();
        for (name, entry) in table {
            if !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-') || name.is_empty() {
                let problem = Problem::new(&entry.key, format!("`{name}` cannot be the name of a variable"));
                problems.push(problem.hint("use letters, digits and `_`"));
                continue;
            }
            if is_secret(&name) {
                let says =
                    format!("`{name}` is to be a secret, and a variable shows in plans, reports and command lines");
                let hint = "say where it is to be had at the place of its use: `password = { file = \"/path\" }`";
                problems.push(Problem::new(&entry.key, says).hint(hint));
            }
            let given = overrides.get(&name).map(String::as_str);
            let start = start(&name, entry.value, given, problems);
            vars.insert(name, Var { declared: entry.key, start });
        }
        for name in overrides.keys().filter(|name| !vars.contains_key(*name)) {
            let says = format!("the variable `{name}` is given, but the recipe does not declare it");
            let known = vars.keys().map(String::as_str);
            let problem = Problem::new(Place::Nowhere, says).hint("`[vars]` of a recipe declares what can be given");
            problems.push(problem.did_you_mean(name, known));
        }
        Self(vars)
    }

    /// Tells `found` about every reference in a default that is used.
    pub fn references(&self, found: &mut impl FnMut(Namespace, &str)) {
        for var in self.0.values() {
            if let Start::Default(node) = &var.start {
                references(node, found);
            }
        }
    }

    /// The values, each variable after those it names.
    pub fn values(&self, weaver: &mut Weaver<'_>, problems: &mut Problems) -> Values {
        let names = self.names_by_var();
        let mut used_by: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        let mut waits_for: BTreeMap<&str, usize> = BTreeMap::new();
        for (name, named) in &names {
            waits_for.insert(name, named.len());
            for other in named {
                used_by.entry(other).or_default().push(name);
            }
        }
        // A variable is known to others from the start, so that a reference to a wrong one is not "unknown".
        let mut values: Values = self.0.keys().map(|name| (name.clone(), None)).collect();
        let mut ready: Vec<&str> = waits_for.iter().filter(|(_, count)| **count == 0).map(|(name, _)| *name).collect();
        while let Some(name) = ready.pop() {
            waits_for.remove(name);
            if let Some(var) = self.0.get(name) {
                let value = var.value(name, weaver, &values, problems);
                values.insert(name.to_owned(), value);
            }
            for user in used_by.remove(name).unwrap_or_default() {
                if let Some(count) = waits_for.get_mut(user) {
                    *count -= 1;
                    if *count == 0 {
                        ready.push(user);
                    }
                }
            }
        }
        self.note_cycles(&names, waits_for.into_keys().collect(), problems);
        values
    }

    /// The declared variables that each default names.
    fn names_by_var(&self) -> BTreeMap<&str, BTreeSet<&str>> {
        let named = |var: &Var| {
            let mut named = BTreeSet::new();
            if let Start::Default(node) = &var.start {
                references(node, &mut |namespace, name| {
                    if namespace == Namespace::Vars
                        && let Some((known, _)) = self.0.get_key_value(name)
                    {
                        named.insert(known.as_str());
                    }
                });
            }
            named
        };
        self.0.iter().map(|(name, var)| (name.as_str(), named(var))).collect()
    }

    /// Notes each circle among the variables that never became ready; the others of them only lead to one.
    fn note_cycles(
        &self,
        names: &BTreeMap<&str, BTreeSet<&str>>,
        mut waiting: BTreeSet<&str>,
        problems: &mut Problems,
    ) {
        while let Some(first) = waiting.first().copied() {
            let mut walk = vec![first];
            let mut name = first;
            while waiting.remove(name) {
                let Some(next) = names
                    .get(name)
                    .and_then(|named| named.iter().find(|other| waiting.contains(*other) || walk.contains(other)))
                else {
                    break;
                };
                name = next;
                walk.push(name);
            }
            let circle: Vec<&str> = walk.iter().copied().skip_while(|step| *step != name).collect();
            if circle.len() > 1
                && let Some(var) = self.0.get(name)
            {
                let way = circle.iter().map(|step| format!("`{step}`")).collect::<Vec<_>>().join(" → ");
                let says = format!("the variable names itself: {way}");
                problems.push(Problem::new(&var.declared, says).hint("give one of them a value of its own"));
            }
        }
    }
}

impl Var {
    fn value(&self, name: &str, weaver: &mut Weaver<'_>, values: &Values, problems: &mut Problems) -> Option<Literal> {
        let node = match &self.start {
            Start::Given(literal) => return Some(literal.clone()),
            Start::Wrong => return None,
            Start::Default(node) => node,
        };
        let mut woven = node.clone();
        weaver.weave(&mut woven, values, problems);
        let literal = Literal::of(&woven)?;
        if literal.size().1 > DEEPEST_LIST {
            let says = format!("lists stand more than {DEEPEST_LIST} deep in one another in the variable `{name}`");
            problems.push(Problem::new(&self.declared, says));
            return None;
        }
        Some(literal)
    }
}

/// What a declaration and its override make the value from.
fn start(name: &str, node: Node, given: Option<&str>, problems: &mut Problems) -> Start {
    let span = node.span.clone();
    let declared = match node.value {
        Value::Table(table) => full_declaration(name, table, &span, problems),
        _ => Declared::Default(node),
    };
    match (declared, given) {
        (Declared::Wrong, _) => Start::Wrong,
        (Declared::Default(default), None) => checked_default(name, default, problems),
        (Declared::Default(default), Some(text)) => match typed(text, &default) {
            Ok(literal) => Start::Given(literal),
            Err(hint) => {
                let says = format!("the value given for the variable `{name}` is not {}", kind(&default));
                problems.push(Problem::new(&default.span, says).hint(hint));
                Start::Wrong
            }
        },
        // Nothing says which type it has: where it is used decides.
        (Declared::Required(_), Some(text)) => Start::Given(text.into()),
        (Declared::Required(what), None) => {
            let says = format!("the variable `{name}` has no value: {what}");
            let hint = format!("give it with `--var {name}=…`, or with the instance tag `hostagent:var:{name}`");
            problems.push(Problem::new(&span, says).hint(hint));
            Start::Wrong
        }
    }
}

enum Declared {
    Default(Node),
    Required(String),
    Wrong,
}

fn full_declaration(name: &str, table: Table, span: &Span, problems: &mut Problems) -> Declared {
    let mut wrong = false;
    let mut default = None;
    let mut required = None;
    for (key, entry) in table {
        match (key.as_str(), entry.value) {
            ("default", value) => default = Some(value),
            ("required", Node { value: Value::String(what), .. }) => required = Some(what),
            ("about", Node { value: Value::String(_), .. }) => {}
            ("required" | "about", value) => {
                let problem = Problem::new(&value.span, format!("`{key}` says in words what the variable is"));
                problems.push(problem.hint(format!("write `{key} = \"…\"`")));
                wrong = true;
            }
            (unknown, _) => {
                let problem = Problem::new(&entry.key, format!("unknown key `{unknown}` in `vars.{name}`"));
                let listed = problem.hint("the keys here are `required`, `default` and `about`");
                problems.push(listed.did_you_mean(unknown, KEYS));
                wrong = true;
            }
        }
    }
    match (required, default) {
        _ if wrong => Declared::Wrong,
        (Some(_), Some(_)) => {
            let problem = Problem::new(span, format!("the variable `{name}` is required and has a default"));
            problems.push(problem.hint("keep one of them; `about` says what a variable with a default is"));
            Declared::Wrong
        }
        (Some(what), None) => Declared::Required(what),
        (None, Some(value)) => Declared::Default(value),
        (None, None) => {
            let problem = Problem::new(span, format!("the variable `{name}` has neither a default nor is it required"));
            problems.push(problem.hint("write `{ required = \"what it is\" }` or `{ default = … }`"));
            Declared::Wrong
        }
    }
}

fn checked_default(name: &str, default: Node, problems: &mut Problems) -> Start {
    if default.is_withheld() {
        return Start::Wrong;
    }
    if Literal::of(&default).is_none() && !default.has_withheld() {
        let problem = Problem::new(&default.span, format!("the variable `{name}` cannot hold a table"));
        problems.push(problem.hint("use a variable for each of its values"));
        return Start::Wrong;
    }
    Start::Default(default)
}

/// An override in the type of the default; the error is the hint.
fn typed(text: &str, default: &Node) -> Result<Literal, String> {
    match &default.value {
        Value::Integer(number) => {
            text.parse().map(Literal::Integer).map_err(|_| format!("the default is the integer `{number}`"))
        }
        Value::Float(number) => {
            text.parse().map(Literal::Float).map_err(|_| format!("the default is the number `{number}`"))
        }
        Value::Bool(_) => text.parse().map(Literal::Bool).map_err(|_| "give `true` or `false`".to_owned()),
        Value::Array(_) => list(text).ok_or_else(|| "give a TOML array, such as `[\"a\", \"b\"]`".to_owned()),
        Value::String(_) | Value::Table(_) | Value::Withheld => Ok(text.into()),
    }
}

/// A TOML array.
fn list(text: &str) -> Option<Literal> {
    let recipe = format!("list = {text}");
    let mut problems = Problems::default();
    let source = problems.sources_mut().add("", &recipe);
    let node = document::parse(source, &recipe, &mut problems)?;
    let table = node.table().filter(|table| table.len() == 1 && problems.is_empty())?;
    let literal = Literal::of(&table.get("list")?.value)?;
    let fits = matches!(literal, Literal::Array(_)) && literal.size().1 <= DEEPEST_LIST;
    fits.then_some(literal)
}

fn kind(default: &Node) -> &'static str {
    Literal::of(default).map_or("what the default is", |literal| literal.kind())
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;
    use crate::problem::{Step, Style};
    use crate::recipe::interpolate::Facts;

    fn values(text: &str, overrides: &[(&str, &str)]) -> (Values, Problems) {
        let mut problems = Problems::default();
        let source = problems.sources_mut().add("r.toml", text);
        let mut node = document::parse(source, text, &mut problems).unwrap();
        let table = node.get_mut(&[Step::Key("vars".into())].into_iter().collect()).unwrap().table_mut().unwrap();
        let given = overrides.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        let vars = Vars::declare(std::mem::take(table), &given, &mut problems);
        let value = |_: &str| Some(Literal::from("web-1"));
        let facts = Facts { names: &["hostname"], value: &value };
        let found = vars.values(&mut Weaver::new(&facts), &mut problems);
        (found, problems)
    }

    #[test]
    fn an_override_takes_the_type_of_the_default() {
        let text = "[vars]\nport = 3000\nspa = false\nname = \"api\"\nports = [80]\nratio = 0.5\nsize = { required = \"MiB\" }\n";
        let given = [
            ("port", "80"),
            ("spa", "true"),
            ("name", "{{ facts.hostname }}"),
            ("ports", "[1, 2]"),
            ("ratio", "2"),
            ("size", "64"),
        ];
        let (values, problems) = values(text, &given);
        assert!(problems.is_empty(), "{}", problems.render(Style::Plain));
        for (name, expected) in [
            ("port", 80.into()),
            ("spa", true.into()),
            ("name", "{{ facts.hostname }}".into()),
            ("ports", Literal::Array(vec![1.into(), 2.into()])),
            ("ratio", Literal::Float(2.0)),
            ("size", "64".into()),
        ] {
            assert_eq!(values.get(name), Some(&Some(expected)), "{name}");
        }
    }

    #[test]
    fn variables_name_facts_and_each_other_in_any_order() {
        let text = "[vars]\na = \"{{ vars.b }}!\"\nb = { default = \"{{ vars.c }}\", about = \"x\" }\nc = [\"{{ facts.hostname }}\"]\nd = \"{{ vars.c }}\"\n";
        let (values, problems) = values(text, &[]);
        assert_eq!(values.get("d"), Some(&Some(Literal::Array(vec!["web-1".into()]))));
        assert_eq!(values.get("a"), Some(&None));
        assert_eq!(problems.len(), 1);
    }

    #[test]
    fn wrong_declarations_and_overrides_are_reported_together() {
        let text = r#"[vars]
domain = { required = "public name of the API" }
port = 3000
a = "{{ vars.b }}"
b = ["{{ vars.a }}"]
c = "{{ vars.b }}"
d = { defualt = 1 }
e = { required = "x", default = 1 }
f = {}
g = { default = { x = 1 } }
h = "{{ vars.h }}"
"#;
        let (_, problems) = values(text, &[("port", "http"), ("domian", "x")]);
        assert_eq!(
            problems.render(Style::Plain),
            r#"error: the variable `domain` has no value: public name of the API
 --> r.toml:2:10
  |
2 | domain = { required = "public name of the API" }
  |          ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = help: give it with `--var domain=…`, or with the instance tag `hostagent:var:domain`

error: the value given for the variable `port` is not an integer
 --> r.toml:3:8
  |
3 | port = 3000
  |        ^^^^
  |
  = help: the default is the integer `3000`

error: the variable names itself: `a` → `b` → `a`
 --> r.toml:4:1
  |
4 | a = "{{ vars.b }}"
  | ^
  |
  = help: give one of them a value of its own

error: unknown key `defualt` in `vars.d`
 --> r.toml:7:7
  |
7 | d = { defualt = 1 }
  |       ^^^^^^^
  |
  = help: did you mean `default`?

error: the variable `e` is required and has a default
 --> r.toml:8:5
  |
8 | e = { required = "x", default = 1 }
  |     ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = help: keep one of them; `about` says what a variable with a default is

error: the variable `f` has neither a default nor is it required
 --> r.toml:9:5
  |
9 | f = {}
  |     ^^
  |
  = help: write `{ required = "what it is" }` or `{ default = … }`

error: the variable `g` cannot hold a table
  --> r.toml:10:17
   |
10 | g = { default = { x = 1 } }
   |                 ^^^^^^^^^
   |
   = help: use a variable for each of its values

error: the variable names itself: `h` → `h`
  --> r.toml:11:1
   |
11 | h = "{{ vars.h }}"
   | ^
   |
   = help: give one of them a value of its own

error: the variable `domian` is given, but the recipe does not declare it
 |
 = help: did you mean `domain`?

9 problems; nothing was touched
"#
        );
    }

    #[test]
    fn variables_that_grow_without_bound_are_a_problem() {
        let mut text = "[vars]\nv0 = \"0123456789abcdef\"\nl0 = [1]\n".to_owned();
        for number in 1..40 {
            let before = number - 1;
            writeln!(text, "v{number} = \"{{{{ vars.v{before} }}}}{{{{ vars.v{before} }}}}\"").unwrap();
            writeln!(text, "l{number} = [\"{{{{ vars.l{before} }}}}\", \"{{{{ vars.l{before} }}}}\"]").unwrap();
        }
        let (_, problems) = values(&text, &[]);
        assert!(!problems.is_empty());
    }

    #[test]
    fn a_long_chain_of_variables_is_walked_without_recursion() {
        let mut text = "[vars]\nv0 = [1]\n".to_owned();
        for number in 1..20_000 {
            writeln!(text, "v{number} = [\"{{{{ vars.v{} }}}}\"]", number - 1).unwrap();
        }
        let (_, problems) = values(&text, &[]);
        assert_eq!(problems.len(), 1, "{}", problems.render(Style::Plain));
    }
}
