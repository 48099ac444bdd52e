use std::fs::{self, OpenOptions};
use std::io::Write as _;

use super::*;

#[test]
fn what_was_written_is_there_after_a_torn_line() {
    let directory = tempfile::tempdir().unwrap();
    let mut ledger = Ledger::read(directory.path()).unwrap();
    ledger.writing(Path::new("/etc/motd"), "aa", true).unwrap();
    OpenOptions::new()
        .append(true)
        .open(directory.path().join("ledger.jsonl"))
        .unwrap()
        .write_all(b"{\"path\":{\"pa")
        .unwrap();

    let mut ledger = Ledger::read(directory.path()).unwrap();
    ledger.made(Path::new("/srv/www")).unwrap();

    let ledger = Ledger::read(directory.path()).unwrap();
    assert_eq!(
        ledger.written(Path::new("/etc/motd")),
        Some(&Written { sha256: Some("aa".into()), made: true, opaque: false, target: None })
    );
    assert!(ledger.written(Path::new("/srv/www")).unwrap().made);
}

#[test]
fn that_something_is_made_is_on_the_disk_before_it_is() {
    use crate::host::files::Access;
    use crate::host::{Host, programs::Real};
    let root = tempfile::tempdir().unwrap();
    let touch = Host::at(root.path(), Box::new(Real)).unwrap().touch();
    let (uid, gid) = (nix::unistd::geteuid().as_raw(), nix::unistd::getegid().as_raw());
    let own = Access { uid, gid, mode: 0o755 };
    let durable = || !touch.ledger().unsynced;
    touch.make_directory(Path::new("/above/made"), own).unwrap();
    assert!(
        durable() && ["/above", "/above/made"].iter().all(|path| touch.ledger().written(path.as_ref()).unwrap().made)
    );
    touch.replace(Path::new("/file"), b"", own).unwrap();
    assert!(durable());
    touch.link(Path::new("/link"), Path::new("/file")).unwrap();
    assert!(durable());
    touch.ledger_mut().made(Path::new("/another")).unwrap();
    assert!(!durable());
    // One that is there already is nobody's news.
    std::fs::create_dir(root.path().join("theirs")).unwrap();
    touch.make_directory(Path::new("/theirs"), own).unwrap();
    assert!(touch.ledger().written(Path::new("/theirs")).is_none());
}

#[test]
fn a_file_it_made_stays_its_own_through_later_writes() {
    let directory = tempfile::tempdir().unwrap();
    let mut ledger = Ledger::read(directory.path()).unwrap();
    ledger.writing(Path::new("/a"), "1", true).unwrap();
    ledger.writing(Path::new("/a"), "2", false).unwrap();
    ledger.writing(Path::new("/b"), "1", false).unwrap();
    assert!(ledger.written(Path::new("/a")).unwrap().made);
    assert!(!ledger.written(Path::new("/b")).unwrap().made);
}

#[test]
fn history_is_dropped_when_it_is_the_larger_part() {
    let directory = tempfile::tempdir().unwrap();
    let mut ledger = Ledger::read(directory.path()).unwrap();
    ledger.has_made_account("ops", Some(1000)).unwrap();
    for n in 0..200 {
        ledger.writing(Path::new("/a"), &n.to_string(), true).unwrap();
    }
    ledger.settle().unwrap();
    let text = fs::read_to_string(directory.path().join("ledger.jsonl")).unwrap();
    assert_eq!(text.lines().count(), 2);
    assert!(Ledger::read(directory.path()).unwrap().made_account("ops", 1000));
    assert_eq!(
        Ledger::read(directory.path()).unwrap().written(Path::new("/a")).unwrap().sha256.as_deref(),
        Some("199")
    );
}

/// The ledger of a directory, of which lines that cannot be read are said to be these.
fn doubtful(directory: &Path, which: &str) -> Ledger {
    let ledger = Ledger::read(directory).unwrap();
    let (file, doubt) = (directory.join("ledger.jsonl"), ledger.doubt().unwrap());
    assert!(doubt.starts_with(&format!("`{}`, {which}: not readable by this hostagent", file.display())), "{doubt}");
    ledger
}

#[test]
fn a_line_that_cannot_be_read_is_told_of_and_kept_where_it_stood() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("ledger.jsonl");
    let newer: [&[u8]; 3] = [
        br#"{"path":{"path":"/a","written":{"sha256":"1","made":true,"of_tomorrow":1}}}"#,
        br#"{"of_tomorrow":{}}"#,
        b"\xff\0 a bad disk",
    ];
    let known = br#"{"path":{"path":"/a","written":{"sha256":"0","made":true}}}"#;
    fs::write(&file, [known.as_slice(), newer[0], newer[1], newer[2], b""].join(&b'\n')).unwrap();

    let mut ledger = doubtful(directory.path(), "lines 2, 3, 4");
    assert_eq!(ledger.written(Path::new("/a")).unwrap().sha256.as_deref(), Some("0"));
    for n in 0..200 {
        ledger.writing(Path::new("/b"), &n.to_string(), true).unwrap();
    }
    ledger.settle().unwrap();

    let bytes = fs::read(&file).unwrap();
    let lines: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
    assert_eq!(lines.get(..4).unwrap(), [known, newer[0], newer[1], newer[2]], "what is newer counts for who reads it");
    assert!(lines.len() == 6 && lines[5].is_empty());
    // And what is written after it counts for all.
    let mut ledger = doubtful(directory.path(), "lines 2, 3, 4");
    ledger.writing(Path::new("/a"), "2", false).unwrap();
    for n in 0..200 {
        ledger.writing(Path::new("/b"), &n.to_string(), true).unwrap();
    }
    ledger.settle().unwrap();
    let text = fs::read(&file).unwrap();
    let at = |part: &[u8]| text.windows(part.len()).position(|window| window == part).unwrap();
    assert!(at(newer[0]) < at(br#"{"path":{"path":"/a","written":{"sha256":"2""#));
    let ledger = doubtful(directory.path(), "lines 1, 2, 3");
    assert_eq!(ledger.written(Path::new("/b")).unwrap().sha256.as_deref(), Some("199"));
}

#[test]
fn what_a_kill_tore_is_gone_and_not_told_of_wherever_it_was_torn() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("ledger.jsonl");
    Ledger::read(directory.path()).unwrap().writing(Path::new("/a"), "1", true).unwrap();
    let whole = fs::read(&file).unwrap();
    for end in 0..=whole.len() {
        fs::write(&file, [whole.as_slice(), whole.get(..end).unwrap()].concat()).unwrap();
        let mut ledger = Ledger::read(directory.path()).unwrap();
        ledger.writing(Path::new("/b"), "1", true).unwrap();
        let ledger = Ledger::read(directory.path()).unwrap();
        assert_eq!(ledger.doubt(), None, "{end}");
        assert!(ledger.written(Path::new("/a")).is_some() && ledger.written(Path::new("/b")).is_some());
    }
}
