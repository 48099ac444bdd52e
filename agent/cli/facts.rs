//! `hostagent facts`: what a recipe can know of this host.

use clap::Args;
use serde_json::{Map, Value};

use crate::facts::Fact;
use crate::report::out;

use super::{Exit, Refusal, open};

/// Show what a recipe can know of this host
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hostagent facts
  hostagent facts --json | jq .hostname

A recipe uses them in any string: content = \"{{ facts.hostname }}\\n\"")]
pub(super) struct Facts {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Facts {
    pub(super) fn run(self) -> Result<Exit, Refusal> {
        let facts = open::facts()?;
        let text = if self.json {
            let fields: Map<String, Value> =
                facts.into_iter().map(|(name, fact)| (name.to_owned(), json(fact))).collect();
            format!("{}\n", Value::Object(fields))
        } else {
            let width = facts.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
            let shown =
                |fact: Option<Fact>| fact.map_or_else(|| "(not known here)".to_owned(), |fact| fact.to_string());
            let rows = facts.into_iter().map(|(name, fact)| format!("facts.{name:width$}  {}", shown(fact)));
            rows.collect::<Vec<_>>().join("\n") + "\n"
        };
        out::print(&text)?;
        Ok(Exit::AS_WANTED)
    }
}

fn json(fact: Option<Fact>) -> Value {
    match fact {
        None => Value::Null,
        Some(Fact::Text(text)) => text.into(),
        Some(Fact::Number(number)) => number.into(),
        Some(Fact::Bool(yes)) => yes.into(),
        Some(Fact::List(list)) => list.into(),
    }
}
