//! `hostagent facts`: what a recipe can know of this host.

use clap::Args;
use serde_json::{Map, Value};

use crate::facts::Fact;
use crate::report::out;

use super::patience::Patience;
use super::{Exit, Refusal, known};

/// Show what a recipe can know of this host
///
/// What only EC2 knows of an instance is asked of its metadata service (IMDSv2) and kept for the boot in
/// /run/hostagent/facts.json. On any other host nobody is asked.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hostagent facts
  hostagent facts region
  hostagent facts --json | jq .hostname

A recipe uses them in any string: content = \"{{ facts.hostname }}\\n\"
Exit codes: 0 shown · 1 the fact is not known here · 2 there is no such fact · 5 EC2's metadata service did not answer")]
pub(super) struct Facts {
    /// Only this one, and nothing but its value
    key: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    patience: Patience,
}

impl Facts {
    pub(super) async fn run(self) -> Result<Exit, Refusal> {
        let (facts, answered) = known::facts(self.key.as_deref(), self.patience).await?;
        let Some(key) = &self.key else {
            out::print(&if self.json { object(facts) } else { table(&facts) })?;
            answered?;
            return Ok(Exit::AS_WANTED);
        };
        answered?;
        let value = facts.into_iter().next().and_then(|(_, value)| value).ok_or_else(|| not_known(key))?;
        out::print(&if self.json { format!("{}\n", json(Some(value))) } else { format!("{value}\n") })?;
        Ok(Exit::AS_WANTED)
    }
}

fn table(facts: &[(&str, Option<Fact>)]) -> String {
    let width = facts.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
    let shown = |fact: &Option<Fact>| fact.as_ref().map_or_else(|| "(not known here)".to_owned(), ToString::to_string);
    let rows = facts.iter().map(|(name, fact)| format!("facts.{name:width$}  {}", shown(fact)));
    rows.collect::<Vec<_>>().join("\n") + "\n"
}

fn object(facts: Vec<(&str, Option<Fact>)>) -> String {
    let fields: Map<String, Value> = facts.into_iter().map(|(name, fact)| (name.to_owned(), json(fact))).collect();
    format!("{}\n", Value::Object(fields))
}

fn not_known(key: &str) -> Refusal {
    Refusal::Said {
        says: format!("the fact `{key}` is not known on this host"),
        hint: Some("`hostagent facts` shows those that are".to_owned()),
        exit: Exit::FAILED,
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
