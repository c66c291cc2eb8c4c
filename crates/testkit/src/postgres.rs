//! One PostgreSQL for each test program, and a database of its own for each test, copied from a migrated template.
//!
//! The server is started by the first test that asks for it. A watchdog stops it and removes its directory when the
//! program ends, however it ends.

use std::{env, ffi::OsStr, fmt::Display, path::Path, process::Command, time::Duration};

use entente_embedded::{Embedded, Options};
use entente_store::{LedgerOptions, RUNTIME_ROLE};
use jiff::Timestamp;
use sqlx::{AssertSqlSafe, Connection, PgConnection, PgPool, postgres::PgPoolOptions};
use tokio::sync::{OnceCell, Semaphore, SemaphorePermit};
use uuid::Uuid;

const TEMPLATE: &str = "entente_template";
const CELLS: i16 = 8;
const RUNTIME_PASSWORD: &str = "runtime";

/// Databases in use at once; the rest of the tests wait.
const DATABASES: usize = 8;
/// Connections of one pool.
const POOL: u32 = 10;
/// Connections for each of them, and some for making and dropping.
const CONNECTIONS: &str = "300";

static SERVER: OnceCell<Embedded> = OnceCell::const_new();
static ROOM: Semaphore = Semaphore::const_new(DATABASES);

/// When the simulation of a fresh database begins: Monday, 2 March 2026, 08:00 UTC.
pub fn morning() -> Timestamp {
    Timestamp::constant(1_772_438_400, 0)
}

/// A migrated database that belongs to one test and is dropped with it.
#[derive(Debug)]
pub struct Database {
    name: String,
    owner_url: String,
    runtime_url: String,
    maintenance_url: String,
    /// None once it is given back.
    room: Option<SemaphorePermit<'static>>,
}

impl Database {
    /// A new simulation ledger, whose clock stands at [`morning`]; waits while too many are in use.
    ///
    /// # Panics
    /// Where no PostgreSQL can be run: the message says what to install.
    pub async fn fresh() -> Self {
        Self::copied_from(TEMPLATE).await
    }

    /// A new ledger on the real clock; slower, for it is migrated on its own.
    ///
    /// # Panics
    /// As [`Database::fresh`].
    pub async fn fresh_in_real_time() -> Self {
        let database = Self::empty().await;
        let url = database.owner_url.clone();
        // The role is the server's, and has its password since the template was made.
        let options = LedgerOptions { simulation: None, cell_count: CELLS, runtime_password: None };
        let migrate = || async move { entente_store::migrate(&url, &options).await };
        or_panic("migrate", apart(migrate).await);
        database
    }

    /// A new database with nothing in it, for tests of the migrations.
    ///
    /// # Panics
    /// As [`Database::fresh`].
    pub async fn empty() -> Self {
        Self::copied_from("template0").await
    }

    async fn copied_from(template: &str) -> Self {
        let room = ROOM.acquire().await.expect("the semaphore is never closed");
        let server = SERVER.get_or_init(|| apart(serve)).await;
        let name = unused_name("t_");
        let maintenance_url = server.url("postgres");
        let create = format!("CREATE DATABASE {name} TEMPLATE {template}");
        or_panic(&create, execute(&maintenance_url, &create).await);
        Self {
            owner_url: server.url(&name),
            runtime_url: server.url_as(RUNTIME_ROLE, RUNTIME_PASSWORD, &name),
            maintenance_url,
            name,
            room: Some(room),
        }
    }

    /// Writes it to a file, as a backup does.
    ///
    /// # Panics
    /// Where the server's own `pg_dump` cannot.
    pub fn dump(&self, file: &Path) {
        run("pg_dump", &[OsStr::new("--file"), file.as_ref(), self.owner_url.as_ref()]);
    }

    /// A database as a dump of another one has it.
    ///
    /// # Panics
    /// As [`Database::fresh`], and where the server's own `psql` cannot.
    pub async fn restored(file: &Path) -> Self {
        let database = Self::empty().await;
        let stop = OsStr::new("--set=ON_ERROR_STOP=1");
        let quiet = OsStr::new("--quiet");
        let from = OsStr::new("--file");
        run("psql", &[quiet, stop, from, file.as_ref(), database.owner_url.as_ref()]);
        database
    }

