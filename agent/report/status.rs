//! How the last run went, as a person reads it.

use std::time::Duration;

use jiff::Timestamp;

use super::colour::{Hue, Ink};
use super::json::{Entry, RECIPE_IS_WRONG, Report};
use super::last_run::LastRun;
use super::sheet::Sheet;
use super::words::{ago, list, tame, took};

/// What is known when `hostagent status` asks.
#[derive(Debug)]
pub struct Status {
    /// The last run.
    pub last: LastRun,
    /// The run that goes on now, as it signed the lock.
    pub running: Option<String>,
}

impl Status {
    /// The exit code of the last run; of one that has not ended, or never was, that of a failure.
    pub fn exit(&self) -> u8 {
        match &self.last {
            _ if self.is_good() => 0,
            LastRun::Told(report) => report.exit.filter(|code| *code > 0).unwrap_or(1),
            LastRun::Never | LastRun::Damaged => 1,
        }
    }

    /// Whether the last run came to its end and everything was as wanted then.
    pub fn is_good(&self) -> bool {
        matches!(&self.last, LastRun::Told(report) if report.outcome == "converged" && report.skipped == 0 && !report.unfinished)
    }

    /// The text, as of `now`.
    pub fn text(&self, ink: Ink, now: Timestamp) -> String {
        let running = self.running.as_ref().map(|holder| format!("a run is going on: {}\n", tame(holder)));
        let last = match &self.last {
            LastRun::Never => {
                concat!("hostagent has not run here yet\n", "hint: `hostagent plan` shows what it would change\n")
                    .to_owned()
            }
            LastRun::Damaged => {
                let cut = ink.paint(Hue::Bad, "cut off");
                format!(
                    "the last run was {cut}, and its report is lost\nhint: `hostagent converge` finishes what it began\n"
                )
            }
            LastRun::Told(report) if report.unfinished && self.running.is_some() => when(report, now),
            LastRun::Told(report) => told(report, ink, now),
        };
        running.unwrap_or_default() + &last
    }
}

fn told(report: &Report, ink: Ink, now: Timestamp) -> String {
    let mut sheet = Sheet::new(ink);
    sheet.raw(&headline(report, ink));
    sheet.raw(&when(report, now));
    for note in &report.notes {
        sheet.row("note", &tame(note));
    }
    for healed in &report.healed {
        sheet.row("repaired", &tame(healed));
    }
    for entry in report.resources.iter().filter(|entry| entry.drift && entry.verdict == "changed") {
        let what = list(entry.changes.iter().map(|change| change.what.as_str()));
        sheet.row("drift", &format!("{} was put right ({})", tame(&entry.id), tame(&what)));
    }
    for id in &report.released {
        sheet.row("released", &format!("{} stays, and is no longer managed", tame(id)));
    }
    if let Some(trouble) = &report.trouble {
        sheet.sign(Hue::Bad, "x", whose(&trouble.code));
        sheet.cause(&trouble.says, trouble.hint.as_deref());
    }
    for (entry, error) in report.resources.iter().filter_map(|entry| Some((entry, entry.error.as_ref()?))) {
        sheet.sign(Hue::Bad, "x", &failed(entry, error.phase.as_deref(), ink));
        sheet.cause(&error.says, error.hint.as_deref());
    }
    if report.unfinished {
        sheet.raw("hint: `hostagent converge` finishes what it began\n");
    }
    sheet.into_text()
}

/// What went wrong beside the resources, by its stable word.
fn whose(code: &str) -> &'static str {
    match code {
        RECIPE_IS_WRONG => "the recipe is wrong; nothing was touched",
        code if code.starts_with("imds-") => "the platform could not be asked; nothing was touched",
        _ => "hostagent itself",
    }
}

fn headline(report: &Report, ink: Ink) -> String {
    let run = if report.verb.as_deref() == Some("boot") { "the last run, at boot," } else { "the last run" };
    if report.unfinished {
        return format!("{run} was {}: it began and never ended\n", ink.paint(Hue::Bad, "cut off"));
    }
    let mut parts = Vec::new();
    let counts = [
        (report.failed, "failed"),
        (report.skipped, if report.interrupted { "left undone" } else { "skipped" }),
        (report.changed, "changed"),
        (report.ok, "as they were"),
    ];
    parts.extend(counts.iter().filter(|(number, _)| *number > 0).map(|(number, word)| format!("{number} {word}")));
    let word = match (report.outcome.as_str(), report.interrupted) {
        (_, true) => ink.paint(Hue::Differs, "was stopped"),
        ("converged", _) => ink.paint(Hue::Good, "converged"),
        _ => ink.paint(Hue::Bad, "failed"),
    };
    let counted = if parts.is_empty() { String::new() } else { format!(": {}", parts.join(", ")) };
    format!("{run} {word}{counted}\n")
}

