//! What EC2 says of an instance is asked by IMDSv2 alone, once a boot, and whatever the metadata service does: the answer
//! or the reason comes in the time that was given, nothing on the host is touched without it, and no token is left behind.

use std::time::Duration;

use crate::lab::firmware::Firmware;
use crate::lab::metadata::{Fault, INSTANCE, Metadata};
use crate::lab::{Machine, Said};

const RECIPE: &str = r#"
format = 1
[[file]]
path = "/etc/motd"
content = "{{ facts.instance_id }} {{ facts.region }} {{ facts.public_ip }}\n"
"#;
const MOTD: &str = "i-0af01c0123456789a eu-central-1 192.0.2.10\n";

const TOKEN: &str = "api/token";
const DOCUMENT: &str = "dynamic/instance-identity/document";
const PUBLIC_IP: &str = "meta-data/public-ipv4";

fn instance(debian: u8) -> Machine {
    let host =
        Machine::debian(debian).with_metadata(Metadata::new().role("AKIALAB", "lab-secret", "lab-session")).boot();
    host.recipe(RECIPE);
    host.has_agent();
    host
}

/// The metadata service is well again, and nothing is known of it.
fn anew(host: &Machine) {
    host.metadata().mend();
    host.metadata().forget();
    host.sh("rm -f /run/hostagent/facts.json /etc/motd").succeeds();
}

fn took(said: &Said, from: f32, to: f32) {
    let bounds = Duration::from_secs_f32(from)..Duration::from_secs_f32(to);
    assert!(bounds.contains(&said.took), "expected between {from} and {to} s from\n{said}");
}

/// What was asked, such as `PUT api/token`, with the status of the answer; on one connection.
fn asked(host: &Machine) -> Vec<String> {
    let requests = host.metadata().requests();
    assert!(requests.len() <= 10, "{requests:#?}");
    assert_eq!(host.metadata().connections(), 1, "{requests:#?}");
    let status = |status: Option<u16>| status.map_or_else(|| "nothing".to_owned(), |status| status.to_string());
    requests.iter().map(|one| format!("{} {}: {}", one.method, one.path, status(one.status))).collect()
}

#[test]
fn debian_12_reads_its_facts_once_a_boot() {
    once_a_boot(12);
}

#[test]
fn debian_13_reads_its_facts_once_a_boot() {
    once_a_boot(13);
}

fn once_a_boot(debian: u8) {
    let host = instance(debian);
    host.agent("facts instance_id").exits(0).prints(INSTANCE);
    assert_eq!(host.metadata().connections(), 0, "the firmware says it");

    let proxied = "http_proxy=http://192.0.2.1:3128 HTTP_PROXY=http://192.0.2.1:3128 hostagent";
    took(&host.sh(&format!("{proxied} converge")).exits(0), 0.0, 2.0);
    assert_eq!(host.read("/etc/motd"), MOTD);
    let needed = [format!("PUT {TOKEN}: 200"), format!("GET {DOCUMENT}: 200"), format!("GET {PUBLIC_IP}: 200")];
    assert_eq!(asked(&host), needed);

    host.agent("plan").exits(0);
    host.agent("facts region").exits(0).prints("eu-central-1");
    assert_eq!(asked(&host).len(), 3, "known for this boot");
    host.sh("stat -c '%a %U' /run/hostagent/facts.json /var/lib/hostagent/instance.json").prints("600 root\n600 root");
    let remembered = host.read("/var/lib/hostagent/instance.json");
    assert!(remembered.contains(INSTANCE) && remembered.contains("\"source\": \"firmware\""), "{remembered}");

    let facts = host.agent("facts --json").exits(0).json();
    for (name, value) in [
        ("account_id", "123456789012"),
        ("ami_id", "ami-0c55b159cbfafe1f0"),
        ("availability_zone", "eu-central-1a"),
        ("availability_zone_id", "euc1-az2"),
        ("instance_type", "t3a.nano"),
        ("lifecycle", "on-demand"),
        ("partition", "aws"),
        ("private_dns", "ip-10-0-0-10.eu-central-1.compute.internal"),
        ("public_dns", "ec2-192-0-2-10.eu-central-1.compute.amazonaws.com"),
        ("public_ip", "192.0.2.10"),
        ("region", "eu-central-1"),
    ] {
        assert_eq!(facts[name], value, "{name}");
    }
    host.sh("rm /run/hostagent/facts.json").succeeds();
    host.metadata().forget();
    host.agent("facts").exits(0);
    assert_eq!(asked(&host).len(), 8, "everything there is to know");

    host.metadata().forget();
    host.reboot();
    host.agent("converge").exits(0).says("converged: 1 as it was");
    assert_eq!(asked(&host), needed);
    leaves_no_token(&host);
}

