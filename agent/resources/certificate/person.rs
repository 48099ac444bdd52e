//! What a person may want of a certificate beside what the recipe says.

use super::memory::Names;
use super::subset::Standing;
use super::{Certificate, Issuer};
use crate::acme::failures::{Failures, Wait};
use crate::engine::Cause;
use crate::host::Touch;
use crate::host::moment::Moment;

impl Certificate {
    /// A person wants another one in this run, due or not.
    pub fn force(&self) {
        self.forced.set(true);
    }

    /// A person lifted the pauses of the CAs.
    ///
    /// # Errors
    /// When that cannot be written down.
    pub fn unpause(&self, host: &Touch) -> Result<(), Cause> {
        for directory in self.issuers.iter().filter_map(Issuer::directory) {
            if let Some(failures) = self.memory().failures(host, directory)?.filter(Failures::is_paused) {
                self.memory().keep_failures(host, directory, &failures.resumed())?;
            }
            Names::at(directory).resumed(host, &self.names)?;
        }
        Ok(())
    }

    /// The directories of the CAs that it comes from.
    pub fn directories(&self) -> impl Iterator<Item = &str> {
        self.issuers.iter().filter_map(Issuer::directory)
    }

    /// Whether a CA may be asked now.
    pub(super) fn may_ask(&self, failures: &Failures, now: Moment, standing: &Standing) -> Result<(), Wait> {
        if self.forced.get() { failures.may_be_forced(now) } else { failures.may_try(now, standing.presses) }
    }
}
