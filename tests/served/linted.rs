//! What linters of nginx and of TLS say: nothing.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::lab::network::{MACHINE, within};
use crate::lab::{Machine, tool, venv};

const GIXY: [&str; 1] = ["gixy-next==0.9.0"];
const SSLYZE: [&str; 1] = ["sslyze==6.3.1"];

/// What a recipe asked for in so many words, and nothing that is made of it could be otherwise.
const ASKED_FOR: [&str; 3] = [
    // `buffering = false`, for events that are to arrive at once.
    "proxy_buffering_off",
    // `try_files` of a recipe's own. A cache of open files would serve what a deployment has replaced.
    "try_files_is_evil_too",
    // A location that has other headers than its site: all of its own are said there.
    "proxy_set_header_redefinition",
];

/// The whole configuration of a machine, as nginx includes it, without a finding at any level.
pub(super) fn configuration(host: &Machine) {
    let copy = tempfile::tempdir().unwrap();
    let etc = copy.path().join("nginx");
    tool::heard(Command::new("cp").args(["-rL"]).arg(host.root().join("etc/nginx")).arg(&etc));
    here(&etc, &etc);
    let mut command = Command::new(venv::python("gixy", &GIXY));
    let said = command.args(["-m", "gixy", "-f", "json"]).arg(etc.join("nginx.conf")).output().unwrap();
    let findings: Value = serde_json::from_slice(&said.stdout).unwrap();
    let is_asked_for = |finding: &&Value| ASKED_FOR.iter().any(|plugin| finding["plugin"] == *plugin);
    let ours: Vec<_> = findings.as_array().unwrap().iter().filter(|finding| !is_asked_for(finding)).collect();
    assert!(ours.is_empty(), "{ours:#?}");
    // It says so, too, when it cannot read what it is given.
    assert!(matches!(said.status.code(), Some(0 | 1)), "{}", String::from_utf8_lossy(&said.stderr));
}

/// Lets the copies include each other.
fn here(folder: &Path, etc: &Path) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            here(&path, etc);
        } else if let Ok(text) = fs::read_to_string(&path) {
            fs::write(&path, text.replace("/etc/nginx", &etc.display().to_string())).unwrap();
        }
    }
}

/// What a name is served with, as Mozilla wants it.
pub(super) fn tls(host: &Machine, name: &str) {
    let mut command = Command::new(venv::python("sslyze", &SSLYZE));
    let trusted = tempfile::NamedTempFile::new().unwrap();
    fs::write(trusted.path(), host.acme().issued_root_pem()).unwrap();
    command.args(["-m", "sslyze", &format!("--certinfo_ca_file={}", trusted.path().display())]);
    command.args(["--mozilla_config", "intermediate", &format!("{name}:443{{{MACHINE}}}")]);
    let said = within(&host.network().outer(), || command.output().unwrap());
    let text = String::from_utf8_lossy(&said.stdout);
    assert!(
        text.contains("OK - Compliant") && said.status.success(),
        "{text}\n{}",
        String::from_utf8_lossy(&said.stderr)
    );
}
