//! What is asked of a CA, in our own words. One file (`instant.rs`) says it with a library; the state machine of an order
//! knows only this.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::refusal::Refusal;

/// How a name is proven.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// The CA asks port 80 of the name, and the web server answers.
    Http01,
    /// The CA asks for a TXT record of the name.
    Dns01,
    /// The CA asks port 443 of the name, in a protocol of its own.
    TlsAlpn01,
}

impl Unproven {
    /// What the CA is to find in this way.
    pub fn digest(&self, way: Way) -> Option<(String, String)> {
        let (_, digest) = self.digests.iter().find(|(of, _)| *of == way)?;
        Some((self.name.clone(), digest.clone()))
    }
}

/// Where an order is (RFC 8555, 7.1.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Names are to be proven.
    Pending,
    /// All are, and the request for the certificate is awaited.
    Ready,
    /// The CA is at it.
    Processing,
    /// There is a certificate.
    Valid,
    /// There will be none.
    Invalid,
}

/// What is ordered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// For these names.
    pub names: Vec<String>,
    /// By this profile of the CA.
    pub profile: Option<String>,
    /// In place of the certificate that the CA knows by this (RFC 9773, 4.1), whose own bytes (PEM) come after it.
    pub replaces: Option<(String, String)>,
}

/// Why a certificate is taken back (RFC 5280, 5.3.1): the reasons that a CA takes from a server.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Revoked {
    /// Nobody is to know.
    #[default]
    Unspecified,
    /// Somebody else has the key, or may have it.
    KeyCompromise,
    /// The names are somebody else's now.
    AffiliationChanged,
    /// There is another one.
    Superseded,
    /// Nobody serves the names any more.
    CessationOfOperation,
}

/// A name of an order that is not proven.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unproven {
    /// The name, with its `*.` if it has one.
    pub name: String,
    /// The ways in which it can be.
    pub ways: Vec<Way>,
    /// What the CA is to find in the ways that show it something: the digest of the key authorization, as base64url.
    pub digests: Vec<(Way, String)>,
    /// Why it is not any more, if the CA has looked.
    pub failed: Option<Refusal>,
}

/// A CA at which there is an account.
pub(crate) trait Authority {
    /// An order there.
    type Order: OpenOrder;

    /// Places an order.
    async fn place(&self, wanted: &Wanted) -> Result<Self::Order, Refusal>;

    /// Opens one that was placed before.
    async fn resume(&self, url: &str) -> Result<Self::Order, Refusal>;

    /// How long the CA wants to be left alone, by its last answer.
    fn asks_to_wait(&self) -> Option<Duration>;
}

/// An order.
pub(crate) trait OpenOrder {
    /// Its address, by which it is opened again.
    fn url(&self) -> &str;

    /// Where it was when it was last looked at.
    fn status(&mut self) -> Status;

    /// Looks where it is.
    async fn look(&mut self) -> Result<Status, Refusal>;

    /// The names that are not proven.
    async fn unproven(&mut self) -> Result<Vec<Unproven>, Refusal>;

    /// Says that a name can be looked at now.
    async fn ready(&mut self, name: &str, way: Way) -> Result<(), Refusal>;

    /// Asks for the certificate, with a request that the key of it has signed.
    async fn finalize(&mut self, request: &[u8]) -> Result<Status, Refusal>;

    /// The certificate with those above it, as PEM; the CA's own choice first, then the others it has.
    async fn certificate(&mut self) -> Result<Vec<String>, Refusal>;
}
