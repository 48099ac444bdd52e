//! Standard output and standard error, as a program that must not die of them sees them.

use std::io::{self, Write};

/// Prints a text. A reader that went away (`hostagent plan | head`) is no error: it has seen enough.
///
/// # Errors
/// When the text is lost for another reason, such as a full disk.
pub fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

/// Prints a text to standard error. There is nobody left to tell when that fails.
pub fn complain(text: &str) {
    let mut out = io::stderr().lock();
    drop(out.write_all(text.as_bytes()));
}
