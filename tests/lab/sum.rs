//! Checksums, as everybody writes them.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

/// The SHA-256 of some bytes, in lower-case hexadecimal.
pub fn of(bytes: impl AsRef<[u8]>) -> String {
    let mut text = String::with_capacity(64);
    for byte in Sha256::digest(bytes) {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// Enough of it to tell a few things apart in a file name.
pub fn short(bytes: impl AsRef<[u8]>) -> String {
    let mut text = of(bytes);
    text.truncate(12);
    text
}
