//! Reconciled: the breaks of each reconciliation add up to the difference of its totals, in points and in
//! every currency, and stand where their last step left them.

use sqlx::PgConnection;

use super::Verdict;
use crate::StoreError;

pub(super) async fn check(
    connection: &mut PgConnection,
    verdict: &mut Verdict,
) -> Result<(), StoreError> {
    let rows = sqlx::query!(
        r#"SELECT (SELECT count(*) FROM reconciliations) AS "reconciliations!",
                  (SELECT count(*) FROM breaks) AS "breaks!""#
    );
    let rows = rows.fetch_one(&mut *connection).await?;
    verdict.checked("reconciliations", rows.reconciliations);
    verdict.checked("breaks", rows.breaks);
    points(connection, verdict).await?;
    money(connection, verdict).await?;
    steps(connection, verdict).await
}

async fn points(connection: &mut PgConnection, verdict: &mut Verdict) -> Result<(), StoreError> {
    let offenders = sqlx::query_scalar!(
        r#"SELECT format('the %s breaks of reconciliation %s come to %s points, its difference to %s '
                         'with %s breaks', COALESCE(b.count, 0), r.reconciliation_id,
                         COALESCE(b.points, 0), r.hub_points - r.file_points, r.break_count)
                      AS "offender!"
           FROM reconciliations r
           LEFT JOIN (
               SELECT reconciliation_id, count(*) AS count, sum(points) AS points
               FROM breaks GROUP BY reconciliation_id
           ) b ON b.reconciliation_id = r.reconciliation_id
           WHERE COALESCE(b.points, 0) <> r.hub_points::numeric - r.file_points
              OR COALESCE(b.count, 0) <> r.break_count
           ORDER BY r.reconciliation_id LIMIT 20"#
    );
    verdict.blame(offenders.fetch_all(connection).await?);
    Ok(())
}

async fn money(connection: &mut PgConnection, verdict: &mut Verdict) -> Result<(), StoreError> {
    let offenders = sqlx::query_scalar!(
        r#"WITH explained AS (
               SELECT b.reconciliation_id, m.currency, sum(m.micros) AS micros
               FROM breaks b
               CROSS JOIN LATERAL (VALUES (b.currency, b.micros),
                                          (b.other_currency, b.other_micros)) m (currency, micros)
               WHERE m.currency IS NOT NULL
               GROUP BY b.reconciliation_id, m.currency
           ), differing AS (
               SELECT reconciliation_id, currency, hub_micros::numeric - file_micros AS micros
               FROM reconciliation_money
           )
           SELECT format('the breaks of reconciliation %s come to %s micros of %s, its difference '
                         'to %s', reconciliation_id, COALESCE(e.micros, 0), currency,
                         COALESCE(d.micros, 0)) AS "offender!"
           FROM explained e FULL JOIN differing d USING (reconciliation_id, currency)
           WHERE COALESCE(e.micros, 0) <> COALESCE(d.micros, 0)
           ORDER BY reconciliation_id, currency LIMIT 20"#
    );
    verdict.blame(offenders.fetch_all(connection).await?);
    Ok(())
}

async fn steps(connection: &mut PgConnection, verdict: &mut Verdict) -> Result<(), StoreError> {
    let offenders = sqlx::query_scalar!(
        r#"SELECT format('break %s of reconciliation %s is not where its last step left it', b.number,
                         b.reconciliation_id) AS "offender!"
           FROM breaks b
           LEFT JOIN LATERAL (
               SELECT s.state, s.taken_at FROM break_steps s
               WHERE s.reconciliation_id = b.reconciliation_id AND s.number = b.number
               ORDER BY s.step DESC LIMIT 1
           ) s ON true
           WHERE COALESCE(s.state, 1) <> b.state OR s.taken_at IS DISTINCT FROM b.changed_at
           ORDER BY b.reconciliation_id, b.number LIMIT 20"#
    );
    verdict.blame(offenders.fetch_all(connection).await?);
    Ok(())
}
