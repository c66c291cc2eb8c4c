//! Adjustments: what two operators move between parties in the open window to correct a closed one.
//! Each is an operation of the hub, and a row that names what it corrects.

use entente_ledger::{
    Account, AmountKind, Currency, InvalidTransfer, Micros, PartnerId, RequestId, Transfer,
    WindowId,
};
use entente_loyalty::{Exposure, ExposureKey};
use jiff_sqlx::ToSqlx;
use sqlx::PgConnection;

use super::adjust::{self, Adjustment};
use crate::{Place, StoreError, batch::exposure, control::Control};

/// What is to be moved, and what it corrects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Correction {
    /// The operators' id of it.
    pub request_id: RequestId,
    /// The closed window that it corrects.
    pub corrects_window: WindowId,
    /// The operation that it corrects, if a single one.
    pub corrects: Option<RequestId>,
    /// Who owes it: a partner or the hub.
    pub payer: PartnerId,
    /// Who is owed it; not the payer.
    pub payee: PartnerId,
    /// In which currency,
    pub currency: Currency,
    /// how much: more than 0.
    pub micros: Micros,
    /// Why.
    pub reason: String,
}

/// An adjustment as it was posted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Corrected {
    /// The operation, for the request's outcome.
    pub place: Place,
    /// The kept exposures that it moved, as they are now.
    pub exposures: Vec<(ExposureKey, Exposure)>,
}

/// Posts an adjustment into the open window. The request's outcome and the commit are the caller's.
///
/// # Errors
/// One that moves nothing, or between one party, is inconsistent: the door refuses it.
pub async fn correct(
    control: &mut Control,
    correction: &Correction,
) -> Result<Corrected, StoreError> {
    let transfer = transfer(correction)
        .map_err(|error| StoreError::inconsistent("transfers", "amount", error))?;
    let (window, transfers) = (control.window().id, &[transfer]);
    let request_id = correction.request_id;
    let place = adjust::post(control, Adjustment { request_id, window, transfers }).await?;
    adjust::add_to_positions(control.connection(), window, transfers).await?;
    write(control, correction, window).await?;
    let exposures = move_exposures(control.connection(), correction).await?;
    Ok(Corrected { place, exposures })
}

fn transfer(correction: &Correction) -> Result<Transfer, InvalidTransfer> {
    let accounts = (account(correction.payer), account(correction.payee));
    Transfer::money(AmountKind::Adjustment, accounts, correction.micros, correction.currency)
}

fn account(party: PartnerId) -> Account {
    if party == PartnerId::HUB { Account::Pool } else { Account::Clearing(party) }
}

async fn write(
    control: &mut Control,
    correction: &Correction,
    window: WindowId,
) -> Result<(), StoreError> {
    let now = control.now();
    sqlx::query!(
        "INSERT INTO adjustments (request_id, window_id, corrects_window, corrects, payer, payee,
             currency, micros, reason, at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        correction.request_id.0,
        window.0,
        correction.corrects_window.0,
        correction.corrects.map(|id| id.0),
        correction.payer.0,
        correction.payee.0,
        correction.currency.code(),
        correction.micros.0,
        correction.reason,
        now.to_sqlx() as _
    )
    .execute(control.connection())
    .await?;
    Ok(())
}

/// It is part of the open window's net at once.
async fn move_exposures(
    connection: &mut PgConnection,
    correction: &Correction,
) -> Result<Vec<(ExposureKey, Exposure)>, StoreError> {
    let rows = sqlx::query!(
        "UPDATE exposures
         SET owed_micros = owed_micros + CASE partner_id WHEN $1 THEN $4::bigint ELSE -$4::bigint END
         WHERE partner_id IN ($1, $2) AND currency = $3
         RETURNING partner_id, currency, owed_micros, told_percent",
        correction.payer.0,
        correction.payee.0,
        correction.currency.code(),
        correction.micros.0
    );
    let rows = rows.fetch_all(connection).await?.into_iter();
    rows.map(|row| exposure((row.partner_id, &row.currency), (row.owed_micros, row.told_percent)))
        .collect()
}
