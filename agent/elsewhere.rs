//! Texts that services have: S3, Parameter Store, a server of HTTPS. And the last good copy of each, for when they are down.
//!
//! | the source | without a digest | with one |
//! |---|---|---|
//! | is not asked yet | | the copy kept here is used if it has the digest |
//! | answers | that is used, and kept once it has turned out to be good | the same; another digest is a failure |
//! | is down: no connection, silence, 5xx, throttling | the last good one is used, and that is said | a failure |
//! | says that there is no such thing | a failure | a failure |
//! | says that this host may not have it | a failure | a failure |
//!
//! Why not the last good one for all of them: who takes a recipe away, or the right to it, means it. What does not parse
//! is a failure, too, and what is kept stays as it is.

mod kept;
mod packed;

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use secrecy::ExposeSecret as _;

use crate::aws::{Kind, NotHad, Session};
use crate::host::fetch::Fetch;
use crate::host::files::sha256_of;
use crate::host::{self, Look};
use crate::terms::{Address, Remote};

use kept::Kept;
pub use kept::keep;
pub(crate) use packed::unpacked;

/// Bytes that a recipe has at most.
const LARGEST: usize = 1 << 20;
/// How long a server of HTTPS may take for one try.
const PATIENCE: Duration = Duration::from_secs(10);

/// A text that was had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Had {
    /// The text, unpacked.
    pub text: Vec<u8>,
    /// Every byte as it came.
    pub bytes: Vec<u8>,
    /// What it is, if it is not what the source has now.
    pub instead: Option<LastGood>,
}

/// Why a copy is used, and since when it is here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastGood {
    /// Why the source could not be asked; `None` if it was not to be.
    pub why: Option<NotHad>,
    /// When it was kept.
    pub since: Timestamp,
}

impl fmt::Display for LastGood {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let since = self.since.strftime("%Y-%m-%d %H:%M:%S UTC");
        match &self.why {
            Some(why) => write!(f, "the last good one is used, kept since {since}: {why}"),
            None => write!(f, "not looked at; the last good one is used, kept since {since}"),
        }
    }
}

/// A recipe, from where it is or from what was kept of it; see the table above.
///
/// # Errors
/// When it cannot be had.
pub async fn recipe(host: &Look, session: &Session, remote: &Remote) -> Result<Had, NotHad> {
    // A copy that cannot be read is only missed when it is needed.
    let kept = Kept::of(host, &remote.address);
    if let Some(copy) =
        kept.as_ref().ok().and_then(Option::as_ref).filter(|kept| remote.sha256.is_some() && kept.fits(remote))
    {
        return had(copy.bytes.clone(), None);
    }
    match fetch(host, session, &remote.address, LARGEST).await {
        Ok(bytes) => match &remote.sha256 {
            Some(wanted) if *wanted != sha256_of(&bytes) => Err(wrong_digest(&sha256_of(&bytes), wanted)),
            _ => had(bytes, None),
        },
        Err(why) if why.is_down() => match kept?.filter(|kept| kept.fits(remote)) {
            Some(kept) => had(kept.bytes, Some(LastGood { why: Some(why), since: kept.since })),
            None => Err(why),
        },
        Err(why) => Err(why),
    }
}

/// What was kept of a recipe, without asking anybody; `None` if there is nothing that it can be.
///
/// # Errors
/// When it is kept and cannot be read.
pub fn kept_recipe(host: &Look, remote: &Remote) -> Result<Option<Had>, NotHad> {
    let Some(kept) = Kept::of(host, &remote.address)?.filter(|kept| kept.fits(remote)) else { return Ok(None) };
    let is_exact = remote.sha256.is_some();
    had(kept.bytes, (!is_exact).then_some(LastGood { why: None, since: kept.since })).map(Some)
}

/// What is at an address now.
///
/// # Errors
/// When it cannot be had, or has more bytes than `limit`.
pub async fn fetch(host: &Look, session: &Session, address: &Address, limit: usize) -> Result<Vec<u8>, NotHad> {
    match address {
        Address::S3 { bucket, key } => session.object(bucket, key, limit).await,
        Address::Ssm(path) => Ok(session.parameter(path).await?.expose_secret().as_bytes().to_vec()),
        Address::Https(url) => {
            let how = Fetch { limit, timeout: PATIENCE, pinned: false };
            host.fetch(url, how).await.map_err(|error| of_https(&error))
        }
    }
}

fn had(bytes: Vec<u8>, instead: Option<LastGood>) -> Result<Had, NotHad> {
    Ok(Had { text: packed::unpacked(&bytes, LARGEST)?, bytes, instead })
}

fn wrong_digest(came: &str, wanted: &str) -> NotHad {
    let says = format!("what came has the SHA-256 `{came}`, not `{wanted}`");
    NotHad::new(Kind::Wrong, says, "if it was changed on purpose, put its new digest into the recipe")
}

fn of_https(error: &host::Error) -> NotHad {
    let kind = match error.code() {
        "fetch-failed" | "fetch-unavailable" => Kind::Down,
        "fetch-gone" => Kind::Gone,
        "fetch-forbidden" => Kind::Forbidden,
        _ => Kind::Wrong,
    };
    NotHad::new(kind, error.to_string(), error.hint().unwrap_or_default())
}

#[cfg(test)]
mod tests;
