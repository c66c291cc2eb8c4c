//! Settled to zero: closing each window again, by its positions, gives the totals and obligations
//! that were written; what it did to every account comes to the nets; and the nets come to zero. So
//! do reconciliations: their breaks add up; disputes are about what statements tell; floats have what
//! was bought for them and not issued; and conversions leave each currency balanced.

use std::collections::BTreeMap;

use entente_ledger::{Currency, Micros, PartnerId, WindowId};
use entente_settlement::{Closing, Nets, Owed, Party, close, owed};
use sqlx::PgConnection;

use super::{Verdict, converted, disputed, floats, reconciled};
use crate::{
    StoreError, codes,
    settlement::{
        self, arrangement,
        position::{gross, totals_of},
    },
};

pub(super) async fn check(connection: &mut PgConnection) -> Result<Verdict, StoreError> {
    let mut verdict = Verdict::new(7, "settled to zero");
    let closed = sqlx::query_scalar!(
        "SELECT window_id FROM windows WHERE closed_at IS NOT NULL ORDER BY window_id"
    );
    let closed = closed.fetch_all(&mut *connection).await?;
    verdict.checked("closed windows", i64::try_from(closed.len()).unwrap_or(i64::MAX));
    let mut accounts = accounts(connection).await?;
    for window in closed.into_iter().map(WindowId) {
        let accounts = accounts.remove(&window).unwrap_or_default();
        window_again(connection, (window, &accounts), &mut verdict).await?;
    }
    payments(connection, &mut verdict).await?;
    balances(connection, &mut verdict).await?;
    disputed::check(connection, &mut verdict).await?;
    reconciled::check(connection, &mut verdict).await?;
    adjustments(connection, &mut verdict).await?;
    floats::check(connection, &mut verdict).await?;
    converted::check(connection, &mut verdict).await?;
    Ok(verdict)
}

async fn window_again(
    connection: &mut PgConnection,
    (window, accounts): (WindowId, &Nets),
    verdict: &mut Verdict,
) -> Result<(), StoreError> {
    let number = window.0;
    let positions = gross(&mut *connection, window, None).await?;
    let Ok(closing) = close(positions) else {
        verdict.blame([format!("the positions of window {number} are beyond the range")]);
        return Ok(());
    };
    let totals = totals_of(&mut *connection, window).await?;
    for key in closing.totals.keys().chain(totals.keys()) {
        if closing.totals.get(key) != totals.get(key) {
            let (payer, payee, currency) = (key.payer, key.payee, key.currency);
            verdict.blame([format!(
                "the total of window {number} from {payer} to {payee} in {currency} is not that of \
                 its positions"
            )]);
        }
    }
    obligations(connection, (window, &closing), verdict).await?;
    compare("accounts", number, &closing.nets, accounts, verdict);
    for (currency, sum) in sums(accounts) {
        if sum != 0 {
            verdict.blame([format!("window {number} comes to {sum} micros of {currency}, not 0")]);
        }
    }
    Ok(())
}

/// Blames each party whose amount differs.
fn compare(what: &str, window: i32, expected: &Nets, found: &Nets, verdict: &mut Verdict) {
    let parties = expected.keys().chain(found.keys().filter(|party| !expected.contains_key(party)));
    for party in parties {
        let of = |nets: &Nets| nets.get(party).copied().unwrap_or_default();
        let (expected, found) = (of(expected), of(found));
        if expected != found {
            let (partner, currency) = (party.partner, party.currency);
            verdict.blame([format!(
                "{what} of partner {partner} in {currency}, window {window}: {found} micros, by its \
                 totals {expected}"
            )]);
        }
    }
}

fn sums(nets: &Nets) -> BTreeMap<Currency, i128> {
    let mut sums = BTreeMap::new();
    for (party, net) in nets {
        *sums.entry(party.currency).or_default() += i128::from(net.0);
    }
    sums
}

/// What is to be paid is what the window's netting makes of its totals: nothing of a testing one.
async fn obligations(
    connection: &mut PgConnection,
    (window, closing): (WindowId, &Closing),
    verdict: &mut Verdict,
) -> Result<(), StoreError> {
    let netting = sqlx::query_scalar!("SELECT netting FROM windows WHERE window_id = $1", window.0);
    let netting = netting.fetch_one(&mut *connection).await?;
    let expected = match netting.map(arrangement::netting).transpose()? {
        Some(netting) => owed(&closing.totals, netting),
        None => Ok(Vec::new()),
    };
    let found = settlement::obligations(connection, window, None).await?;
    let mut found: Vec<Owed> = found.into_iter().map(|obligation| obligation.owed).collect();
    found.sort_unstable();
    if expected.as_ref() != Ok(&found) {
        let number = window.0;
        verdict.blame([format!("the obligations of window {number} are not those of its totals")]);
    }
    Ok(())
}

/// Debits less credits of each window's money transfers, by who stands behind the account; payments
/// settle earlier windows.
async fn accounts(connection: &mut PgConnection) -> Result<BTreeMap<WindowId, Nets>, StoreError> {
    let rows = sqlx::query!(
        r#"WITH moved AS (
               SELECT window_id, debit_partner, credit_partner, currency, sum(amount) AS micros
               FROM all_transfers WHERE NOT in_points AND kind <> 11
               GROUP BY window_id, debit_partner, credit_partner, currency
           ), sides AS (
               SELECT window_id, debit_partner AS partner, currency, micros FROM moved
               UNION ALL
               SELECT window_id, credit_partner, currency, -micros FROM moved
           )
           SELECT window_id AS "window_id!", partner AS "partner!", currency AS "currency!",
                  sum(micros)::bigint AS "micros!"
           FROM sides GROUP BY window_id, partner, currency"#
    );
    let mut accounts = BTreeMap::<_, Nets>::new();
    for row in rows.fetch_all(connection).await? {
        let (party, micros) = net(row.partner, &row.currency, row.micros)?;
        accounts.entry(WindowId(row.window_id)).or_default().insert(party, micros);
    }
    Ok(accounts)
}

