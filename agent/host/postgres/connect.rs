//! Opening a connection, and telling a lost one from a refusal.

use std::io::ErrorKind;
use std::time::Duration;

use sqlx::ConnectOptions as _;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgDatabaseError, PgSslMode};

use super::running::{not_running, silent};
use super::{PgLook, PgServer};
use crate::host::Error;
use crate::host::identity::AsUser;

/// What every session of ours has. The statements may hold verifiers, so the server's logs, and the extensions that keep
/// statements, get none of them; names mean PostgreSQL's own objects, whatever others made of them elsewhere.
const SESSION: &[(&str, &str)] = &[
    ("default_transaction_read_only", "on"),
    ("statement_timeout", "30s"),
    ("lock_timeout", "10s"),
    ("client_min_messages", "warning"),
    ("lc_messages", "C"),
    ("search_path", "pg_catalog"),
    ("standard_conforming_strings", "on"),
    ("log_statement", "none"),
    ("log_min_error_statement", "panic"),
    ("log_min_duration_statement", "-1"),
    ("log_min_duration_sample", "-1"),
    ("log_transaction_sample_rate", "0"),
    ("log_duration", "off"),
    ("pg_stat_statements.track", "none"),
    ("pgaudit.log", "none"),
];

/// How long a server that is starting up is waited for.
const STARTING: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(100);

impl PgLook<'_> {
    pub(super) async fn connect(&self) -> Result<PgConnection, Error> {
        let deadline = tokio::time::Instant::now() + STARTING;
        loop {
            match self.connect_once().await? {
                Ok(connection) => return Ok(connection),
                Err(error) if is_starting(&error) && tokio::time::Instant::now() < deadline => {
                    tokio::time::sleep(PAUSE).await;
                }
                Err(error) => return Err(refused(&error, self.server, self.database)),
            }
        }
    }

    async fn connect_once(&self) -> Result<sqlx::Result<PgConnection>, Error> {
        let socket = self.host.postgres_socket(self.server)?;
        if self.host.0.postgres.was_silent(&socket.start) {
            return Err(silent(self.server, STARTING));
        }
        let user = self.server.user.as_str();
        // Not from the environment: it names the caller's server and user.
        let options = PgConnectOptions::new_without_pgpass()
            .socket(self.host.place(&socket.directory))
            .port(socket.port)
            .username(user)
            .password("")
            .database(self.database)
            .ssl_mode(PgSslMode::Disable)
            .application_name("hostagent")
            .options(SESSION.iter().copied())
            .disable_statement_logging();
        let connecting = AsUser::new(self.host.uid(user)?, options.connect());
        match tokio::time::timeout(STARTING, connecting).await {
            Ok(connected) => connected,
            Err(_elapsed) => {
                self.host.0.postgres.is_silent(socket.start);
                Err(silent(self.server, STARTING))
            }
        }
    }
}

/// Whether the connection was lost, so that a new one may help.
pub(super) fn is_gone(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::Protocol(_) => true,
        // admin_shutdown, crash_shutdown, idle_session_timeout
        sqlx::Error::Database(said) => matches!(said.code().as_deref(), Some("57P01" | "57P02" | "57P05")),
        _ => false,
    }
}

/// Whether it will be there in a moment: `cannot_connect_now`, a full backlog, or a socket about to be made.
fn is_starting(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(error) => error.kind() == ErrorKind::WouldBlock,
        sqlx::Error::Database(said) => said.code().as_deref() == Some("57P03"),
        _ => false,
    }
}

/// A refusal in the server's own words, without the statement.
pub(super) fn refused(error: &sqlx::Error, server: &PgServer, database: &str) -> Error {
    match error {
        sqlx::Error::Io(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused) => {
            not_running(server, "nothing answers on its socket")
        }
        sqlx::Error::Io(error) => not_running(server, &error.to_string()),
        sqlx::Error::Database(said) => match said.try_downcast_ref::<PgDatabaseError>() {
            Some(said) => in_its_words(said, server, database),
            None => Error::said("pg-refused", said.to_string()),
        },
        other => Error::said("pg-answer", format!("PostgreSQL (`{}`): {other}", server.unit)),
    }
}

fn in_its_words(said: &PgDatabaseError, server: &PgServer, database: &str) -> Error {
    let detail = said.detail().map(|detail| format!("; {detail}")).unwrap_or_default();
    let says = format!("PostgreSQL says: {}{detail}", said.message());
    let user = &server.user;
    match said.code() {
        "28000" => {
            let hint =
                format!("pg_hba.conf must begin with `local all {user} peer`; then `systemctl reload {}`", server.unit);
            Error::said_with_hint("pg-denied", says, hint)
        }
        "3D000" => Error::said_with_hint(
            "pg-no-database",
            says,
            format!("add a `[[postgres.database]]` with `name = \"{database}\"`"),
        ),
        _ => match said.hint() {
            Some(hint) => Error::said_with_hint("pg-refused", says, hint),
            None => Error::said("pg-refused", says),
        },
    }
}
