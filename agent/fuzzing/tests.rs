use std::fs;
use std::path::{Path, PathBuf};

use super::*;

/// What each fuzzer begins with: as in `cargo lab fuzz`.
const KNOWN: [(&str, &[&str]); 3] = [
    ("recipe", &["fuzz/corpus/recipe", "recipes", "tests/problems"]),
    ("user_data", &["fuzz/corpus/user_data", "fuzz/corpus/recipe", "recipes"]),
    ("imds", &["fuzz/corpus/imds"]),
];

#[test]
fn everything_that_the_fuzzers_ever_found_of_interest_keeps_the_promises() {
    let mut broken = Vec::new();
    for ((name, judge), (known, folders)) in ALL.into_iter().zip(KNOWN) {
        assert_eq!(name, known);
        let files: Vec<PathBuf> = folders.iter().flat_map(|folder| files(folder)).collect();
        assert!(files.len() >= 10, "{name} has {} inputs", files.len());
        for file in files {
            if let Err(promise) = judge(&fs::read(&file).unwrap()) {
                broken.push(format!("{name} of {}: {promise}", file.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn the_seeds_lead_where_they_should() {
    let of = |name: &str| fs::read(root().join("fuzz/corpus/recipe").join(name)).unwrap();
    for name in ["everything.toml", "over_a_base.toml", "over_two_bases.toml", "base_elsewhere.toml"] {
        match Read::of(&of(name)) {
            Read::Planned(plan) => assert!(!plan.is_empty(), "{name} wants nothing"),
            Read::Wrong(problems) => panic!("{name}:\n{}", problems.render(Style::Plain)),
        }
    }
    let Read::Wrong(problems) = Read::of(&of("a_secret.toml")) else { panic!("a literal password is a problem") };
    assert!(sources_hide(&problems, CANARY) && !problems.render(Style::Plain).contains(CANARY));
}

#[test]
fn the_crate_of_the_fuzzers_builds_as_everybody_does() {
    let read = |path: &str| fs::read_to_string(root().join(path)).unwrap().parse::<toml::Table>().unwrap();
    let (ours, theirs) = (read("Cargo.toml"), read("fuzz/Cargo.toml"));
    let (ours, theirs) = (&ours["profile"]["dev"], &theirs["profile"]["dev"]);
    assert_eq!(ours["debug"], theirs["debug"]);
    for (name, profile) in ours["package"].as_table().unwrap() {
        assert_eq!(*profile, theirs["package"][name], "[profile.dev.package.{name}] of fuzz/Cargo.toml");
    }
}

fn files(folder: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(root().join(folder)).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.is_file()).collect()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
