//! Who must like a config set before it may stay: the server's own checker, asked about copies where it can be given
//! some, else about the files themselves.
//!
//! A mistake in what sudo or the SSH server reads counts from the moment it is on the disk: between the writing and the
//! putting back nobody could log in. So their checkers read copies first (`host::staged`), and the files are written only
//! when those are liked. nginx and PostgreSQL go on with what they have loaded until they are told otherwise, and their
//! checkers read whole trees: they are asked about the files themselves.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::ConfigFile;
use crate::engine::Cause;
use crate::host::files::Kind;
use crate::host::ledger::Trace;
use crate::host::probe::Probe;
use crate::host::programs::Program;
use crate::host::staged::Stage;
use crate::host::{Look, Touch};
use crate::terms::AccountName;

/// Somebody who must like the files.
#[derive(Debug, Clone, Serialize)]
pub enum ConfigCheck {
    /// A program that exits with 0 if it likes the files where they are, such as `nginx -t`.
    Program {
        /// Its command line.
        argv: Vec<String>,
        /// Who runs it. Default: root.
        user: Option<AccountName>,
    },
    /// A program that is given a copy before anything is written.
    Copy {
        /// Its command line; `%s` stands for the copy of `file`.
        argv: Vec<String>,
        /// The file that it is given a copy of; of the set, or another one that includes those of the set.
        file: PathBuf,
        /// A directory of which `file` includes what is in it: copied along, with the files of the set laid over it.
        included: Option<PathBuf>,
    },
    /// A question to the running server that is answered with what it dislikes.
    Asked(Probe),
}

impl ConfigCheck {
    /// A check by a program, of the files where they are.
    pub fn program<S: Into<String>>(argv: impl IntoIterator<Item = S>) -> Self {
        Self::Program { argv: argv.into_iter().map(Into::into).collect(), user: None }
    }

    /// A check by a program that is given a copy of one file.
    pub fn copy<S: Into<String>>(argv: impl IntoIterator<Item = S>, file: impl Into<PathBuf>) -> Self {
        Self::Copy { argv: argv.into_iter().map(Into::into).collect(), file: file.into(), included: None }
    }

    /// A check by a program that is given a copy of one file and of the directory that it includes.
    pub fn copies<S: Into<String>>(
        argv: impl IntoIterator<Item = S>,
        file: impl Into<PathBuf>,
        included: impl Into<PathBuf>,
    ) -> Self {
        let argv = argv.into_iter().map(Into::into).collect();
        Self::Copy { argv, file: file.into(), included: Some(included.into()) }
    }

    /// What is remembered of it for when the files are to go, if it is a program that reads them where they are.
    pub(super) fn trace(&self) -> Option<Trace> {
        let Self::Program { argv, user } = self else { return None };
        Some(Trace::Checker { argv: argv.clone(), user: user.as_ref().map(ToString::to_string) })
    }

    /// Whether its command line names a file.
    pub(super) fn names(&self, path: &Path) -> bool {
        let Self::Program { argv, .. } = self else { return false };
        argv.iter().any(|word| word.contains(&*path.to_string_lossy()))
    }

    /// What it dislikes of the files as they stand, in its own words.
    pub(super) async fn complaint(&self, host: &Look) -> Result<Option<String>, Cause> {
        let (argv, user) = match self {
            Self::Asked(probe) => return Ok(probe.ask(host).await?),
            Self::Copy { .. } => return Ok(None),
            Self::Program { argv, user } => (argv, user),
        };
        let mut program = program(argv.iter().cloned());
        if let Some(name) = user {
            program = program.as_user(host.uid(name.as_str())?, host.gid(name.as_str())?);
        }
        Ok(host.complaint(&program).await?)
    }