/// The fault table, row by row.
#[test]
fn faults_that_pass_are_waited_for() {
    let host = instance(12);
    let metadata = host.metadata();
    let converges = |from: f32, to: f32| {
        took(&host.agent("converge -vv").exits(0), from, to);
        assert_eq!(host.read("/etc/motd"), MOTD);
        asked(&host).len()
    };

    anew(&host);
    metadata.fault(TOKEN, Fault::status(503).retry_after(2).times(3));
    assert_eq!(converges(6.0, 9.0), 6);

    anew(&host);
    metadata.fault(PUBLIC_IP, Fault::forgotten_tokens());
    converges(0.0, 1.0);
    assert_eq!(
        asked(&host)[2..],
        [format!("GET {PUBLIC_IP}: 401"), format!("PUT {TOKEN}: 200"), format!("GET {PUBLIC_IP}: 200")]
    );

    anew(&host);
    metadata.fault(DOCUMENT, Fault::status(503).times(2));
    assert_eq!(converges(0.1, 2.0), 5);

    anew(&host);
    metadata.fault(DOCUMENT, Fault::silence().times(1));
    took(&host.agent("converge").exits(0), 2.0, 4.0);
    assert_eq!(metadata.connections(), 2, "whoever was silent is left");

    anew(&host);
    metadata.stop();
    let mut converge = host.start_agent("converge");
    std::thread::sleep(Duration::from_secs(3));
    assert!(converge.is_running());
    metadata.start();
    took(&converge.wait().exits(0), 3.0, 9.0);

    assert!(metadata.requests().iter().all(|one| !one.path.contains("security-credentials")));
    leaves_no_token(&host);
}

#[test]
fn faults_that_stay_are_told_and_touch_nothing() {
    let host = instance(13);
    let metadata = host.metadata();
    anew(&host);
    let etc = host.digest("/etc");
    let refuses = |options: &str, words: &str| {
        let said = host.agent(&format!("converge {options}")).exits(5).says(words).says("hint: ");
        etc.is_still(&host.digest("/etc"));
        said
    };

    metadata.disable();
    took(&refuses("", "the metadata service of this instance is disabled").says("--http-endpoint enabled"), 0.0, 1.0);
    assert_eq!(asked(&host), [format!("PUT {TOKEN}: 403")]);

    anew(&host);
    metadata.fault(TOKEN, Fault::silence());
    let said = refuses("--metadata-timeout 7", "`PUT /latest/api/token` within 7 s");
    took(&said.says("--http-put-response-hop-limit 2").says("waiting up to 7 s"), 5.0, 8.0);

    anew(&host);
    metadata.fault(DOCUMENT, Fault::body("<html>"));
    took(&refuses("", "no usable answer to `GET /latest/dynamic/instance-identity/document`"), 0.0, 1.0);

    anew(&host);
    metadata.fault(PUBLIC_IP, Fault::endless());
    took(&refuses("", "it has more than 64 KiB"), 0.0, 1.0);

    anew(&host);
    metadata.fault(PUBLIC_IP, Fault::status(302));
    took(&refuses("", "a redirect, which is not followed"), 0.0, 1.0);

    anew(&host);
    metadata.stop();
    took(&refuses("--metadata-timeout 3", "169.254.169.254:80: connection refused"), 1.0, 4.0);
    metadata.start();
    leaves_no_token(&host);
}

