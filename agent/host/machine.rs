//! The machine itself: processors, memory, kernel, network addresses. A directory that plays a host has none of them.

use std::net::IpAddr;
use std::path::Path;

use nix::ifaddrs::getifaddrs;
use nix::sys::statfs::{BTRFS_SUPER_MAGIC, statfs};
use sysinfo::{CpuRefreshKind, MemoryRefreshKind, RefreshKind, System};

use super::Look;

/// An address of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// The network interface that has it.
    pub interface: String,
    /// The address.
    pub ip: IpAddr,
}

impl Look {
    /// How many processors the system runs on.
    pub fn processors(&self) -> Option<usize> {
        let kinds = RefreshKind::nothing().with_cpu(CpuRefreshKind::nothing());
        let system = self.is_real().then(|| System::new_with_specifics(kinds))?;
        system.ok().map(|system| system.cpus().len()).filter(|&count| count > 0)
    }

    /// Bytes of memory.
    pub fn memory(&self) -> Option<u64> {
        let kinds = RefreshKind::nothing().with_memory(MemoryRefreshKind::nothing().with_ram());
        let system = self.is_real().then(|| System::new_with_specifics(kinds))?;
        system.ok().map(|system| system.total_memory()).filter(|&bytes| bytes > 0)
    }

    /// What the kernel calls the kind of processor, such as `x86_64`, and its own release, as uname(2) has them.
    pub fn kernel(&self) -> Option<(String, String)> {
        let name = self.is_real().then(nix::sys::utsname::uname)?.ok()?;
        Some((name.machine().to_str()?.to_owned(), name.release().to_str()?.to_owned()))
    }

    /// Names this boot of the machine and no other (random(4)).
    pub fn boot_id(&self) -> Option<String> {
        let text = self.read_text(Path::new("/proc/sys/kernel/random/boot_id")).ok()??;
        Some(text.trim().to_owned())
    }

    /// Every address of this machine, in the kernel's order.
    pub fn addresses(&self) -> Vec<Address> {
        if !self.is_real() {
            return Vec::new();
        }
        let all = getifaddrs().into_iter().flatten();
        all.filter_map(|one| {
            let address = one.address?;
            let v4 = address.as_sockaddr_in().map(|v4| IpAddr::from(v4.ip()));
            let ip = v4.or_else(|| address.as_sockaddr_in6().map(|v6| IpAddr::from(v6.ip())))?;
            Some(Address { interface: one.interface_name, ip })
        })
        .collect()
    }
}

/// The kind of file system at a place, where it matters to somebody.
pub(crate) fn file_system_at(place: &Path) -> Option<&'static str> {
    let kind = statfs(place).ok()?.filesystem_type();
    (kind == BTRFS_SUPER_MAGIC).then_some("btrfs")
}
