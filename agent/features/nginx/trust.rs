//! Whether a certificate is vouched for by anybody but itself.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";

/// Whether the first certificate of a PEM file names somebody else as its issuer. The one that a site begins with does not.
pub(super) fn is_vouched_for(pem: &str) -> bool {
    names(pem).is_some_and(|(issuer, subject)| issuer != subject)
}

/// Its issuer and its subject (RFC 5280, 4.1).
fn names(pem: &str) -> Option<(Vec<u8>, Vec<u8>)> {
    let (_, rest) = pem.split_once(BEGIN)?;
    let (body, _) = rest.split_once(END)?;
    let bytes = STANDARD.decode(body.split_whitespace().collect::<String>()).ok()?;
    let (_, certificate, _) = value(&bytes)?;
    let (_, signed, _) = value(certificate)?;
    let (tag, _, after_first) = value(signed)?;
    // The version may be left out; the serial number is next.
    let serial = if tag == 0xa0 { after_first } else { signed };
    let (_, _, algorithm) = value(serial)?;
    let (_, _, rest) = value(algorithm)?;
    let (_, issuer, rest) = value(rest)?;
    let (_, _validity, rest) = value(rest)?;
    let (_, subject, _) = value(rest)?;
    Some((issuer.to_vec(), subject.to_vec()))
}

/// The first value of a DER encoding: its tag, what it holds, and what comes after it.
fn value(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = bytes.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match usize::from(first) {
        short @ 0..=0x7f => (short, rest),
        long => {
            let (digits, rest) = rest.split_at_checked(long & 0x7f).filter(|(digits, _)| digits.len() <= 4)?;
            (digits.iter().fold(0, |number, digit| (number << 8) | usize::from(*digit)), rest)
        }
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A certificate of as little as is looked at.
    pub(in super::super) fn pem(issuer: &str, subject: &str) -> String {
        let wrap = |tag: u8, content: &[u8]| {
            let length = u16::try_from(content.len()).unwrap().to_be_bytes();
            [&[tag, 0x82], length.as_slice(), content].concat()
        };
        let name = |text: &str| wrap(0x30, &wrap(0x0c, text.as_bytes()));
        let signed =
            [wrap(0xa0, &[2, 1, 2]), wrap(2, &[7]), wrap(0x30, &[]), name(issuer), wrap(0x30, &[]), name(subject)]
                .concat();
        let certificate = wrap(0x30, &wrap(0x30, &signed));
        format!("{BEGIN}\n{}\n{END}\n", STANDARD.encode(certificate))
    }

    #[test]
    fn a_certificate_that_names_itself_as_its_issuer_is_not() {
        assert!(is_vouched_for(&pem("an authority", "api.example.org")));
        assert!(!is_vouched_for(&pem("hostagent-bootstrap", "hostagent-bootstrap")));
        let chain = [pem("self", "self"), pem("an authority", "other")].concat();
        assert!(!is_vouched_for(&chain), "the first one is the site's");
    }

    #[test]
    fn what_is_no_certificate_is_not() {
        let whole = pem("an authority", "api.example.org");
        for text in ["", "x", BEGIN, &format!("{BEGIN}\n{END}"), &format!("{BEGIN}\nMIIB!\n{END}"), &whole[..60]] {
            assert!(!is_vouched_for(text), "{text}");
        }
        for length in 0..whole.len() - END.len() - 2 {
            let cut = format!("{}\n{END}\n", &whole[..length]);
            let _never_panics = is_vouched_for(&cut);
        }
    }
}
