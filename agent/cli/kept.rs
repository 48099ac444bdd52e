//! What an instance was told to be at its boot, kept in `/var/lib/hostagent/boot.json` (0600): the last good answer,
//! for every run until the next boot, and for a boot that gets no answer.

use std::collections::BTreeMap;
use std::io::ErrorKind;

use serde::{Deserialize, Serialize};

use crate::aws::instance::Instance;
use crate::aws::{InstanceId, Platform};
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
    pub instance: Option<InstanceId>,
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
                return if Platform::of(host)?.is_ec2() { Err(Refusal::wrong(says, hint)) } else { Ok(None) };
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
    pub(super) fn is_of(&self, instance: Option<&InstanceId>) -> bool {
        match (self.instance.as_ref(), instance) {
            (Some(then), Some(now)) => then == now,
            _ => true,
        }
    }

    /// Refuses what was kept on the instance that this one's disk is a copy of.
    ///
    /// # Errors
    /// When this is known to be another instance.
    pub(super) fn must_be_of(&self, instance: Option<&InstanceId>) -> Result<(), Refusal> {
        let (Some(then), Some(now)) = (&self.instance, instance.filter(|now| !self.is_of(Some(now)))) else {
            return Ok(());
        };
        Err(Refusal::Said {
            says: format!("the recipe kept here is that of `{then}`, and this is `{now}`"),
            hint: Some("`hostagent boot` asks for its own; or name a recipe".to_owned()),
            exit: Exit::UNASKED,
        })
    }
}

/// Which instance this is, as far as that is known without asking anybody: what the firmware says, or what was last known.
///
/// # Errors
/// When that cannot be read.
pub(super) fn identity(host: &Look) -> Result<Option<InstanceId>, host::Error> {
    Ok(match Platform::of(host)? {
        Platform::Ec2(Some(id)) => Some(id),
        Platform::Ec2(None) => Instance::last_known(host)?.map(|known| known.id),
        Platform::Elsewhere => None,
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;
    use crate::host::{Host, programs};

    fn id(number: u8) -> InstanceId {
        InstanceId::parse(&format!("i-0000000{number}")).unwrap()
    }

    fn kept(instance: Option<u8>) -> Kept {
        Kept { instance: instance.map(id), user_data: Some("format = 1\n".to_owned()), ..Kept::default() }
    }

    #[test]
    fn an_identity_that_is_not_known_is_not_another_one() {
        assert!(kept(Some(1)).is_of(Some(&id(1))));
        assert!(kept(Some(1)).is_of(None));
        assert!(kept(None).is_of(Some(&id(1))));
        assert!(!kept(Some(1)).is_of(Some(&id(2))));
        let Err(Refusal::Said { says, exit, .. }) = kept(Some(1)).must_be_of(Some(&id(2))) else { panic!("taken") };
        assert_eq!(
            (says.as_str(), exit),
            ("the recipe kept here is that of `i-00000001`, and this is `i-00000002`", Exit::UNASKED)
        );
    }

    #[test]
    fn what_is_kept_comes_back_and_is_written_once() {
        let root = tempfile::tempdir().unwrap();
        let host = Host::at(root.path(), Box::new(programs::Real)).unwrap();
        assert_eq!(Kept::read(&host.look()).unwrap(), None);
        let inode = || {
            kept(Some(1)).keep(&host.touch()).unwrap();
            std::fs::metadata(root.path().join("var/lib/hostagent").join(FILE)).unwrap().ino()
        };
        assert_eq!(inode(), inode());
        assert_eq!(Kept::read(&host.look()).unwrap(), Some(kept(Some(1))));
        host.touch().write_state(FILE, b"{").unwrap();
        assert!(Kept::read(&host.look()).is_err());
    }
}
