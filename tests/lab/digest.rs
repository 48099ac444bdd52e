//! A tree of files, remembered byte for byte.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::machine::Machine;
use super::sum;

/// Every path under a folder, with its type, mode, owner and contents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Digest {
    paths: BTreeMap<String, String>,
}

impl Machine {
    /// Remembers a folder, or one file, as it is now.
    pub fn digest(&self, path: &str) -> Digest {
        let mut paths = BTreeMap::new();
        gather(&self.root().join(path.trim_start_matches('/')), path, &mut paths);
        Digest { paths }
    }
}

impl Digest {
    /// What a later digest has otherwise: `+ path`, `- path`, or `~ path: before → after`.
    pub fn differences(&self, later: &Self) -> Vec<String> {
        let mut found = Vec::new();
        for (path, before) in &self.paths {
            match later.paths.get(path) {
                None => found.push(format!("- {path}")),
                Some(after) if after != before => found.push(format!("~ {path}: {before} → {after}")),
                Some(_) => {}
            }
        }
        let new = later.paths.keys().filter(|path| !self.paths.contains_key(*path));
        found.extend(new.map(|path| format!("+ {path}")));
        found
    }

    /// Expects a later digest to be the same, byte for byte.
    pub fn is_still(&self, later: &Self) {
        let differences = self.differences(later);
        assert!(differences.is_empty(), "expected nothing to have changed, but\n{}", differences.join("\n"));
    }

    /// This digest without the paths that begin so.
    pub fn without(mut self, start: &str) -> Self {
        self.paths.retain(|path, _| !path.starts_with(start));
        self
    }
}

fn gather(file: &Path, path: &str, paths: &mut BTreeMap<String, String>) {
    let Ok(meta) = fs::symlink_metadata(file) else {
        return;
    };
    let kind = meta.file_type();
    let contents = if kind.is_symlink() {
        fs::read_link(file).map(|target| format!("link to {}", target.display()))
    } else if kind.is_file() {
        fs::read(file).map(sum::of)
    } else {
        Ok(String::new())
    };
    // A file may go while we look.
    let Ok(contents) = contents else {
        return;
    };
    let line = format!("{:o} {}:{} {contents}", meta.mode(), meta.uid(), meta.gid());
    paths.insert(path.to_owned(), line);
    if kind.is_dir() {
        for entry in fs::read_dir(file).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            gather(&entry.path(), &format!("{}/{name}", path.trim_end_matches('/')), paths);
        }
    }
}
