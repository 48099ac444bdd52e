//! Real kinds, in every half-way state: each selection of them in place already, and a run killed wherever it waits.

use std::fs;
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use super::config_set::{ConfigCheck, ConfigFile, ConfigSet};
use super::directory::Directory;
use super::file::File;
use super::laws::tree;
use super::link::Link;
use super::unit_file::UnitFile;
use crate::engine::run::{Stop, converge, preview};
use crate::engine::{Draft, Outcome, Plan};
use crate::host::probe::Probe;
use crate::host::programs::Real;
use crate::host::{Host, Look};
use crate::terms::Mode;

/// A checker that likes everything after a while.
fn slow() -> ConfigCheck {
    ConfigCheck::Asked(Probe::new(async |_: &Look| {
        let mut waited = false;
        std::future::poll_fn(|context| {
            context.waker().wake_by_ref();
            if std::mem::replace(&mut waited, true) { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        Ok(None)
    }))
}

fn set(name: &str, files: &[(&str, &str)]) -> ConfigSet {
    let files = files.iter().map(|(path, text)| ConfigFile::new(*path, *text)).collect();
    ConfigSet { checks: vec![slow(), slow()], ..ConfigSet::new(name, files) }
}

/// A recipe; those of its resources that the bits of `chosen` name.
fn plan(chosen: u32) -> Plan {
    let mut draft = Draft::default();
    let mut number = 0;
    let mut next = || {
        number += 1;
        chosen & (1 << (number - 1)) != 0
    };
    if next() {
        draft.add(Directory { mode: Mode::new(0o2750), ..Directory::new("/srv/app") });
    }
    if next() {
        draft.add(File { mode: Mode::new(0o600), secret: true, ..File::new("/srv/app/secret", "s") });
    }
    if next() {
        draft.add(Link { path: "/srv/current".into(), target: "app".into() });
    }
    if next() {
        let one = set("one", &[("/etc/one/main.conf", "1"), ("/etc/one/sites/a.conf", "a")]);
        draft.add(ConfigSet { absent: vec!["/etc/one/default".into()], ..one });
    }
    if next() {
        draft.add(set("two", &[("/etc/two.conf", "2")]));
    }
    if next() {
        draft.add(UnitFile { unit: "app.service".into(), content: "[Service]\nExecStart=/bin/app\n".into() });
    }
    draft.finish().unwrap()
}

const ALL: u32 = 0b11_1111;

fn begins(chosen: u32) -> (tempfile::TempDir, impl Fn() -> Host) {
    let memory = Path::new("/dev/shm");
    let root = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap();
    for (path, text) in [
        ("etc/passwd", "root:x:0:0::/root:/bin/sh\n"),
        ("etc/group", "root:x:0:\n"),
        ("etc/one/default", "the distribution's"),
        ("etc/two.conf", "the distribution's"),
    ] {
        fs::create_dir_all(root.path().join(path).parent().unwrap()).unwrap();
        fs::write(root.path().join(path), text).unwrap();
    }
    let place = root.path().to_owned();
    let host = move || Host::at(&place, Box::new(Real)).unwrap();
    finished(converge(&plan(chosen), &host(), &Stop::new(), &mut |_| {}));
    (root, host)
}

fn poll<T>(run: Pin<&mut impl Future<Output = T>>) -> Poll<T> {
    run.poll(&mut Context::from_waker(Waker::noop()))
}

fn finished<T>(run: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(run)
}

fn ids(outcome: &Outcome, word: &str) -> Vec<String> {
    let chosen = outcome.resources.iter().filter(|told| told.verdict.word() == word);
    chosen.map(|told| told.id.to_string()).collect()
}

/// All files but those that hostagent keeps for itself; what it must not keep any more counts.
fn files(host: &Host) -> Vec<String> {
    let ledger = Path::new("/var/lib/hostagent/ledger.jsonl");
    tree(host)
        .into_iter()
        .filter(|(path, _)| path != ledger)
        .map(|(path, holds)| format!("{} {holds}", path.display()))
        .collect()
}

#[test]
fn one_run_finishes_whatever_is_in_place_already_and_the_next_finds_nothing_to_do() {
    let (_root, host) = begins(ALL);
    let ends = files(&host());
    for chosen in 0..=ALL {
        let (_root, host) = begins(chosen);
        let foreseen = finished(preview(&plan(ALL), &host(), &mut |_| {}));
        let done = finished(converge(&plan(ALL), &host(), &Stop::new(), &mut |_| {}));
        assert_eq!(ids(&foreseen, "pending"), ids(&done, "changed"), "{chosen:b}");
        assert_eq!(ids(&done, "changed").len(), (ALL & !chosen).count_ones() as usize, "{chosen:b}: {done:?}");
        let again = finished(converge(&plan(ALL), &host(), &Stop::new(), &mut |_| {}));
        assert_eq!((ids(&again, "ok").len(), files(&host())), (again.resources.len(), ends.clone()), "{chosen:b}");
    }
}

#[test]
fn a_run_that_was_killed_wherever_it_waited_is_finished_by_the_next() {
    let (_root, host) = begins(ALL);
    let ends = files(&host());
    let mut cut_off = 0;
    for chosen in [0, 0b00_1000, 0b10_0101] {
        for polls in 1.. {
            let (_root, host) = begins(chosen);
            let (plan, killed, stop) = (plan(ALL), host(), Stop::new());
            let mut watch = |_: crate::engine::run::Event<'_>| {};
            let mut run = Box::pin(converge(&plan, &killed, &stop, &mut watch));
            if finished(async { (0..polls).any(|_| poll(run.as_mut()).is_ready()) }) {
                break;
            }
            std::mem::forget(run);
            cut_off += 1;
            let foreseen = finished(preview(&plan, &host(), &mut |_| {}));
            let next = finished(converge(&plan, &host(), &Stop::new(), &mut |_| {}));
            assert_eq!(ids(&foreseen, "pending"), ids(&next, "changed"), "{chosen:b}, poll {polls}: {next:?}");
            assert!(next.is_good(), "{chosen:b}, poll {polls}: {next:?}");
            assert_eq!(files(&host()), ends, "{chosen:b}, poll {polls}");
        }
    }
    assert!(cut_off > 3, "{cut_off}");
}
