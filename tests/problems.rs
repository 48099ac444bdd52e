//! A wrong recipe is told all at once, each problem with its line, a caret and a remedy; exit code 2; nothing touched.
//!
//! One case a file: `tests/problems/NAME.toml`, and beside it `NAME.txt`, exactly what a person reads.
//! `HOSTAGENT_GOLDEN=write` rewrites the texts: read the difference before you commit it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::lab::Machine;
use crate::lab::agent::binary;

#[test]
fn every_wrong_recipe_is_told_as_it_was() {
    let cases = cases();
    assert!(cases.len() >= 40, "{} cases", cases.len());
    let mut wrong = Vec::new();
    for case in cases {
        let said =
            Command::new(binary()).arg("check").arg(case.file_name().unwrap()).current_dir(folder()).output().unwrap();
        let text = String::from_utf8(said.stderr).unwrap();
        let kept = case.with_extension("txt");
        if std::env::var_os("HOSTAGENT_GOLDEN").is_some() {
            fs::write(&kept, &text).unwrap();
        }
        let wanted = fs::read_to_string(&kept).unwrap_or_default();
        if said.status.code() != Some(2) || text != wanted {
            wrong.push(format!(
                "{}: exit {:?}\n--- wanted\n{wanted}--- said\n{text}",
                case.display(),
                said.status.code()
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_wrong_recipe_touches_nothing() {
    let host = Machine::debian(12).boot();
    host.has_agent();
    let (etc, var) = (host.digest("/etc"), host.digest("/var/lib"));
    for case in cases() {
        host.write("/tmp/recipe.toml", &fs::read_to_string(case).unwrap());
        host.agent("plan /tmp/recipe.toml").exits(2);
        host.agent("converge /tmp/recipe.toml").exits(2);
    }
    etc.is_still(&host.digest("/etc"));
    var.is_still(&host.digest("/var/lib"));
}

fn cases() -> Vec<PathBuf> {
    let files = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    let mut cases: Vec<PathBuf> = files.filter(|path| path.extension().is_some_and(|end| end == "toml")).collect();
    cases.sort();
    cases
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/problems")
}
