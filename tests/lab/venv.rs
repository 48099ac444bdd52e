//! Programs from PyPI, or wherever pip is told to look: each in a folder of its own, made once and kept in the lab's cache.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{self, Command};
use std::time::Instant;

use super::{base, install, place, sum, tool};

/// The interpreter that has these packages, made now if it is not there. Two processes may ask at once.
pub fn python(name: &str, packages: &[&str]) -> PathBuf {
    install::ensure();
    let cache = place::cache();
    let all = packages.join(" ");
    let folder = cache.join(format!("{name}-{}", sum::short(&all)));
    let python = folder.join("bin/python");
    if python.exists() {
        return python;
    }
    fs::create_dir_all(&cache).expect("the cache can be made");
    let lock = File::create(cache.join(format!("{name}.lock"))).expect("the cache can be written");
    lock.lock().expect("a lock can be waited for");
    if !python.exists() {
        eprintln!("lab: installing {all} with pip, once, in {}", folder.display());
        let begun = Instant::now();
        let draft = cache.join(format!(".draft-{name}-{}", process::id()));
        tool::heard(Command::new("python3").args(["-m", "venv"]).arg(&draft));
        let mut pip = Command::new(draft.join("bin/python"));
        tool::heard(pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]).args(packages));
        // What an older definition made.
        for entry in fs::read_dir(&cache).expect("the cache can be read").flatten() {
            let found = entry.file_name().to_string_lossy().into_owned();
            let is_draft = found.starts_with(&format!(".draft-{name}-")) && entry.path() != draft;
            if found.starts_with(&format!("{name}-")) || is_draft {
                base::remove(&entry.path());
            }
        }
        fs::rename(&draft, &folder).expect("the cache is one file system");
        eprintln!("lab: that took {} s", begun.elapsed().as_secs());
    }
    python
}
