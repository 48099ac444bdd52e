//! A machine: a Debian of its own that lives as long as this value.

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, Once, OnceLock, PoisonError};
use std::thread;

use super::acme::{self, Acme};
use super::base::Base;
use super::boot::Power;
use super::firmware::Firmware;
use super::metadata::{Metadata, Service};
use super::network::Network;
use super::register::{self, Entry, Slot};
use super::release::Release;
use super::{disk, layer, tool};

/// A booted Debian; unmade when dropped, also by a panic.
#[derive(Debug)]
pub struct Machine {
    entry: Entry,
    base: Base,
    network: Network,
    /// What systemd-nspawn is told beside the usual.
    arguments: Vec<String>,
    disks: Vec<PathBuf>,
    pub(super) metadata: Option<Service>,
    pub(super) acme: Option<acme::Service>,
    power: Mutex<Option<Power>>,
    pub(super) conversation: Mutex<Vec<String>>,
    pub(super) agent: OnceLock<()>,
    pub(super) clock: OnceLock<()>,
    slot: Option<Slot>,
}

/// What a machine shall be before it boots.
#[derive(Debug)]
pub struct Blueprint {
    release: Release,
    name: Option<String>,
    packages: Vec<String>,
    disks: Vec<String>,
    arguments: Vec<String>,
    firmware: Firmware,
    pub(super) metadata: Option<Metadata>,
    pub(super) acme: Option<Acme>,
    /// The network of the machine that it is beside, and whether that has a CA.
    beside: Option<(Network, bool)>,
}

impl Blueprint {
    /// Has these packages installed already, their services stopped and disabled. Cached.
    pub fn with_packages<S: Into<String>>(mut self, packages: impl IntoIterator<Item = S>) -> Self {
        self.packages.extend(packages.into_iter().map(Into::into));
        self
    }

    /// Has one more empty block device of this size, such as `300M`; see [`Machine::disks`].
    pub fn disk(mut self, size: &str) -> Self {
        self.disks.push(size.to_owned());
        self
    }

    /// Has this name instead of one that tells whose it is.
    pub fn named(mut self, name: &str) -> Self {
        self.name = Some(name.to_owned());
        self
    }

    /// Has firmware that says this.
    pub fn with_firmware(mut self, firmware: Firmware) -> Self {
        self.firmware = firmware;
        self
    }

    /// Has the same outside as another machine, which must live longer: its cloud, its CA, its name server.
    pub fn beside(mut self, other: &Machine) -> Self {
        self.beside = Some((other.network.clone(), other.acme.is_some()));
        self
    }

    /// Tells systemd-nspawn something more, such as `--capability=all`.
    pub fn argument(mut self, argument: &str) -> Self {
        self.arguments.push(argument.to_owned());
        self
    }

    /// Makes the machine and turns it on. Waits while too many exist.
    pub fn boot(self) -> Machine {
        let slot = self.name.is_none().then(register::slot);
        self.boot_in(slot)
    }

    /// For a machine that another one waits for, and so must not wait for a slot itself.
    pub(super) fn boot_in(self, slot: Option<Slot>) -> Machine {
        static SWEPT: Once = Once::new();
        let base = Base::of(self.release);
        SWEPT.call_once(|| {
            register::sweep();
        });
        let mut lower = base.root().display().to_string();
        if !self.packages.is_empty() {
            lower = format!("{}:{lower}", layer::of(&base, self.release, &self.packages).display());
        }

        // From here on, whatever ends this test or this process also unmakes what was made.
        let mut machine = Machine::from_entry(Entry::new(self.name.as_deref()), base);
        machine.slot = slot;
        machine.entry.note("release", &self.release.number().to_string());
        disk::lay(&machine.entry, &lower);
        if let Some((other, has_acme)) = self.beside {
            machine.network = Network::beside(machine.name(), &other);
            if has_acme {
                Acme::lay(&machine.entry);
            }
        }
        machine.network.make(&machine.entry);
        machine.metadata = self.metadata.map(|metadata| Service::start_for(&metadata, &machine.network));
        if let Some(acme) = self.acme {
            Acme::lay(&machine.entry);
            let service = acme::Service::start_for(&acme, &machine.network, &machine.entry.folder);
            if acme.is_lets_encrypt() {
                service.is_trusted_on(&machine.entry);
            }
            machine.acme = Some(service);
        }
        machine.arguments = self.arguments;
        machine.arguments.extend(self.firmware.lay(&machine.entry, &machine.network));
        machine.arguments.push(format!("--bind-ro={}:/srv/repo", machine.base.pool().display()));
        for (number, size) in self.disks.iter().enumerate() {
            let device = machine.make_disk(number, size);
            machine.arguments.push(format!("--bind={}", device.display()));
            machine.disks.push(device);
        }
        machine.entry.note("arguments", &machine.arguments.join("\n"));
        machine.power_on();
        machine
    }
}

