//! Facts of an instance whose metadata service is a server of TCP in this process.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::aws::imds::testing::{Reply, Server, status};
use crate::host::{Host, programs::Real};

const ID: &str = "i-0af01c0123456789a";
const EACH: Duration = Duration::from_millis(300);

struct Stage {
    _root: tempfile::TempDir,
    host: Host,
}

impl Stage {
    /// A directory that plays an instance; with `None` as its ID, one of the Xen kind.
    fn instance(id: Option<&str>) -> Self {
        let root = tempfile::tempdir().unwrap();
        let stage = Self { host: Host::at(root.path(), Box::new(Real)).unwrap(), _root: root };
        stage.write("/sys/devices/virtual/dmi/id/sys_vendor", "Amazon EC2\n");
        stage.write("/sys/devices/virtual/dmi/id/board_asset_tag", id.unwrap_or_default());
        stage.write("/proc/sys/kernel/random/boot_id", "boot-1\n");
        stage
    }

    fn write(&self, path: &str, text: &str) {
        let place = self.host.look().place(Path::new(path));
        std::fs::create_dir_all(place.parent().unwrap()).unwrap();
        std::fs::write(place, text).unwrap();
    }

    async fn learns(&self, names: &[&str], server: &Server) -> Learned {
        let wanted = names.iter().map(|name| (*name).to_owned()).collect();
        let open = async || Imds::at(server.endpoints(), Duration::from_secs(1)).await;
        let learned = learn(&self.host.look(), &wanted, open, EACH).await.unwrap();
        learned.keep(&self.host.touch()).unwrap();
        learned
    }
}

