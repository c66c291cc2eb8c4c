//! What a month carries into balances, and where it ends: written before its operations go.

use jiff_sqlx::ToSqlx;
use sqlx::PgConnection;

use super::{Month, NotArchived, refused};
use crate::{StoreError, clock};

/// Writes all that stays of a month. The month's rows are still in the ledger.
pub(super) async fn carry(connection: &mut PgConnection, month: Month) -> Result<(), NotArchived> {
    let (_, now) = clock::read(&mut *connection).await?;
    sqlx::query!(
        "INSERT INTO archived_months (month, detached_at) VALUES ($1, $2)",
        month.sql() as _,
        now.to_sqlx() as _
    )
    .execute(&mut *connection)
    .await?;
    cells(connection, month).await?;
    windows(connection, month).await?;
    sums(connection, month).await?;
    Ok(lots(connection, month).await?)
}

/// Takes back what was written of a month, whose rows are in the ledger again.
pub(super) async fn take_back(
    connection: &mut PgConnection,
    month: Month,
) -> Result<(), StoreError> {
    // Whatever else there is of it goes with it.
    sqlx::query!("DELETE FROM archived_months WHERE month = $1", month.sql() as _)
        .execute(connection)
        .await?;
    Ok(())
}

/// Numbers have no gaps, or the month does not go.
async fn cells(connection: &mut PgConnection, month: Month) -> Result<(), NotArchived> {
    let found = sqlx::query_scalar!(
        r#"WITH numbered AS (
               SELECT cell, count(*) AS operations, max(seq) AS last_seq,
                      max(posted_at) AS last_time
               FROM operations WHERE posted_at >= $2 AND posted_at < $3 GROUP BY cell
           ), ends AS (
               SELECT e.cell, e.last_seq + 1 AS first_seq,
                      COALESCE(n.last_seq, e.last_seq) AS last_seq, n.last_time,
                      COALESCE(n.operations, 0) AS operations
               FROM archived_ends e LEFT JOIN numbered n USING (cell)
           ), named AS (
               SELECT e.cell, count(r.request_id) AS requests
               FROM ends e LEFT JOIN requests r ON r.cell = e.cell
                    AND r.seq BETWEEN e.first_seq AND e.last_seq
               GROUP BY e.cell
           ), written AS (
               INSERT INTO archived_cells (month, cell, first_seq, last_seq, request_count, last_time)
               SELECT $1, cell, first_seq, last_seq, requests, last_time
               FROM ends JOIN named USING (cell)
           )
           SELECT cell AS "cell!" FROM ends WHERE operations <> last_seq - first_seq + 1
           ORDER BY cell LIMIT 1"#,
        month.sql() as _,
        month.start().to_sqlx() as _,
        month.end().to_sqlx() as _
    );
    match found.fetch_optional(connection).await? {
        None => Ok(()),
        Some(cell) => Err(refused(format!(
            "the numbers of the operations of {month} in cell {cell} have a gap: see `entente check`"
        ))),
    }
}

async fn windows(connection: &mut PgConnection, month: Month) -> Result<(), StoreError> {
    sqlx::query!(
        "INSERT INTO archived_windows (month, window_id, operation_count)
         SELECT $1, window_id, count(*) FROM operations
         WHERE posted_at >= $2 AND posted_at < $3 GROUP BY window_id",
        month.sql() as _,
        month.start().to_sqlx() as _,
        month.end().to_sqlx() as _
    )
    .execute(connection)
    .await?;
    Ok(())
}

async fn sums(connection: &mut PgConnection, month: Month) -> Result<(), StoreError> {
    sqlx::query!(
        "INSERT INTO carried (month, cell, window_id, kind, debit_kind, debit_partner, credit_kind,
             credit_partner, in_points, issuer, payer, payee, currency, price_micros, amount,
             row_count)
         SELECT $1, cell, window_id, kind, debit_kind, debit_partner, credit_kind, credit_partner,
                in_points, issuer, payer, payee, currency, price_micros, sum(amount), count(*)
         FROM transfers WHERE posted_at >= $2 AND posted_at < $3
         GROUP BY cell, window_id, kind, debit_kind, debit_partner, credit_kind, credit_partner,
                  in_points, issuer, payer, payee, currency, price_micros",
        month.sql() as _,
        month.start().to_sqlx() as _,
        month.end().to_sqlx() as _
    )
    .execute(connection)
    .await?;
    Ok(())
}

async fn lots(connection: &mut PgConnection, month: Month) -> Result<(), StoreError> {
    sqlx::query!(
        "INSERT INTO carried_lots (month, cell, member_id, opened_by, ordinal, points)
         SELECT $1, cell, member_id, lot_opened_by, lot_ordinal, points
         FROM (
             SELECT cell, member_id, lot_opened_by, lot_ordinal,
                    sum(CASE WHEN credit_kind = 1 THEN amount ELSE -amount END) AS points
             FROM transfers
             WHERE member_id IS NOT NULL AND posted_at >= $2 AND posted_at < $3
             GROUP BY cell, member_id, lot_opened_by, lot_ordinal
         ) moved
         WHERE points <> 0",
        month.sql() as _,
        month.start().to_sqlx() as _,
        month.end().to_sqlx() as _
    )
    .execute(connection)
    .await?;
    Ok(())
}
