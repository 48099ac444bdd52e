//! Which instance of EC2 this is, and whether it is one: what the firmware says, and what was last known.
//!
//! A metadata service that does not answer must never make a known instance a new one: host keys and users would be made
//! again. So there is no "unknown" that could be compared, only what is known now, or what was last.

use std::fmt;
use std::io;
use std::path::Path;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::host::{Error, Look, Touch};

/// Where the kernel shows what the firmware says: dmi-id of sysfs.
const DMI: &str = "/sys/devices/virtual/dmi/id";
/// The file in hostagent's own folder.
const REMEMBERED: &str = "instance.json";

/// The ID of an instance, such as `i-0123456789abcdef0`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct InstanceId(String);

impl InstanceId {
    /// The ID that a text is: `i-`, then 8 to 17 hexadecimal digits.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix("i-")?;
        let is_id = (8..=17).contains(&digits.len())
            && digits.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        is_id.then(|| Self(text.to_owned()))
    }

    /// The ID as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for InstanceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for InstanceId {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text).ok_or_else(|| format!("`{text}` is no instance ID"))
    }
}

impl From<InstanceId> for String {
    fn from(id: InstanceId) -> Self {
        id.0
    }
}

/// Where this host runs, as far as its firmware says. Nobody is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Platform {
    /// Not on EC2, as nothing says so. There the metadata service's address belongs to whoever takes it (CVE-2024-6174).
    Elsewhere,
    /// On EC2; Nitro's firmware also says which instance, Xen's does not.
    Ec2(Option<InstanceId>),
}

impl Platform {
    /// Reads the firmware.
    ///
    /// # Errors
    /// When a file of it is there and cannot be read; one that is only root's counts as absent.
    pub fn of(host: &Look) -> Result<Self, Error> {
        let vendor = firmware(host, "sys_vendor")?;
        if let Some(id) = InstanceId::parse(&firmware(host, "board_asset_tag")?) {
            return Ok(Self::Ec2(Some(id)));
        }
        // A UUID alone may begin so by chance, once in some thousands of machines; EC2's Xen also says `4.11.amazon`.
        let is_xen = || -> Result<bool, Error> {
            let version = firmware(host, "bios_version")?;
            Ok(vendor == "Xen" && version.contains("amazon") && is_ec2_uuid(&firmware(host, "product_uuid")?))
        };
        Ok(if vendor == "Amazon EC2" || is_xen()? { Self::Ec2(None) } else { Self::Elsewhere })
    }

    /// Whether this is EC2.
    pub fn is_ec2(&self) -> bool {
        matches!(self, Self::Ec2(_))
    }
}

/// A word of the firmware, such as `sys_vendor`; empty if it says none. Some of these files are root's, and who may not
/// read them knows no more than that.
///
/// # Errors
/// When it is there and cannot be read for another reason.
pub fn firmware(host: &Look, name: &str) -> Result<String, Error> {
    match host.read_text(&Path::new(DMI).join(name)) {
        Err(Error::File { source, .. }) if source.kind() == io::ErrorKind::PermissionDenied => Ok(String::new()),
        text => Ok(text?.unwrap_or_default().trim().to_owned()),
    }
}

/// A UUID of EC2 begins with `ec2`, or does so when its first group is read in the other order of bytes.
fn is_ec2_uuid(uuid: &str) -> bool {
    let uuid = uuid.to_ascii_lowercase();
    let swapped =
        uuid.get(6..8).zip(uuid.get(4..6)).is_some_and(|(first, second)| first == "ec" && second.starts_with('2'));
    uuid.starts_with("ec2") || swapped
}

/// An instance that hostagent has seen itself on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instance {
    /// Which.
    pub id: InstanceId,
    /// Who said so.
    pub source: Source,
    /// When this disk was first on it, as the clock had it then.
    pub first_seen: String,
}

/// Who said which instance this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// `board_asset_tag`, without a network.
    Firmware,
    /// The identity document.
    Metadata,
}

impl Instance {
    /// The one that was last known; `None` if there was none, or what was kept is damaged.
    ///
    /// # Errors
    /// When it is there and cannot be read.
    pub fn last_known(host: &Look) -> Result<Option<Self>, Error> {
        match host.read_state(REMEMBERED) {
            Err(Error::File { source, .. }) if source.kind() == io::ErrorKind::PermissionDenied => Ok(None),
            bytes => Ok(bytes?.and_then(|bytes| serde_json::from_slice(&bytes).ok())),
        }
    }