fn leaf(path: &str) -> Reply {
    match path {
        "dynamic/instance-identity/document" => {
            status(200, &format!(r#"{{"instanceId":"{ID}","region":"eu-central-1","instanceType":"t3a.nano"}}"#))
        }
        "meta-data/public-ipv4" => status(200, "192.0.2.10"),
        "meta-data/instance-life-cycle" => status(200, "spot"),
        _ => status(404, ""),
    }
}

fn text(learned: &Learned, name: &str) -> String {
    learned.known.get(name).cloned().unwrap_or_default()
}

#[tokio::test]
async fn only_what_is_read_is_asked_for_and_the_boot_is_asked_once() {
    let (stage, server) = (Stage::instance(Some(ID)), Server::with_tokens(|_, path| leaf(path)).await);
    let learned = stage.learns(&["instance_id", "hostname"], &server).await;
    assert_eq!(text(&learned, "instance_id"), ID);
    assert_eq!(server.asked(), [""; 0], "the firmware says it");

    let learned = stage.learns(&["region", "public_ip", "public_dns"], &server).await;
    assert_eq!((text(&learned, "region"), text(&learned, "public_ip")), ("eu-central-1".into(), "192.0.2.10".into()));
    assert!(!learned.known.contains_key("public_dns") && learned.unanswered.is_empty(), "absent is no failure");
    let asked = ["PUT api/token", "GET dynamic/instance-identity/document", "GET meta-data/public-hostname"];
    assert_eq!(server.asked(), [&asked[..], &["GET meta-data/public-ipv4"]].concat());

    let again = stage.learns(&["region", "public_ip", "instance_type"], &server).await;
    assert_eq!((text(&again, "region"), text(&again, "instance_type")), ("eu-central-1".into(), "t3a.nano".into()));
    assert_eq!(server.asked().len(), 4, "nobody was asked again");
}

#[tokio::test]
async fn every_fact_together_is_at_most_ten_requests_on_one_connection() {
    let (stage, server) = (Stage::instance(None), Server::with_tokens(|_, path| leaf(path)).await);
    let all: Vec<&str> = names().collect();
    let learned = stage.learns(&all, &server).await;
    assert_eq!(text(&learned, "instance_id"), ID);
    assert!(server.asked().len() <= 10, "{:?}", server.asked());
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn what_was_kept_is_of_this_boot_and_this_instance() {
    let (stage, server) = (Stage::instance(Some(ID)), Server::with_tokens(|_, path| leaf(path)).await);
    stage.learns(&["region"], &server).await;
    let asked = |times: usize| assert_eq!(server.asked().len(), times, "{:?}", server.asked());
    asked(2);

    stage.write("/proc/sys/kernel/random/boot_id", "boot-2\n");
    stage.learns(&["region"], &server).await;
    asked(4);
    stage.write("/run/hostagent/facts.json", "{\"boot\":");
    stage.learns(&["region"], &server).await;
    asked(6);

    // The disk woke up in another instance, which what is asked does not know yet.
    stage.write("/sys/devices/virtual/dmi/id/board_asset_tag", "i-0bbbbbbbbbbbbbbbb");
    let learned = stage.learns(&["region"], &server).await;
    asked(8);
    assert!(!learned.known.contains_key("region"));
    assert_eq!(learned.unanswered["region"].code, "imds-broken");
    assert!(
        learned.unanswered["region"].says.ends_with("it is of i-0af01c0123456789a, and this is i-0bbbbbbbbbbbbbbbb")
    );
    assert_eq!(learned.to_keep, None);
}

#[tokio::test]
async fn a_leaf_that_fails_fails_alone() {
    let server = Server::with_tokens(|_, path| match path {
        "meta-data/public-ipv4" => status(500, ""),
        "meta-data/instance-life-cycle" => status(200, "<html>"),
        path => leaf(path),
    })
    .await;
    let stage = Stage::instance(Some(ID));
    let learned = stage.learns(&["lifecycle", "public_ip", "region"], &server).await;
    assert_eq!(text(&learned, "region"), "eu-central-1");
    let failed: Vec<_> = learned.unanswered.iter().map(|(name, why)| (name.as_str(), why.code)).collect();
    assert_eq!(failed, [("lifecycle", "imds-broken"), ("public_ip", "imds-broken")]);
    assert!(learned.unanswered["lifecycle"].says.ends_with("it is no word of letters, digits, `.`, `:` and `-`"));
}

#[tokio::test]
async fn an_instance_that_nobody_can_name_stays_the_one_it_was() {
    let is_dead = Arc::new(AtomicBool::new(true));
    let dead = Arc::clone(&is_dead);
    let server = Server::playing(move |_, method, path| match (dead.load(Ordering::Relaxed), method) {
        (true, _) => Reply::Cut,
        (false, "PUT") => status(200, "t"),
        (false, _) => leaf(path),
    })
    .await;
    let stage = Stage::instance(None);
    let learned = stage.learns(&["instance_id"], &server).await;
    assert_eq!(learned.unanswered["instance_id"].code, "imds-broken");
    assert!(!learned.remember(&stage.host.touch()).unwrap(), "nobody is nobody new");

    is_dead.store(false, Ordering::Relaxed);
    let learned = stage.learns(&["instance_id"], &server).await;
    assert!(learned.remember(&stage.host.touch()).unwrap());
    assert_eq!(learned.instance, Some((InstanceId::parse(ID).unwrap(), Source::Metadata)));

    is_dead.store(true, Ordering::Relaxed);
    stage.write("/proc/sys/kernel/random/boot_id", "boot-2\n");
    let learned = stage.learns(&["instance_id", "region"], &server).await;
    assert_eq!(text(&learned, "instance_id"), ID);
    assert_eq!(learned.unanswered.keys().collect::<Vec<_>>(), ["region"]);
    assert!(!learned.remember(&stage.host.touch()).unwrap());
}

#[tokio::test]
async fn a_host_that_is_no_instance_has_no_facts_of_one() {
    let (stage, server) = (Stage::instance(None), Server::with_tokens(|_, path| leaf(path)).await);
    stage.write("/sys/devices/virtual/dmi/id/sys_vendor", "QEMU\n");
    let all: Vec<&str> = names().collect();
    let learned = stage.learns(&all, &server).await;
    assert_eq!(learned.known.keys().collect::<Vec<_>>(), ["instance_id"]);
    assert_eq!(text(&learned, "instance_id"), "not-on-ec2");
    assert!(learned.unanswered.is_empty() && server.asked().is_empty());
}

#[tokio::test]
async fn what_is_kept_is_roots_alone_and_holds_no_token() {
    use std::os::unix::fs::PermissionsExt as _;
    let (stage, server) = (Stage::instance(Some(ID)), Server::with_tokens(|_, path| leaf(path)).await);
    stage.learns(&["region"], &server).await;
    let place = stage.host.look().place(Path::new("/run/hostagent/facts.json"));
    assert_eq!(std::fs::metadata(&place).unwrap().permissions().mode() & 0o7777, 0o600);
    let text = std::fs::read_to_string(place).unwrap();
    assert!(text.contains("\"boot\": \"boot-1\"") && !text.contains("t1"), "{text}");
}
