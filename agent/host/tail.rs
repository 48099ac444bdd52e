//! The end of a log, however long the log is.

use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::path::Path;

use super::{Error, Look};

impl Look {
    /// The lines within the last `bytes` of the file at `path`; empty if there is none.
    ///
    /// # Errors
    /// When it is there and cannot be read.
    pub fn tail(&self, path: &Path, bytes: u64) -> Result<Vec<String>, Error> {
        let read = || {
            let mut file = File::open(self.place(path))?;
            let size = file.metadata()?.len();
            let from = size.saturating_sub(bytes);
            file.seek(SeekFrom::Start(from))?;
            let mut text = Vec::new();
            file.take(bytes).read_to_end(&mut text)?;
            let lines = String::from_utf8_lossy(&text).lines().map(str::to_owned).collect::<Vec<_>>();
            // The first line may have lost its beginning.
            Ok(lines.into_iter().skip(usize::from(from > 0)).collect())
        };
        match read() {
            Err(error) if matches!(std::io::Error::kind(&error), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                Ok(Vec::new())
            }
            other => other.map_err(|source| Error::File { doing: "read", path: path.into(), source }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::{Host, programs};

    #[test]
    fn only_whole_lines_of_the_end_are_read() {
        let root = tempfile::tempdir().unwrap();
        std::fs::write(root.path().join("log"), "first\nsecond\nthird\n").unwrap();
        let host = Host::at(root.path(), Box::new(programs::Real)).unwrap().look();
        assert_eq!(host.tail(Path::new("/log"), 10).unwrap(), ["third"]);
        assert_eq!(host.tail(Path::new("/log"), 100).unwrap(), ["first", "second", "third"]);
        assert_eq!(host.tail(Path::new("/none"), 100).unwrap(), Vec::<String>::new());
    }
}
