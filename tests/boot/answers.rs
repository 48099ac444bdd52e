//! What an instance is told, in all its forms, and what is said of those that are none.

use std::io::Write as _;
use std::process::{Command, Stdio};

use crate::evidence::DEBIANS;
use crate::lab::metadata::Metadata;
use crate::lab::{Machine, Said, eventually};

#[test]
fn debian_12_takes_user_data_and_tags_in_all_their_forms() {
    takes_all_forms(DEBIANS[0]);
}

#[test]
fn debian_13_takes_user_data_and_tags_in_all_their_forms() {
    takes_all_forms(DEBIANS[1]);
}

fn takes_all_forms(debian: u8) {
    let host = Machine::debian(debian).with_metadata(Metadata::new()).boot();
    host.bake(&[("note", super::NOTE)]);
    host.recipe("format = 1\n[[file]]\npath = \"/etc/note\"\ncontent = \"of the image\\n\"\n");
    let becomes = |note: &str| {
        let said = boots(&host, 0);
        host.sh("cat /etc/note").prints(note);
        said
    };
    let user_data = |bytes: &[u8]| host.metadata().set("user-data", bytes);
    let tag = |key: &str, value: &str| host.metadata().set(&format!("meta-data/tags/instance/{key}"), value);

    becomes("of the image").says("/etc/hostagent/recipe.toml");
    user_data(b" \n");
    becomes("of the image");
    tag("hostagent:recipe", "note");
    becomes("nobody").says("note (instance tag `hostagent:recipe`)");
    tag("hostagent:var:name", "a tag");
    tag("Name", "of no interest");
    becomes("a tag");
    user_data(b"[vars]\nname = \"user-data\"\n");
    becomes("a tag");
    host.metadata().remove("meta-data/tags/instance/hostagent:var:name");
    becomes("user-data");
    user_data(b"base = \"note\"\n[vars]\nname = \"three lines\"\n");
    becomes("three lines").says("is not used: the user-data says what its base is");
    user_data(&gzip(b"base = \"note\"\n[vars]\nname = \"packed\"\n"));
    becomes("packed");
    host.metadata().remove("meta-data/tags");
    user_data(super::NOTE.as_bytes());
    becomes("nobody");
    host.agent("plan").exits(0).says("kept at the last boot");
    host.metadata().remove("user-data");
    becomes("of the image").says_not("user-data");
    host.agent("plan").exits(0).says_not("kept at the last boot");
}

#[test]
fn what_is_no_recipe_is_told_and_touches_nothing() {
    let host = Machine::debian(DEBIANS[1]).with_metadata(Metadata::new().user_data(super::NOTE)).boot();
    host.bake(&[("note", super::NOTE)]);
    host.reboot();
    super::waits_for(&host, 0);
    host.sh("rm /etc/note").succeeds();
    let before = host.digest("/etc");
    let cases: [(&[u8], &str, &str); 7] = [
        (b"#cloud-config\npackages: [nginx]\n", "user-data:1:1", "a `#cloud-config` of cloud-init"),
        (b"#!/bin/sh\nset -x\n", "user-data:1:1", "is a script"),
        (b"format = 1\n[[file]]\npth = \"/etc/note\"\n", "user-data:3:1", "did you mean `path`?"),
        (b"base = \"note\"\n[vars]\nnmae = 1\nname = 2\n[host]\n", "user-data:1:1", "does not say its `format`"),
        (b"base = \"nota\"\n", "user-data:1:8", "unknown base `nota`"),
        (b"YmFzZSA9ICJub3RlIgpbdmFyc10KbmFtZSA9ICJ4Igo=", "user-data:1:1", "is base64 of a text"),
        (b"\x1f\x8b\x08cut", "", "is gzip, and damaged"),
    ];
    for (bytes, place, says) in cases {
        host.metadata().set("user-data", bytes);
        let said = boots(&host, 2).says(says).says(place).says("the recipe is wrong; nothing was touched");
        assert_eq!(host.unit("hostagent-boot").property("ExecMainStatus"), "2");
        // journald writes a moment later than the unit speaks.
        eventually(&said.to_string(), || host.journal_of("-u hostagent-boot -o cat").contains(says));
        before.is_still(&host.digest("/etc"));
    }
    host.metadata().set("user-data", "base = \"note\"\n");
    host.metadata().set("meta-data/tags/instance/hostagent:var:nmae", "x");
    boots(&host, 2).says("the variable `nmae` is given, but the recipe does not declare it");
    before.is_still(&host.digest("/etc"));
    // What was right before is still known.
    host.agent("converge").exits(0);
    host.sh("cat /etc/note").prints("nobody");
}

/// A boot of the agent, without one of the machine; how it went, as `status` tells it.
fn boots(host: &Machine, code: i32) -> Said {
    host.sh("systemctl restart hostagent-boot.service").succeeds();
    super::waits_for(host, code)
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = Command::new("gzip").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    gzip.stdin.take().unwrap().write_all(bytes).unwrap();
    gzip.wait_with_output().unwrap().stdout
}
