//! Gifts and merges: a transfer has two legs that come to nothing in transit, what left a lot arrived
//! in one that came from it and is as it was, what members gave in a month is counted, and who was merged
//! has nothing.

use sqlx::PgConnection;

use super::Verdict;
use crate::StoreError;

/// The request of a transfer names the giver's leg alone; the receiver's is there too, once.
pub(super) async fn legs(
    connection: &mut PgConnection,
    verdict: &mut Verdict,
) -> Result<(), StoreError> {
    let offenders = sqlx::query_scalar!(
        r#"WITH legs AS (
               SELECT partner_id, request_id, count(*) AS legs, bool_or(kind = 10) AS gift
               FROM operations WHERE kind IN (6, 10, 13, 14) AND NOT refused
               GROUP BY partner_id, request_id HAVING bool_or(kind <> 6)
           ), moved AS (
               SELECT o.partner_id, o.request_id,
                      sum(CASE WHEN t.credit_kind = 6 THEN t.amount ELSE -t.amount END) AS points
               FROM transfers t
               JOIN operations o ON o.cell = t.cell AND o.seq = t.seq AND o.posted_at = t.posted_at
               WHERE t.credit_kind = 6 OR t.debit_kind = 6
               GROUP BY o.partner_id, o.request_id
           )
           SELECT format('transfer %s of partner %s has %s legs and leaves %s points in transit',
                         request_id, partner_id, COALESCE(legs, 0), COALESCE(points, 0))
                      AS "offender!"
           FROM legs FULL JOIN moved USING (partner_id, request_id)
           WHERE legs IS DISTINCT FROM 2 OR points <> 0 OR (gift AND points IS NULL)
           ORDER BY partner_id, request_id LIMIT (SELECT 20)"#
    );
    verdict.blame(offenders.fetch_all(connection).await?);
    Ok(())
}

/// A received or merged lot keeps what its points were issued as.
pub(super) async fn lots(
    connection: &mut PgConnection,
    verdict: &mut Verdict,
) -> Result<(), StoreError> {
    let offenders = sqlx::query_scalar!(
        r#"SELECT format('lot %s.%s of member %s in cell %s is not as lot %s.%s in cell %s, which it '
                         'came from', r.opened_by, r.ordinal, r.member_id, r.cell, r.from_opened_by,
                         r.from_ordinal, r.from_cell) AS "offender!"
           FROM lots r
           LEFT JOIN lots s ON s.cell = r.from_cell AND s.opened_by = r.from_opened_by
                AND s.ordinal = r.from_ordinal AND s.issuer = r.issuer AND s.funding = r.funding
                AND s.terms_version = r.terms_version AND s.currency = r.currency
                AND (s.expires_at = r.expires_at
                     OR EXISTS (SELECT FROM erasures e
                                WHERE e.member_id IN (s.member_id, r.member_id)))
                AND (r.merged_from IS NULL OR s.member_id = r.merged_from)
           WHERE r.origin IN (3, 4) AND s.cell IS NULL
           ORDER BY r.cell, r.member_id, r.opened_by, r.ordinal LIMIT (SELECT 20)"#
    );
    verdict.blame(offenders.fetch_all(connection).await?);
    Ok(())
}

/// What a transfer took from a lot arrived, in a lot that the other leg opened for it.
pub(super) async fn parcels(
    connection: &mut PgConnection,
    verdict: &mut Verdict,
) -> Result<(), StoreError> {
    let offenders = sqlx::query_scalar!(
        r#"WITH sent AS (
               SELECT o.partner_id, o.request_id, t.issuer, t.cell, t.lot_opened_by, t.lot_ordinal,
                      sum(t.amount) AS points
               FROM transfers t
               JOIN operations o ON o.cell = t.cell AND o.seq = t.seq AND o.posted_at = t.posted_at
               WHERE t.credit_kind = 6 AND t.kind = 12 GROUP BY 1, 2, 3, 4, 5, 6
           ), arrived AS (
               SELECT o.partner_id, o.request_id, t.issuer, l.from_cell AS cell,
                      l.from_opened_by AS lot_opened_by, l.from_ordinal AS lot_ordinal,
                      sum(t.amount) AS points
               FROM transfers t
               JOIN operations o ON o.cell = t.cell AND o.seq = t.seq AND o.posted_at = t.posted_at
               LEFT JOIN lots l ON l.cell = t.cell AND l.member_id = t.member_id
                    AND l.opened_by = t.lot_opened_by AND l.ordinal = t.lot_ordinal
                    AND l.opened_by = t.seq AND l.issuer = t.issuer
               WHERE t.debit_kind = 6 AND t.kind = 12 GROUP BY 1, 2, 3, 4, 5, 6
           )
           SELECT format('transfer %s of partner %s: %s points left lot %s.%s of partner %s in cell '
                         '%s, %s arrived', request_id, partner_id, COALESCE(sent.points, 0),
                         lot_opened_by, lot_ordinal, issuer, cell, COALESCE(arrived.points, 0))
                      AS "offender!"
           FROM sent FULL JOIN arrived
               USING (partner_id, request_id, issuer, cell, lot_opened_by, lot_ordinal)
           WHERE sent.points IS DISTINCT FROM arrived.points
           ORDER BY partner_id, request_id, cell, lot_opened_by, lot_ordinal LIMIT (SELECT 20)"#
    );
    verdict.blame(offenders.fetch_all(connection).await?);
    Ok(())
}

