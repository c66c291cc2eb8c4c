//! Transfer: a member gives points to another member of the same partner. It has two legs, each an
//! operation in its own member's cell: the giver's points go into transit, lot by lot, and arrive in
//! as many lots of the receiver, which keep issuer, funding, terms and expiry. No money moves, but
//! for what the arriving points repay.

use entente_ledger::{Account, AmountKind, Lot, MemberId, Micros, Origin, Points};

use crate::{
    Decision, Member, Refusal, Terms, bound, burn,
    draft::Draft,
    earn,
    parcel::{self, Parcel},
    repay,
    time::{month, next_month},
};

/// The giver's leg: free points, in burn order, go into transit.
pub(crate) fn give(draft: &mut Draft<'_>, to: MemberId, points: Points) -> Result<(), Refusal> {
    let partner = earn::active(draft)?;
    let terms = partner.terms_at(draft.now()).ok_or(Refusal::NoTermsInForce)?;
    let gifts = terms.agreement.gifts.ok_or(Refusal::TransferNotAgreed)?;
    if draft.wallet_account() == Account::Wallet(to) {
        return Err(Refusal::TransferToSelf);
    }
    bound::asked(points, Micros::ZERO)?;
    let most = gifts.max_points_per_operation;
    let too_large = (points > most).then_some(Refusal::TransferTooLarge { most });
    let legs = burn::legs(draft, points);
    if let Some(refusal) = legs.as_ref().err().copied().into_iter().chain(too_large).min() {
        return Err(refusal);
    }
    count_in_month(draft, terms, gifts.max_points_per_member_month, points)?;
    for leg in legs? {
        draft.take_free(leg.lot, leg.points)?;
        draft.book_points(
            AmountKind::Gift,
            (draft.wallet_account(), Account::InTransit),
            leg.points,
            (leg.lot, leg.issuer),
            (terms.partner, terms.partner),
            (terms.agreement.currency, Micros::ZERO),
        )?;
        draft.touched(leg.issuer, leg.points, leg.expires_at);
    }
    draft.operation.terms_version = Some(terms.version);
    draft.operation.points = points;
    bound::within(draft)
}

/// What the giver's leg sent off, for lots that remember the giver's.
pub(crate) fn parcels(giver: &Member, given: &Decision) -> Result<Vec<Parcel>, Refusal> {
    let parcel = |(lot, points): (Lot, Points)| {
        let origin = Origin::Received { from: giver.cell, lot: lot.id };
        let source = lot.id;
        Parcel { source, into: None, lot: Lot { origin, expired: Points::ZERO, ..lot }, points }
    };
    Ok(parcel::sent(giver, given)?.into_iter().map(parcel).collect())
}

/// The receiver's leg: what is in transit arrives, and repays debts first. Its points are in the
/// giver's memo already; here they are the hub's.
pub(crate) fn receive(draft: &mut Draft<'_>, parcels: Vec<Parcel>) -> Result<(), Refusal> {
    parcel::receive(draft, AmountKind::Gift, parcels)?;
    repay::repay(draft)?;
    bound::within(draft)
}

/// Adds to what the giver has given at the partner this month, which has a limit.
fn count_in_month(
    draft: &mut Draft<'_>,
    terms: &Terms,
    most: Points,
    points: Points,
) -> Result<(), Refusal> {
    let key = (terms.partner, month(draft.now()));
    let given = draft.given_in_month(key);
    let rest = most.minus(given)?.max(Points::ZERO);
    if points > rest {
        return Err(Refusal::TransferLimitReached { rest, resets_at: next_month(draft.now()) });
    }
    draft.set_given_in_month(key, given.plus(points)?);
    Ok(())
}
