//! TLS of sites: the two profiles of Mozilla's guideline, and for how long browsers shall insist on it.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Deserialize;

use super::dialect::Dialect;
use super::view::TlsView;
use super::words::Name;

/// Where certificates are kept: a folder for each, in which `current` is what serves.
const STORE: &str = "/var/lib/hostagent/tls";
/// Six suites, of which a client takes the one that it is fastest with.
const CIPHERS: &str = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:\
                       ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";

/// Which clients may connect, as in Mozilla's guideline 6.0.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "NginxTlsProfile")]
pub enum TlsProfile {
    /// TLS 1.2 and 1.3: every client of the last ten years.
    #[default]
    Intermediate,
    /// TLS 1.3 alone.
    Modern,
}

impl TlsProfile {
    pub(super) fn view(self, dialect: &Dialect) -> TlsView {
        let (name, protocols, ciphers) = match self {
            Self::Intermediate => ("intermediate", "TLSv1.2 TLSv1.3", Some(CIPHERS)),
            Self::Modern => ("modern", "TLSv1.3", None),
        };
        TlsView { profile: name, protocols, ciphers, curves: dialect.curves, tickets_off: dialect.tickets_off }
    }
}

/// For how long browsers that were here once insist on TLS (`Strict-Transport-Security`). Never while the certificate is one
/// that nobody trusts: they could not come back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "NginxHsts")]
pub enum Hsts {
    /// Five minutes on the first day that it has a trusted certificate, then a week, then a month, then two years.
    #[default]
    Ramp,
    /// Two years at once.
    Full,
    /// Not at all.
    Off,
}

const DAY: i64 = 24 * 60 * 60;
const TWO_YEARS: u32 = 63_072_000;

impl Hsts {
    /// For how many seconds, so long after it began.
    pub(super) fn max_age(self, since: Timestamp, now: Timestamp) -> Option<u32> {
        let days = now.as_second().saturating_sub(since.as_second()) / DAY;
        match self {
            Self::Off => None,
            Self::Ramp if days < 1 => Some(300),
            Self::Ramp if days < 8 => Some(604_800),
            Self::Ramp if days < 38 => Some(2_592_000),
            Self::Full | Self::Ramp => Some(TWO_YEARS),
        }
    }
}

/// The chain of the certificate of this name, its own certificate first.
pub(super) fn chain_of(name: &Name) -> PathBuf {
    Path::new(STORE).join(name.as_str()).join("current/fullchain.pem")
}

/// Its private key.
pub(super) fn key_of(name: &Name) -> PathBuf {
    Path::new(STORE).join(name.as_str()).join("current/privkey.pem")
}

/// What is beside it while others trust it, as a pattern: it need not be there.
pub(super) fn trusted_pattern(name: &Name) -> PathBuf {
    Path::new(STORE).join(name.as_str()).join("current/trusted.ma[p]")
}

/// What answers an ACME challenge, as the account's key has it.
pub(super) fn thumbprint_file() -> PathBuf {
    Path::new(STORE).join("account/thumbprint")
}

/// The thumbprint in what that file holds: 32 bytes in base64url. Anything else would end up in a configuration.
pub(super) fn thumbprint_in(text: &str) -> Option<String> {
    let word = text.trim();
    let fits = word.len() == 43 && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    fits.then(|| word.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_insist_longer_the_longer_it_went_well() {
        let since = Timestamp::from_second(1_700_000_000).unwrap();
        let after = |days: i64| Timestamp::from_second(1_700_000_000 + days * DAY).unwrap();
        for (days, wanted) in [(-3, 300), (0, 300), (1, 604_800), (7, 604_800), (8, 2_592_000), (38, TWO_YEARS)] {
            assert_eq!(Hsts::Ramp.max_age(since, after(days)), Some(wanted), "after {days} days");
        }
        assert_eq!((Hsts::Full.max_age(since, since), Hsts::Off.max_age(since, since)), (Some(TWO_YEARS), None));
    }

    #[test]
    fn only_a_thumbprint_is_taken_for_one() {
        let print = "nIN6ULGT-T_Zj3Gpcaq8fVXvWWVJsbUl6RClJFFXJzI";
        assert_eq!(thumbprint_in(&format!("{print}\n")).as_deref(), Some(print));
        for wrong in ["", "short", &format!("{print}x"), &print.replace('-', "\""), &print.replace('-', "$")] {
            assert_eq!(thumbprint_in(wrong), None, "{wrong}");
        }
    }
}
