//! What may be said to the nginx that is here: which words its version, its modules and its TLS library know.

use serde::Serialize;

use crate::host::nginx::build::{Build, Version};

/// How a `server` says that it speaks HTTP/2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) enum Http2 {
    /// It cannot.
    No,
    /// As a word of `listen`, before 1.25.1.
    Parameter,
    /// As `http2 on`.
    Directive,
}

/// The words that a build knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Dialect {
    pub(super) http2: Http2,
    /// Whether it speaks HTTP/3.
    pub(super) quic: bool,
    /// Whether it can end a handshake without showing a certificate.
    pub(super) reject_handshake: bool,
    /// Whether its session tickets must be off, because their keys never change while it runs.
    pub(super) tickets_off: bool,
    /// The groups for the exchange of keys.
    pub(super) curves: &'static str,
}

impl Dialect {
    /// Of a build.
    pub(super) fn of(build: &Build) -> Self {
        let since = |major, minor, patch| build.version >= Version(major, minor, patch);
        let http2 = if !build.http_v2 {
            Http2::No
        } else if since(1, 25, 1) {
            Http2::Directive
        } else {
            Http2::Parameter
        };
        // A group that the library does not know keeps nginx from starting; since 3.3 it is passed over where it has a `?`.
        let post_quantum = build.openssl.is_some_and(|version| version >= Version(3, 5, 0));
        Self {
            http2,
            quic: build.http_v3 && since(1, 25, 0),
            reject_handshake: since(1, 19, 4),
            tickets_off: !since(1, 23, 2),
            curves: if post_quantum {
                "?X25519MLKEM768:X25519:prime256v1:secp384r1"
            } else {
                "X25519:prime256v1:secp384r1"
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dialect(version: Version, openssl: Version) -> Dialect {
        Dialect::of(&Build { version, openssl: Some(openssl), http_v2: true, http_v3: true })
    }

    const OPENSSL_3_0: Version = Version(3, 0, 17);

    #[test]
    fn http2_is_a_word_of_listen_before_1_25_1_and_a_directive_since() {
        for (version, wanted) in [
            (Version(1, 18, 0), Http2::Parameter),
            (Version(1, 25, 0), Http2::Parameter),
            (Version(1, 25, 1), Http2::Directive),
            (Version(1, 30, 0), Http2::Directive),
        ] {
            assert_eq!(dialect(version, OPENSSL_3_0).http2, wanted, "{version}");
        }
        let without = Build { version: Version(1, 26, 0), openssl: Some(OPENSSL_3_0), http_v2: false, http_v3: false };
        assert_eq!((Dialect::of(&without).http2, Dialect::of(&without).quic), (Http2::No, false));
    }

    #[test]
    fn http3_handshakes_and_tickets_have_their_first_version() {
        for (version, quic, reject, off) in [
            (Version(1, 18, 0), false, false, true),
            (Version(1, 19, 3), false, false, true),
            (Version(1, 19, 4), false, true, true),
            (Version(1, 22, 1), false, true, true),
            (Version(1, 23, 2), false, true, false),
            (Version(1, 24, 0), false, true, false),
            (Version(1, 25, 0), true, true, false),
            (Version(1, 30, 4), true, true, false),
        ] {
            let has = dialect(version, OPENSSL_3_0);
            assert_eq!((has.quic, has.reject_handshake, has.tickets_off), (quic, reject, off), "{version}");
        }
    }

    #[test]
    fn the_post_quantum_group_is_named_only_to_a_library_that_has_it() {
        let curves = |openssl| dialect(Version(1, 26, 3), openssl).curves;
        assert_eq!(curves(Version(3, 4, 9)), "X25519:prime256v1:secp384r1");
        assert_eq!(curves(Version(3, 5, 0)), "?X25519MLKEM768:X25519:prime256v1:secp384r1");
        let other = Build { version: Version(1, 28, 0), openssl: None, http_v2: true, http_v3: true };
        assert_eq!(Dialect::of(&other).curves, "X25519:prime256v1:secp384r1");
    }
}
