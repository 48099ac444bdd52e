//! Secrets of Parameter Store and Secrets Manager: asked for when they are needed, and nowhere but there.

use super::{KEY, instance, role};
use crate::lab::{Machine, sum};

const CANARY: &str = "canary-b81e6f20c94d37";

#[test]
fn debian_12_uses_a_password_of_a_service_which_is_nowhere_to_be_seen() {
    uses_a_password_which_is_nowhere_to_be_seen(12);
}

#[test]
fn debian_13_uses_a_password_of_a_service_which_is_nowhere_to_be_seen() {
    uses_a_password_which_is_nowhere_to_be_seen(13);
}

fn uses_a_password_which_is_nowhere_to_be_seen(debian: u8) {
    let host = Machine::debian(debian).with_packages(["postgresql"]).with_metadata(role()).boot();
    let aws = host.aws();
    aws.secure_parameter("/db/booking", CANARY);
    aws.secret("db/reports", &format!("{{ \"user\": \"reports\", \"password\": \"{CANARY}-too\" }}"));
    host.recipe(concat!(
        "format = 1\n[postgres]\nlisten_addresses = [\"*\"]\n",
        "hba = [{ type = \"host\", database = \"all\", user = \"all\", address = \"10.0.0.0/16\", method = \"scram-sha-256\" }]\n",
        "[[postgres.role]]\nname = \"booking\"\npassword = { ssm = \"/db/booking\" }\n",
        "[[postgres.role]]\nname = \"reports\"\npassword = { secretsmanager = \"db/reports\", key = \"password\" }\n",
    ));
    host.agent("plan -vv").exits(3).says("password (hidden)").says_not(CANARY);
    let recorded = host.recording_argv("hostagent -vv converge --json");
    recorded.said.exits(0).says_not(CANARY);
    assert!(!recorded.argv.join("\n").contains(CANARY));
    logs_in(&host, "booking", CANARY);
    logs_in(&host, "reports", &format!("{CANARY}-too"));
    host.agent("plan").exits(0);
    assert!(aws.requests().iter().all(|asked| asked.key == KEY && asked.status == 200));

    // It is changed there: that is a change here.
    aws.secure_parameter("/db/booking", &format!("{CANARY}-new"));
    host.agent("converge").exits(0).says("pg_role:booking").says_not(CANARY);
    logs_in(&host, "booking", &format!("{CANARY}-new"));
    host.agent("converge --json").exits(0).says("\"changed\":0");

    // Nothing stands in for what cannot be had.
    aws.refuses("GetParameter", 400, "AccessDeniedException", "is not authorized to perform: ssm:GetParameter");
    let said = host.agent("converge").exits(1).says("the secret `ssm:/db/booking` cannot be had");
    said.says("allow `ssm:GetParameter` on `ssm:/db/booking` to the role of this instance").says("pg_role:booking");
    host.agent("status").exits(1).says_not(CANARY);
    host.sh("journalctl --no-pager --all -o export").succeeds().says("hostagent").says_not(CANARY);
    let folders = "/etc /root /run/hostagent /tmp /var/lib/hostagent /var/log /var/tmp";
    host.sh(&format!("grep -rlF '{CANARY}' {folders}")).prints("");
}

#[test]
fn a_file_of_s3_is_fetched_when_the_host_has_another() {
    let host = instance(12);
    let aws = host.aws();
    aws.bucket("files").put("app/config.json", "{}\n");
    let recipe = |text: &str| {
        let digest = sum::of(text);
        format!(
            "format = 1\n[[file]]\npath = \"/etc/app.json\"\nsource = {{ url = \"s3://files/app/config.json\", sha256 = \"{digest}\" }}\n"
        )
    };
    host.recipe(&recipe("{}\n"));
    host.agent("plan").exits(3).says("file:/etc/app.json");
    assert!(aws.requests().is_empty(), "a plan needs no more than the digest");
    host.agent("converge").exits(0);
    assert_eq!(host.read("/etc/app.json"), "{}\n");
    host.agent("converge").exits(0);
    assert_eq!(aws.operations(), ["GetObject"]);
    host.recipe(&recipe("[]\n"));
    host.agent("converge").exits(1).says("what came for `/etc/app.json` has the SHA-256");
    aws.refuses("GetObject", 403, "AccessDenied", "Access Denied");
    host.agent("converge").exits(1).says("`s3://files/app/config.json` cannot be had: S3 answered 403 AccessDenied");
    assert_eq!(host.read("/etc/app.json"), "{}\n");
}

fn logs_in(host: &Machine, user: &str, password: &str) {
    let login = format!("PGPASSWORD='{password}' psql -h 10.0.0.10 -U {user} -d postgres -Atc 'select 1'");
    host.from_outside("10.0.0.50").sh(&login).prints("1");
}
