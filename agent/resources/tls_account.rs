//! The key that this host's accounts with CAs have, and its thumbprint: with that alone the web server answers challenges,
//! so both are there before the web server is configured and before any CA was asked.

use serde::Serialize;

use crate::acme::account;
use crate::engine::{Cause, Changes, Id, Resource};
use crate::host::{Look, Touch};

/// The account key.
#[derive(Debug, Clone, Serialize)]
pub struct TlsAccount;

impl Resource for TlsAccount {
    fn id(&self) -> Id {
        Id::new("tls_account", "key")
    }

    fn precedes(&self) -> Vec<Id> {
        vec![Id::every("config_set"), Id::every("certificate")]
    }

    async fn check(&self, host: &Look) -> Result<Changes, Cause> {
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
        account::key(host)?;
        account::give(host)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::laws::{Play, keeps_its_word};

    #[tokio::test(flavor = "current_thread")]
    async fn it_keeps_its_word() {
        let play = Play::new();
        keeps_its_word::<TlsAccount>(&TlsAccount, &play.host).await;
        assert_eq!(play.text("/var/lib/hostagent/tls/account/thumbprint").trim().len(), 43);
    }
}