/// What a member gave in a month is what its wallet sent off then, and what those had given by then
/// that were merged into it in that month.
pub(super) async fn months(
    connection: &mut PgConnection,
    verdict: &mut Verdict,
) -> Result<(), StoreError> {
    let rows = sqlx::query_scalar!(r#"SELECT count(*) AS "rows!" FROM gifts_given"#);
    verdict.checked("months of gifts", rows.fetch_one(&mut *connection).await?);
    let offenders = sqlx::query_scalar!(
        r#"WITH moved AS (
               SELECT cell, member_id, partner_id, month, sum(points) AS points
               FROM (
                   SELECT cell, member_id, payer AS partner_id,
                          (date_trunc('month', posted_at, 'UTC') AT TIME ZONE 'UTC')::date AS month,
                          amount AS points
                   FROM transfers WHERE kind = 12 AND debit_kind = 1
                   UNION ALL
                   SELECT f.into_cell, f.into_member_id, g.partner_id, g.month, g.points
                   FROM forwards f JOIN gifts_given g USING (cell, member_id)
                   WHERE g.month =
                         (date_trunc('month', f.merged_at, 'UTC') AT TIME ZONE 'UTC')::date
               ) AS given GROUP BY 1, 2, 3, 4
           )
           SELECT format('member %s in cell %s gave in %s at partner %s: %s in its row, %s by its '
                         'transfers', member_id, cell, to_char(month, 'YYYY-MM'), partner_id,
                         COALESCE(given.points, 0), COALESCE(moved.points, 0)) AS "offender!"
           FROM gifts_given given FULL JOIN moved USING (cell, member_id, partner_id, month)
           WHERE COALESCE(given.points, 0) <> COALESCE(moved.points, 0)
             AND month NOT IN (SELECT a.month FROM archived_months a)
           ORDER BY cell, member_id, partner_id, month LIMIT (SELECT 20)"#
    );
    verdict.blame(offenders.fetch_all(connection).await?);
    Ok(())
}

/// A merged member has nothing and no links, forwards lead to a wallet, and what names a merge names one
/// that stands.
pub(super) async fn forwards(
    connection: &mut PgConnection,
    verdict: &mut Verdict,
) -> Result<(), StoreError> {
    let rows = sqlx::query_scalar!(r#"SELECT count(*) AS "rows!" FROM forwards"#);
    verdict.checked("forwards", rows.fetch_one(&mut *connection).await?);
    let offenders = sqlx::query_scalar!(
        r#"SELECT format('merged member %s in cell %s has %s available, %s held, %s debt, %s links',
                         f.member_id, f.cell, w.available, w.held, w.debt, count(l.partner_id))
                      AS "offender!"
           FROM forwards f
           LEFT JOIN wallets w USING (cell, member_id)
           LEFT JOIN links l USING (member_id)
           GROUP BY f.member_id, f.cell, w.available, w.held, w.debt
           HAVING (w.available, w.held, w.debt) IS DISTINCT FROM (0::bigint, 0::bigint, 0::bigint)
               OR count(l.partner_id) > 0
           ORDER BY f.cell, f.member_id LIMIT (SELECT 20)"#
    );
    verdict.blame(offenders.fetch_all(&mut *connection).await?);
    let offenders = sqlx::query_scalar!(
        r#"WITH RECURSIVE followed AS (
               SELECT cell, member_id, into_cell, into_member_id, 1 AS hops FROM forwards
               UNION ALL
               SELECT s.cell, s.member_id, f.into_cell, f.into_member_id, s.hops + 1
               FROM followed s
               JOIN forwards f ON f.cell = s.into_cell AND f.member_id = s.into_member_id
               WHERE s.hops < 20
           )
           SELECT format('merged member %s in cell %s leads nowhere', followed.member_id,
                         followed.cell)
                      AS "offender!"
           FROM followed
           LEFT JOIN wallets w ON w.cell = followed.into_cell
                AND w.member_id = followed.into_member_id
           WHERE hops >= 20 OR w.member_id IS NULL
           ORDER BY followed.cell, followed.member_id LIMIT (SELECT 20)"#
    );
    verdict.blame(offenders.fetch_all(&mut *connection).await?);
    let offenders = sqlx::query_scalar!(
        r#"SELECT format('code %s of partner %s merged member %s, which was not merged so',
                         m.link_code_id, m.issuer, m.member_id) AS "offender!"
           FROM merges m
           LEFT JOIN forwards f USING (cell, member_id, into_cell, into_member_id)
           WHERE f.merged_at IS NULL
           ORDER BY m.issuer, m.link_code_id LIMIT (SELECT 20)"#
    );
    verdict.blame(offenders.fetch_all(connection).await?);
    Ok(())
}
