use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::*;
use crate::problem::Style;

fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    gzip.write_all(bytes).unwrap();
    gzip.finish().unwrap()
}

fn refused(bytes: &[u8]) -> String {
    recipe(bytes).expect_err("was taken").render(Style::Plain)
}

const SHORT: &[u8] = b"base = \"nano\"\n[vars]\ndomain = \"api.example.org\"\n";

#[test]
fn a_recipe_is_taken_as_it_is_and_out_of_gzip() {
    let short = std::str::from_utf8(SHORT).unwrap();
    assert_eq!(recipe(SHORT).unwrap().unwrap(), short);
    assert_eq!(recipe(&packed(SHORT)).unwrap().unwrap(), short);
    let two = [packed(b"format = 1\n"), packed(b"[nginx]\n")].concat();
    assert_eq!(recipe(&two).unwrap().unwrap(), "format = 1\n[nginx]\n", "`cat a.gz b.gz` is gzip too");
    assert_eq!(recipe(b"#hostagent\nformat = 1\n").unwrap().unwrap(), "#hostagent\nformat = 1\n");
}

#[test]
fn nothing_is_no_recipe_and_no_mistake() {
    for nothing in [&b""[..], b"\n", b" \t\r\n\n", &packed(b""), &packed(b"\n")] {
        assert_eq!(recipe(nothing).unwrap(), None);
    }
}

#[test]
fn what_others_start_instances_with_is_told_by_name_and_place() {
    assert_eq!(
        refused(b"#cloud-config\npackages: [nginx]\n"),
        "\
error: the user-data is a `#cloud-config` of cloud-init, and not a recipe
 --> user-data:1:1
  |
1 | #cloud-config
  | ^^^^^^^^^^^^^
  |
  = help: write it as a recipe: `format = 1`, then `[host]`, `[[user]]`, `[[file]]`, `[[run]]` …

1 problem; nothing was touched
"
    );
    let told = [
        ("#!/bin/bash\napt-get install nginx\n", "is a script, and not"),
        ("\n\n#!/bin/sh\n", "user-data:3:1"),
        ("#cloud-config-archive\n- type: x\n", "`#cloud-config`"),
        ("#include\nhttps://example.org/a\n", "an `#include`"),
        ("#include-once https://example.org/a\n", "an `#include`"),
        ("#cloud-boothook\ntrue\n", "`#cloud-boothook`"),
        ("#part-handler\n", "`#part-handler`"),
        ("## template: jinja\n#cloud-config\n", "a template of cloud-init"),
        ("Content-Type: multipart/mixed; boundary=\"x\"\nMIME-Version: 1.0\n", "MIME"),
        ("mime-version: 1.0\n", "MIME"),
        ("---\npackages: []\n", "YAML"),
        ("{\"ignition\": {}}", "JSON"),
        ("<powershell>\n</powershell>", "Windows"),
        ("PK\x03\x04", "a zip archive"),
    ];
    for (text, says) in told {
        for form in [text.as_bytes().to_vec(), packed(text.as_bytes())] {
            let shown = refused(&form);
            assert!(shown.contains(says) && shown.contains("help: "), "{text:?}:\n{shown}");
        }
    }
    assert!(refused(b"\xff\xfeb\0").contains("UTF-16"));
    let shown = refused(b"format = 1\npassword = \"hunter2\xff\"\n");
    assert!(shown.contains("user-data:2:20") && !shown.contains("hunter2"), "{shown}");
    let shown = refused(b"#include https://me:hunter2@example.org/a\nMore\n");
    assert!(!shown.contains("hunter2"), "nothing beyond the word is shown: {shown}");
}

#[test]
fn base64_of_the_whole_is_told_from_a_recipe() {
    let encoded = BASE64_STANDARD.encode(SHORT);
    let shown = refused(encoded.as_bytes());
    assert!(shown.contains("is base64 of a text: it was encoded once more than EC2 decodes it"), "{shown}");
    assert!(shown.contains("--> user-data:1:1") && !shown.contains(&encoded[..12]), "{shown}");
    let wrapped = encoded.as_bytes().chunks(20).collect::<Vec<_>>().join(&b"\r\n"[..]);
    assert!(refused(&wrapped).contains("base64 of a text"));
    assert!(refused(BASE64_STANDARD.encode(packed(SHORT)).as_bytes()).contains("base64 of gzip"));
    for recipe_or_word in [&b"format=1"[..], b"abcdabcd", b"hello"] {
        assert!(recipe(recipe_or_word).is_ok(), "the reader of recipes says what is wrong with it");
    }
}

#[test]
fn a_bomb_does_not_go_off_and_damage_is_told() {
    let bomb = packed(&vec![0; 64 << 20]);
    assert!(bomb.len() < 100_000);
    assert!(refused(&bomb).contains("is gzip of more than 1 MiB"));
    let most = vec![b'#'; LARGEST];
    assert_eq!(recipe(&packed(&most)).unwrap().unwrap().len(), LARGEST);
    assert!(refused(&packed(&packed(SHORT))).contains("gzip within gzip"));

    let whole = packed(SHORT);
    for length in 2..whole.len() {
        assert!(refused(&whole[..length]).contains("is gzip, and damaged"), "{length}");
    }
    let mut flipped = whole;
    let middle = flipped.len() / 2;
    flipped[middle] ^= 0x55;
    assert!(refused(&flipped).contains("damaged"));
}

#[test]
fn no_bytes_are_too_odd() {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    let starts: [&[u8]; 6] = [b"", GZIP, b"#!", b"\n\xf0\x9f", b"Zm9ybWF0", b"\x1f\x8b\x08\x00"];
    for round in 0..4_000 {
        let mut bytes = starts[round % starts.len()].to_vec();
        for _ in 0..round % 9 {
            bytes.extend(next());
        }
        if let Err(problems) = recipe(&bytes) {
            assert!(problems.render(Style::Plain).starts_with("error: "));
        }
    }
}
