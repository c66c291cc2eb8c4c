//! Archived: months that went are the earliest, their numbers go on in each cell without a gap, requests
//! still name what they named, and what they carry is what each file has and what lots carry, in points.

use sqlx::PgConnection;

use super::Verdict;
use crate::StoreError;

pub(super) async fn check(
    connection: &mut PgConnection,
    verdict: &mut Verdict,
) -> Result<(), StoreError> {
    let rows = sqlx::query_scalar!(
        r#"SELECT COALESCE(sum(row_count), 0)::bigint AS "rows!" FROM archived_tables
           WHERE name = 'operations'"#
    );
    verdict.checked("archived operations", rows.fetch_one(&mut *connection).await?);
    months(connection, verdict).await?;
    requests(connection, verdict).await?;
    carried(connection, verdict).await
}

async fn months(connection: &mut PgConnection, verdict: &mut Verdict) -> Result<(), StoreError> {
    let offenders = sqlx::query_scalar!(
        r#"WITH walked AS (
               SELECT month, cell, first_seq, last_seq,
                      lag(last_seq, 1, 0::bigint) OVER by_month AS before
               FROM archived_cells WINDOW by_month AS (PARTITION BY cell ORDER BY month)
           )
           SELECT format('archived month %s begins with %s in cell %s, after %s',
                         to_char(month, 'YYYY-MM'), first_seq, cell, before) AS "offender!"
           FROM walked
           WHERE first_seq <> before + 1
           ORDER BY month, cell LIMIT (SELECT 20)"#
    );
    verdict.blame(offenders.fetch_all(&mut *connection).await?);
    let offenders = sqlx::query_scalar!(
        r#"SELECT format('archived month %s has %s operations by its numbers, %s by its windows, %s '
                         'by its file', to_char(m.month, 'YYYY-MM'), c.rows, w.rows, t.row_count)
                      AS "offender!"
           FROM archived_months m
           LEFT JOIN archived_tables t ON t.month = m.month AND t.name = 'operations'
           CROSS JOIN LATERAL (SELECT COALESCE(sum(last_seq - first_seq + 1), 0) AS rows
                               FROM archived_cells a WHERE a.month = m.month) c
           CROSS JOIN LATERAL (SELECT COALESCE(sum(operation_count), 0) AS rows
                               FROM archived_windows a WHERE a.month = m.month) w
           WHERE t.row_count IS DISTINCT FROM c.rows OR t.row_count IS DISTINCT FROM w.rows
           ORDER BY m.month LIMIT (SELECT 20)"#
    );
    verdict.blame(offenders.fetch_all(&mut *connection).await?);
    let offenders = sqlx::query_scalar!(
        r#"SELECT format('operation %s in cell %s was posted in a month that is archived', o.seq,
                         o.cell) AS "offender!"
           FROM operations o
           WHERE o.posted_at < (SELECT (max(month) + interval '1 month') AT TIME ZONE 'UTC'
                                FROM archived_months)
           ORDER BY o.posted_at, o.cell, o.seq LIMIT (SELECT 20)"#
    );
    verdict.blame(offenders.fetch_all(connection).await?);
    Ok(())
}

async fn requests(connection: &mut PgConnection, verdict: &mut Verdict) -> Result<(), StoreError> {
    let offenders = sqlx::query_scalar!(
        r#"WITH named AS (
               SELECT a.month, a.cell, a.request_count, count(r.request_id) AS requests
               FROM archived_cells a
               LEFT JOIN requests r ON r.cell = a.cell AND r.seq BETWEEN a.first_seq AND a.last_seq
               GROUP BY a.month, a.cell
           )
           SELECT format('%s requests name operations of archived month %s in cell %s, and %s did',
                         requests, to_char(month, 'YYYY-MM'), cell, request_count) AS "offender!"
           FROM named WHERE requests <> request_count
           ORDER BY month, cell LIMIT (SELECT 20)"#
    );
    verdict.blame(offenders.fetch_all(connection).await?);
    Ok(())
}

async fn carried(connection: &mut PgConnection, verdict: &mut Verdict) -> Result<(), StoreError> {
    let offenders = sqlx::query_scalar!(
        r#"SELECT format('archived month %s carries %s transfers, its file has %s',
                         to_char(m.month, 'YYYY-MM'), c.rows, t.row_count) AS "offender!"
           FROM archived_months m
           LEFT JOIN archived_tables t ON t.month = m.month AND t.name = 'transfers'
           CROSS JOIN LATERAL (SELECT COALESCE(sum(row_count), 0) AS rows
                               FROM carried a WHERE a.month = m.month) c
           WHERE t.row_count IS DISTINCT FROM c.rows
           ORDER BY m.month LIMIT (SELECT 20)"#
    );
    verdict.blame(offenders.fetch_all(&mut *connection).await?);
    let offenders = sqlx::query_scalar!(
        r#"WITH lots AS (
               SELECT month, cell, sum(points) AS points FROM carried_lots GROUP BY month, cell
           ), moved AS (
               SELECT month, cell, sum(CASE WHEN credit_kind = 1 THEN amount ELSE 0 END)
                                   - sum(CASE WHEN debit_kind = 1 THEN amount ELSE 0 END) AS points
               FROM carried GROUP BY month, cell
           )
           SELECT format('archived month %s carries %s points into wallets of cell %s, %s into lots',
                         to_char(month, 'YYYY-MM'), COALESCE(moved.points, 0), cell,
                         COALESCE(lots.points, 0)) AS "offender!"
           FROM moved FULL JOIN lots USING (month, cell)
           WHERE COALESCE(moved.points, 0) <> COALESCE(lots.points, 0)
           ORDER BY month, cell LIMIT (SELECT 20)"#
    );
    verdict.blame(offenders.fetch_all(connection).await?);
    Ok(())
}
