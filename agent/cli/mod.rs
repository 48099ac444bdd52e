//! The command line: one file a verb. A verb returns its exit code or a refusal; nothing here calls `exit`.

mod analyze;
mod bases;
mod boot;
mod check;
mod completions;
mod converge;
mod deadline;
mod exit;
mod facts;
mod kept;
mod known;
mod open;
mod origin;
mod patience;
mod plan;
mod refusal;
mod schema;
mod signals;
mod status;
mod tls;
mod waiting;
mod work;

use std::ffi::OsString;
use std::time::Instant;

use clap::{Parser, Subcommand, ValueEnum};

pub use exit::Exit;
pub use refusal::Refusal;

use crate::report::{Colour, Ink, Lead, out};

/// Makes this host what its recipe says, and keeps it so.
///
/// A recipe is a TOML file that names what a host should have: packages, users, files, a web server and its sites, a
/// database and its roles. `plan` shows how the host differs, `converge` puts it right.
#[derive(Debug, Parser)]
#[command(name = "hostagent", version, max_term_width = 100, arg_required_else_help = true)]
#[command(after_help = TOP)]
pub struct Cli {
    #[command(subcommand)]
    verb: Verb,
    /// Show all of it; twice (`-vv`) also every look at the host, on standard error
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    verbose: u8,
    /// When to colour: auto is for a terminal, unless `NO_COLOR` is set
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto", hide_possible_values = true)]
    color: When,
}

const TOP: &str = "\
Examples:
  hostagent check web.toml           is the recipe right?
  hostagent plan web.toml            what would change here?
  sudo hostagent converge web.toml   make it so
  sudo hostagent status              how did the last run go?
  sudo hostagent tls list            until when are the certificates good?

Exit codes:
  0  the host is as wanted
  1  something failed; what did not depend on it was done
  2  the recipe or the command line is wrong; nothing was touched
  3  changes are pending (plan)
  4  another run holds the lock
  5  the platform could not be asked (metadata, credentials)";

#[derive(Debug, Subcommand)]
enum Verb {
    Check(check::Check),
    Plan(plan::Plan),
    Converge(converge::Converge),
    Boot(boot::Boot),
    Facts(facts::Facts),
    Status(status::Status),
    Tls(tls::Tls),
    Analyze(analyze::Analyze),
    Schema(schema::Schema),
    Completions(completions::Completions),
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum When {
    Auto,
    Always,
    Never,
}

/// How a verb is to show what it has to show.
#[derive(Debug, Clone, Copy)]
struct Manner {
    /// Whether everything is shown.
    full: bool,
    /// Whether looks are logged.
    debug: bool,
    colour: Colour,
    /// When the process began its work.
    begun: Instant,
}

impl Manner {
    /// What came before a run until now: the command line.
    fn lead(self) -> Lead {
        let mut lead = Lead::since(self.begun);
        lead.passed("arguments");
        lead
    }

    fn ink(self) -> Ink {
        Ink::for_stdout(self.colour)
    }
}

/// Reads a command line and does what it says.
pub async fn run(args: impl IntoIterator<Item = OsString>) -> Exit {
    let begun = Instant::now();
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(usage) => {
            // Help and version go to standard output and are no error.
            let styled = usage.render();
            let text = |ink: Ink| if ink.is_on() { styled.ansi().to_string() } else { styled.to_string() };
            if usage.use_stderr() {
                out::complain(&text(Ink::for_stderr(Colour::Auto)));
                return Exit::WRONG;
            }
            return match out::print(&text(Ink::for_stdout(Colour::Auto))) {
                Ok(()) => Exit::AS_WANTED,
                Err(error) => Refusal::from(error).print(Colour::Auto),
            };
        }
    };
    let colour = match cli.color {
        When::Auto => Colour::Auto,
        When::Always => Colour::Always,
        When::Never => Colour::Never,
    };
    let manner = Manner { full: cli.verbose > 0, debug: cli.verbose > 1, colour, begun };
    crate::log::start(manner.debug);
    let is_run = matches!(cli.verb, Verb::Boot(_) | Verb::Converge(_) | Verb::Tls(_));
    let ended = match cli.verb {
        Verb::Check(check) => check.run(manner).await,
        Verb::Plan(plan) => plan.run(manner).await,
        Verb::Converge(converge) => converge.run(manner).await,
        Verb::Boot(boot) => boot.run(manner).await,
        Verb::Facts(facts) => facts.run().await,
        Verb::Status(status) => status.run(manner).await,
        Verb::Tls(tls) => tls.run(manner).await,
        Verb::Analyze(analyze) => analyze.run(manner),
        Verb::Schema(schema::Schema {}) => schema::run(),
        Verb::Completions(completions) => completions.run(),
    };
    let exit = ended.unwrap_or_else(|refusal| refusal.print(colour));
    if is_run {
        crate::log::stay_for_the_last_words().await;
    }
    exit
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[tokio::test]
    async fn a_wrong_command_line_touches_nothing() {
        let args = |text: &str| text.split(' ').map(OsString::from).collect::<Vec<_>>();
        assert_eq!(run(args("hostagent converge --frobnicate")).await, Exit::WRONG);
        assert_eq!(run(args("hostagent plan --var nameonly")).await, Exit::WRONG);
        assert_eq!(run(args("hostagent plan /nowhere/recipe.toml")).await, Exit::WRONG);
    }
}
