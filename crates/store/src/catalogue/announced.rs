//! Which versions of terms partners were told of. A version remembers it, so that each is announced
//! once, by whichever hub comes first, and what began while no hub ran is announced too.

use entente_ledger::{PartnerId, TermsVersion};
use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use sqlx::PgExecutor;

use crate::StoreError;

/// The versions that began by a time and were not announced, the earliest first, at most so many.
pub async fn to_announce(
    executor: impl PgExecutor<'_>,
    now: Timestamp,
    limit: i64,
) -> Result<Vec<(PartnerId, TermsVersion)>, StoreError> {
    let rows = sqlx::query!(
        "SELECT partner_id, version FROM terms WHERE NOT announced AND effective_from <= $1
         ORDER BY effective_from, partner_id LIMIT $2",
        now.to_sqlx() as _,
        limit
    );
    let rows = rows.fetch_all(executor).await?.into_iter();
    Ok(rows.map(|row| (PartnerId(row.partner_id), TermsVersion(row.version))).collect())
}

/// Remembers that a version was announced. Runs under all heads, with the announcement.
pub async fn mark_announced(
    executor: impl PgExecutor<'_>,
    (partner, version): (PartnerId, TermsVersion),
) -> Result<(), StoreError> {
    sqlx::query!(
        "UPDATE terms SET announced = true WHERE partner_id = $1 AND version = $2",
        partner.0,
        version.0
    )
    .execute(executor)
    .await?;
    Ok(())
}
