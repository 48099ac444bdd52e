//! Who keeps the zones of names that are proven by DNS, and by what a CA knows somebody: references until they are used.

use secrecy::SecretString;
use serde::Serialize;

use super::Certificate;
use crate::acme::bound::Binding;
use crate::acme::dns::{Cloudflare, Dns, Provider};
use crate::acme::order::Proof;
use crate::acme::refusal::{Kind, Refusal};
use crate::engine::Cause;
use crate::host::Look;
use crate::secret::SecretRef;
use crate::terms::Challenge;

/// Who keeps the zones of names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Keeper {
    /// Route 53, asked with the role of the instance.
    Route53 {
        /// The zone's ID, if it is not to be found by its name.
        zone: Option<String>,
    },
    /// Cloudflare.
    Cloudflare {
        /// A token that may read zones and change their records.
        token: SecretRef,
        /// The zone's ID, if it is not to be found by its name.
        zone: Option<String>,
        /// Where its API is, if not where it always is.
        api: Option<String>,
    },
}

/// By what a CA knows somebody from elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Eab {
    /// The key's ID.
    pub kid: String,
    /// The key, as base64url.
    pub hmac: SecretRef,
}

/// How the names of a certificate are proven, with what that takes.
pub(super) async fn proof(of: &Certificate, host: &Look) -> Result<Proof, Refusal> {
    match (of.challenge, &of.dns) {
        (Challenge::Http01, _) => Ok(Proof::Http01),
        (Challenge::TlsAlpn01, _) => Ok(Proof::TlsAlpn01),
        (Challenge::Dns01, Some(keeper)) => Ok(Proof::Dns01(keeper.asked(host).await?)),
        (Challenge::Dns01, None) => Err(Refusal::new(Kind::Refused, "nobody is said who keeps the zone")),
    }
}

impl Keeper {
    /// As it is asked, with its token.
    async fn asked(&self, host: &Look) -> Result<Dns, Refusal> {
        let provider = match self {
            Self::Route53 { zone } => Provider::Route53(zone.clone()),
            Self::Cloudflare { token, zone, api } => {
                let token = had(token, "tls.cloudflare", host).await?;
                Provider::Cloudflare(Cloudflare::new(&token, zone.clone(), api.clone())?)
            }
        };
        Ok(Dns::with(provider))
    }
}

impl Eab {
    /// As it is used, with its key.
    pub(super) async fn binding(&self, host: &Look) -> Result<Binding, Refusal> {
        Binding::new(&self.kid, &had(&self.hmac, "tls.eab", host).await?)
    }
}

async fn had(secret: &SecretRef, name: &str, host: &Look) -> Result<SecretString, Refusal> {
    let value = secret.value(name, host).await.map_err(|cause| {
        let Cause { code, says, hint, .. } = cause;
        let kind = if code == "source-down" { Kind::Away } else { Kind::Refused };
        Refusal::new(kind, says).fix(hint.unwrap_or_else(|| "see the reference of secrets".to_owned()))
    })?;
    // One that is made up is known to nobody; recipes with it are refused.
    let value = value.ok_or_else(|| Refusal::new(Kind::Refused, format!("{secret} is known to nobody else")))?;
    Ok(SecretString::from(value.expose()))
}
