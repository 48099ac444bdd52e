//! Every recipe we ship, and the one in README, is a good one; the schema is made from the program.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::lab::agent::binary;

#[test]
fn every_recipe_we_ship_passes_check() {
    let recipes: Vec<PathBuf> = fs::read_dir(folder("recipes")).unwrap().map(|entry| entry.unwrap().path()).collect();
    let recipes = recipes.into_iter().filter(|path| path.extension().is_some_and(|end| end == "toml"));
    let recipes: Vec<PathBuf> = recipes.collect();
    assert!(recipes.len() >= 3);
    for recipe in recipes {
        let text = fs::read_to_string(&recipe).unwrap();
        assert!(text.starts_with("#:schema recipe.schema.json\n"), "{} names the schema for editors", recipe.display());
        checks(&recipe);
    }
}

#[test]
fn the_recipe_in_readme_passes_check() {
    let readme = fs::read_to_string(folder("README.md")).unwrap();
    let (_, rest) = readme.split_once("```toml\n").expect("README shows a recipe");
    let (recipe, _) = rest.split_once("```").unwrap();
    let file = tempfile::NamedTempFile::with_suffix(".toml").unwrap();
    fs::write(file.path(), recipe).unwrap();
    checks(file.path());
}

#[test]
fn the_schema_is_the_one_that_the_program_prints() {
    let said = Command::new(binary()).arg("schema").output().unwrap();
    assert!(said.status.success());
    let kept = fs::read_to_string(folder("recipes/recipe.schema.json")).unwrap();
    assert!(
        kept == String::from_utf8(said.stdout).unwrap(),
        "recipes/recipe.schema.json is old\nhint: cargo run --bin hostagent -- schema > recipes/recipe.schema.json"
    );
}

#[test]
fn readme_is_short() {
    let lines = fs::read_to_string(folder("README.md")).unwrap().lines().count();
    assert!(lines <= 150, "README has {lines} lines");
}

fn checks(recipe: &Path) {
    let said = Command::new(binary()).arg("check").arg(recipe).output().unwrap();
    assert!(said.status.success(), "{}:\n{}", recipe.display(), String::from_utf8_lossy(&said.stderr));
}

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}
