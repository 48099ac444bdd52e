//! The only code that touches the machine.
//!
//! A [`Host`] lends two handles. [`Look`] reads and has no method that writes, so a plan is safe by type;
//! [`Touch`] adds the writing ones. Files are always real: a test gives a temporary directory as root.
//! Only processes are scripted in unit tests, through [`programs::Runner`].
//!
//! | what | where |
//! |---|---|
//! | files | `files` `reading` `contents`; kept for later: `undo` `originals`; cut off: `drafts`; named: `names` |
//! | what hostagent remembers | `ledger` `state`; and takes away again: `traces` |
//! | programs and processes | `programs` `processes` `identity` |
//! | packages | `packages`, and behind it `apt` `dpkg` `deb_version` `held_starts` `fetch` |
//! | servers | `systemd` starts them; `nginx` `postgres` say how they are; `half_made` is what never ran; `probe` is a question to one |
//! | people | `users` `login_keys` |
//! | the machine | `machine` `kernel` `swap` `locales` |
//! | certificates | `tls_store` |
//! | the time | `clock` `moment` |
//! | a run | `lock` `heal` `coming` `news` `doing`; what it is asked to write down: `output` |

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::rc::Rc;

pub mod apt;
mod at_work;
pub(crate) mod clock;
pub mod coming;
pub mod contents;
pub mod deb_version;
pub mod doing;
pub mod dpkg;
mod drafts;
pub mod error;
pub mod fetch;
pub mod files;
mod half_made;
pub mod heal;
pub mod held_starts;
pub mod identity;
pub mod kernel;
pub mod ledger;
pub mod locales;
pub mod lock;
pub mod login_keys;
pub mod machine;
pub mod moment;
pub(crate) mod names;
mod news;
pub mod nginx;
pub mod originals;
pub mod output;
pub mod packages;
pub mod postgres;
pub mod probe;
pub mod processes;
pub mod programs;
pub mod reading;
pub mod refused;
mod reloaded;
pub mod staged;
pub mod state;
pub mod swap;
pub mod systemd;
mod tail;
pub mod tls_store;
pub mod traces;
pub mod undo;
pub mod users;

use coming::Coming;
pub use error::Error;
use ledger::Ledger;
use programs::Runner;

/// Where hostagent keeps what it must remember (0700): the ledger, undo copies, the last report.
pub const STATE_DIR: &str = "/var/lib/hostagent";
/// Where hostagent keeps what a reboot may forget: the lock, masks it set.
pub const RUN_DIR: &str = "/run/hostagent";
/// Where a person puts the recipe and hostagent puts generated secrets.
pub const CONF_DIR: &str = "/etc/hostagent";

/// This machine, or a directory that plays one in a test.
#[derive(Debug)]
pub struct Host(Rc<Inner>);

#[derive(Debug)]
struct Inner {
    root: PathBuf,
    runner: Box<dyn Runner>,
    ledger: RefCell<Ledger>,
    expected: RefCell<BTreeSet<String>>,
    foreseen: RefCell<BTreeMap<String, Coming>>,
    /// Paths that resources of this run's plan want there.
    wanted: RefCell<BTreeSet<PathBuf>>,
    writes: Cell<u64>,
    /// Whether a program was left at work: see [`programs::Program::outlives`].
    left_at_work: Cell<bool>,
    listener: news::Listener,
    bus: systemd::Bus,
    /// dpkg's records, as last read.
    dpkg: RefCell<Option<dpkg::Read>>,
    /// Units that this run starts itself when their configuration is there.
    units: RefCell<BTreeSet<String>>,
    /// `useradd` and its siblings lock /etc/passwd and fail at once when it is taken: one at a time.
    accounts: tokio::sync::Mutex<()>,
    postgres: postgres::Connections,
}

impl Host {
    /// This machine.
    ///
    /// # Errors
    /// When the ledger is there but cannot be read.
    pub fn here() -> Result<Self, Error> {
        Self::at(Path::new("/"), Box::new(programs::Real))
    }

    /// A host whose files live under `root` and whose programs `runner` runs.
    ///
    /// # Errors
    /// When the ledger is there but cannot be read.
    pub fn at(root: &Path, runner: Box<dyn Runner>) -> Result<Self, Error> {
        let ledger = Ledger::read(&root.join(STATE_DIR.trim_start_matches('/')))?;
        Ok(Self(Rc::new(Inner {
            root: root.to_path_buf(),
            runner,
            ledger: RefCell::new(ledger),
            expected: RefCell::default(),
            foreseen: RefCell::default(),
            wanted: RefCell::default(),
            writes: Cell::new(0),
            left_at_work: Cell::new(false),
            listener: news::Listener::default(),
            bus: systemd::Bus::default(),
            dpkg: RefCell::default(),
            units: RefCell::default(),
            accounts: tokio::sync::Mutex::new(()),
            postgres: postgres::Connections::default(),
        })))
    }

    /// Lends the handle that cannot write.
    pub fn look(&self) -> Look {
        Look(Rc::clone(&self.0))
    }

    /// Lends the handle that can.
    pub fn touch(&self) -> Touch {
        Touch(self.look())
    }

    /// Counts the writes so far, so that a test can show that looking made none.
    pub fn writes(&self) -> u64 {
        self.0.writes.get()
    }
}

/// Reads the host. Has no method that writes.
#[derive(Debug, Clone)]
pub struct Look(Rc<Inner>);

impl Look {
    /// What hostagent remembers of its own work here.
    pub fn ledger(&self) -> std::cell::Ref<'_, Ledger> {
        self.0.ledger.borrow()
    }

    /// Whether this is the machine itself and not a directory that plays one.
    pub fn is_real(&self) -> bool {
        self.0.root == Path::new("/")
    }

    /// The place of an absolute path under this host's root.
    pub(crate) fn place(&self, path: &Path) -> PathBuf {
        self.0.root.join(path.strip_prefix("/").unwrap_or(path))
    }
}

/// Reads and writes the host.
#[derive(Debug, Clone)]
pub struct Touch(Look);

impl Touch {
    /// What hostagent remembers of its own work here, to add to it.
    pub fn ledger_mut(&self) -> std::cell::RefMut<'_, Ledger> {
        self.0.0.ledger.borrow_mut()
    }

    /// Waits until no other change to users or groups is under way, and keeps others out until dropped.
    pub async fn accounts(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.0.0.accounts.lock().await
    }

    fn wrote(&self) {
        let writes = &self.0.0.writes;
        writes.set(writes.get() + 1);
    }
}

impl Deref for Touch {
    type Target = Look;

    fn deref(&self) -> &Look {
        &self.0
    }
}
