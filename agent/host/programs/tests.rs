use std::time::Instant;

use super::*;
use crate::host::Host;

const SECRET: &str = "canary-7d1f";

fn host() -> (tempfile::TempDir, Host) {
    let root = tempfile::tempdir().unwrap();
    let host = Host::at(root.path(), Box::new(Real)).unwrap();
    (root, host)
}

fn sh(script: &str) -> Program {
    Program::does("/bin/sh").args(["-c", script])
}

async fn run(program: Program) -> Result<Output, Error> {
    host().1.touch().run(&program).await
}

/// Whether a process is there and more than a zombie.
fn lives(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

async fn is_gone(pid: &str) -> bool {
    for _ in 0..100 {
        if !lives(pid) {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    false
}

#[tokio::test]
async fn a_program_that_outlives_hostagent_talks_to_no_pipe_and_is_heard() {
    let output = run(sh("readlink /proc/self/fd/1 /proc/$$/fd/2; echo why >&2").outlives()).await.unwrap();
    assert!(output.stdout.lines().count() == 2 && !output.stdout.contains("pipe:"), "{output:?}");
    assert_eq!(output.stderr, "why\n");

    let much = format!("head -c {} /dev/zero; echo end", 2 * KEPT);
    let output = run(sh(&much).outlives()).await.unwrap();
    assert_eq!((output.stdout.len(), output.stdout.ends_with("end\n")), (KEPT, true));
}

#[tokio::test]
async fn a_program_out_of_time_is_ended_with_all_it_started() {
    let began = Instant::now();
    let slow = sh("sleep 300 & echo $!; echo working >&2; sleep 300; true").patience(Duration::from_millis(300));
    let (_root, host) = host();
    let Err(Error::Program(Failed::Slow { said, .. })) = host.touch().try_run(&slow).await else {
        panic!("it was let go on")
    };
    assert!(began.elapsed() < Duration::from_secs(5));
    assert_eq!(said, "  working");

    let slow = sh("sleep 300 & echo $!; sleep 300; true").patience(Duration::from_millis(300));
    let Err(error) = host.touch().try_run(&slow).await else { panic!("it was let go on") };
    assert_eq!(error.code(), "program-slow");
    let text = error.to_string();
    let (says, pid) = text.rsplit_once(":\n").unwrap();
    assert!(says.ends_with("was still running after 300ms and was ended with all it had started"), "{says}");
    assert!(is_gone(pid).await, "its child still runs");
}

#[tokio::test]
async fn a_run_that_is_dropped_ends_its_program() {
    let (root, host) = host();
    let file = root.path().join("pid");
    let touch = host.touch();
    let program = sh(&format!("echo $$ >{}; exec sleep 300", file.display()));
    let dropped = tokio::time::timeout(Duration::from_millis(300), touch.run(&program)).await;
    assert!(dropped.is_err());
    assert!(is_gone(&std::fs::read_to_string(file).unwrap()).await);
}

#[tokio::test]
async fn who_does_not_end_when_asked_to_is_ended_with_its_grandchildren() {
    let began = Instant::now();
    let deaf = "trap '' TERM; sh -c \"trap '' TERM; sleep 300 & echo \\$!; wait; sleep 300\" & sleep 300; sleep 300";
    let (_root, host) = host();
    let Err(error) = host.touch().try_run(&sh(deaf).patience(Duration::from_millis(300))).await else {
        panic!("it was let go on")
    };
    assert!(began.elapsed() < Duration::from_secs(10));
    let text = error.to_string();
    let pid = text.lines().last().unwrap();
    assert!(pid.trim().parse::<u32>().is_ok(), "{text}");
    assert!(is_gone(pid).await, "its grandchild still runs");
}

#[tokio::test]
async fn who_ends_when_asked_to_may_tidy_up() {
    let (root, host) = host();
    let file = root.path().join("half");
    let tidy = format!("trap 'rm {0}; exit 1' TERM; touch {0}; sleep 300 & wait", file.display());
    assert!(host.touch().try_run(&sh(&tidy).patience(Duration::from_millis(300))).await.is_err());
    assert!(!file.exists());
}

#[tokio::test]
async fn a_run_that_is_dropped_ends_what_its_program_has_started() {
    let (root, host) = host();
    let file = root.path().join("pid");
    let touch = host.touch();
    let program = sh(&format!("sleep 300 & echo $! >{}; wait", file.display()));
    assert!(tokio::time::timeout(Duration::from_millis(300), touch.run(&program)).await.is_err());
    assert!(is_gone(&std::fs::read_to_string(file).unwrap()).await, "its child still runs");
    assert_eq!(std::fs::read_dir(root.path().join("run/hostagent/at-work")).unwrap().count(), 0);
}

#[tokio::test]
async fn one_that_outlives_comes_to_its_own_end_and_the_next_run_knows_of_it() {
    let (root, host) = host();
    let done = root.path().join("done");
    let touch = host.touch();
    let program = sh(&format!("sleep 1; touch {}", done.display())).outlives();
    assert!(tokio::time::timeout(Duration::from_millis(300), touch.run(&program)).await.is_err());
    assert!(!done.exists());
    assert_eq!(std::fs::read_dir(root.path().join("run/hostagent/at-work")).unwrap().count(), 1);
    for _ in 0..100 {
        if done.exists() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("it was ended");
}

#[tokio::test]
async fn what_it_leaves_running_is_not_waited_for() {
    let began = Instant::now();
    let output = run(sh("sleep 300 & echo $!; echo started >&2")).await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(5));
    assert_eq!(output.stderr, "started\n");
    let pid = nix::unistd::Pid::from_raw(output.stdout.trim().parse().unwrap());
    assert!(lives(&output.stdout), "a daemon goes on");
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).unwrap();
}

#[tokio::test]
async fn a_secret_on_stdin_is_nowhere_else() {
    let shows = "read line; echo $line | wc -c; tr '\\0' ' ' </proc/$$/cmdline; tr '\\0' ' ' </proc/$$/environ";
    let program = sh(shows).stdin(format!("{SECRET}\n"));
    let output = run(program).await.unwrap();
    assert!(output.stdout.starts_with(&format!("{}\n", SECRET.len() + 1)), "{}", output.stdout);
    assert!(!output.stdout.contains(SECRET), "{}", output.stdout);

    let program = sh("cat >/dev/null; echo no such luck >&2; exit 3").stdin(SECRET);
    assert!(!format!("{program} {program:?} {:?}", program.argv()).contains(SECRET));
    let error = run(program).await.unwrap_err();
    assert!(!format!("{error} {error:?}").contains(SECRET), "{error:?}");
}

#[tokio::test]
async fn the_end_of_a_flood_is_kept() {
    let output =
        run(sh("head -c 5000000 /dev/zero | tr '\\0' a; echo end; head -c 5000000 /dev/zero >&2")).await.unwrap();
    assert_eq!((output.stdout.len(), output.stderr.len()), (KEPT, KEPT));
    assert!(output.stdout.ends_with("aaaend\n"));
}

#[tokio::test]
async fn each_way_to_end_is_told_in_its_own_words() {
    let (_root, host) = host();
    let touch = host.touch();
    for (script, status) in [("exit 0", Some(0)), ("exit 7", Some(7)), ("kill -9 $$", None)] {
        assert_eq!(touch.try_run(&sh(script)).await.unwrap().status, status, "{script}");
    }
    let said = async |script: &str| touch.run(&sh(script)).await.unwrap_err().to_string();
    assert_eq!(
        said("echo first; echo last >&2; exit 7").await,
        "`/bin/sh -c echo first; echo last >&2; exit 7` exited with 7:\n  last"
    );
    assert_eq!(said("echo out; exit 1").await, "`/bin/sh -c echo out; exit 1` exited with 1:\n  out");
    assert_eq!(said("kill -9 $$").await, "`/bin/sh -c kill -9 $$` was ended by a signal");
    let lines = said("for n in $(seq 1 40); do echo line $n; done; exit 1").await;
    assert_eq!(lines.lines().count(), 13);
    assert!(lines.ends_with("  line 40"));

    let missing = touch.run(&Program::does("no-such-program").arg("x")).await.unwrap_err();
    assert_eq!(missing.code(), "program-missing");
    assert!(missing.hint().unwrap().contains("`no-such-program`"));
    let refused = touch.run(&Program::does("/etc/passwd")).await.unwrap_err();
    assert_eq!(refused.to_string(), "could not start `/etc/passwd`: Permission denied (os error 13)");
}

#[tokio::test]
async fn nothing_of_the_caller_reaches_it() {
    let output = run(Program::does("env")).await.unwrap();
    let mut names: Vec<&str> = output.stdout.lines().filter_map(|line| line.split('=').next()).collect();
    names.sort_unstable();
    // By the mark the next run knows it, should this one be killed.
    assert_eq!(names, ["HOME", "HOSTAGENT_PROGRAM", "LC_ALL", "PATH"]);
    // It cannot wait for a person: without a text for it stdin is at its end.
    assert_eq!(run(sh("cat; pwd")).await.unwrap().stdout, "/\n");
    // A group of its own, so that Ctrl-C reaches hostagent alone.
    let group = run(sh("set -- $(cat /proc/$$/stat); echo $1 $5")).await.unwrap().stdout;
    let (pid, group) = group.trim().split_once(' ').unwrap();
    assert_eq!(pid, group);
}

#[tokio::test]
async fn it_need_not_read_what_it_is_given() {
    assert!(run(Program::does("true").stdin("x".repeat(1 << 20))).await.unwrap().succeeded());
}

#[tokio::test]
async fn another_user_runs_it_without_groups_of_roots() {
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    let output = run(sh("id -u; id -g; id -G").as_user(65534, 65534)).await.unwrap();
    assert_eq!(output.stdout, "65534\n65534\n65534\n");
}

#[tokio::test]
async fn a_look_runs_only_what_asks() {
    let (root, host) = host();
    let file = root.path().join("file");
    let touches = Program::does("touch").arg(file.display().to_string());
    assert_eq!(host.look().ask(&touches).await.unwrap_err().code(), "look-touched");
    assert!(!file.exists());
    assert_eq!(host.look().ask(&Program::asks("/bin/false")).await.unwrap().status, Some(1));
    assert_eq!(host.writes(), 0);
    host.touch().run(&touches).await.unwrap();
    assert!(file.exists() && host.writes() == 1);
}
