//! Assertions are good for one time: their ids are kept as long as anybody would accept them.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use sqlx::PgExecutor;

use crate::StoreError;

/// Notes an assertion's id; `false` when its owner has shown it before.
pub async fn see_assertion(
    executor: impl PgExecutor<'_>,
    owner: &str,
    jti: &str,
    replayable_until: Timestamp,
) -> Result<bool, StoreError> {
    let seen = sqlx::query!(
        "INSERT INTO assertions_seen (owner, jti, expires_at) VALUES ($1, $2, $3)
         ON CONFLICT DO NOTHING",
        owner,
        jti,
        replayable_until.to_sqlx() as _
    );
    Ok(seen.execute(executor).await?.rows_affected() == 1)
}

/// Forgets ids that nobody would accept any more, so many at most. An hour late, since clocks differ.
pub async fn prune_assertions(executor: impl PgExecutor<'_>, most: i64) -> Result<u64, StoreError> {
    let pruned = sqlx::query!(
        "DELETE FROM assertions_seen WHERE (owner, jti) IN (
             SELECT owner, jti FROM assertions_seen
             WHERE expires_at < clock_timestamp() - interval '1 hour'
             ORDER BY expires_at LIMIT $1)",
        most
    );
    Ok(pruned.execute(executor).await?.rows_affected())
}
