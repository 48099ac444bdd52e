//! An instance becomes what its user-data says: from power-on, without a hand, at every boot again.
//!
//! Nothing here logs in and runs hostagent: the machines have the agent and its units as an image has them, and boot.

mod answers;
mod order;

use serde_json::Value;

use crate::evidence::DEBIANS;
use crate::lab::metadata::{Fault, INSTANCE, Metadata};
use crate::lab::{Machine, eventually, firmware::Firmware};

/// A recipe of the image, for others to extend.
const WEB: &str = r#"format = 1
[vars]
name = { required = "what the page says" }
place = "/srv/www"
[[directory]]
path = "{{ vars.place }}"
[[file]]
path = "{{ vars.place }}/index.html"
content = "{{ vars.name }} on {{ facts.instance_id }} in {{ facts.region }}\n"
[[nginx.site]]
name = "page"
server_name = ["page.example.org"]
static = { root = "{{ vars.place }}" }
"#;

/// One that takes no package, for what is about something else.
const NOTE: &str =
    "format = 1\n[vars]\nname = \"nobody\"\n[[file]]\npath = \"/etc/note\"\ncontent = \"{{ vars.name }}\\n\"\n";

#[test]
fn debian_12_serves_from_power_on_without_a_hand() {
    serves_without_a_hand(DEBIANS[0]);
}

#[test]
fn debian_13_serves_from_power_on_without_a_hand() {
    serves_without_a_hand(DEBIANS[1]);
}

fn serves_without_a_hand(debian: u8) {
    let metadata = Metadata::new().user_data("base = \"web\"\n[vars]\nname = \"hello\"\n");
    let host = Machine::debian(debian).with_metadata(metadata).boot();
    host.bake(&[("web", WEB)]);
    host.power_off();
    host.metadata().forget();

    host.power_on();
    waits_for(&host, 0).says("the last run, at boot, converged").says("user-data");
    let outside = host.from_outside("10.0.0.50");
    outside.get("http://page.example.org/").is(200).says(&format!("hello on {INSTANCE} in eu-central-1"));
    assert!(
        host.metadata().connections() == 1 && asked(&host, "user-data") == 1 && host.metadata().requests().len() <= 10,
        "{:?}",
        host.metadata().requests()
    );
    let journal = host.journal_of("-b -t hostagent -o cat");
    assert_eq!(journal.matches("converged: ").count(), 1, "everything is said once:\n{journal}");
    let kept = host.sh("stat -c '%a %U' /var/lib/hostagent/boot.json").succeeds();
    assert_eq!(kept.text(), "600 root");

    let (before, start) = (host.digest("/etc"), host.unit("nginx").started_at());
    host.reboot();
    let report = report(&host, 0);
    assert_eq!((&report["changed"], &report["failed"]), (&Value::from(0), &Value::from(0)), "{report:#}");
    assert!(report["ok"].as_u64() > Some(4), "{report:#}");
    before.is_still(&host.digest("/etc"));
    outside.get("http://page.example.org/").is(200);
    assert_ne!(host.unit("nginx").started_at(), start, "the machine was off in between");
}

#[test]
fn debian_12_keeps_its_recipe_when_metadata_is_dead() {
    keeps_its_recipe(DEBIANS[0]);
}

#[test]
fn debian_13_keeps_its_recipe_when_metadata_is_dead() {
    keeps_its_recipe(DEBIANS[1]);
}