    /// Remembers that this is the instance; whether it is another one than was last known, or the first. Writes nothing
    /// if it is not. Durable: a power cut brings back no older one.
    ///
    /// # Errors
    /// When the one that was last known cannot be read, or this one not be written.
    pub fn remember(host: &Touch, id: &InstanceId, source: Source) -> Result<bool, Error> {
        if Self::last_known(host)?.is_some_and(|known| known.id == *id) {
            return Ok(false);
        }
        let first_seen = Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let seen = Self { id: id.clone(), source, first_seen };
        let text = serde_json::to_vec_pretty(&seen).map_err(|error| Error::said("instance", error.to_string()))?;
        host.write_state_durably(REMEMBERED, &text)?;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::{Host, programs::Real};

    fn platform(words: &[(&str, &str)]) -> Platform {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join(DMI.trim_start_matches('/'));
        std::fs::create_dir_all(&folder).unwrap();
        for (name, word) in words {
            std::fs::write(folder.join(name), format!("{word}\n")).unwrap();
        }
        Platform::of(&Host::at(root.path(), Box::new(Real)).unwrap().look()).unwrap()
    }

    #[test]
    fn nitro_says_which_instance_it_is() {
        let id = InstanceId::parse("i-0af01c0123456789a").unwrap();
        let words = [("sys_vendor", "Amazon EC2"), ("board_asset_tag", "i-0af01c0123456789a")];
        assert_eq!(platform(&words), Platform::Ec2(Some(id.clone())));
        assert_eq!(platform(&words[1..]), Platform::Ec2(Some(id)));
        assert_eq!(platform(&[("sys_vendor", "Amazon EC2"), ("board_asset_tag", "n/a")]), Platform::Ec2(None));
    }

    #[test]
    fn xen_says_that_it_is_one() {
        // The second and third are in the other order of bytes, as SMBIOS 2.6 has it.
        for uuid in ["EC2972DF-81D1-C72E-9A1C", "DF7229EC-D181-2EC7-9A1C", "45E12AEC-DCD1-B213-94ED"] {
            let words = [("sys_vendor", "Xen"), ("bios_version", "4.11.amazon"), ("product_uuid", uuid)];
            assert_eq!(platform(&words), Platform::Ec2(None), "{uuid}");
        }
    }

    #[test]
    fn what_only_looks_alike_is_elsewhere() {
        let uuid = ("product_uuid", "ec2972df-81d1-c72e-9a1c-0af01c012345");
        for words in [
            [("sys_vendor", "Xen"), ("bios_version", "4.17"), uuid],
            [("sys_vendor", "e24cloud"), ("bios_version", "4.11.amazon"), uuid],
            [("sys_vendor", "3DS OUTSCALE"), ("product_serial", "ec2972df"), uuid],
            [("sys_vendor", "QEMU"), ("board_asset_tag", "i-am-not"), uuid],
            [("sys_vendor", "Amazon"), ("board_asset_tag", "i-0123"), uuid],
        ] {
            assert_eq!(platform(&words), Platform::Elsewhere, "{words:?}");
        }
        assert_eq!(platform(&[]), Platform::Elsewhere);
    }

    #[test]
    fn an_instance_is_new_once_and_its_first_sight_is_kept() {
        let root = tempfile::tempdir().unwrap();
        let host = Host::at(root.path(), Box::new(Real)).unwrap();
        let (touch, look) = (host.touch(), host.look());
        let [one, other] = ["i-0123456789abcdef0", "i-0fedcba9876543210"].map(|id| InstanceId::parse(id).unwrap());
        assert_eq!(Instance::last_known(&look).unwrap(), None);
        assert!(Instance::remember(&touch, &one, Source::Metadata).unwrap());

        let first = Instance::last_known(&look).unwrap().unwrap();
        assert_eq!((&first.id, first.source), (&one, Source::Metadata));
        assert!(!Instance::remember(&touch, &one, Source::Firmware).unwrap());
        assert_eq!(Instance::last_known(&look).unwrap().unwrap(), first);
        assert!(Instance::remember(&touch, &other, Source::Firmware).unwrap());

        std::fs::write(root.path().join("var/lib/hostagent/instance.json"), "{").unwrap();
        assert_eq!(Instance::last_known(&look).unwrap(), None, "damaged");
    }
}
