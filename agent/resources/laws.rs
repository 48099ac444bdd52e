//! For the tests of resources: a host of real files whose programs are played, and the laws every resource keeps.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use crate::engine::{Changes, Resource};
use crate::host::files::Kind;
use crate::host::programs::{Failed, Output, Program, Runner, Running};
use crate::host::{Host, STATE_DIR};

/// A secret that tests put where a secret may be, and look for where none may be.
pub(crate) const CANARY: &str = "canary-7d1f";

/// What a played program does with the root it works on: its exit status and what it says.
type Script = Rc<dyn Fn(&[String], &Path) -> Option<(i32, String)>>;

/// A host in a temporary directory.
pub(crate) struct Play {
    pub(crate) host: Host,
    root: tempfile::TempDir,
    ran: Rc<RefCell<Vec<String>>>,
}

struct Scripted {
    root: PathBuf,
    script: Script,
    ran: Rc<RefCell<Vec<String>>>,
}

impl std::fmt::Debug for Scripted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Scripted")
    }
}

impl Runner for Scripted {
    fn run<'a>(&'a self, program: &'a Program) -> Running<'a> {
        Box::pin(async move {
            self.ran.borrow_mut().push(program.to_string());
            let missing =
                || Failed::Start { program: program.to_string(), source: std::io::ErrorKind::NotFound.into() };
            let (status, stderr) = (self.script)(program.argv(), &self.root).ok_or_else(missing)?;
            Ok(Output { status: Some(status), stdout: String::new(), stderr })
        })
    }
}

impl Play {
    /// A host without any program.
    pub(crate) fn new() -> Self {
        Self::with(|_, _| None)
    }

    /// A host whose programs do what `script` does; `None` from it means that there is no such program.
    pub(crate) fn with(script: impl Fn(&[String], &Path) -> Option<(i32, String)> + 'static) -> Self {
        let root = tempfile::tempdir().unwrap();
        let ran = Rc::default();
        let runner = Scripted { root: root.path().to_owned(), script: Rc::new(script), ran: Rc::clone(&ran) };
        let host = Host::at(root.path(), Box::new(runner)).unwrap();
        let play = Self { host, root, ran };
        play.file("/etc/passwd", "root:x:0:0:root:/root:/bin/bash\n").file("/etc/group", "root:x:0:\nsudo:x:27:\n")
    }

    /// The same with this file.
    pub(crate) fn file(self, path: &str, content: &str) -> Self {
        self.put(path, content);
        self
    }

    /// Puts a file there.
    pub(crate) fn put(&self, path: &str, content: &str) {
        let place = self.root.path().join(path.trim_start_matches('/'));
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        fs::write(place, content).unwrap();
    }

    /// What is in a file.
    pub(crate) fn text(&self, path: &str) -> String {
        fs::read_to_string(self.root.path().join(path.trim_start_matches('/'))).unwrap_or_default()
    }

    /// The place of a path in the temporary directory.
    pub(crate) fn place(&self, path: &str) -> PathBuf {
        self.root.path().join(path.trim_start_matches('/'))
    }

    /// The command lines of every program that ran.
    pub(crate) fn ran(&self) -> Vec<String> {
        self.ran.borrow().clone()
    }

    /// How the host differs from what a resource wants.
    pub(crate) async fn differs(&self, resource: &impl Resource) -> Changes {
        resource.check(&self.host.look()).await.unwrap()
    }
}

impl Drop for Play {
    fn drop(&mut self) {
        // Arguments are public (`ps`).
        let told: Vec<String> = self.ran().into_iter().filter(|line| line.contains(CANARY)).collect();
        assert!(told.is_empty() || std::thread::panicking(), "a program was told a secret in its arguments: {told:?}");
    }
}

/// Holds a resource to its contract on a host that differs from it: the first test of every kind, and of every kind there
/// is one (`tests/laws.rs`), named as in `keeps_its_word::<Link>(…)`.
pub(crate) async fn keeps_its_word<R: Resource>(resource: &R, host: &Host) {
    let (writes, bare) = (host.writes(), tree(host));
    let wanted = resource.check(&host.look()).await.unwrap();
    assert!(!wanted.is_empty(), "a host without it must differ");
    assert_eq!((host.writes(), tree(host)), (writes, bare), "looking must not touch");

    resource.apply(&host.touch()).await.unwrap();
    let left = resource.check(&host.look()).await.unwrap();
    assert!(left.is_empty(), "applying must finish the job: {left}");
    let done = tree(host);
    resource.apply(&host.touch()).await.unwrap();
    assert!(resource.check(&host.look()).await.unwrap().is_empty(), "applying again must do no harm");
    assert_eq!(tree(host), done, "applying again must do nothing");

    let nothing = resource.when_absent();
    let shown = format!("{wanted} {wanted:?} {nothing} {nothing:?} {resource:?}");
    let kept = format!("{} {}", serde_json::to_string(resource).unwrap(), ledger(host));
    assert!(!format!("{shown} {kept}").contains(CANARY), "nothing may tell a secret: {shown} {kept}");
}

/// Everything that a temporary directory holds: kind, mode, owner and content. Of a machine: nothing.
pub(crate) fn tree(host: &Host) -> BTreeMap<PathBuf, String> {
    let mut tree = BTreeMap::new();
    let look = host.look();
    let mut left = if look.is_real() { Vec::new() } else { vec![PathBuf::from("/")] };
    while let Some(path) = left.pop() {
        let found = look.found(&path).unwrap().unwrap();
        let holds = match found.kind {
            Kind::File => look.sha256(&path).unwrap().unwrap(),
            Kind::Link => look.link_target(&path).unwrap().unwrap().display().to_string(),
            _ => String::new(),
        };
        if found.kind == Kind::Directory {
            left.extend(look.names_in(&path).unwrap().iter().map(|name| path.join(name)));
        }
        tree.insert(path, format!("{:?} {:o} {}:{} {holds}", found.kind, found.mode, found.uid, found.gid));
    }
    tree
}

fn ledger(host: &Host) -> String {
    host.look().read_text(&Path::new(STATE_DIR).join("ledger.jsonl")).unwrap().unwrap_or_default()
}
