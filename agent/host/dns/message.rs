//! Questions and answers as they are on the wire (RFC 1035, 4): as much of them as is asked here. Pure.

use std::net::IpAddr;

const HEADER: usize = 12;
/// A name has at most 255 bytes, and a label at least two.
const MOST_LABELS: usize = 128;

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// Its IPv4 addresses.
    A,
    /// Its IPv6 addresses.
    Aaaa,
    /// Which CAs may issue for it (RFC 8659).
    Caa,
}

impl Wanted {
    fn number(self) -> u16 {
        match self {
            Self::A => 1,
            Self::Aaaa => 28,
            Self::Caa => 257,
        }
    }
}

/// A record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    /// An address.
    Address(IpAddr),
    /// A rule about CAs.
    Caa {
        /// Whether who does not know the tag may issue nothing.
        critical: bool,
        /// What it is about, in lower case.
        tag: String,
        /// What it says.
        value: String,
    },
}

/// What there is of a name: no records if there are none of that kind, or no such name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Whether there is anything at all by this name.
    pub exists: bool,
    /// What was asked for.
    pub records: Vec<Record>,
}

/// What a message is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Read {
    /// What was asked for.
    Answer(Answer),
    /// The server does not say.
    No(String),
    /// It did not fit.
    CutShort,
    /// It is not for this question, or no message.
    Foreign,
}

/// A question, if the name is one.
pub(super) fn question(id: u16, name: &str, wanted: Wanted) -> Option<Vec<u8>> {
    // Recursion is desired; one question.
    let mut bytes = [&id.to_be_bytes()[..], &[1, 0, 0, 1, 0, 0, 0, 0, 0, 0]].concat();
    for label in name.trim_end_matches('.').split('.') {
        let length = u8::try_from(label.len()).ok().filter(|length| (1..=63).contains(length))?;
        bytes.push(length);
        bytes.extend(label.as_bytes());
    }
    bytes.push(0);
    bytes.extend(wanted.number().to_be_bytes());
    bytes.extend([0, 1]);
    (bytes.len() <= HEADER + 255 + 4).then_some(bytes)
}

/// Reads what came as the answer to a question.
pub(super) fn read(bytes: &[u8], question: &[u8], wanted: Wanted) -> Read {
    parsed(bytes, question, wanted).unwrap_or(Read::Foreign)
}

fn parsed(bytes: &[u8], question: &[u8], wanted: Wanted) -> Option<Read> {
    let is_answer = bytes.get(2)? & 0x80 != 0;
    let is_ours = bytes.get(..2) == question.get(..2) && number(bytes, 4)? == 1;
    let asked = question.get(HEADER..)?;
    let echoed = bytes.get(HEADER..HEADER.checked_add(asked.len())?)?;
    if !is_answer || !is_ours || !echoed.eq_ignore_ascii_case(asked) {
        return None;
    }
    if bytes.get(2)? & 0x02 != 0 {
        return Some(Read::CutShort);
    }
    let exists = match bytes.get(3)? & 0x0f {
        0 => true,
        3 => false,
        2 => return Some(Read::No("it failed (SERVFAIL)".to_owned())),
        5 => return Some(Read::No("it refuses to answer".to_owned())),
        code => return Some(Read::No(format!("it answered with error {code}"))),
    };
    let mut at = HEADER + asked.len();
    let mut records = Vec::new();
    for _ in 0..number(bytes, 6)? {
        at = after_name(bytes, at)?;
        let (kind, length) = (number(bytes, at)?, usize::from(number(bytes, at.checked_add(8)?)?));
        let start = at.checked_add(10)?;
        at = start.checked_add(length)?;
        let data = bytes.get(start..at)?;
        // Before them are the names that it is another name of.
        if kind == wanted.number() {
            records.push(record(data, wanted)?);
        }
    }
    Some(Read::Answer(Answer { exists, records }))
}

fn record(data: &[u8], wanted: Wanted) -> Option<Record> {
    Some(match wanted {
        Wanted::A => Record::Address(IpAddr::from(<[u8; 4]>::try_from(data).ok()?)),
        Wanted::Aaaa => Record::Address(IpAddr::from(<[u8; 16]>::try_from(data).ok()?)),
        // RFC 8659, 4.1.
        Wanted::Caa => {
            let (flags, length) = (data.first()?, usize::from(*data.get(1)?));
            let (tag, value) = data.get(2..)?.split_at_checked(length)?;
            let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
            Record::Caa { critical: flags & 0x80 != 0, tag: text(tag).to_ascii_lowercase(), value: text(value) }
        }
    })
}

