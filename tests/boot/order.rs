//! Nobody waits for the boot's run, and it waits for nobody who waits for it.

use std::time::Duration;

use crate::evidence::DEBIANS;
use crate::lab::metadata::Metadata;
use crate::lab::{Machine, eventually};

/// Takes twelve seconds, and starts a unit that is ordered after the run itself.
const SLOW: &str = r#"format = 1
[[run]]
name = "slow"
command = ["/bin/sleep", "12"]
once = true
[[service]]
name = "late"
enabled = true
running = true
"#;

/// What people write when they want to come after it, and slow enough to be still starting when it looks. Were the run after the target, this would be a circle.
const LATE: &str = "[Unit]\nAfter=hostagent-boot.service\nRequires=hostagent-boot.service\n\
                    [Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/sleep 3\n\
                    [Install]\nWantedBy=multi-user.target\n";

#[test]
fn debian_12_lets_people_in_while_the_run_goes_on() {
    lets_people_in(DEBIANS[0]);
}

#[test]
fn debian_13_lets_people_in_while_the_run_goes_on() {
    lets_people_in(DEBIANS[1]);
}

fn lets_people_in(debian: u8) {
    let metadata = Metadata::new().user_data(SLOW);
    let host = Machine::debian(debian).with_packages(["openssh-server"]).with_metadata(metadata).boot();
    host.agent("status --wait --timeout 5").exits(1).says("there is no `hostagent-boot.service`");
    host.bake(&[]);
    host.agent("status --wait --timeout 5").exits(1).says("has not been started").says("has not run here yet");
    host.write("/etc/systemd/system/late.service", LATE);
    host.sh("systemctl enable ssh console-getty").succeeds();
    host.power_off();

    let begun = std::time::Instant::now();
    host.power_on();
    // Who asks for a name and who knocks are answered long before the run's end.
    let prompt = "ps -C agetty -o comm= | grep -qx agetty";
    eventually("the console asks who is there", || host.sh(prompt).exit == 0);
    let outside = host.from_outside("10.0.0.50");
    let knock = "exec 3<>/dev/tcp/10.0.0.10/22 && head -c 7 <&3";
    eventually("sshd answers", || outside.sh(&format!("bash -c '{knock}'")).text() == "SSH-2.0");
    assert!(begun.elapsed() < Duration::from_secs(5), "people waited for {:?}", begun.elapsed());
    assert_eq!(host.unit("hostagent-boot").property("SubState"), "running");
    host.agent("status --wait --timeout 1").exits(4).says("a run is going on");

    // A timer's run comes after it, and is no mistake.
    host.sh("systemctl start --no-block hostagent-converge.service").succeeds();
    super::waits_for(&host, 0);
    let unit = host.unit("hostagent-boot");
    assert_eq!((unit.state().as_str(), unit.property("SubState").as_str()), ("active", "exited"));
    let ended: u64 = unit.property("ExecMainExitTimestampMonotonic").parse().unwrap();
    for early in ["multi-user.target", "ssh.service", "console-getty.service"] {
        let up = host.unit(early).started_at();
        assert!(up > 0 && up + 9_000_000 < ended, "{early} was up at {up} µs, and the run over at {ended} µs");
    }
    assert!(host.unit("late").is_active(), "what comes after the run was started by it");
    eventually("the timer's run is over", || host.unit("hostagent-converge").state() == "inactive");
    assert_eq!(host.unit("hostagent-converge").property("Result"), "success");
    assert_eq!(super::report(&host, 0)["verb"], "converge");

    host.power_off();
    let begun = std::time::Instant::now();
    host.power_on();
    super::waits_for(&host, 0).says("at boot");
    let report = super::report(&host, 0);
    assert_eq!(report["changed"], 0, "what the machine starts is not started by the run: {report:#}");
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    assert!(host.unit("late").is_active());
}

#[test]
fn where_no_recipe_is_the_units_do_nothing() {
    let host = Machine::debian(DEBIANS[0]).boot();
    host.bake(&[]);
    let before = host.digest("/etc");
    host.reboot();
    super::waits_for(&host, 0).says("there is no recipe: neither user-data, nor an instance tag, nor");
    host.sh("systemctl start hostagent-converge.service").succeeds();
    assert_eq!(host.unit("hostagent-converge").property("ConditionResult"), "no");
    assert!(!host.unit("hostagent-converge.timer").is_enabled());
    before.is_still(&host.digest("/etc"));

    // Not on EC2 the recipe is a file, at boot too.
    host.recipe(super::NOTE);
    host.reboot();
    super::waits_for(&host, 0).says("/etc/hostagent/recipe.toml");
    host.sh("cat /etc/note").prints("nobody");
}
