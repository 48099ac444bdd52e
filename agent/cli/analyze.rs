//! `hostagent analyze`: where did a run's time go?

use std::io::Read;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use crate::host::{Host, STATE_DIR, output, state};
use crate::report::analysis::{self, Blame, Chain, History, Unfit};
use crate::report::{last_run, out};

use super::{Exit, Manner, Refusal};

/// Show where a run's time went, from the report that it left
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sudo hostagent analyze blame                       what took how long, slowest first
  sudo hostagent analyze critical-chain              what the end of the run waited for
  sudo hostagent analyze timeline --svg run.svg      all of it as a picture, for a browser
  hostagent analyze blame --report web.json          a report from elsewhere: of `converge --json`, or a copy
  hostagent plan --json | hostagent analyze blame --report -")]
pub(super) struct Analyze {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    Blame(Listed),
    CriticalChain(Chained),
    Timeline(Drawn),
}

/// List what took how long, slowest first: time, share, resource, what it did
///
/// Resources that are applied as one, such as packages, are one line. What ran at the same time counts each, so that the
/// shares may be more than the whole.
#[derive(Debug, Args)]
struct Listed {
    #[command(flatten)]
    kept: Kept,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Show the critical path: what the end of the run waited for, and that for, down to its start
#[derive(Debug, Args)]
struct Chained {
    #[command(flatten)]
    kept: Kept,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Draw who ran when, what waited for what, and the critical path
#[derive(Debug, Args)]
struct Drawn {
    #[command(flatten)]
    kept: Kept,
    /// Where the picture goes; `-` is standard output
    #[arg(long, value_name = "FILE", required = true)]
    svg: PathBuf,
}

/// Which report.
#[derive(Debug, Args)]
struct Kept {
    /// The report [default: that of the last run]; `-` is standard input
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

impl Analyze {
    pub(super) fn run(self, manner: Manner) -> Result<Exit, Refusal> {
        match self.what {
            What::Blame(Listed { kept, json }) => {
                let blame = Blame::of(&kept.history()?);
                out::print(&if json { blame.json() } else { blame.text(manner.ink()) })?;
            }
            What::CriticalChain(Chained { kept, json }) => {
                let chain = Chain::of(&kept.history()?);
                out::print(&if json { chain.json() } else { chain.text(manner.ink()) })?;
            }
            What::Timeline(Drawn { kept, svg }) => {
                let picture = analysis::draw(&kept.history()?);
                if svg == Path::new("-") {
                    out::print(&picture)?;
                } else {
                    output::save(&svg, &picture).map_err(|error| not_saved(&svg, &error))?;
                }
            }
        }
        Ok(Exit::AS_WANTED)
    }
}

impl Kept {
    fn history(&self) -> Result<History, Refusal> {
        let (name, bytes) = self.bytes()?;
        let report = analysis::read(&name, &bytes).map_err(|Unfit { says, hint }| Refusal::wrong(says, hint))?;
        Ok(History::of(&report))
    }

    /// What the report is called, and its bytes.
    fn bytes(&self) -> Result<(String, Vec<u8>), Refusal> {
        let host = Host::here()?.look();
        let Some(path) = &self.report else {
            let path = Path::new(STATE_DIR).join(last_run::NAME);
            if !state::is_root() {
                let says = "only root can read how the last run went";
                return Err(Refusal::wrong(says, "use `sudo`, or name another report: `--report FILE`"));
            }
            let hint = "`hostagent converge` makes a report; `--report FILE` names one from elsewhere";
            let bytes = host.read(&path)?.ok_or_else(|| Refusal::wrong("hostagent has not run here yet", hint))?;
            return Ok((format!("`{}`", path.display()), bytes));
        };
        if path == Path::new("-") {
            let mut bytes = Vec::new();
            let read = std::io::stdin().lock().read_to_end(&mut bytes);
            read.map_err(|error| {
                Refusal::wrong(format!("cannot read standard input: {error}"), "pipe a report into it")
            })?;
            return Ok(("standard input".to_owned(), bytes));
        }
        let name = format!("`{}`", path.display());
        let whole = std::path::absolute(path).unwrap_or_else(|_| path.clone());
        let bytes = host.read(&whole).map_err(|error| {
            let hint = error.hint().unwrap_or_else(|| "check the path".to_owned());
            Refusal::wrong(error.to_string(), hint)
        })?;
        let bytes = bytes.ok_or_else(|| Refusal::wrong(format!("there is no report at {name}"), "check the path"))?;
        Ok((name, bytes))
    }
}

fn not_saved(path: &Path, error: &std::io::Error) -> Refusal {
    let says = format!("could not write `{}`: {error}", path.display());
    Refusal::wrong(says, "name a file that can be written, or `-` for standard output")
}
