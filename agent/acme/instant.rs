//! What is asked of a CA, said with instant-acme. The only file that knows its types beside `http.rs`.
//!
//! Traps of 0.8 that are closed here: a nonce is tried three times and then given up (a CA that rejects every second one
//! fails every fourth order); what an error told beside its words is lost; a certificate's other chains cannot be asked for.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use instant_acme::{Account, AuthorizationStatus, CertificateIdentifier, ChallengeType, Error, Identifier, NewOrder};
use instant_acme::{OrderStatus, Problem, RevocationReason, RevocationRequest};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use sha2::{Digest as _, Sha256};

use super::account::Opening;
use super::authority::{Authority, OpenOrder, Revoked, Status, Unproven, Wanted, Way};
use super::http::{NoAnswer, Wire};
use super::refusal::{Kind, Refusal};

/// How often a nonce may be rejected beyond what the library tries: at one in two this fails once in 10^13.
const NONCES: u32 = 14;

/// An account at a CA.
pub(crate) struct Client {
    account: Account,
    wire: Wire,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("account", &self.account.id()).finish_non_exhaustive()
    }
}

/// An order at a CA.
pub(crate) struct Order {
    there: instant_acme::Order,
    account: Account,
    wire: Wire,
}

impl Client {
    /// The account whose address is known.
    ///
    /// # Errors
    /// When the CA does not answer.
    pub(crate) async fn known(wire: &Wire, key: &str, directory: &str, url: String) -> Result<Self, Refusal> {
        let builder = || Account::builder_with_http(Box::new(wire.clone()));
        let opened =
            tried(wire, async || builder().from_parts(url.clone(), der(key)?, directory.to_owned()).await).await;
        Ok(Self { account: opened?, wire: wire.clone() })
    }

    /// The account that the CA has for this key, or a new one.
    ///
    /// # Errors
    /// When the CA does not make one.
    pub(crate) async fn register(wire: &Wire, key: &str, opening: &Opening<'_>) -> Result<Self, Refusal> {
        let made = tried(wire, async || {
            let pair = (instant_acme::Key::from_pkcs8_der(der(key)?)?, PrivateKeyDer::from(der(key)?));
            let builder = Account::builder_with_http(Box::new(wire.clone()));
            builder.create_from_key(pair, opening.directory.to_owned()).await
        });
        let (account, _) = made.await?;
        let client = Self { account, wire: wire.clone() };
        client.tell(opening.contact).await;
        Ok(client)
    }

    /// Tells the CA whom it may write to.
    pub(crate) async fn tell(&self, contact: &[String]) {
        let contact: Vec<&str> = contact.iter().map(String::as_str).collect();
        if !contact.is_empty()
            && let Err(refusal) = tried(&self.wire, async || self.account.update_contacts(&contact).await).await
        {
            // It is of use to a person some day, and no reason to be without a certificate today.
            tracing::warn!(says = refusal.says, "the CA does not take `contact`");
        }
    }

    /// The account that the CA has for this key, if it has one. None is made.
    ///
    /// # Errors
    /// When the CA does not answer.
    pub(crate) async fn find(wire: &Wire, key: &str, directory: &str) -> Result<Option<Self>, Refusal> {
        let found = tried(wire, async || {
            let pair = (instant_acme::Key::from_pkcs8_der(der(key)?)?, PrivateKeyDer::from(der(key)?));
            Account::builder_with_http(Box::new(wire.clone())).from_key(pair, directory.to_owned()).await
        });
        match found.await {
            Ok((account, _)) => Ok(Some(Self { account, wire: wire.clone() })),
            Err(refusal) if refusal.kind == Kind::NoAccount => Ok(None),
            Err(refusal) => Err(refusal),
        }
    }

