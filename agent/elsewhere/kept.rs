//! The last good copy of what a service has, in `/var/lib/hostagent/recipes/` (0600), named by a digest of its address:
//! an address may hold a signature.

use std::io::ErrorKind;

use jiff::Timestamp;

use crate::aws::{Kind, NotHad};
use crate::host::files::sha256_of;
use crate::host::{Error, Look, STATE_DIR, Touch};
use crate::terms::{Address, Remote};

/// The folder below hostagent's own.
const FOLDER: &str = "recipes";

/// A copy.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) bytes: Vec<u8>,
    pub(super) since: Timestamp,
}

impl Kept {
    /// The copy of what is at an address; `None` if there is none, or none that this user may read.
    pub(super) fn of(host: &Look, address: &Address) -> Result<Option<Self>, NotHad> {
        let path = std::path::Path::new(STATE_DIR).join(name(address));
        let unreadable = |error: Error| {
            NotHad::new(Kind::Wrong, format!("its last good copy: {error}"), error.hint().unwrap_or_default())
        };
        let read = host.read_state(&name(address)).and_then(|bytes| Ok((bytes, host.found(&path)?)));
        match read {
            Err(Error::File { source, .. }) if source.kind() == ErrorKind::PermissionDenied => Ok(None),
            Err(error) => Err(unreadable(error)),
            Ok((Some(bytes), Some(found))) => {
                let since = Timestamp::from_nanosecond(found.ctime).unwrap_or_default();
                Ok(Some(Self { bytes, since }))
            }
            Ok(_) => Ok(None),
        }
    }

    /// Whether it is what is wanted, as far as that is said.
    pub(super) fn fits(&self, remote: &Remote) -> bool {
        remote.sha256.as_ref().is_none_or(|digest| *digest == sha256_of(&self.bytes))
    }
}

/// Keeps what has turned out to be good, unless it is kept already.
///
/// # Errors
/// When it cannot be written.
pub fn keep(host: &Touch, address: &Address, bytes: &[u8]) -> Result<(), Error> {
    if host.read_state(&name(address))?.as_deref() == Some(bytes) {
        return Ok(());
    }
    host.write_state_durably(&name(address), bytes)
}

fn name(address: &Address) -> String {
    format!("{FOLDER}/{}.toml", sha256_of(address.whole().as_bytes()))
}
