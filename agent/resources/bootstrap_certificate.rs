//! A certificate that stands in until there is one: a web server that is told to speak TLS starts with it in its first
//! second, and so answers the CA that the real one comes from.
//!
//! It signs itself, is for the same names, lasts a week and says what it is (`hostagent-bootstrap`). It is made only where
//! there is nothing that can be served: what is broken is first gone back from.

use std::path::PathBuf;

use serde::Serialize;

use crate::engine::{Cause, Changes, Id, Resource};
use crate::host::moment::Moment;
use crate::host::tls_store::{Held, Meta, New, Readers, Source, keys};
use crate::host::{Look, Touch};
use crate::terms::{AccountName, KeyType};

/// A certificate that stands in.
#[derive(Debug, Clone, Serialize)]
pub struct BootstrapCertificate {
    /// The name of the certificate that it stands in for.
    pub name: String,
    /// What that is for.
    pub names: Vec<String>,
    /// The kind of key.
    pub key_type: KeyType,
    /// Who may read the key beside root.
    pub group: Option<AccountName>,
}

impl BootstrapCertificate {
    async fn serves_a_good_one(&self, host: &Look) -> bool {
        let Some(name) = self.names.first() else { return false };
        let served = host.tls_served(name).await;
        served.is_some_and(|leaf| leaf.to > Moment::now() && !leaf.is_self_signed)
    }
}

impl Resource for BootstrapCertificate {
    fn id(&self) -> Id {
        Id::new("bootstrap_certificate", &self.name)
    }

    fn needs(&self) -> Vec<Id> {
        // A package may bring the group.
        let brings = |group| [Id::new("group", group), Id::every("package")];
        self.group.iter().flat_map(brings).collect()
    }

    fn precedes(&self) -> Vec<Id> {
        // A server's own checker reads the certificates that its configuration names.
        vec![Id::every("config_set"), Id::every("service")]
    }

    async fn check(&self, host: &Look) -> Result<Changes, Cause> {
        Ok(match host.tls_held(&self.name)? {
            Held::Nothing => self.when_absent(),
            // What is in the memory of a server is better than what could be put in place of it here; who issues knows more.
            Held::Broken(says) if self.serves_a_good_one(host).await => {
                Changes::none().note(format!("left to `certificate:{}`, as a good one is served: {says}", self.name))
            }
            Held::Broken(says) => Changes::none().value("certificate", &says, &"one that can be served".to_owned()),
            Held::Good(version) if version.meta.source == Source::Bootstrap && version.leaf.to <= Moment::now() => {
                Changes::none().value("certificate", &"expired".to_owned(), &keys::BOOTSTRAP.to_owned())
            }
            Held::Good(_) => Changes::none(),
        })
    }

    async fn apply(&self, host: &Touch) -> Result<(), Cause> {
        if self.check(host).await?.is_empty() {
            return Ok(());
        }
        let held = host.tls_held(&self.name)?;
        if matches!(held, Held::Broken(_)) && host.tls_back(&self.name, Moment::now())?.is_some() {
            return Ok(());
        }
        let gid = self.group.as_ref().map(|group| host.gid(group.as_str())).transpose()?;
        let (readers, now) = (Readers { gid }, Moment::now());
        let key = keys::generate(self.key_type)?;
        let chain = keys::self_signed(&key, &self.names, keys::BOOTSTRAP, now, keys::BOOTSTRAP_LIFETIME)?;
        let meta = Meta { source: Source::Bootstrap, issuer: None, made: now, point: 0, trusted_since: None };
        let new = New { key: &key, chain: chain.as_bytes(), names: &self.names, meta: &meta, readers };
        host.tls_commit(&self.name, &new, now)?;
        Ok(host.tls_give(&self.name, readers)?)
    }

    fn when_absent(&self) -> Changes {
        Changes::none().appears("certificate", keys::BOOTSTRAP).creating()
    }

    fn claims(&self) -> Vec<PathBuf> {
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::laws::{Play, keeps_its_word};

    fn bootstrap() -> BootstrapCertificate {
        let names = vec!["a.example".to_owned()];
        BootstrapCertificate { name: "web".into(), names, key_type: KeyType::EcdsaP256, group: None }
    }

    #[tokio::test(flavor = "current_thread")]
    async fn it_keeps_its_word() {
        let play = Play::new();
        keeps_its_word::<BootstrapCertificate>(&bootstrap(), &play.host).await;
        let Held::Good(version) = play.host.look().tls_held("web").unwrap() else { panic!() };
        assert_eq!((version.leaf.issuer.as_str(), version.meta.source), ("CN=hostagent-bootstrap", Source::Bootstrap));
        assert_eq!(version.leaf.to.since(version.meta.made), keys::BOOTSTRAP_LIFETIME);
    }

    #[tokio::test(flavor = "current_thread")]
    async fn what_is_broken_is_gone_back_from_before_anything_stands_in() {
        let play = Play::new();
        let touch = play.host.touch();
        let key = keys::generate(KeyType::EcdsaP256).unwrap();
        let (names, now) = (bootstrap().names, Moment::now());
        let chain = keys::self_signed(&key, &names, "own", now, keys::BOOTSTRAP_LIFETIME).unwrap();
        let meta = Meta { source: Source::SelfSigned, issuer: None, made: now, point: 0, trusted_since: None };
        let readers = Readers { gid: None };
        let new = New { key: &key, chain: chain.as_bytes(), names: &names, meta: &meta, readers };
        for _ in 0..2 {
            touch.tls_commit("web", &new, now).unwrap();
        }
        std::fs::remove_file(play.place("/var/lib/hostagent/tls/web/v/000002/privkey.pem")).unwrap();
        assert!(!play.differs(&bootstrap()).await.is_empty());
        bootstrap().apply(&touch).await.unwrap();
        let Held::Good(version) = touch.tls_held("web").unwrap() else { panic!() };
        assert_eq!(version.number, 1);
        // With nothing to go back to, one is made.
        std::fs::remove_file(play.place("/var/lib/hostagent/tls/web/v/000001/privkey.pem")).unwrap();
        bootstrap().apply(&touch).await.unwrap();
        assert!(play.differs(&bootstrap()).await.is_empty());
    }
}
