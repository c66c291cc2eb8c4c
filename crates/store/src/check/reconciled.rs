//! Reconciled: the breaks of each reconciliation add up to the difference of its totals, in points and in
//! every currency, and stand where their last step left them.

use sqlx::PgConnection;

use super::{Verdict, carried};
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
    steps(connection, verdict).await?;
    lives(connection, verdict).await?;
    carried::check(connection, verdict).await?;
    adjusted(connection, verdict).await
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
           ORDER BY r.reconciliation_id LIMIT (SELECT 20)"#
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
           ORDER BY reconciliation_id, currency LIMIT (SELECT 20)"#
    );
    verdict.blame(offenders.fetch_all(connection).await?);
    Ok(())
}

/// Where its last step left it; without one, where the break stands that it continues, which takes no more.
async fn steps(connection: &mut PgConnection, verdict: &mut Verdict) -> Result<(), StoreError> {
    let offenders = sqlx::query_scalar!(
        r#"SELECT format('break %s of reconciliation %s is not where its last step left it', b.number,
                         b.reconciliation_id) AS "offender!"
           FROM breaks b
           LEFT JOIN breaks e ON e.reconciliation_id = b.continues_report
                             AND e.number = b.continues_number
           LEFT JOIN LATERAL (
               SELECT s.state, s.taken_at FROM break_steps s
               WHERE s.reconciliation_id = b.reconciliation_id AND s.number = b.number
               ORDER BY s.step DESC LIMIT 1
           ) s ON true
           WHERE COALESCE(s.state, e.state, 1) <> b.state
              OR COALESCE(s.taken_at, e.changed_at) IS DISTINCT FROM b.changed_at
           ORDER BY b.reconciliation_id, b.number LIMIT (SELECT 20)"#
    );
    verdict.blame(offenders.fetch_all(connection).await?);
    Ok(())
}

/// Each step is one that may follow the one before it, and not earlier; the owner is the last that one
/// names. The first step of a break that continues another follows where that one stands.
async fn lives(connection: &mut PgConnection, verdict: &mut Verdict) -> Result<(), StoreError> {
    let offenders = sqlx::query_scalar!(
        r#"WITH walked AS (
               SELECT s.*, COALESCE(lag(s.state) OVER life, e.state, 1) AS from_state,
                      COALESCE(lag(s.taken_at) OVER life, e.changed_at) AS from_at,
                      row_number() OVER life AS place,
                      CASE WHEN e.number IS NULL THEN 0 ELSE first_value(s.step) OVER life - 1 END
                          AS before
               FROM break_steps s
               JOIN breaks b USING (reconciliation_id, number)
               LEFT JOIN breaks e ON e.reconciliation_id = b.continues_report
                                 AND e.number = b.continues_number
               WINDOW life AS (PARTITION BY s.reconciliation_id, s.number ORDER BY s.step)
           )
           SELECT format('step %s of break %s of reconciliation %s does not follow the one before it',
                         w.step, w.number, w.reconciliation_id) AS "offender!"
           FROM walked w
           WHERE (w.from_state, w.state::integer) NOT IN ((1, 2), (2, 2), (2, 3), (2, 4), (3, 2),
                     (3, 5), (3, 6), (4, 2))
              OR w.taken_at < w.from_at OR w.step <> w.before + w.place
           ORDER BY w.reconciliation_id, w.number, w.step LIMIT (SELECT 20)"#
    );
    verdict.blame(offenders.fetch_all(&mut *connection).await?);
    let offenders = sqlx::query_scalar!(
        r#"SELECT format('break %s of reconciliation %s is not its last assignee''s', b.number,
                         b.reconciliation_id) AS "offender!"
           FROM breaks b
           LEFT JOIN breaks e ON e.reconciliation_id = b.continues_report
                             AND e.number = b.continues_number
           LEFT JOIN LATERAL (
               SELECT s.owner FROM break_steps s
               WHERE s.reconciliation_id = b.reconciliation_id AND s.number = b.number
                 AND s.owner IS NOT NULL
               ORDER BY s.step DESC LIMIT 1
           ) s ON true
           WHERE COALESCE(s.owner, e.owner) IS DISTINCT FROM b.owner
           ORDER BY b.reconciliation_id, b.number LIMIT (SELECT 20)"#
    );
    verdict.blame(offenders.fetch_all(connection).await?);
    Ok(())
}

/// What was adjusted names an adjustment of its window that moved its money, to or from its partner.
async fn adjusted(connection: &mut PgConnection, verdict: &mut Verdict) -> Result<(), StoreError> {
    let offenders = sqlx::query_scalar!(
        r#"SELECT format('the adjustment of break %s of reconciliation %s is not what corrects it',
                         b.number, b.reconciliation_id) AS "offender!"
           FROM break_steps s
           JOIN breaks b ON b.reconciliation_id = s.reconciliation_id AND b.number = s.number
           JOIN reconciliations r ON r.reconciliation_id = b.reconciliation_id
           LEFT JOIN adjustments a ON a.request_id = s.adjustment
           WHERE s.adjustment IS NOT NULL
             AND (a.corrects_window = r.window_id AND b.other_currency IS NULL
                  AND a.currency = b.currency AND a.micros = abs(b.micros)
                  AND CASE WHEN b.micros > 0 THEN a.payee ELSE a.payer END = r.partner_id)
                 IS NOT TRUE
           ORDER BY b.reconciliation_id, b.number LIMIT (SELECT 20)"#
    );
    verdict.blame(offenders.fetch_all(connection).await?);
    Ok(())
}
