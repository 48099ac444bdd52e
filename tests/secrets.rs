//! A secret is nowhere but where it is kept and where it is used.

use crate::evidence::{NANO, furnished, on_each_debian};
use crate::lab::{Machine, Said};

const CANARY: &str = "canary-4f1c9e77ab52d0";

/// `openssl passwd -6 -salt canary5f1c9e77 'a canary'`
const HASH: &str =
    "$6$canary5f1c9e77$bwCxrVMuRDVPwhKwUA0bDoY0p8ivk5iDs9EPXZ22TYKKsTCb9Du/1JHbDUle18/ZYZUCVVh8EsM137ipZoFVp/";

/// Where a generated password is kept.
const STORE: &str = "/etc/hostagent/secrets/postgres.role.booking";

on_each_debian![
    a_password_from_a_file_is_where_it_was_put,
    a_generated_password_is_where_it_is_kept,
    the_hash_of_a_password_is_where_the_system_keeps_it,
];

fn a_password_from_a_file_is_where_it_was_put(debian: u8) {
    let host = furnished(debian);
    gives(&host, "/root/password", CANARY);
    host.recipe(&NANO.replace("{ generate = 32 }", "{ file = \"/root/password\" }"));
    let mut said = first_run(&host);
    gives(&host, "/root/password", &format!("{CANARY}-new"));
    said.extend(next_run(&host, "pg_role:booking"));
    is_only_in(&host, CANARY, &["/root/password"], &said);
    logs_in(&host, &format!("{CANARY}-new"));
}

/// Nobody but hostagent had it before: what it said when it made it counts most.
fn a_generated_password_is_where_it_is_kept(debian: u8) {
    let host = furnished(debian);
    host.recipe(&NANO);
    let mut said = first_run(&host);
    let password = host.read(STORE).trim().to_owned();
    assert_eq!(password.len(), 32);
    host.sh("runuser -u postgres -- psql -qc \"alter role booking password 'other'\"").succeeds();
    said.extend(next_run(&host, "pg_role:booking"));
    is_only_in(&host, &password, &[STORE], &said);
    logs_in(&host, &password);

    // What has to be made anew: the old one is gone from everywhere, the new one is as hidden.
    host.sh(&format!("rm {STORE}")).succeeds();
    said.extend(next_run(&host, "pg_role:booking"));
    let another = host.read(STORE).trim().to_owned();
    assert_ne!(another, password);
    is_only_in(&host, &password, &[], &said);
    is_only_in(&host, &another, &[STORE], &said);
}

fn the_hash_of_a_password_is_where_the_system_keeps_it(debian: u8) {
    let host = furnished(debian);
    gives(&host, "/root/hash", HASH);
    let recipe = "format = 1\n[[user]]\nname = \"ops\"\npassword_hash = { file = \"/root/hash\" }\n";
    host.recipe(recipe);
    let mut said = first_run(&host);
    assert!(said.iter().any(|(_, text)| text.contains("chpasswd")), "the recording sees who sets it");
    host.sh("usermod --lock ops").succeeds();
    said.extend(next_run(&host, "user:ops"));
    is_only_in(&host, HASH, &["/etc/shadow", "/etc/shadow-", "/root/hash"], &said);
    host.sh("echo 'a canary' | runuser -u nobody -- su ops -c 'id -un'").succeeds().prints("ops");
    host.sh("echo 'another' | runuser -u nobody -- su ops -c 'id -un'").fails();
}

/// Something that was said, and where.
type Words = (&'static str, String);

/// Plans, converges and tells of it, in every way there is.
fn first_run(host: &Machine) -> Vec<Words> {
    let mut said = vec![
        ("plan", all(&host.agent("plan").exits(3))),
        ("plan -v", all(&host.agent("plan -v").exits(3))),
        ("plan --json", all(&host.agent("plan --json").exits(3))),
    ];
    said.extend(recorded(host, "hostagent -vv converge --json"));
    said.push(("status", all(&host.agent("status").exits(0))));
    said.push(("status --json", all(&host.agent("status --json").exits(0))));
    said
}

/// The same where a secret is not as wanted any more: that is seen, and put right.
fn next_run(host: &Machine, id: &str) -> Vec<Words> {
    let mut said = vec![
        ("plan -vv", all(&host.agent("plan -vv").exits(3).says(id))),
        ("plan --json", all(&host.agent("plan --json").exits(3).says(id))),
    ];
    said.extend(recorded(host, "hostagent converge -v"));
    host.agent("plan").exits(0);
    said
}

/// Runs the agent with an eye on every program that is started.
fn recorded(host: &Machine, line: &'static str) -> [Words; 2] {
    let recorded = host.recording_argv(line);
    let argv = recorded.argv.join("\n");
    assert!(argv.contains("hostagent"), "the recording works:\n{argv}");
    [(line, all(&recorded.said.exits(0))), ("an argument of a program", argv)]
}

/// No word of it was said, the journal has none, and no file but these.
fn is_only_in(host: &Machine, secret: &str, places: &[&str], said: &[Words]) {
    for (place, text) in said {
        assert!(!text.contains(secret), "in {place}:\n{text}");
    }
    host.sh("journalctl --no-pager --all -o export").succeeds().says("hostagent").says_not(secret);
    let folders = "/etc /root /run/hostagent /tmp /var/lib/hostagent /var/log /var/tmp";
    host.sh(&format!("grep -rlF '{secret}' {folders} | sort")).prints(&places.join("\n"));
}

fn gives(host: &Machine, path: &str, secret: &str) {
    host.write(path, secret);
    host.sh(&format!("chmod 600 {path}")).succeeds();
}

fn logs_in(host: &Machine, password: &str) {
    let login = format!("PGPASSWORD='{password}' psql -h 10.0.0.10 -U booking -d booking -Atc 'select 1'");
    host.from_outside("10.0.0.50").sh(&login).prints("1");
}

fn all(said: &Said) -> String {
    format!("{}\n{}", said.stdout, said.stderr)
}
