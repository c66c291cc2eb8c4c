//! The money of burned points: the redeemer is paid its reimbursement and the hub its fee, by the
//! lot's issuer or by the pool, and a refund gives both back.

use entente_ledger::{
    Account, AmountKind, Funding, HoldLeg, Micros, Overflow, PartnerId, Points, ceil_div,
};

use crate::{Agreement, Refusal, Terms, draft::Draft};

/// Who pays when points of a lot are burned: its issuer, or the pool that the issuer paid.
pub(crate) const fn funder(funding: Funding, issuer: PartnerId) -> Account {
    match funding {
        Funding::AtIssue => Account::Pool,
        Funding::AtRedemption => Account::Clearing(issuer),
    }
}

/// The hub's fee on points of one lot, rounded up to a micro.
pub(crate) fn fee(points: Points, agreement: &Agreement) -> Result<Micros, Overflow> {
    let basis = i128::from(points.0)
        .checked_mul(i128::from(agreement.reimbursement.0))
        .and_then(|money| money.checked_mul(i128::from(agreement.hub_fee_basis_points)))
        .ok_or(Overflow)?;
    ceil_div(basis, 10_000).map(Micros)
}

/// Books the first capture of a leg's points, into an account of points, at the redeemer whose terms
/// these are.
pub(crate) fn redeem(
    draft: &mut Draft<'_>,
    terms: &Terms,
    leg: &HoldLeg,
    points: Points,
    into: Account,
) -> Result<(), Refusal> {
    let redeemer = terms.partner;
    let (currency, price) = (terms.agreement.currency, terms.agreement.reimbursement);
    let payer = funder(leg.funding, leg.issuer);
    draft.book_points(
        AmountKind::Redemption,
        (draft.wallet_account(), into),
        points,
        (leg.lot, leg.issuer),
        (payer.party(), redeemer),
        (currency, price),
    )?;
    let accounts = (payer, Account::Clearing(redeemer));
    draft.book_money(AmountKind::Redemption, accounts, points.at(price)?, currency)?;
    let fee = fee(points, &terms.agreement)?;
    draft.book_money(AmountKind::Fee, (payer, Account::Fee), fee, currency)
}

/// Books points of a leg given back; `leg` is as it was before. What is left of the leg's fee is
/// that of the points still captured.
pub(crate) fn refund(
    draft: &mut Draft<'_>,
    terms: &Terms,
    leg: &HoldLeg,
    points: Points,
) -> Result<(), Refusal> {
    let redeemer = terms.partner;
    let (currency, price) = (terms.agreement.currency, terms.agreement.reimbursement);
    let payee = funder(leg.funding, leg.issuer);
    draft.book_points(
        AmountKind::RedemptionRefunded,
        (Account::Redeemed(redeemer), draft.wallet_account()),
        points,
        (leg.lot, leg.issuer),
        (redeemer, payee.party()),
        (currency, price),
    )?;
    let accounts = (Account::Clearing(redeemer), payee);
    draft.book_money(AmountKind::RedemptionRefunded, accounts, points.at(price)?, currency)?;
    let captured = leg.captured.minus(leg.refunded)?;
    let left = fee(captured.minus(points)?, &terms.agreement)?;
    let given_back = fee(captured, &terms.agreement)?.minus(left)?;
    draft.book_money(AmountKind::FeeRefunded, (Account::Fee, payee), given_back, currency)
}
