use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use super::*;
use crate::host::Host;
use crate::host::Touch;
use crate::host::programs::Real;
use crate::terms::KeyType;

const NOW: Moment = Moment::at(1_795_000_000);
const NOBODY_ELSE: Readers = Readers { gid: None };

struct Store {
    root: tempfile::TempDir,
    touch: Touch,
}

/// A key, its certificate, and the names it is for.
struct Made {
    key: String,
    chain: String,
    names: Vec<String>,
    meta: Meta,
}

impl Made {
    fn new() -> Self {
        let names = vec!["a.example".to_owned()];
        let key = keys::generate(KeyType::EcdsaP256).unwrap();
        let chain = keys::self_signed(&key, &names, "own", NOW, Duration::from_hours(24)).unwrap();
        let meta = Meta { source: Source::SelfSigned, issuer: None, made: NOW, point: 7, trusted_since: None };
        Self { key, chain, names, meta }
    }

    fn new_one(&self) -> New<'_> {
        let chain = self.chain.as_bytes();
        New { key: &self.key, chain, names: &self.names, meta: &self.meta, readers: NOBODY_ELSE }
    }
}

impl Store {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let touch = Host::at(root.path(), Box::new(Real)).unwrap().touch();
        Self { root, touch }
    }

    fn commit(&self, made: &Made) -> Result<u32, Error> {
        self.touch.tls_commit("web", &made.new_one(), NOW)
    }

    fn counts(&self) -> Option<u32> {
        match self.touch.tls_held("web").unwrap() {
            Held::Good(version) => Some(version.number),
            Held::Nothing => None,
            Held::Broken(says) => panic!("{says}"),
        }
    }

    fn path(&self, below: &str) -> PathBuf {
        self.root.path().join("var/lib/hostagent/tls/web").join(below)
    }

    fn mode(&self, below: &str) -> u32 {
        fs::metadata(self.path(below)).unwrap().permissions().mode() & 0o7777
    }
}

#[test]
fn a_version_is_for_root_alone_and_the_files_are_what_servers_want() {
    let store = Store::new();
    let made = Made::new();
    assert_eq!(store.counts(), None);
    assert_eq!(store.commit(&made).unwrap(), 1);
    assert_eq!(fs::read_link(store.path("current")).unwrap(), Path::new("v/000001"));
    assert_eq!(fs::read_to_string(store.path("current/privkey.pem")).unwrap(), made.key);
    assert_eq!(fs::read_to_string(store.path("current/chain.pem")).unwrap(), "");
    let Held::Good(version) = store.touch.tls_held("web").unwrap() else { panic!() };
    assert_eq!((version.leaf.names.len(), version.meta), (1, made.meta));
    for (path, mode) in [("", 0o700), ("v", 0o700), ("v/000001", 0o700), ("current/privkey.pem", 0o600)] {
        assert_eq!(store.mode(path), mode, "{path}");
    }
}

#[test]
fn what_does_not_fit_together_is_never_written() {
    let store = Store::new();
    let (good, other) = (Made::new(), Made::new());
    store.commit(&good).unwrap();
    let mixed = New { key: &other.key, ..good.new_one() };
    assert_eq!(store.touch.tls_commit("web", &mixed, NOW).unwrap_err().code(), "tls-unfit");
    assert_eq!(store.touch.tls_versions("web").unwrap(), [1]);
}

