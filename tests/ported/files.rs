//! ansible-core, test/integration/targets/lineinfile: "validation script that fails".

use super::{changes, fails};
use crate::evidence::ids;
use crate::lab::Machine;

fn recipe(content: &str) -> String {
    format!(
        "format = 1\n[[file]]\npath = \"/etc/app.conf\"\ncontent = \"{content}\\n\"\nmode = \"0640\"\n\
         check = [\"sh\", \"-c\", \"grep good %s || {{ echo bad to the bone >&2; exit 1; }}\"]\n"
    )
}

#[test]
fn a_file_that_its_validator_refuses_stays_as_it_was() {
    let host = Machine::debian(13).boot();
    fails(&host, &recipe("no")).says("bad to the bone");
    assert!(!host.exists("/etc/app.conf"), "one that was not there is not there");

    assert_eq!(changes(&host, &recipe("good")), ids(["config_set:/etc/app.conf"]));
    let before = host.digest("/etc").without("/etc/hostagent");
    fails(&host, &recipe("no")).says("/etc/app.conf").says("bad to the bone");
    before.is_still(&host.digest("/etc").without("/etc/hostagent"));
    assert_eq!(changes(&host, &recipe("good")), ids([]), "and nothing needs to be put right");
    assert_eq!(changes(&host, &recipe("good too")), ids(["config_set:/etc/app.conf"]));
}
