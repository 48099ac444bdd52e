//! Where a running server can be reached: it says so in its data directory.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::PgServer;
use crate::host::{Error, Look};

/// The socket of a running server.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Socket {
    pub(super) directory: PathBuf,
    pub(super) port: u16,
    /// Tells this start of the server from others: its process and when it began.
    pub(super) start: (String, String),
}

impl Look {
    /// Where the server can be reached, from its `postmaster.pid`. The files of its configuration may say otherwise
    /// already: they speak of the next start.
    pub(super) fn postgres_socket(&self, server: &PgServer) -> Result<Socket, Error> {
        // The directory is the server's own: it could aim the name at anybody's file.
        let bytes = self.read_guarded(&server.data_directory, Path::new("postmaster.pid"))?;
        let text = bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        let Some(text) = text else { return Err(not_running(server, "its data directory has no `postmaster.pid`")) };
        match socket_of(&text) {
            Some(socket) if socket.directory.as_os_str().is_empty() => {
                let says = format!("PostgreSQL (`{}`) has no unix socket", server.unit);
                Err(Error::said_with_hint("pg-no-socket", says, "give `unix_socket_directories` one directory"))
            }
            Some(socket) => Ok(socket),
            None => Err(not_running(server, "its `postmaster.pid` is not complete: it is starting, or ended abruptly")),
        }
    }
}

/// That the server does not run, and why that is known.
pub(super) fn not_running(server: &PgServer, why: &str) -> Error {
    let says =
        format!("PostgreSQL (`{}`, data in `{}`) does not run: {why}", server.unit, server.data_directory.display());
    Error::said_with_hint(
        "pg-not-running",
        says,
        format!("see `systemctl status {0}` and `journalctl -u {0}`", server.unit),
    )
}

/// That the server takes connections and says nothing.
pub(super) fn silent(server: &PgServer, time: Duration) -> Error {
    let says = format!(
        "PostgreSQL (`{}`, data in `{}`) took the connection and said nothing for {} s",
        server.unit,
        server.data_directory.display(),
        time.as_secs()
    );
    let hint = format!(
        "it hangs: see `systemctl status {0}` and `journalctl -u {0}`; `systemctl restart {0}` may end that",
        server.unit
    );
    Error::said_with_hint("pg-silent", says, hint)
}

/// Lines 1 and 3 to 5 of postmaster.pid; see `src/include/utils/pidfile.h` of PostgreSQL.
fn socket_of(text: &str) -> Option<Socket> {
    let mut lines = text.lines().map(str::trim);
    let (process, _data, began) = (lines.next()?, lines.next()?, lines.next()?);
    let port = lines.next()?.parse().ok()?;
    let start = (process.to_owned(), began.to_owned());
    Some(Socket { port, directory: Path::new(lines.next()?).to_owned(), start })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_running_server_says_where_it_is() {
        let text = "1611\n/var/lib/postgresql/15/main\n1795263133\n5433\n/var/run/postgresql\nlocalhost\n      471         4\nready   \n";
        assert_eq!(
            socket_of(text),
            Some(Socket {
                directory: "/var/run/postgresql".into(),
                port: 5433,
                start: ("1611".into(), "1795263133".into())
            })
        );
        assert_eq!(
            socket_of("1611\n/var/lib/postgresql/15/main\n1795263133\n5433\n\n*\n").unwrap().directory,
            Path::new("")
        );
        assert_eq!(socket_of("1611\n/var/lib/postgresql/15/main\n"), None);
    }

    #[test]
    fn a_link_in_the_data_directory_is_not_followed() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("data")).unwrap();
        std::fs::write(root.path().join("other"), "1\n/data\n1\n5432\n/run\n").unwrap();
        std::os::unix::fs::symlink("../other", root.path().join("data/postmaster.pid")).unwrap();
        let look = crate::host::Host::at(root.path(), Box::new(crate::host::programs::Real)).unwrap().look();
        let user = crate::terms::AccountName::root();
        let server = PgServer { unit: "postgresql@15-main".into(), data_directory: "/data".into(), user };
        assert_eq!(look.postgres_socket(&server).unwrap_err().code(), "unsafe-path");
    }
}
