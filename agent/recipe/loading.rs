//! From bytes to the tree a recipe means: parsed, laid over its bases, with variables and facts put in.
//!
//! It goes in two stages, because facts are gathered only when a recipe reads them: [`load`] needs no facts,
//! [`Document::facts_read`] says which are read, and [`Document::resolve`] puts them in.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::base::{self, Base};
use super::document::{self, Entry, Node, Table, Value};
use super::interpolate::{Facts, Namespace, Weaver, references};
use super::merge;
use super::vars::Vars;
use crate::problem::{Place, Problem, Problems, SourceId, Sources, Span};
use crate::terms::Remote;

/// The format this program reads.
pub const FORMAT: i64 = 1;

/// Where an image keeps the recipes that others extend with `base = "NAME"`.
pub const BAKED: &str = "/usr/share/hostagent/recipes";

/// How many bases may stand under one another.
const MOST_BASES: usize = 8;

/// How many bases a hint lists.
const MOST_LISTED: usize = 8;

/// The display name and the bytes of a base, or why it cannot be had.
pub type BaseText = Result<(String, Vec<u8>), String>;

/// The recipes that others may extend.
#[derive(Clone, Copy)]
pub struct Bases<'a> {
    /// The names there are.
    pub names: &'a [String],
    /// Reads one of them.
    pub read: &'a dyn Fn(&str) -> BaseText,
    /// The bytes of one elsewhere, if it was fetched: nothing here asks anybody.
    pub fetched: &'a dyn Fn(&Remote) -> Option<Vec<u8>>,
}

impl fmt::Debug for Bases<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bases").field("names", &self.names).finish_non_exhaustive()
    }
}

impl Bases<'_> {
    /// No base can be had.
    pub fn none() -> Self {
        Self { names: &[], read: &|_| Err("there are no bases here".to_owned()), fetched: &|_| None }
    }
}

/// A base that is named outside of a recipe, for a recipe that says nothing but `[vars]`.
#[derive(Clone, Copy, Debug)]
pub struct Lent<'a> {
    /// Who names it; problems call it so.
    pub by: &'a str,
    /// The name of the base.
    pub base: &'a str,
}

/// Why there is no document.
#[derive(Debug)]
pub enum NotLoaded {
    /// A text cannot be read at all.
    Wrong(Problems),
    /// A base is elsewhere, and not fetched yet: load it all again when it is there.
    Lacks(Box<Lacking>),
}

/// A recipe whose base is elsewhere.
#[derive(Clone, Debug)]
pub struct Lacking {
    /// What is to be fetched.
    pub remote: Remote,
    problems: Problems,
    span: Span,
}

impl Lacking {
    /// What is wrong with what is there, without its base.
    pub fn problems(&self) -> &Problems {
        &self.problems
    }

    /// The problems of a recipe whose base cannot be had.
    pub fn refused(mut self, why: &str, hint: &str) -> Problems {
        let says = format!("the base `{}` cannot be had: {why}", self.remote);
        self.problems.push(Problem::new(&self.span, says).hint(hint));
        self.problems
    }
}

/// A recipe over its bases, before facts.
#[derive(Clone, Debug)]
pub struct Document {
    problems: Problems,
    root: Node,
    vars: Vars,
    borrows: bool,
}

/// Reads a recipe and its bases, and declares its variables.
///
/// `name` is what problems call the file. The error is what keeps the text from being read at all; other problems
/// stay in the document, to be reported together with those of [`Document::resolve`] and of its reader.
pub fn load(
    name: &str,
    bytes: &[u8],
    overrides: &BTreeMap<String, String>,
    bases: &Bases<'_>,
) -> Result<Document, NotLoaded> {
    load_over(name, bytes, None, overrides, bases)
}

/// As [`load`]; a recipe that says nothing but `[vars]`, or nothing at all, extends the base that is lent to it.
pub fn load_over(
    name: &str,
    bytes: &[u8],
    lent: Option<Lent<'_>>,
    overrides: &BTreeMap<String, String>,
    bases: &Bases<'_>,
) -> Result<Document, NotLoaded> {
    let mut chain = Chain { problems: Problems::default(), layers: Vec::new(), lent, borrows: false, lacks: None };
    let is_whole = chain.read(name, bytes, bases);
    let Chain { mut problems, layers, borrows, lacks, .. } = chain;
    if let Some((remote, span)) = lacks {
        return Err(NotLoaded::Lacks(Box::new(Lacking { remote, problems, span })));
    }
    if !is_whole {
        return Err(NotLoaded::Wrong(problems));
    }
    let mut vars = Table::new();
    let mut root: Option<Node> = None;
    for layer in layers.into_iter().rev() {
        // A declaration replaces the base's as a whole: a default instead of `required`, say.
        vars.extend(layer.vars);
        root = Some(match root {
            Some(base) => merge::merge(base, layer.root, &mut problems),
            None => layer.root,
        });
    }
    let Some(mut merged) = root else {
        return Err(NotLoaded::Wrong(problems));
    };
    merge::refuse_unset(&mut merged, &mut problems);
    let declared = Vars::declare(vars, overrides, &mut problems);
    Ok(Document { problems, root: merged, vars: declared, borrows })
}

