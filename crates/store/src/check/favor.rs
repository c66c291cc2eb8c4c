//! Never in the caller's favor: what can be computed again from stored terms. Points come to
//! exactly their money, fees are rounded up, and no earn gives more than its rule.

use sqlx::PgConnection;

use super::Verdict;
use crate::StoreError;

pub(super) async fn check(connection: &mut PgConnection) -> Result<Verdict, StoreError> {
    let mut verdict = Verdict::new(8, "never in the caller's favor");
    let rows = sqlx::query!(
        r#"SELECT (SELECT count(*) FROM transfers) AS "transfers!",
                  (SELECT count(*) FROM lots) AS "lots!""#
    );
    let rows = rows.fetch_one(&mut *connection).await?;
    verdict.checked("transfers", rows.transfers);
    verdict.checked("lots", rows.lots);
    prices(connection, &mut verdict).await?;
    clawbacks(connection, &mut verdict).await?;
    fees(connection, &mut verdict).await?;
    earns(connection, &mut verdict).await?;
    origins(connection, &mut verdict).await?;
    Ok(verdict)
}

/// Between two parties, the money of an operation's points is their number times their price.
async fn prices(connection: &mut PgConnection, verdict: &mut Verdict) -> Result<(), StoreError> {
    let offenders = sqlx::query_scalar!(
        r#"SELECT format('operation %s in cell %s, kind %s, %s to %s: its points come to %s micros '
                         'of %s, its money is %s', seq, cell, kind, payer, payee,
                         sum(CASE WHEN in_points THEN amount::numeric * price_micros ELSE 0 END),
                         currency, sum(CASE WHEN in_points THEN 0 ELSE amount END)) AS "offender!"
           FROM transfers
           WHERE kind IN (1, 3, 4, 7, 8, 10) AND payer <> payee
           GROUP BY cell, seq, kind, payer, payee, currency
           HAVING sum(CASE WHEN in_points THEN amount::numeric * price_micros ELSE -amount END) <> 0
           ORDER BY min(posted_at), cell, seq LIMIT (SELECT 20)"#
    );
    verdict.blame(offenders.fetch_all(connection).await?);
    Ok(())
}

/// A clawback gives back the issue money of every point it takes, expired ones counted.
async fn clawbacks(connection: &mut PgConnection, verdict: &mut Verdict) -> Result<(), StoreError> {
    let offenders = sqlx::query_scalar!(
        r#"SELECT format('operation %s in cell %s takes back %s points and returns %s micros', o.seq,
                         o.cell, o.points, sum(x.amount)) AS "offender!"
           FROM transfers x
           JOIN operations o ON o.cell = x.cell AND o.seq = x.seq AND o.posted_at = x.posted_at
           JOIN terms t ON t.partner_id = o.partner_id AND t.version = o.terms_version
           WHERE x.kind = 2 AND NOT x.in_points
           GROUP BY o.cell, o.seq, o.points, t.issue_price_micros
           HAVING sum(x.amount) <> o.points::numeric * t.issue_price_micros
           ORDER BY o.cell, o.seq LIMIT (SELECT 20)"#
    );
    verdict.blame(offenders.fetch_all(connection).await?);
    Ok(())
}

/// The fee is rounded up to a micro per lot, so it is less than a micro per lot above the exact one.
async fn fees(connection: &mut PgConnection, verdict: &mut Verdict) -> Result<(), StoreError> {
    let offenders = sqlx::query_scalar!(
        r#"WITH sums AS (
               SELECT cell, seq, posted_at,
                      max(CASE WHEN kind = 3 AND in_points THEN payee END) AS redeemer,
                      sum(CASE WHEN kind = 3 AND in_points
                               THEN amount::numeric * price_micros ELSE 0 END) AS money,
                      sum(CASE WHEN kind = 3 AND in_points THEN 1 ELSE 0 END) AS lots,
                      sum(CASE WHEN kind = 5 THEN amount ELSE 0 END) AS fees
               FROM transfers WHERE kind IN (3, 5) GROUP BY cell, seq, posted_at
           )
           SELECT format('operation %s in cell %s: the fee of %s basis points on %s micros is %s',
                         o.seq, o.cell, t.hub_fee_basis_points, s.money, s.fees) AS "offender!"
           FROM sums s
           JOIN operations o USING (cell, seq, posted_at)
           JOIN terms t ON t.partner_id = s.redeemer AND t.version = o.terms_version
           WHERE s.fees * 10000 NOT BETWEEN s.money * t.hub_fee_basis_points
                 AND s.money * t.hub_fee_basis_points + 9999 * s.lots
           ORDER BY o.cell, o.seq LIMIT (SELECT 20)"#
    );
    verdict.blame(offenders.fetch_all(connection).await?);
    Ok(())
}

