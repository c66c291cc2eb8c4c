//! The control transaction: a write that is not a member's points, such as a change of partners
//! or terms, an enrolment, a close or a payment.
//!
//! 1. begin; where the write concerns everybody, lock all heads in cell order, so that no batch
//!    runs meanwhile; 2. read `now`, the open window and the catalogue's epoch under them;
//! 3. read an earlier outcome of the request id; 4. write; 5. record the outcome, which fails when
//!    another transaction was first; 6. commit.

use entente_ledger::{Cell, PartnerId, RequestId, Seq, WindowId};
use entente_loyalty::{Window, Windows};
use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use sqlx::{PgConnection, PgPool};

use crate::{
    Outcome, RequestRow, StoreError,
    batch::Batch,
    clock::{self, LedgerKind},
    ledger::ensure_months,
    requests,
};

/// A transaction under all heads, or under none. Dropped, it rolls back.
#[derive(Debug)]
pub struct Control<H = Heads> {
    batch: Batch,
    ledger: LedgerKind,
    now: Timestamp,
    database: Timestamp,
    heads: H,
}

/// All heads, locked.
#[derive(Debug)]
pub struct Heads {
    locked: Vec<Head>,
    window: Windows,
    closes_at: Option<Timestamp>,
}

/// No head is locked.
#[derive(Debug)]
pub struct NoHeads(());

/// A cell's head, as it was when it was locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// The cell.
    pub cell: Cell,
    /// The number of its last operation.
    pub seq: Seq,
    /// The open window.
    pub window: WindowId,
    /// The open testing window.
    pub testing_window: WindowId,
    /// The epoch of the catalogue.
    pub catalogue_epoch: i64,
    /// The time of its last batch.
    pub last_time: Timestamp,
}

impl Control<Heads> {
    /// Begins a transaction and locks all heads. Where the calendar closes the open window first,
    /// the answer is [`StoreError::CutOffDue`].
    pub async fn begin(pool: &PgPool) -> Result<Self, StoreError> {
        let control = Self::begin_closing(pool).await?;
        if control.is_cut_off_due() {
            control.rollback().await?;
            return Err(StoreError::CutOffDue);
        }
        Ok(control)
    }

    /// The same, whatever the calendar says: for who closes by it.
    pub async fn begin_closing(pool: &PgPool) -> Result<Self, StoreError> {
        let mut batch = Batch::begin(pool).await?;
        let heads = lock_heads(batch.connection()).await?;
        let first = heads.first().ok_or_else(|| StoreError::inconsistent("cells", "cell", 0))?;
        let (live, closes_at) = open_window(batch.connection(), first.window).await?;
        let (testing, _) = open_window(batch.connection(), first.testing_window).await?;
        let window = Windows { live, testing };
        let (ledger, clock) = clock::read_both(batch.connection()).await?;
        let now = heads.iter().map(|head| head.last_time).fold(clock.ledger, Timestamp::max);
        let heads = Heads { locked: heads, window, closes_at };
        Ok(Self { batch, ledger, now, database: clock.database, heads })
    }

    /// The open window of partners that are settled.
    pub const fn window(&self) -> Window {
        self.heads.window.live
    }

    /// The open window of partners that test, or that of all others.
    pub const fn window_of(&self, testing: bool) -> Window {
        self.heads.window.of(testing)
    }

    /// When the calendar closes the open window, if it does.
    pub const fn closes_at(&self) -> Option<Timestamp> {
        self.heads.closes_at
    }

    /// Whether the calendar closes the open window before anything else is posted.
    pub fn is_cut_off_due(&self) -> bool {
        self.closes_at().is_some_and(|at| at <= self.now)
    }

    /// The heads, in cell order.
    pub fn heads(&self) -> &[Head] {
        &self.heads.locked
    }

    /// The catalogue's epoch: as locked, or as raised since.
    pub fn catalogue_epoch(&self) -> i64 {
        self.heads.locked.iter().map(|head| head.catalogue_epoch).max().unwrap_or_default()
    }

    /// Raises the catalogue's epoch: every writer reloads before it decides again.
    pub async fn raise_epoch(&mut self) -> Result<i64, StoreError> {
        let epoch = self.catalogue_epoch() + 1;
        sqlx::query!("UPDATE cells SET catalogue_epoch = $1", epoch)
            .execute(self.batch.connection())
            .await?;
        for head in &mut self.heads.locked {
            head.catalogue_epoch = epoch;
        }
        Ok(epoch)
    }

