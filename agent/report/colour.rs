//! Colour: only for a terminal that wants it. Nothing is told by colour alone.

use std::io::IsTerminal;

/// When there is colour.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Colour {
    /// On a terminal, unless `NO_COLOR` is set (no-color.org) or `TERM` is `dumb`.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// What a piece of text is, and so its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hue {
    /// Something that appears, or went well.
    Good,
    /// Something that differs.
    Differs,
    /// Something that goes, or failed.
    Bad,
    /// A consequence, or a place in a diff.
    Follows,
    /// Something that matters less.
    Faint,
    /// A name or a result.
    Strong,
    /// Nothing particular.
    Plain,
}

/// Whether texts are coloured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ink(bool);

impl Ink {
    /// No colour: a pipe, a log, a test.
    pub const NONE: Self = Self(false);

    /// The ink for standard output.
    pub fn for_stdout(colour: Colour) -> Self {
        Self(wanted(colour, std::io::stdout().is_terminal()))
    }

    /// The ink for standard error.
    pub fn for_stderr(colour: Colour) -> Self {
        Self(wanted(colour, std::io::stderr().is_terminal()))
    }

    /// Whether there is colour.
    pub fn is_on(self) -> bool {
        self.0
    }

    /// A word that announces trouble.
    pub fn alarm(self, text: &str) -> String {
        self.paint(Hue::Bad, text)
    }

    /// A word that announces advice.
    pub fn label(self, text: &str) -> String {
        self.paint(Hue::Follows, text)
    }

    pub(crate) fn paint(self, hue: Hue, text: &str) -> String {
        // The eight colours of ECMA-48, which every terminal shows in its owner's choice.
        let code = match hue {
            Hue::Good => "32",
            Hue::Differs => "33",
            Hue::Bad => "31",
            Hue::Follows => "36",
            Hue::Faint => "2",
            Hue::Strong => "1",
            Hue::Plain => return text.to_owned(),
        };
        if self.0 && !text.is_empty() { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

fn wanted(colour: Colour, terminal: bool) -> bool {
    let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    match colour {
        Colour::Always => true,
        Colour::Never => false,
        Colour::Auto => terminal && !set("NO_COLOR") && std::env::var_os("TERM").is_none_or(|term| term != "dumb"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pipe_gets_no_colour_unless_it_is_asked_for() {
        assert!(!wanted(Colour::Auto, false));
        assert!(wanted(Colour::Always, false));
        assert!(!wanted(Colour::Never, true));
        assert_eq!(Ink::NONE.paint(Hue::Bad, "x"), "x");
        assert_eq!(Ink(true).paint(Hue::Bad, "x"), "\u{1b}[31mx\u{1b}[0m");
    }
}
