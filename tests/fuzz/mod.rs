//! The fuzzers of `fuzz/`: built on a stable compiler, run for a while, and what they find of interest collected.

#![expect(clippy::expect_used, clippy::panic, reason = "a lab that cannot go on ends with a sentence")]
#![expect(clippy::print_stderr, reason = "it tells how far it is")]

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::lab::{agent, install, place, tool};

/// What can be fuzzed, how long an input may be, and what is known already, beside `fuzz/corpus/TARGET`.
const TARGETS: [(&str, usize, &[&str]); 3] = [
    ("recipe", 16 << 10, &["recipes", "tests/problems"]),
    ("user_data", 32 << 10, &["recipes", "fuzz/corpus/recipe"]),
    ("imds", 8 << 10, &[]),
];

/// How many inputs are collected at once for each.
const MOST_COLLECTED: usize = 70;

/// The names of all fuzzers.
pub(crate) fn names() -> [&'static str; 3] {
    TARGETS.map(|(name, ..)| name)
}

/// Builds the fuzzers; where they are.
fn build() -> PathBuf {
    let folder = root().join("fuzz");
    // The versions that everybody builds; cargo adds what only the fuzzers need.
    fs::copy(root().join("Cargo.lock"), folder.join("Cargo.lock")).expect("fuzz/ can be written");
    install::ensure();
    eprintln!("lab: building the fuzzers");
    let begun = Instant::now();
    let mut command = agent::cargo();
    command.args(["build", "--quiet", "--manifest-path"]).arg(folder.join("Cargo.toml"));
    command.env("RUSTC_WRAPPER", folder.join("rustc")).env("CARGO_TARGET_DIR", place::target());
    assert!(command.status().is_ok_and(|status| status.success()), "the fuzzers do not build");
    eprintln!("lab: that took {} s", begun.elapsed().as_secs());
    place::target().join("debug")
}

/// One fuzzer.
#[derive(Debug)]
pub(crate) struct Fuzzer {
    /// The name of its target.
    pub(crate) name: &'static str,
    program: PathBuf,
    longest: usize,
    known: &'static [&'static str],
}

/// What libFuzzer says at its end.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    executions: String,
    a_second: String,
    memory: String,
    edges: String,
    features: String,
    inputs: String,
    last_words: Vec<String>,
    /// What libFuzzer says of a broken promise.
    pub(crate) finding: Option<String>,
}

impl Fuzzer {
    /// All of them, built.
    pub(crate) fn all() -> Vec<Self> {
        let built = build();
        let fuzzer = |(name, longest, known)| Self { name, program: built.join(name), longest, known };
        TARGETS.into_iter().map(fuzzer).collect()
    }

    /// Fuzzes for so long.
    pub(crate) fn run(&self, time: Duration) -> Figures {
        let learned = self.learned();
        let mut command = Command::new(&self.program);
        command.arg(&learned).args(self.known()).args([
            format!("-max_total_time={}", time.as_secs()),
            format!("-max_len={}", self.longest),
            format!("-dict={}", dictionary().display()),
            format!("-artifact_prefix={}/{}-", place::target().join("fuzz").display(), self.name),
        ]);
        // What takes longer, or more memory, is a finding too: recipes are read on a host of 512 MB.
        command.args(["-timeout=5", "-rss_limit_mb=400", "-print_final_stats=1", "-verbosity=1"]);
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot run {command:?}: {error}"));
        let said = BufReader::new(child.stderr.take().expect("it is a pipe"));
        let mut figures = Figures::default();
        said.lines().map_while(Result::ok).for_each(|line| figures.take(line));
        let is_sound = child.wait().is_ok_and(|status| status.success());
        figures.finding = (!is_sound).then(|| figures.last_words.join("\n"));
        figures
    }

