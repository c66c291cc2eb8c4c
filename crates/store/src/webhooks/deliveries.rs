//! Deliveries: made of events as the cursor of their webhook moves, seen and replayed by the partner,
//! and forgotten a while after they were given up.

use entente_ledger::{Cell, Seq};
use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use sqlx::{PgExecutor, PgPool};
use uuid::Uuid;

use crate::StoreError;

/// A delivery to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDelivery {
    /// Of which event.
    pub event_id: Uuid,
    /// Where it happened,
    pub cell: Cell,
    /// and its number there.
    pub seq: Seq,
    /// What it tells of, by its number in the contract.
    pub kind: i32,
    /// The event, encoded.
    pub event: Vec<u8>,
}

/// Whether a delivery is still tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryState {
    /// It is.
    Pending,
    /// It was given up.
    Dead,
}

/// A delivery as its partner sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Of which event.
    pub event_id: Uuid,
    /// Where it happened,
    pub cell: Cell,
    /// and its number there.
    pub seq: Seq,
    /// What it tells of, by its number in the contract.
    pub kind: i32,
    /// The event, encoded.
    pub event: Vec<u8>,
    /// Whether it is still tried.
    pub state: DeliveryState,
    /// How often it was tried.
    pub attempts: i32,
    /// From when the time counts for which it is tried.
    pub since: Timestamp,
    /// When it is tried next, or was tried last.
    pub next_attempt_at: Timestamp,
    /// How the last attempt failed, by its number in the contract.
    pub failure: Option<i16>,
    /// What the endpoint answered last.
    pub status: Option<i16>,
}

/// A place in a list of deliveries: after this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AfterDelivery {
    /// Its cell,
    pub cell: Cell,
    /// its number there,
    pub seq: Seq,
    /// and its id.
    pub event_id: Uuid,
}

impl DeliveryState {
    const fn code(self) -> i16 {
        match self {
            Self::Pending => 1,
            Self::Dead => 2,
        }
    }
}

/// Moves a webhook's cursor and makes deliveries of what lies between. `false` when another hub
/// moved it first, or the webhook is gone: nothing is written then.
pub async fn read_on(
    pool: &PgPool,
    webhook_id: Uuid,
    (from, to): (&[u8], &[u8]),
    deliveries: &[NewDelivery],
) -> Result<bool, StoreError> {
    let mut transaction = pool.begin().await?;
    let moved = sqlx::query!(
        "UPDATE webhooks SET cursor = $3 WHERE webhook_id = $1 AND cursor = $2",
        webhook_id,
        from,
        to
    );
    if moved.execute(&mut *transaction).await?.rows_affected() == 0 {
        transaction.rollback().await?;
        return Ok(false);
    }
    if !deliveries.is_empty() {
        sqlx::query!(
            "INSERT INTO deliveries
                 (webhook_id, event_id, cell, seq, kind, event, since, next_attempt_at)
             SELECT $1, n.event_id, n.cell, n.seq, n.kind, n.event, t.now, t.now
             FROM UNNEST($2::uuid[], $3::smallint[], $4::bigint[], $5::integer[], $6::bytea[])
                      AS n (event_id, cell, seq, kind, event),
                  (SELECT COALESCE((SELECT now FROM clock), clock_timestamp()) AS now) AS t
             ON CONFLICT DO NOTHING",
            webhook_id,
            &deliveries.iter().map(|new| new.event_id).collect::<Vec<_>>(),
            &deliveries.iter().map(|new| new.cell.0).collect::<Vec<_>>(),
            &deliveries.iter().map(|new| new.seq.0).collect::<Vec<_>>(),
            &deliveries.iter().map(|new| new.kind).collect::<Vec<_>>(),
            &deliveries.iter().map(|new| new.event.clone()).collect::<Vec<_>>()
        )
        .execute(&mut *transaction)
        .await?;
    }
    transaction.commit().await?;
    Ok(true)
}

