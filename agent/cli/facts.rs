//! `hostagent facts`: what a recipe can know of this host.

use clap::Args;
use serde_json::Value;

use crate::report::out;

use super::{Exit, Refusal, open};

/// Show what a recipe can know of this host
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hostagent facts
  hostagent facts --json | jq .os

A recipe uses them in any string: content = \"{{ facts.hostname }}\\n\"")]
pub(super) struct Facts {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Facts {
    pub(super) async fn run(self) -> Result<Exit, Refusal> {
        let facts = open::facts().await?;
        if self.json {
            out::print(&format!("{facts}\n"))?;
            return Ok(Exit::AS_WANTED);
        }
        let mut rows = Vec::new();
        flatten("facts", &facts, &mut rows);
        let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
        let lines: Vec<String> = rows.iter().map(|(name, value)| format!("{name:width$}  {value}\n")).collect();
        out::print(&lines.concat())?;
        Ok(Exit::AS_WANTED)
    }
}

/// One row for each name that a recipe can write.
fn flatten(name: &str, value: &Value, rows: &mut Vec<(String, String)>) {
    match value {
        Value::Object(fields) => fields.iter().for_each(|(key, field)| flatten(&format!("{name}.{key}"), field, rows)),
        Value::String(text) => rows.push((name.to_owned(), text.clone())),
        other => rows.push((name.to_owned(), other.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_have_the_names_that_recipes_use() {
        let mut rows = Vec::new();
        flatten("facts", &serde_json::json!({ "cpus": 2, "os": { "id": "debian" } }), &mut rows);
        assert_eq!(rows, [("facts.cpus".to_owned(), "2".to_owned()), ("facts.os.id".to_owned(), "debian".to_owned())]);
    }
}
