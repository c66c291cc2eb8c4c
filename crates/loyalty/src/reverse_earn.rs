//! Reverse of an earn: a refunded purchase gives back what the rest of it would not have earned.

use entente_ledger::{
    Account, AmountKind, Currency, Debt, Funding, Lot, LotId, Micros, Origin, PartnerId, Points,
    Purchase,
};

use crate::{
    Refusal, ReversePart, Terms,
    draft::Draft,
    earn::{count_in_year, issue_price, points_for, priced},
    repay,
};

/// Refunds a part of the purchase that opened a lot, and claws back what it no longer earns.
pub(crate) fn reverse_earn(
    draft: &mut Draft<'_>,
    lot: LotId,
    part: ReversePart,
) -> Result<(), Refusal> {
    let lot = draft.lot(lot)?.clone();
    let Some(purchase) = lot.purchase().filter(|_| lot.issuer == draft.operation.partner) else {
        return Err(Refusal::NotReversible);
    };
    let spend = refunded(purchase, lot.currency, part)?;
    let terms = draft.terms(lot.issuer, lot.terms_version)?;
    let points = no_longer_earned(purchase, terms, spend)?;
    draft.lot_mut(lot.id)?.origin = Origin::Earned(Purchase {
        spend_reversed: purchase.spend_reversed.plus(spend)?,
        points_clawed: purchase.points_clawed.plus(points)?,
        ..purchase.clone()
    });
    count_in_year(draft, lot.issuer, purchase.activity_at, points.negated()?)?;
    draft.operation.terms_version = Some(terms.version);
    draft.operation.points = points;
    draft.operation.spend = Some((spend, lot.currency));
    claw(draft, &lot, terms, points)?;
    repay::repay(draft)
}

/// How much of the spend is refunded now.
fn refunded(purchase: &Purchase, paid_in: Currency, part: ReversePart) -> Result<Micros, Refusal> {
    let rest = purchase.spend.minus(purchase.spend_reversed)?;
    let exceeds = Refusal::ReversalExceedsRest { rest: rest.0 };
    match part {
        ReversePart::Rest if rest.is_positive() => Ok(rest),
        ReversePart::Rest => Err(exceeds),
        ReversePart::Points(_) => Err(Refusal::ReversalUnitWrong),
        ReversePart::Spend(_, currency) if currency != paid_in => {
            Err(Refusal::CurrencyNotOfTerms { currency: paid_in })
        }
        ReversePart::Spend(spend, _) if !spend.is_positive() => Err(Refusal::AmountTooLarge),
        ReversePart::Spend(spend, _) if spend > rest => Err(exceeds),
        ReversePart::Spend(spend, _) => Ok(spend),
    }
}

/// What the remaining spend would earn now and what is left of the earn: the lesser stays.
fn no_longer_earned(purchase: &Purchase, terms: &Terms, spend: Micros) -> Result<Points, Refusal> {
    let left = purchase.points_earned.minus(purchase.points_clawed)?;
    let remaining = purchase.spend.minus(purchase.spend_reversed)?.minus(spend)?;
    let would_earn = if remaining.is_positive() {
        let priced = priced(&terms.agreement, &purchase.category)?;
        points_for(&terms.agreement, priced, remaining)?
    } else {
        Points::ZERO
    };
    Ok(left.minus(would_earn.min(left))?)
}

/// Takes points back: from the earn's own lot, expired ones counted; then from the issuer's other
/// lots of the same funding; the rest becomes debt. Money comes back in full.
fn claw(draft: &mut Draft<'_>, lot: &Lot, terms: &Terms, points: Points) -> Result<(), Refusal> {
    let mut rest = points.minus(take(draft, terms, lot.id, points)?)?;
    let counted = lot.expired.min(rest);
    rest = rest.minus(counted)?;
    let own = draft.lot_mut(lot.id)?;
    own.expired = own.expired.minus(counted)?;
    for (id, _) in draft.burn_order()? {
        if rest.is_zero() {
            break;
        }
        let other = draft.lot(id)?;
        if other.issuer == lot.issuer && other.funding == lot.funding {
            rest = rest.minus(take(draft, terms, id, rest)?)?;
        }
    }
    owe(draft, lot, terms, rest)?;
    let accounts = (Account::Pool, Account::Clearing(lot.issuer));
    let money = points.at(issue_price(&terms.agreement))?;
    draft.book_money(AmountKind::IssueCancelled, accounts, money, lot.currency)
}

/// Takes up to `most` free points out of a lot; answers how many.
fn take(draft: &mut Draft<'_>, terms: &Terms, lot: LotId, most: Points) -> Result<Points, Refusal> {
    let from = draft.lot(lot)?;
    let (issuer, expires_at) = (from.issuer, from.expires_at);
    let points = from.free()?.min(most);
    if points.is_positive() {
        draft.take_free(lot, points)?;
        draft.touched(issuer, points, expires_at);
        cancel(draft, terms, lot, points)?;
    }
    Ok(points)
}

/// Books what the member no longer has against the clawed lot, and remembers who is owed it.
fn owe(draft: &mut Draft<'_>, lot: &Lot, terms: &Terms, points: Points) -> Result<(), Refusal> {
    if points.is_zero() {
        return Ok(());
    }
    cancel(draft, terms, lot.id, points)?;
    draft.operation.debt_created = points;
    draft.keep_debt(Debt {
        id: draft.debt_id(),
        lot: lot.id,
        issuer: lot.issuer,
        creditor: match lot.funding {
            Funding::AtIssue => PartnerId::HUB,
            Funding::AtRedemption => lot.issuer,
        },
        terms_version: terms.version,
        currency: terms.agreement.currency,
        price: terms.agreement.reimbursement,
        points,
    })
}

fn cancel(draft: &mut Draft<'_>, terms: &Terms, lot: LotId, points: Points) -> Result<(), Refusal> {
    let issuer = terms.partner;
    draft.book_points(
        AmountKind::IssueCancelled,
        (draft.wallet_account(), Account::Issued(issuer)),
        points,
        (lot, issuer),
        (PartnerId::HUB, issuer),
        (terms.agreement.currency, issue_price(&terms.agreement)),
    )
}
