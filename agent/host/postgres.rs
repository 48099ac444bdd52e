//! PostgreSQL over its unix socket, as the superuser that peer authentication lets in.
//!
//! One connection a database is opened when first needed and kept for the run. Its sessions are read-only unless a
//! [`Touch`] is changing something, and tell the server to log no statement of theirs: a statement may hold the
//! verifier of a password.

mod connect;
pub mod probes;
pub mod quote;
mod running;
pub mod scram;
pub mod setting_list;
mod setting_value;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::{Duration, Instant};

use serde::Serialize;
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{AssertSqlSafe, Connection as _, Row as _};
use tokio::sync::{Mutex, MutexGuard};
use tokio::time::timeout;

use super::doing::doing;
use super::{Error, Look, Touch};
use crate::terms::AccountName;
use connect::{is_gone, refused};
use running::silent;

/// A cluster of databases on this host and the server that runs it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct PgServer {
    /// Its unit, such as `postgresql@15-main`.
    pub unit: String,
    /// Where its data is. The running server says there which port and socket it has, whatever its files say now.
    pub data_directory: PathBuf,
    /// The account it runs under, which is also its superuser.
    pub user: AccountName,
}

/// A connection once it is open; empty between a loss and the next use.
type Slot = Rc<Mutex<Option<PgConnection>>>;

/// The connections of this run, one a database.
#[derive(Debug, Default)]
pub(super) struct Connections {
    open: RefCell<BTreeMap<(PgServer, String), Slot>>,
    /// The starts of servers that said nothing, and when: one that hangs is not waited for by every question anew.
    silent: RefCell<BTreeMap<(String, String), Instant>>,
}

/// How long it is remembered that a server said nothing.
const SILENCE: Duration = Duration::from_mins(1);
/// How long a question waits at most: the server has 30 seconds for it, and is gone or hangs if it does not say so.
const ASKING: Duration = Duration::from_mins(1);
/// How long a change waits at most: the server has 10 minutes.
const CHANGE: Duration = Duration::from_mins(11);

impl Connections {
    fn is_silent(&self, start: (String, String)) {
        self.silent.borrow_mut().insert(start, Instant::now());
    }

    fn was_silent(&self, start: &(String, String)) -> bool {
        self.silent.borrow().get(start).is_some_and(|when| when.elapsed() < SILENCE)
    }
}

/// One row of an answer: every column as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row(Vec<Option<String>>);

impl Row {
    /// A column; `None` for NULL.
    pub fn get(&self, column: usize) -> Option<&str> {
        self.0.get(column).and_then(Option::as_deref)
    }

    /// A column; empty for NULL.
    pub fn text(&self, column: usize) -> &str {
        self.get(column).unwrap_or_default()
    }

    /// A column that is a boolean cast to text.
    pub fn is(&self, column: usize) -> bool {
        matches!(self.get(column), Some("true" | "t"))
    }
}

/// Asks one database. Has no method that changes it, and its session could not.
#[derive(Debug)]
pub struct PgLook<'h> {
    host: &'h Look,
    server: &'h PgServer,
    database: &'h str,
}

/// Changes one database.
#[derive(Debug)]
pub struct PgTouch<'h> {
    asks: PgLook<'h>,
    host: &'h Touch,
}

impl Look {
    /// Asks a database of a server.
    pub fn postgres<'h>(&'h self, server: &'h PgServer, database: &'h str) -> PgLook<'h> {
        PgLook { host: self, server, database }
    }
}

impl Touch {
    /// Changes a database of a server.
    pub fn change_postgres<'h>(&'h self, server: &'h PgServer, database: &'h str) -> PgTouch<'h> {
        PgTouch { asks: PgLook { host: self, server, database }, host: self }
    }
}

