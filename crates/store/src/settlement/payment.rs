//! Payments of obligations. A payment is an adjustment that moves money from who is paid to the payer's
//! clearing account; it belongs to no position, because it settles a window that is closed.

use std::collections::{BTreeMap, BTreeSet};

use entente_ledger::{
    Account, AmountKind, Currency, InvalidTransfer, Micros, PartnerId, RequestId, Transfer,
    WindowId,
};
use entente_loyalty::{Exposure, ExposureKey};
use entente_settlement::Owed;
use sqlx::PgConnection;

use super::{
    adjust::{self, Adjustment},
    agreement::{self, WindowState},
    obligations::{self, Obligation},
};
use crate::{Place, StoreError, batch::exposure, control::Control};

/// What a partner paid, of whatever it owes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payment {
    /// The operator's id of it.
    pub request_id: RequestId,
    /// Who paid.
    pub partner: PartnerId,
    /// How much, more than 0,
    pub amount: Micros,
    /// of what.
    pub currency: Currency,
    /// Who says so.
    pub actor: String,
}

/// What is paid of one obligation: more than 0, and at most what is left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// The obligation.
    pub obligation: Obligation,
    /// How much of it.
    pub amount: Micros,
}

/// A payment as it was posted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paid {
    /// What the payer still owes in that currency, from closed windows.
    pub remaining: Micros,
    /// The operation, for the request's outcome.
    pub place: Place,
    /// What payers owe after it, where their exposures are kept.
    pub exposures: Vec<(ExposureKey, Exposure)>,
}

/// More than is still owed; nothing was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExceedsObligation {
    /// What is owed.
    pub owed: Micros,
}

/// Posts a payment of a partner: its oldest obligations are paid first. The request's outcome and the
/// commit are the caller's.
///
/// # Errors
/// A payment that is not more than 0 is inconsistent: the door refuses it.
pub async fn record_payment(
    control: &mut Control,
    payment: &Payment,
) -> Result<Result<Paid, ExceedsObligation>, StoreError> {
    let of = (payment.partner, payment.currency);
    let unpaid = obligations::unpaid_of(control.connection(), of).await?;
    let owed = left(&unpaid)?;
    if payment.amount > owed {
        return Ok(Err(ExceedsObligation { owed }));
    }
    let (mut parts, mut rest) = (Vec::new(), payment.amount);
    for obligation in unpaid {
        let amount = obligation.left().min(rest);
        if amount.is_positive() {
            rest = Micros(rest.0.saturating_sub(amount.0));
            parts.push(Part { obligation, amount });
        }
    }
    pay(control, (payment.request_id, &payment.actor), &parts).await.map(Ok)
}

/// Posts what is paid of obligations of one payer and currency, as one operation. The request's outcome
/// and the commit are the caller's. All heads are held, and nobody pays without them.
pub async fn pay(
    control: &mut Control,
    (request_id, actor): (RequestId, &str),
    parts: &[Part],
) -> Result<Paid, StoreError> {
    let transfers = parts.iter().map(transfer).collect::<Result<Vec<_>, _>>();
    let transfers =
        transfers.map_err(|error| StoreError::inconsistent("transfers", "amount", error))?;
    let payers: BTreeSet<_> = parts.iter().map(|part| payer(&part.obligation.owed)).collect();
    let mut counted = BTreeMap::new();
    for payer in &payers {
        counted.insert(*payer, obligations::counted(control.connection(), *payer).await?);
    }
    write(control.connection(), parts).await?;
    let (mut exposures, mut remaining) = (Vec::new(), Micros::ZERO);
    for (payer, before) in counted {
        let after = obligations::counted(control.connection(), payer).await?;
        let change = after.minus(before).map_err(|_| beyond_range())?;
        exposures.extend(change_exposure(control.connection(), payer, change).await?);
        remaining = left(&obligations::unpaid_of(control.connection(), payer).await?)?;
    }
    let window = control.window().id;
    let adjustment = Adjustment { request_id, window, transfers: &transfers };
    let place = adjust::post(control, adjustment).await?;
    let windows: BTreeSet<_> = parts.iter().map(|part| part.obligation.window).collect();
    for window in windows {
        settle(control, window, actor).await?;
    }
    Ok(Paid { remaining, place, exposures })
}

/// Notes how far a window has come by a payment, or by a close of which nothing is to be paid.
pub(super) async fn settle(
    control: &mut Control,
    window: WindowId,
    actor: &str,
) -> Result<(), StoreError> {
    let now = control.now();
    let connection = control.connection();
    agreement::lock_window(&mut *connection, window).await?;
    agreement::reach(&mut *connection, window, WindowState::Settling, (now, actor)).await?;
    let unpaid = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM obligations WHERE window_id = $1 AND NOT paid) AS "unpaid!""#,
        window.0
    );
    if !unpaid.fetch_one(&mut *connection).await? {
        agreement::reach(connection, window, WindowState::Settled, (now, actor)).await?;
    }
    Ok(())
}

const fn payer(owed: &Owed) -> (PartnerId, Currency) {
    (owed.payer, owed.currency)
}

fn left(obligations: &[Obligation]) -> Result<Micros, StoreError> {
    let sum = obligations.iter().try_fold(Micros::ZERO, |sum, one| sum.plus(one.left()));
    sum.map_err(|_| beyond_range())
}

fn transfer(part: &Part) -> Result<Transfer, InvalidTransfer> {
    let owed = &part.obligation.owed;
    let accounts = (account(owed.payee), account(owed.payer));
    Transfer::money(AmountKind::Payment, accounts, part.amount, owed.currency)
}

/// What the hub pays and is paid goes through its settlement account.
fn account(party: PartnerId) -> Account {
    if party == PartnerId::HUB { Account::Settlement } else { Account::Clearing(party) }
}

async fn write(connection: &mut PgConnection, parts: &[Part]) -> Result<(), StoreError> {
    let updated = sqlx::query!(
        "UPDATE obligations SET paid_micros = paid_micros + n.paid,
                                paid = (paid_micros + n.paid = micros)
         FROM UNNEST($1::text[], $2::bigint[]) AS n (end_to_end_id, paid)
         WHERE obligations.end_to_end_id = n.end_to_end_id",
        &parts.iter().map(|part| part.obligation.end_to_end_id.clone()).collect::<Vec<_>>(),
        &parts.iter().map(|part| part.amount.0).collect::<Vec<_>>()
    );
    updated.execute(connection).await?;
    Ok(())
}

async fn change_exposure(
    connection: &mut PgConnection,
    (payer, currency): (PartnerId, Currency),
    change: Micros,
) -> Result<Option<(ExposureKey, Exposure)>, StoreError> {
    let after = sqlx::query!(
        "UPDATE exposures SET owed_micros = owed_micros + $3
         WHERE partner_id = $1 AND currency = $2
         RETURNING partner_id, currency, owed_micros, told_percent",
        payer.0,
        currency.code(),
        change.0
    );
    let after = after.fetch_optional(connection).await?;
    after
        .map(|row| exposure((row.partner_id, &row.currency), (row.owed_micros, row.told_percent)))
        .transpose()
}

fn beyond_range() -> StoreError {
    StoreError::inconsistent("obligations", "paid_micros", "beyond the range")
}