impl Document {
    /// The names of the facts that the recipe reads.
    pub fn facts_read(&self) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        let mut note = |namespace: Namespace, name: &str| {
            if namespace == Namespace::Facts {
                names.insert(name.to_owned());
            }
        };
        references(&self.root, &mut note);
        self.vars.references(&mut note);
        names
    }

    /// The tree with variables and facts put in, and all problems so far.
    ///
    /// `format`, `base` and `vars` are used up and no longer in it. What a problem is about is withheld, so the tree
    /// is to be read (`deserialize::read`) even when there are problems: to find the others.
    pub fn resolve(&self, facts: &Facts<'_>) -> (Node, Problems) {
        let mut problems = self.problems.clone();
        let mut root = self.root.clone();
        let mut weaver = Weaver::new(facts);
        let values = self.vars.values(&mut weaver, &mut problems);
        weaver.weave(&mut root, &values, &mut problems);
        (root, problems)
    }

    /// Where a place was written, or else the nearest table around it; `None` when no part of its path was written.
    pub fn locate(&self, place: &Place) -> Option<Span> {
        locate(&self.root, place)
    }

    /// Whether the base that was lent is its base.
    pub fn borrows(&self) -> bool {
        self.borrows
    }

    /// The texts of the recipe and its bases.
    pub fn sources(&self) -> &Sources {
        self.problems.sources()
    }

    /// What is wrong so far.
    pub fn problems(&self) -> &Problems {
        &self.problems
    }
}

/// Where a place was written; see [`Document::locate`].
pub(super) fn locate(root: &Node, place: &Place) -> Option<Span> {
    let (Place::Path(path) | Place::Key(path) | Place::Name(path)) = place else { return None };
    root.step(path.steps().first()?)?;
    let exact = match place {
        Place::Key(_) => root.key_span(path),
        Place::Name(_) => root.get(path).and_then(merge::name_of).map(|name| name.span.clone()),
        _ => None,
    };
    Some(exact.unwrap_or_else(|| root.locate(path)))
}

/// One file of a recipe.
struct Layer {
    root: Node,
    vars: Table,
}

/// A recipe and the bases under it, the recipe first.
struct Chain<'a> {
    problems: Problems,
    layers: Vec<Layer>,
    /// Until it is borrowed.
    lent: Option<Lent<'a>>,
    borrows: bool,
    /// The base that is still to be fetched.
    lacks: Option<(Remote, Span)>,
}