impl PgLook<'_> {
    /// The answer to one question. Every column must be text (`::text`); `$1` and so on are text too.
    ///
    /// # Errors
    /// When the server does not run, lets us not in, or refuses.
    pub async fn rows(&self, sql: &'static str, values: &[Option<&str>]) -> Result<Vec<Row>, Error> {
        self.rows_of(&[sql], values).await
    }

    /// The answer to one question that is written in pieces. They are the program's own: no value becomes SQL here.
    ///
    /// # Errors
    /// When the server does not run, lets us not in, or refuses.
    pub async fn rows_of(&self, sql: &[&'static str], values: &[Option<&str>]) -> Result<Vec<Row>, Error> {
        let sql = sql.concat();
        let slot = self.slot();
        let _doing = doing(|| format!("asking PostgreSQL (`{}`)", self.server.unit));
        let mut open = slot.lock().await;
        let mut again = true;
        loop {
            let mut connection = self.taken(&mut open).await?;
            let mut query = sqlx::query(AssertSqlSafe(sql.as_str()));
            for value in values {
                query = query.bind(*value);
            }
            let answer = timeout(ASKING, query.fetch_all(&mut connection)).await;
            match answer.map_err(|_elapsed| silent(self.server, ASKING))? {
                Ok(rows) => {
                    *open = Some(connection);
                    return rows.iter().map(texts).collect();
                }
                // The server was restarted since: what only asks can be asked again.
                Err(error) if again && is_gone(&error) => again = false,
                Err(error) => {
                    if error.as_database_error().is_some() && !is_gone(&error) {
                        *open = Some(connection);
                    }
                    return Err(refused(&error, self.server, self.database));
                }
            }
        }
    }

    /// Takes the connection out for one use, opening it if need be. Whoever took it puts it back if it is still good:
    /// a use that is dropped half-way leaves none behind in an unknown state.
    async fn taken(&self, open: &mut MutexGuard<'_, Option<PgConnection>>) -> Result<PgConnection, Error> {
        match open.take() {
            Some(connection) => Ok(connection),
            None => self.connect().await,
        }
    }

    fn slot(&self) -> Slot {
        let key = (self.server.clone(), self.database.to_owned());
        Rc::clone(self.host.0.postgres.open.borrow_mut().entry(key).or_default())
    }
}

impl PgTouch<'_> {
    /// Does all of these or none of them: in one transaction.
    ///
    /// # Errors
    /// When the server refuses one; its words, never the statement.
    pub async fn run(&self, statements: &[String]) -> Result<(), Error> {
        let all = statements.join(";\n");
        self.send(&["BEGIN READ WRITE".to_owned(), CHANGING.to_owned(), all, "COMMIT".to_owned()]).await
    }

    /// Does one that cannot stand in a transaction, such as `CREATE DATABASE`.
    ///
    /// # Errors
    /// When the server refuses it; its words, never the statement.
    pub async fn run_alone(&self, statement: &str) -> Result<(), Error> {
        let settings =
            ["SET default_transaction_read_only = off".to_owned(), "SET statement_timeout = '10min'".to_owned()];
        let back = ["SET default_transaction_read_only = on".to_owned(), "RESET statement_timeout".to_owned()];
        let [(allow, wait), (deny, reset)] = [settings, back].map(|[one, two]| (one, two));
        self.send(&[allow, wait, statement.to_owned(), deny, reset]).await
    }

    /// Closes the connection to this database: some changes of a database want nobody in it.
    pub async fn leave(&self) {
        let connection = self.asks.slot().lock().await.take();
        if let Some(connection) = connection {
            let _ = connection.close().await;
        }
    }

    async fn send(&self, texts: &[String]) -> Result<(), Error> {
        self.host.wrote();
        let slot = self.asks.slot();
        let _doing = doing(|| format!("changing PostgreSQL (`{}`)", self.asks.server.unit));
        let mut open = slot.lock().await;
        let mut connection = self.asks.taken(&mut open).await?;
        // A connection from before a restart of the server is found out here, where nothing was sent yet.
        let pinged = timeout(ASKING, connection.ping()).await.map_err(|_elapsed| silent(self.asks.server, ASKING))?;
        if pinged.is_err() {
            connection = self.asks.connect().await?;
        }
        for text in texts {
            let sent = timeout(CHANGE, sqlx::raw_sql(AssertSqlSafe(text.as_str())).execute(&mut connection)).await;
            let sent = sent.map_err(|_elapsed| silent(self.asks.server, CHANGE))?;
            // Whatever state the session is in now, it ends with its connection.
            sent.map_err(|error| refused(&error, self.asks.server, self.asks.database))?;
        }
        *open = Some(connection);
        Ok(())
    }
}

/// What a change may take, against a question's 30 seconds: an extension runs a script.
const CHANGING: &str = "SET LOCAL statement_timeout = '10min'";

fn texts(row: &PgRow) -> Result<Row, Error> {
    let columns = (0..row.len()).map(|column| row.try_get(column));
    let texts = columns.collect::<Result<_, sqlx::Error>>();
    texts
        .map(Row)
        .map_err(|error| Error::said("pg-answer", format!("an answer of PostgreSQL could not be read: {error}")))
}
