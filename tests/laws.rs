//! The four laws hold for every kind of resource: none is without a test that says so.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Kinds that only refuse: they never differ, so there is no law for them to keep.
const GUARDS: [&str; 1] = ["PgVersion"];

/// Where tests have toys of their own.
const TOYS: [&str; 2] = ["agent/engine", "agent/resources/killed.rs"];

#[test]
fn every_kind_of_resource_is_held_to_the_four_laws() {
    let code = code();
    let kinds: BTreeSet<String> = code.iter().flat_map(|(path, text)| kinds_in(path, text)).collect();
    assert!(kinds.len() > 25 && kinds.contains("File") && kinds.contains("PgGrant"), "{kinds:?}");
    let held: BTreeSet<String> = code.iter().flat_map(|(_, text)| after(text, "keeps_its_word::<")).collect();
    let free: Vec<&String> = kinds.difference(&held).filter(|kind| !GUARDS.contains(&kind.as_str())).collect();
    assert!(
        free.is_empty(),
        "no test holds these to the four laws (`keeps_its_word::<KIND>(…)`, see agent/resources/laws.rs): {free:?}"
    );
}

/// The kinds that a file makes resources: `impl Resource for File {`.
fn kinds_in(path: &Path, text: &str) -> Vec<String> {
    let is_toy = TOYS.iter().any(|toys| path.starts_with(root().join(toys)));
    if is_toy { Vec::new() } else { after(text, "Resource for ") }
}

/// The names of types that follow a word, wherever it stands: without path and parameters.
fn after(text: &str, word: &str) -> Vec<String> {
    let name = |rest: &str| {
        let whole: String = rest.chars().take_while(|c| c.is_alphanumeric() || matches!(c, '_' | ':')).collect();
        whole.rsplit(':').next().unwrap_or_default().to_owned()
    };
    text.split(word).skip(1).map(name).filter(|name| name.starts_with(char::is_uppercase)).collect()
}

/// Every source file without the lines that are comments.
fn code() -> Vec<(PathBuf, String)> {
    let (mut found, mut left) = (Vec::new(), vec![root().join("agent")]);
    while let Some(folder) = left.pop() {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                left.push(path);
            } else if path.extension().is_some_and(|end| end == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                let lines = text.lines().filter(|line| !line.trim_start().starts_with("//"));
                found.push((path, lines.collect::<Vec<_>>().join("\n")));
            }
        }
    }
    found
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}
