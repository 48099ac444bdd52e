//! The house: imports point downwards, features never import each other, templates and features go in step, files are
//! one idea each.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Every module of the crate and what it may import. Lower ones first.
const LAYERS: &[(&str, &[&str])] = &[
    ("problem", &[]),
    ("template", &[]),
    ("terms", &[]),
    ("host", &["terms"]),
    ("aws", &["host"]),
    ("elsewhere", &["aws", "host", "terms"]),
    ("facts", &["aws", "host"]),
    ("engine", &["host", "problem"]),
    ("secret", &["aws", "engine", "host", "terms"]),
    ("resources", &["aws", "elsewhere", "engine", "host", "problem", "secret", "terms"]),
    ("features", &["engine", "facts", "host", "problem", "resources", "secret", "template", "terms"]),
    ("recipe", &["engine", "facts", "features", "problem", "secret", "terms"]),
    ("report", &["engine", "host"]),
    ("log", &["host", "report"]),
    ("cli", &["aws", "elsewhere", "engine", "facts", "host", "log", "problem", "recipe", "report", "terms"]),
    ("main", &["cli", "log", "report"]),
];

/// The longest a file may be, tests and all.
const LONGEST: usize = 620;

#[test]
fn imports_point_downwards() {
    let mut wrong = Vec::new();
    for file in sources("agent") {
        let module = module_of(&file);
        if module == "lib" {
            continue;
        }
        let Some((_, allowed)) = LAYERS.iter().find(|(name, _)| *name == module) else {
            wrong.push(format!("{}: `{module}` has no layer", file.display()));
            continue;
        };
        for used in imports(&code_of(&file)) {
            if used != module && !allowed.contains(&used.as_str()) {
                wrong.push(format!("{}: `{module}` may not import `{used}`", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn features_do_not_know_each_other() {
    let mut wrong = Vec::new();
    for file in sources("agent/features") {
        let own = part_after(&file, "features");
        let code = code_of(&file);
        let (mut rest, path) = (code.as_str(), "crate::features::");
        while let Some((_, after)) = rest.split_once(path) {
            let other: String = after.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            if other != own && other.chars().next().is_some_and(char::is_lowercase) {
                wrong.push(format!("{}: imports the feature `{other}`", file.display()));
            }
            rest = after;
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_template_is_used_by_the_feature_of_its_name() {
    let features: BTreeSet<String> =
        sources("agent/features").iter().map(|file| part_after(file, "features")).collect();
    let code: String = sources("agent").iter().map(|file| fs::read_to_string(file).unwrap()).collect();
    let mut wrong = Vec::new();
    for template in files_under(&root().join("templates"), "tera") {
        let name = template.strip_prefix(root().join("templates")).unwrap().display().to_string();
        let feature = name.split('/').next().unwrap().to_owned();
        if !features.contains(&feature) {
            wrong.push(format!("templates/{name}: there is no feature `{feature}`"));
        }
        if !code.contains(&format!("\"{name}\"")) {
            wrong.push(format!("templates/{name}: nobody renders it"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn files_are_short() {
    let long: Vec<String> = sources("agent")
        .into_iter()
        .chain(sources("tests"))
        .map(|file| (fs::read_to_string(&file).unwrap().lines().count(), file))
        .filter(|(lines, _)| *lines > LONGEST)
        .map(|(lines, file)| format!("{}: {lines} lines", file.display()))
        .collect();
    assert!(long.is_empty(), "{}", long.join("\n"));
}

/// The top-level module a file belongs to.
fn module_of(file: &Path) -> String {
    part_after(file, "agent")
}

/// The path component after a folder, without `.rs`.
fn part_after(file: &Path, folder: &str) -> String {
    let parts = file.components().map(|part| part.as_os_str().to_string_lossy().into_owned());
    let next = parts.skip_while(|part| part != folder).nth(1).unwrap_or_default();
    next.trim_end_matches(".rs").to_owned()
}

/// A file's code without its comments and its tests.
fn code_of(file: &Path) -> String {
    let text = fs::read_to_string(file).unwrap();
    let code = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    code.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// The modules that some code names as `crate::NAME` or `hostagent::NAME`, in braces too.
fn imports(code: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for start in ["crate::", "hostagent::"] {
        let mut rest = code;
        while let Some((_, after)) = rest.split_once(start) {
            let names: Vec<&str> = match after.strip_prefix('{') {
                Some(list) => list.split('}').next().unwrap_or_default().split(',').collect(),
                None => vec![after],
            };
            for name in names {
                let name: String = name.trim().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                // Macros, such as `crate::template!`, and the crate's own items have no layer of their own.
                if LAYERS.iter().any(|(layer, _)| *layer == name) {
                    found.insert(name);
                }
            }
            rest = after;
        }
    }
    found
}

fn sources(folder: &str) -> Vec<PathBuf> {
    files_under(&root().join(folder), "rs")
}

fn files_under(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut files = Vec::new();
    for path in entries.map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            files.extend(files_under(&path, extension));
        } else if path.extension().is_some_and(|end| end == extension) {
            files.push(path);
        }
    }
    files.sort();
    files
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}