impl Chain<'_> {
    /// Reads a recipe and all bases; `false` when one cannot be read.
    fn read(&mut self, name: &str, bytes: &[u8], bases: &Bases<'_>) -> bool {
        let mut seen: Vec<String> = Vec::new();
        let mut next = self.layer(name, bytes);
        loop {
            let base = match next {
                None => return false,
                Some(None) => return true,
                Some(Some(base)) => base,
            };
            let Some(wanted) = base::read(&base, &mut self.problems) else { return false };
            let name = match &wanted {
                Base::Named(name) => name.clone(),
                Base::Remote(remote) => remote.address.whole(),
            };
            let refusal = if seen.contains(&name) {
                Some((format!("the base `{wanted}` is its own base"), "take `base` out of one of them".to_owned()))
            } else if seen.len() >= MOST_BASES {
                Some((format!("more than {MOST_BASES} bases stand under one another"), "join some of them".to_owned()))
            } else {
                None
            };
            if let Some((says, hint)) = refusal {
                self.problems.push(Problem::new(&base.span, says).hint(hint));
                return false;
            }
            let found = match wanted {
                Base::Named(name) => self.named(&name, &base.span, bases),
                Base::Remote(remote) => self.remote(&remote, &base.span, bases),
            };
            let Some((base_name, text)) = found else { return false };
            seen.push(name);
            next = self.layer(&base_name, &text);
        }
    }

    fn named(&mut self, wanted: &str, span: &Span, bases: &Bases<'_>) -> Option<(String, Vec<u8>)> {
        if !bases.names.iter().any(|name| name == wanted) {
            let problem = Problem::new(span, format!("unknown base `{wanted}`"));
            let listed = match bases.names {
                [] => problem.hint(format!("put `{wanted}.toml` beside this recipe, or into `{BAKED}`")),
                names if names.len() > MOST_LISTED => {
                    problem.hint(format!("there is no `{wanted}.toml` beside this recipe or in `{BAKED}`"))
                }
                names => problem.hint(format!("the bases here are `{}`", names.join("`, `"))),
            };
            self.problems.push(listed.did_you_mean(wanted, bases.names.iter().map(String::as_str)));
            return None;
        }
        match (bases.read)(wanted) {
            Ok(found) => Some(found),
            Err(why) => {
                self.problems.push(Problem::new(span, format!("the base `{wanted}` cannot be read: {why}")));
                None
            }
        }
    }

    fn remote(&mut self, wanted: &Remote, span: &Span, bases: &Bases<'_>) -> Option<(String, Vec<u8>)> {
        let text = (bases.fetched)(wanted);
        if text.is_none() {
            self.lacks = Some((wanted.clone(), span.clone()));
        }
        text.map(|bytes| (wanted.to_string(), bytes))
    }

    /// Parses one file; `None` when it cannot be read, else its `base`.
    #[expect(clippy::option_option, reason = "unreadable, without a base, with one")]
    fn layer(&mut self, name: &str, bytes: &[u8]) -> Option<Option<Node>> {
        // A program or an archive: its first line would say nothing, at length.
        if bytes.contains(&0) {
            let problem = Problem::new(Place::Nowhere, format!("`{name}` is not a text file"));
            self.problems.push(problem.hint("a recipe is TOML, saved as UTF-8"));
            return None;
        }
        let text = String::from_utf8_lossy(bytes);
        let source = self.problems.sources_mut().add(name, &text);
        if let Err(error) = std::str::from_utf8(bytes) {
            let at = error.valid_up_to();
            let span = Span::new(source, at..at + char::REPLACEMENT_CHARACTER.len_utf8());
            self.problems.push(Problem::new(span, "the recipe is not UTF-8").hint("save the file as UTF-8"));
            return None;
        }
        let mut root = document::parse(source, &text, &mut self.problems)?;
        let table = root.table_mut()?;
        let format = table.remove("format");
        let mut base = table.remove("base").map(|entry| entry.value);
        let vars = table.remove("vars");
        if base.is_none()
            && table.is_empty()
            && let Some(lent) = self.lent.take().filter(|_| self.layers.is_empty())
        {
            base = Some(self.borrowed(lent));
        }
        let is_thin = base.is_some() && table.is_empty();
        if !self.check_format(source, format, is_thin) {
            return None;
        }
        let declared = self.vars(vars);
        self.layers.push(Layer { root, vars: declared });
        Some(base)
    }

    fn borrowed(&mut self, lent: Lent<'_>) -> Node {
        self.borrows = true;
        let source = self.problems.sources_mut().add(lent.by, lent.base);
        Node::new(Value::String(lent.base.to_owned()), Span::new(source, 0..lent.base.len()))
    }

    /// A recipe that only sets variables of its base has the base's format. `false` for a newer format, of which nothing
    /// else can be said.
    fn check_format(&mut self, source: SourceId, format: Option<Entry>, is_thin: bool) -> bool {
        let problem = match format {
            Some(entry) if entry.value.value == Value::Integer(FORMAT) || entry.value.is_withheld() => return true,
            None if is_thin => return true,
            None => self.no_format(source),
            Some(entry) => match entry.value.value {
                Value::Integer(newer) if newer > FORMAT => {
                    let says = format!("this version of hostagent reads format {FORMAT}, not {newer}");
                    self.problems.push(Problem::new(&entry.value.span, says).hint("use a newer version"));
                    return false;
                }
                _ => Problem::new(&entry.value.span, "not a format of recipes")
                    .hint(format!("write `format = {FORMAT}`")),
            },
        };
        self.problems.push(problem);
        true
    }

    /// Shown at the first line that is not a comment, such as `#:schema …`.
    fn no_format(&self, source: SourceId) -> Problem {
        let text = self.problems.sources().whole(source);
        let is_said = |line: &&str| !line.trim().is_empty() && !line.trim_start().starts_with('#');
        let before = text.split_inclusive('\n').take_while(|line| !is_said(line)).map(str::len).sum::<usize>();
        let (at, says) = if before == text.len() {
            (0, "there is nothing in the recipe")
        } else {
            (before, "the recipe does not say its `format`")
        };
        Problem::new(Span::new(source, at..at), says).hint(format!("begin it with `format = {FORMAT}`"))
    }

    fn vars(&mut self, entry: Option<Entry>) -> Table {
        match entry.map(|found| found.value) {
            Some(Node { value: Value::Table(table), .. }) => table,
            Some(node) if !node.is_withheld() => {
                let problem = Problem::new(&node.span, "`vars` is not a table");
                self.problems.push(problem.hint("write `[vars]`, and a variable on each line after it"));
                Table::new()
            }
            _ => Table::new(),
        }
    }
}

#[cfg(test)]
mod tests;
