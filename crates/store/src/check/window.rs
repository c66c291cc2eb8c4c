//! One window: windows of a kind follow one another, one is open, what is tested is apart, and an operation with its transfers falls
//! into the one that was open when it was posted.

use sqlx::PgConnection;

use super::Verdict;
use crate::StoreError;

pub(super) async fn check(connection: &mut PgConnection) -> Result<Verdict, StoreError> {
    let mut verdict = Verdict::new(6, "one window");
    let rows = sqlx::query!(
        r#"SELECT (SELECT count(*) FROM windows) AS "windows!",
                  (SELECT count(*) FROM operations) AS "operations!""#
    );
    let rows = rows.fetch_one(&mut *connection).await?;
    verdict.checked("windows", rows.windows);
    verdict.checked("operations", rows.operations);
    windows(connection, &mut verdict).await?;
    operations(connection, &mut verdict).await?;
    apart(connection, &mut verdict).await?;
    Ok(verdict)
}

async fn windows(connection: &mut PgConnection, verdict: &mut Verdict) -> Result<(), StoreError> {
    let offenders = sqlx::query_scalar!(
        r#"WITH ordered AS (
               SELECT window_id, opened_at, closed_at,
                      lag(closed_at) OVER by_number AS closed_before,
                      lag(window_id, 1, 0) OVER by_number AS before,
                      lead(window_id) OVER by_number AS next
               FROM windows
               WINDOW by_number AS (PARTITION BY testing ORDER BY abs(window_id))
           )
           SELECT format('window %s does not follow window %s', window_id, before) AS "offender!"
           FROM ordered
           WHERE abs(window_id) <> abs(before) + 1 OR opened_at <> closed_before
              OR (closed_at IS NULL) <> (next IS NULL)
           ORDER BY window_id LIMIT (SELECT 20)"#
    );
    verdict.blame(offenders.fetch_all(&mut *connection).await?);
    let offenders = sqlx::query_scalar!(
        r#"SELECT format('cell %s posts into window %s, which is not open', cell, window_id)
                      AS "offender!"
           FROM cells
           WHERE window_id NOT IN
                 (SELECT window_id FROM windows WHERE closed_at IS NULL AND NOT testing)
              OR testing_window_id NOT IN
                 (SELECT window_id FROM windows WHERE closed_at IS NULL AND testing)
           ORDER BY cell LIMIT (SELECT 20)"#
    );
    verdict.blame(offenders.fetch_all(connection).await?);
    Ok(())
}

async fn operations(
    connection: &mut PgConnection,
    verdict: &mut Verdict,
) -> Result<(), StoreError> {
    let offenders = sqlx::query_scalar!(
        r#"SELECT format('operation %s in cell %s was posted outside of its window %s', o.seq,
                         o.cell, o.window_id) AS "offender!"
           FROM operations o LEFT JOIN windows w USING (window_id)
           WHERE w.window_id IS NULL OR o.posted_at < w.opened_at OR o.posted_at > w.closed_at
           ORDER BY o.posted_at, o.cell, o.seq LIMIT (SELECT 20)"#
    );
    verdict.blame(offenders.fetch_all(&mut *connection).await?);
    let offenders = sqlx::query_scalar!(
        r#"SELECT format('transfer %s of operation %s in cell %s is in window %s, its operation in '
                         '%s', t.ordinal, t.seq, t.cell, t.window_id, o.window_id) AS "offender!"
           FROM transfers t
           JOIN operations o ON o.cell = t.cell AND o.seq = t.seq AND o.posted_at = t.posted_at
           WHERE t.window_id <> o.window_id
           ORDER BY t.posted_at, t.cell, t.seq, t.ordinal LIMIT (SELECT 20)"#
    );
    verdict.blame(offenders.fetch_all(connection).await?);
    Ok(())
}

/// What testing partners do is in testing windows, and nothing else is; no member is of both kinds.
async fn apart(connection: &mut PgConnection, verdict: &mut Verdict) -> Result<(), StoreError> {
    let offenders = sqlx::query_scalar!(
        r#"SELECT format('operation %s in cell %s of partner %s is in window %s', o.seq, o.cell,
                         o.partner_id, o.window_id) AS "offender!"
           FROM operations o JOIN partners p USING (partner_id)
           WHERE p.partner_id <> 0 AND p.testing <> (o.window_id < 0)
           ORDER BY o.posted_at, o.cell, o.seq LIMIT (SELECT 20)"#
    );
    verdict.blame(offenders.fetch_all(&mut *connection).await?);
    let offenders = sqlx::query_scalar!(
        r#"SELECT format('position %s to %s in window %s, cell %s', payer, payee, window_id, cell)
                      AS "offender!"
           FROM positions
           WHERE EXISTS (SELECT FROM partners
                         WHERE partner_id IN (payer, payee) AND partner_id <> 0
                           AND testing <> (window_id < 0))
           ORDER BY cell, window_id, payer, payee LIMIT (SELECT 20)"#
    );
    verdict.blame(offenders.fetch_all(&mut *connection).await?);
    let offenders = sqlx::query_scalar!(
        r#"SELECT format('member %s is of testing partners and of others', member_id) AS "offender!"
           FROM links JOIN partners USING (partner_id)
           GROUP BY member_id HAVING bool_or(testing) <> bool_and(testing)
           ORDER BY member_id LIMIT (SELECT 20)"#
    );
    verdict.blame(offenders.fetch_all(connection).await?);
    Ok(())
}
