//! A durable PostgreSQL that is killed and started again. A watchdog removes it when this program ends,
//! however it ends.

use std::{path::PathBuf, time::Duration};

use anyhow::{Context as _, Result, bail};
use entente_embedded::{Embedded, Options, Status};
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

/// What the cluster runs with besides what the hub's own private one does. WAL is archived to nowhere
/// until somebody wants a backup.
const SETTINGS: [(&str, &str); 7] = [
    ("fsync", "on"),
    ("synchronous_commit", "on"),
    ("full_page_writes", "on"),
    ("shared_buffers", "128MB"),
    ("max_connections", "200"),
    ("archive_mode", "on"),
    ("archive_command", "true"),
];

/// How long a server may take to end or to come back.
const PATIENCE: Duration = Duration::from_mins(1);

/// How a server is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kill {
    /// One session of the ledger is ended.
    Session,
    /// One session's process dies, so that the server restarts itself.
    Backend,
    /// The server stops in immediate mode: it recovers from its log.
    Immediate,
    /// The first process of the server dies; the others notice.
    Postmaster,
}

impl Kill {
    /// All, in turn.
    pub(crate) const ALL: [Self; 4] =
        [Self::Immediate, Self::Backend, Self::Session, Self::Postmaster];
}

/// The server.
#[derive(Debug)]
pub(crate) struct Cluster {
    directory: PathBuf,
    server: Embedded,
}

impl Cluster {
    /// Makes one.
    pub(crate) async fn make(directory: PathBuf) -> Result<Self> {
        let options = configured(Options::throwaway(directory.clone()))?;
        Ok(Self { server: Embedded::start(options).await?, directory })
    }

    /// The server as its owner knows it.
    pub(crate) const fn server(&self) -> &Embedded {
        &self.server
    }

    /// Runs a statement as the owner of all.
    pub(crate) async fn execute(&self, statement: &str) -> Result<()> {
        let mut connection = PgConnection::connect(&self.server.url("postgres")).await?;
        let statement = sqlx::raw_sql(AssertSqlSafe(statement.to_owned()));
        statement.execute(&mut connection).await.with_context(|| "a statement of the test")?;
        Ok(connection.close().await?)
    }

    /// The same, of a statement that was made for it.
    pub(crate) async fn execute_owned(&self, statement: String) -> Result<()> {
        self.execute(&statement).await
    }

    /// Kills; afterwards the server may be down.
    pub(crate) async fn kill(&self, how: Kill, database: &str) -> Result<()> {
        match how {
            Kill::Session => {
                let Some(pid) = self.some_backend(database).await? else { return Ok(()) };
                self.execute(&format!("SELECT pg_terminate_backend({})", pid.as_raw_pid())).await
            }
            Kill::Backend => {
                let Some(pid) = self.some_backend(database).await? else { return Ok(()) };
                Ok(kill_process(pid, Signal::KILL)?)
            }
            Kill::Immediate => self.end(Signal::QUIT).await,
            Kill::Postmaster => self.end(Signal::KILL).await,
        }
    }

    /// Starts the server where it is down, and waits until it answers.
    pub(crate) async fn up(&self) -> Result<()> {
        let options = configured(Options::new(self.directory.clone()))?;
        // The first user is `server`, so that this one stops nothing.
        Embedded::start(options).await?.stop().await?;
        Ok(())
    }

    /// Ends the server at once.
    pub(crate) async fn end(&self, signal: Signal) -> Result<()> {
        let Status::Running { pid, .. } = Embedded::status(&self.directory).await? else {
            bail!("the database does not run");
        };
        let pid = Pid::from_raw(pid).context("a process id")?;
        kill_process(pid, signal)?;
        let gone = async {
            while test_kill_process(pid).is_ok() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, gone).await.context("the database does not end")
    }

    async fn some_backend(&self, database: &str) -> Result<Option<Pid>> {
        let mut connection = PgConnection::connect(&self.server.url("postgres")).await?;
        let found: Option<i32> = sqlx::query_scalar(
            "SELECT pid FROM pg_stat_activity
             WHERE datname = $1 AND backend_type = 'client backend'
             ORDER BY state = 'active' DESC, random() LIMIT 1",
        )
        .bind(database)
        .fetch_optional(&mut connection)
        .await?;
        connection.close().await?;
        Ok(found.and_then(Pid::from_raw))
    }
}

fn configured(options: Options) -> Result<Options> {
    let mut options = options;
    for (name, value) in SETTINGS {
        options = options.setting(name, value)?;
    }
    Ok(options)
}
