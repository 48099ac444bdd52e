//! Why a verb did not do what it was asked to.

use crate::aws::imds::Unanswered;
use crate::host;
use crate::problem::{Problems, Style};
use crate::report::json::{RECIPE_IS_WRONG, Trouble};
use crate::report::{Colour, Ink, out};

use super::exit::Exit;

/// An end before the work: what is wrong, what to do about it, and the exit code.
#[derive(Debug)]
pub enum Refusal {
    /// The recipe is wrong, in these places.
    Recipe(Box<Problems>),
    /// Anything else.
    Said {
        /// A lowercase fragment without a full stop.
        says: String,
        /// What to do about it.
        hint: Option<String>,
        /// What the caller is told.
        exit: Exit,
    },
}

impl Refusal {
    /// The command line is wrong; nothing was touched.
    pub fn wrong(says: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Said { says: says.into(), hint: Some(hint.into()), exit: Exit::WRONG }
    }

    /// The program could not even begin.
    pub fn at_start(error: &std::io::Error) -> Self {
        Self::Said { says: format!("could not start: {error}"), hint: None, exit: Exit::FAILED }
    }

    /// What the caller is told.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Recipe(_) => Exit::WRONG,
            Self::Said { exit, .. } => *exit,
        }
    }

    /// What it is about, in a line.
    pub fn headline(&self) -> String {
        match self {
            Self::Recipe(problems) => {
                let count = problems.sorted().len();
                format!(
                    "the recipe is wrong ({count} problem{}); nothing was touched",
                    if count == 1 { "" } else { "s" }
                )
            }
            Self::Said { says, .. } => says.clone(),
        }
    }

    /// A stable word for reports, where nothing more exact is known.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Recipe(_) => RECIPE_IS_WRONG,
            Self::Said { exit: Exit::UNASKED, .. } => "imds-unanswered",
            Self::Said { .. } => "refused",
        }
    }

    /// The same for a report, under a stable word.
    pub fn trouble(&self, code: &str) -> Trouble {
        let (says, hint) = match self {
            Self::Recipe(problems) => (problems.render(Style::Plain), None),
            Self::Said { says, hint, .. } => (says.clone(), hint.clone()),
        };
        Trouble { code: code.to_owned(), says, hint, phase: None }
    }

    /// Prints itself to standard error.
    pub fn print(&self, colour: Colour) -> Exit {
        let ink = Ink::for_stderr(colour);
        match self {
            Self::Recipe(problems) => {
                out::complain(&problems.render(if ink.is_on() { Style::Coloured } else { Style::Plain }));
                Exit::WRONG
            }
            Self::Said { says, hint, exit } => {
                out::complain(&format!("{} {says}\n", ink.alarm("error:")));
                if let Some(advice) = hint {
                    out::complain(&format!("{} {advice}\n", ink.label("hint:")));
                }
                *exit
            }
        }
    }
}

impl From<host::Error> for Refusal {
    fn from(error: host::Error) -> Self {
        Self::Said { says: error.to_string(), hint: error.hint(), exit: Exit::FAILED }
    }
}

impl Refusal {
    /// The metadata service of EC2 did not answer what these facts need.
    pub fn unanswered(names: &[&str], why: &Unanswered) -> Self {
        let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
        let (what, verb) = if names.len() == 1 { ("fact", "is") } else { ("facts", "are") };
        let says = format!("the {what} {} {verb} not known: {why}", names.join(", "));
        Self::Said { says, hint: Some(why.hint.clone()), exit: Exit::UNASKED }
    }
}

impl From<std::io::Error> for Refusal {
    /// Standard output takes no more.
    fn from(error: std::io::Error) -> Self {
        Self::Said { says: format!("could not print: {error}"), hint: None, exit: Exit::FAILED }
    }
}