fn net(partner: i32, currency: &str, micros: i64) -> Result<(Party, Micros), StoreError> {
    let currency = codes::currency(currency, "obligations", "currency")?;
    Ok((Party { partner: PartnerId(partner), currency }, Micros(micros)))
}

async fn payments(connection: &mut PgConnection, verdict: &mut Verdict) -> Result<(), StoreError> {
    let rows = sqlx::query_scalar!(r#"SELECT count(*) AS "rows!" FROM obligations"#);
    verdict.checked("obligations", rows.fetch_one(&mut *connection).await?);
    let offenders = sqlx::query_scalar!(
        r#"WITH paid AS (
               SELECT payer, payee, currency, sum(paid_micros) AS micros FROM obligations
               GROUP BY payer, payee, currency
           ), moved AS (
               SELECT credit_partner AS payer, debit_partner AS payee, currency,
                      sum(amount) AS micros
               FROM all_transfers WHERE kind = 11 GROUP BY credit_partner, debit_partner, currency
           )
           SELECT format('%s paid %s %s micros of its obligations in %s, and %s by its transfers',
                         payer, payee, COALESCE(paid.micros, 0), currency,
                         COALESCE(moved.micros, 0)) AS "offender!"
           FROM paid FULL JOIN moved USING (payer, payee, currency)
           WHERE COALESCE(paid.micros, 0) <> COALESCE(moved.micros, 0)
           ORDER BY payer, payee, currency LIMIT (SELECT 20)"#
    );
    verdict.blame(offenders.fetch_all(connection).await?);
    Ok(())
}

/// What each close wrote as unpaid is what is owed for the windows so far less what was paid in them.
async fn balances(connection: &mut PgConnection, verdict: &mut Verdict) -> Result<(), StoreError> {
    let rows = sqlx::query_scalar!(r#"SELECT count(*) AS "rows!" FROM balances"#);
    verdict.checked("balances", rows.fetch_one(&mut *connection).await?);
    let offenders = sqlx::query_scalar!(
        r#"WITH moved AS (
               SELECT window_id, payer AS partner_id, currency, micros FROM obligations
               UNION ALL
               SELECT window_id, payee, currency, -micros FROM obligations
               UNION ALL
               SELECT window_id, credit_partner, currency, -amount FROM all_transfers
               WHERE kind = 11
               UNION ALL
               SELECT window_id, debit_partner, currency, amount FROM all_transfers
               WHERE kind = 11
           ), of_window AS (
               SELECT window_id, partner_id, currency, sum(micros) AS micros FROM moved
               WHERE partner_id > 0 GROUP BY window_id, partner_id, currency
           ), expected AS (
               SELECT w.window_id, p.partner_id, p.currency,
                      sum(COALESCE(m.micros, 0)) OVER (PARTITION BY p.partner_id, p.currency
                                                       ORDER BY w.window_id) AS micros
               FROM windows w
               CROSS JOIN (SELECT DISTINCT partner_id, currency FROM of_window) p
               LEFT JOIN of_window m ON m.window_id = w.window_id
                                    AND m.partner_id = p.partner_id AND m.currency = p.currency
               WHERE w.closed_at IS NOT NULL AND NOT w.testing
           )
           SELECT format('the balance of partner %s in %s, window %s: %s micros, by what was owed '
                         'and paid %s', partner_id, currency, window_id, COALESCE(b.micros, 0),
                         COALESCE(e.micros, 0)) AS "offender!"
           FROM balances b FULL JOIN expected e USING (window_id, partner_id, currency)
           WHERE COALESCE(b.micros, 0) <> COALESCE(e.micros, 0)
           ORDER BY window_id, partner_id, currency LIMIT (SELECT 20)"#
    );
    verdict.blame(offenders.fetch_all(connection).await?);
    Ok(())
}

/// Each adjustment says what its transfers moved, and into which window.
async fn adjustments(
    connection: &mut PgConnection,
    verdict: &mut Verdict,
) -> Result<(), StoreError> {
    let rows = sqlx::query_scalar!(r#"SELECT count(*) AS "rows!" FROM adjustments"#);
    verdict.checked("adjustments", rows.fetch_one(&mut *connection).await?);
    let offenders = sqlx::query_scalar!(
        r#"WITH moved AS (
               SELECT o.request_id, t.window_id, t.payer, t.payee, t.currency, t.amount AS micros
               FROM transfers t
               JOIN operations o ON o.cell = t.cell AND o.seq = t.seq AND o.posted_at = t.posted_at
               WHERE t.kind = 14
           )
           SELECT format('adjustment %s moves %s micros, by its transfers %s', request_id, a.micros,
                         m.micros) AS "offender!"
           FROM (
               SELECT a.* FROM adjustments a
               WHERE NOT EXISTS (
                   SELECT FROM archived_requests r
                   WHERE r.partner_id = 0 AND r.request_id = a.request_id)
           ) a
           FULL JOIN moved m USING (request_id, window_id, payer, payee, currency)
           WHERE a.micros IS DISTINCT FROM m.micros
           ORDER BY request_id LIMIT (SELECT 20)"#
    );
    verdict.blame(offenders.fetch_all(connection).await?);
    Ok(())
}
