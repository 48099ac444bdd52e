//! Work that systemd starts at its times: a timer and the service it starts.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::unit_file::{UNITS, appears, differs, refuse_another, write};
use crate::engine::{Cause, Changes, Id, Resource, Shown};
use crate::host::ledger::Trace;
use crate::host::programs::{Program, last_lines};
use crate::host::{Look, Touch};
use crate::terms::{AccountName, CalendarEvent, Period};

const OTHER_NAME: &str = "give the timer another name";

/// A timer `NAME.timer`, enabled and started, and the `NAME.service` that it starts.
#[derive(Debug, Clone, Serialize)]
pub struct Timer {
    /// The name of both units, without suffix.
    pub name: String,
    /// What it is for, in one line.
    pub description: String,
    /// When: calendar events (systemd.time(7)), such as `daily` or `Mon *-*-* 04:00`.
    pub on_calendar: Vec<CalendarEvent>,
    /// Whether a time that passed while the host was off is made up for at the next boot.
    pub persistent: bool,
    /// Up to how much later it may start, chosen anew each time, such as `15m`. None: at its time.
    pub randomized_delay: Option<Period>,
    /// The command line; the first is a path.
    pub exec: Vec<String>,
    /// Who runs it. None: root.
    pub user: Option<AccountName>,
    /// Where it runs. None: `/`.
    pub working_directory: Option<PathBuf>,
    /// Its environment beside what every service has.
    pub environment: Vec<(String, String)>,
    /// How long it may take, such as `1h`. None: as long as it likes.
    pub timeout: Option<Period>,
}

impl Timer {
    /// A timer of root's work that makes up for missed times.
    pub fn new(name: impl Into<String>, on_calendar: CalendarEvent, exec: Vec<String>) -> Self {
        let of_both: String = name.into();
        Self {
            description: of_both.clone(),
            name: of_both,
            on_calendar: vec![on_calendar],
            persistent: true,
            randomized_delay: None,
            exec,
            user: None,
            working_directory: None,
            environment: Vec::new(),
            timeout: None,
        }
    }

    fn timer(&self) -> String {
        format!("{}.timer", self.name)
    }

    fn service(&self) -> String {
        format!("{}.service", self.name)
    }

    fn files(&self) -> [(String, PathBuf, String); 2] {
        let path = |unit: &str| Path::new(UNITS).join(unit);
        let (service, timer) = (self.service(), self.timer());
        [(service.clone(), path(&service), self.service_text()), (timer.clone(), path(&timer), self.timer_text())]
    }

    fn service_text(&self) -> String {
        let exec: Vec<String> = self.exec.iter().map(|word| quoted(word, true)).collect();
        let mut text = format!("[Unit]\nDescription={}\n\n[Service]\nType=oneshot\n", escaped(&self.description));
        let _ = writeln!(text, "ExecStart={}", exec.join(" "));
        if let Some(user) = &self.user {
            let _ = writeln!(text, "User={user}");
        }
        if let Some(directory) = &self.working_directory {
            let _ = writeln!(text, "WorkingDirectory={}", escaped(&directory.display().to_string()));
        }
        for (name, value) in &self.environment {
            let _ = writeln!(text, "Environment={}", quoted(&format!("{name}={value}"), false));
        }
        if let Some(timeout) = &self.timeout {
            let _ = writeln!(text, "TimeoutStartSec={timeout}");
        }
        text
    }

    fn timer_text(&self) -> String {
        let mut text = format!("[Unit]\nDescription={}\n\n[Timer]\n", escaped(&self.description));
        for times in &self.on_calendar {
            let _ = writeln!(text, "OnCalendar={}", escaped(times.as_str()));
        }
        let _ = writeln!(text, "Persistent={}", self.persistent);
        if let Some(delay) = &self.randomized_delay {
            let _ = writeln!(text, "RandomizedDelaySec={delay}");
        }
        text.push_str("\n[Install]\nWantedBy=timers.target\n");
        text
    }

    /// Lets systemd say what it thinks of the times: it knows the time zones of the host.
    async fn ask_systemd(&self, host: &Look) -> Result<(), Cause> {
        let times = self.on_calendar.iter().map(CalendarEvent::as_str);
        let output = host.ask(&Program::asks("systemd-analyze").arg("calendar").args(times)).await?;
        if output.succeeded() {
            return Ok(());
        }
        let says = format!("systemd refuses `on_calendar` of the timer `{}`:\n{}", self.name, last_lines(&output));
        Err(Cause::new("bad-calendar", says).hint("`timedatectl list-timezones` names the time zones of this host"))
    }
}

impl Resource for Timer {
    fn id(&self) -> Id {
        Id::new("timer", &self.name)
    }

    fn needs(&self) -> Vec<Id> {
        let mut needs = vec![Id::every("package")];
        needs.extend(self.user.iter().map(|user| Id::new("user", user)));
        needs.extend(self.exec.first().map(|program| Id::at("file", Path::new(program))));
        needs
    }

