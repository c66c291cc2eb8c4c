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

/// The ledger's kind and clock: a simulation has its own, any other the database's.
pub async fn read(executor: impl PgExecutor<'_>) -> Result<(LedgerKind, Timestamp), StoreError> {
    let row = sqlx::query!(
        r#"SELECT simulation, cell_count,
                  CASE WHEN simulation THEN (SELECT now FROM clock) ELSE clock_timestamp() END
                      AS "now!: jiff_sqlx::Timestamp"
           FROM ledger"#
    );
    let row = row.fetch_one(executor).await?;
    let kind = LedgerKind { simulation: row.simulation, cell_count: row.cell_count };
    Ok((kind, row.now.to_jiff()))
}