#[test]
fn a_kill_at_any_step_leaves_a_pair_that_counts_and_the_next_run_goes_on() {
    let mut steps = Vec::new();
    let probe = Store::new();
    let made = Made::new();
    probe
        .touch
        .tls_commit_while("web", &made.new_one(), NOW, &mut |step| {
            steps.push(step.to_owned());
            true
        })
        .unwrap();
    assert!(steps.len() >= 10 && steps.last().is_some_and(|last| last == "committed"), "{steps:?}");

    for (killed_at, step) in steps.iter().enumerate() {
        let store = Store::new();
        store.commit(&Made::new()).unwrap();
        let mut left = killed_at;
        let killed = store.touch.tls_commit_while("web", &made.new_one(), NOW, &mut |_| {
            left = left.wrapping_sub(1);
            left != usize::MAX
        });
        assert!(killed.is_err(), "{step}");
        // `counts` reads the whole pair: half of one panics.
        let expected = if step == "committed" { 2 } else { 1 };
        assert_eq!(store.counts(), Some(expected), "killed after {step}");
        let next = store.commit(&made).unwrap();
        assert_eq!(store.counts(), Some(next), "after {step}");
        let hidden: Vec<_> = fs::read_dir(store.path("v")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert!(hidden.iter().all(|name| !name.to_string_lossy().starts_with('.')), "{hidden:?}");
    }
}

#[test]
fn a_disk_that_takes_nothing_leaves_what_counted() {
    let store = Store::new();
    store.commit(&Made::new()).unwrap();
    // Root writes where it may not; nobody makes a folder where a file is in the way.
    fs::rename(store.path("v"), store.path("v.away")).unwrap();
    fs::write(store.path("v"), "").unwrap();
    assert!(store.commit(&Made::new()).is_err());
    fs::remove_file(store.path("v")).unwrap();
    fs::rename(store.path("v.away"), store.path("v")).unwrap();
    assert_eq!(store.counts(), Some(1));
}

#[test]
fn five_versions_are_kept_and_one_can_go_back() {
    let store = Store::new();
    for number in 1..=7 {
        assert_eq!(store.commit(&Made::new()).unwrap(), number);
    }
    assert_eq!(store.touch.tls_versions("web").unwrap(), [3, 4, 5, 6, 7]);
    assert_eq!(store.touch.tls_back("web", NOW).unwrap(), Some(6));
    assert_eq!(store.counts(), Some(6));
    // One that is broken is passed over, and a new one is not mistaken for one that was.
    fs::write(store.path("v/000005/privkey.pem"), "").unwrap();
    assert_eq!(store.touch.tls_back("web", NOW).unwrap(), Some(4));
    assert_eq!(store.commit(&Made::new()).unwrap(), 8);
    for _ in 0..5 {
        let _ = store.touch.tls_back("web", NOW).unwrap();
    }
    assert!(store.counts().is_some(), "the oldest stays");
}

#[test]
fn what_vanished_or_was_spoilt_is_said() {
    let store = Store::new();
    store.commit(&Made::new()).unwrap();
    // What servers do not read is made again of what they do.
    for file in ["current/chain.pem", "current/cert.pem", "current/meta.json"] {
        fs::remove_file(store.path(file)).unwrap();
    }
    assert!(matches!(store.touch.tls_held("web").unwrap(), Held::Good(_)));
    assert_eq!(store.touch.tls_missing("web").unwrap().len(), 2);
    store.touch.tls_give("web", NOBODY_ELSE).unwrap();
    assert!(store.touch.tls_missing("web").unwrap().is_empty());
    assert_eq!(
        fs::read(store.path("current/cert.pem")).unwrap(),
        fs::read(store.path("current/fullchain.pem")).unwrap()
    );
    fs::rename(store.path("current/fullchain.pem"), store.path("full")).unwrap();
    let Held::Broken(says) = store.touch.tls_held("web").unwrap() else { panic!() };
    assert_eq!(says, "`/var/lib/hostagent/tls/web/v/000001/fullchain.pem` is not there");
    fs::rename(store.path("full"), store.path("current/fullchain.pem")).unwrap();
    fs::write(store.path("current/privkey.pem"), Made::new().key).unwrap();
    let Held::Broken(says) = store.touch.tls_held("web").unwrap() else { panic!() };
    assert_eq!(says, "the certificate is not for this key");
}

#[test]
fn who_else_may_read_is_looked_at_and_put_right() {
    let store = Store::new();
    store.commit(&Made::new()).unwrap();
    let owner = fs::metadata(store.path("v")).unwrap();
    let is_root = std::os::unix::fs::MetadataExt::uid(&owner) == 0;
    assert!(!is_root || store.touch.tls_access("web", NOBODY_ELSE).unwrap().is_empty());
    fs::set_permissions(store.path("current/privkey.pem"), Permissions::from_mode(0o644)).unwrap();
    let wrong = store.touch.tls_access("web", NOBODY_ELSE).unwrap();
    assert!(
        wrong.iter().any(|(path, is, want)| path.ends_with("privkey.pem") && is.mode == 0o644 && want.mode == 0o600)
    );
    if is_root {
        let readers = Readers { gid: Some(33) };
        store.touch.tls_give("web", readers).unwrap();
        assert_eq!((store.mode("current/privkey.pem"), store.mode("v")), (0o640, 0o750));
        assert!(store.touch.tls_access("web", readers).unwrap().is_empty());
        store.touch.tls_give("web", NOBODY_ELSE).unwrap();
        assert_eq!(store.mode("current/privkey.pem"), 0o600);
    }
}