/// A host that could not ask became another one for cloud-init: new host keys, and users back that had been deleted
/// (<https://github.com/canonical/cloud-init/issues/6270>).
fn keeps_its_recipe(debian: u8) {
    let recipe = "format = 1\n[[user]]\nname = \"ops\"\n[[file]]\npath = \"/etc/note\"\ncontent = \"{{ facts.instance_id }}\\n\"\n";
    let metadata = Metadata::new().user_data(recipe).tag("hostagent:var:nobody", "x");
    let host = Machine::debian(debian).with_metadata(metadata).boot();
    host.metadata().remove("meta-data/tags");
    host.bake(&[]);
    is_impatient(&host);
    host.recipe("format = 1\n[[file]]\npath = \"/etc/from-the-image\"\ncontent = \"\"\n");
    host.reboot();
    waits_for(&host, 0);
    host.sh("cat /etc/note").prints(INSTANCE);

    let before = host.digest("/etc");
    host.metadata().stop();
    host.reboot();
    let said = waits_for(&host, 0).says("the recipe that was kept at the last boot is used");
    assert!(said.text().contains("imds-refused"), "{said}");
    assert_eq!(report(&host, 0)["changed"], 0);
    before.is_still(&host.digest("/etc"));

    // What keeps a host as it is has the same recipe.
    host.sh("rm /etc/note").succeeds();
    host.agent("plan").exits(3).says("+ file:/etc/note").says("kept at the last boot");
    host.sh("systemctl start hostagent-converge.service").succeeds();
    eventually("the run is over", || host.unit("hostagent-converge").state() == "inactive");
    waits_for(&host, 0).says("user-data").says("file:/etc/note was put right");
    before.is_still(&host.digest("/etc"));

    // The disk of this instance starts another one, which cannot ask either: nothing of the first is its own.
    host.firmware_says(&Firmware::nitro("i-0fedcba9876543210"));
    host.sh("rm /etc/note").succeeds();
    let copied = host.digest("/etc");
    host.reboot();
    waits_for(&host, 5).says("the platform could not be asked; nothing was touched");
    copied.is_still(&host.digest("/etc"));
    host.agent("converge --metadata-timeout 3")
        .exits(5)
        .says(&format!("that of `{INSTANCE}`, and this is `i-0fedcba9876543210`"));

    host.metadata().become_instance("i-0fedcba9876543210");
    host.metadata().start();
    host.reboot();
    waits_for(&host, 0).says(&format!("this disk was that of `{INSTANCE}`"));
    host.sh("cat /etc/note").prints("i-0fedcba9876543210");
    host.sh("test -e /etc/from-the-image").fails();
}

#[test]
fn an_instance_whose_user_data_cannot_be_read_does_nothing_until_it_can() {
    let metadata = Metadata::new().user_data(NOTE).fault("user-data", Fault::status(500));
    let host = Machine::debian(DEBIANS[0]).with_metadata(metadata).boot();
    host.bake(&[]);
    is_impatient(&host);
    // Half an answer is none: the image's own recipe is for instances without user-data.
    host.recipe("format = 1\n[[file]]\npath = \"/etc/from-the-image\"\ncontent = \"\"\n");
    let before = host.digest("/etc");
    host.reboot();
    let said = waits_for(&host, 5).says("it answered 500");
    assert!(said.text().contains("hint: "), "{said}");
    before.is_still(&host.digest("/etc"));
    assert_eq!(host.unit("hostagent-boot").state(), "failed");
    let journal = || host.journal_of("-b -u hostagent-boot -o cat");
    eventually("the journal has it", || journal().contains("it answered 500") && journal().contains("hint: "));

    host.metadata().mend();
    host.reboot();
    waits_for(&host, 0);
    host.sh("cat /etc/note").prints("nobody");
}

#[test]
fn a_step_that_failed_is_tried_again_at_the_next_boot() {
    let recipe = "format = 1\n[[run]]\nname = \"warm\"\ncommand = [\"/usr/bin/test\", \"-e\", \"/root/power\"]\nonce = true\n\
                  [[file]]\npath = \"/etc/note\"\ncontent = \"there\\n\"\n";
    let host = Machine::debian(DEBIANS[1]).with_metadata(Metadata::new().user_data(recipe)).boot();
    host.bake(&[]);
    host.reboot();
    waits_for(&host, 1).says("run:warm").says("the last run, at boot, failed");
    assert_eq!(host.unit("hostagent-boot").state(), "failed");
    host.sh("cat /etc/note").prints("there");
    host.sh("touch /root/power").succeeds();
    host.reboot();
    let report = report(&host, 0);
    assert_eq!((&report["changed"], &report["ok"]), (&Value::from(1), &Value::from(1)), "{report:#}");
    host.reboot();
    assert_eq!(self::report(&host, 0)["changed"], 0);
}

/// Its metadata service is given up after a few seconds, so that a test need not wait for a minute.
fn is_impatient(host: &Machine) {
    let setting = "[Service]\nEnvironment=HOSTAGENT_METADATA_TIMEOUT=5\n";
    host.write("/etc/systemd/system/hostagent-boot.service.d/impatient.conf", setting);
}

/// Waits for the boot's run, which is to end with this exit code.
fn waits_for(host: &Machine, code: i32) -> crate::lab::Said {
    host.agent("status --wait --timeout 300").exits(code)
}

/// The report of the boot's run.
fn report(host: &Machine, code: i32) -> Value {
    host.agent("status --wait --timeout 300 --json").exits(code).json()
}

/// How often a path was asked for.
fn asked(host: &Machine, path: &str) -> usize {
    host.metadata().requests().iter().filter(|asked| asked.path == path).count()
}
