//! What an instance was told to be at its boot, kept in `/var/lib/hostagent/boot.json` (0600): the last good answer,
//! for every run until the next boot, and for a boot that gets no answer.

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;

use serde::{Deserialize, Serialize};

use crate::facts::{Fact, Facts};
use crate::host::{self, Look, Touch};
use crate::recipe::user_data;

use super::{Exit, Refusal};

const FILE: &str = "boot.json";

/// The tag of an instance that names the base of its recipe, in words.
pub(super) const BASE_TAG: &str = "instance tag `hostagent:recipe`";

/// What an instance was told to be.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Kept {
    /// Which instance, if it knew.
    pub instance: Option<String>,
    /// The recipe in its user-data, unpacked.
    pub user_data: Option<String>,
    /// The base that its tag names.
    pub base: Option<String>,
    /// The variables that its tags set.
    pub vars: BTreeMap<String, String>,
}

impl Kept {
    /// What was kept, if anything.
    ///
    /// # Errors
    /// When it is there and cannot be read.
    pub(super) fn read(host: &Look) -> Result<Option<Self>, Refusal> {
        let bytes = match host.read_state(FILE) {
            // Only on EC2 is anything kept, so that elsewhere others than root lack nothing.
            Err(host::Error::File { source, .. }) if source.kind() == ErrorKind::PermissionDenied => {
                let says = "only root can read which recipe this instance was given";
                let hint = "run it with `sudo`, or name a recipe";
                return if is_ec2(host)? { Err(Refusal::wrong(says, hint)) } else { Ok(None) };
            }
            read => read?,
        };
        let Some(bytes) = bytes else { return Ok(None) };
        serde_json::from_slice(&bytes).map(Some).map_err(|error| Refusal::Said {
            says: format!(
                "`{}/{FILE}`, where the recipe of this instance is kept, is damaged: {error}",
                host::STATE_DIR
            ),
            hint: Some("`hostagent boot` asks for it again".to_owned()),
            exit: Exit::FAILED,
        })
    }

    /// Keeps it, for good: what it says cannot be had again while nobody answers.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn keep(&self, host: &Touch) -> Result<(), Refusal> {
        let text = serde_json::to_vec(self).unwrap_or_default();
        if host.read_state(FILE)?.as_deref() == Some(&text) {
            return Ok(());
        }
        Ok(host.write_state_durably(FILE, &text)?)
    }

    /// Whether it says which recipe is this instance's.
    pub(super) fn has_recipe(&self) -> bool {
        self.user_data.is_some() || self.base.is_some()
    }

    /// What people know the recipe by.
    pub(super) fn name(&self) -> String {
        match (&self.user_data, &self.base) {
            (None, Some(base)) => format!("{base} ({BASE_TAG})"),
            _ => user_data::NAME.to_owned(),
        }
    }

    /// Whether this is of the instance that has this identity. An identity that nobody knows is never another one: a
    /// host that cannot ask is still itself.
    pub(super) fn is_of(&self, instance: Option<&str>) -> bool {
        match (self.instance.as_deref(), instance) {
            (Some(then), Some(now)) => then == now,
            _ => true,
        }
    }

    /// Refuses what was kept on the instance that this one's disk is a copy of.
    ///
    /// # Errors
    /// When this is known to be another instance.
    pub(super) fn must_be_of(&self, instance: Option<&str>) -> Result<(), Refusal> {
        if self.is_of(instance) {
            return Ok(());
        }
        let (then, now) = (self.instance.as_deref().unwrap_or_default(), instance.unwrap_or_default());
        Err(Refusal::Said {
            says: format!("the recipe kept here is that of `{then}`, and this is `{now}`"),
            hint: Some("`hostagent boot` asks for its own; or name a recipe".to_owned()),
            exit: Exit::UNASKED,
        })
    }
}

fn is_ec2(host: &Look) -> Result<bool, Refusal> {
    let facts = Facts::gather(host, &BTreeSet::from(["is_ec2".to_owned()]))?;
    Ok(facts.value("is_ec2") == Some(Fact::Bool(true)))
}

/// Which instance this is, if that is known without asking anybody.
pub(super) fn identity(host: &Look) -> Result<Option<String>, Refusal> {
    let facts = Facts::gather(host, &BTreeSet::from(["instance_id".to_owned()]))?;
    Ok(match facts.value("instance_id") {
        Some(Fact::Text(id)) if id.starts_with("i-") => Some(id),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;
    use crate::host::{Host, programs};

    fn kept(instance: Option<&str>) -> Kept {
        Kept { instance: instance.map(str::to_owned), user_data: Some("format = 1\n".to_owned()), ..Kept::default() }
    }

    #[test]
    fn an_identity_that_is_not_known_is_not_another_one() {
        assert!(kept(Some("i-1")).is_of(Some("i-1")));
        assert!(kept(Some("i-1")).is_of(None));
        assert!(kept(None).is_of(Some("i-1")));
        assert!(!kept(Some("i-1")).is_of(Some("i-2")));
        let Err(Refusal::Said { says, exit, .. }) = kept(Some("i-1")).must_be_of(Some("i-2")) else { panic!("taken") };
        assert_eq!((says.as_str(), exit), ("the recipe kept here is that of `i-1`, and this is `i-2`", Exit::UNASKED));
    }

    #[test]
    fn what_is_kept_comes_back_and_is_written_once() {
        let root = tempfile::tempdir().unwrap();
        let host = Host::at(root.path(), Box::new(programs::Real)).unwrap();
        assert_eq!(Kept::read(&host.look()).unwrap(), None);
        let inode = || {
            kept(Some("i-1")).keep(&host.touch()).unwrap();
            std::fs::metadata(root.path().join("var/lib/hostagent").join(FILE)).unwrap().ino()
        };
        assert_eq!(inode(), inode());
        assert_eq!(Kept::read(&host.look()).unwrap(), Some(kept(Some("i-1"))));
        host.touch().write_state(FILE, b"{").unwrap();
        assert!(Kept::read(&host.look()).is_err());
    }
}
