//! As much of DER (X.690) and of certificates (RFC 5280) as is needed to read one.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// An element: its tag, and what is in it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Element<'a> {
    pub(super) tag: u8,
    pub(super) content: &'a [u8],
}

/// The elements of some bytes, one after the other.
pub(super) fn elements(mut bytes: &[u8]) -> Option<Vec<Element<'_>>> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let (element, rest) = first(bytes)?;
        found.push(element);
        bytes = rest;
    }
    Some(found)
}

fn first(bytes: &[u8]) -> Option<(Element<'_>, &[u8])> {
    let (tag, short) = (*bytes.first()?, usize::from(*bytes.get(1)?));
    let (header, length) = match short.checked_sub(0x80) {
        None => (2, short),
        Some(count @ 1..=4) => {
            let digits = bytes.get(2..2 + count)?;
            (2 + count, digits.iter().fold(0, |length, byte| (length << 8) | usize::from(*byte)))
        }
        Some(_) => return None,
    };
    let (whole, rest) = bytes.split_at_checked(header + length)?;
    Some((Element { tag, content: whole.get(header..)? }, rest))
}

/// The parts of a certificate, in their order: version, serial number, algorithm, issuer, validity, subject, key, ….
pub(super) fn parts(certificate: &[u8]) -> Option<Vec<Element<'_>>> {
    let whole = elements(certificate)?;
    let signed = elements(whole.first()?.content)?;
    elements(signed.first()?.content)
}

/// What the extension says that has the last number of `2.5.29.N`.
pub(super) fn extension<'a>(parts: &[Element<'a>], number: u8) -> Option<&'a [u8]> {
    let list = parts.iter().find(|part| part.tag == 0xa3)?;
    for extension in elements(elements(list.content)?.first()?.content)? {
        let words = elements(extension.content)?;
        if words.first()?.content == [0x55, 0x1d, number] {
            return Some(words.last()?.content);
        }
    }
    None
}

/// A time in seconds of Unix.
pub(super) fn second(time: &Element<'_>) -> Option<i64> {
    let text = std::str::from_utf8(time.content).ok()?.trim_end_matches('Z');
    // UTCTime has two digits for the year.
    let text = if time.tag == 0x17 { format!("20{text}") } else { text.to_owned() };
    let time = DateTime::strptime("%Y%m%d%H%M%S", text).ok()?;
    Some(time.to_zoned(TimeZone::UTC).ok()?.timestamp().as_second())
}

/// The first certificate of a PEM.
pub(super) fn of_pem(pem: &str) -> Option<Vec<u8>> {
    let (_, rest) = pem.split_once("-----BEGIN CERTIFICATE-----")?;
    let (text, _) = rest.split_once("-----END CERTIFICATE-----")?;
    BASE64_STANDARD.decode(text.split_whitespace().collect::<String>()).ok()
}
