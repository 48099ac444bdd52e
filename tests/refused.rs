//! A configuration that its server refuses is put back byte for byte, the server goes on serving with the old one, the
//! refusal is told in the server's own words, and the next run fails again.

use crate::evidence::{as_it_runs, converged, postgres_unit};
use crate::lab::Machine;

const GOOD: &str = r#"
format = 1
[[user]]
name = "ops"
sudo = "ALL=(ALL) NOPASSWD:ALL"
ssh_authorized_keys = ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl ops"]
[ssh]
settings = { PasswordAuthentication = "no" }
[[nginx.site]]
name = "api"
server_name = ["api.example.org"]
return = { code = 200, text = "as before" }
[postgres]
settings = { work_mem = "4MB" }
"#;

/// What is made of the good recipe, the folder whose files must stay, and what the server says to it.
const BAD: [(&str, &str, &str, &str); 7] = [
    (
        "[[nginx.site]]",
        "[[nginx.site]]\nsnippet = \"no_such_directive on;\"",
        "/etc/nginx",
        "unknown directive \"no_such_directive\"",
    ),
    (
        "work_mem = \"4MB\"",
        "no_such_setting = \"4MB\"",
        "/etc/postgresql",
        "unrecognized configuration parameter \"no_such_setting\"",
    ),
    ("work_mem = \"4MB\"", "work_mem = \"much\"", "/etc/postgresql", "invalid value for parameter \"work_mem\""),
    ("work_mem = \"4MB\"", "shared_buffers = \"900TB\"", "/etc/postgresql", "shared_buffers"),
    (
        "[postgres]",
        "[postgres]\nhba = [{ type = \"host\", database = \"all\", user = \"all\", address = \"10.0.0.0/16\", method = \"ldap\" }]",
        "/etc/postgresql",
        "ldap",
    ),
    ("ALL=(ALL) NOPASSWD:ALL", "ALL=(ALL NOPASSWD:ALL", "/etc/sudoers.d", "syntax error"),
    (
        "PasswordAuthentication = \"no\"",
        "PasswordAuthentication = \"perhaps\"",
        "/etc/ssh",
        "unsupported option \"perhaps\"",
    ),
];

#[test]
fn debian_12_puts_back_what_a_server_refuses() {
    puts_back(12);
}

#[test]
fn debian_13_puts_back_what_a_server_refuses() {
    puts_back(13);
}

fn puts_back(debian: u8) {
    let host = converged(debian, GOOD);
    for (good, bad, folder, words) in BAD {
        let before = host.digest(folder);
        let nginx = as_it_runs(&host, "nginx").0;
        let recipe = GOOD.replace(good, bad);
        assert_ne!(recipe, GOOD);
        host.recipe(&recipe);
        for _ in 0..2 {
            host.agent("converge").exits(1).says(words);
            before.is_still(&host.digest(folder));
            serves(&host, debian);
        }
        assert_eq!(as_it_runs(&host, "nginx").0, nginx, "nginx was not disturbed by {bad}");
        host.recipe(GOOD);
        host.agent("converge").exits(0);
        host.agent("plan").exits(0);
    }
}

fn serves(host: &Machine, debian: u8) {
    host.get("http://api.example.org/").is(200).says("as before");
    host.sh("runuser -u postgres -- psql -Atc 'show work_mem'").prints("4MB");
    assert!(host.unit(&postgres_unit(debian)).is_active());
    host.sh("sshd -t && visudo -cq").succeeds();
}
