//! What the lab's metadata service promises, asked with the lines that AWS's own guide has.

use std::time::Duration;

use super::{Fault, INSTANCE, Metadata};
use crate::lab::firmware::Firmware;
use crate::lab::{Machine, Said, eventually};

/// A line of the guide; what it prints ends with the status.
fn curl(host: &Machine, line: &str) -> Said {
    host.sh(&format!("curl -s -m 3 -w '|%{{http_code}}' {}", line.replace("$IMDS", "http://169.254.169.254/latest")))
}

fn token(host: &Machine) -> String {
    let line = "-X PUT $IMDS/api/token -H 'X-aws-ec2-metadata-token-ttl-seconds: 60'";
    let said = curl(host, line).exits(0);
    said.text().strip_suffix("|200").unwrap_or_else(|| panic!("no token from\n{said}")).to_owned()
}

#[test]
fn metadata_is_asked_as_imdsv2_says() {
    let metadata = Metadata::new().user_data("format = 1\n").tag("hostagent:recipe", "web").role("AKIALAB", "s", "t");
    let host = Machine::debian(12).with_packages(["curl"]).with_metadata(metadata).boot();
    host.sh("cat /sys/devices/virtual/dmi/id/board_asset_tag").prints(INSTANCE);
    host.sh("cat /sys/class/net/eth0/operstate").prints("up");
    host.sh("test -e /sys/devices/virtual/tty/console/active").succeeds();

    for (line, status) in [
        ("$IMDS/meta-data/instance-id", 401),
        ("-H 'X-aws-ec2-metadata-token: made-up' $IMDS/meta-data/instance-id", 401),
        ("-X PUT $IMDS/api/token", 400),
        ("-X PUT $IMDS/api/token -H 'X-aws-ec2-metadata-token-ttl-seconds: 0'", 400),
        ("-X PUT $IMDS/api/token -H 'X-aws-ec2-metadata-token-ttl-seconds: 21601'", 400),
        ("-X PUT $IMDS/api/token -H 'X-Forwarded-For: 10.0.0.1' -H 'X-aws-ec2-metadata-token-ttl-seconds: 60'", 403),
        ("-X PUT http://169.254.169.254/2021-03-23/api/token -H 'X-aws-ec2-metadata-token-ttl-seconds: 60'", 403),
        ("-X POST $IMDS/meta-data/instance-id -d x", 405),
    ] {
        let said = curl(&host, line).exits(0);
        assert!(said.text().ends_with(&format!("|{status}")), "expected {status} from\n{said}");
    }

    let token = token(&host);
    let get = |path: &str| curl(&host, &format!("-H 'X-aws-ec2-metadata-token: {token}' $IMDS/{path}"));
    get("meta-data/instance-id").prints(&format!("{INSTANCE}|200"));
    get("meta-data/placement/").prints("availability-zone\navailability-zone-id\nregion|200");
    get("meta-data/tags/instance").prints("hostagent:recipe|200");
    get("meta-data/iam/security-credentials/").prints("lab|200");
    get("meta-data/spot/instance-action").says("|404");
    get("user-data").prints("format = 1\n|200");
    let document = get("dynamic/instance-identity/document").text().replace("|200", "");
    let document: serde_json::Value = serde_json::from_str(&document).unwrap();
    assert_eq!((&document["instanceId"], &document["region"]), (&INSTANCE.into(), &"eu-central-1".into()));
    curl(&host, &format!("-I -H 'X-aws-ec2-metadata-token: {token}' $IMDS/user-data")).says("|200").says_not("format");

    let last = host.metadata().requests().pop().unwrap();
    assert_eq!((last.method.as_str(), last.path.as_str(), last.status), ("HEAD", "user-data", Some(200)));
    assert_eq!(host.metadata().connections(), host.metadata().requests().len(), "curl connects every time");
    assert_eq!(host.metadata().tokens(), [token.clone()].into());
    host.metadata().forget_tokens();
    get("meta-data/instance-id").says("|401");
}

#[test]
fn metadata_fails_as_it_is_told() {
    let host = Machine::debian(13).with_packages(["curl"]).with_metadata(Metadata::new()).boot();
    let (metadata, token) = (host.metadata(), token(&host));
    let get = || curl(&host, &format!("-i -H 'X-aws-ec2-metadata-token: {token}' $IMDS/meta-data/mac"));
    let fault = |fault| metadata.fault("meta-data/mac", fault);

    fault(Fault::status(503).retry_after(2).times(2));
    fault(Fault::body("<html>").times(1));
    for _ in 0..2 {
        get().says("|503").says("Retry-After: 2");
    }
    get().says("<html>|200");
    get().says("06:4f:0a:00:00:0a|200");

    fault(Fault::silence().times(1));
    assert!(get().exits(28).took >= Duration::from_secs(3));
    fault(Fault::cut().times(1));
    get().exits(52);
    fault(Fault::cut_short().times(1));
    get().exits(18);
    fault(Fault::garbage().times(1));
    get().exits(1);
    fault(Fault::slow(Duration::from_millis(500)).times(1));
    assert!(get().says("|200").took >= Duration::from_millis(500));
    fault(Fault::forgotten_tokens());
    get().says("|401");

    metadata.disable();
    get().says("|403");
    metadata.stop();
    get().exits(7);
    metadata.start();
    metadata.mend();
    metadata.forget();
    get().says("|401");
    assert_eq!((metadata.requests().len(), metadata.connections()), (1, 1));
    metadata.is_firewalled();
    get().exits(28);
}

#[test]
fn metadata_and_firmware_outlive_a_reboot_and_leave_nothing() {
    let host = Machine::debian(12).with_packages(["curl"]).with_metadata(Metadata::new().over_ipv6()).boot();
    host.sh("curl -s -o /dev/null -w '%{http_code}' 'http://[fd00:ec2::254]/latest/'").prints("401");
    host.metadata().become_instance("i-0bbbbbbbbbbbbbbbb");
    host.firmware_says(&Firmware::nitro("i-0bbbbbbbbbbbbbbbb"));
    host.reboot();
    host.sh("cat /sys/devices/virtual/dmi/id/board_asset_tag").prints("i-0bbbbbbbbbbbbbbbb");
    let token = token(&host);
    curl(&host, &format!("-H 'X-aws-ec2-metadata-token: {token}' $IMDS/meta-data/instance-id"))
        .prints("i-0bbbbbbbbbbbbbbbb|200");

    let name = host.name().to_owned();
    drop(host);
    eventually("nothing bears its name", || crate::lab::promises::traces(&name).is_empty());
}
