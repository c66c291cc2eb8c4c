//! Conversions between the pools of two currencies: each is an operation of the hub, posted under all
//! heads, and a row that says what the bank exchanged and by which rate it is measured.

use entente_ledger::{Currency, Micros, RequestId};
use entente_settlement::{Conversion, Money, Rate};
use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use sqlx::{PgConnection, PgExecutor};

use super::adjust::{self, Adjustment};
use crate::{Place, StoreError, codes, control::Control};

/// A conversion to be booked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchange {
    /// The operators' id of it.
    pub request_id: RequestId,
    /// What the bank exchanged.
    pub conversion: Conversion,
    /// By what the bank knows it.
    pub bank_reference: String,
    /// Who approves it.
    pub approved_by: String,
}

/// A conversion as it was booked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedConversion {
    /// Its number, in the order of posting.
    pub number: i32,
    /// What was booked.
    pub exchange: Exchange,
    /// When.
    pub at: Timestamp,
}

/// What the pool of a currency holds, as booked: what it took less what it gave, negative where the hub
/// has advanced it. It is read from positions, so that what it costs does not grow with operations.
pub async fn pool_balance(
    executor: impl PgExecutor<'_>,
    currency: Currency,
) -> Result<Micros, StoreError> {
    // Fees are the hub's other account; between the hub and itself the kind says which way.
    let balance = sqlx::query_scalar!(
        r#"SELECT COALESCE(sum(micros * CASE
                      WHEN kind IN (9, 11) THEN 0
                      WHEN payer = 0 AND payee = 0 THEN
                           CASE WHEN kind IN (5, 16, 18) THEN -1 WHEN kind IN (6, 17, 19) THEN 1
                                ELSE 0 END
                      WHEN kind IN (5, 6) THEN 0
                      WHEN payee = 0 THEN 1
                      WHEN payer = 0 THEN -1
                      ELSE 0 END), 0)::bigint AS "micros!"
           FROM positions WHERE currency = $1 AND window_id > 0"#,
        currency.code()
    );
    Ok(Micros(balance.fetch_one(executor).await?))
}

/// The conversion that was booked by a bank's reference.
pub async fn booked_by(
    executor: impl PgExecutor<'_>,
    bank_reference: &str,
) -> Result<Option<RequestId>, StoreError> {
    let found = sqlx::query_scalar!(
        "SELECT request_id FROM conversions WHERE bank_reference = $1",
        bank_reference
    );
    Ok(found.fetch_optional(executor).await?.map(RequestId))
}

/// Posts a conversion into the open window. The request's outcome and the commit are the caller's.
pub async fn convert(control: &mut Control, exchange: &Exchange) -> Result<Place, StoreError> {
    let transfers = exchange.conversion.transfers();
    let transfers =
        &transfers.map_err(|error| StoreError::inconsistent("transfers", "amount", error))?;
    let (window, request_id) = (control.window().id, exchange.request_id);
    let place = adjust::post(control, Adjustment { request_id, window, transfers }).await?;
    adjust::add_to_positions(control.connection(), window, transfers).await?;
    let (now, number) = (control.now(), next_number(control.connection()).await?);
    let (conversion, rate) = (&exchange.conversion, exchange.conversion.rate());
    let (sold, bought) = (conversion.sold(), conversion.bought());
    sqlx::query!(
        "INSERT INTO conversions (number, request_id, window_id, sold_currency, sold_micros,
             bought_currency, bought_micros, rate_bought, rate_sold, reference_micros,
             bank_reference, approved_by, at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
        number,
        request_id.0,
        window.0,
        sold.currency.code(),
        sold.micros.0,
        bought.currency.code(),
        bought.micros.0,
        rate.bought(),
        rate.sold(),
        conversion.reference().0,
        exchange.bank_reference,
        exchange.approved_by,
        now.to_sqlx() as _
    )
    .execute(control.connection())
    .await?;
    Ok(place)
}

/// All heads are held, so nobody takes the number meanwhile.
async fn next_number(connection: &mut PgConnection) -> Result<i32, StoreError> {
    let last =
        sqlx::query_scalar!(r#"SELECT COALESCE(max(number), 0) AS "number!" FROM conversions"#);
    let last = last.fetch_one(connection).await?;
    last.checked_add(1)
        .ok_or_else(|| StoreError::inconsistent("conversions", "number", "beyond the range"))
}

/// Conversions before one of them, the latest first; `limit` at most.
pub async fn list_conversions(
    executor: impl PgExecutor<'_>,
    before: Option<i32>,
    limit: i64,
) -> Result<Vec<ListedConversion>, StoreError> {
    let rows = sqlx::query!(
        r#"SELECT number, request_id, sold_currency, sold_micros, bought_currency, bought_micros,
                  rate_bought, rate_sold, bank_reference, approved_by,
                  at AS "at: jiff_sqlx::Timestamp"
           FROM conversions WHERE $1::integer IS NULL OR number < $1
           ORDER BY number DESC LIMIT $2"#,
        before,
        limit
    );
    let rows = rows.fetch_all(executor).await?.into_iter();
    rows.map(|row| {
        let sold = money(&row.sold_currency, row.sold_micros)?;
        let bought = money(&row.bought_currency, row.bought_micros)?;
        let conversion = Rate::new(row.rate_bought, row.rate_sold)
            .and_then(|rate| Conversion::new(sold, bought, rate))
            .map_err(|error| StoreError::inconsistent("conversions", "rate_bought", error))?;
        let exchange = Exchange {
            request_id: RequestId(row.request_id),
            conversion,
            bank_reference: row.bank_reference,
            approved_by: row.approved_by,
        };
        Ok(ListedConversion { number: row.number, exchange, at: row.at.to_jiff() })
    })
    .collect()
}

fn money(code: &str, micros: i64) -> Result<Money, StoreError> {
    let currency = codes::currency(code, "conversions", "currency")?;
    Ok(Money { currency, micros: Micros(micros) })
}
