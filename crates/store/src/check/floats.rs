//! Floats: what is left of each block is what was bought less what was drawn and not returned; what is
//! drawn for an operation is what it issued by prepaid terms and was not taken back; and what blocks
//! cost is what their operations moved.

use sqlx::PgConnection;

use super::Verdict;
use crate::StoreError;

pub(super) async fn check(
    connection: &mut PgConnection,
    verdict: &mut Verdict,
) -> Result<(), StoreError> {
    let rows = sqlx::query!(
        r#"SELECT (SELECT count(*) FROM float_blocks) AS "blocks!",
                  (SELECT count(*) FROM float_draws) AS "draws!""#
    );
    let rows = rows.fetch_one(&mut *connection).await?;
    verdict.checked("blocks of floats", rows.blocks);
    verdict.checked("draws from them", rows.draws);
    left(connection, verdict).await?;
    issued(connection, verdict).await?;
    returned(connection, verdict).await?;
    paid(connection, verdict).await
}

async fn left(connection: &mut PgConnection, verdict: &mut Verdict) -> Result<(), StoreError> {
    let offenders = sqlx::query_scalar!(
        r#"SELECT format('block %s of partner %s in %s has %s points left, by what was drawn %s',
                         b.block, b.partner_id, b.currency, b.points_left,
                         b.points - COALESCE(d.points, 0)) AS "offender!"
           FROM float_blocks b
           LEFT JOIN (
               SELECT partner_id, currency, block, sum(points) AS points
               FROM float_draws GROUP BY partner_id, currency, block
           ) d USING (partner_id, currency, block)
           WHERE b.points_left <> b.points - COALESCE(d.points, 0)
           ORDER BY b.partner_id, b.currency, b.block LIMIT (SELECT 20)"#
    );
    verdict.blame(offenders.fetch_all(connection).await?);
    Ok(())
}

async fn issued(connection: &mut PgConnection, verdict: &mut Verdict) -> Result<(), StoreError> {
    let offenders = sqlx::query_scalar!(
        r#"WITH issued AS (
               SELECT t.cell, t.seq, sum(t.amount) AS points
               FROM (SELECT DISTINCT partner_id FROM terms WHERE prepaid) p
               JOIN operations o ON o.partner_id = p.partner_id AND o.kind IN (1, 9)
               JOIN terms s ON s.partner_id = o.partner_id AND s.version = o.terms_version
                    AND s.prepaid
               JOIN transfers t ON t.cell = o.cell AND t.seq = o.seq
                    AND t.posted_at = o.posted_at AND t.kind = 1 AND t.in_points
               GROUP BY t.cell, t.seq
           ), drawn AS (
               SELECT d.cell, d.seq, sum(d.points) AS points
               FROM float_draws d JOIN archived_ends e ON e.cell = d.cell AND e.last_seq < d.seq
               WHERE d.points > 0
               GROUP BY d.cell, d.seq
           )
           SELECT format('operation %s in cell %s issued %s prepaid points and drew %s', seq, cell,
                         COALESCE(i.points, 0), COALESCE(d.points, 0)) AS "offender!"
           FROM issued i FULL JOIN drawn d USING (cell, seq)
           WHERE COALESCE(i.points, 0) <> COALESCE(d.points, 0)
           ORDER BY cell, seq LIMIT (SELECT 20)"#
    );
    verdict.blame(offenders.fetch_all(connection).await?);
    Ok(())
}

async fn returned(connection: &mut PgConnection, verdict: &mut Verdict) -> Result<(), StoreError> {
    let offenders = sqlx::query_scalar!(
        r#"WITH clawed AS (
               SELECT l.cell, l.opened_by AS issue_seq, l.points_clawed AS points
               FROM lots l
               JOIN terms s ON s.partner_id = l.issuer AND s.version = l.terms_version
                    AND s.prepaid
               WHERE l.origin = 1 AND l.points_clawed > 0
           ), back AS (
               SELECT cell, issue_seq, -sum(points) AS points FROM float_draws WHERE points < 0
               GROUP BY cell, issue_seq
           )
           SELECT format('of earn %s in cell %s %s points were taken back and %s returned',
                         issue_seq, cell, COALESCE(c.points, 0), COALESCE(b.points, 0))
                      AS "offender!"
           FROM clawed c FULL JOIN back b USING (cell, issue_seq)
           WHERE COALESCE(c.points, 0) <> COALESCE(b.points, 0)
           ORDER BY cell, issue_seq LIMIT (SELECT 20)"#
    );
    verdict.blame(offenders.fetch_all(connection).await?);
    Ok(())
}

async fn paid(connection: &mut PgConnection, verdict: &mut Verdict) -> Result<(), StoreError> {
    let offenders = sqlx::query_scalar!(
        r#"WITH moved AS (
               SELECT o.request_id, t.window_id, t.payer AS partner_id, t.currency,
                      t.amount AS micros
               FROM transfers t
               JOIN operations o ON o.cell = t.cell AND o.seq = t.seq AND o.posted_at = t.posted_at
               WHERE t.kind = 15
           )
           SELECT format('block %s of partner %s costs %s micros, by its transfers %s', b.block,
                         partner_id, b.points::numeric * b.price_micros, m.micros) AS "offender!"
           FROM (
               SELECT b.* FROM float_blocks b
               WHERE NOT EXISTS (
                   SELECT FROM archived_requests r
                   WHERE r.partner_id = 0 AND r.request_id = b.request_id)
           ) b
           FULL JOIN moved m USING (request_id, window_id, partner_id, currency)
           WHERE b.points::numeric * b.price_micros IS DISTINCT FROM m.micros
           ORDER BY partner_id, b.block LIMIT (SELECT 20)"#
    );
    verdict.blame(offenders.fetch_all(connection).await?);
    Ok(())
}
