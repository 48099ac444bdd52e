//! Files that whoever calls hostagent names for its output: they are theirs, and no part of what it manages.

use std::path::Path;

use super::Error;

/// Puts a text into a file, over what was there, as a shell's `>` does.
///
/// # Errors
/// When the system refuses.
pub fn save(path: &Path, text: &str) -> Result<(), Error> {
    std::fs::write(path, text).map_err(|source| Error::File { doing: "write", path: path.into(), source })
}
