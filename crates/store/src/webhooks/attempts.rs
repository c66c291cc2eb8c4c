//! Attempts at deliveries. A hub claims what is due by a lease, sends it with no transaction open,
//! and says how it went. A hub that dies meanwhile leaves its lease to run out; what it had sent may
//! be sent again, under the same id.
//!
//! What an attempt came to counts only while its lease stands: a replay ends the lease, and another
//! claim, once it ran out, replaces it. So a late outcome undoes neither.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use sqlx::PgExecutor;
use uuid::Uuid;

use crate::StoreError;

/// A delivery that this hub is at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claimed {
    /// Of which event.
    pub event_id: Uuid,
    /// The event, encoded.
    pub event: Vec<u8>,
    /// How often it was tried before.
    pub attempts: i32,
    /// From when the time counts for which it is tried.
    pub since: Timestamp,
}

/// What a claim holds its deliveries by: no two leases on one delivery end at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    /// Of which webhook they are.
    pub webhook_id: Uuid,
    /// When it runs out, by the database's clock.
    pub until: Timestamp,
}

/// What a hub has a lease on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The lease on all of it.
    pub lease: Lease,
    /// When it was claimed, by the database's clock.
    pub at: Timestamp,
    /// In order.
    pub deliveries: Vec<Claimed>,
}

/// An attempt that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed {
    /// Of which event.
    pub event_id: Uuid,
    /// How, by its number in the contract.
    pub failure: i16,
    /// What the endpoint answered.
    pub status: Option<i16>,
    /// When it is tried next, by the ledger's clock; `None` when it is given up.
    pub next_attempt_at: Option<Timestamp>,
}

/// Takes a lease on deliveries of a webhook that are due, the longest due first, at most so many;
/// `None` when there are none.
pub async fn claim(
    executor: impl PgExecutor<'_>,
    webhook_id: Uuid,
    limit: i64,
    lease_seconds: i32,
) -> Result<Option<Claim>, StoreError> {
    let rows = sqlx::query!(
        r#"UPDATE deliveries d
           SET leased_until = due.claimed_at + make_interval(secs => $3::integer)
           FROM (
               SELECT event_id, (SELECT clock_timestamp()) AS claimed_at FROM deliveries
               WHERE webhook_id = $1 AND state = 1
                 AND next_attempt_at <= COALESCE((SELECT now FROM clock), clock_timestamp())
                 AND (leased_until IS NULL OR leased_until < clock_timestamp())
               ORDER BY next_attempt_at, cell, seq LIMIT $2
               FOR UPDATE SKIP LOCKED
           ) AS due
           WHERE d.webhook_id = $1 AND d.event_id = due.event_id
           RETURNING d.event_id, d.event, d.attempts, d.cell, d.seq,
                     d.since AS "since: jiff_sqlx::Timestamp",
                     d.leased_until AS "until!: jiff_sqlx::Timestamp",
                     due.claimed_at AS "at!: jiff_sqlx::Timestamp""#,
        webhook_id,
        limit,
        lease_seconds
    );
    let mut rows = rows.fetch_all(executor).await?;
    rows.sort_by_key(|row| (row.cell, row.seq));
    let Some((at, until)) = rows.first().map(|row| (row.at.to_jiff(), row.until.to_jiff())) else {
        return Ok(None);
    };
    let deliveries = rows.into_iter().map(|row| Claimed {
        event_id: row.event_id,
        event: row.event,
        attempts: row.attempts,
        since: row.since.to_jiff(),
    });
    let lease = Lease { webhook_id, until };
    Ok(Some(Claim { lease, at, deliveries: deliveries.collect() }))
}

/// Forgets deliveries that the endpoint accepted. One that was replayed meanwhile is sent again.
pub async fn delivered(
    executor: impl PgExecutor<'_>,
    lease: Lease,
    event_ids: &[Uuid],
) -> Result<(), StoreError> {
    sqlx::query!(
        "DELETE FROM deliveries
         WHERE webhook_id = $1 AND event_id = ANY ($2) AND leased_until = $3",
        lease.webhook_id,
        event_ids,
        lease.until.to_sqlx() as _
    )
    .execute(executor)
    .await?;
    Ok(())
}

/// Notes how attempts failed, and gives up their leases; says how many deliveries are given up by
/// that.
pub async fn failed(
    executor: impl PgExecutor<'_>,
    lease: Lease,
    now: Timestamp,
    failed: &[Failed],
) -> Result<usize, StoreError> {
    let next = failed.iter().map(|one| one.next_attempt_at.unwrap_or(now).to_sqlx());
    let states = sqlx::query_scalar!(
        "UPDATE deliveries d
         SET attempts = d.attempts + 1, failure = f.failure, status = f.status,
             next_attempt_at = f.next_attempt_at, leased_until = NULL,
             state = CASE WHEN f.dead THEN 2 ELSE 1 END
         FROM UNNEST($2::uuid[], $3::smallint[], $4::smallint[], $5::timestamptz[], $6::boolean[])
                  AS f (event_id, failure, status, next_attempt_at, dead)
         WHERE d.webhook_id = $1 AND d.event_id = f.event_id AND d.leased_until = $7
         RETURNING d.state",
        lease.webhook_id,
        &failed.iter().map(|one| one.event_id).collect::<Vec<_>>(),
        &failed.iter().map(|one| one.failure).collect::<Vec<_>>(),
        &failed.iter().map(|one| one.status).collect::<Vec<_>>() as _,
        &next.collect::<Vec<_>>() as _,
        &failed.iter().map(|one| one.next_attempt_at.is_none()).collect::<Vec<_>>(),
        lease.until.to_sqlx() as _
    );
    let states = states.fetch_all(executor).await?;
    Ok(states.into_iter().filter(|state| *state == 2).count())
}

/// Gives up the lease on what was not tried.
pub async fn release(
    executor: impl PgExecutor<'_>,
    lease: Lease,
    event_ids: &[Uuid],
) -> Result<(), StoreError> {
    sqlx::query!(
        "UPDATE deliveries SET leased_until = NULL
         WHERE webhook_id = $1 AND event_id = ANY ($2) AND leased_until = $3",
        lease.webhook_id,
        event_ids,
        lease.until.to_sqlx() as _
    )
    .execute(executor)
    .await?;
    Ok(())
}
