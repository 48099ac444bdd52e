//! A secret is nowhere but where it is kept and where it is used.

use crate::evidence::{NANO, converged};

const CANARY: &str = "canary-4f1c9e77ab52d0";

#[test]
fn no_secret_reaches_a_log_a_report_a_plan_or_a_command_line() {
    let host = converged(12, "format = 1\n[postgres]\n");
    host.write("/root/password", CANARY);
    host.sh("chmod 600 /root/password").succeeds();
    host.recipe(&NANO.replace("{ generate = 32 }", "{ file = \"/root/password\" }"));

    host.agent("plan").exits(3).says_not(CANARY);
    host.agent("plan --json").exits(3).says_not(CANARY);
    let recorded = host.recording_argv("hostagent -v converge --json");
    recorded.said.clone().exits(0).says_not(CANARY);
    let argv = recorded.argv.join("\n");
    assert!(argv.contains("hostagent"), "the recording works:\n{argv}");
    assert!(!argv.contains(CANARY), "in an argument:\n{argv}");

    host.write("/root/password", &format!("{CANARY}-new"));
    host.agent("plan -v").exits(3).says("pg_role:booking").says_not(CANARY);
    host.agent("converge -v").exits(0).says_not(CANARY);
    host.agent("status --json").exits(0).says_not(CANARY);

    host.sh("journalctl --no-pager -o export").succeeds().says("hostagent").says_not(CANARY);
    host.sh(&format!("grep -rl {CANARY} /var/lib/hostagent /run/hostagent /etc /tmp /var/tmp /var/log"))
        .fails()
        .prints("");
    let login = format!("PGPASSWORD={CANARY}-new psql -h 10.0.0.10 -U booking -d booking -Atc 'select 1'");
    host.from_outside("10.0.0.50").sh(&login).prints("1");
}
