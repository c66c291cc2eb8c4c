//! What kind of ledger the database holds, and its clock.

use jiff::Timestamp;
use sqlx::PgExecutor;

use crate::StoreError;

/// What was chosen when the ledger was created, for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LedgerKind {
    /// Whether time is moved by AdvanceClock alone.
    pub simulation: bool,
    /// Into how many cells the members are divided.
    pub cell_count: i16,
}

/// The clocks of a database at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// The ledger's: a simulation's row, or the database's own.
    pub ledger: Timestamp,
    /// The database's own.
    pub database: Timestamp,
}

/// The ledger's kind and clock: a simulation has its own, any other the database's.
pub async fn read(executor: impl PgExecutor<'_>) -> Result<(LedgerKind, Timestamp), StoreError> {
    let (kind, reading) = read_both(executor).await?;
    Ok((kind, reading.ledger))
}

/// The ledger's kind, and both clocks.
pub async fn read_both(executor: impl PgExecutor<'_>) -> Result<(LedgerKind, Reading), StoreError> {
    let row = sqlx::query!(
        r#"SELECT simulation, cell_count, (SELECT now FROM clock) AS "now: jiff_sqlx::Timestamp",
                  clock_timestamp() AS "database!: jiff_sqlx::Timestamp"
           FROM ledger"#
    );
    let row = row.fetch_one(executor).await?;
    let kind = LedgerKind { simulation: row.simulation, cell_count: row.cell_count };
    let database = row.database.to_jiff();
    let simulated = row.now.filter(|_| kind.simulation).map(jiff_sqlx::Timestamp::to_jiff);
    Ok((kind, Reading { ledger: simulated.unwrap_or(database), database }))
}
