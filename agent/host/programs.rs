//! Runs other programs: what they get on stdin, where their words go, and when they must be done.
//!
//! A program never reads the terminal. Its output is kept (the last [`KEPT`] bytes of each stream) and cited in errors.
//! It runs in a process group of its own, so that Ctrl-C reaches hostagent alone. When its time is up, or whoever waits for
//! it gives up, the whole group is ended; but for one that [`Program::outlives`]: that comes to its own end.
//! Should hostagent be killed, it goes on, and the next run waits for it: see [`super::at_work`].
//! Secrets go in on stdin or in a file, never in an argument: arguments are public (`ps`).

mod group;
mod memory;

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::path::PathBuf;
use std::pin::{Pin, pin};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::FusedFuture;
use secrecy::{ExposeSecret, SecretString};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};

use self::group::Group;
use self::memory::Memory;
use super::doing::doing;
use super::{Error, Look, Touch, at_work};

/// How much of each stream is kept: enough for any error message, little enough for a nano.
pub const KEPT: usize = 1 << 20;
/// How long a program may take unless it says otherwise.
pub const PATIENCE: Duration = Duration::from_mins(2);
/// How long the words of a program that has ended are waited for.
const LAST_WORDS: Duration = Duration::from_millis(500);
/// What every program finds in PATH, whatever the caller had.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A command line to be run: argv, stdin, who runs it, and how long it may take.
#[derive(Debug, Clone)]
pub struct Program {
    argv: Vec<String>,
    env: BTreeMap<String, String>,
    stdin: Option<SecretString>,
    user: Option<(u32, u32)>,
    directory: PathBuf,
    patience: Duration,
    only_asks: bool,
    outlives: bool,
}

impl Program {
    /// A program that only answers a question; may run while looking.
    pub fn asks(name: impl Into<String>) -> Self {
        Self::new(name.into(), true)
    }

    /// A program that changes the machine; runs only while applying.
    pub fn does(name: impl Into<String>) -> Self {
        Self::new(name.into(), false)
    }

    fn new(name: String, only_asks: bool) -> Self {
        let env = [("PATH", PATH), ("LC_ALL", "C.UTF-8"), ("HOME", "/root")].map(|(k, v)| (k.to_owned(), v.to_owned()));
        Self {
            argv: vec![name],
            env: env.into(),
            stdin: None,
            user: None,
            directory: "/".into(),
            patience: PATIENCE,
            only_asks,
            outlives: false,
        }
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, arg: impl Into<String>) -> Self {
        self.argv.push(arg.into());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<S: Into<String>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.argv.extend(args.into_iter().map(Into::into));
        self
    }

    /// Sets an environment variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl Into<String>) -> Self {
        self.env.insert(name.to_owned(), value.into());
        self
    }

    /// Gives it this text on stdin. Without it stdin is /dev/null.
    #[must_use]
    pub fn stdin(mut self, text: impl Into<String>) -> Self {
        self.stdin = Some(SecretString::from(text.into()));
        self
    }

    /// Runs it as this user and group, without supplementary groups.
    #[must_use]
    pub fn as_user(mut self, uid: u32, gid: u32) -> Self {
        self.user = Some((uid, gid));
        self
    }

    /// Runs it in this directory. Default: `/`.
    #[must_use]
    pub fn directory(mut self, directory: impl Into<PathBuf>) -> Self {
        self.directory = directory.into();
        self
    }

    /// Lets it take this long; then its process group is ended. Default: [`PATIENCE`].
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Lets it come to its own end should hostagent be killed, see [`memory`], or give up the step that it is for. For one
    /// whose words are few.
    #[must_use]
    pub fn outlives(mut self) -> Self {
        self.outlives = true;
        self
    }

    /// How long it may take.
    pub(super) fn may_take(&self) -> Duration {
        self.patience
    }

    /// The command line.
    pub fn argv(&self) -> &[String] {
        &self.argv
    }
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.argv.join(" "))
    }
}

