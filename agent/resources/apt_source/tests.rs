use std::fs;

use super::*;
use crate::host::Host;
use crate::host::programs::Real;
use crate::resources::laws::{Play, keeps_its_word};

const A: &str = "C2BD 7072 9C60 39EE D871 16C4 1513 A6A6 DEB4 6978";
const KEY_A: &str = "-----BEGIN PGP PUBLIC KEY BLOCK-----

mDMEawGNFhYJKwYBBAHaRw8BAQdAa/HvouqIkeX2ANcOVm4IGXbhSKpKWucmlDdK
jGqRivq0FUtleSBhIDxhQGV4YW1wbGUub3JnPoiQBBMWCAA4FiEEwr1wcpxgOe7Y
cRbEFROmpt60aXgFAmsBjRYCGwMFCwkIBwIGFQoJCAsCBBYCAwECHgECF4AACgkQ
FROmpt60aXgy8gEA0u9Oq3s+c4r5BhZDpySQN+cAoAWLFiNli9z1PVrbs2MA/R+s
zGY6nQVjhQ5M2OLCGk8s4lWiDzDP9ox+cgILsuAC
=a3Mi
-----END PGP PUBLIC KEY BLOCK-----
";
const B: &str = "3F32249721FA4A3988002B6B05F1B4BFB1772793";
const KEY_B: &str = "-----BEGIN PGP PUBLIC KEY BLOCK-----
Version: none

mDMEawGNFhYJKwYBBAHaRw8BAQdA3nRONzGd/l1cXP2uhfV+tIfNISeOvQG/SSgM
a846M3q0FUtleSBiIDxiQGV4YW1wbGUub3JnPoiQBBMWCAA4FiEEPzIklyH6SjmI
ACtrBfG0v7F3J5MFAmsBjRYCGwMFCwkIBwIGFQoJCAsCBBYCAwECHgECF4AACgkQ
BfG0v7F3J5OyDQD/U5Ti3pCOrMma8l2nPvcqPncuqB8TiWzrt8kkU9RefKYA/jp/
CVGTikbw1vSXTsFWS4IEsJ9oqGJJ/6YR2leiSdMK
=GZQW
-----END PGP PUBLIC KEY BLOCK-----
";

fn source(from: KeyFrom, fingerprints: &[&str]) -> AptSource {
    AptSource {
        name: "some".into(),
        uris: vec!["https://deb.example.org/debian".into()],
        suites: vec!["bookworm".into()],
        components: vec!["main".into()],
        architectures: Vec::new(),
        key: Key {
            from,
            fingerprints: fingerprints.iter().map(|one| Fingerprint::try_from((*one).to_owned()).unwrap()).collect(),
        },
    }
}

fn host() -> (tempfile::TempDir, Host) {
    let root = tempfile::tempdir().unwrap();
    for name in ["passwd", "group"] {
        fs::create_dir_all(root.path().join("etc")).unwrap();
        fs::write(root.path().join("etc").join(name), "").unwrap();
    }
    let host = Host::at(root.path(), Box::new(Real)).unwrap();
    (root, host)
}

async fn changes(source: &AptSource, host: &Host) -> String {
    source.check(&host.look()).await.unwrap().to_string()
}

#[tokio::test]
async fn a_source_keeps_its_word() {
    let play = Play::new().file("/key.asc", KEY_A);
    keeps_its_word::<AptSource>(&source(KeyFrom::Armored(KEY_A.into()), &[A]), &play.host).await;
    keeps_its_word::<AptSource>(&source(KeyFrom::Armored(KEY_B.into()), &[B]), &play.host).await;
    keeps_its_word::<AptSource>(&source(KeyFrom::Url("file:///key.asc".into()), &[A]), &play.host).await;
}

#[tokio::test]
async fn a_source_is_written_with_its_key_and_then_is_as_wanted() {
    let (root, host) = host();
    let source = source(KeyFrom::Armored(KEY_A.into()), &[A]);
    assert!(source.check(&host.look()).await.unwrap().creates());
    source.apply(&host.touch()).await.unwrap();
    assert_eq!(changes(&source, &host).await, "");
    let text = fs::read_to_string(root.path().join("etc/apt/sources.list.d/some.sources")).unwrap();
    assert_eq!(
        text,
        "# managed by hostagent: changes here are put back; make them in the recipe\nTypes: deb\nURIs: https://deb.example.org/debian\nSuites: bookworm\nComponents: main\nSigned-By: /etc/apt/keyrings/some.gpg\n"
    );
}

