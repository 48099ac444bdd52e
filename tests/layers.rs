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
    ("acme", &["aws", "host", "terms"]),
    ("facts", &["aws", "host"]),
    ("engine", &["host", "problem"]),
    ("secret", &["aws", "engine", "host", "terms"]),
    ("resources", &["acme", "aws", "elsewhere", "engine", "host", "problem", "secret", "template", "terms"]),
    ("features", &["engine", "facts", "host", "problem", "resources", "secret", "template", "terms"]),
    ("recipe", &["engine", "facts", "features", "problem", "secret", "terms"]),
    ("fuzzing", &["aws", "elsewhere", "engine", "facts", "problem", "recipe"]),
    ("report", &["engine", "host"]),
    ("log", &["host", "report"]),
    (
        "cli",
        &[
            "acme",
            "aws",
            "elsewhere",
            "engine",
            "facts",
            "host",
            "log",
            "problem",
            "recipe",
            "report",
            "resources",
            "terms",
        ],
    ),
    ("main", &["cli", "log", "report"]),
];

/// The longest a file may be, tests and all.
const LONGEST: usize = 500;

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
        for path in paths(&file) {
            let used = path.first().map_or("", String::as_str);
            // Macros, such as `crate::template!`, and the crate's own items have no layer of their own.
            let is_layer = LAYERS.iter().any(|(name, _)| *name == used);
            if is_layer && used != module && !allowed.contains(&used) {
                wrong.push(format!("{}: `{module}` may not import `{used}`", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The map in agent/lib.rs has a row for each layer, the highest first.
#[test]
fn the_map_of_the_crate_has_every_layer() {
    let map = fs::read_to_string(root().join("agent/lib.rs")).unwrap();
    let rows = map.lines().skip_while(|line| !line.contains("| layer |")).take_while(|line| line.len() > 3);
    let rows = rows.filter_map(|line| line.strip_prefix("//! | `")?.split('`').next());
    let layers = LAYERS.iter().rev().map(|(name, _)| *name).filter(|name| *name != "main");
    assert_eq!(rows.collect::<Vec<_>>(), layers.collect::<Vec<_>>());
}

/// What reaches the machine without asking `host`.
const REACHES: [&str; 9] = [
    "nix::libc",
    "nix::fcntl",
    "nix::mount",
    "std::fs",
    "std::os::unix",
    "std::process::Command",
    "tokio::fs",
    "tokio::net",
    "tokio::process",
];

#[test]
fn only_host_touches_the_machine() {
    let sources = sources("agent");
    let tests: BTreeSet<String> = sources.iter().flat_map(|file| modules_for_tests(file)).collect();
    assert!(tests.contains("laws") && tests.contains("tests"), "{tests:?}");
    let mut wrong = Vec::new();
    for file in sources.iter().filter(|file| module_of(file) != "host") {
        if module_path(file).iter().any(|name| tests.contains(name)) {
            continue;
        }
        for path in named(&code_of(file)) {
            let path = path.join("::");
            // AWS is no part of the machine, and has no other way to be asked.
            if module_of(file) == "aws" && path.starts_with("tokio::net::") {
                continue;
            }
            if REACHES.iter().any(|reach| path == *reach || path.starts_with(&format!("{reach}::"))) {
                wrong.push(format!("{}: `{path}` belongs into `host`", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn features_do_not_know_each_other() {
    let sources = sources("agent/features");
    let features: BTreeSet<String> = sources.iter().map(|file| part_after(file, "features")).collect();
    let mut wrong = Vec::new();
    for file in &sources {
        let own = part_after(file, "features");
        for path in paths(file) {
            match path.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
                ["features", other, ..] if features.contains(*other) && *other != own => {
                    wrong.push(format!("{}: imports the feature `{other}`", file.display()));
                }
                ["features"] | ["features", "*"] => wrong.push(format!("{}: imports every feature", file.display())),
                _ => {}
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_path_is_seen_however_it_is_written() {
    let at = ["features", "nginx", "render"].map(str::to_owned);
    let code = "mod view;
        use crate::{engine::{Id, run::{self, Stop}}, host as machine};
        use super::super::postgres::quoted;
        use super::{Feature, *};
        fn main() { self::view::new(super::super::run::Run::<u8>::of(b), view::Page); std::fs::read(a) }
        use hostagent::cli;";
    let seen: Vec<String> = resolved(&at, code).iter().map(|path| path.join("::")).collect();
    let expected = [
        "engine::Id",
        "engine::run",
        "engine::run::Stop",
        "host",
        "features::postgres::quoted",
        "features::nginx::Feature",
        "features::nginx::*",
        "features::nginx::render::view::new",
        "features::run::Run",
        "features::nginx::render::view::Page",
        "cli",
    ];
    assert_eq!(seen, expected);
}

#[test]
fn every_file_of_resources_is_a_kind() {
    let folder = root().join("agent/resources");
    let declared = fs::read_to_string(folder.join("mod.rs")).unwrap();
    // What stands under `#[cfg(test)]` is not public.
    let names: Vec<&str> =
        declared.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';')).collect();
    assert!(names.len() > 25, "{names:?}");
    let no_kind = |name: &&&str| !code_of(&folder.join(format!("{name}.rs"))).contains("impl Resource for ");
    let wrong: Vec<&&str> = names.iter().filter(no_kind).collect();
    assert!(wrong.is_empty(), "no resources; agent/resources/mod.rs says where they go: {wrong:?}");
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
    let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    code.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// Every path in a file that leads to a place in the crate, from the crate's root.
fn paths(file: &Path) -> Vec<Vec<String>> {
    resolved(&module_path(file), &code_of(file))
}

/// The names that lead from the crate's root to the module that a file is.
fn module_path(file: &Path) -> Vec<String> {
    let below = file.strip_prefix(root().join("agent")).unwrap().with_extension("");
    let mut module: Vec<String> =
        below.components().map(|part| part.as_os_str().to_string_lossy().into_owned()).collect();
    module.pop_if(|name| matches!(name.as_str(), "mod" | "lib" | "main"));
    module
}

/// The modules that a file declares for tests alone.
fn modules_for_tests(file: &Path) -> Vec<String> {
    let text = fs::read_to_string(file).unwrap();
    let declared = text.split("#[cfg(test)]\n").skip(1);
    let name = |rest: &str| Some(rest.lines().next()?.rsplit_once("mod ")?.1.strip_suffix(';')?.to_owned());
    declared.filter_map(name).collect()
}

/// The paths that some code in `module` names, from the crate's root: those that begin with `crate`, `hostagent`, `self`,
/// `super` or the name of a module that is declared there.
fn resolved(module: &[String], code: &str) -> Vec<Vec<String>> {
    named(code).iter().filter_map(|path| from_root(module, code, path)).collect()
}

/// Every path and every name in some code, as it is written there.
fn named(code: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    let mut rest = code;
    while let Some(start) = rest.find(is_name) {
        let (before, from) = rest.split_at(start);
        let (tree, after) = tree(from);
        // What follows `::` or a dot goes on with something else, such as a type's parameters.
        found.extend(tree.into_iter().filter(|_| !before.ends_with(['.', ':'])));
        rest = after;
    }
    found
}

/// The paths at the beginning of `code`, one for each branch of its braces, and what is behind them.
fn tree(code: &str) -> (Vec<Vec<String>>, &str) {
    let (name, rest) = code.split_at(code.find(|c| !is_name(c) && c != '*').unwrap_or(code.len()));
    let behind = |path: Vec<String>| [vec![name.to_owned()], path].concat();
    let Some(after) = rest.strip_prefix("::") else { return (vec![vec![name.to_owned()]], rest) };
    let Some(mut list) = after.strip_prefix('{') else {
        if !after.starts_with(|c| is_name(c) || c == '*') {
            return (vec![vec![name.to_owned()]], rest);
        }
        let (paths, rest) = tree(after);
        return (paths.into_iter().map(behind).collect(), rest);
    };
    let mut paths = Vec::new();
    loop {
        list = list.trim_start_matches(|c: char| c.is_whitespace() || c == ',');
        if let Some(rest) = list.strip_prefix('}') {
            return (paths, rest);
        }
        let (branch, rest) = tree(list);
        paths.extend(branch.into_iter().map(behind));
        // `as` gives it another name.
        let Some(end) = rest.find([',', '}']) else { return (paths, rest) };
        list = rest.split_at(end).1;
    }
}

/// A path from the crate's root; `None` if it leads out of the crate, or is a name and no path.
fn from_root(module: &[String], code: &str, path: &[String]) -> Option<Vec<String>> {
    let mut full = module.to_vec();
    let mut names = path.iter().map(String::as_str).filter(|name| *name != "self").peekable();
    match path.first()?.as_str() {
        _ if path.len() == 1 => return None,
        "crate" | "hostagent" => {
            full.clear();
            names.next();
        }
        "super" => while names.next_if_eq(&"super").is_some() && full.pop().is_some() {},
        "self" => {}
        child => {
            let declared = code.lines().any(|line| line.trim_end().ends_with(&format!("mod {child};")));
            declared.then_some(())?;
        }
    }
    Some(full.into_iter().chain(names.map(str::to_owned)).collect())
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
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
