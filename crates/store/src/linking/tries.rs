//! How many link codes were tried within the hour: by a reference, and wrong ones of a partner and
//! of all.

use entente_ledger::PartnerId;
use jiff::{SignedDuration, Timestamp};
use jiff_sqlx::ToSqlx;
use sqlx::PgExecutor;

use crate::StoreError;

/// Under whom the tries of all partners are counted.
pub const HUB: PartnerId = PartnerId::HUB;

/// For how long a try counts.
const HOUR: SignedDuration = SignedDuration::from_hours(1);

/// Counts a try, and answers how many there are in the hour that began with the first. Whoever tries
/// at the same time waits for this transaction.
pub async fn count_try(
    executor: impl PgExecutor<'_>,
    partner: PartnerId,
    reference: &[u8],
    now: Timestamp,
) -> Result<i32, StoreError> {
    let tries = sqlx::query_scalar!(
        "INSERT INTO link_tries (partner_id, reference, since, tries) VALUES ($1, $2, $3, 1)
         ON CONFLICT (partner_id, reference) DO UPDATE
         SET tries = CASE WHEN link_tries.since <= $4 THEN 1
                          ELSE LEAST(link_tries.tries, 1000000000) + 1 END,
             since = CASE WHEN link_tries.since <= $4 THEN $3 ELSE link_tries.since END
         RETURNING tries",
        partner.0,
        reference,
        now.to_sqlx() as _,
        hour_before(now).to_sqlx() as _
    );
    Ok(tries.fetch_one(executor).await?)
}

/// How many tries of a partner as a whole count now.
pub async fn tries(
    executor: impl PgExecutor<'_>,
    partner: PartnerId,
    now: Timestamp,
) -> Result<i32, StoreError> {
    let tries = sqlx::query_scalar!(
        "SELECT tries FROM link_tries WHERE partner_id = $1 AND reference = '' AND since > $2",
        partner.0,
        hour_before(now).to_sqlx() as _
    );
    Ok(tries.fetch_optional(executor).await?.unwrap_or_default())
}

/// Forgets some of the tries that no longer count.
pub async fn forget_tries(executor: impl PgExecutor<'_>, now: Timestamp) -> Result<(), StoreError> {
    let forgotten = sqlx::query!(
        "DELETE FROM link_tries WHERE (partner_id, reference) IN (
             SELECT partner_id, reference FROM link_tries WHERE since <= $1
             ORDER BY since LIMIT 100 FOR UPDATE SKIP LOCKED)",
        hour_before(now).to_sqlx() as _
    );
    forgotten.execute(executor).await?;
    Ok(())
}

fn hour_before(now: Timestamp) -> Timestamp {
    now.saturating_sub(HOUR).unwrap_or(Timestamp::MIN)
}
