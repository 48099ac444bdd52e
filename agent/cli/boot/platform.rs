//! What the platform says at a boot.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::aws::imds::{Imds, Unanswered};
use crate::aws::{InstanceId, Platform};
use crate::host::{self, Look};

const INSTANCE: &str = "meta-data/instance-id";
/// How the tags begin that are hostagent's.
const TAGS: &str = "hostagent:";

/// What came of asking.
#[derive(Debug)]
pub(super) enum Answer {
    /// Everything that was asked.
    Told(Told),
    /// Nothing says that this is EC2, so nobody was asked.
    Elsewhere,
    /// Not everything: then nothing counts.
    None {
        /// Which instance this is, if that is known all the same.
        instance: Option<InstanceId>,
        why: Unanswered,
    },
}

/// What an instance is told.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) instance: Option<InstanceId>,
    pub(super) user_data: Option<Vec<u8>>,
    /// Its tags that begin with `hostagent:`.
    pub(super) tags: BTreeMap<String, String>,
}

/// A session with the metadata service, or why there is none.
pub(super) type Session = Result<Imds, Unanswered>;

/// Asks which instance this is and what it is told, and leaves the session for other questions.
///
/// # Errors
/// When the firmware cannot be read.
pub(super) async fn ask(host: &Look, budget: Duration) -> Result<(Answer, Session), host::Error> {
    let by_firmware = match Platform::of(host)? {
        Platform::Ec2(id) => id,
        Platform::Elsewhere => return Ok((Answer::Elsewhere, Imds::open(host, budget).await)),
    };
    let mut session = match Imds::open(host, budget).await {
        Ok(session) => session,
        Err(why) => return Ok((Answer::None { instance: by_firmware, why: why.clone() }, Err(why))),
    };
    Ok(match told(&mut session, by_firmware.clone()).await {
        Ok(told) => (Answer::Told(told), Ok(session)),
        // Whoever asks more would wait as long again.
        Err(why) => (Answer::None { instance: by_firmware, why: why.clone() }, Err(why)),
    })
}

async fn told(session: &mut Imds, by_firmware: Option<InstanceId>) -> Result<Told, Unanswered> {
    let instance = match by_firmware {
        Some(id) => Some(id),
        None => session.get(INSTANCE).await?.and_then(|bytes| InstanceId::parse(str::from_utf8(&bytes).ok()?.trim())),
    };
    let user_data = session.user_data().await?;
    let tags = session.instance_tags(TAGS).await?;
    Ok(Told { instance, user_data, tags })
}
