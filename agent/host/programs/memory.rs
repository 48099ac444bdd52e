//! Where a program's words go that must be able to go on when hostagent is killed: into a file in memory, which is there as
//! long as somebody has it open.
//!
//! A pipe would not do. Whoever writes to one that nobody reads any more is ended by its next word, wherever it is; and of
//! a maintainer script that ended so under debconf's frontend, dpkg believes that it did its work.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::process::Stdio;

use nix::sys::memfd::{MFdFlags, memfd_create};

use super::KEPT;

/// Both streams of one program.
#[derive(Debug)]
pub(super) struct Memory {
    out: File,
    err: File,
}

impl Memory {
    pub(super) fn new() -> io::Result<Self> {
        let file = || memfd_create("hostagent-output", MFdFlags::MFD_CLOEXEC).map(File::from);
        Ok(Self { out: file()?, err: file()? })
    }

    /// What the program gets as its standard output and standard error.
    pub(super) fn ends(&self) -> io::Result<[Stdio; 2]> {
        Ok([self.out.try_clone()?.into(), self.err.try_clone()?.into()])
    }

    /// The last [`KEPT`] bytes of each.
    pub(super) fn said(&self) -> (Vec<u8>, Vec<u8>) {
        (last(&self.out).unwrap_or_default(), last(&self.err).unwrap_or_default())
    }
}

fn last(file: &File) -> io::Result<Vec<u8>> {
    let length = file.metadata()?.len();
    let from = length.saturating_sub(KEPT as u64);
    let mut bytes = vec![0; usize::try_from(length - from).unwrap_or_default()];
    file.read_exact_at(&mut bytes, from)?;
    Ok(bytes)
}
