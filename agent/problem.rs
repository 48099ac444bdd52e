//! What is wrong with a recipe: all of it at once, each with the cited line, a caret and a hint.
//!
//! Whoever dislikes something says so on [`Problems`] and goes on; whoever started the work shows the collection once,
//! before anything is touched.

mod key_path;
mod nearest;
mod render;
mod sources;

use std::collections::BTreeSet;

pub use key_path::{KeyPath, Step};
pub use nearest::nearest;
pub use render::Style;
pub use sources::{SourceId, Sources, Span};

/// How many problems are shown; the rest is only counted. A file that is no recipe at all would fill the terminal.
pub const SHOWN: usize = 100;

/// One thing that is wrong, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where it is.
    pub at: Place,
    /// What is wrong: a lowercase fragment without a full stop, literals in backticks.
    pub says: String,
    /// What to do about it, in the same style.
    pub hint: Option<String>,
    /// Where the other one is, of two that cannot be together.
    pub other: Option<Place>,
}

impl Problem {
    /// A problem without a hint.
    pub fn new(at: impl Into<Place>, says: impl Into<String>) -> Self {
        Self { at: at.into(), says: says.into(), hint: None, other: None }
    }

    /// The same problem with what to do about it.
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// The same problem with the place of the other one, of two that cannot be together.
    #[must_use]
    pub fn beside(self, other: impl Into<Place>) -> Self {
        Self { other: Some(other.into()), ..self }
    }

    /// The same problem with "did you mean" when one of `known` is near to `word`.
    #[must_use]
    pub fn did_you_mean<'a>(self, word: &str, known: impl IntoIterator<Item = &'a str>) -> Self {
        match nearest(word, known) {
            Some(near) => self.hint(format!("did you mean `{near}`?")),
            None => self,
        }
    }
}

/// Where a problem is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A piece of a source.
    Span(Span),
    /// A value of the recipe by its keys; [`Problems::locate`] turns it into a span, as it does with the next two.
    Path(KeyPath),
    /// The key of such a value, where the key is what is wrong.
    Key(KeyPath),
    /// An element of a list by what tells it from the others: its `name` or `path`.
    Name(KeyPath),
    /// Not in a file: the command line, or the recipe as a whole.
    Nowhere,
}

impl From<Span> for Place {
    fn from(span: Span) -> Self {
        Self::Span(span)
    }
}

impl From<&Span> for Place {
    fn from(span: &Span) -> Self {
        Self::Span(span.clone())
    }
}

impl From<KeyPath> for Place {
    fn from(path: KeyPath) -> Self {
        Self::Path(path)
    }
}

/// Everything found so far, and the texts it cites.
#[derive(Clone, Debug, Default)]
pub struct Problems {
    sources: Sources,
    found: Vec<Problem>,
}

impl Problems {
    /// No problem yet, over these texts.
    pub fn over(sources: Sources) -> Self {
        Self { sources, found: Vec::new() }
    }

    /// Notes one more.
    pub fn push(&mut self, problem: Problem) {
        self.found.push(problem);
    }

    /// Notes all of `others`, which cite the same texts.
    pub fn extend(&mut self, others: impl IntoIterator<Item = Problem>) {
        self.found.extend(others);
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// How many were noted, duplicates included.
    pub fn len(&self) -> usize {
        self.found.len()
    }

    /// The texts that are cited.
    pub fn sources(&self) -> &Sources {
        &self.sources
    }

    /// The texts that are cited, to add one.
    pub fn sources_mut(&mut self) -> &mut Sources {
        &mut self.sources
    }

    /// Turns key paths into spans, where `find` knows one.
    pub fn locate(&mut self, find: impl Fn(&Place) -> Option<Span>) {
        for problem in &mut self.found {
            for place in std::iter::once(&mut problem.at).chain(&mut problem.other) {
                if let Some(span) = find(place) {
                    *place = Place::Span(span);
                }
            }
        }
    }

    /// All of them without duplicates: by source, then position; then those by key path; then those that are nowhere.
    pub fn sorted(&self) -> Vec<&Problem> {
        let mut order: Vec<&Problem> = self.found.iter().collect();
        order.sort_by(|a, b| rank(&a.at).cmp(&rank(&b.at)));
        let mut seen = BTreeSet::new();
        order.retain(|problem| seen.insert((rank(&problem.at), problem.says.as_str())));
        order
    }

    /// The text for a reader, ending in how many there are.
    pub fn render(&self, style: Style) -> String {
        let problems = self.sorted();
        let mut text = String::new();
        for problem in problems.iter().take(SHOWN) {
            text.push_str(&render::problem(problem, &self.sources, style));
            text.push_str("\n\n");
        }
        let count = problems.len();
        let noun = if count == 1 { "problem" } else { "problems" };
        let shown = if count > SHOWN { format!("the first {SHOWN} are shown; ") } else { String::new() };
        text + &shown + &format!("{count} {noun}; nothing was touched\n")
    }
}

/// The order of places: which kind of place, which text, the bytes in it, which path.
type Rank<'a> = (u8, Option<SourceId>, (usize, usize), Option<&'a KeyPath>);

