//! Taking a certificate back: another one first, then the CA is told. What a person wants is on the disk before anything is
//! done for it, so a run that was killed is finished by the next, and servers are at no moment without a certificate.

use super::memory::Revocation;
use super::{Certificate, Issuer, issuing};
use crate::acme::account::{self, Opening};
use crate::acme::authority::Revoked;
use crate::acme::directory::Directory;
use crate::acme::order::Trouble;
use crate::engine::{Cause, Changes, Shown};
use crate::host::tls_store::{Held, Source, Version, place_of};
use crate::host::{Error, Look, Touch};

/// What is to be taken back, as a person confirms it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Intended {
    /// Its serial number.
    pub serial: String,
    /// Who issued it.
    pub issuer: String,
}

impl Certificate {
    /// What counts now, if a CA can take it back.
    ///
    /// # Errors
    /// Why not.
    pub fn revocable(&self, host: &Look) -> Result<Intended, Cause> {
        let (version, issuer) = self.issued(host)?;
        Ok(Intended { serial: version.leaf.serial.clone(), issuer })
    }

    /// Writes down that what counts now is to be taken back: the next run orders another one and tells the CA.
    ///
    /// # Errors
    /// When no CA can take it back, or that cannot be written.
    pub fn revoke(&self, host: &Touch, reason: Revoked, at_once: bool) -> Result<(), Cause> {
        let (version, directory) = self.issued(host)?;
        let pem = host.read_text(&place_of(&self.name).join("current/cert.pem"))?.unwrap_or_default();
        let serial = version.leaf.serial.clone();
        let revocation = Revocation { serial, pem, directory, reason, at_once, is_done: false };
        Ok(self.memory().keep_revocation(host, &revocation)?)
    }

    fn issued(&self, host: &Look) -> Result<(Box<Version>, String), Cause> {
        match host.tls_held(&self.name)? {
            Held::Good(version) if version.meta.source == Source::Issued => {
                let issuer = version.meta.issuer.clone().unwrap_or_default();
                Ok((version, issuer))
            }
            _ => {
                let says = format!("`{}` has no certificate that a CA issued", self.name);
                Err(Cause::new("tls-not-issued", says).hint("`hostagent tls list` shows what there is"))
            }
        }
    }

    pub(super) fn is_to_be_revoked(&self, host: &Look, version: &Version) -> Result<bool, Error> {
        let revocation = self.memory().revocation(host)?;
        Ok(revocation.is_some_and(|revocation| revocation.serial == version.leaf.serial))
    }

    /// Adds that a certificate which does not count any more is still to be taken back.
    pub(super) fn revocation_left(&self, host: &Look, changes: Changes) -> Result<Changes, Cause> {
        let Some(revocation) = self.memory().revocation(host)? else { return Ok(changes) };
        let counts =
            matches!(host.tls_held(&self.name)?, Held::Good(version) if version.leaf.serial == revocation.serial);
        let wanted = Shown::Plain(format!("serial {} is wanted back", revocation.serial));
        Ok(if counts { changes } else { changes.follows("revocation", wanted, Shown::Plain("revoked".to_owned())) })
    }
}

/// Tells the CA before there is another one, if that is wanted.
///
/// # Errors
/// When the CA does not take it back.
pub(super) async fn at_once(of: &Certificate, host: &Touch) -> Result<(), Cause> {
    match of.memory().revocation(host)? {
        Some(revocation) if revocation.at_once && !revocation.is_done => {
            tell(of, host, &revocation).await?;
            Ok(of.memory().keep_revocation(host, &Revocation { is_done: true, ..revocation })?)
        }
        _ => Ok(()),
    }
}

/// Tells the CA, once what is to be taken back does not count here any more.
///
/// # Errors
/// When the CA does not take it back: the next run asks again.
pub(super) async fn finish(of: &Certificate, host: &Touch) -> Result<(), Cause> {
    let Some(revocation) = of.memory().revocation(host)? else { return Ok(()) };
    if matches!(host.tls_held(&of.name)?, Held::Good(version) if version.leaf.serial == revocation.serial) {
        return Ok(());
    }
    if !revocation.is_done {
        tell(of, host, &revocation).await?;
    }
    // Nobody is to go back to it.
    host.tls_forget(&of.name, &revocation.serial)?;
    Ok(of.memory().forget_revocation(host)?)
}

async fn tell(of: &Certificate, host: &Touch, revocation: &Revocation) -> Result<(), Cause> {
    let directory = revocation.directory.as_str();
    let root = of.issuers.iter().find_map(|issuer| match issuer {
        Issuer::Acme { directory: other, root, .. } if other == directory => root.as_deref(),
        _ => None,
    });
    let told = async {
        let wire = issuing::reach(host, root)?;
        let says = Directory::of(&wire, directory).await?;
        let opening = Opening { directory, contact: &of.contact, says: &says, binding: None };
        let client = account::open(host, &wire, &opening).await?;
        Ok(client.revoke(&revocation.pem, revocation.reason).await?)
    };
    match told.await {
        Ok(()) => {
            tracing::info!(certificate = of.name, serial = revocation.serial, "revoked");
            Ok(())
        }
        Err(Trouble::Host(error)) => Err(error.into()),
        Err(Trouble::Ca(refusal)) => {
            let says = format!("serial {} is not revoked yet: {}", revocation.serial, refusal.says);
            Err(Cause::new(refusal.code(), says).hint("the next run asks the CA again"))
        }
    }
}
