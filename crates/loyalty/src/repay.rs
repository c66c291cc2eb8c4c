//! Repay: whatever becomes available, in any way, repays debts first, the oldest first. Points of a
//! lot whose time has come never do.

use entente_ledger::{Account, AmountKind, Debt, LotId, Micros, PartnerId, Points};

use crate::{Refusal, draft::Draft, redemption::funder};

/// Repays debts with what is available, in burn order.
pub(crate) fn repay(draft: &mut Draft<'_>) -> Result<(), Refusal> {
    let wallet = draft.wallet();
    if wallet.debt.is_zero() || wallet.available.is_zero() {
        return Ok(());
    }
    let mut lots = draft.burn_order()?.into_iter();
    let mut next = lots.next();
    for mut debt in draft.debts() {
        while let Some((lot, free)) = next
            && debt.points.is_positive()
        {
            let points = debt.points.min(free);
            debt.points = debt.points.minus(points)?;
            book(draft, &debt, lot, points)?;
            let left = free.minus(points)?;
            next = if left.is_zero() { lots.next() } else { Some((lot, left)) };
        }
        draft.keep_debt(debt)?;
    }
    let wallet = draft.wallet();
    if wallet.debt.is_positive() && wallet.available.is_positive() {
        draft.knows_all_lots()?;
    }
    Ok(())
}

/// Books points of a lot as redeemed at the clawed issuer, and as many clawed points as reinstated.
fn book(draft: &mut Draft<'_>, debt: &Debt, lot: LotId, points: Points) -> Result<(), Refusal> {
    let from = draft.lot(lot)?;
    let (issuer, payer) = (from.issuer, funder(from.funding, from.issuer));
    let wallet = draft.wallet_account();
    draft.take_free(lot, points)?;
    draft.book_points(
        AmountKind::DebtRepaid,
        (wallet, Account::Redeemed(debt.issuer)),
        points,
        (lot, issuer),
        (payer.party(), debt.creditor),
        (debt.currency, debt.price),
    )?;
    let creditor = match debt.creditor {
        PartnerId::HUB => Account::Pool,
        partner => Account::Clearing(partner),
    };
    let money = points.at(debt.price)?;
    draft.book_money(AmountKind::DebtRepaid, (payer, creditor), money, debt.currency)?;
    draft.book_points(
        AmountKind::IssueReinstated,
        (Account::Issued(debt.issuer), wallet),
        points,
        (debt.lot, debt.issuer),
        (debt.issuer, PartnerId::HUB),
        (debt.currency, Micros::ZERO),
    )?;
    let repaid = &mut draft.operation.debt_repaid;
    *repaid = repaid.plus(points)?;
    Ok(())
}