fn rank(place: &Place) -> Rank<'_> {
    match place {
        Place::Span(span) => (0, Some(span.source), (span.range.start, span.range.end), None),
        Place::Path(path) | Place::Key(path) | Place::Name(path) => (1, None, (0, 0), Some(path)),
        Place::Nowhere => (2, None, (0, 0), None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn two_files() -> (Problems, Span, Span) {
        let mut sources = Sources::default();
        let first = sources.add("a.toml", "one = 1\ntwo = 2\n");
        let second = sources.add("b.toml", "three = 3\n");
        let problems = Problems::over(sources);
        (problems, Span::new(first, 8..11), Span::new(second, 0..5))
    }

    #[test]
    fn problems_come_by_source_and_position_and_once() {
        let (mut problems, two, three) = two_files();
        problems.push(Problem::new(Place::Nowhere, "somewhere else"));
        problems.push(Problem::new(&three, "bad three"));
        problems.push(Problem::new(&two, "bad two").hint("leave it out"));
        problems.push(Problem::new(&three, "bad three"));
        assert_eq!(
            problems.render(Style::Plain),
            "\
error: bad two
 --> a.toml:2:1
  |
2 | two = 2
  | ^^^
  |
  = help: leave it out

error: bad three
 --> b.toml:1:1
  |
1 | three = 3
  | ^^^^^

error: somewhere else

3 problems; nothing was touched
"
        );
    }

    #[test]
    fn a_key_path_is_shown_until_it_is_located() {
        let (mut problems, two, _) = two_files();
        let path = KeyPath::root().key("nginx").key("site").index(0);
        problems.push(Problem::new(path.clone(), "no certificate `api`"));
        assert_eq!(
            problems.render(Style::Plain),
            "error: no certificate `api`\n--> nginx.site[0]\n\n1 problem; nothing was touched\n"
        );
        problems.locate(|asked| (*asked == Place::Path(path.clone())).then(|| two.clone()));
        assert!(problems.render(Style::Plain).contains(" --> a.toml:2:1\n"));
    }

    #[test]
    fn of_two_the_other_one_is_named_by_file_and_line() {
        let (mut problems, two, three) = two_files();
        problems.push(Problem::new(&two, "here twice").hint("keep one of them").beside(&three));
        problems.push(Problem::new(&three, "not as there").beside(KeyPath::root().key("file").index(0)));
        assert_eq!(
            problems.render(Style::Plain),
            "\
error: here twice
 --> a.toml:2:1
  |
2 | two = 2
  | ^^^
  |
  = note: the other one is at b.toml:1
  = help: keep one of them

error: not as there
 --> b.toml:1:1
  |
1 | three = 3
  | ^^^^^
  |
  = note: the other one is at `file[0]`

2 problems; nothing was touched
"
        );
    }

    #[test]
    fn colour_is_only_in_the_coloured_style() {
        let (mut problems, two, _) = two_files();
        problems.push(Problem::new(two, "bad two"));
        assert!(problems.render(Style::Coloured).contains('\u{1b}'));
        assert!(!problems.render(Style::Plain).contains('\u{1b}'));
    }

    #[test]
    fn nothing_in_a_recipe_commands_the_terminal() {
        let mut sources = Sources::default();
        let id = sources.add("a\u{9b}.toml", "key = \"\u{9b}31m\u{1b}[31m\u{202e}\u{7f}\"\n");
        let mut problems = Problems::over(sources);
        let said = Problem::new(Span::new(id, 0..3), "no `\u{9b}`").hint("take out `\u{9d}`");
        problems.push(said.beside(Span::new(id, 0..3)));
        let text = problems.render(Style::Plain);
        assert!(!text.contains(|c: char| (c.is_control() && c != '\n') || c == '\u{202e}'), "{text:?}");
    }

    #[test]
    fn more_than_a_hundred_problems_are_counted_not_shown() {
        let mut problems = Problems::default();
        for number in 0..250 {
            problems.push(Problem::new(Place::Nowhere, format!("problem {number}")));
        }
        let text = problems.render(Style::Plain);
        assert!(text.ends_with("the first 100 are shown; 250 problems; nothing was touched\n"), "{text}");
    }
}
