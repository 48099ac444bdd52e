//! For how long browsers insist on TLS (`Strict-Transport-Security`, RFC 6797): only while others trust the certificate, else
//! those who came once could not come back.
//!
//! Whether they do is not written into the site: a certificate comes after the site that answers for it. What lies beside
//! the certificate says it, and nginx reads both at the same reload.

use crate::features::nginx::here::Here;
use crate::features::nginx::site::Site;
use crate::features::nginx::tls;
use crate::features::nginx::view::MapView;
use crate::features::nginx::words::word;

/// The variable with the header's value, which is empty while nobody trusts the certificate: nginx then sends none.
pub(super) fn variable(site: &Site) -> String {
    format!("$hostagent_hsts_{}", in_a_variable(site.name.as_str()))
}

/// What gives that variable its value.
pub(super) fn maps(site: &Site, here: &Here) -> Vec<MapView> {
    let (Some(seconds), Some(certificate)) = (here.insists_for.get(site.name.as_str()), &site.certificate) else {
        return Vec::new();
    };
    let below = if site.hsts_include_subdomains { "; includeSubDomains" } else { "" };
    let lists = if site.hsts_preload { "; preload" } else { "" };
    let trusted = format!("$hostagent_trusted_{}", in_a_variable(site.name.as_str()));
    // With `[p]` it is a pattern, and nginx does not mind that nothing fits.
    let place = tls::trusted_pattern(certificate).display().to_string();
    vec![
        MapView {
            of: "trusted".to_owned(),
            variable: trusted.clone(),
            lines: vec![format!("include {}", word(&place))],
        },
        MapView {
            of: trusted,
            variable: variable(site),
            lines: vec![format!("1 \"max-age={seconds}{below}{lists}\"")],
        },
    ]
}

/// A name as variables may have it; no two names become one.
fn in_a_variable(name: &str) -> String {
    let mut found = String::new();
    for byte in name.bytes() {
        match byte {
            b'_' => found.push_str("__"),
            byte if byte.is_ascii_alphanumeric() => found.push(char::from(byte)),
            byte => found.extend(format!("_{byte:02x}").chars()),
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_names_become_one_variable() {
        for (name, wanted) in [("api", "api"), ("a-b", "a_2db"), ("a_b", "a__b"), ("a_2db", "a__2db")] {
            assert_eq!(in_a_variable(name), wanted);
        }
    }
}
