//! Where each fact comes from. Facts that one source answers are gathered together.

use std::net::IpAddr;
use std::path::Path;

use super::{Fact, Os};
use crate::aws::{Platform, instance};
use crate::host::{Error, Look};

/// Facts of one source.
pub(super) struct Group {
    pub(super) names: &'static [&'static str],
    pub(super) gather: fn(&Look) -> Result<Found, Error>,
}

type Found = Vec<(&'static str, Fact)>;

pub(super) const GROUPS: &[Group] = &[
    Group { names: &["machine", "arch", "kernel"], gather: kernel },
    Group { names: &["cpus"], gather: |host| Ok(number("cpus", host.processors().map(|n| n as u64))) },
    Group { names: &["memory_mib"], gather: |host| Ok(number("memory_mib", host.memory().map(|bytes| bytes >> 20))) },
    Group { names: &["hostname", "fqdn"], gather: names },
    Group { names: &["machine_id"], gather: machine_id },
    Group { names: &["interface", "private_ip", "private_ipv6"], gather: addresses },
    Group { names: &["ipv6"], gather: ipv6 },
    Group { names: &["mounts"], gather: mounts },
    Group { names: &["is_ec2", "virtualization"], gather: platform },
];

pub(super) fn os(host: &Look) -> Result<Os, Error> {
    let read = |path: &str| host.read_text(Path::new(path));
    let text = match read("/etc/os-release")? {
        Some(text) => text,
        None => read("/usr/lib/os-release")?.unwrap_or_default(),
    };
    let value = |name: &str| {
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        value.unwrap_or_default().trim_matches(['"', '\'']).to_owned()
    };
    Ok(Os { id: value("ID"), version: value("VERSION_ID"), codename: value("VERSION_CODENAME") })
}

#[expect(clippy::unnecessary_wraps, reason = "all sources have one signature")]
fn kernel(host: &Look) -> Result<Found, Error> {
    let Some((machine, release)) = host.kernel() else { return Ok(Vec::new()) };
    let arch = match machine.as_str() {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    Ok(vec![("arch", text(arch)), ("machine", text(&machine)), ("kernel", text(&release))])
}

fn names(host: &Look) -> Result<Found, Error> {
    let name = host.kernel_hostname()?;
    if name.is_empty() {
        return Ok(Vec::new());
    }
    let hosts = host.read_text(Path::new("/etc/hosts"))?.unwrap_or_default();
    let fqdn = if name.contains('.') { None } else { full_name(&hosts, &name) };
    Ok(vec![("fqdn", text(fqdn.as_deref().unwrap_or(&name))), ("hostname", text(&name))])
}

/// The name that a line of `hosts(5)` with this name begins with.
fn full_name(hosts: &str, name: &str) -> Option<String> {
    hosts.lines().find_map(|line| {
        let mut words = line.split('#').next()?.split_whitespace().skip(1);
        let first = words.next()?;
        (first.contains('.') && words.any(|word| word == name)).then(|| first.to_owned())
    })
}

fn machine_id(host: &Look) -> Result<Found, Error> {
    let id = host.read_text(Path::new("/etc/machine-id"))?.unwrap_or_default();
    // "uninitialized" stands there in an image that was never booted.
    let is_id = id.trim().len() == 32 && id.trim().bytes().all(|b| b.is_ascii_hexdigit());
    Ok(if is_id { vec![("machine_id", text(id.trim()))] } else { Vec::new() })
}

fn addresses(host: &Look) -> Result<Found, Error> {
    let routes = host.read_text(Path::new("/proc/net/route"))?.unwrap_or_default();
    let routes6 = host.read_text(Path::new("/proc/net/ipv6_route"))?.unwrap_or_default();
    let (v4, v6) = (default_route(&routes), default_route6(&routes6));
    let all = host.addresses();
    let on = |interface: Option<&str>, fits: fn(&IpAddr) -> bool| {
        let mut there = all.iter().filter(|one| Some(one.interface.as_str()) == interface);
        there.find(|one| fits(&one.ip)).map(|one| text(&one.ip.to_string()))
    };
    let mut found: Found = v4.or(v6).map(|interface| ("interface", text(interface))).into_iter().collect();
    found.extend(on(v4, IpAddr::is_ipv4).map(|ip| ("private_ip", ip)));
    found.extend(on(v6, is_global6).map(|ip| ("private_ipv6", ip)));
    Ok(found)
}

/// The kernel keeps this table from the moment it knows the protocol, also while no interface has an address.
fn ipv6(host: &Look) -> Result<Found, Error> {
    Ok(vec![("ipv6", Fact::Bool(host.found(Path::new("/proc/self/net/if_inet6"))?.is_some()))])
}

fn is_global6(ip: &IpAddr) -> bool {
    matches!(ip, IpAddr::V6(v6) if !v6.is_unicast_link_local() && !v6.is_loopback())
}

/// The interface of the default route with the least metric in `/proc/net/route`.
fn default_route(table: &str) -> Option<&str> {
    let routes = table.lines().skip(1).filter_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let is_default = words.get(1) == Some(&"00000000") && words.get(7) == Some(&"00000000");
        is_default.then_some((words.get(6)?.parse::<u32>().ok()?, *words.first()?))
    });
    routes.min().map(|(_, interface)| interface)
}

