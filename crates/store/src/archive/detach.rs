//! A month out of the ledger, in one transaction: what it carries is written, its files are known by
//! their digests before they are written, and its tables stay in the database.

use std::time::Duration;

use sqlx::{Connection, PgConnection};

use super::{
    Month, NotArchived, Sink, Standing, TABLES, alone, carry, copy, months, obstacles, refused, run,
};
use crate::{StoreError, sqlstate_class};

/// How often the tables are asked for; each time hubs wait for at most as long as the lock does.
const TRIES: u32 = 100;
/// Shorter than it takes the server to look for a deadlock: whoever waits here gives way.
const LOCK_TIMEOUT: &str = "SET LOCAL lock_timeout = '300ms'";
const BETWEEN_TRIES: Duration = Duration::from_millis(200);

/// Detaches a month; `false` where that was done before. Hubs may work meanwhile: they wait for a moment
/// at the end.
pub async fn detach(connection: &mut PgConnection, month: Month) -> Result<bool, NotArchived> {
    let mut tx = connection.begin().await?;
    alone(&mut tx).await?;
    let known = months(&mut tx).await?.into_iter().find(|known| known.month == month);
    match known.map(|known| known.standing) {
        None => return Err(refused(format!("the ledger has no month {month}"))),
        Some(Standing::Detached | Standing::Dropped) => return Ok(false),
        Some(Standing::Kept) => {}
    }
    // Nobody writes into a month that is over; from here on nobody can.
    let [operations, transfers] = TABLES.map(|parent| month.table(parent));
    run(&mut tx, format!("LOCK TABLE {operations}, {transfers} IN SHARE MODE")).await?;
    let obstacles = obstacles(&mut tx, month).await?;
    if !obstacles.is_empty() {
        return Err(refused(format!("{month} stays in the ledger: {}", obstacles.join("; "))));
    }
    carry::carry(&mut tx, month).await?;
    for parent in TABLES {
        describe(&mut tx, month, parent).await?;
    }
    lock(&mut tx).await?;
    for parent in TABLES {
        let table = month.table(parent);
        run(&mut tx, format!("ALTER TABLE {parent} DETACH PARTITION {table}")).await?;
    }
    tx.commit().await?;
    Ok(true)
}

/// Notes what the file of a table will be.
async fn describe(
    connection: &mut PgConnection,
    month: Month,
    parent: &str,
) -> Result<(), NotArchived> {
    let table = month.table(parent);
    let copied = copy::out(connection, (parent, &table), Sink::Nowhere).await?;
    let counted = sqlx::AssertSqlSafe(format!("SELECT count(*) FROM {table}"));
    let row_count: i64 = sqlx::query_scalar(counted).fetch_one(&mut *connection).await?;
    sqlx::query!(
        "INSERT INTO archived_tables (month, name, row_count, byte_count, sha256)
         VALUES ($1, $2, $3, $4, $5)",
        month.sql() as _,
        parent,
        row_count,
        copied.byte_count,
        copied.sha256
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Waits for the tables, a moment at a time, so that no hub waits behind for long.
pub(super) async fn lock(connection: &mut PgConnection) -> Result<(), NotArchived> {
    sqlx::query!("SELECT pg_advisory_xact_lock(hashtext('entente.ensure_month'))")
        .execute(&mut *connection)
        .await?;
    for _ in 0..TRIES {
        let mut attempt = connection.begin().await?;
        run(&mut attempt, LOCK_TIMEOUT.to_owned()).await?;
        let tables = TABLES.join(", ");
        match run(&mut attempt, format!("LOCK TABLE {tables} IN ACCESS EXCLUSIVE MODE")).await {
            Ok(()) => return Ok(attempt.commit().await?),
            Err(StoreError::Database(error)) if is_held(&error) => attempt.rollback().await?,
            Err(error) => return Err(error.into()),
        }
        tokio::time::sleep(BETWEEN_TRIES).await;
    }
    Err(refused("the tables are busy; run the command again"))
}

fn is_held(error: &sqlx::Error) -> bool {
    sqlstate_class(error).as_deref() == Some("55")
}
