//! What a machine's firmware says of it: `/sys/devices/virtual/dmi/id`, where EC2 gives its sign.
//!
//! sysfs takes no file of ours, and a host need not have firmware that speaks. So the machine is given an overlay of its
//! own sysfs (the one of its network namespace) with these files in it. It is there when the machine boots.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use nix::mount::{MsFlags, mount};
use nix::sys::stat::{Mode, SFlag, mknod};

use super::machine::Machine;
use super::network::{Network, within};
use super::register::Entry;

/// Where the kernel shows it.
pub const DMI: &str = "/sys/devices/virtual/dmi/id";
const VIRTUAL: &str = "/sys/devices/virtual";

/// The files of the firmware, by name.
#[derive(Debug, Clone, Default)]
pub struct Firmware(BTreeMap<String, String>);

impl Firmware {
    /// Firmware that says nothing, as in a container.
    pub fn none() -> Self {
        Self::default()
    }

    /// An EC2 instance of today.
    pub fn nitro(instance: &str) -> Self {
        Self::none()
            .says("sys_vendor", "Amazon EC2")
            .says("board_vendor", "Amazon EC2")
            .says("bios_vendor", "Amazon EC2")
            .says("chassis_asset_tag", "Amazon EC2")
            .says("board_asset_tag", instance)
            .says("product_name", "t3a.nano")
            .says("product_uuid", "ec2972df-81d1-c72e-9a1c-0af01c012345")
    }

    /// An EC2 instance of the older kind: it says that it is one, and not which.
    pub fn xen() -> Self {
        Self::none()
            .says("sys_vendor", "Xen")
            .says("bios_vendor", "Xen")
            .says("bios_version", "4.11.amazon")
            .says("product_name", "HVM domU")
            .says("product_uuid", "ec2972df-81d1-c72e-9a1c-0af01c012345")
    }

    /// Has this word in this file, such as `sys_vendor`.
    pub fn says(mut self, file: &str, word: &str) -> Self {
        self.0.insert(file.to_owned(), word.to_owned());
        self
    }

    /// Makes the machine's own sysfs with these words; what systemd-nspawn is to be told of it. The host's own firmware
    /// never shows through.
    pub(super) fn lay(&self, entry: &Entry, network: &Network) -> Option<String> {
        if self.0.is_empty() && !Path::new(DMI).exists() {
            return None;
        }
        let folder = folder(entry);
        let (ours, none, real, whole) =
            (folder.join("ours"), folder.join("none"), folder.join("real"), folder.join("virtual"));
        for folder in [&ours.join("dmi/id"), &none, &real, &whole] {
            fs::create_dir_all(folder).expect("a new disk can be written");
        }
        self.write(entry);
        // To an overlay, a device 0:0 says that below it nothing of this name is there.
        mknod(&none.join("dmi"), SFlag::S_IFCHR, Mode::empty(), 0).expect("a new disk can have devices");
        within(&network.inner(), || mount(Some("sysfs"), &real, Some("sysfs"), MsFlags::MS_RDONLY, None::<&str>))
            .expect("sysfs can be mounted");
        let layers = [&ours, &none, &real.join("devices/virtual")].map(|layer| layer.display().to_string()).join(":");
        mount(Some("overlay"), &whole, Some("overlay"), MsFlags::MS_RDONLY, Some(&*format!("lowerdir={layers}")))
            .expect("an overlay of sysfs can be mounted");
        Some(format!("--bind-ro={}:{VIRTUAL}", whole.display()))
    }

    /// Each file keeps its inode, so that the overlay sees the change.
    fn write(&self, entry: &Entry) {
        let id = folder(entry).join("ours/dmi/id");
        for (name, word) in &self.0 {
            fs::write(id.join(name), format!("{word}\n")).expect("a disk can be written");
        }
    }
}

impl Machine {
    /// Changes words of the firmware, as when a disk is taken to another instance. Only files that it had from the start.
    pub fn firmware_says(&self, firmware: &Firmware) {
        let id = folder(self.entry()).join("ours/dmi/id");
        let unknown = firmware.0.keys().find(|name| !id.join(name).exists());
        assert!(unknown.is_none(), "{} has no {DMI}/{}", self.name(), unknown.map_or("", String::as_str));
        firmware.write(self.entry());
    }
}

fn folder(entry: &Entry) -> PathBuf {
    entry.folder.join("disk/sys")
}
