//! Reverse of an earn: a refunded purchase gives back what the rest of it would not have earned.

use entente_ledger::{
    Account, AmountKind, Currency, Debt, DebtId, Funding, Lot, LotId, Micros, Origin, PartnerId,
    Points, Purchase,
};

use jiff::Timestamp;

use crate::{
    Catalogue, Refusal, ReversePart, Terms,
    draft::Draft,
    earn::{count_in_year, issue_price, points_for, priced},
    repay,
};

/// A part of a purchase that is refunded, and what it takes back.
pub(crate) struct Refund<'r> {
    /// The lot that the purchase opened.
    pub(crate) lot: Lot,
    /// That priced it.
    pub(crate) terms: &'r Terms,
    /// Points that the rest of the purchase does not earn.
    pub(crate) points: Points,
    purchase: Purchase,
    spend: Micros,
}

impl Refund<'_> {
    /// When the purchase was.
    pub(crate) const fn activity_at(&self) -> Timestamp {
        self.purchase.activity_at
    }

    /// What a member owes who no longer has so many of the points; it has yet to be named.
    pub(crate) fn debt(&self, points: Points) -> Debt {
        Debt {
            id: DebtId { made_by: self.lot.id.opened_by, ordinal: 0 },
            lot: self.lot.id,
            issuer: self.lot.issuer,
            creditor: match self.lot.funding {
                Funding::AtIssue => PartnerId::HUB,
                Funding::AtRedemption => self.lot.issuer,
            },
            terms_version: self.terms.version,
            currency: self.terms.agreement.currency,
            price: self.terms.agreement.reimbursement,
            points,
        }
    }
}

/// Refunds a part of the purchase that opened a lot, and claws back what it no longer earns.
pub(crate) fn reverse_earn(
    draft: &mut Draft<'_>,
    lot: LotId,
    part: ReversePart,
) -> Result<(), Refusal> {
    let refund = refund(draft.catalogue, draft.lot(lot)?, draft.operation.partner, part)?;
    record(draft, &refund)?;
    claw(draft, &refund)?;
    repay::repay(draft)
}

/// What refunding a part of the purchase of a lot takes back.
pub(crate) fn refund<'r>(
    catalogue: &'r Catalogue,
    lot: &Lot,
    caller: PartnerId,
    part: ReversePart,
) -> Result<Refund<'r>, Refusal> {
    let purchase = lot.purchase().filter(|_| lot.issuer == caller).ok_or(Refusal::NotReversible)?;
    let spend = refunded(purchase, lot.currency, part)?;
    let partner = catalogue.partner(lot.issuer).ok_or(Refusal::NoTermsInForce)?;
    let terms = partner.terms_version(lot.terms_version).ok_or(Refusal::NoTermsInForce)?;
    let points = no_longer_earned(purchase, terms, spend)?;
    Ok(Refund { lot: lot.clone(), terms, points, purchase: purchase.clone(), spend })
}

/// Remembers with the purchase what of it is refunded.
pub(crate) fn record(draft: &mut Draft<'_>, refund: &Refund<'_>) -> Result<(), Refusal> {
    let Refund { lot, terms, points, purchase, spend } = refund;
    draft.lot_mut(lot.id)?.origin = Origin::Earned(Purchase {
        spend_reversed: purchase.spend_reversed.plus(*spend)?,
        points_clawed: purchase.points_clawed.plus(*points)?,
        ..purchase.clone()
    });
    count_in_year(draft, lot.issuer, purchase.activity_at, points.negated()?)?;
    draft.operation.terms_version = Some(terms.version);
    draft.operation.points = *points;
    draft.operation.spend = Some((*spend, lot.currency));
    Ok(())
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
fn claw(draft: &mut Draft<'_>, refund: &Refund<'_>) -> Result<(), Refusal> {
    let Refund { lot, terms, points, .. } = refund;
    let mut rest = points.minus(take(draft, terms, lot.id, *points)?)?;
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
    if rest.is_positive() {
        draft.knows_all_lots()?;
    }
    owe(draft, refund, rest)?;
    give_issue_money_back(draft, refund)
}

/// What the issuer paid the pool for the points comes back in full and at once; where it had bought
/// them ahead, the points do, into their blocks.
pub(crate) fn give_issue_money_back(
    draft: &mut Draft<'_>,
    refund: &Refund<'_>,
) -> Result<(), Refusal> {
    let lot = &refund.lot;
    if refund.terms.agreement.prepaid {
        draft.give_back((lot.issuer, lot.currency), lot.id, refund.points);
    }
    let accounts = (Account::Pool, Account::Clearing(lot.issuer));
    let money = refund.points.at(issue_price(&refund.terms.agreement))?;
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
fn owe(draft: &mut Draft<'_>, refund: &Refund<'_>, points: Points) -> Result<(), Refusal> {
    if points.is_zero() {
        return Ok(());
    }
    cancel(draft, refund.terms, refund.lot.id, points)?;
    draft.operation.debt_created = points;
    draft.keep_debt(Debt { id: draft.debt_id(0), ..refund.debt(points) })
}

/// Books points of a lot as issued no longer.
pub(crate) fn cancel(
    draft: &mut Draft<'_>,
    terms: &Terms,
    lot: LotId,
    points: Points,
) -> Result<(), Refusal> {
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
