//! Converted: each conversion moves what it says, from pool to `fx` and from `fx` to pool and nowhere
//! else; it is measured by its rate; nothing but conversions moves `fx`; and each pool is what its
//! positions come to.

use entente_ledger::Micros;
use sqlx::PgConnection;

use super::Verdict;
use crate::{
    StoreError, codes,
    settlement::convert::{list_conversions, pool_balance},
};

/// How many conversions are read at a time.
const PAGE: i64 = 1_000;

pub(super) async fn check(
    connection: &mut PgConnection,
    verdict: &mut Verdict,
) -> Result<(), StoreError> {
    let rows = sqlx::query_scalar!(r#"SELECT count(*) AS "rows!" FROM conversions"#);
    verdict.checked("conversions", rows.fetch_one(&mut *connection).await?);
    measured(connection, verdict).await?;
    moved(connection, verdict).await?;
    apart(connection, verdict).await?;
    pools(connection, verdict).await
}

/// Each is measured again, by its own rate.
async fn measured(connection: &mut PgConnection, verdict: &mut Verdict) -> Result<(), StoreError> {
    let mut before = None;
    loop {
        let page = list_conversions(&mut *connection, before, PAGE).await?;
        let Some(last) = page.last() else { return Ok(()) };
        before = Some(last.number);
        let numbers: Vec<i32> = page.iter().map(|one| one.number).collect();
        let references: Vec<i64> =
            page.iter().map(|one| one.exchange.conversion.reference().0).collect();
        let offenders = sqlx::query_scalar!(
            r#"SELECT format('conversion %s is measured by %s micros, by its rate %s', c.number,
                             c.reference_micros, m.reference) AS "offender!"
               FROM conversions c
               JOIN UNNEST($1::integer[], $2::bigint[]) AS m (number, reference) USING (number)
               WHERE c.reference_micros <> m.reference
               ORDER BY c.number LIMIT (SELECT 20)"#,
            &numbers,
            &references
        );
        verdict.blame(offenders.fetch_all(&mut *connection).await?);
    }
}

/// What each says, by its transfers: both ways of `FULL JOIN`, so that none is without the other.
async fn moved(connection: &mut PgConnection, verdict: &mut Verdict) -> Result<(), StoreError> {
    let offenders = sqlx::query_scalar!(
        r#"WITH said AS (
               SELECT c.request_id, c.window_id, m.kind, m.currency, m.micros
               FROM conversions c
               CROSS JOIN LATERAL (VALUES
                   (16, c.sold_currency, c.sold_micros),
                   (17, c.bought_currency, c.reference_micros),
                   (18, c.bought_currency, greatest(c.reference_micros - c.bought_micros, 0)),
                   (19, c.bought_currency, greatest(c.bought_micros - c.reference_micros, 0))
               ) m (kind, currency, micros)
               WHERE m.micros > 0 AND NOT EXISTS (
                   SELECT FROM archived_requests r
                   WHERE r.partner_id = 0 AND r.request_id = c.request_id)
           ), moved AS (
               SELECT o.request_id, t.window_id, t.kind::integer AS kind, t.currency,
                      t.amount AS micros
               FROM transfers t
               JOIN operations o ON o.cell = t.cell AND o.seq = t.seq AND o.posted_at = t.posted_at
               WHERE t.kind BETWEEN 16 AND 19
           )
           SELECT format('conversion %s says %s micros of %s for kind %s, its transfers %s',
                         request_id, COALESCE(s.micros, 0), currency, kind, COALESCE(m.micros, 0))
                      AS "offender!"
           FROM said s FULL JOIN moved m USING (request_id, window_id, kind, currency)
           WHERE s.micros IS DISTINCT FROM m.micros
           ORDER BY request_id, kind LIMIT (SELECT 20)"#
    );
    verdict.blame(offenders.fetch_all(connection).await?);
    Ok(())
}

async fn apart(connection: &mut PgConnection, verdict: &mut Verdict) -> Result<(), StoreError> {
    let offenders = sqlx::query_scalar!(
        r#"SELECT format('transfer %s of operation %s in cell %s is no conversion between pool and fx',
                         ordinal, seq, cell) AS "offender!"
           FROM transfers
           WHERE (debit_kind = 12 OR credit_kind = 12 OR kind BETWEEN 16 AND 19)
             AND (CASE WHEN kind IN (16, 18) THEN (debit_kind, credit_kind) = (8, 12)
                       WHEN kind IN (17, 19) THEN (debit_kind, credit_kind) = (12, 8)
                       ELSE false END) IS NOT TRUE
           ORDER BY posted_at, cell, seq, ordinal LIMIT (SELECT 20)"#
    );
    verdict.blame(offenders.fetch_all(connection).await?);
    Ok(())
}

/// A conversion is allowed by what positions say that a pool holds: transfers have to say the same.
async fn pools(connection: &mut PgConnection, verdict: &mut Verdict) -> Result<(), StoreError> {
    let rows = sqlx::query!(
        r#"SELECT currency AS "currency!",
                  sum(amount * ((credit_kind = 8)::int - (debit_kind = 8)::int))::bigint
                      AS "micros!"
           FROM all_transfers
           WHERE NOT in_points AND window_id > 0 AND kind <> 11
             AND (credit_kind = 8 OR debit_kind = 8)
           GROUP BY currency ORDER BY currency"#
    );
    for row in rows.fetch_all(&mut *connection).await? {
        let currency = codes::currency(&row.currency, "transfers", "currency")?;
        let held = pool_balance(&mut *connection, currency).await?;
        if held != Micros(row.micros) {
            let moved = row.micros;
            verdict.blame([format!(
                "the pool of {currency} holds {held} micros by its positions, {moved} by transfers"
            )]);
        }
    }
    Ok(())
}
