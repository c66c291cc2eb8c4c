//! Transfer: a member gives points to another member of the same partner. It has two legs, each an
//! operation in its own member's cell: the giver's points go into transit, lot by lot, and arrive in
//! as many lots of the receiver, which keep issuer, funding, terms and expiry. No money moves, but
//! for what the arriving points repay.

use entente_ledger::{
    Account, AmountKind, Cell, Lot, LotId, MemberId, Micros, Origin, PartnerId, Points, Unit,
};

use crate::{
    Decision, Member, Refusal, Terms, bound, burn,
    draft::Draft,
    earn, repay,
    time::{month, next_month},
};

/// Points of one lot on their way.
pub(crate) struct Parcel {
    /// The giver's lot.
    lot: Lot,
    /// What was given of it.
    points: Points,
}

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

/// What the giver's leg sent off. The giver's lots are still loaded, though some may be empty now.
pub(crate) fn parcels(giver: &Member, given: &Decision) -> Result<Vec<Parcel>, Refusal> {
    let parcel = |(id, points): (LotId, i64)| {
        let lot = giver.lots.get(&id).ok_or(Refusal::AmountTooLarge)?.clone();
        Ok(Parcel { lot, points: Points(points) })
    };
    let sent = given.transfers.iter().filter_map(|transfer| match transfer.unit() {
        Unit::Points { lot, .. } => Some((lot, transfer.amount())),
        Unit::Money => None,
    });
    sent.map(parcel).collect()
}

/// The receiver's leg: what is in transit arrives, and repays debts first. Its points are in the
/// giver's memo already; here they are the hub's.
pub(crate) fn receive(
    draft: &mut Draft<'_>,
    from: Cell,
    parcels: Vec<Parcel>,
) -> Result<(), Refusal> {
    for (ordinal, Parcel { lot, points }) in (0_i16..).zip(parcels) {
        let id = LotId { opened_by: draft.operation.seq, ordinal };
        let (issuer, currency, expires_at) = (lot.issuer, lot.currency, lot.expires_at);
        draft.open_lot(Lot {
            id,
            remaining: Points::ZERO,
            held: Points::ZERO,
            expired: Points::ZERO,
            origin: Origin::Received { from, lot: lot.id },
            ..lot
        });
        draft.add_free(id, points)?;
        draft.book_points(
            AmountKind::Gift,
            (Account::InTransit, draft.wallet_account()),
            points,
            (id, issuer),
            (PartnerId::HUB, PartnerId::HUB),
            (currency, Micros::ZERO),
        )?;
        draft.touched(issuer, points, expires_at);
    }
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