    /// Has the CA take a certificate (PEM) back. One that was taken back before is.
    ///
    /// # Errors
    /// When the CA does not.
    pub(crate) async fn revoke(&self, pem: &str, reason: Revoked) -> Result<(), Refusal> {
        let certificate = CertificateDer::from_pem_slice(pem.as_bytes())
            .map_err(|_| Refusal::new(Kind::Unusable, "the certificate that is to be revoked cannot be read"))?;
        let code = || match reason {
            Revoked::Unspecified => RevocationReason::Unspecified,
            Revoked::KeyCompromise => RevocationReason::KeyCompromise,
            Revoked::AffiliationChanged => RevocationReason::AffiliationChanged,
            Revoked::Superseded => RevocationReason::Superseded,
            Revoked::CessationOfOperation => RevocationReason::CessationOfOperation,
        };
        let asked = tried(&self.wire, async || {
            let request = RevocationRequest { certificate: &certificate, reason: Some(code()) };
            self.account.revoke(&request).await
        });
        match asked.await {
            Err(refusal) if refusal.says.contains("alreadyRevoked") => Ok(()),
            asked => asked,
        }
    }

    /// The account's address.
    pub(crate) fn account(&self) -> &str {
        self.account.id()
    }

    fn opened(&self, order: instant_acme::Order) -> Order {
        Order { there: order, account: self.account.clone(), wire: self.wire.clone() }
    }
}

impl Authority for Client {
    type Order = Order;

    async fn place(&self, wanted: &Wanted) -> Result<Order, Refusal> {
        let identifier = |name: &String| name.parse().map_or_else(|_| Identifier::Dns(name.clone()), Identifier::Ip);
        let identifiers: Vec<Identifier> = wanted.names.iter().map(identifier).collect();
        let replaced =
            wanted.replaces.as_ref().and_then(|(_, pem)| CertificateDer::from_pem_slice(pem.as_bytes()).ok());
        let placed = tried(&self.wire, async || {
            let mut new = NewOrder::new(&identifiers);
            if let Some(profile) = &wanted.profile {
                new = new.profile(profile);
            }
            if let Some(id) = replaced.as_ref().and_then(|der| CertificateIdentifier::try_from(der).ok()) {
                new = new.replaces(id);
            }
            self.account.new_order(&new).await
        });
        Ok(self.opened(placed.await?))
    }

    async fn resume(&self, url: &str) -> Result<Order, Refusal> {
        Ok(self.opened(tried(&self.wire, async || self.account.order(url.to_owned()).await).await?))
    }

    fn asks_to_wait(&self) -> Option<Duration> {
        self.wire.aside().retry_after
    }
}

impl OpenOrder for Order {
    fn url(&self) -> &str {
        self.there.url()
    }

    fn status(&mut self) -> Status {
        status(self.there.state().status)
    }

    async fn look(&mut self) -> Result<Status, Refusal> {
        let (order, wire) = (&mut self.there, &self.wire);
        tried(wire, async || order.refresh().await.map(|state| status(state.status))).await
    }