#[test]
fn one_leaf_that_fails_fails_alone() {
    let host = instance(12);
    let metadata = host.metadata();

    anew(&host);
    metadata.remove(PUBLIC_IP);
    let facts = host.agent("facts --json").exits(0);
    took(&facts, 0.0, 1.0);
    assert_eq!((&facts.json()["public_ip"], &facts.json()["region"]), (&().into(), &"eu-central-1".into()));
    host.agent("facts public_ip").exits(1).says("the fact `public_ip` is not known on this host");
    host.agent("converge").exits(2).says("the fact `public_ip` is not known on this host");
    assert!(!host.exists("/etc/motd"));

    anew(&host);
    metadata.set(PUBLIC_IP, "192.0.2.10");
    metadata.fault(PUBLIC_IP, Fault::status(500));
    let facts = host.agent("facts --json").exits(5).says("the fact `public_ip` is not known");
    took(&facts, 3.5, 6.0);
    assert_eq!((&facts.json()["public_ip"], &facts.json()["partition"]), (&().into(), &"aws".into()));
    assert_eq!(metadata.connections(), 1);
    took(&host.agent("facts region").exits(0).prints("eu-central-1"), 0.0, 0.5);
    took(&host.agent("converge --metadata-timeout 4").exits(5).says("answered 500"), 2.5, 5.0);
    assert!(!host.exists("/etc/motd"));

    host.recipe(&RECIPE.replace("public_ip", "instance_type"));
    host.agent("converge").exits(0);
    assert_eq!(host.read("/etc/motd"), MOTD.replace("192.0.2.10", "t3a.nano"));
}

/// cloud-init makes new host keys when its metadata blinks: canonical/cloud-init#6270.
#[test]
fn an_instance_stays_itself_when_its_metadata_is_dead() {
    let host = Machine::debian(12).with_metadata(Metadata::new().firmware(Firmware::xen())).boot();
    host.recipe("format = 1\n[[file]]\npath = \"/etc/motd\"\ncontent = \"{{ facts.instance_id }}\\n\"\n");
    host.agent("converge").exits(0);
    assert_eq!(host.read("/etc/motd"), format!("{INSTANCE}\n"));
    let remembered = host.read("/var/lib/hostagent/instance.json");
    assert!(remembered.contains(INSTANCE) && remembered.contains("\"source\": \"metadata\""), "{remembered}");

    let etc = host.digest("/etc");
    let stays = || {
        host.reboot();
        let said = host.agent("converge --metadata-timeout 3").exits(0).says("converged: 1 as it was");
        took(&said.says("as was last known"), 1.0, 4.5);
        etc.is_still(&host.digest("/etc"));
        assert_eq!(host.read("/var/lib/hostagent/instance.json"), remembered);
    };
    host.metadata().stop();
    stays();
    host.metadata().start();
    host.metadata().is_firewalled();
    stays();
    let said = host.agent("facts region").exits(5);
    took(&said.says("within 60 s").says("no connection to 169.254.169.254:80 within 1 s"), 50.0, 63.0);
}

#[test]
fn a_host_without_the_sign_of_ec2_asks_nobody() {
    let host = Machine::debian(13).with_metadata(Metadata::new().firmware(Firmware::none())).boot();
    took(&host.agent("facts").exits(0).says("not-on-ec2"), 0.0, 0.5);
    took(&host.agent("facts region").exits(1).says("the fact `region` is not known on this host"), 0.0, 0.5);
    host.agent("facts regoin").exits(2).says("did you mean `region`?");
    assert_eq!(host.metadata().connections(), 0);
    assert!(!host.exists("/run/hostagent/facts.json"));
}

#[test]
fn ipv6_takes_over_where_ipv4_is_silent_and_no_other_address_is_honoured() {
    let host = Machine::debian(12).with_metadata(Metadata::new().over_ipv6()).boot();
    host.has_agent();
    let elsewhere = "AWS_EC2_METADATA_SERVICE_ENDPOINT=http://192.0.2.1 hostagent facts region";
    let said = host.sh(elsewhere).exits(0).says("eu-central-1");
    took(&said.says("AWS_EC2_METADATA_SERVICE_ENDPOINT is not honoured"), 0.0, 0.5);
    assert_eq!(asked(&host).len(), 2);

    host.sh("rm /run/hostagent/facts.json").succeeds();
    host.metadata().is_firewalled();
    took(&host.agent("facts region").exits(0).prints("eu-central-1"), 0.2, 0.8);
}

/// Nowhere on the machine, and in nothing that it said.
fn leaves_no_token(host: &Machine) {
    let tokens = host.metadata().tokens();
    assert!(!tokens.is_empty());
    let journal = host.journal();
    for token in &tokens {
        host.has_not_said(token);
    }
    for token in tokens {
        host.sh(&format!("grep -rlF --exclude-dir=journal {token} /etc /root /run /tmp /var; test $? = 1")).prints("");
        assert!(!journal.contains(&token), "a token is in the journal");
    }
}
