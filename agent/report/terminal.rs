//! A plan and a run as a person reads them.

use crate::engine::outcome::Told;
use crate::engine::{Id, Outcome, Verdict};

use super::colour::{Hue, Ink};
use super::entry::{Entry, hinted};
use super::words::{count, list, tame, took};

/// The widest column of ids; longer ones push what follows them aside.
const WIDEST: usize = 44;

/// How much is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// A line a resource: a run.
    Brief,
    /// With diffs, long ones cut: a plan.
    Diffs,
    /// Everything, also what is as it should be: `-v`.
    Full,
}

/// How texts are laid out.
#[derive(Debug, Clone)]
pub struct Page {
    /// Whether there is colour.
    pub ink: Ink,
    /// How much is shown.
    pub detail: Detail,
    /// The command that makes the changes, such as `hostagent converge`.
    pub again: String,
    /// The width of the column of ids.
    pub width: usize,
}

impl Page {
    /// A page whose column of ids fits these.
    pub fn for_ids<'a>(ink: Ink, detail: Detail, again: &str, ids: impl Iterator<Item = &'a Id>) -> Self {
        let width = ids.map(|id| id.as_str().chars().count()).filter(|&width| width <= WIDEST).max();
        Self { ink, detail, again: again.to_owned(), width: width.unwrap_or_default() }
    }

    /// One resource.
    pub fn told(&self, told: &Told) -> String {
        Entry::of(told, self.detail).text(self.ink, self.width)
    }

    /// Whether a resource is worth a line: it is not merely as it should be.
    pub fn is_worth_a_line(&self, told: &Told) -> bool {
        self.detail == Detail::Full || !matches!(told.verdict, Verdict::Ok) || !told.notes.is_empty()
    }

    /// A whole plan.
    pub fn plan(&self, outcome: &Outcome) -> String {
        let (shown, quiet): (Vec<&Told>, Vec<&Told>) = outcome.resources.iter().partition(|told| self.is_worth_a_line(told));
        let fitting = Self::for_ids(self.ink, self.detail, &self.again, shown.iter().map(|told| &told.id));
        let mut text: String = shown.iter().map(|told| fitting.told(told)).collect();
        if !shown.is_empty() && !quiet.is_empty() {
            let more = match quiet.len() {
                1 => "1 more is as it should be".to_owned(),
                more => format!("{more} more are as they should be"),
            };
            text.push_str(&format!("  {}\n", self.ink.paint(Hue::Faint, &format!("= {more}"))));
        }
        text.push_str(&self.remarks(outcome));
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(&self.plan_summary(outcome));
        text
    }

    /// What ends a run: remarks, and the summary.
    ///
    /// `below` says that lines stand above it already.
    pub fn end(&self, outcome: &Outcome, below: bool) -> String {
        let mut text = String::new();
        if outcome.interrupted {
            text.push_str(&self.left(outcome));
        }
        text.push_str(&self.remarks(outcome));
        if below || !text.is_empty() {
            text.push('\n');
        }
        text.push_str(&self.run_summary(outcome));
        text
    }

    /// That something a killed run left was put right.
    pub fn healed(&self, what: &str) -> String {
        format!("  {} repaired first: {}\n", self.ink.paint(Hue::Follows, "!"), tame(what))
    }

    /// What belongs to no resource of the plan.
    fn remarks(&self, outcome: &Outcome) -> String {
        let mut text = String::new();
        if let Some(cause) = &outcome.trouble {
            text.push_str(&format!("  {} {}\n", self.ink.paint(Hue::Bad, "x"), tame(&cause.says)));
            for (hue, line) in cause.hint.iter().flat_map(|hint| hinted(hint)) {
                text.push_str(&format!("      {}\n", self.ink.paint(hue, &line)));
            }
        }
        for id in &outcome.released {
            let id = self.ink.paint(Hue::Strong, &tame(id.as_str()));
            text.push_str(&format!("  {} {id}  no longer managed: it may hold data, so it stays\n", self.ink.paint(Hue::Faint, "=")));
        }
        text
    }

    /// What an interrupted run did not come to.
    fn left(&self, outcome: &Outcome) -> String {
        let skipped = outcome.resources.iter().filter(|told| matches!(told.verdict, Verdict::Skipped(_)));
        let ids: Vec<String> = skipped.map(|told| tame(told.id.as_str())).collect();
        let mut text = String::new();
        if !ids.is_empty() {
            text.push_str(&format!("  {} left undone:\n", self.ink.paint(Hue::Differs, ".")));
            for id in ids {
                text.push_str(&format!("      {id}\n"));
            }
        }
        text
    }

    fn plan_summary(&self, outcome: &Outcome) -> String {
        let (failed, pending) = (outcome.count("failed"), outcome.count("pending"));
        let drift = outcome.resources.iter().filter(|told| told.drift && told.verdict.word() == "pending").count();
        let drift = match drift {
            0 => String::new(),
            all if all == pending => ", all of it drift".to_owned(),
            some => format!(", {some} of them drift"),
        };
        let again = &self.again;
        match (failed, pending) {
            (0, 0) if outcome.is_good() => {
                let all = outcome.resources.len();
                let what = if all == 0 { "the recipe wants nothing".to_owned() } else { format!("{all} as wanted") };
                format!("{}: {what}\n", self.ink.paint(Hue::Good, "nothing to do"))
            }
            (0, _) => {
                let changes = self.ink.paint(Hue::Strong, &count(pending, "change"));
                let them = if pending == 1 { "it" } else { "them" };
                format!("{changes} pending{drift}; `{again}` makes {them}\n")
            }
            _ => {
                let failed = self.ink.paint(Hue::Bad, &format!("{failed} could not be looked at"));
                format!("{failed}, {} pending{drift}\n", count(pending, "change"))
            }
        }
    }

    fn run_summary(&self, outcome: &Outcome) -> String {
        let (ok, changed, skipped) = (outcome.count("ok"), outcome.count("changed"), outcome.count("skipped"));
        let failed: Vec<&str> = outcome.resources.iter().filter(|told| told.verdict.word() == "failed").map(|told| told.id.as_str()).collect();
        let mut parts = Vec::new();
        if !failed.is_empty() {
            parts.push(format!("{} failed ({})", failed.len(), list(failed.iter().copied())));
        }
        if skipped > 0 {
            parts.push(format!("{skipped} {}", if outcome.interrupted { "left undone" } else { "skipped" }));
        }
        if changed > 0 {
            parts.push(format!("{changed} changed"));
        }
        if ok > 0 {
            let all = if parts.is_empty() { "all " } else { "" };
            parts.push(if ok == 1 { "1 as it was".to_owned() } else { format!("{all}{ok} as they were") });
        }
        if parts.is_empty() {
            parts.push("the recipe wants nothing".to_owned());
        }
        parts.push(format!("in {}", took(outcome.took)));
        let told = tame(&parts.join(", "));
        if outcome.interrupted {
            format!("{}: {told}; `{}` goes on from here\n", self.ink.paint(Hue::Differs, "stopped"), self.again)
        } else if outcome.is_good() {
            format!("{}: {told}\n", self.ink.paint(Hue::Good, "converged"))
        } else {
            format!("{}: {told}\n", self.ink.paint(Hue::Bad, "failed"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{Cause, Changes, Phase, Shown};
    use crate::report::testing::{changed, drifted, failed, ok, pending, plan, run, skipped};

    fn page(detail: Detail) -> Page {
        Page { ink: Ink::NONE, detail, again: "hostagent converge web.toml".into(), width: 0 }
    }

    /// What a run prints to a pipe.
    fn run_text(outcome: &Outcome) -> String {
        let page = Page::for_ids(Ink::NONE, Detail::Brief, "hostagent converge", outcome.resources.iter().map(|told| &told.id));
        let lines: String = outcome.resources.iter().filter(|told| page.is_worth_a_line(told)).map(|told| page.told(told)).collect();
        let below = !lines.is_empty();
        lines + &page.end(outcome, below)
    }

    fn new_file(text: &str) -> Changes {
        Changes::none().text("content", None, text).appears("mode", "0644").appears("owner", "root:root").creating()
    }

    #[test]
    fn a_plan_on_a_bare_host_shows_what_will_be_there() {
        let site: String = (1..=30).map(|n| format!("    line {n};\n")).collect();
        let outcome = plan(vec![
            pending("package:nginx", Changes::none().appears("state", "present").creating()),
            pending("user:ops", Changes::none().appears("groups", "sudo").appears("shell", "/bin/bash").creating()),
            pending("file:/etc/motd", new_file("hello\n")),
            pending("file:/etc/nginx/conf.d/api.conf", new_file(&site)),
            pending("pg_role:booking", Changes::none().appears("login", "yes").differs("password", Shown::Absent, Shown::Hidden).creating()),
            pending("service:nginx", Changes::none().appears("enabled", "yes").appears("running", "yes").creating()),
        ]);
        assert_eq!(
            page(Detail::Diffs).plan(&outcome),
            "\
\x20 + package:nginx
  + user:ops                         groups sudo, shell /bin/bash
  + file:/etc/motd                   1 line, mode 0644, owner root:root
      + hello
  + file:/etc/nginx/conf.d/api.conf  30 lines, mode 0644, owner root:root
      +     line 1;
      +     line 2;
      +     line 3;
      +     line 4;
      +     line 5;
      +     line 6;
      +     line 7;
      +     line 8;
      +     line 9;
      +     line 10;
      +     line 11;
      +     line 12;
      … 18 more lines; `-v` shows all
  + pg_role:booking                  login yes, password (hidden)
  + service:nginx                    enabled yes, running yes

6 changes pending; `hostagent converge web.toml` makes them
"
        );
    }

    #[test]
    fn a_plan_tells_drift_from_change_and_shows_diffs() {
        let old = "user www-data;\nworker_processes 1;\nerror_log /var/log/nginx/error.log;\n";
        let new = "user www-data;\nworker_processes auto;\nerror_log /var/log/nginx/error.log;\n";
        let mut edited = pending("file:/etc/nginx/nginx.conf", Changes::none().text("content", Some(old), new).mode(0o600, 0o644));
        edited.drift = true;
        let mut shell = pending("user:ops", Changes::none().value("shell", &"/bin/sh", &"/bin/bash"));
        shell.drift = true;
        let roles = Changes::none().secret("password", false).value("connection_limit", &"-1", &"20");
        let reload = Changes::none().follows("loaded", Shown::Plain("old files".into()), Shown::Plain("nginx.conf".into()));
        let mut gone = pending("file:/etc/nginx/conf.d/old.conf", Changes::none().disappears("path", "/etc/nginx/conf.d/old.conf"));
        gone.removal = true;
        let mut outcome = plan(vec![
            ok("package:nginx"),
            edited,
            shell,
            pending("pg_role:booking", roles),
            pending("service:nginx", reload),
            ok("service:postgresql"),
            gone,
        ]);
        outcome.released = vec!["pg_database:old".into()];
        assert_eq!(
            page(Detail::Diffs).plan(&outcome),
            "\
\x20 ~ file:/etc/nginx/nginx.conf       drift: mode 0600 -> 0644
      @@ -1,3 +1,3 @@
        user www-data;
      - worker_processes 1;
      + worker_processes auto;
        error_log /var/log/nginx/error.log;
  ~ user:ops                         drift: shell /bin/sh -> /bin/bash
  ~ pg_role:booking
      password          (hidden)
      connection_limit  -1 -> 20
  ! service:nginx                    loaded old files -> nginx.conf
  - file:/etc/nginx/conf.d/old.conf  no longer in the recipe
  = 2 more are as they should be
  = pg_database:old  no longer managed: it may hold data, so it stays

5 changes pending, 2 of them drift; `hostagent converge web.toml` makes them
"
        );
    }

    #[test]
    fn a_plan_with_nothing_to_do_is_one_line() {
        assert_eq!(page(Detail::Diffs).plan(&plan(vec![ok("a:b"), ok("c:d")])), "nothing to do: 2 as wanted\n");
        assert_eq!(page(Detail::Diffs).plan(&plan(Vec::new())), "nothing to do: the recipe wants nothing\n");
    }

    #[test]
    fn a_plan_that_could_not_look_says_where_and_why() {
        let cause = Cause::new("file-io", "could not read `/etc/sudoers.d/ops`: permission denied").hint("run hostagent as root");
        let outcome = plan(vec![failed("file:/etc/sudoers.d/ops", Phase::Looking, cause), ok("user:ops")]);
        assert_eq!(
            page(Detail::Diffs).plan(&outcome),
            "\
\x20 x file:/etc/sudoers.d/ops  could not look
      could not read `/etc/sudoers.d/ops`: permission denied
      hint: run hostagent as root
  = 1 more is as it should be

1 could not be looked at, 0 changes pending
"
        );
    }

    #[test]
    fn a_run_tells_each_change_in_a_line() {
        let mut kept = ok("file:/srv/old.conf");
        kept.removal = true;
        kept.notes = vec!["`/srv/old.conf` was edited by hand since, and is kept".into()];
        let mut slow = changed("package:nginx", Changes::none().appears("state", "present").creating());
        slow.took = std::time::Duration::from_millis(8_300);
        let outcome = run(vec![
            slow,
            changed("file:/etc/motd", new_file("hello\n")),
            drifted("file:/etc/issue", Changes::none().text("content", Some("a\nb\n"), "a\nc\nd\n").mode(0o600, 0o644)),
            changed("service:nginx", Changes::none().follows("loaded", Shown::Plain("old files".into()), Shown::Plain("motd".into()))),
            ok("user:ops"),
            kept,
        ]);
        assert_eq!(
            run_text(&outcome),
            "\
\x20 + package:nginx       (8.3 s)
  + file:/etc/motd      1 line, mode 0644, owner root:root
  ~ file:/etc/issue     drift: content +2 -1, mode 0600 -> 0644
  ! service:nginx       loaded old files -> motd
  - file:/srv/old.conf  no longer in the recipe
      note: `/srv/old.conf` was edited by hand since, and is kept

converged: 4 changed, 2 as they were, in 14.2 s
"
        );
    }

    #[test]
    fn a_failure_has_the_servers_words_and_what_to_do() {
        let says = "nginx: [emerg] unknown directive \"serer_name\" in /etc/nginx/conf.d/api.conf:3\nnginx: configuration file test failed";
        let outcome = run(vec![
            changed("file:/etc/motd", Changes::none().mode(0o600, 0o644)),
            failed("config_set:nginx", Phase::Applying, Cause::new("refused", says).hint("correct the snippet of site `api`")),
            skipped("service:nginx", "needs config_set:nginx, which failed"),
        ]);
        assert_eq!(
            run_text(&outcome),
            "\
\x20 ~ file:/etc/motd    mode 0600 -> 0644
  x config_set:nginx  could not apply
      nginx: [emerg] unknown directive \"serer_name\" in /etc/nginx/conf.d/api.conf:3
      nginx: configuration file test failed
      hint: correct the snippet of site `api`
  . service:nginx     skipped: needs config_set:nginx, which failed

failed: 1 failed (config_set:nginx), 1 skipped, 1 changed, in 14.2 s
"
        );
    }

    #[test]
    fn a_run_that_was_stopped_says_what_is_left() {
        let asked = "the run was asked to stop before it";
        let mut outcome = run(vec![
            changed("package:nginx", Changes::none().appears("state", "present").creating()),
            skipped("file:/etc/motd", asked),
            skipped("service:nginx", asked),
        ]);
        outcome.interrupted = true;
        assert_eq!(
            page(Detail::Brief).end(&outcome, false),
            "  . left undone:\n      file:/etc/motd\n      service:nginx\n\n\
             stopped: 2 left undone, 1 changed, in 14.2 s; `hostagent converge web.toml` goes on from here\n"
        );
    }

    #[test]
    fn values_cannot_steer_the_terminal() {
        let outcome = plan(vec![pending("file:/tmp/\u{1b}[2J", new_file("\u{1b}]0;title\u{7}\n"))]);
        let text = page(Detail::Full).plan(&outcome);
        assert!(!text.contains('\u{1b}') && !text.contains('\u{7}'), "{text}");
    }

    #[test]
    fn long_values_stand_below_each_other() {
        let keys = |n: usize| (0..n).map(|n| format!("ssh-ed25519 AAAA{n} ops")).collect::<Vec<_>>().join(", ");
        let outcome = plan(vec![pending("user:ops", Changes::none().value("keys", &keys(2), &keys(4)))]);
        let text = page(Detail::Diffs).plan(&outcome);
        assert!(text.contains("  ~ user:ops\n      keys\n        - ssh-ed25519 AAAA0 ops, ssh-ed25519 AAAA1 ops\n        + ssh-"), "{text}");
    }
}
