//! The escape hatch: a command of one's own, with a guard that tells whether it is still needed.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Serialize, Serializer};

use crate::engine::{Cause, Changes, Id, Patience, Resource};
use crate::host::ledger::Record;
use crate::host::programs::Program;
use crate::host::{Error, Look, Touch};
use crate::terms::AccountName;

/// A command and when it is needed.
#[derive(Debug, Clone)]
pub struct Run {
    /// What it is for: names it.
    pub name: String,
    /// Its command line. No shell reads it.
    pub command: Vec<String>,
    /// When it is not needed.
    pub guard: Guard,
    /// Who runs it, with all groups of theirs.
    pub user: AccountName,
    /// Where it runs.
    pub directory: PathBuf,
    /// Its environment beside PATH, HOME and `LC_ALL`.
    pub environment: BTreeMap<String, String>,
    /// How long it may take.
    pub timeout: Duration,
}

/// What makes a command unneeded.
#[derive(Debug, Clone, Serialize)]
pub enum Guard {
    /// Something stands at this path.
    Creates(PathBuf),
    /// This command exits with 0. It must change nothing, for a plan runs it too.
    Unless(Vec<String>),
    /// The command ran here once, as it is now. It may run twice if the machine stops at the very end.
    Once,
}

/// What makes it another command. With `once` the digest of this decides whether it runs again, perhaps years and versions
/// later: fields that are added to [`Run`] must not get in here, and how long it may take does not matter.
impl Serialize for Run {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let command = (1, &self.name, &self.command, &self.user, &self.directory, &self.environment);
        match &self.guard {
            Guard::Once => ("once", command).serialize(serializer),
            guard => (guard, command, self.timeout).serialize(serializer),
        }
    }
}

impl Run {
    fn program(&self, program: Program, argv: &[String], host: &Look) -> Result<Program, Cause> {
        let mut program = program.directory(&self.directory).patience(self.timeout);
        if self.user != AccountName::root() {
            let found = host.user(self.user.as_str())?;
            let user = found.ok_or_else(|| Error::NoAccount { kind: "user", name: self.user.to_string() })?;
            // setpriv(1) takes the user's other groups along; setuid(2) alone would not.
            let who = [format!("--reuid={}", user.name), format!("--regid={}", user.gid)];
            program = program.args(who).arg("--init-groups").arg("--");
            program = program.env("HOME", user.home).env("USER", &user.name).env("LOGNAME", &user.name);
        }
        for (name, value) in &self.environment {
            program = program.env(name, value);
        }
        Ok(program.args(argv))
    }

    /// The program that is started: the command's own, or the one that changes the user first.
    fn start<'c>(&self, argv: &'c [String]) -> (&'c str, &'c [String]) {
        match argv.split_first() {
            Some((first, rest)) if self.user == AccountName::root() => (first, rest),
            _ => ("setpriv", argv),
        }
    }

    /// As the engine digests it.
    fn wanted(&self) -> String {
        serde_json::to_vec(self).map(|bytes| crate::host::files::sha256_of(&bytes)).unwrap_or_default()
    }
}

impl Resource for Run {
    fn id(&self) -> Id {
        Id::new("run", &self.name)
    }

    fn needs(&self) -> Vec<Id> {
        let kinds = ["package", "file", "directory", "link", "mount"];
        kinds.into_iter().map(Id::every).chain([Id::new("user", &self.user)]).collect()
    }

    /// The command has its own time, as its guard has; this one is only longer.
    fn patience(&self) -> Patience {
        let (own, usual) = (self.timeout + Duration::from_mins(1), Patience::USUAL);
        Patience { looking: own.max(usual.looking), applying: own.max(usual.applying) }
    }

    async fn check(&self, host: &Look) -> Result<Changes, Cause> {
        let done = match &self.guard {
            Guard::Creates(path) => host.found(path)?.is_some(),
            Guard::Unless(argv) => {
                let (first, rest) = self.start(argv);
                host.ask(&self.program(Program::asks(first), rest, host)?).await?.succeeded()
            }
            Guard::Once => {
                host.ledger().record(self.id().as_str()).is_some_and(|record| record.wanted == self.wanted())
            }
        };
        Ok(if done { Changes::none() } else { self.when_absent() })
    }

    async fn apply(&self, host: &Touch) -> Result<(), Cause> {
        let (first, rest) = self.start(&self.command);
        host.run(&self.program(Program::does(first), rest, host)?).await?;
        if matches!(self.guard, Guard::Once) {
            // The next look asks the ledger, so it must know already.
            host.ledger_mut().applied(self.id().as_str(), Record { wanted: self.wanted(), traces: Vec::new() })?;
        }
        Ok(())
    }

    fn when_absent(&self) -> Changes {
        Changes::none().appears("run", self.command.join(" ")).creating()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::laws::{Play, keeps_its_word};

    fn run(guard: Guard) -> Run {
        Run {
            name: "warm".into(),
            command: vec!["touch".into(), "/var/warm".into()],
            guard,
            user: AccountName::root(),
            directory: "/".into(),
            environment: BTreeMap::new(),
            timeout: Duration::from_secs(5),
        }
    }

    fn play() -> Play {
        Play::with(|argv, root| match argv[0].as_str() {
            "touch" => {
                std::fs::create_dir_all(root.join("var")).unwrap();
                std::fs::write(root.join(argv[1].trim_start_matches('/')), "").unwrap();
                Some((0, String::new()))
            }
            "test" => Some((i32::from(!root.join("var/warm").exists()), String::new())),
            "setpriv" => Some((3, "line one\nline two\n".into())),
            _ => None,
        })
    }

    #[tokio::test(flavor = "current_thread")]
    async fn each_guard_keeps_its_word() {
        for guard in [Guard::Creates("/var/warm".into()), Guard::Unless(vec!["test".into()]), Guard::Once] {
            keeps_its_word::<Run>(&run(guard), &play().host).await;
        }
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_changed_command_runs_once_more() {
        let play = play();
        keeps_its_word::<Run>(&run(Guard::Once), &play.host).await;
        let changed = Run { command: vec!["touch".into(), "/var/hot".into()], ..run(Guard::Once) };
        assert_eq!(play.differs(&changed).await.to_string(), "run absent -> touch /var/hot");
    }

    #[test]
    fn what_makes_it_another_command_stays_the_same_through_versions() {
        let mut run = run(Guard::Once);
        run.environment.insert("A".into(), "1".into());
        let text = serde_json::to_string(&run).unwrap();
        assert_eq!(text, r#"["once",[1,"warm",["touch","/var/warm"],"root","/",{"A":"1"}]]"#);
    }

    #[tokio::test(flavor = "current_thread")]
    async fn more_time_does_not_run_it_again() {
        let play = play();
        keeps_its_word(&run(Guard::Once), &play.host).await;
        let patient = Run { timeout: Duration::from_hours(1), ..run(Guard::Once) };
        assert!(play.differs(&patient).await.is_empty());
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_failure_is_cited_and_the_user_has_all_groups() {
        let play = play().file("/etc/passwd", "ops:x:1000:1001::/home/ops:/bin/bash\n");
        let run = Run { user: "ops".to_owned().try_into().unwrap(), ..run(Guard::Once) };
        let said = run.apply(&play.host.touch()).await.unwrap_err().says;
        let command = "setpriv --reuid=ops --regid=1001 --init-groups -- touch /var/warm";
        assert_eq!(said, format!("`{command}` exited with 3:\n  line one\n  line two"));
        assert!(!run.check(&play.host.look()).await.unwrap().is_empty(), "it did not run");
    }
}