/// A lot comes from where it says: from an earn, an exchange or a transfer. Nearly all come from earns,
/// and nearly all operations are earns: lots of earns meet only what is none, the others any operation, so
/// that of each pair one side is small.
async fn origins(connection: &mut PgConnection, verdict: &mut Verdict) -> Result<(), StoreError> {
    let offenders = sqlx::query_scalar!(
        r#"SELECT format('lot %s.%s of member %s in cell %s has origin %s, and an operation of kind '
                         '%s opened it', opened_by, ordinal, member_id, cell, origin,
                         kind) AS "offender!"
           FROM (
               SELECT l.opened_by, l.ordinal, l.member_id, l.cell, l.origin, o.kind
               FROM lots l JOIN operations o ON o.cell = l.cell AND o.seq = l.opened_by
               WHERE l.origin = 1 AND (o.refused OR o.kind <> 1)
               UNION ALL
               SELECT l.opened_by, l.ordinal, l.member_id, l.cell, l.origin, o.kind
               FROM lots l JOIN operations o ON o.cell = l.cell AND o.seq = l.opened_by
               WHERE l.origin <> 1
                 AND (o.refused OR o.kind <> ALL (CASE l.origin WHEN 2 THEN ARRAY[9]
                                                                WHEN 3 THEN ARRAY[10]
                                                                ELSE ARRAY[13, 14] END))
           ) AS found
           ORDER BY cell, member_id, opened_by LIMIT (SELECT 20)"#
    );
    verdict.blame(offenders.fetch_all(connection).await?);
    Ok(())
}

async fn earns(connection: &mut PgConnection, verdict: &mut Verdict) -> Result<(), StoreError> {
    let offenders = sqlx::query_scalar!(
        r#"SELECT format('lot %s.%s of member %s in cell %s earned %s points for %s micros',
                         l.opened_by, l.ordinal, l.member_id, l.cell, l.points_earned,
                         l.spend_micros) AS "offender!"
           FROM lots l
           JOIN terms t ON t.partner_id = l.issuer AND t.version = l.terms_version
           LEFT JOIN LATERAL (
               SELECT points, per_spend_micros FROM terms_rules r
               WHERE r.partner_id = l.issuer AND r.version = l.terms_version
                 AND r.minimum_spend_micros <= l.spend_micros
                 AND r.category = CASE WHEN EXISTS (
                         SELECT FROM terms_rules n
                         WHERE n.partner_id = l.issuer AND n.version = l.terms_version
                           AND n.category = l.category)
                     THEN l.category ELSE '*' END
               ORDER BY r.minimum_spend_micros DESC LIMIT 1
           ) r ON true
           WHERE l.points_earned > COALESCE(CASE t.rounding
                     WHEN 2 THEN div(2 * l.spend_micros::numeric * r.points + r.per_spend_micros,
                                     2 * r.per_spend_micros::numeric)
                     ELSE div(l.spend_micros::numeric * r.points, r.per_spend_micros::numeric)
                 END, 0)
              OR l.points_earned > t.max_points_per_operation
           ORDER BY l.opened_by, l.cell, l.ordinal LIMIT (SELECT 20)"#
    );
    verdict.blame(offenders.fetch_all(connection).await?);
    Ok(())
}