/// The same for `/proc/net/ipv6_route`, where a host without a route has one to nowhere on `lo`.
fn default_route6(table: &str) -> Option<&str> {
    let routes = table.lines().filter_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let is_default = words.first()?.bytes().all(|b| b == b'0') && words.get(1) == Some(&"00");
        let interface = *words.get(9)?;
        let metric = u32::from_str_radix(words.get(5)?, 16).ok()?;
        (is_default && interface != "lo").then_some((metric, interface))
    });
    routes.min().map(|(_, interface)| interface)
}

fn mounts(host: &Look) -> Result<Found, Error> {
    let table = host.read_text(Path::new("/proc/self/mounts"))?.unwrap_or_default();
    let places = table.lines().filter_map(|line| {
        let mut words = line.split(' ');
        let (device, place) = (words.next()?, words.next()?);
        device.starts_with("/dev/").then(|| place.replace("\\040", " "))
    });
    let mut places: Vec<String> = places.collect();
    places.sort();
    places.dedup();
    Ok(vec![("mounts", Fact::List(places))])
}

fn platform(host: &Look) -> Result<Found, Error> {
    let is_ec2 = Platform::of(host)?.is_ec2();
    let container = host.read_text(Path::new("/run/systemd/container"))?.map(|kind| kind.trim().to_owned());
    let docker = host.found(Path::new("/.dockerenv"))?.map(|_| "docker".to_owned());
    let kind = match container.or(docker) {
        Some(container) => container,
        None if is_ec2 => "ec2".to_owned(),
        None => machine_kind(&instance::firmware(host, "sys_vendor")?).to_owned(),
    };
    Ok(vec![("is_ec2", Fact::Bool(is_ec2)), ("virtualization", text(&kind))])
}

/// The hypervisor by the name its firmware gives (systemd's `detect_vm_dmi`).
fn machine_kind(vendor: &str) -> &'static str {
    let known = [
        ("QEMU", "kvm"),
        ("innotek", "virtualbox"),
        ("Oracle", "virtualbox"),
        ("VMware", "vmware"),
        ("Xen", "xen"),
        ("Microsoft", "hyperv"),
        ("Google", "google"),
    ];
    known.iter().find(|(prefix, _)| vendor.starts_with(prefix)).map_or("none", |(_, kind)| kind)
}

fn text(text: &str) -> Fact {
    Fact::Text(text.to_owned())
}

fn number(name: &'static str, number: Option<u64>) -> Found {
    let number = number.and_then(|number| i64::try_from(number).ok());
    number.map(|number| (name, Fact::Number(number))).into_iter().collect()
}
