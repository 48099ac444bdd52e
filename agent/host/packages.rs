//! Packages, whoever manages them: the seam behind which dpkg and apt stand.
//!
//! What is installed is read from dpkg's own files; what changes goes through one transaction of apt.
//! Another package manager (dnf) gets its arm in [`Look::package`] and [`Touch::install`].

use std::path::Path;
use std::time::{Duration, Instant};

use super::{Error, Look, Touch, dpkg, held_starts};

pub use super::dpkg::Installed;

/// One package of a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Its name, such as `nginx` or `libc6:i386`.
    pub name: String,
    /// This version, or a pattern such as `1.22.*`; none: whichever the sources have.
    pub version: Option<String>,
    /// Whether it is removed instead; its configuration files stay.
    pub absent: bool,
    /// Whether packages that it recommends come with it.
    pub recommends: bool,
}

/// A package that no source has, or not in the version that is wanted. It was left out, and the others were not.
#[derive(Debug)]
pub struct Unknown {
    /// Its name, as it was wanted.
    pub name: String,
    /// What is told of it.
    pub error: Error,
}

/// How a transaction is done.
#[derive(Debug, Clone, Copy)]
pub struct Transaction {
    /// How long others may hold apt's locks. Default: 10 minutes.
    pub wait: Duration,
}

impl Default for Transaction {
    fn default() -> Self {
        Self { wait: Duration::from_mins(10) }
    }
}

impl Look {
    /// The package of this name, or one that provides it, as far as it is on this host.
    ///
    /// # Errors
    /// When this host's packages cannot be read.
    pub fn package(&self, name: &str) -> Result<Option<Installed>, Error> {
        self.has_dpkg()?;
        Ok(self.dpkg()?.find(name).cloned())
    }

    fn has_dpkg(&self) -> Result<(), Error> {
        if self.found(Path::new(dpkg::STATUS))?.is_some() {
            return Ok(());
        }
        let says = format!("this host has no `{}`", dpkg::STATUS);
        Err(Error::said_with_hint("no-dpkg", says, "hostagent installs packages on Debian and its kin"))
    }
}

impl Touch {
    /// Installs and removes packages in one go, without those that no source has. Nothing starts by itself meanwhile, see
    /// [`super::held_starts`].
    ///
    /// # Errors
    /// When others hold apt's locks for too long, or apt refuses: in its words.
    pub async fn install(&self, wanted: &[Wanted], how: Transaction) -> Result<Vec<Unknown>, Error> {
        self.has_dpkg()?;
        if wanted.is_empty() { Ok(Vec::new()) } else { self.apt_transaction(wanted, how).await }
    }

    /// Finishes what a killed run left of a transaction: waits for its apt if that is still at it, has dpkg configure
    /// what it was cut off at, takes its policy-rc.d away, and starts what it held back and no resource of this run starts.
    /// Says what it did.
    ///
    /// # Errors
    /// When the policy cannot be removed, dpkg cannot finish, or something does not start.
    pub async fn heal_packages(&self) -> Result<Vec<String>, Error> {
        // The killed run's apt may still be at it, and needs the policy. To anybody else's the policy says nothing.
        if self.apt_lock_holder()?.is_some_and(|holder| held_starts::is_ours(holder.pid)) {
            self.wait_for_apt_locks(Instant::now() + Transaction::default().wait).await?;
        }
        let mut healed = Vec::new();
        if self.remove_stale_policy()? {
            healed.push("removed the policy-rc.d of a run that was killed".to_owned());
        }
        if self.finish_cut_off().await? {
            healed.push("finished what dpkg was at when a run was killed".to_owned());
        }
        let started = self.start_what_was_held().await?;
        healed.extend(started.units.iter().map(|unit| format!("started `{unit}`, which an earlier run had held back")));
        let Some(says) = started.complaint() else { return Ok(healed) };
        for done in &healed {
            self.tell(done);
        }
        let hint = format!(
            "see `systemctl --failed` and the journal of the unit; every run tries again, until its line is out of `{}` or the machine restarts",
            held_starts::list().display()
        );
        Err(Error::said_with_hint("not-started", says, hint))
    }
}