    async fn check(&self, host: &Look) -> Result<Changes, Cause> {
        let mut changes = Changes::none();
        for (unit, path, text) in &self.files() {
            refuse_another(host, unit, text, OTHER_NAME).await?;
            let there = host.found(path)?.is_some();
            let inner = differs(host, path, text)?;
            changes = changes.within(unit, inner);
            if !there {
                changes = changes.creating();
            }
        }
        if changes.creates() {
            return Ok(started(changes));
        }
        let (timer, service) = (host.unit(&self.timer()).await?, host.unit(&self.service()).await?);
        if host.needs_daemon_reload(&timer)? || host.needs_daemon_reload(&service)? {
            changes = changes.follows("daemon-reload", Shown::Plain("due".into()), Shown::Plain("done".into()));
        }
        changes = changes.value("enabled", &(timer.is_enabled() == Some(true)), &true);
        if !timer.is_up() {
            changes = changes.value("state", &timer.state(), &"active".to_owned());
        }
        Ok(changes)
    }

    async fn apply(&self, host: &Touch) -> Result<(), Cause> {
        let files = self.files();
        for (unit, _, text) in &files {
            refuse_another(host, unit, text, OTHER_NAME).await?;
        }
        self.ask_systemd(host).await?;
        let (timer, service) = (self.timer(), self.service());
        for (_, path, text) in &files {
            write(host, path, text)?;
        }
        if host.unit(&timer).await?.is_masked() {
            host.unmask(&timer).await?;
        }
        if host.unit(&timer).await?.is_enabled() != Some(true) {
            host.enable(&timer).await?;
        }
        // A running timer takes new times up when systemd reads its files.
        host.settle_units([timer.as_str(), service.as_str()]).await?;
        if !host.unit(&timer).await?.is_up() {
            host.start(&timer).await?;
        }
        Ok(())
    }

    fn when_absent(&self) -> Changes {
        let files = self.files();
        let all = files.iter().fold(Changes::none(), |changes, (unit, _, text)| changes.within(unit, appears(text)));
        started(all.creating())
    }

    fn traces(&self) -> Vec<Trace> {
        let paths = self.files().into_iter().map(|(_, path, _)| Trace::Path(path));
        std::iter::once(Trace::Unit(self.timer())).chain(paths).collect()
    }
}

fn started(changes: Changes) -> Changes {
    changes.appears("enabled", true).appears("state", "active")
}

/// Text for a unit file: systemd replaces what follows a `%` (systemd.unit(5)), and a line is a line.
fn escaped(text: &str) -> String {
    text.replace('%', "%%").replace(['\n', '\r'], " ")
}

/// A word for a unit file, quoted if it must be. In a command line `$` stands for a variable (systemd.service(5)).
fn quoted(word: &str, command: bool) -> String {
    let mut text = String::new();
    for c in word.chars() {
        match c {
            '%' => text.push_str("%%"),
            '$' if command => text.push_str("$$"),
            '\\' => text.push_str("\\\\"),
            '"' => text.push_str("\\\""),
            '\n' => text.push_str("\\n"),
            c => text.push(c),
        }
    }
    let plain = !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || "/._-+=:,@%".contains(c));
    if plain { text } else { format!("\"{text}\"") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::laws::Play;

    fn daily() -> CalendarEvent {
        CalendarEvent::try_from("daily".to_owned()).unwrap()
    }

    #[test]
    fn a_timer_is_two_unit_files() {
        let timer = Timer {
            randomized_delay: Some(Period::known("15m")),
            user: Some(AccountName::try_from("ops".to_owned()).unwrap()),
            environment: vec![("A".into(), "1 2".into())],
            ..Timer::new(
                "backup",
                daily(),
                vec!["/usr/bin/backup".into(), "100% of it".into(), "$HOME".into(), String::new()],
            )
        };
        assert_eq!(
            timer.service_text(),
            "[Unit]\nDescription=backup\n\n[Service]\nType=oneshot\n\
             ExecStart=/usr/bin/backup \"100%% of it\" \"$$HOME\" \"\"\nUser=ops\nEnvironment=\"A=1 2\"\n"
        );
        assert_eq!(
            timer.timer_text(),
            "[Unit]\nDescription=backup\n\n[Timer]\nOnCalendar=daily\nPersistent=true\nRandomizedDelaySec=15m\n\
             \n[Install]\nWantedBy=timers.target\n"
        );
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_unit_of_somebody_else_is_not_taken() {
        let timer = Timer::new("ssh", daily(), vec!["/bin/a".into()]);
        for path in ["/usr/lib/systemd/system/ssh.service", "/etc/systemd/system/ssh.timer"] {
            let play = Play::new().file(path, "[Unit]\n");
            let cause = timer.check(&play.host.look()).await.unwrap_err();
            assert_eq!(cause.says, format!("a unit of that name is there already (`{path}`)"));
            assert_eq!(cause.hint.unwrap(), "give the timer another name");
            assert_eq!(timer.apply(&play.host.touch()).await.unwrap_err().code, "unit-taken");
            assert_eq!((play.host.writes(), play.text(path)), (0, "[Unit]\n".to_owned()));
        }
    }

    #[tokio::test(flavor = "current_thread")]
    async fn an_earlier_version_of_its_own_is_its_own() {
        let play = Play::new();
        let timer = Timer::new("a", daily(), vec!["/bin/a".into()]);
        let [(_, service, _), _] = timer.files();
        write(&play.host.touch(), &service, "[Unit]\n").unwrap();
        assert!(play.differs(&timer).await.creates());
    }

    #[test]
    fn its_units_stop_before_their_files_go() {
        let traces = Timer::new("a", daily(), vec!["/bin/a".into()]).traces();
        assert_eq!(traces.first(), Some(&Trace::Unit("a.timer".into())));
        assert_eq!(traces.len(), 3);
    }
}
