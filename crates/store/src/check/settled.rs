//! Settled to zero: closing each window again, by its positions, gives the totals and obligations
//! that were written; what it did to every account comes to the nets; and the nets come to zero. So
//! do reconciliations: their breaks add up.

use std::collections::BTreeMap;

use entente_ledger::{Currency, Micros, PartnerId, WindowId};
use entente_settlement::{Closing, Nets, Party, close};
use sqlx::PgConnection;

use super::{Verdict, reconciled};
use crate::{
    StoreError, codes,
    settlement::position::{gross, totals_of},
};

pub(super) async fn check(connection: &mut PgConnection) -> Result<Verdict, StoreError> {
    let mut verdict = Verdict::new(7, "settled to zero");
    let closed = sqlx::query_scalar!(
        "SELECT window_id FROM windows WHERE closed_at IS NOT NULL ORDER BY window_id"
    );
    let closed = closed.fetch_all(&mut *connection).await?;
    verdict.checked("closed windows", i64::try_from(closed.len()).unwrap_or(i64::MAX));
    for window in closed.into_iter().map(WindowId) {
        window_again(connection, window, &mut verdict).await?;
    }
    payments(connection, &mut verdict).await?;
    reconciled::check(connection, &mut verdict).await?;
    Ok(verdict)
}

async fn window_again(
    connection: &mut PgConnection,
    window: WindowId,
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
    compare(
        "obligations",
        number,
        &if number < 0 { Nets::new() } else { owed(&closing) },
        &obligations(connection, window).await?,
        verdict,
    );
    let accounts = accounts(connection, window).await?;
    compare("accounts", number, &closing.nets, &accounts, verdict);
    for (currency, sum) in sums(&accounts) {
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

fn owed(closing: &Closing) -> Nets {
    closing.obligations.iter().map(|obligation| (obligation.party, obligation.net)).collect()
}

fn sums(nets: &Nets) -> BTreeMap<Currency, i128> {
    let mut sums = BTreeMap::new();
    for (party, net) in nets {
        *sums.entry(party.currency).or_default() += i128::from(net.0);
    }
    sums
}

async fn obligations(connection: &mut PgConnection, window: WindowId) -> Result<Nets, StoreError> {
    let rows = sqlx::query!(
        "SELECT partner_id, currency, net_micros FROM obligations WHERE window_id = $1",
        window.0
    );
    let rows = rows.fetch_all(connection).await?;
    rows.into_iter().map(|row| net(row.partner_id, &row.currency, row.net_micros)).collect()
}

/// Debits less credits of a window's money transfers, by who stands behind the account; payments
/// settle earlier windows.
async fn accounts(connection: &mut PgConnection, window: WindowId) -> Result<Nets, StoreError> {
    let rows = sqlx::query!(
        r#"SELECT partner AS "partner!", currency AS "currency!", sum(micros)::bigint AS "micros!"
           FROM (
               SELECT debit_partner AS partner, currency, amount AS micros FROM transfers
               WHERE window_id = $1 AND NOT in_points AND kind <> 11
               UNION ALL
               SELECT credit_partner, currency, -amount FROM transfers
               WHERE window_id = $1 AND NOT in_points AND kind <> 11
           ) AS sides
           GROUP BY partner, currency"#,
        window.0
    );
    let rows = rows.fetch_all(connection).await?;
    rows.into_iter().map(|row| net(row.partner, &row.currency, row.micros)).collect()
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
               SELECT partner_id, currency, sum(paid_micros) AS micros FROM obligations
               GROUP BY partner_id, currency
           ), moved AS (
               SELECT credit_partner AS partner_id, currency, sum(amount) AS micros FROM transfers
               WHERE kind = 11 GROUP BY credit_partner, currency
           )
           SELECT format('partner %s paid %s micros of its obligations in %s, and %s by its transfers',
                         partner_id, COALESCE(paid.micros, 0), currency, COALESCE(moved.micros, 0))
                      AS "offender!"
           FROM paid FULL JOIN moved USING (partner_id, currency)
           WHERE COALESCE(paid.micros, 0) <> COALESCE(moved.micros, 0)
           ORDER BY partner_id, currency LIMIT 20"#
    );
    verdict.blame(offenders.fetch_all(connection).await?);
    Ok(())
}
