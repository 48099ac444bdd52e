//! A reload that something else wants than the files of a unit's own service: a new certificate, which comes after the service
//! that answers for it.

use super::ledger::Loaded;
use super::{Error, Touch};

impl Touch {
    /// Lets a running unit read its files again, and notes that it has: the next look finds it fresh. One that is not known
    /// to have read anything is only reloaded.
    ///
    /// # Errors
    /// When the unit does not take it.
    pub async fn reload_once(&self, unit: &str) -> Result<(), Error> {
        let found = self.unit(unit).await?;
        let known = self.ledger().loaded(unit).filter(|loaded| loaded.invocation == found.invocation_id).cloned();
        // Before the reload: what is written while it reads may or may not be seen by it.
        let digest = known.as_ref().map(|loaded| self.contents(&loaded.reads)).transpose()?.map(|all| all.digest());
        self.reload_unit(unit).await?;
        match (known, digest) {
            (Some(loaded), Some(digest)) if !loaded.reads.is_empty() => {
                self.ledger_mut().has_loaded(unit, Loaded { digest, ..loaded })
            }
            _ => Ok(()),
        }
    }
}
