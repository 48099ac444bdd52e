//! Facts of hosts whose files were written for the test.

use super::*;
use crate::host::Host;
use crate::host::programs::Real;

fn host(files: &[(&str, &str)]) -> (tempfile::TempDir, Look) {
    let root = tempfile::tempdir().unwrap();
    for (path, content) in files {
        let place = root.path().join(path.trim_start_matches('/'));
        std::fs::create_dir_all(place.parent().unwrap()).unwrap();
        std::fs::write(place, content).unwrap();
    }
    let look = Host::at(root.path(), Box::new(Real)).unwrap().look();
    (root, look)
}

fn all(files: &[(&str, &str)]) -> Facts {
    let (_root, look) = host(files);
    gathered(&look, Facts::names())
}

/// A directory that plays a host has no metadata service, so nothing waits.
fn gathered(look: &Look, names: impl Iterator<Item = &'static str>) -> Facts {
    let wanted = names.map(str::to_owned).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(Facts::gather(look, &wanted, Patience::default())).unwrap().0
}

fn text(facts: &Facts, name: &str) -> Option<String> {
    facts.value(name).map(|fact| fact.to_string())
}

#[test]
fn every_fact_has_a_source_and_every_source_a_fact() {
    let sources = local::GROUPS.iter().flat_map(|group| group.names).copied().chain(ec2::names());
    let sources = sources.chain(["os_id", "os_version", "os_codename"]);
    let mut sources: Vec<&str> = sources.collect();
    sources.sort_unstable();
    assert_eq!(sources, Facts::names().collect::<Vec<_>>());
}

#[test]
fn the_operating_system_is_always_known() {
    let os =
        "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nVERSION_ID=\"12\"\nVERSION_CODENAME=bookworm\nID=debian\n";
    let (_root, look) = host(&[("/etc/os-release", os)]);
    let facts = gathered(&look, std::iter::empty());
    assert_eq!(
        (facts.os.id.as_str(), facts.os.version.as_str(), facts.os.codename.as_str()),
        ("debian", "12", "bookworm")
    );
    assert_eq!(facts.known.keys().collect::<Vec<_>>(), ["ipv6"], "nothing else was asked for");
}

#[test]
fn an_ec2_instance_is_known_by_its_firmware() {
    let dmi = "/sys/devices/virtual/dmi/id";
    let facts = all(&[
        (&format!("{dmi}/sys_vendor"), "Amazon EC2\n"),
        (&format!("{dmi}/board_asset_tag"), "i-0123456789abcdef0\n"),
    ]);
    assert_eq!(facts.value("is_ec2"), Some(Fact::Bool(true)));
    assert_eq!(text(&facts, "instance_id").unwrap(), "i-0123456789abcdef0");
    assert_eq!(text(&facts, "virtualization").unwrap(), "ec2");

    let facts = all(&[(&format!("{dmi}/sys_vendor"), "QEMU\n")]);
    assert_eq!(text(&facts, "instance_id").unwrap(), "not-on-ec2");
    assert_eq!(text(&facts, "virtualization").unwrap(), "kvm");
}

#[test]
fn a_name_has_its_domain_from_the_hosts_file() {
    let hosts = "127.0.0.1 localhost\n127.0.1.1 web.example.org web # here\n";
    let facts = all(&[("/etc/hosts", hosts), ("/proc/sys/kernel/hostname", "web\n")]);
    assert_eq!(
        (text(&facts, "hostname").unwrap(), text(&facts, "fqdn").unwrap()),
        ("web".into(), "web.example.org".into())
    );
}

#[test]
fn the_interface_is_that_of_the_best_default_route() {
    let head = "Iface Destination Gateway Flags RefCnt Use Metric Mask MTU Window IRTT\n";
    let table = format!(
        "{head}ens6 00000000 0101000A 0003 0 0 200 00000000 0 0 0\nens5 00000000 0101000A 0003 0 0 100 00000000 0 0 0\n"
    );
    assert_eq!(text(&all(&[("/proc/net/route", &table)]), "interface").unwrap(), "ens5");
    assert_eq!(text(&all(&[("/proc/net/route", head)]), "interface"), None);
    let none = "0".repeat(32);
    let nowhere = format!("{none} 00 {none} 00 {none} ffffffff 00000001 00000000 00200200       lo\n");
    let route = format!("{none} 00 {none} 00 {none} 00000400 00000001 00000000 00450003     ens5\n");
    assert_eq!(text(&all(&[("/proc/net/ipv6_route", &nowhere)]), "interface"), None);
    assert_eq!(text(&all(&[("/proc/net/ipv6_route", &(nowhere + &route))]), "interface").unwrap(), "ens5");
}

#[test]
fn a_host_has_ipv6_when_its_kernel_keeps_a_table_of_addresses() {
    assert!(!all(&[]).has_ipv6());
    assert!(all(&[("/proc/self/net/if_inet6", "")]).has_ipv6());
    assert!(Facts::default().has_ipv6(), "what nobody looked up is as usual");
}

#[test]
fn only_disks_are_mounts() {
    let table = "proc /proc proc rw 0 0\n/dev/nvme0n1p1 / ext4 rw 0 0\n/dev/nvme1n1 /srv/my\\040data xfs rw 0 0\n";
    let facts = all(&[("/proc/self/mounts", table)]);
    assert_eq!(facts.value("mounts"), Some(Fact::List(vec!["/".into(), "/srv/my data".into()])));
}

#[test]
fn this_machine_has_processors_memory_and_a_kernel() {
    let facts = gathered(&Host::here().unwrap().look(), ["cpus", "memory_mib", "kernel"].into_iter());
    assert!(matches!(facts.value("cpus"), Some(Fact::Number(1..))));
    assert!(matches!(facts.value("memory_mib"), Some(Fact::Number(64..))));
    assert!(text(&facts, "kernel").is_some_and(|release| release.contains('.')));
}

#[test]
fn facts_can_be_written_down() {
    let facts = Facts::from_toml("os_version = \"13\"\ncpus = 2\nis_ec2 = true\nmounts = [\"/\"]").unwrap();
    assert_eq!(facts.os.version, "13");
    assert_eq!(facts.value("cpus"), Some(Fact::Number(2)));
    assert_eq!(Facts::from_toml("cpu = 2"), Err("unknown fact `cpu`".to_owned()));
}

#[test]
fn an_example_has_a_value_for_every_fact() {
    let example = Facts::example();
    assert_eq!(Facts::names().find(|name| example.value(name).is_none()), None);
}
