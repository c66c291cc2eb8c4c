//! Where what remains begins, for whoever reads operations: an answer from which archived ones are missing
//! would be wrong, so it is refused.

use entente_ledger::{PartnerId, WindowId};
use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use sqlx::{PgConnection, PgExecutor};
use uuid::Uuid;

use super::Month;
use crate::StoreError;

/// The time before which operations are archived; `None` where none are.
pub async fn kept_from(executor: impl PgExecutor<'_>) -> Result<Option<Timestamp>, StoreError> {
    let last = sqlx::query_scalar!(
        r#"SELECT max(month) AS "month: jiff_sqlx::Date" FROM archived_months"#
    );
    let last = last.fetch_one(executor).await?;
    Ok(last.map(|month| Month::of(month.to_jiff()).end()))
}

/// The last number before a time of each cell, in order; 0 where there is none.
pub async fn numbers_before(
    connection: &mut PgConnection,
    time: Timestamp,
) -> Result<Vec<i64>, StoreError> {
    let rows = sqlx::query_scalar!(
        r#"SELECT COALESCE((SELECT max(o.seq) FROM operations o
                            WHERE o.cell = e.cell AND o.posted_at < $1), e.last_seq) AS "last_seq!"
           FROM archived_ends e ORDER BY e.cell"#,
        time.to_sqlx() as _
    );
    Ok(rows.fetch_all(connection).await?)
}

/// [`StoreError::Archived`] where operations of a window are archived. Asked after its operations were
/// read, it says whether they were there.
pub async fn whole_window(
    executor: impl PgExecutor<'_>,
    window: WindowId,
) -> Result<(), StoreError> {
    let last = sqlx::query_scalar!(
        r#"SELECT max(month) AS "month: jiff_sqlx::Date" FROM archived_windows
           WHERE window_id = $1"#,
        window.0
    );
    refuse(last.fetch_one(executor).await?)
}

/// [`StoreError::Archived`] where operations are archived that were posted at a time or later and have
/// numbers beyond these, of each cell in order.
pub async fn look_back(
    executor: impl PgExecutor<'_>,
    from: Timestamp,
    after: &[i64],
) -> Result<(), StoreError> {
    let last = sqlx::query_scalar!(
        r#"SELECT max(m.month) AS "month: jiff_sqlx::Date"
           FROM archived_months m
           WHERE (m.month + interval '1 month') AT TIME ZONE 'UTC' > $1
             AND EXISTS (SELECT FROM archived_cells a
                         WHERE a.month = m.month AND a.last_seq > ($2::bigint[])[a.cell + 1])"#,
        from.to_sqlx() as _,
        after
    );
    refuse(last.fetch_one(executor).await?)
}

/// [`StoreError::Archived`] where a partner's requests, or those that credited its receipts, name
/// archived operations.
pub async fn look_up(
    executor: impl PgExecutor<'_>,
    partner: PartnerId,
    (request_ids, receipts): (&[Uuid], &[String]),
) -> Result<(), StoreError> {
    let last = sqlx::query_scalar!(
        r#"SELECT max(a.month) AS "month: jiff_sqlx::Date"
           FROM (
               SELECT r.cell, r.seq FROM UNNEST($2::uuid[]) n (id)
               JOIN requests r ON r.partner_id = $1 AND r.request_id = n.id
               UNION ALL
               SELECT r.cell, r.seq FROM UNNEST($3::text[]) n (receipt)
               JOIN requests r ON r.partner_id = $1 AND r.receipt = n.receipt
           ) named
           JOIN archived_cells a ON a.cell = named.cell
                AND named.seq BETWEEN a.first_seq AND a.last_seq"#,
        partner.0,
        request_ids,
        receipts
    );
    refuse(last.fetch_one(executor).await?)
}

fn refuse(last: Option<jiff_sqlx::Date>) -> Result<(), StoreError> {
    match last {
        None => Ok(()),
        Some(last) => Err(StoreError::Archived { before: Month::of(last.to_jiff()).end() }),
    }
}
