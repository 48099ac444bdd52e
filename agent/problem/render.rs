//! The text of one problem, in the manner of rustc.

use annotate_snippets::renderer::{DecorStyle, Renderer};
use annotate_snippets::{AnnotationKind, Group, Level, Origin, Snippet, normalize_untrusted_str};

use super::{Place, Problem, Sources};

/// For whom a text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// A pipe, a log, a test.
    Plain,
    /// A terminal that shows colours.
    Coloured,
}

/// The problem with its place, the cited line, a caret and the hint; without a line end.
pub(super) fn problem(problem: &Problem, sources: &Sources, style: Style) -> String {
    let renderer = match style {
        Style::Plain => Renderer::plain(),
        Style::Coloured => Renderer::styled(),
    };
    let title = Level::ERROR.primary_title(problem.says.as_str());
    let place = match &problem.at {
        Place::Span(span) => sources.cite(span).map_or_else(
            || Group::with_title(title.clone()),
            |cited| {
                let snippet = Snippet::source(cited.text)
                    .line_start(cited.line)
                    .path(cited.name)
                    .annotation(AnnotationKind::Primary.span(cited.range));
                title.clone().element(snippet)
            },
        ),
        Place::Path(path) | Place::Key(path) | Place::Name(path) => title.element(Origin::path(path.to_string())),
        Place::Nowhere => Group::with_title(title),
    };
    // Hints and names of files repeat what others wrote, which may hold anything.
    let place = match problem.other.as_ref().and_then(|other| reference(other, sources)) {
        Some(other) => {
            place.element(Level::NOTE.message(normalize_untrusted_str(&format!("the other one is at {other}"))))
        }
        None => place,
    };
    let group = match &problem.hint {
        Some(hint) => place.element(Level::HELP.message(normalize_untrusted_str(hint))),
        None => place,
    };
    harmless(&renderer.decor_style(DecorStyle::Ascii).render(&[group]))
}

/// The renderer replaces what commands a terminal, but not the second set of those: U+009B is an escape sequence's begin.
fn harmless(text: &str) -> String {
    text.replace(|c| ('\u{80}'..='\u{9f}').contains(&c), "\u{fffd}")
}

/// A place in the words of a sentence: `web.toml:12`, which terminals and editors make a link of.
fn reference(place: &Place, sources: &Sources) -> Option<String> {
    match place {
        Place::Span(span) => sources.cite(span).map(|cited| format!("{}:{}", cited.name, cited.line)),
        Place::Path(path) | Place::Key(path) | Place::Name(path) => Some(format!("`{path}`")),
        Place::Nowhere => None,
    }
}
