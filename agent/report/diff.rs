//! How two texts differ, as lines.

use std::time::Duration;

use similar::{ChangeTag, TextDiff};

use super::colour::Hue;
use super::words::tame;

/// Unchanged lines around a change.
const CONTEXT: usize = 3;
/// How long a diff may take before it settles for a coarser one: two large unlike texts take minutes otherwise.
const PATIENCE: Duration = Duration::from_millis(300);
/// Lines of a new text, and lines of a diff, that are shown without being asked for all.
const OF_NEW: usize = 12;
const OF_DIFF: usize = 60;
/// Characters of a line that are shown without being asked for all.
const OF_LINE: usize = 200;

/// A coloured line.
pub(crate) type Line = (Hue, String);

/// The lines of a text that appears.
pub(crate) fn new(text: &str, full: bool) -> Vec<Line> {
    let lines = text.lines().map(|line| (Hue::Good, clip(&format!("+ {line}"), full)));
    shortened(lines.collect(), OF_NEW, full)
}

/// A unified diff, without file names.
pub(crate) fn unified(old: &str, new: &str, full: bool) -> Vec<Line> {
    let diff = TextDiff::configure().timeout(PATIENCE).diff_lines(old, new);
    let mut lines = Vec::new();
    for hunk in diff.unified_diff().context_radius(CONTEXT).iter_hunks() {
        lines.push((Hue::Follows, hunk.header().to_string().trim_end().to_owned()));
        for change in hunk.iter_changes() {
            let (hue, sign) = match change.tag() {
                ChangeTag::Delete => (Hue::Bad, '-'),
                ChangeTag::Insert => (Hue::Good, '+'),
                ChangeTag::Equal => (Hue::Plain, ' '),
            };
            let line = change.value().strip_suffix('\n').unwrap_or(change.value());
            lines.push((hue, clip(format!("{sign} {line}").trim_end_matches(' '), full)));
            if change.missing_newline() {
                lines.push((Hue::Faint, "\\ no line end".to_owned()));
            }
        }
    }
    shortened(lines, OF_DIFF, full)
}

/// How many lines appear and how many go.
pub(crate) fn counts(old: &str, new: &str) -> (usize, usize) {
    let diff = TextDiff::configure().timeout(PATIENCE).diff_lines(old, new);
    let of = |tag| diff.iter_all_changes().filter(|change| change.tag() == tag).count();
    (of(ChangeTag::Insert), of(ChangeTag::Delete))
}

fn shortened(mut lines: Vec<Line>, most: usize, full: bool) -> Vec<Line> {
    // Saying that three lines are left out takes as much room as a third of them.
    if !full && lines.len() > most + 3 {
        let left = lines.len() - most;
        lines.truncate(most);
        lines.push((Hue::Faint, format!("… {left} more lines; `-v` shows all")));
    }
    lines
}

fn clip(line: &str, full: bool) -> String {
    match line.char_indices().nth(OF_LINE) {
        Some((at, _)) if !full => format!("{}…", tame(line.get(..at).unwrap_or_default())),
        _ => tame(line),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(lines: &[Line]) -> String {
        lines.iter().flat_map(|(_, line)| [line, "\n"]).collect()
    }

    fn numbered(count: usize) -> String {
        (1..=count).flat_map(|n| ["line ".to_owned(), n.to_string(), "\n".to_owned()]).collect()
    }

    #[test]
    fn a_diff_has_three_lines_of_context_and_says_where_a_line_end_is_missing() {
        let old = "1\n2\n3\n4\n5\n6\n7\n8\n";
        let new = "1\n2\n3\n4\nfive\n6\n7\n8";
        let expected = "@@ -2,7 +2,7 @@\n  2\n  3\n  4\n- 5\n+ five\n  6\n  7\n- 8\n+ 8\n\\ no line end\n";
        assert_eq!(text(&unified(old, new, false)), expected);
        assert_eq!(counts(old, new), (2, 2));
    }

    #[test]
    fn a_long_new_text_is_cut_and_says_so() {
        let long = numbered(20);
        let shown = text(&new(&long, false));
        assert!(shown.ends_with("+ line 12\n… 8 more lines; `-v` shows all\n"), "{shown}");
        assert_eq!(new(&long, true).len(), 20);
        assert_eq!(new(&numbered(15), false).len(), 15);
    }
}
