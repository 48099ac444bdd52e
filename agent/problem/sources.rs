//! The texts that problems cite, and which pieces of them nobody may see.

use std::ops::Range;
use std::sync::Arc;

/// Which text a span is in; texts are numbered in the order they were read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceId(usize);

/// A piece of a text, in bytes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Span {
    /// The text.
    pub source: SourceId,
    /// The bytes in it.
    pub range: Range<usize>,
}

impl Span {
    /// These bytes of that text.
    pub fn new(source: SourceId, range: Range<usize>) -> Self {
        Self { source, range }
    }
}

/// The texts with their display names.
#[derive(Clone, Debug, Default)]
pub struct Sources(Vec<Source>);

#[derive(Clone, Debug)]
struct Source {
    name: Arc<str>,
    text: Arc<str>,
    hidden: Vec<Range<usize>>,
}

/// Where a span begins, as people count, and the line it is in.
#[derive(Debug)]
pub(super) struct Cited<'a> {
    pub(super) name: &'a str,
    /// From 1.
    pub(super) line: usize,
    /// The line without its end; what is hidden is `*`.
    pub(super) text: String,
    /// Within `text`; ends where the line ends.
    pub(super) range: Range<usize>,
}

impl Sources {
    /// Adds a text under the name that people know it by, usually its path.
    pub fn add(&mut self, name: &str, text: &str) -> SourceId {
        self.0.push(Source { name: name.into(), text: text.into(), hidden: Vec::new() });
        SourceId(self.0.len() - 1)
    }

    /// Every text.
    pub(crate) fn ids(&self) -> impl Iterator<Item = SourceId> {
        (0..self.0.len()).map(SourceId)
    }

    /// The whole of a text.
    pub fn whole(&self, source: SourceId) -> &str {
        self.0.get(source.0).map_or("", |source| &source.text)
    }

    /// The bytes of a span; empty when there are no such bytes.
    pub fn text(&self, span: &Span) -> &str {
        self.0.get(span.source.0).and_then(|source| source.text.get(span.range.clone())).unwrap_or_default()
    }

    /// Makes the piece unreadable wherever its line is cited: a password that was written into a recipe is a
    /// problem, and its report goes to logs.
    pub fn hide(&mut self, span: &Span) {
        if let Some(source) = self.0.get_mut(span.source.0) {
            source.hidden.push(span.range.clone());
        }
    }

    /// Whether any of the piece may not be seen.
    pub fn is_hidden(&self, span: &Span) -> bool {
        self.0.get(span.source.0).is_some_and(|source| source.hidden.iter().any(|hidden| overlap(hidden, &span.range)))
    }

    /// The first line of a span. Spans from anywhere are brought back into the text, so this always finds something.
    pub(super) fn cite(&self, span: &Span) -> Option<Cited<'_>> {
        let source = self.0.get(span.source.0)?;
        let text = &*source.text;
        let mut start = boundary(text, span.range.start);
        // The end of a file that ends in a newline is an empty line; the line before it says more.
        if start == text.len() && text.ends_with('\n') {
            start = text.trim_end().len();
        }
        let before = text.get(..start)?;
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let rest = text.get(line_start..)?;
        let content = rest.lines().next().unwrap_or_default();
        let from = (start - line_start).min(content.len());
        let to = boundary(text, span.range.end).saturating_sub(line_start).clamp(from, content.len());
        Some(Cited {
            name: &source.name,
            line: before.bytes().filter(|byte| *byte == b'\n').count() + 1,
            text: masked(content, line_start, &source.hidden),
            range: from..to,
        })
    }
}

/// The line with `*` for each hidden byte, so that columns stay.
fn masked(line: &str, line_start: usize, hidden: &[Range<usize>]) -> String {
    let mut text = String::with_capacity(line.len());
    for (offset, c) in line.char_indices() {
        let at = line_start + offset;
        if hidden.iter().any(|range| range.contains(&at)) {
            text.extend(std::iter::repeat_n('*', c.len_utf8()));
        } else {
            text.push(c);
        }
    }
    text
}

fn overlap(one: &Range<usize>, other: &Range<usize>) -> bool {
    one.start < other.end && other.start < one.end
}

/// The nearest character boundary at or before `offset`.
fn boundary(text: &str, offset: usize) -> usize {
    text.floor_char_boundary(offset)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_span_finds_a_line() {
        let mut sources = Sources::default();
        let id = sources.add("a.toml", "ä = 1\r\nb = \"\"\"\nc\n\"\"\"\n");
        for range in [0..1, 1..2, 0..999, 999..1000, 7..8, 12..20, 4..4] {
            let cited = sources.cite(&Span::new(id, range.clone())).unwrap();
            assert!(cited.text.get(cited.range.clone()).is_some(), "{range:?} {cited:?}");
        }
        assert_eq!(sources.cite(&Span::new(id, 12..20)).unwrap().text, "b = \"\"\"");
        assert!(sources.cite(&Span::new(SourceId(7), 0..1)).is_none());
    }

    #[test]
    fn what_is_hidden_is_not_cited() {
        let mut sources = Sources::default();
        let id = sources.add("a.toml", "password = \"hünter\" # x\n");
        let secret = Span::new(id, 11..20);
        sources.hide(&secret);
        assert!(sources.is_hidden(&secret) && !sources.is_hidden(&Span::new(id, 0..8)));
        assert_eq!(sources.cite(&Span::new(id, 0..8)).unwrap().text, "password = ********* # x");
    }
}
