//! What a person reads of plans and runs, word for word.

use crate::engine::{Cause, Changes, Outcome, Phase, Shown};

use super::colour::Ink;
use super::terminal::{Detail, Page};
use super::testing::{changed, drifted, failed, ok, pending, plan, run, skipped};

fn page(detail: Detail) -> Page {
    Page { ink: Ink::NONE, detail, again: "hostagent converge web.toml".into(), width: 0 }
}

/// What a run prints to a pipe.
fn run_text(outcome: &Outcome) -> String {
    let page =
        Page::for_ids(Ink::NONE, Detail::Brief, "hostagent converge", outcome.resources.iter().map(|told| &told.id));
    let lines: String =
        outcome.resources.iter().filter(|told| page.is_worth_a_line(told)).map(|told| page.told(told)).collect();
    let below = !lines.is_empty();
    lines + &page.end(outcome, below)
}

fn new_file(text: &str) -> Changes {
    Changes::none().text("content", None, text).appears("mode", "0644").appears("owner", "root:root").creating()
}

#[test]
fn a_plan_on_a_bare_host_shows_what_will_be_there() {
    let site = (1..=30).flat_map(|n| ["    line ".to_owned(), n.to_string(), ";\n".to_owned()]).collect::<String>();
    let outcome = plan(vec![
        pending("package:nginx", Changes::none().appears("state", "present").creating()),
        pending("user:ops", Changes::none().appears("groups", "sudo").appears("shell", "/bin/bash").creating()),
        pending("file:/etc/motd", new_file("hello\n")),
        pending("file:/etc/nginx/conf.d/api.conf", new_file(&site)),
        pending(
            "pg_role:booking",
            Changes::none().appears("login", "yes").differs("password", Shown::Absent, Shown::Hidden).creating(),
        ),
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
    let mut edited =
        pending("file:/etc/nginx/nginx.conf", Changes::none().text("content", Some(old), new).mode(0o600, 0o644));
    edited.drift = true;
    let mut shell = pending("user:ops", Changes::none().value("shell", &"/bin/sh", &"/bin/bash"));
    shell.drift = true;
    let roles = Changes::none().secret("password", false).value("connection_limit", &"-1", &"20");
    let reload = Changes::none().follows("loaded", Shown::Plain("old files".into()), Shown::Plain("nginx.conf".into()));
    let mut gone =
        pending("file:/etc/nginx/conf.d/old.conf", Changes::none().disappears("path", "/etc/nginx/conf.d/old.conf"));
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
    let cause =
        Cause::new("file-io", "could not read `/etc/sudoers.d/ops`: permission denied").hint("run hostagent as root");
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
        changed(
            "service:nginx",
            Changes::none().follows("loaded", Shown::Plain("old files".into()), Shown::Plain("motd".into())),
        ),
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
        failed(
            "config_set:nginx",
            Phase::Applying,
            Cause::new("refused", says).hint("correct the snippet of site `api`"),
        ),
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
        "  . left undone\n      file:/etc/motd\n      service:nginx\n\n\
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
    let keys = |n: usize| (0..n).map(|key| format!("ssh-ed25519 AAAA{key} ops")).collect::<Vec<_>>().join(", ");
    let outcome = plan(vec![pending("user:ops", Changes::none().value("keys", &keys(2), &keys(4)))]);
    let text = page(Detail::Diffs).plan(&outcome);
    assert!(
        text.contains(
            "  ~ user:ops\n      keys\n        - ssh-ed25519 AAAA0 ops, ssh-ed25519 AAAA1 ops\n        + ssh-"
        ),
        "{text}"
    );
}
