//! Disputed: each dispute is about something that a statement tells. A total has operations behind it, as
//! long as none of its window are archived.

use sqlx::PgConnection;

use super::Verdict;
use crate::StoreError;

pub(super) async fn check(
    connection: &mut PgConnection,
    verdict: &mut Verdict,
) -> Result<(), StoreError> {
    let rows = sqlx::query_scalar!(r#"SELECT count(*) AS "rows!" FROM disputes"#);
    verdict.checked("disputes", rows.fetch_one(&mut *connection).await?);
    let offenders = sqlx::query_scalar!(
        r#"SELECT format('dispute %s is about nothing', d.dispute_id) AS "offender!"
           FROM disputes d
           WHERE NOT EXISTS (SELECT FROM dispute_lines l WHERE l.dispute_id = d.dispute_id)
             AND NOT EXISTS (SELECT FROM dispute_totals t WHERE t.dispute_id = d.dispute_id)
           ORDER BY d.dispute_id LIMIT (SELECT 20)"#
    );
    verdict.blame(offenders.fetch_all(&mut *connection).await?);
    let offenders = sqlx::query_scalar!(
        r#"SELECT format('nothing is behind total %s of dispute %s', n.ordinal, d.dispute_id)
                      AS "offender!"
           FROM disputes d JOIN dispute_totals n USING (dispute_id)
           WHERE NOT EXISTS (SELECT FROM archived_windows a WHERE a.window_id = d.window_id)
             AND NOT EXISTS (
                 SELECT FROM transfers t
                 WHERE t.window_id = d.window_id AND t.kind = n.kind AND t.currency = n.currency
                   AND t.posted_at >= n.day::timestamp AT TIME ZONE 'UTC'
                   AND t.posted_at < (n.day + 1)::timestamp AT TIME ZONE 'UTC'
                   AND d.partner_id IN (t.payer, t.payee, t.issuer))
           ORDER BY d.dispute_id, n.ordinal LIMIT (SELECT 20)"#
    );
    verdict.blame(offenders.fetch_all(connection).await?);
    Ok(())
}
