//! The paths of an instance below `/latest/`, and what they hold.
//!
//! <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/ec2-instance-metadata.html>

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::ROLE;

type Leaves = BTreeMap<String, Vec<u8>>;

const MAC: &str = "06:4f:0a:00:00:0a";

/// A small instance with a public address, as `describe-instances` would have it.
pub(super) fn of(id: &str) -> Leaves {
    let mac = format!("network/interfaces/macs/{MAC}");
    let mut leaves = BTreeMap::new();
    for (path, value) in [
        ("ami-launch-index", "0"),
        ("ami-manifest-path", "(unknown)"),
        ("block-device-mapping/ami", "/dev/xvda"),
        ("block-device-mapping/root", "/dev/xvda"),
        ("events/maintenance/history", "[]"),
        ("events/maintenance/scheduled", "[]"),
        ("hostname", "ip-10-0-0-10.eu-central-1.compute.internal"),
        ("instance-action", "none"),
        ("instance-life-cycle", "on-demand"),
        ("instance-type", "t3a.nano"),
        ("local-hostname", "ip-10-0-0-10.eu-central-1.compute.internal"),
        ("local-ipv4", "10.0.0.10"),
        ("mac", MAC),
        ("placement/availability-zone", "eu-central-1a"),
        ("placement/availability-zone-id", "euc1-az2"),
        ("placement/region", "eu-central-1"),
        ("profile", "default-hvm"),
        ("public-hostname", "ec2-192-0-2-10.eu-central-1.compute.amazonaws.com"),
        ("public-ipv4", "192.0.2.10"),
        ("public-keys/0/openssh-key", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGx5 lab"),
        ("reservation-id", "r-0d5a1f0123456789a"),
        ("security-groups", "web"),
        ("services/domain", "amazonaws.com"),
        ("services/partition", "aws"),
    ] {
        leaves.insert(format!("meta-data/{path}"), value.as_bytes().to_vec());
    }
    for (path, value) in [
        ("device-number", "0"),
        ("interface-id", "eni-0a1b2c3d4e5f60718"),
        ("local-hostname", "ip-10-0-0-10.eu-central-1.compute.internal"),
        ("local-ipv4s", "10.0.0.10"),
        ("mac", MAC),
        ("owner-id", "123456789012"),
        ("public-ipv4s", "192.0.2.10"),
        ("security-group-ids", "sg-0123456789abcdef0"),
        ("security-groups", "web"),
        ("subnet-id", "subnet-0123456789abcdef0"),
        ("subnet-ipv4-cidr-block", "10.0.0.0/16"),
        ("vpc-id", "vpc-0123456789abcdef0"),
        ("vpc-ipv4-cidr-block", "10.0.0.0/16"),
        ("vpc-ipv4-cidr-blocks", "10.0.0.0/16"),
    ] {
        leaves.insert(format!("meta-data/{mac}/{path}"), value.as_bytes().to_vec());
    }
    leaves.insert("dynamic/fws/instance-monitoring".to_owned(), b"disabled".to_vec());
    leaves.extend(identity(id));
    leaves
}

/// What says which instance it is.
pub(super) fn identity(id: &str) -> Leaves {
    const IMAGE: &str = "ami-0c55b159cbfafe1f0";
    let document = json!({
        "accountId": "123456789012",
        "architecture": "x86_64",
        "availabilityZone": "eu-central-1a",
        "billingProducts": null,
        "devpayProductCodes": null,
        "imageId": IMAGE,
        "instanceId": id,
        "instanceType": "t3a.nano",
        "kernelId": null,
        "marketplaceProductCodes": null,
        "pendingTime": "2026-01-02T03:04:05Z",
        "privateIp": "10.0.0.10",
        "ramdiskId": null,
        "region": "eu-central-1",
        "version": "2017-09-30",
    });
    let leaves = [
        ("dynamic/instance-identity/document", format!("{document:#}")),
        ("meta-data/ami-id", IMAGE.to_owned()),
        ("meta-data/instance-id", id.to_owned()),
    ];
    leaves.into_iter().map(|(path, text)| (path.to_owned(), text.into_bytes())).collect()
}

/// What an instance with a role has.
pub(super) fn role(key: &str, secret: &str, token: &str) -> Leaves {
    let time =
        |hours| (Timestamp::now() + SignedDuration::from_hours(hours)).strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let info = json!({
        "Code": "Success",
        "LastUpdated": time(0),
        "InstanceProfileArn": format!("arn:aws:iam::123456789012:instance-profile/{ROLE}"),
        "InstanceProfileId": "AIPAEXAMPLE0123456789",
    });
    let credentials = json!({
        "Code": "Success",
        "LastUpdated": time(0),
        "Type": "AWS-HMAC",
        "AccessKeyId": key,
        "SecretAccessKey": secret,
        "Token": token,
        "Expiration": time(6),
    });
    let leaves =
        [("meta-data/iam/info".to_owned(), info), (format!("meta-data/iam/security-credentials/{ROLE}"), credentials)];
    leaves.into_iter().map(|(path, json)| (path, format!("{json:#}").into_bytes())).collect()
}

/// What a path holds: a leaf's bytes, or the names below a folder, whose folders end in `/`.
pub(super) fn held(leaves: &Leaves, path: &str) -> Option<Vec<u8>> {
    if let Some(bytes) = leaves.get(path) {
        return Some(bytes.clone());
    }
    let folder = format!("{}/", path.trim_end_matches('/'));
    let below = leaves.keys().filter_map(|leaf| leaf.strip_prefix(&folder));
    let mut names: Vec<String> = below
        .map(|rest| rest.split_once('/').map_or_else(|| rest.to_owned(), |(name, _)| format!("{name}/")))
        .collect();
    names.dedup();
    (!names.is_empty()).then(|| names.join("\n").into_bytes())
}
