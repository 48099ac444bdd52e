//! moto in a folder of its own, made once and kept in the lab's cache.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{self, Command};
use std::time::Instant;

use super::super::{base, install, place, sum, tool};

/// What is installed, from PyPI or wherever pip is told to look.
const PACKAGES: [&str; 2] = ["moto[server]==5.2.5", "cryptography"];

/// The interpreter that has it, made now if it is not there. Two processes may ask at once.
pub(super) fn python() -> PathBuf {
    install::ensure();
    let cache = place::cache();
    let folder = cache.join(format!("moto-{}", sum::short(PACKAGES.join(" "))));
    let python = folder.join("bin/python");
    if python.exists() {
        return python;
    }
    fs::create_dir_all(&cache).expect("the cache can be made");
    let lock = File::create(cache.join("moto.lock")).expect("the cache can be written");
    lock.lock().expect("a lock can be waited for");
    if !python.exists() {
        eprintln!("lab: installing {} with pip, once, in {}", PACKAGES.join(" "), folder.display());
        let begun = Instant::now();
        let draft = cache.join(format!(".draft-moto-{}", process::id()));
        tool::heard(Command::new("python3").args(["-m", "venv"]).arg(&draft));
        let mut pip = Command::new(draft.join("bin/python"));
        tool::heard(pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]).args(PACKAGES));
        // What an older definition made.
        for entry in fs::read_dir(&cache).expect("the cache can be read").flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.starts_with("moto-") || (name.starts_with(".draft-moto-") && entry.path() != draft) {
                base::remove(&entry.path());
            }
        }
        fs::rename(&draft, &folder).expect("the cache is one file system");
        eprintln!("lab: that took {} s", begun.elapsed().as_secs());
    }
    python
}