fn when(report: &Report, now: Timestamp) -> String {
    let mut sheet = Sheet::new(Ink::NONE);
    if let Ok(began) = report.began.parse::<Timestamp>() {
        let length = Some(report.took_ms).filter(|_| !report.unfinished).map(Duration::from_millis);
        let length_told = length.map(|time| format!(", took {}", took(time))).unwrap_or_default();
        sheet.row("began", &format!("{}, {}{length_told}", began.strftime("%Y-%m-%d %H:%M:%S UTC"), ago(began, now)));
    }
    if !report.recipe.is_empty() {
        let only = if report.only.is_empty() { String::new() } else { format!(", only {}", report.only.join(", ")) };
        sheet.row("recipe", &tame(&format!("{}{only}", report.recipe)));
    }
    sheet.into_text()
}

fn failed(entry: &Entry, phase: Option<&str>, ink: Ink) -> String {
    let doing = match phase {
        Some("looking") => "could not look",
        Some("verifying") => "did not hold",
        _ => "could not apply",
    };
    format!("{}  {}", ink.paint(Hue::Strong, &tame(&entry.id)), ink.paint(Hue::Bad, doing))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{Cause, Changes, Phase};
    use crate::report::json::{About, Trouble};
    use crate::report::testing::{changed, drifted, failed, ok, run, skipped};

    fn status(last: LastRun, running: Option<&str>) -> String {
        let now = "2026-01-02T03:10:00Z".parse().unwrap();
        Status { last, running: running.map(str::to_owned) }.text(Ink::NONE, now)
    }

    fn about() -> About {
        About { recipe: "/etc/hostagent/recipe.toml".into(), ..About::default() }
    }

    #[test]
    fn a_good_run_tells_what_it_repaired_and_released() {
        let mut outcome = run(vec![
            changed("package:nginx", Changes::none().appears("state", "present").creating()),
            drifted("file:/etc/motd", Changes::none().mode(0o600, 0o644)),
            ok("user:ops"),
        ]);
        outcome.released = vec!["pg_database:old".into()];
        let last = LastRun::Told(Box::new(Report::of(&outcome, &about())));
        assert!(Status { last: last.clone(), running: None }.is_good());
        assert_eq!(
            status(last, None),
            "\
the last run converged: 2 changed, 1 as they were
  began     2026-01-02 03:04:05 UTC, 5 min ago, took 14.2 s
  recipe    /etc/hostagent/recipe.toml
  drift     file:/etc/motd was put right (mode)
  released  pg_database:old stays, and is no longer managed
"
        );
    }

    #[test]
    fn a_failed_run_says_what_to_do() {
        let cause = Cause::new("refused", "nginx: [emerg] unknown directive \"foo\"\nnginx: test failed")
            .hint("correct the snippet");
        let outcome =
            run(vec![failed("config_set:nginx", Phase::Applying, cause), skipped("service:nginx", "needs it")]);
        let last = LastRun::Told(Box::new(Report::of(&outcome, &about())));
        assert!(!Status { last: last.clone(), running: None }.is_good());
        assert_eq!(
            status(last, None),
            "\
the last run failed: 1 failed, 1 skipped
  began     2026-01-02 03:04:05 UTC, 5 min ago, took 14.2 s
  recipe    /etc/hostagent/recipe.toml
  x config_set:nginx  could not apply
      nginx: [emerg] unknown directive \"foo\"
      nginx: test failed
      hint: correct the snippet
"
        );
    }

    #[test]
    fn a_boot_that_came_to_nothing_says_why_and_keeps_its_exit_code() {
        let about = About {
            recipe: "user-data".into(),
            verb: Some("boot"),
            notes: vec!["the instance tag is not used".into()],
            ..About::default()
        };
        let why = Trouble {
            code: RECIPE_IS_WRONG.into(),
            says: "error: unknown key `hostnam`\n --> user-data:3:1\n".into(),
            ..Trouble::default()
        };
        let began = "2026-01-02T03:04:05.006Z".parse::<Timestamp>().unwrap();
        let report = Report { took_ms: 40, ..Report::refused(&about, began.into(), why).exits(2) };
        let last = LastRun::Told(Box::new(report));
        assert_eq!(Status { last: last.clone(), running: None }.exit(), 2);
        assert_eq!(
            status(last, None),
            "\
the last run, at boot, failed
  began     2026-01-02 03:04:05 UTC, 5 min ago, took 40 ms
  recipe    user-data
  note      the instance tag is not used
  x the recipe is wrong; nothing was touched
      error: unknown key `hostnam`
       --> user-data:3:1
"
        );
    }

    #[test]
    fn a_run_that_was_cut_off_is_told_from_one_that_goes_on() {
        let born = Report { began: "2026-01-02T03:04:05.006Z".into(), ..Report::born(&about()) };
        let last = LastRun::Told(Box::new(born));
        assert_eq!(
            status(last.clone(), None),
            "\
the last run was cut off: it began and never ended
  began     2026-01-02 03:04:05 UTC, 5 min ago
  recipe    /etc/hostagent/recipe.toml
hint: `hostagent converge` finishes what it began
"
        );
        assert_eq!(
            status(last, Some("process 7 (`hostagent converge`)")),
            "\
a run is going on: process 7 (`hostagent converge`)
  began     2026-01-02 03:04:05 UTC, 5 min ago
  recipe    /etc/hostagent/recipe.toml
"
        );
        assert_eq!(
            status(LastRun::Never, None),
            "hostagent has not run here yet\nhint: `hostagent plan` shows what it would change\n"
        );
    }
}