    /// What it dislikes of copies of the files as they are to be, in its own words.
    pub(super) async fn complaint_of_copies(
        &self,
        host: &Touch,
        stage: &str,
        files: &[ConfigFile],
        gone: &[&Path],
    ) -> Result<Option<String>, Cause> {
        let Self::Copy { argv, file, included } = self else { return Ok(None) };
        let stage = host.stage(stage)?;
        let mut copies = vec![file.clone()];
        if let Some(directory) = included {
            let names = host.names_in(directory)?;
            copies.extend(names.iter().map(|name| directory.join(name)));
            copies.extend(files.iter().map(|file| file.path.clone()).filter(|path| path.parent() == Some(directory)));
        }
        copies.retain(|path| !gone.contains(&path.as_path()));
        for path in &copies {
            let Some(content) = content_of(host, files, path)? else { continue };
            let led = included.as_ref().map(|directory| led_to_copies(&content, file, directory, &stage));
            stage.put(path, led.as_deref().unwrap_or(&content))?;
        }
        let place = stage.place_of(file).display().to_string();
        let said = host.complaint(&program(argv.iter().map(|word| word.replace("%s", &place)))).await?;
        Ok(said.map(|said| stage.unstaged(&said)))
    }
}

fn program(mut argv: impl Iterator<Item = String>) -> Program {
    Program::asks(argv.next().unwrap_or_default()).args(argv)
}

/// What is to be in a file: as the set has it, or else as it is.
fn content_of(host: &Look, files: &[ConfigFile], path: &Path) -> Result<Option<Vec<u8>>, Cause> {
    if let Some(file) = files.iter().find(|file| file.path == path) {
        return Ok(Some(file.content.clone()));
    }
    match host.found_through(path)? {
        Some(found) if found.kind == Kind::File => Ok(host.read(path)?),
        _ => Ok(None),
    }
}

/// The same text, including the copies of what is in `directory` where it included that. `main` is the file that
/// relative names in it start from.
fn led_to_copies(text: &[u8], main: &Path, directory: &Path, stage: &Stage) -> Vec<u8> {
    let lines = text.split(|byte| *byte == b'\n').map(|line| match std::str::from_utf8(line) {
        Ok(line) if is_include(line) => led_line(line, main, directory, stage).into_bytes(),
        _ => line.to_vec(),
    });
    lines.collect::<Vec<_>>().join(&b'\n')
}

/// Of `sudoers(5)` (`@include`, `#includedir`) and of `sshd_config(5)` (`Include`).
fn is_include(line: &str) -> bool {
    let word = line.trim_start().trim_start_matches(['@', '#']);
    word.get(..7).is_some_and(|word| word.eq_ignore_ascii_case("include"))
}

