//! Who has something due: members found by time, a page of each cell at once.

use std::collections::BTreeMap;

use entente_ledger::{Cell, MemberId};
use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use sqlx::PgExecutor;
use uuid::Uuid;

use crate::{StoreError, clock};

/// A member with something due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DueMember {
    /// Its cell.
    pub cell: Cell,
    /// Who.
    pub member: MemberId,
    /// Since when.
    pub due_at: Timestamp,
}

/// After which member each cell's page begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SweepCursor(BTreeMap<Cell, (Timestamp, MemberId)>);

impl SweepCursor {
    /// The beginning of every cell.
    #[must_use]
    pub fn start(cell_count: i16) -> Self {
        let first = (Timestamp::UNIX_EPOCH, MemberId(Uuid::nil()));
        Self((0..cell_count).map(|cell| (Cell(cell), first)).collect())
    }

    /// Goes on behind a page: cells whose page was not full have nothing more.
    #[must_use]
    pub fn after(&self, page: &[DueMember], limit: u16) -> Self {
        let of = |cell: Cell| page.iter().filter(move |due| due.cell == cell);
        let full = |cell: &Cell| of(*cell).count() >= usize::from(limit);
        let last = |cell: Cell| of(cell).next_back().map(|due| (cell, (due.due_at, due.member)));
        Self(self.0.keys().copied().filter(full).filter_map(last).collect())
    }

    /// Whether there is nothing more in any cell.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.0.is_empty()
    }
}

/// The ledger's clock.
pub async fn now(executor: impl PgExecutor<'_>) -> Result<Timestamp, StoreError> {
    Ok(clock::read(executor).await?.1)
}

/// Members with something due at `now`, the longest overdue of each cell first, at most `limit` of
/// each cell.
pub async fn due_members(
    executor: impl PgExecutor<'_>,
    cursor: &SweepCursor,
    now: Timestamp,
    limit: u16,
) -> Result<Vec<DueMember>, StoreError> {
    let (mut cells, mut times, mut members) = (Vec::new(), Vec::new(), Vec::new());
    for (cell, (due_at, member)) in &cursor.0 {
        cells.push(cell.0);
        times.push(due_at.to_sqlx());
        members.push(member.0);
    }
    let rows = sqlx::query!(
        r#"SELECT d.cell, d.member_id, d.next_due_at AS "due_at!: jiff_sqlx::Timestamp"
           FROM UNNEST($1::smallint[], $2::timestamptz[], $3::uuid[])
               AS k (cell, after_due, after_member)
           CROSS JOIN LATERAL (
               SELECT w.cell, w.member_id, w.next_due_at FROM wallets w
               WHERE w.cell = k.cell AND w.next_due_at <= $4
                 AND (w.next_due_at, w.member_id) > (k.after_due, k.after_member)
               ORDER BY w.next_due_at, w.member_id LIMIT $5
           ) AS d
           ORDER BY d.cell, d.next_due_at, d.member_id"#,
        &cells,
        &times as _,
        &members,
        now.to_sqlx() as _,
        i64::from(limit)
    )
    .fetch_all(executor)
    .await?;
    let due = rows.into_iter().map(|row| DueMember {
        cell: Cell(row.cell),
        member: MemberId(row.member_id),
        due_at: row.due_at.to_jiff(),
    });
    Ok(due.collect())
}
