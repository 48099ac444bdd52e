//! From the bytes of an answer to what it says. Pure, and for any bytes: whoever holds the address may send them.

use serde::Deserialize;

use crate::aws::InstanceId;

/// What an instance says of itself: the identity document, as far as it is used.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Document {
    /// Which instance.
    pub instance_id: InstanceId,
    /// Whose it is: twelve digits.
    pub account_id: Option<String>,
    /// Such as `eu-central-1a`.
    pub availability_zone: Option<String>,
    /// The image that its disk was made from, such as `ami-0123456789abcdef0`.
    pub image_id: Option<String>,
    /// Such as `t3a.nano`.
    pub instance_type: Option<String>,
    /// Such as `eu-central-1`.
    pub region: Option<String>,
}

/// Reads `dynamic/instance-identity/document`.
///
/// # Errors
/// What is wrong with it: no JSON, no instance's ID, or a value that is no such word.
pub fn document(bytes: &[u8]) -> Result<Document, String> {
    let read: Document = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    for (name, value) in [
        ("accountId", &read.account_id),
        ("availabilityZone", &read.availability_zone),
        ("imageId", &read.image_id),
        ("instanceType", &read.instance_type),
        ("region", &read.region),
    ] {
        if let Some(value) = value
            && !is_word(value)
        {
            return Err(format!("its `{name}` is no word of letters, digits, `.` and `-`"));
        }
    }
    Ok(read)
}

/// Reads a leaf that is one word: an address, a name, a kind.
///
/// # Errors
/// When it is none: what a recipe reads goes into files and commands.
pub fn word(bytes: &[u8]) -> Result<String, String> {
    let text = std::str::from_utf8(bytes).unwrap_or_default().trim();
    if is_word(text) {
        Ok(text.to_owned())
    } else {
        Err("it is no word of letters, digits, `.`, `:` and `-`".to_owned())
    }
}

/// Reads a leaf that is text: the value of a tag.
///
/// # Errors
/// When it is no UTF-8, has control characters, or more than a tag may have.
pub fn text(bytes: &[u8]) -> Result<String, String> {
    let text = std::str::from_utf8(bytes).map_err(|_error| "it is not UTF-8".to_owned())?;
    if text.chars().count() > 256 || text.chars().any(char::is_control) {
        return Err("it is not one line of at most 256 characters".to_owned());
    }
    Ok(text.to_owned())
}

/// Reads `meta-data/tags/instance`: keys that begin so, those that can stand in a path.
///
/// Where tags are in the metadata, EC2 allows keys of letters, digits and `+-=.,_:@` alone.
pub fn tag_keys(bytes: &[u8], beginning: &str) -> Vec<String> {
    let text = std::str::from_utf8(bytes).unwrap_or_default();
    let is_key =
        |key: &&str| key.len() <= 128 && key.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-=.,_:@".contains(&b));
    text.lines().filter(|key| key.starts_with(beginning)).filter(is_key).take(50).map(str::to_owned).collect()
}

fn is_word(text: &str) -> bool {
    (1..=255).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b".:-".contains(&b))
}

/// Reads bytes as every kind of answer in turn; for a fuzzer, which has only to find that it returns.
pub fn read_all(bytes: &[u8]) -> usize {
    let keys = tag_keys(bytes, "").len();
    let read = [document(bytes).is_ok(), word(bytes).is_ok(), text(bytes).is_ok(), super::is_token(bytes)];
    keys + read.into_iter().filter(|read| *read).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = r#"{ "accountId" : "123456789012", "architecture" : "x86_64", "availabilityZone" : "eu-central-1a",
      "billingProducts" : null, "imageId" : "ami-0c55b159cbfafe1f0", "instanceId" : "i-0af01c0123456789a",
      "instanceType" : "u-6tb1.56xlarge", "kernelId" : null, "pendingTime" : "2026-01-02T03:04:05Z",
      "privateIp" : "10.0.0.10", "region" : "eu-central-1", "version" : "2017-09-30" }"#;

    #[test]
    fn a_document_says_what_the_instance_is() {
        let read = document(WHOLE.as_bytes()).unwrap();
        assert_eq!(read.instance_id.as_str(), "i-0af01c0123456789a");
        assert_eq!(read.account_id.unwrap(), "123456789012");
        assert_eq!(read.instance_type.unwrap(), "u-6tb1.56xlarge");
        let least = document(br#"{"instanceId":"i-0af01c0123456789a","region":null}"#).unwrap();
        assert_eq!(least.region, None);
    }

    #[test]
    fn what_is_no_document_is_refused() {
        for wrong in [
            "",
            "null",
            "<html>",
            "{}",
            r#"{"instanceId":"i-"}"#,
            r#"{"instanceId":"i-0af01c0123456789a","region":"eu\nProxyCommand x"}"#,
            r#"{"instanceId":"i-0af01c0123456789a","region":""}"#,
            r#"{"instanceId":"i-0af01c0123456789a","region":7}"#,
        ] {
            assert!(document(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_word_cannot_carry_more_than_a_word() {
        assert_eq!(word(b" 192.0.2.10\n").unwrap(), "192.0.2.10");
        assert_eq!(word(b"2001:db8::1").unwrap(), "2001:db8::1");
        for wrong in [&b""[..], b"<html>", b"a b", b"a\nb", b"$(x)", b"\xff"] {
            assert!(word(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn tags_are_told_by_their_beginning_and_cannot_leave_their_folder() {
        let keys = b"Name\nhostagent:recipe\nhostagent:var:domain\nhostagent:../../iam\nhostagent:a?b\nhostagent:a b";
        assert_eq!(tag_keys(keys, "hostagent:"), ["hostagent:recipe", "hostagent:var:domain"]);
        assert_eq!(text("Größe: 5 €".as_bytes()).unwrap(), "Größe: 5 €");
        assert!(text(b"two\nlines").is_err() && text(&[b'x'; 257]).is_err());
    }

    #[test]
    fn any_bytes_are_read_to_an_end() {
        // A whole document with each byte in turn replaced, doubled and cut at: no answer makes it panic.
        for (at, _) in WHOLE.bytes().enumerate() {
            for byte in [0, b'"', b'{', b'\n', 0xff] {
                let mut bytes = WHOLE.as_bytes().to_vec();
                bytes[at] = byte;
                read_all(&bytes);
                bytes.insert(at, byte);
                read_all(&bytes);
                bytes.truncate(at);
                read_all(&bytes);
            }
        }
        assert!(read_all(&vec![b'['; 60_000]) <= 1, "deep nesting ends in an error");
    }
}