    /// The next number of a cell: its head counts on.
    pub(crate) async fn next_seq(&mut self, cell: Cell) -> Result<Seq, StoreError> {
        let head = self.heads.locked.iter_mut().find(|head| head.cell == cell);
        let head = head.ok_or_else(|| StoreError::inconsistent("cells", "cell", cell.0))?;
        let seq = head.seq.after(1);
        head.seq = seq.map_err(|_| StoreError::inconsistent("cells", "seq", head.seq.0))?;
        let seq = head.seq;
        sqlx::query!("UPDATE cells SET seq = $2 WHERE cell = $1", cell.0, seq.0)
            .execute(self.batch.connection())
            .await?;
        Ok(seq)
    }

    /// Moves the clock of a simulation to a time that is not before `now`, and makes the partitions
    /// that operations will need there.
    pub async fn advance_clock(&mut self, to: Timestamp) -> Result<(), StoreError> {
        self.now = to;
        ensure_months(self.batch.connection(), to).await?;
        sqlx::query!("UPDATE clock SET now = $1", to.to_sqlx() as _)
            .execute(self.batch.connection())
            .await?;
        Ok(())
    }

    /// Commits, and leaves `now` in every head as the time of its last batch.
    pub async fn commit(mut self) -> Result<(), StoreError> {
        sqlx::query!("UPDATE cells SET last_time = $1", self.now.to_sqlx() as _)
            .execute(self.batch.connection())
            .await?;
        self.batch.commit().await
    }
}

impl Control<NoHeads> {
    /// Begins a transaction that locks no head: for writes that no batch depends on.
    pub async fn begin_without_heads(pool: &PgPool) -> Result<Self, StoreError> {
        let mut batch = Batch::begin(pool).await?;
        let (ledger, clock) = clock::read_both(batch.connection()).await?;
        let (now, database) = (clock.ledger, clock.database);
        Ok(Self { batch, ledger, now, database, heads: NoHeads(()) })
    }

    /// The transaction as a batch, for the few writes that move points: they lock their members' heads,
    /// as every batch does.
    pub const fn batch(&mut self) -> &mut Batch {
        &mut self.batch
    }

    /// Commits.
    pub async fn commit(self) -> Result<(), StoreError> {
        self.batch.commit().await
    }
}

impl<H> Control<H> {
    /// The time of everything that the transaction writes: the ledger's clock, and under all heads
    /// never before the last batch of one.
    pub const fn now(&self) -> Timestamp {
        self.now
    }

    /// The database's own clock at the beginning, also in a simulation.
    pub const fn database_time(&self) -> Timestamp {
        self.database
    }

    /// What kind of ledger it is.
    pub const fn ledger(&self) -> LedgerKind {
        self.ledger
    }

    /// The connection, for the statements in between.
    pub fn connection(&mut self) -> &mut PgConnection {
        self.batch.connection()
    }

    /// The outcome that a request id already has.
    pub async fn outcome(
        &mut self,
        partner: PartnerId,
        request_id: RequestId,
    ) -> Result<Option<Outcome>, StoreError> {
        let key = (partner, request_id);
        Ok(requests::outcomes(self.connection(), &[key]).await?.remove(&key))
    }

    /// Gives a request id its outcome for ever. Where it has one by now, the answer is
    /// [`StoreError::Claimed`]: roll back and run again.
    pub async fn record(&mut self, row: &RequestRow) -> Result<(), StoreError> {
        requests::insert(self.connection(), std::slice::from_ref(row)).await
    }

    /// Gives up what was written.
    pub async fn rollback(self) -> Result<(), StoreError> {
        self.batch.rollback().await
    }
}

async fn lock_heads(connection: &mut PgConnection) -> Result<Vec<Head>, StoreError> {
    let heads = sqlx::query!(
        r#"SELECT cell, seq, window_id, testing_window_id, catalogue_epoch,
                  last_time AS "last_time: jiff_sqlx::Timestamp"
           FROM cells ORDER BY cell FOR UPDATE"#
    );
    let heads = heads.fetch_all(connection).await?.into_iter().map(|row| Head {
        cell: Cell(row.cell),
        seq: Seq(row.seq),
        window: WindowId(row.window_id),
        testing_window: WindowId(row.testing_window_id),
        catalogue_epoch: row.catalogue_epoch,
        last_time: row.last_time.to_jiff(),
    });
    Ok(heads.collect())
}

async fn open_window(
    connection: &mut PgConnection,
    id: WindowId,
) -> Result<(Window, Option<Timestamp>), StoreError> {
    let window = sqlx::query!(
        r#"SELECT opened_at AS "opened_at: jiff_sqlx::Timestamp",
                  closes_at AS "closes_at: jiff_sqlx::Timestamp"
           FROM windows WHERE window_id = $1 AND closed_at IS NULL"#,
        id.0
    );
    let window = window.fetch_optional(connection).await?;
    let window = window.ok_or_else(|| StoreError::inconsistent("cells", "window_id", id.0))?;
    let closes_at = window.closes_at.map(jiff_sqlx::Timestamp::to_jiff);
    Ok((Window { id, opened_at: window.opened_at.to_jiff() }, closes_at))
}
