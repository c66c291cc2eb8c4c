//! Carried: a break that continues another is the same difference of an earlier report of its window and
//! partner; one that has a likeness in the report that its own superseded goes on from there.

use sqlx::PgConnection;

use super::Verdict;
use crate::StoreError;

pub(super) async fn check(
    connection: &mut PgConnection,
    verdict: &mut Verdict,
) -> Result<(), StoreError> {
    alike(&mut *connection, verdict).await?;
    left_behind(&mut *connection, verdict).await?;
    counted_on(connection, verdict).await
}

/// What continues another is the same difference, of a later report.
async fn alike(connection: &mut PgConnection, verdict: &mut Verdict) -> Result<(), StoreError> {
    let offenders = sqlx::query_scalar!(
        r#"SELECT format('break %s of reconciliation %s is not the same as the one that it continues',
                         b.number, b.reconciliation_id) AS "offender!"
           FROM breaks b
           JOIN breaks e ON e.reconciliation_id = b.continues_report AND e.number = b.continues_number
           JOIN reconciliations r ON r.reconciliation_id = b.reconciliation_id
           JOIN reconciliations f ON f.reconciliation_id = e.reconciliation_id
           WHERE (r.partner_id, r.window_id) <> (f.partner_id, f.window_id)
              OR (f.made_at, f.entry) >= (r.made_at, r.entry)
              OR (b.likeness, b.kind, b.points, b.currency, b.micros, b.other_currency, b.other_micros)
                 IS DISTINCT FROM
                 (e.likeness, e.kind, e.points, e.currency, e.micros, e.other_currency, e.other_micros)
           ORDER BY b.reconciliation_id, b.number LIMIT (SELECT 20)"#
    );
    verdict.blame(offenders.fetch_all(connection).await?);
    Ok(())
}

/// A break that the superseded report has too is not begun anew: as many are continued, from wherever, as
/// both reports have.
async fn left_behind(
    connection: &mut PgConnection,
    verdict: &mut Verdict,
) -> Result<(), StoreError> {
    let offenders = sqlx::query_scalar!(
        r#"WITH alike AS (
               SELECT reconciliation_id, likeness, count(*) AS count,
                      count(continues_report) AS continued
               FROM breaks WHERE likeness IS NOT NULL GROUP BY reconciliation_id, likeness
           )
           SELECT format('reconciliation %s begins breaks anew that %s has', r.reconciliation_id,
                         r.supersedes) AS "offender!"
           FROM reconciliations r
           JOIN alike n ON n.reconciliation_id = r.reconciliation_id
           JOIN alike e ON e.reconciliation_id = r.supersedes AND e.likeness = n.likeness
           WHERE n.continued < least(n.count, e.count)
           GROUP BY r.reconciliation_id, r.supersedes
           ORDER BY r.reconciliation_id LIMIT (SELECT 20)"#
    );
    verdict.blame(offenders.fetch_all(connection).await?);
    Ok(())
}

/// The steps of a life are counted through all its reports.
async fn counted_on(
    connection: &mut PgConnection,
    verdict: &mut Verdict,
) -> Result<(), StoreError> {
    let offenders = sqlx::query_scalar!(
        r#"WITH first AS (
               SELECT reconciliation_id, number, min(step) AS step FROM break_steps
               GROUP BY reconciliation_id, number
           )
           SELECT format('step %s of break %s of reconciliation %s is not counted on', i.step, b.number,
                         b.reconciliation_id) AS "offender!"
           FROM first i
           JOIN breaks b USING (reconciliation_id, number)
           CROSS JOIN LATERAL (
               WITH RECURSIVE lived (before_report, before_number) AS (
                   VALUES (b.continues_report, b.continues_number)
                   UNION ALL
                   SELECT e.continues_report, e.continues_number FROM lived l
                   JOIN breaks e ON e.reconciliation_id = l.before_report
                                AND e.number = l.before_number
               )
               SELECT count(*) AS count FROM lived l
               JOIN break_steps s ON s.reconciliation_id = l.before_report
                                 AND s.number = l.before_number
           ) before
           WHERE b.continues_report IS NOT NULL AND i.step <> before.count + 1
           ORDER BY b.reconciliation_id, b.number LIMIT (SELECT 20)"#
    );
    verdict.blame(offenders.fetch_all(connection).await?);
    Ok(())
}