    /// Its name on the server.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its address as the owner: migrates, inspects, tampers.
    pub fn owner_url(&self) -> &str {
        &self.owner_url
    }

    /// Its address as the role that a hub runs as.
    pub fn runtime_url(&self) -> &str {
        &self.runtime_url
    }

    /// A small pool as the owner.
    pub async fn owner_pool(&self) -> PgPool {
        pool(&self.owner_url).await
    }

    /// A pool as the hub's own.
    pub async fn runtime_pool(&self) -> PgPool {
        or_panic("connect", entente_store::connect_by_key(&self.runtime_url, POOL).await)
    }
}

impl Drop for Database {
    /// Does not wait: the server drops nothing while a client is in the middle of logging in, and that client may be
    /// another task of the thread that would wait here. Room is given back when the database is gone.
    fn drop(&mut self) {
        let url = self.maintenance_url.clone();
        let statement = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
        let room = self.room.take();
        std::thread::spawn(move || {
            // What cannot be dropped goes with the server.
            drop(block_on(|| async move { execute(&url, &statement).await }));
            drop(room);
        });
    }
}

/// Runs `work` on a thread and a runtime of its own: what is shared by tests outlives the runtime of the first.
async fn apart<T, F>(work: impl FnOnce() -> F + Send + 'static) -> T
where
    T: Send + 'static,
    F: Future<Output = T>,
{
    let worked = tokio::task::spawn_blocking(|| block_on(work)).await;
    or_panic("serve the tests", worked)
}

fn block_on<F: Future>(work: impl FnOnce() -> F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    or_panic("make a runtime", runtime).block_on(work())
}

#[expect(clippy::disallowed_methods, reason = "other test programs run at the same time")]
fn unused_name(prefix: &str) -> String {
    format!("{prefix}{}", Uuid::new_v4().simple())
}

/// Starts the server and makes the template.
async fn serve() -> Embedded {
    let directory = env::temp_dir().join(unused_name("entente-test-"));
    let fetched = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/postgresql");
    let options =
        Options::throwaway(directory).binaries(fetched).setting("max_connections", CONNECTIONS);
    let options = or_panic("settings", options);
    let server = or_panic("start PostgreSQL", Embedded::start(options).await);
    or_panic("make the template", server.ensure_database(TEMPLATE).await);
    let options = LedgerOptions {
        simulation: Some(morning()),
        cell_count: CELLS,
        runtime_password: Some(RUNTIME_PASSWORD.to_owned()),
    };
    let migrated = entente_store::migrate(&server.url(TEMPLATE), &options).await;
    or_panic("migrate the template", migrated);
    // Nobody connects to it any more, so that it can be copied at any moment.
    let close = format!("ALTER DATABASE {TEMPLATE} ALLOW_CONNECTIONS false IS_TEMPLATE true");
    or_panic(&close, execute(&server.url("postgres"), &close).await);
    server
}

/// Runs a program that comes with the server.
fn run(program: &str, arguments: &[&OsStr]) {
    let path = SERVER.get().expect("a database was made").program(program);
    let output = or_panic(program, Command::new(path).args(arguments).output());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program}: {said}");
}

async fn pool(url: &str) -> PgPool {
    let options =
        PgPoolOptions::new().max_connections(POOL).acquire_timeout(Duration::from_secs(30));
    or_panic("connect", options.connect(url).await)
}

async fn execute(url: &str, statement: &str) -> Result<(), sqlx::Error> {
    let mut connection = PgConnection::connect(url).await?;
    // Only names that this file made are in it.
    let statement = sqlx::raw_sql(AssertSqlSafe(statement.to_owned()));
    statement.execute(&mut connection).await?;
    connection.close().await
}

fn or_panic<T, E: Display>(what: &str, result: Result<T, E>) -> T {
    result.unwrap_or_else(|error| panic!("{what}: {error}"))
}