/// What a program said and how it ended.
#[derive(Debug, Clone, Default)]
pub struct Output {
    /// Its exit status; `None` when a signal ended it.
    pub status: Option<i32>,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

impl Output {
    /// Whether it exited with 0.
    pub fn succeeded(&self) -> bool {
        self.status == Some(0)
    }
}

/// A program that did not do its work.
#[derive(Debug, thiserror::Error)]
pub enum Failed {
    /// It could not be started.
    #[error("could not start `{program}`: {source}")]
    Start {
        /// Its command line.
        program: String,
        /// The system's reason.
        source: std::io::Error,
    },
    /// It exited with another status than 0.
    #[error("`{program}` {ended}{}", cite(said))]
    Status {
        /// Its command line.
        program: String,
        /// `exited with 1` or `was ended by a signal`.
        ended: String,
        /// The last lines it said.
        said: String,
    },
    /// It was still running after its time.
    #[error("`{program}` was still running after {patience:?} and was ended with all it had started{}", cite(said))]
    Slow {
        /// Its command line.
        program: String,
        /// The time it had.
        patience: Duration,
        /// The last lines it said.
        said: String,
    },
}

impl Failed {
    /// A stable word for machines.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Start { .. } => "program-missing",
            Self::Status { .. } => "program-failed",
            Self::Slow { .. } => "program-slow",
        }
    }

    /// What a person can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Start { program, source } if source.kind() == std::io::ErrorKind::NotFound => {
                let name = program.split(' ').next().unwrap_or_default();
                Some(format!("is the package that brings `{name}` installed? `[host] packages` adds it"))
            }
            Self::Slow { .. } => Some("run it by hand to see what it waits for".into()),
            _ => None,
        }
    }
}

fn cite(said: &str) -> String {
    if said.is_empty() { String::new() } else { format!(":\n{said}") }
}

/// The last lines of what a program said, for an error.
pub(crate) fn last_lines(output: &Output) -> String {
    let said = if output.stderr.trim().is_empty() { &output.stdout } else { &output.stderr };
    let lines: Vec<&str> = said.lines().filter(|line| !line.trim().is_empty()).collect();
    let from = lines.len().saturating_sub(12);
    lines.iter().skip(from).map(|line| format!("  {}", line.trim_end())).collect::<Vec<_>>().join("\n")
}

/// A boxed future on this thread.
pub type Running<'a> = Pin<Box<dyn Future<Output = Result<Output, Failed>> + 'a>>;

/// Starts programs. The one thing that unit tests script.
pub trait Runner: fmt::Debug {
    /// Runs it to its end. An exit status other than 0 is an [`Output`], not an error.
    fn run<'a>(&'a self, program: &'a Program) -> Running<'a>;
}

/// Runs programs for real.
#[derive(Debug)]
pub struct Real;

impl Runner for Real {
    fn run<'a>(&'a self, program: &'a Program) -> Running<'a> {
        Box::pin(run(program))
    }
}

async fn run(program: &Program) -> Result<Output, Failed> {
    tracing::debug!(argv = ?program.argv, "starting a program");
    let start = |source| Failed::Start { program: program.to_string(), source };
    let mut argv = program.argv.iter();
    let mut command = tokio::process::Command::new(argv.next().map_or("", String::as_str));
    command.args(argv).env_clear().envs(&program.env).current_dir(&program.directory).process_group(0);
    command.stdin(if program.stdin.is_some() { Stdio::piped() } else { Stdio::null() });
    let memory = if program.outlives { Some(Memory::new().map_err(start)?) } else { None };
    let [out, err] = match &memory {
        Some(memory) => memory.ends().map_err(start)?,
        None => [Stdio::piped(), Stdio::piped()],
    };
    command.stdout(out).stderr(err);
    if let Some((uid, gid)) = program.user {
        command.uid(uid).gid(gid);
    }
    let _doing = doing(|| format!("running `{program}`"));
    let mut child = command.spawn().map_err(start)?;
    let mut group = Group::of(&child, program.outlives);

    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let feed = async {
        if let (Some(mut pipe), Some(text)) = (stdin, &program.stdin) {
            // A program that does not read its stdin is free to; it fails by its own status.
            let _ = pipe.write_all(text.expose_secret().as_bytes()).await;
        }
    };
    let mut kept = (Vec::new(), Vec::new());
    let talk = async {
        tokio::join!(feed, keep(stdout, &mut kept.0), keep(stderr, &mut kept.1));
    };
    let waited = tokio::time::timeout(program.patience, Box::pin(until_it_ends(&mut child, &mut group, talk))).await;
    if let Some(memory) = &memory {
        kept = memory.said();
    }
    let text = |bytes: &[u8]| {
        let last = bytes.get(bytes.len().saturating_sub(KEPT)..).unwrap_or_default();
        String::from_utf8_lossy(last).into_owned()
    };
    let output = Output { status: None, stdout: text(&kept.0), stderr: text(&kept.1) };
    match waited {
        Ok(status) => Ok(Output { status: status.map_err(start)?.code(), ..output }),
        Err(_elapsed) => {
            group.end(&mut child).await;
            Err(Failed::Slow { program: program.to_string(), patience: program.patience, said: last_lines(&output) })
        }
    }
}

