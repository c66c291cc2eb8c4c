//! Balanced: every transfer moves a positive amount between two accounts of its unit, and every
//! stored balance is the sum of its transfers.

use entente_loyalty::Exposure;
use entente_settlement::Party;
use sqlx::PgConnection;

use super::Verdict;
use crate::{
    StoreError,
    settlement::{computed_exposures, kept_exposures},
};

pub(super) async fn check(connection: &mut PgConnection) -> Result<Verdict, StoreError> {
    let mut verdict = Verdict::new(1, "balanced");
    transfers(connection, &mut verdict).await?;
    wallets(connection, &mut verdict).await?;
    lots(connection, &mut verdict).await?;
    positions(connection, &mut verdict).await?;
    exposures(connection, &mut verdict).await?;
    Ok(verdict)
}

/// Points on their way between cells arrive, so their account is empty.
async fn transfers(connection: &mut PgConnection, verdict: &mut Verdict) -> Result<(), StoreError> {
    let sums = sqlx::query!(
        r#"SELECT COALESCE(sum(row_count), 0)::bigint AS "rows!",
                  COALESCE(sum(CASE WHEN credit_kind = 6 THEN amount ELSE 0 END)
                         - sum(CASE WHEN debit_kind = 6 THEN amount ELSE 0 END), 0)::bigint
                      AS "in_transit!"
           FROM all_transfers"#
    );
    let sums = sums.fetch_one(&mut *connection).await?;
    verdict.checked("transfers", sums.rows);
    if sums.in_transit != 0 {
        verdict.blame([format!("{} points are in transit", sums.in_transit)]);
    }
    let offenders = sqlx::query_scalar!(
        r#"SELECT format('transfer %s of operation %s in cell %s is not a double entry',
                         ordinal, seq, cell) AS "offender!"
           FROM transfers
           WHERE amount <= 0
              OR (debit_kind, debit_partner) = (credit_kind, credit_partner)
              OR in_points <> (debit_kind <= 6) OR in_points <> (credit_kind <= 6)
              OR (member_id IS NOT NULL) <> (debit_kind = 1 OR credit_kind = 1)
           ORDER BY posted_at, cell, seq, ordinal LIMIT (SELECT 20)"#
    );
    verdict.blame(offenders.fetch_all(connection).await?);
    Ok(())
}

async fn wallets(connection: &mut PgConnection, verdict: &mut Verdict) -> Result<(), StoreError> {
    let rows = sqlx::query_scalar!(r#"SELECT count(*) AS "rows!" FROM wallets"#);
    verdict.checked("wallets", rows.fetch_one(&mut *connection).await?);
    let offenders = sqlx::query_scalar!(
        r#"WITH moved AS (
               SELECT cell, member_id, sum(points) AS points
               FROM (
                   SELECT cell, member_id,
                          CASE WHEN credit_kind = 1 THEN amount ELSE -amount END AS points
                   FROM transfers WHERE member_id IS NOT NULL
                   UNION ALL
                   SELECT cell, member_id, points FROM carried_lots
               ) t
               GROUP BY cell, member_id
           )
           SELECT format('wallet of member %s in cell %s: %s in its row, %s by its transfers',
                         member_id, cell, available + held - debt, COALESCE(points, 0))
                      AS "offender!"
           FROM wallets FULL JOIN moved USING (cell, member_id)
           WHERE available + held - debt IS DISTINCT FROM COALESCE(points, 0)
           ORDER BY cell, member_id LIMIT (SELECT 20)"#
    );
    verdict.blame(offenders.fetch_all(connection).await?);
    Ok(())
}

