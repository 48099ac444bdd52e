//! The key that this host's accounts with CAs have, and its thumbprint: with that alone the web server answers challenges,
//! so both are there before the web server is configured and before any CA was asked.
//!
//! A rollover that a person began is a difference, too: every CA gets the next key, then the web server its thumbprint, and
//! only then is anything ordered.

use std::path::Path;

use serde::Serialize;

use super::certificate::{Issuer, reach};
use crate::acme::order::Trouble;
use crate::acme::{account, rollover};
use crate::engine::{Cause, Changes, Id, Resource, Shown};
use crate::host::{Look, Touch};

/// The account key.
#[derive(Debug, Clone, Serialize)]
pub struct TlsAccount {
    /// The CAs that it is used with, the most important first.
    pub issuers: Vec<Issuer>,
}

/// Writes down that the accounts are to get another key: the next run gives it to them.
///
/// # Errors
/// When that cannot be written.
pub fn roll_over(host: &Touch) -> Result<(), Cause> {
    Ok(rollover::begin(host)?)
}

impl TlsAccount {
    /// The file of the root by which a CA, or its twin for rehearsals, is trusted.
    fn root_of(&self, wanted: &str) -> Option<&Path> {
        self.issuers.iter().find_map(|issuer| match issuer {
            Issuer::Acme { directory, root, staging, .. }
                if directory == wanted || staging.as_deref() == Some(wanted) =>
            {
                root.as_deref()
            }
            _ => None,
        })
    }

    fn first(&self) -> Option<&str> {
        self.issuers.iter().find_map(|issuer| match issuer {
            Issuer::Acme { directory, .. } => Some(directory.as_str()),
            Issuer::SelfSigned => None,
        })
    }
}

impl Resource for TlsAccount {
    fn id(&self) -> Id {
        Id::new("tls_account", "key")
    }

    fn precedes(&self) -> Vec<Id> {
        vec![Id::every("config_set"), Id::every("certificate")]
    }

    async fn check(&self, host: &Look) -> Result<Changes, Cause> {
        if rollover::is_under_way(host)? {
            let (from, to) = (Shown::Plain("to be replaced".to_owned()), Shown::Plain("replaced".to_owned()));
            return Ok(Changes::none().follows("key", from, to));
        }
        if !account::is_sound(host)? {
            return Ok(self.when_absent());
        }
        let shown = |mode: u32| format!("{mode:04o}");
        Ok(match account::wrong_mode(host)? {
            Some(mode) => Changes::none().value("mode", &shown(mode), &shown(0o600)),
            None => Changes::none(),
        })
    }

    async fn apply(&self, host: &Touch) -> Result<(), Cause> {
        let reach = |directory: &str| reach(host, self.root_of(directory));
        match rollover::finish(host, self.first(), reach).await {
            Ok(()) => {}
            Err(Trouble::Host(error)) => return Err(error.into()),
            Err(Trouble::Ca(refusal)) => {
                let goes_on = rollover::is_under_way(host)?;
                let hint = if goes_on { "the next run goes on" } else { "the key is the one it was" };
                let says = format!("the account did not get another key: {}", refusal.says);
                return Err(Cause::new(refusal.code(), says).hint(hint));
            }
        }
        account::key(host)?;
        account::give(host)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::laws::{Play, keeps_its_word};

    fn account() -> TlsAccount {
        TlsAccount { issuers: Vec::new() }
    }

    #[tokio::test(flavor = "current_thread")]
    async fn it_keeps_its_word() {
        let play = Play::new();
        keeps_its_word::<TlsAccount>(&account(), &play.host).await;
        assert_eq!(play.text("/var/lib/hostagent/tls/account/thumbprint").trim().len(), 43);
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_rollover_that_was_begun_is_a_difference_until_it_is_over() {
        let play = Play::new();
        account().apply(&play.host.touch()).await.unwrap();
        let before = play.text("/var/lib/hostagent/tls/account/thumbprint");
        roll_over(&play.host.touch()).unwrap();
        assert_eq!(play.differs(&account()).await.to_string(), "key to be replaced -> replaced");
        keeps_its_word::<TlsAccount>(&account(), &play.host).await;
        assert_ne!(play.text("/var/lib/hostagent/tls/account/thumbprint"), before);
        assert_eq!(play.differs(&account()).await.to_string(), "");
    }
}
