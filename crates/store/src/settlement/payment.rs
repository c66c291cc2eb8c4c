//! Payments of obligations: the oldest is paid first. A payment is an adjustment that moves money
//! from the settlement account to the partner's clearing account; it belongs to no position, because
//! it settles a window that is closed.

use entente_ledger::{
    Account, AmountKind, Currency, InvalidTransfer, Micros, PartnerId, RequestId, Transfer,
};
use entente_loyalty::{Exposure, ExposureKey};
use sqlx::PgConnection;

use super::adjust::{self, Adjustment};
use crate::{Place, StoreError, batch::exposure, control::Control};

/// What a partner paid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Payment {
    /// The operator's id of it.
    pub request_id: RequestId,
    /// Who paid.
    pub partner: PartnerId,
    /// How much, more than 0,
    pub amount: Micros,
    /// of what.
    pub currency: Currency,
}

/// A payment as it was posted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Paid {
    /// What the partner still owes in that currency, from closed windows.
    pub remaining: Micros,
    /// The operation, for the request's outcome.
    pub place: Place,
    /// What it owes after it, where its exposure is kept.
    pub exposure: Option<(ExposureKey, Exposure)>,
}

/// More than the partner still owes; nothing was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExceedsObligation {
    /// What it owes.
    pub owed: Micros,
}

/// Posts a payment. The request's outcome and the commit are the caller's.
///
/// # Errors
/// A payment that is not more than 0 is inconsistent: the door refuses it.
pub async fn record_payment(
    control: &mut Control,
    payment: &Payment,
) -> Result<Result<Paid, ExceedsObligation>, StoreError> {
    let unpaid = unpaid(control.connection(), payment).await?;
    let owed = unpaid.iter().try_fold(0_i64, |sum, (_, rest)| sum.checked_add(*rest));
    let owed =
        owed.ok_or_else(|| StoreError::inconsistent("obligations", "net_micros", payment.partner))?;
    if payment.amount.0 > owed {
        return Ok(Err(ExceedsObligation { owed: Micros(owed) }));
    }
    let transfer = transfer(payment)
        .map_err(|error| StoreError::inconsistent("transfers", "amount", error))?;
    pay_oldest_first(control.connection(), payment, unpaid).await?;
    let window = control.window().id;
    let (request_id, transfers) = (payment.request_id, &[transfer]);
    let place = adjust::post(control, Adjustment { request_id, window, transfers }).await?;
    let exposure = lower_exposure(control.connection(), payment).await?;
    Ok(Ok(Paid { remaining: Micros(owed - payment.amount.0), place, exposure }))
}

fn transfer(payment: &Payment) -> Result<Transfer, InvalidTransfer> {
    let accounts = (Account::Settlement, Account::Clearing(payment.partner));
    Transfer::money(AmountKind::Payment, accounts, payment.amount, payment.currency)
}

/// What the partner has not paid yet, by window, oldest first. All heads are held, and nobody pays
/// without them.
async fn unpaid(
    connection: &mut PgConnection,
    payment: &Payment,
) -> Result<Vec<(i32, i64)>, StoreError> {
    let rows = sqlx::query!(
        r#"SELECT window_id, net_micros - paid_micros AS "rest!" FROM obligations
           WHERE partner_id = $1 AND currency = $2 AND net_micros > paid_micros
           ORDER BY window_id"#,
        payment.partner.0,
        payment.currency.code()
    );
    let rows = rows.fetch_all(connection).await?;
    Ok(rows.into_iter().map(|row| (row.window_id, row.rest)).collect())
}

async fn pay_oldest_first(
    connection: &mut PgConnection,
    payment: &Payment,
    unpaid: Vec<(i32, i64)>,
) -> Result<(), StoreError> {
    let (mut windows, mut paid, mut left) = (Vec::new(), Vec::new(), payment.amount.0);
    for (window, rest) in unpaid {
        let part = rest.min(left);
        if part == 0 {
            break;
        }
        windows.push(window);
        paid.push(part);
        left -= part;
    }
    sqlx::query!(
        "UPDATE obligations SET paid_micros = paid_micros + n.paid
         FROM UNNEST($3::integer[], $4::bigint[]) AS n (window_id, paid)
         WHERE obligations.window_id = n.window_id AND partner_id = $1 AND currency = $2",
        payment.partner.0,
        payment.currency.code(),
        &windows,
        &paid
    )
    .execute(connection)
    .await?;
    Ok(())
}

async fn lower_exposure(
    connection: &mut PgConnection,
    payment: &Payment,
) -> Result<Option<(ExposureKey, Exposure)>, StoreError> {
    let after = sqlx::query!(
        "UPDATE exposures SET owed_micros = owed_micros - $3
         WHERE partner_id = $1 AND currency = $2
         RETURNING partner_id, currency, owed_micros, told_percent",
        payment.partner.0,
        payment.currency.code(),
        payment.amount.0
    );
    let after = after.fetch_optional(connection).await?;
    after
        .map(|row| exposure((row.partner_id, &row.currency), (row.owed_micros, row.told_percent)))
        .transpose()
}