/// Waits for a program and for its last words. A daemon that it leaves behind may hold its streams open for ever: those are
/// not waited for longer than [`LAST_WORDS`].
async fn until_it_ends(
    child: &mut tokio::process::Child,
    group: &mut Group,
    talk: impl Future<Output = ()>,
) -> std::io::Result<ExitStatus> {
    let mut talk = pin!(talk.fuse());
    loop {
        tokio::select! {
            () = &mut talk, if !talk.is_terminated() => {}
            status = child.wait() => {
                group.has_ended();
                if !talk.is_terminated() {
                    let _ = tokio::time::timeout(LAST_WORDS, talk).await;
                }
                return status;
            }
        }
    }
}

/// Reads a stream to its end, keeping its last [`KEPT`] bytes.
async fn keep(stream: Option<impl AsyncRead + Unpin>, kept: &mut Vec<u8>) {
    let Some(mut stream) = stream else { return };
    let mut part = [0_u8; 8192];
    while let Ok(n @ 1..) = stream.read(&mut part).await {
        kept.extend(part.iter().take(n));
        if kept.len() > 2 * KEPT {
            kept.drain(..kept.len() - KEPT);
        }
    }
}

impl Look {
    /// Runs a program that only asks, whatever status it exits with.
    ///
    /// # Errors
    /// When it cannot be started, ran out of time, or is one that changes the machine.
    pub async fn ask(&self, program: &Program) -> Result<Output, Error> {
        if !program.only_asks {
            return Err(Error::said(
                "look-touched",
                format!("`{program}` changes the machine and may not run while looking"),
            ));
        }
        Ok(self.0.runner.run(program).await?)
    }

    /// What a checker dislikes, in its own words: one that likes everything exits with 0.
    ///
    /// # Errors
    /// As [`Look::ask`].
    pub async fn complaint(&self, program: &Program) -> Result<Option<String>, Error> {
        let output = self.ask(program).await?;
        Ok((!output.succeeded()).then(|| format!("`{program}` says:\n{}", last_lines(&output))))
    }
}

impl Touch {
    /// Runs a program and expects 0.
    ///
    /// # Errors
    /// When it cannot be started, ran out of time, or exits with another status.
    pub async fn run(&self, program: &Program) -> Result<Output, Error> {
        let output = self.try_run(program).await?;
        if output.succeeded() {
            return Ok(output);
        }
        let ended =
            output.status.map_or_else(|| "was ended by a signal".to_owned(), |code| format!("exited with {code}"));
        Err(Failed::Status { program: program.to_string(), ended, said: last_lines(&output) }.into())
    }

    /// Runs a program, whatever status it exits with.
    ///
    /// # Errors
    /// When it cannot be started or ran out of time.
    pub async fn try_run(&self, program: &Program) -> Result<Output, Error> {
        self.wrote();
        let note = self.note_at_work(program)?;
        let marked = note.on(program);
        let mut note = Noted { note: Some(note), goes_on: program.outlives, touch: self };
        let ended = self.0.0.runner.run(&marked).await;
        note.goes_on = false;
        Ok(ended?)
    }
}

/// A program's note. Where the program goes on when nobody waits for it any more, so does the note: the next run waits.
struct Noted<'t> {
    note: Option<at_work::Note>,
    goes_on: bool,
    touch: &'t Touch,
}

impl Drop for Noted<'_> {
    fn drop(&mut self) {
        if self.goes_on {
            self.touch.0.0.left_at_work.set(true);
            std::mem::forget(self.note.take());
        }
    }
}

#[cfg(test)]
mod tests;