fn number(bytes: &[u8], at: usize) -> Option<u16> {
    let pair = bytes.get(at..at.checked_add(2)?)?;
    Some(u16::from_be_bytes(pair.try_into().ok()?))
}

/// Where a name that begins here ends: with a zero, or with a pointer.
fn after_name(bytes: &[u8], mut at: usize) -> Option<usize> {
    for _ in 0..MOST_LABELS {
        match *bytes.get(at)? {
            0 => return at.checked_add(1),
            length if length & 0xc0 == 0xc0 => return at.checked_add(2),
            length if length & 0xc0 == 0 => at = at.checked_add(usize::from(length) + 1)?,
            _ => return None,
        }
    }
    None
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// An answer to a question, with records of the question's name.
    pub(in super::super) fn answered(question: &[u8], code: u8, records: &[(u16, Vec<u8>)]) -> Vec<u8> {
        let mut bytes = question.to_vec();
        (bytes[2], bytes[3], bytes[7]) = (0x81, 0x80 | code, u8::try_from(records.len()).unwrap());
        for (kind, data) in records {
            bytes.extend([0xc0, 12]);
            bytes.extend(kind.to_be_bytes());
            bytes.extend([0, 1, 0, 0, 0, 60]);
            bytes.extend(u16::try_from(data.len()).unwrap().to_be_bytes());
            bytes.extend(data);
        }
        bytes
    }

    fn asked(wanted: Wanted) -> Vec<u8> {
        question(7, "www.example.org", wanted).unwrap()
    }

    fn records(wanted: Wanted, records: &[(u16, Vec<u8>)]) -> Vec<Record> {
        let question = asked(wanted);
        match read(&answered(&question, 0, records), &question, wanted) {
            Read::Answer(answer) => answer.records,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn addresses_and_rules_are_read_behind_other_names() {
        let alias = (5, vec![3, b'w', b'e', b'b', 0xc0, 16]);
        let one = records(Wanted::A, &[alias, (1, vec![192, 0, 2, 1])]);
        assert_eq!(one, [Record::Address("192.0.2.1".parse().unwrap())]);
        let six = records(Wanted::Aaaa, &[(28, "2001:db8::1".parse::<std::net::Ipv6Addr>().unwrap().octets().into())]);
        assert_eq!(six, [Record::Address("2001:db8::1".parse().unwrap())]);
        let rule = records(Wanted::Caa, &[(257, b"\x80\x05IssuEca.example; a=b".to_vec())]);
        let expected = Record::Caa { critical: true, tag: "issue".into(), value: "ca.example; a=b".into() };
        assert_eq!(rule, [expected]);
    }

    #[test]
    fn nothing_is_an_answer_and_a_failure_is_none() {
        let question = asked(Wanted::A);
        let of = |code| read(&answered(&question, code, &[]), &question, Wanted::A);
        assert_eq!(of(0), Read::Answer(Answer { exists: true, records: Vec::new() }));
        assert_eq!(of(3), Read::Answer(Answer { exists: false, records: Vec::new() }));
        assert_eq!(of(2), Read::No("it failed (SERVFAIL)".to_owned()));
    }

    #[test]
    fn what_is_not_for_this_question_or_no_message_is_foreign() {
        let question = asked(Wanted::A);
        let right = answered(&question, 0, &[(1, vec![192, 0, 2, 1])]);
        let other = question_of("www.example.com");
        assert_eq!(read(&right, &other, Wanted::A), Read::Foreign);
        assert_eq!(read(&question, &question, Wanted::A), Read::Foreign, "a question is no answer");
        // No length of it makes anything else of it, and nothing panics.
        for length in 0..right.len() {
            assert_eq!(read(&right[..length], &question, Wanted::A), Read::Foreign, "{length}");
        }
        let circle = answered(&question, 0, &[(1, vec![1, 2, 3])]);
        assert_eq!(read(&circle, &question, Wanted::A), Read::Foreign);
        let mut loud = right.clone();
        loud[2] |= 2;
        assert_eq!(read(&loud, &question, Wanted::A), Read::CutShort);
    }

    fn question_of(name: &str) -> Vec<u8> {
        question(7, name, Wanted::A).unwrap()
    }

    #[test]
    fn what_is_no_name_is_not_asked_for() {
        for name in ["", "a..b", &"a".repeat(64), &["abcdefgh"; 40].join(".")] {
            assert_eq!(question(1, name, Wanted::A), None, "{name}");
        }
        assert_eq!(question(1, "a.example.", Wanted::A), question(1, "a.example", Wanted::A));
    }
}