    async fn unproven(&mut self) -> Result<Vec<Unproven>, Refusal> {
        let (order, account, wire) = (&mut self.there, &self.account, &self.wire);
        tried(wire, async || {
            let mut names = Vec::new();
            let mut all = order.authorizations();
            while let Some(next) = all.next().await {
                let mut one = next?;
                // What was read when the order was opened says nothing of what the CA has found since.
                one.refresh().await?;
                if one.status == AuthorizationStatus::Valid {
                    continue;
                }
                let ways = one.challenges.iter().filter_map(|challenge| way(&challenge.r#type)).collect();
                let problem = one.challenges.iter().find_map(|challenge| challenge.error.as_ref());
                let failed = match (problem, one.status) {
                    (Some(problem), _) => Some(of_problem(problem)),
                    (None, AuthorizationStatus::Pending) => None,
                    (None, other) => Some(Refusal::new(Kind::Unproven, format!("the CA says `{other:?}`"))),
                };
                let name = one.identifier().to_string();
                // Each way has a token of its own; the library lends only one of them.
                let digest = |challenge: &instant_acme::Challenge| {
                    let shown = format!("{}.{}", challenge.token, account.key_thumbprint());
                    Some((way(&challenge.r#type)?, URL_SAFE_NO_PAD.encode(Sha256::digest(shown))))
                };
                let digests = one.challenges.iter().filter_map(digest).collect();
                names.push(Unproven { name, ways, digests, failed });
            }
            Ok(names)
        })
        .await
    }

    async fn ready(&mut self, name: &str, way: Way) -> Result<(), Refusal> {
        let (order, wire) = (&mut self.there, &self.wire);
        tried(wire, async || {
            let mut all = order.authorizations();
            while let Some(next) = all.next().await {
                let mut one = next?;
                if one.identifier().to_string() == name
                    && let Some(mut challenge) = one.challenge(kind(way))
                {
                    return challenge.set_ready().await;
                }
            }
            Ok(())
        })
        .await
    }

    async fn finalize(&mut self, request: &[u8]) -> Result<Status, Refusal> {
        let (order, wire) = (&mut self.there, &self.wire);
        tried(wire, async || order.finalize_csr(request).await).await?;
        Ok(self.status())
    }

    async fn certificate(&mut self) -> Result<Vec<String>, Refusal> {
        let (order, wire) = (&mut self.there, &self.wire);
        let own = tried(wire, async || order.certificate().await).await?;
        let own = own.ok_or_else(|| Refusal::new(Kind::Away, "the CA has the certificate and does not give it yet"))?;
        let mut chains = vec![own];
        for url in self.wire.aside().alternates {
            // An order is asked for at that address: what comes is none, and by then the wire has it.
            let _ = self.account.order(url.clone()).await;
            if let Some(pem) = self.wire.aside().pem {
                chains.push(pem);
            } else {
                tracing::debug!(url, "another chain could not be had");
            }
        }
        Ok(chains)
    }
}

/// Asks, and asks again as long as only the nonce is to blame.
async fn tried<T>(wire: &Wire, mut ask: impl AsyncFnMut() -> Result<T, Error>) -> Result<T, Refusal> {
    let mut left = NONCES;
    loop {
        match ask().await {
            Ok(answer) => return Ok(answer),
            Err(error) => {
                let refusal = refusal(&error, wire);
                if refusal.kind != Kind::BadNonce || left == 0 {
                    return Err(refusal);
                }
                left -= 1;
            }
        }
    }
}

fn refusal(error: &Error, wire: &Wire) -> Refusal {
    let refusal = match error {
        Error::Api(problem) => of_problem(problem),
        Error::Other(other) => match other.downcast_ref::<NoAnswer>() {
            Some(NoAnswer(refusal)) => refusal.clone(),
            None if other.to_string().contains("replaces") => Refusal::new(Kind::Replaced, other),
            None => Refusal::new(Kind::Unusable, other),
        },
        Error::Unsupported(what) if what.contains("ARI") => {
            Refusal::new(Kind::Replaced, format!("the CA does not know {what}"))
        }
        Error::Unsupported(what) => Refusal::new(Kind::NoProfile, format!("the CA does not know {what}")),
        other => Refusal::new(Kind::Unusable, format!("what the CA said makes no sense: {other}")),
    };
    refusal.retry_after(wire.aside().retry_after)
}

fn of_problem(problem: &Problem) -> Refusal {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let names = problem.subproblems.iter().filter_map(|below| below.identifier.as_ref());
    let names = names.map(|identifier| identifier.authorized(false).to_string()).collect();
    let below: Vec<String> = problem.subproblems.iter().map(ToString::to_string).collect();
    let detail = [text(&problem.detail), below.join("; ")].join(" ");
    Refusal::of_problem(&text(&problem.r#type), detail.trim(), problem.status).about(names)
}

fn status(status: OrderStatus) -> Status {
    match status {
        OrderStatus::Pending => Status::Pending,
        OrderStatus::Ready => Status::Ready,
        OrderStatus::Processing => Status::Processing,
        OrderStatus::Valid => Status::Valid,
        OrderStatus::Invalid => Status::Invalid,
    }
}

fn kind(way: Way) -> ChallengeType {
    match way {
        Way::Http01 => ChallengeType::Http01,
        Way::Dns01 => ChallengeType::Dns01,
        Way::TlsAlpn01 => ChallengeType::TlsAlpn01,
    }
}

fn way(kind: &ChallengeType) -> Option<Way> {
    match kind {
        ChallengeType::Http01 => Some(Way::Http01),
        ChallengeType::Dns01 => Some(Way::Dns01),
        ChallengeType::TlsAlpn01 => Some(Way::TlsAlpn01),
        _ => None,
    }
}

fn der(key: &str) -> Result<PrivatePkcs8KeyDer<'static>, Error> {
    PrivatePkcs8KeyDer::from_pem_slice(key.as_bytes()).map_err(|_| Error::Str("the account key cannot be read"))
}