    /// Adds inputs that lead where nothing in the corpus does; how many.
    pub(crate) fn collect(&self) -> usize {
        let draft = place::target().join("fuzz").join(format!("{}.draft", self.name));
        let _ = fs::remove_dir_all(&draft);
        fs::create_dir_all(&draft).expect("the target folder can be written");
        for file in self.known().iter().flat_map(|folder| files(folder)) {
            fs::copy(&file, draft.join(name_of(&file))).expect("the target folder can be written");
        }
        let before: BTreeSet<String> = files(&draft).iter().map(|file| name_of(file)).collect();
        let mut command = Command::new(&self.program);
        // Where it goes counts, not how often.
        command.args(["-set_cover_merge=1", "-use_counters=0", "-timeout=5"]).arg(&draft).arg(self.learned());
        tool::heard(&mut command);
        let mut new: Vec<PathBuf> = files(&draft).into_iter().filter(|file| !before.contains(&name_of(file))).collect();
        // The corpus belongs to every clone: of many, a sample. Their names are digests, so it is no choice.
        new.truncate(MOST_COLLECTED);
        for file in &new {
            fs::copy(file, self.corpus().join(name_of(file))).expect("the corpus can be written");
        }
        new.len()
    }

    /// What it learned here, now and before.
    fn learned(&self) -> PathBuf {
        let folder = place::target().join("fuzz").join(self.name);
        fs::create_dir_all(&folder).expect("the target folder can be written");
        folder
    }

    fn corpus(&self) -> PathBuf {
        root().join("fuzz/corpus").join(self.name)
    }

    fn known(&self) -> Vec<PathBuf> {
        self.known.iter().map(|folder| root().join(folder)).chain([self.corpus()]).collect()
    }
}

impl Figures {
    /// As a row of the table, without the name.
    pub(crate) fn row(&self) -> String {
        let Self { executions, a_second, memory, edges, features, inputs, finding, .. } = self;
        let findings = if finding.is_none() { "none" } else { "one" };
        format!("{executions} | {a_second} | {edges} | {features} | {inputs} | {memory} MB | {findings}")
    }

    fn take(&mut self, line: String) {
        let mut words = line.split_whitespace();
        match (words.next(), words.next()) {
            (Some("stat::number_of_executed_units:"), Some(number)) => number.clone_into(&mut self.executions),
            (Some("stat::average_exec_per_sec:"), Some(number)) => number.clone_into(&mut self.a_second),
            (Some("stat::peak_rss_mb:"), Some(number)) => number.clone_into(&mut self.memory),
            _ => {}
        }
        let all: Vec<&str> = line.split_whitespace().collect();
        for pair in all.windows(2) {
            match pair {
                ["cov:", number] => (*number).clone_into(&mut self.edges),
                ["ft:", number] => (*number).clone_into(&mut self.features),
                ["corp:", number] => number.split('/').next().unwrap_or_default().clone_into(&mut self.inputs),
                _ => {}
            }
        }
        if self.last_words.len() == 60 {
            self.last_words.remove(0);
        }
        self.last_words.push(line);
    }
}

/// The words of a recipe, of the schema and of `fuzz/recipe.dict`, as libFuzzer reads them.
fn dictionary() -> PathBuf {
    let schema = fs::read_to_string(root().join("recipes/recipe.schema.json")).expect("the schema is there");
    let mut words = BTreeSet::new();
    collect_words(&schema.parse().expect("the schema is JSON"), &mut words);
    let more = fs::read_to_string(root().join("fuzz/recipe.dict")).expect("the dictionary is there");
    let is_plain =
        |word: &&String| word.len() <= 60 && word.bytes().all(|b| b.is_ascii_graphic() && !b"\"\\".contains(&b));
    let lines: Vec<String> = words.iter().filter(is_plain).map(|word| format!("\"{word}\"\n")).collect();
    let path = place::target().join("fuzz/recipe.dict");
    fs::write(&path, more + &lines.concat()).expect("the target folder can be written");
    path
}

/// The names of keys, and what may stand for a value.
fn collect_words(schema: &Value, words: &mut BTreeSet<String>) {
    match schema {
        Value::Object(map) => {
            for (key, value) in map {
                match (key.as_str(), value) {
                    ("properties", Value::Object(keys)) => words.extend(keys.keys().cloned()),
                    ("enum", Value::Array(values)) => {
                        words.extend(values.iter().filter_map(Value::as_str).map(str::to_owned));
                    }
                    ("const", Value::String(text)) => drop(words.insert(text.clone())),
                    _ => {}
                }
                collect_words(value, words);
            }
        }
        Value::Array(values) => values.iter().for_each(|value| collect_words(value, words)),
        _ => {}
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("cannot read {}: {error}", folder.display()));
    let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).filter(|path| path.is_file()).collect();
    files.sort();
    files
}

fn name_of(file: &Path) -> String {
    file.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
