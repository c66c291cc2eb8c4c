//! Making a ledger, and opening one.

use std::{
    str::FromStr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use jiff::{Timestamp, ToSpan, tz::TimeZone};
use jiff_sqlx::ToSqlx;
use sqlx::{
    Connection, PgConnection, PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};

use crate::{LedgerKind, StoreError};

/// The role that a hub runs as: it can append operations and transfers, and change neither.
pub const RUNTIME_ROLE: &str = "entente_runtime";

/// After how long of rest a connection is asked whether it lives, and how long it may take to say so.
const RESTED: Duration = Duration::from_secs(1);
const LIVES_WITHIN: Duration = Duration::from_secs(1);

/// How long a connection may take to be rolled back. One whose other end is gone, and whose network
/// does not say so, would take for ever, and its place with it.
const ROLLED_BACK_WITHIN: Duration = Duration::from_secs(5);

/// How a ledger is created; a ledger that exists keeps what it is.
#[derive(Debug, Clone)]
pub struct LedgerOptions {
    /// `Some` makes a simulation, for ever, whose clock starts here.
    pub simulation: Option<Timestamp>,
    /// Into how many cells members are divided, 1 to 1,024.
    pub cell_count: i16,
    /// Sets the password of the runtime role, where it logs in by one.
    pub runtime_password: Option<String>,
}

/// Brings the schema up to date as the owner, and creates the ledger where there is none.
pub async fn migrate(owner_url: &str, options: &LedgerOptions) -> Result<LedgerKind, StoreError> {
    let mut connection = PgConnection::connect(owner_url).await?;
    sqlx::migrate!("../../migrations").run(&mut connection).await?;
    create(&mut connection, options).await?;
    if let Some(password) = &options.runtime_password {
        let literal = password.replace('\'', "''");
        let statement = format!("ALTER ROLE {RUNTIME_ROLE} PASSWORD '{literal}'");
        sqlx::raw_sql(sqlx::AssertSqlSafe(statement)).execute(&mut connection).await?;
    }
    let kind = ledger_kind(&mut connection).await?;
    connection.close().await?;
    Ok(kind)
}

/// What kind of ledger a database holds.
pub async fn ledger_kind(connection: &mut PgConnection) -> Result<LedgerKind, StoreError> {
    sqlx::query_as!(LedgerKind, "SELECT simulation, cell_count FROM ledger")
        .fetch_optional(connection)
        .await?
        .ok_or_else(|| {
            StoreError::Ledger("this database holds no ledger: run `entente migrate`".into())
        })
}

/// A pool as the runtime role. A connection that comes back inside a transaction is rolled back,
/// and the server ends transactions that sit idle.
pub async fn connect(url: &str, max_connections: u32) -> Result<PgPool, StoreError> {
    pool(PgConnectOptions::from_str(url)?, max_connections).await
}

/// A pool for statements that name their rows by key, as those of a batch do: whatever the
/// statistics say, they go by the index. A generic plan is made once, perhaps while the tables are
/// all but empty and to scan them is cheap; it would be kept while they grow, until somebody gathers
/// statistics. Pages cost next to nothing there, so that a few descents of an index do not seem
/// dearer than to read all of one that is small as yet; where it seems empty even that is not enough,
/// and a batch's lookups are lateral, each of its key.
pub async fn connect_by_key(url: &str, max_connections: u32) -> Result<PgPool, StoreError> {
    let options = PgConnectOptions::from_str(url)?;
    let by_key = ["enable_seqscan", "enable_hashjoin", "enable_mergejoin", "jit"];
    let options = options.options(by_key.map(|setting| (setting, "off")));
    let options = options.options(["random_page_cost", "seq_page_cost"].map(|cost| (cost, "0.01")));
    pool(options, max_connections).await
}

/// A pool for statements that read a page in the order of an index: a sort would read all that is
/// left for each page.
pub async fn connect_in_order(url: &str, max_connections: u32) -> Result<PgPool, StoreError> {
    let options = PgConnectOptions::from_str(url)?;
    let in_order = ["enable_seqscan", "enable_bitmapscan", "enable_sort", "enable_hashjoin"];
    let in_order = in_order.into_iter().chain(["enable_mergejoin", "jit"]);
    pool(options.options(in_order.map(|setting| (setting, "off"))), max_connections).await
}

async fn pool(options: PgConnectOptions, max_connections: u32) -> Result<PgPool, StoreError> {
    let options = options.options([
        ("idle_in_transaction_session_timeout", "30s"),
        ("statement_timeout", "60s"),
        ("lock_timeout", "20s"),
        ("timezone", "UTC"),
        ("plan_cache_mode", "force_generic_plan"),
    ]);
    let silence = Arc::new(Silence { made: Instant::now(), heard_at: AtomicU64::new(0) });
    let pool = PgPoolOptions::new()
        .max_connections(max_connections)
        .acquire_timeout(Duration::from_secs(5))
        .test_before_acquire(false)
        .before_acquire(move |connection, meta| {
            let silence = Arc::clone(&silence);
            Box::pin(async move { Ok(silence.is_broken_by(connection, meta.idle_for).await) })
        })
        .after_release(|connection, _| {
            Box::pin(async move {
                // A rollback alone would warn, in the server's log, that there is nothing to roll
                // back. In a transaction that has failed this fails, and the connection is closed.
                let rollback = sqlx::raw_sql("BEGIN; ROLLBACK").execute(connection);
                let rolled_back = tokio::time::timeout(ROLLED_BACK_WITHIN, rollback).await;
                rolled_back.map_err(|_| sqlx::Error::PoolTimedOut)??;
                Ok(true)
            })
        })
        .connect_with(options)
        .await?;
    Ok(pool)
}

/// When a pool's connections last said nothing.
#[derive(Debug)]
struct Silence {
    made: Instant,
    /// When one was found silent, in milliseconds since the pool was made.
    heard_at: AtomicU64,
}

impl Silence {
    /// Whether a connection that has rested for so long still lives. When one says nothing, those that
    /// have rested since then have most likely lost the same network: each would have to be waited for in
    /// turn, and a new one costs little.
    async fn is_broken_by(&self, connection: &mut PgConnection, rested: Duration) -> bool {
        // A connection that was rolled back a moment ago needs no question more.
        if rested < RESTED {
            return true;
        }
        let rests_since = millis(self.made.elapsed().saturating_sub(rested));
        if rests_since < self.heard_at.load(Ordering::Relaxed) {
            return false;
        }
        let answer = tokio::time::timeout(LIVES_WITHIN, connection.ping()).await;
        if answer.is_err() {
            self.heard_at.fetch_max(millis(self.made.elapsed()), Ordering::Relaxed);
        }
        answer.is_ok_and(|answer| answer.is_ok())
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Brings the tables' files up to date, as the owner, so that what is measured next does not pay
/// for what came before.
pub async fn checkpoint(owner_url: &str) -> Result<(), StoreError> {
    let mut connection = PgConnection::connect(owner_url).await?;
    sqlx::raw_sql("CHECKPOINT").execute(&mut connection).await?;
    Ok(connection.close().await?)
}

/// Makes the partitions of the month of `now` and of the three after it, and of the month before.
pub async fn ensure_months(
    connection: &mut PgConnection,
    now: Timestamp,
) -> Result<(), StoreError> {
    let first =
        now.to_zoned(TimeZone::UTC).first_of_month().map_err(|error| out_of_range(&error))?;
    for months in -1..=3 {
        let month =
            first.checked_add(months.months()).map_err(|error| out_of_range(&error))?.timestamp();
        sqlx::query!("SELECT ensure_month($1)", month.to_sqlx() as _)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

async fn create(connection: &mut PgConnection, options: &LedgerOptions) -> Result<(), StoreError> {
    let mut tx = connection.begin().await?;
    sqlx::query!("LOCK TABLE ledger").execute(&mut *tx).await?;
    let existing =
        sqlx::query!("SELECT simulation, cell_count FROM ledger").fetch_optional(&mut *tx).await?;
    if let Some(ledger) = existing {
        if ledger.simulation != options.simulation.is_some() {
            let kind = if ledger.simulation { "a simulation" } else { "a real ledger" };
            return Err(StoreError::Ledger(format!("this database holds {kind}, for ever")));
        }
        return Ok(());
    }
    let start = match options.simulation {
        Some(start) => start,
        None => database_time(&mut tx).await?,
    };
    sqlx::query!(
        "INSERT INTO ledger (simulation, cell_count) VALUES ($1, $2)",
        options.simulation.is_some(),
        options.cell_count
    )
    .execute(&mut *tx)
    .await?;
    if options.simulation.is_some() {
        sqlx::query!("INSERT INTO clock (now) VALUES ($1)", start.to_sqlx() as _)
            .execute(&mut *tx)
            .await?;
    }
    sqlx::query!(
        "INSERT INTO windows (window_id, opened_at, testing) VALUES (1, $1, false), (-1, $1, true)",
        start.to_sqlx() as _
    )
    .execute(&mut *tx)
    .await?;
    sqlx::query!(
        "INSERT INTO cells (cell, window_id, last_time)
         SELECT n::smallint, 1, $2 FROM generate_series(0, $1::integer - 1) AS n",
        i32::from(options.cell_count),
        start.to_sqlx() as _
    )
    .execute(&mut *tx)
    .await?;
    sqlx::query!(
        "INSERT INTO partners (partner_id, code, display_name, created_at)
         VALUES (0, 'hub', 'The hub', $1)",
        start.to_sqlx() as _
    )
    .execute(&mut *tx)
    .await?;
    ensure_months(&mut tx, start).await?;
    tx.commit().await?;
    Ok(())
}

async fn database_time(connection: &mut PgConnection) -> Result<Timestamp, StoreError> {
    let now = sqlx::query_scalar!(r#"SELECT clock_timestamp() AS "now!: jiff_sqlx::Timestamp""#)
        .fetch_one(connection)
        .await?;
    Ok(now.to_jiff())
}

fn out_of_range(error: &jiff::Error) -> StoreError {
    StoreError::Ledger(format!("the ledger's clock is out of range: {error}"))
}