impl Machine {
    /// A bare Debian: what every Debian has, systemd, and no more.
    pub fn debian(number: u8) -> Blueprint {
        Blueprint {
            release: Release::numbered(number),
            name: None,
            packages: Vec::new(),
            disks: Vec::new(),
            arguments: Vec::new(),
            firmware: Firmware::none(),
            metadata: None,
            acme: None,
            beside: None,
        }
    }

    /// A machine that another process keeps. Dropping it does nothing.
    pub fn existing(name: &str) -> Self {
        let entry = Entry::existing(name);
        let release = entry.noted("release").and_then(|text| text.parse().ok());
        let base = Base::at(Release::numbered(release.unwrap_or(12)));
        let power = Power::of(&entry);
        let mut machine = Self::from_entry(entry, base);
        let arguments = machine.entry.noted("arguments").unwrap_or_default();
        machine.arguments = arguments.lines().map(str::to_owned).collect();
        machine.power = Mutex::new(power);
        machine
    }

    fn from_entry(entry: Entry, base: Base) -> Self {
        Self {
            network: Network::of(&entry.name),
            entry,
            base,
            arguments: Vec::new(),
            disks: Vec::new(),
            metadata: None,
            acme: None,
            power: Mutex::new(None),
            conversation: Mutex::new(Vec::new()),
            agent: OnceLock::new(),
            clock: OnceLock::new(),
            slot: None,
        }
    }

    /// Its name and host name.
    pub fn name(&self) -> &str {
        &self.entry.name
    }

    /// What it was made from.
    pub fn base(&self) -> &Base {
        &self.base
    }

    /// Its network and the outside.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// Its extra block devices, such as `/dev/loop0`, in the order they were asked for.
    pub fn disks(&self) -> &[PathBuf] {
        &self.disks
    }

    /// Process 1 of the machine, by its number on the host. The machine must be on.
    pub fn leader(&self) -> u32 {
        let power = self.power();
        power.as_ref().unwrap_or_else(|| panic!("{} is off", self.name())).leader
    }

    /// The machine's root as the host sees it; with `/run` and `/proc` while it is on.
    pub fn root(&self) -> PathBuf {
        match &*self.power() {
            Some(power) => PathBuf::from(format!("/proc/{}/root", power.leader)),
            None => self.entry.folder.join("disk/merged"),
        }
    }

    /// Turns it on, and waits until it is up.
    pub fn power_on(&self) {
        let mut power = self.power();
        assert!(power.is_none(), "{} is on already", self.name());
        let root = self.entry.folder.join("disk/merged");
        *power = Some(Power::on(&self.entry, &root, &self.network.inner(), &self.arguments));
    }

    /// Shuts it down in good order.
    pub fn power_off(&self) {
        self.sh("systemctl poweroff");
        self.wait_off();
    }

    /// Restarts it in good order, and waits until it is up again.
    pub fn reboot(&self) {
        self.sh("systemctl reboot");
        self.wait_off();
        self.power_on();
    }

    /// Cuts the power: nothing inside is told. Turn it on again with [`Machine::power_on`].
    pub fn kill_power(&self) {
        if let Some(mut power) = self.power().take() {
            power.cut(&self.entry);
        }
    }

    /// Waits until it has gone down by itself, such as after a reboot that the agent asked for.
    pub fn wait_off(&self) {
        if let Some(mut power) = self.power().take() {
            power.wait_off();
        }
    }

    /// Lets it live on after this process, until `cargo lab down`.
    pub fn keep(mut self) {
        self.entry.keep();
    }

    pub(super) fn power(&self) -> MutexGuard<'_, Option<Power>> {
        self.power.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn entry(&self) -> &Entry {
        &self.entry
    }

    fn make_disk(&self, number: usize, size: &str) -> PathBuf {
        let file = self.entry.folder.join("disk/disks").join(number.to_string());
        tool::run("truncate", &["-s".as_ref(), size.as_ref(), file.as_os_str()]);
        let device = tool::run("losetup", &["--find".as_ref(), "--show".as_ref(), file.as_os_str()]);
        PathBuf::from(device.trim())
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        if !self.entry.is_ours() {
            return;
        }
        if thread::panicking() {
            self.tell_what_was_said();
            if std::env::var_os("HOSTAGENT_LAB_KEEP").is_some() {
                eprintln!("lab: {0} is kept: cargo lab sh {0}; cargo lab down {0}", self.name());
                self.entry.keep();
                return;
            }
        }
        // Its sockets would keep the network.
        drop(self.metadata.take());
        drop(self.acme.take());
        self.entry.undo();
        if let Some(mut power) = self.power().take() {
            power.reap();
        }
    }
}