/// How many deliveries of a webhook are pending; at most `most` are counted.
pub async fn pending(
    executor: impl PgExecutor<'_>,
    webhook_id: Uuid,
    most: i64,
) -> Result<i64, StoreError> {
    let count = sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM (
               SELECT FROM deliveries WHERE webhook_id = $1 AND state = 1 LIMIT $2
           ) AS counted"#,
        webhook_id,
        most
    );
    Ok(count.fetch_one(executor).await?)
}

/// A webhook's deliveries after a place in the list, by cell and number.
pub async fn list_deliveries(
    executor: impl PgExecutor<'_>,
    webhook_id: Uuid,
    state: Option<DeliveryState>,
    after: Option<AfterDelivery>,
    limit: u16,
) -> Result<Vec<Delivery>, StoreError> {
    let first = AfterDelivery { cell: Cell(-1), seq: Seq(0), event_id: Uuid::nil() };
    let after = after.unwrap_or(first);
    let rows = sqlx::query!(
        r#"SELECT event_id, cell, seq, kind, event, state, attempts, failure, status,
                  since AS "since: jiff_sqlx::Timestamp",
                  next_attempt_at AS "next_attempt_at: jiff_sqlx::Timestamp"
           FROM deliveries
           WHERE webhook_id = $1 AND ($2::smallint IS NULL OR state = $2)
             AND (cell, seq, event_id) > ($3, $4, $5)
           ORDER BY cell, seq, event_id LIMIT $6"#,
        webhook_id,
        state.map(DeliveryState::code),
        after.cell.0,
        after.seq.0,
        after.event_id,
        i64::from(limit)
    );
    let rows = rows.fetch_all(executor).await?.into_iter().map(|row| Delivery {
        event_id: row.event_id,
        cell: Cell(row.cell),
        seq: Seq(row.seq),
        kind: row.kind,
        event: row.event,
        state: if row.state == 1 { DeliveryState::Pending } else { DeliveryState::Dead },
        attempts: row.attempts,
        since: row.since.to_jiff(),
        next_attempt_at: row.next_attempt_at.to_jiff(),
        failure: row.failure,
        status: row.status,
    });
    Ok(rows.collect())
}

/// Has one delivery tried again at once, and for the whole time from now on, whatever comes of an
/// attempt that is under way; `false` when there is none.
pub async fn replay(
    executor: impl PgExecutor<'_>,
    webhook_id: Uuid,
    event_id: Uuid,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let replayed = sqlx::query!(
        "UPDATE deliveries
         SET state = 1, since = $3, next_attempt_at = $3, leased_until = NULL, attempts = 0,
             failure = NULL, status = NULL
         WHERE webhook_id = $1 AND event_id = $2",
        webhook_id,
        event_id,
        now.to_sqlx() as _
    );
    Ok(replayed.execute(executor).await?.rows_affected() == 1)
}

/// The same for a webhook's dead deliveries, at most so many; says how many there were.
pub async fn replay_dead(
    executor: impl PgExecutor<'_>,
    webhook_id: Uuid,
    now: Timestamp,
    most: i64,
) -> Result<u64, StoreError> {
    let replayed = sqlx::query!(
        "UPDATE deliveries
         SET state = 1, since = $2, next_attempt_at = $2, leased_until = NULL, attempts = 0,
             failure = NULL, status = NULL
         WHERE webhook_id = $1 AND event_id IN (
             SELECT event_id FROM deliveries WHERE webhook_id = $1 AND state = 2
             ORDER BY cell, seq, event_id LIMIT $3
         )",
        webhook_id,
        now.to_sqlx() as _,
        most
    );
    Ok(replayed.execute(executor).await?.rows_affected())
}

/// Forgets deliveries that were given up before a time, at most so many; says how many.
pub async fn prune(
    executor: impl PgExecutor<'_>,
    before: Timestamp,
    most: i64,
) -> Result<u64, StoreError> {
    let pruned = sqlx::query!(
        "DELETE FROM deliveries WHERE (webhook_id, event_id) IN (
             SELECT webhook_id, event_id FROM deliveries
             WHERE state = 2 AND next_attempt_at < $1 LIMIT $2
         )",
        before.to_sqlx() as _,
        most
    );
    Ok(pruned.execute(executor).await?.rows_affected())
}