#[tokio::test]
async fn a_key_that_the_recipe_does_not_name_is_refused_before_anything_is_written() {
    let (root, host) = host();
    for (text, says) in [
        (
            KEY_B.to_owned(),
            format!("is a key with the fingerprint {B}, which the recipe does not name; nothing was written"),
        ),
        (
            format!("{KEY_A}{KEY_B}"),
            format!("is a key with the fingerprint {B}, which the recipe does not name; nothing was written"),
        ),
        (KEY_A.replace("PUBLIC", "PRIVATE"), "holds a private key".to_owned()),
        (KEY_A.replace("jGqRivq0FUtl", ""), "is not a whole OpenPGP key: was it cut off?".to_owned()),
        (
            KEY_A.replace("mDME", "!!!!"),
            "is not well-formed between `BEGIN` and `END`: Invalid symbol 33, offset 0.".to_owned(),
        ),
        ("\n".to_owned(), "is empty".to_owned()),
        ("<html>".to_owned(), "has no `-----BEGIN PGP PUBLIC KEY BLOCK-----`".to_owned()),
    ] {
        let path = root.path().join("key.asc");
        fs::write(&path, &text).unwrap();
        let source = source(KeyFrom::Url("file:///key.asc".into()), &[A]);
        assert_eq!(source.apply(&host.touch()).await.unwrap_err().says, format!("what `file:///key.asc` holds {says}"));
        assert!(!root.path().join("etc/apt").exists());
    }
}

#[tokio::test]
async fn a_key_added_on_the_host_is_drift_that_needs_no_network_to_be_seen() {
    let (root, host) = host();
    let source = source(KeyFrom::Url("file:///key.asc".into()), &[A]);
    fs::write(root.path().join("key.asc"), KEY_A).unwrap();
    source.apply(&host.touch()).await.unwrap();
    fs::remove_file(root.path().join("key.asc")).unwrap();
    assert_eq!(changes(&source, &host).await, "");

    let mut both = openpgp::dearmored(KEY_A.as_bytes()).unwrap();
    both.extend(openpgp::dearmored(KEY_B.as_bytes()).unwrap());
    fs::write(root.path().join("etc/apt/keyrings/some.gpg"), both).unwrap();
    let a = A.replace(' ', "");
    assert_eq!(changes(&source, &host).await, format!("key {a}, {B} -> {a}"));
}

#[tokio::test]
async fn a_key_file_that_is_not_armored_is_taken_and_followed() {
    let (root, host) = host();
    let source = source(KeyFrom::File("/usr/share/keyrings/some.gpg".into()), &[]);
    fs::create_dir_all(root.path().join("usr/share/keyrings")).unwrap();
    fs::write(root.path().join("usr/share/keyrings/some.gpg"), openpgp::dearmored(KEY_A.as_bytes()).unwrap()).unwrap();
    source.apply(&host.touch()).await.unwrap();
    assert_eq!(changes(&source, &host).await, "");
    fs::write(root.path().join("usr/share/keyrings/some.gpg"), KEY_B).unwrap();
    assert_eq!(changes(&source, &host).await, format!("key {} -> (not known yet)", A.replace(' ', "")));
}

#[test]
fn packets_of_both_formats_and_all_lengths_are_read() {
    let body = |length: usize| [vec![4], vec![0; length - 1]].concat();
    let all = |length: usize| -> Vec<Vec<u8>> {
        let four = u32::try_from(length).unwrap().to_be_bytes();
        let mut headers =
            vec![[&[0x9A][..], &four].concat(), [&[0xC6, 255][..], &four].concat(), [&[0x99][..], &four[2..]].concat()];
        match length {
            ..192 => headers.extend([vec![0x98, four[3]], vec![0xC6, four[3]]]),
            _ => headers.push(vec![
                0xC6,
                u8::try_from((length - 192) >> 8).unwrap() + 192,
                u8::try_from((length - 192) & 255).unwrap(),
            ]),
        }
        headers
    };
    for length in [1, 191, 192, 600, 8383] {
        let found: Vec<_> = all(length)
            .into_iter()
            .map(|header| openpgp::fingerprints(&[header, body(length)].concat()).unwrap())
            .collect();
        assert!(found.iter().all(|one| *one == found[0] && one.len() == 1), "{length}");
    }
    assert_eq!(openpgp::fingerprints(&[0xC6, 2, 4]).unwrap_err(), "is not a whole OpenPGP key: was it cut off?");
    assert_eq!(openpgp::fingerprints(&[0xC6, 224, 4]).unwrap_err(), "is not a whole OpenPGP key: was it cut off?");
    assert_eq!(openpgp::fingerprints(&[0xC6, 1, 3]).unwrap_err(), "holds a key of version 3; apt takes 4 and 6");
    assert_eq!(openpgp::fingerprints(&[]).unwrap_err(), "is empty");
}