/// What a clawback could not take is booked against its lot, and is a debt until it is repaid.
async fn lots(connection: &mut PgConnection, verdict: &mut Verdict) -> Result<(), StoreError> {
    let rows = sqlx::query_scalar!(r#"SELECT count(*) AS "rows!" FROM lots"#);
    verdict.checked("lots", rows.fetch_one(&mut *connection).await?);
    let offenders = sqlx::query_scalar!(
        r#"WITH moved AS (
               SELECT cell, member_id, opened_by, ordinal, sum(points) AS points
               FROM (
                   SELECT cell, member_id, lot_opened_by AS opened_by, lot_ordinal AS ordinal,
                          CASE WHEN credit_kind = 1 THEN amount ELSE -amount END AS points
                   FROM transfers WHERE member_id IS NOT NULL
                   UNION ALL
                   SELECT cell, member_id, opened_by, ordinal, points FROM carried_lots
               ) t
               GROUP BY cell, member_id, opened_by, ordinal
           ), owed AS (
               SELECT cell, member_id, lot_opened_by AS opened_by, lot_ordinal AS ordinal,
                      sum(points) AS points
               FROM debts GROUP BY cell, member_id, lot_opened_by, lot_ordinal
           )
           SELECT format('lot %s.%s of member %s in cell %s: %s in its row, %s by its transfers',
                         opened_by, ordinal, member_id, cell, lots.remaining,
                         COALESCE(moved.points, 0) + COALESCE(owed.points, 0)) AS "offender!"
           FROM lots
           FULL JOIN moved USING (cell, member_id, opened_by, ordinal)
           FULL JOIN owed USING (cell, member_id, opened_by, ordinal)
           WHERE lots.remaining IS DISTINCT FROM
                 COALESCE(moved.points, 0) + COALESCE(owed.points, 0)
           ORDER BY cell, member_id, opened_by, ordinal LIMIT (SELECT 20)"#
    );
    verdict.blame(offenders.fetch_all(connection).await?);
    Ok(())
}

async fn positions(connection: &mut PgConnection, verdict: &mut Verdict) -> Result<(), StoreError> {
    let rows = sqlx::query_scalar!(r#"SELECT count(*) AS "rows!" FROM positions"#);
    verdict.checked("positions", rows.fetch_one(&mut *connection).await?);
    let offenders = sqlx::query_scalar!(
        r#"WITH moved AS (
               SELECT cell, window_id, currency, payer, payee, kind,
                      sum(CASE WHEN in_points THEN amount ELSE 0 END) AS points,
                      sum(CASE WHEN NOT in_points THEN amount
                               WHEN payer = payee AND payer <> 0
                               THEN amount::numeric * price_micros ELSE 0 END) AS micros
               FROM all_transfers WHERE kind <> 11
               GROUP BY cell, window_id, currency, payer, payee, kind
           )
           SELECT format('position %s to %s in %s of kind %s, window %s, cell %s: '
                         '%s points and %s micros in its row, %s and %s by its transfers',
                         payer, payee, currency, kind, window_id, cell, p.points, p.micros,
                         COALESCE(m.points, 0), COALESCE(m.micros, 0)) AS "offender!"
           FROM positions p
           FULL JOIN moved m USING (cell, window_id, currency, payer, payee, kind)
           WHERE (p.points, p.micros) IS DISTINCT FROM
                 (COALESCE(m.points, 0), COALESCE(m.micros, 0))
           ORDER BY cell, window_id, currency, payer, payee, kind LIMIT (SELECT 20)"#
    );
    verdict.blame(offenders.fetch_all(connection).await?);
    Ok(())
}

async fn exposures(connection: &mut PgConnection, verdict: &mut Verdict) -> Result<(), StoreError> {
    let kept = kept_exposures(&mut *connection, None).await?;
    verdict.checked("exposures", i64::try_from(kept.len()).unwrap_or(i64::MAX));
    let computed = computed_exposures(connection, None).await?;
    for ((partner, currency), Exposure { owed, .. }) in kept {
        let sum = computed.get(&Party { partner, currency }).copied().unwrap_or_default();
        if owed != sum {
            verdict.blame([format!(
                "exposure of partner {partner} in {currency}: {owed} micros in its row, {sum} by \
                 its positions, obligations and holds"
            )]);
        }
    }
    Ok(())
}