fn led_line(line: &str, main: &Path, directory: &Path, stage: &Stage) -> String {
    let (directive, names) = line.trim_start().split_once([' ', '\t']).unwrap_or((line, ""));
    let above = main.parent().unwrap_or(Path::new("/"));
    // A quoted name may hold spaces: its parts are no names.
    let whole = !line.contains(['"', '\\']);
    let lead = |word: &str| {
        let bare = word.trim_matches('"');
        if bare.is_empty() || (!whole && !bare.starts_with('/')) {
            return word.to_owned();
        }
        let path = above.join(bare);
        let path = if path.starts_with(directory) { stage.place_of(&path) } else { path };
        word.replace(bare, &path.display().to_string())
    };
    let names = names.split_whitespace().take_while(|word| !word.starts_with('#')).map(lead);
    names.fold(directive.to_owned(), |line, name| format!("{line} {name}"))
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;

    use super::*;
    use crate::engine::Resource as _;
    use crate::resources::config_set::{sshd, sudoers};
    use crate::resources::laws::Play;

    /// A host whose checkers dislike the word `bad` in what they are given, and what they read of it: every file below the
    /// place of the copies, by its path there.
    fn play() -> (Play, Rc<RefCell<Vec<String>>>) {
        let read = Rc::new(RefCell::new(Vec::new()));
        let seen = Rc::clone(&read);
        let play = Play::with(move |argv, root| {
            let given = argv.last().filter(|word| word.starts_with('/'));
            let Some(given) = given else { return Some((0, String::new())) };
            let stage = root.join("run/hostagent/staged");
            let mut bad = false;
            let mut left = vec![stage.clone()];
            while let Some(place) = left.pop() {
                if place.is_dir() {
                    left.extend(std::fs::read_dir(&place).unwrap().map(|entry| entry.unwrap().path()));
                } else {
                    let text = std::fs::read_to_string(&place).unwrap();
                    bad |= text.contains("bad");
                    seen.borrow_mut().push(format!("{}: {text}", place.strip_prefix(&stage).unwrap().display()));
                }
            }
            assert!(root.join(given.trim_start_matches('/')).exists(), "{given}");
            Some((i32::from(bad), format!("{given}:1: I do not like it")))
        });
        (play.file("/etc/sudoers", "@includedir /etc/sudoers.d\n"), read)
    }

    #[tokio::test(flavor = "current_thread")]
    async fn rules_that_sudo_refuses_are_never_where_sudo_reads_them() {
        let (play, _) = play();
        play.put("/etc/sudoers.d/ops", "good");
        let before = play.host.writes();
        let cause = sudoers::rules("ops", "/etc/sudoers.d/ops", "bad").apply(&play.host.touch()).await.unwrap_err();
        assert_eq!(
            cause.says,
            "`visudo --check --file /etc/sudoers.d/ops` says:\n  /etc/sudoers.d/ops:1: I do not like it"
        );
        assert_eq!((cause.code, play.host.writes()), ("config-refused", before), "nothing was written");
        assert_eq!(play.text("/etc/sudoers.d/ops"), "good");
        assert!(!play.place("/run/hostagent/staged").exists());
        assert!(!play.place("/var/lib/hostagent/undo").exists());
        sudoers::rules("ops", "/etc/sudoers.d/ops", "better").apply(&play.host.touch()).await.unwrap();
        assert_eq!(play.text("/etc/sudoers.d/ops"), "better");
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_drop_in_is_checked_together_with_copies_of_its_siblings() {
        let (play, read) = play();
        play.put(sshd::MAIN, "Include /etc/ssh/sshd_config.d/*.conf\nUsePAM yes\n");
        play.put("/etc/ssh/sshd_config.d/50-cloud.conf", "PasswordAuthentication yes\n");
        play.put("/etc/ssh/sshd_config.d/10-mine.conf", "Port 22\n");
        let set = sshd::drop_ins("sshd", vec![ConfigFile::new("/etc/ssh/sshd_config.d/10-mine.conf", "Port 2222\n")]);
        set.apply(&play.host.touch()).await.unwrap();
        let mut read = read.borrow().clone();
        read.sort();
        let place = format!("{}/etc/ssh/sshd_config", crate::host::names::file_name("config_set:sshd"));
        assert_eq!(
            read,
            [
                format!("{place}.d/10-mine.conf: Port 2222\n"),
                format!("{place}.d/50-cloud.conf: PasswordAuthentication yes\n"),
                format!("{place}: Include /run/hostagent/staged/{place}.d/*.conf\nUsePAM yes\n"),
            ]
        );
        let copy = format!("sshd -t -f /run/hostagent/staged/{place}");
        assert_eq!(play.ran(), [copy.as_str(), "sshd -t"]);
        assert_eq!(play.text("/etc/ssh/sshd_config.d/10-mine.conf"), "Port 2222\n");
    }

    #[test]
    fn what_a_main_file_includes_is_led_to_the_copies_and_everything_else_stays() {
        let play = Play::new();
        let stage = play.host.touch().stage("s").unwrap();
        let place = format!("/run/hostagent/staged/{}", crate::host::names::file_name("s"));
        let led = |line: &str| {
            let text = led_to_copies(line.as_bytes(), Path::new("/etc/sudoers"), Path::new("/etc/sudoers.d"), &stage);
            String::from_utf8(text).unwrap().replace(&place, "STAGE")
        };
        for (line, expected) in [
            ("#includedir /etc/sudoers.d", "#includedir STAGE/etc/sudoers.d"),
            ("@includedir sudoers.d # all of it", "@includedir STAGE/etc/sudoers.d"),
            ("@include sudoers.local", "@include /etc/sudoers.local"),
            ("@include \"/etc/sudoers.d/a b\"", "@include \"STAGE/etc/sudoers.d/a b\""),
            (
                "include a.conf /etc/sudoers.d2/b /etc/sudoers.d/c",
                "include /etc/a.conf /etc/sudoers.d2/b STAGE/etc/sudoers.d/c",
            ),
            ("# see /etc/sudoers.d", "# see /etc/sudoers.d"),
            ("ops ALL=/bin/ls /etc/sudoers.d", "ops ALL=/bin/ls /etc/sudoers.d"),
        ] {
            assert_eq!(led(line), expected);
        }
    }
}
