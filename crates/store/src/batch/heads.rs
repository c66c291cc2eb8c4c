//! The heads: whoever holds them orders everything in their cells.

use std::collections::BTreeMap;

use entente_ledger::{Cell, Seq, WindowId};
use entente_loyalty::{Window, Windows};
use jiff::Timestamp;

use super::Batch;
use crate::{StoreError, clock::Reading, codes::inconsistent};

/// A cell's head, locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// The number of the cell's last operation.
    pub seq: Seq,
}

/// The heads of a batch, and what they say of the time.
#[derive(Debug, Clone)]
pub struct Heads {
    /// By cell.
    pub heads: BTreeMap<Cell, Head>,
    /// The batch's time: the ledger's clock, never before a head's last.
    pub now: Timestamp,
    /// The database's own clock, also in a simulation.
    pub database: Timestamp,
    /// The open windows.
    pub window: Windows,
    /// The catalogue that must be known, at least.
    pub catalogue_epoch: i64,
    /// Since when the database's server runs.
    pub(super) server: Timestamp,
}

impl Heads {
    /// Whether an operation of a cell is one that the batch numbered, and so not yet written.
    pub(super) fn is_of_batch(&self, cell: Cell, seq: Seq) -> bool {
        self.heads.get(&cell).is_none_or(|head| seq > head.seq)
    }
}

/// What is read under the heads.
struct Read {
    /// The open windows.
    window: Windows,
    /// When the calendar closes the live one.
    closes_at: Option<Timestamp>,
    clock: Reading,
    server: Timestamp,
}

impl Batch {
    /// Locks the heads of `cells` in cell order and reads the clock under them. Where the calendar
    /// closes the open window first, the answer is [`StoreError::CutOffDue`].
    pub async fn lock_heads(&mut self, cells: &[Cell]) -> Result<Heads, StoreError> {
        let wanted: Vec<i16> = cells.iter().map(|cell| cell.0).collect();
        let rows = sqlx::query!(
            r#"SELECT cell, seq, window_id, testing_window_id, catalogue_epoch,
                      last_time AS "last_time: jiff_sqlx::Timestamp"
               FROM cells WHERE cell = ANY($1) ORDER BY cell FOR UPDATE"#,
            &wanted
        )
        .fetch_all(self.connection())
        .await?;
        let first = rows.first().ok_or_else(|| inconsistent("cells", "cell", "no such cell"))?;
        let (open, epoch) = ((first.window_id, first.testing_window_id), first.catalogue_epoch);
        let Read { window, closes_at, clock, server } = self.clock(open).await?;
        let last = rows.iter().map(|row| row.last_time.to_jiff()).max();
        let now = last.map_or(clock.ledger, |last| last.max(clock.ledger));
        if closes_at.is_some_and(|at| at <= now) {
            return Err(StoreError::CutOffDue);
        }
        Ok(Heads {
            heads: rows.iter().map(|row| (Cell(row.cell), Head { seq: Seq(row.seq) })).collect(),
            now,
            database: clock.database,
            window,
            catalogue_epoch: epoch,
            server,
        })
    }

    async fn clock(&mut self, (live, testing): (i32, i32)) -> Result<Read, StoreError> {
        let row = sqlx::query!(
            r#"SELECT w.opened_at AS "opened_at: jiff_sqlx::Timestamp",
                      w.closes_at AS "closes_at: jiff_sqlx::Timestamp",
                      t.opened_at AS "testing_opened_at: jiff_sqlx::Timestamp",
                      (SELECT now FROM clock) AS "simulated: jiff_sqlx::Timestamp",
                      clock_timestamp() AS "database!: jiff_sqlx::Timestamp",
                      pg_postmaster_start_time() AS "server!: jiff_sqlx::Timestamp"
               FROM windows w CROSS JOIN windows t WHERE w.window_id = $1 AND t.window_id = $2"#,
            live,
            testing
        )
        .fetch_one(self.connection())
        .await?;
        let opened = |id, opened_at: jiff_sqlx::Timestamp| Window {
            id: WindowId(id),
            opened_at: opened_at.to_jiff(),
        };
        let window = Windows {
            live: opened(live, row.opened_at),
            testing: opened(testing, row.testing_opened_at),
        };
        let closes_at = row.closes_at.map(jiff_sqlx::Timestamp::to_jiff);
        let database = row.database.to_jiff();
        let simulated = row.simulated.map(jiff_sqlx::Timestamp::to_jiff);
        let clock = Reading { ledger: simulated.unwrap_or(database), database };
        Ok(Read { window, closes_at, clock, server: row.server.to_jiff() })
    }
}
