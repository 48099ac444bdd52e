//! What a unit's files say, without what systemd takes up by merely reading them again.

use std::collections::BTreeMap;

/// Settings that do not matter to what runs: systemd itself uses them, and takes them up when it reads the files again.
/// The list began as that of NixOS's switch-to-configuration, which has restarted services by it for years.
const TAKEN_UP: [(&str, &[&str]); 3] = [
    (
        "Unit",
        &[
            "AllowIsolate",
            "CollectMode",
            "Description",
            "Documentation",
            "FailureAction",
            "IgnoreOnIsolate",
            "OnFailure",
            "OnFailureJobMode",
            "OnSuccess",
            "OnSuccessJobMode",
            "RefuseManualStart",
            "RefuseManualStop",
            "SourcePath",
            "StartLimitAction",
            "StartLimitBurst",
            "StartLimitIntervalSec",
            "StopWhenUnneeded",
            "SuccessAction",
        ],
    ),
    (
        "Service",
        &[
            "ExecReload",
            "ExecStop",
            "ExecStopPost",
            "FinalKillSignal",
            "KillMode",
            "KillSignal",
            "Restart",
            "RestartForceExitStatus",
            "RestartKillSignal",
            "RestartMaxDelaySec",
            "RestartPreventExitStatus",
            "RestartSec",
            "RestartSteps",
            "SendSIGHUP",
            "SendSIGKILL",
            "SuccessExitStatus",
            "TimeoutAbortSec",
            "TimeoutSec",
            "TimeoutStartSec",
            "TimeoutStopSec",
        ],
    ),
    // All of it: it speaks of enabling.
    ("Install", &[]),
];

/// What a unit's files say, as far as a running unit would have to be restarted to take it up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings(BTreeMap<(String, String), Vec<String>>);

impl Settings {
    /// What these texts say: the unit's file, then its drop-ins in their order.
    pub fn of<'t>(texts: impl IntoIterator<Item = &'t str>) -> Self {
        let mut settings = Self::default();
        for text in texts {
            settings.add(text);
        }
        settings
    }

    /// The same for the same settings.
    pub fn digest(&self) -> String {
        let mut text = String::new();
        for ((section, key), values) in &self.0 {
            for value in values {
                text.push_str(&format!("[{section}]{key}={value}\n"));
            }
        }
        crate::host::files::sha256_of(text.as_bytes())
    }

    fn add(&mut self, text: &str) {
        let mut section = String::new();
        for line in logical_lines(text) {
            if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
                name.clone_into(&mut section);
            } else if let Some((key, value)) = line.split_once('=') {
                let (key, value) = (key.trim(), value.trim());
                if is_taken_up(&section, key) {
                    continue;
                }
                let place = (section.clone(), key.to_owned());
                // An empty value takes back what was said before.
                if value.is_empty() {
                    self.0.remove(&place);
                } else {
                    self.0.entry(place).or_default().push(value.to_owned());
                }
            }
        }
    }
}

fn is_taken_up(section: &str, key: &str) -> bool {
    let known = TAKEN_UP.iter().find(|(name, _)| *name == section);
    key.starts_with("X-") || section.starts_with("X-") || known.is_some_and(|(_, keys)| keys.is_empty() || keys.contains(&key))
}

/// The lines of a unit file without comments, continued ones joined (systemd.syntax(7)).
fn logical_lines(text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut joined = String::new();
    for line in text.lines() {
        let bare = line.trim();
        if bare.starts_with(['#', ';']) {
            continue;
        }
        if let Some(part) = bare.strip_suffix('\\') {
            joined.push_str(part);
            joined.push(' ');
            continue;
        }
        joined.push_str(bare);
        if !joined.trim().is_empty() {
            lines.push(joined.trim().to_owned());
        }
        joined.clear();
    }
    if !joined.trim().is_empty() {
        lines.push(joined.trim().to_owned());
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNIT: &str = "[Unit]\nDescription=One\n[Service]\nExecStart=/bin/a \\\n  -b\nExecReload=/bin/kill -HUP $MAINPID\n";

    fn same(drop_in: &str) -> bool {
        Settings::of([UNIT]).digest() == Settings::of([UNIT, drop_in]).digest()
    }

    #[test]
    fn what_systemd_takes_up_by_itself_changes_nothing() {
        assert!(same("[Unit]\nDescription=Two\nDocumentation=man:a(8)\nOnFailure=b.service\n"));
        assert!(same("[Service]\nExecReload=\n"));
        assert!(same("[Service]\nRestart=always\nRestartSec=3\n"));
        assert!(same("[Install]\nWantedBy=multi-user.target\n"));
        assert!(same("# a comment\n\n[Service]\n; another\n"));
    }

    #[test]
    fn what_the_process_must_be_started_with_changes_it() {
        assert!(!same("[Service]\nExecStart=\nExecStart=/bin/c\n"));
        assert!(!same("[Service]\nEnvironment=A=1\n"));
        assert!(!same("[Service]\nLimitNOFILE=65536\n"));
        assert!(!same("[Unit]\nRequires=b.service\n"));
    }

    #[test]
    fn a_command_written_over_two_lines_is_the_same_command() {
        let one = "[Service]\nExecStart=/bin/a    -b\n";
        let two = "[Service]\nExecStart=/bin/a \\\n# why\n-b\n";
        assert_eq!(Settings::of([two]).0.len(), Settings::of([one]).0.len());
        assert!(same("[Service]\nExecStart=\nExecStart=/bin/a \\\n-b\n"));
    }
}
