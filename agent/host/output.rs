//! A file that the caller named for output: theirs, not the host's, so nothing is remembered of it.

use std::io;
use std::path::Path;

/// Puts a text into it, over what was there, as a shell's `>` does.
///
/// # Errors
/// When the system refuses.
pub fn save(path: &Path, text: &str) -> io::Result<()> {
    std::fs::write(path, text)
}
