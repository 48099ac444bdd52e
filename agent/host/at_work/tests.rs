use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command};
use std::time::Instant;

use super::*;
use crate::host::Host;
use crate::host::programs::Real;

/// A host with a note of another run of this name that says this.
fn noted(name: &str, note: &str) -> (tempfile::TempDir, Touch) {
    let root = tempfile::tempdir().unwrap();
    let touch = Host::at(root.path(), Box::new(Real)).unwrap().touch();
    fs::create_dir_all(root.path().join("run/hostagent/at-work")).unwrap();
    fs::write(root.path().join("run/hostagent/at-work").join(name), note).unwrap();
    (root, touch)
}

fn marked(name: &str, script: &str) -> Child {
    Command::new("sh").args(["-c", script]).env(MARK, name).process_group(0).spawn().unwrap()
}

/// A name for a note that no other test has: they run side by side, and each looks at all processes.
fn name(of: &str) -> String {
    format!("1.{}-{of}", std::process::id())
}

/// A host on which a run was killed, and what that run had started, which may work for so many more seconds.
fn killed(of: &str, script: &str, seconds: u64) -> (tempfile::TempDir, Touch, Child) {
    let (root, touch) = noted(&name(of), &format!("{}\n", since_boot().as_secs() + seconds));
    (root, touch, marked(&name(of), script))
}

/// The end of a child: somebody has to wait for it, as init does for orphans.
fn reap(mut child: Child) -> std::thread::JoinHandle<std::process::ExitStatus> {
    std::thread::spawn(move || child.wait().unwrap())
}

#[tokio::test(flavor = "current_thread")]
async fn what_a_killed_run_started_is_waited_for_and_not_ended() {
    let began = Instant::now();
    let (root, touch, child) = killed("waits", "sleep 0.7; exit 3", 60);
    let (pid, end) = (child.id(), reap(child));
    let notes = touch.notes_of_others().unwrap();
    assert!(orphans(&notes).unwrap().iter().any(|orphan| orphan.pid.unsigned_abs() == pid));
    let said = touch.wait_for_orphans().await.unwrap().said;
    assert!(began.elapsed() >= Duration::from_millis(700));
    assert!(
        said.contains(&"waited for `sh -c sleep 0.7; exit 3`, which a run that was killed had started".to_owned()),
        "{said:?}"
    );
    assert_eq!(end.join().unwrap().code(), Some(3), "it came to its own end");
    assert_eq!(fs::read_dir(root.path().join("run/hostagent/at-work")).unwrap().count(), 0);
}

#[tokio::test(flavor = "current_thread")]
async fn what_has_had_its_time_is_ended_with_its_children() {
    let (_root, touch, child) = killed("ends", "sleep 20; true", 0);
    let end = reap(child);
    touch.wait_for_orphans().await.unwrap();
    assert!(!end.join().unwrap().success());
}

#[tokio::test(flavor = "current_thread")]
async fn what_no_note_speaks_of_is_not_waited_for_whatever_it_says_of_itself() {
    let (root, touch, mut of_note) = killed("own", "exit 0", 60);
    of_note.wait().unwrap();
    let stranger = "1.1-0:9999999999";
    let others = [marked(stranger, "sleep 20"), marked("", "sleep 20"), marked(&name("own2"), "sleep 20")];
    let waited = tokio::time::timeout(Duration::from_secs(3), touch.wait_for_orphans()).await;
    for mut other in others {
        assert!(other.try_wait().unwrap().is_none(), "it was ended");
        other.kill().unwrap();
        other.wait().unwrap();
    }
    assert!(waited.unwrap().unwrap().said.is_empty());
    assert_eq!(fs::read_dir(root.path().join("run/hostagent/at-work")).unwrap().count(), 0);
}

/// As one of a user who was handed the mark: there is always another process of that name.
async fn with_always_another() -> (tempfile::TempDir, Option<Error>) {
    let (root, touch, mut next) = killed("stays", "exec sleep 20", 0);
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let seen = std::sync::Arc::clone(&stop);
    let again = std::thread::spawn(move || {
        while !seen.load(Ordering::Relaxed) {
            if next.try_wait().unwrap().is_some() {
                next = marked(&name("stays"), "exec sleep 20");
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        next.kill().unwrap();
        next.wait().unwrap();
    });
    let began = Instant::now();
    let waited = tokio::time::timeout(GRACE * 3, touch.wait_for_orphans()).await;
    stop.store(true, Ordering::Relaxed);
    again.join().unwrap();
    let trouble = waited.expect("it waits for ever").unwrap().trouble;
    assert!(began.elapsed() >= GRACE.checked_sub(Duration::from_secs(1)).unwrap());
    (root, trouble)
}

#[tokio::test(flavor = "current_thread")]
async fn what_does_not_end_is_waited_for_a_moment_longer_and_told_of() {
    // On a busy machine the next one may come too late to be there at the last look.
    let mut tries = 0;
    let (root, trouble) = loop {
        tries += 1;
        match with_always_another().await {
            (root, Some(trouble)) => break (root, trouble),
            (_, None) => assert!(tries < 4, "nobody was there at the end"),
        }
    };
    let (says, hint) = (trouble.to_string(), trouble.hint().unwrap());
    assert!(says.starts_with("`sleep 20` (process ") && says.ends_with("its time was up and it was ended"), "{says}");
    assert!(hint.starts_with("see `ps "), "{hint}");
    // Told once: the next run has nobody to wait for.
    assert_eq!(fs::read_dir(root.path().join("run/hostagent/at-work")).unwrap().count(), 0);
}

#[test]
fn a_note_that_says_nothing_or_too_much_counts_for_a_day_and_no_longer() {
    for text in ["", "sh", "-1", "1e9", "18446744073709551615", "99999999999999999999999", "\u{1}"] {
        let (_root, touch) = noted("7.7-7", text);
        let [(_, until)] = touch.notes_of_others().unwrap().into_iter().collect::<Vec<_>>()[..] else { panic!() };
        assert!(until <= since_boot() + LONGEST, "{text}: {until:?}");
    }
}

#[tokio::test(flavor = "current_thread")]
async fn a_program_is_noted_and_marked_while_it_works_and_no_longer() {
    let root = tempfile::tempdir().unwrap();
    let touch = Host::at(root.path(), Box::new(Real)).unwrap().touch();
    let place = root.path().join("run/hostagent/at-work");
    let script = format!("ls {} | wc -l; echo ${MARK}", place.display());
    let output = touch.run(&Program::does("sh").args(["-c", &script])).await.unwrap();
    let (count, mark) = output.stdout.split_once('\n').unwrap();
    assert_eq!(count, "1");
    assert!(mark.starts_with(&format!("{}-", this_run())), "{mark}");
    assert_eq!(fs::read_dir(place).unwrap().count(), 0);
    // Those of this run are not waited for.
    let note = touch.note_at_work(&Program::does("x")).unwrap();
    assert!(touch.wait_for_orphans().await.unwrap().said.is_empty());
    assert!(note.place.exists());
    drop(note);
}

#[tokio::test(flavor = "current_thread")]
async fn a_daemon_that_a_program_left_behind_is_not_waited_for() {
    let (_root, touch, mut child) = killed("daemon", "setsid sleep 3 >/dev/null 2>&1 & exit 0", 60);
    child.wait().unwrap();
    let began = Instant::now();
    touch.wait_for_orphans().await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(2));
}
