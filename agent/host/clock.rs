//! A clock that is wrong: what others refuse for it says so in their words, and the remedy is here.

use jiff::Timestamp;

/// How certificates and signed lists are refused that are not valid at this moment: rustls, OpenSSL, apt, gpgv, AWS.
const WORDS: [&str; 10] = [
    "certificate expired",
    "certificate has expired",
    "not valid yet",
    "not yet valid",
    "is expired (invalid since",
    "invalid for another",
    "verification time",
    "RequestTimeTooSkewed",
    "Signature expired",
    "Signature not yet current",
];

/// What to do about a refusal that speaks of the time; `None` for any other.
pub(crate) fn hint_for(refusal: &str) -> Option<String> {
    let speaks_of_time = WORDS.iter().any(|words| refusal.contains(words));
    speaks_of_time.then(|| {
        let now = Timestamp::now().strftime("%Y-%m-%d %H:%M UTC");
        format!("is this host's clock right? it says {now}; `timedatectl` tells whether it is synchronised")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_speaks_of_the_time_is_answered_with_the_clock() {
        let apt = "E: Release file for http://deb/dists/a/InRelease is not valid yet (invalid for another 9y). Updates for this repository will not be applied.";
        for says in [apt, "invalid peer certificate: certificate expired: verification time 4 (UNIX), but 3"] {
            assert!(hint_for(says).unwrap().contains("clock right? it says 20"), "{says}");
        }
        assert_eq!(hint_for("invalid peer certificate: UnknownIssuer"), None);
    }
}
