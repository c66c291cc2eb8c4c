//! Burn and authorize: which lots give the points, and what they cost.

use entente_ledger::{
    Account, Currency, Hold, HoldLeg, HoldState, LotId, Micros, Origin, Points, ceil_div,
};
use jiff::Timestamp;

use crate::{
    Agreement, BurnAmount, Member, Refusal, Terms, bound, draft::Draft, earn, exposure, redemption,
    time,
};

/// Spends points at once. A hold that is captured already remembers from which lots.
pub(crate) fn burn(draft: &mut Draft<'_>, amount: BurnAmount) -> Result<(), Refusal> {
    let (terms, mut legs) = select(draft, amount)?;
    for leg in &mut legs {
        draft.take_free(leg.lot, leg.points)?;
        redemption::redeem(draft, terms, leg, leg.points, Account::Redeemed(terms.partner))?;
        leg.captured = leg.points;
    }
    let hold = hold(draft, terms, legs, HoldState::Captured);
    draft.keep_hold(hold);
    Ok(())
}

/// Sets points aside and reserves what their capture would make partners owe.
pub(crate) fn authorize(draft: &mut Draft<'_>, amount: BurnAmount) -> Result<(), Refusal> {
    let (terms, legs) = select(draft, amount)?;
    for leg in &legs {
        draft.set_aside(leg.lot, leg.points)?;
    }
    let hold = hold(draft, terms, legs, HoldState::Open);
    exposure::reserve(&mut draft.owed, &hold, terms)?;
    draft.operation.hold_expires_at = Some(hold.expires_at);
    draft.keep_hold(hold);
    Ok(())
}

/// What points are worth at the till; `None` where the terms give them no value.
pub(crate) fn value(
    agreement: &Agreement,
    points: Points,
) -> Result<Option<(Micros, Currency)>, Refusal> {
    if !agreement.point_value.is_positive() {
        return Ok(None);
    }
    Ok(Some((points.at(agreement.point_value)?, agreement.currency)))
}

/// The terms in force and the lots that give the points, in burn order.
fn select<'d>(
    draft: &mut Draft<'d>,
    amount: BurnAmount,
) -> Result<(&'d Terms, Vec<HoldLeg>), Refusal> {
    let partner = earn::active(draft)?;
    let terms = partner.terms_at(draft.now()).ok_or(Refusal::NoTermsInForce)?;
    let (points, worth) = priced(&terms.agreement, amount)?;
    // What is captured later must be sure to fit the ledger's range too.
    bound::asked(points, terms.agreement.reimbursement)?;
    let legs = legs(draft, points)?;
    draft.operation.terms_version = Some(terms.version);
    draft.operation.points = points;
    draft.operation.value = worth;
    for leg in &legs {
        draft.touched(leg.issuer, leg.points, leg.expires_at);
    }
    Ok((terms, legs))
}

/// How many points an amount is; none where it is refused whatever the member has.
pub(crate) fn asked(agreement: &Agreement, amount: BurnAmount) -> Points {
    priced(agreement, amount).map_or(Points::ZERO, |(points, _)| points)
}

/// How many points an amount is, rounded up, and what it is worth at the till.
fn priced(
    agreement: &Agreement,
    amount: BurnAmount,
) -> Result<(Points, Option<(Micros, Currency)>), Refusal> {
    match amount {
        BurnAmount::Points(points) => Ok((points, value(agreement, points)?)),
        BurnAmount::Value(_, currency) if currency != agreement.currency => {
            Err(Refusal::CurrencyNotOfTerms { currency: agreement.currency })
        }
        BurnAmount::Value(value, currency) if value.is_positive() && value <= bound::MAX_MONEY => {
            if !agreement.point_value.is_positive() {
                return Err(Refusal::NothingToBurn);
            }
            let points = ceil_div(i128::from(value.0), i128::from(agreement.point_value.0))?;
            Ok((Points(points), Some((value, currency))))
        }
        BurnAmount::Value(..) => Err(Refusal::AmountTooLarge),
    }
}

/// A member's lots that can be burned, by earliest expiry, then oldest, with their free points: as far
/// as they are loaded without a gap.
pub(crate) fn order(member: &Member, now: Timestamp) -> Result<Vec<(LotId, Points)>, Refusal> {
    let mut order = Vec::new();
    let until = member.lots_until;
    for lot in member.lots.values().filter(|lot| !lot.is_due(now)) {
        if until.is_some_and(|until| (lot.expires_at, lot.id) > until) {
            continue;
        }
        let free = lot.free()?;
        if free.is_positive() {
            order.push((lot.expires_at, lot.id, free));
        }
    }
    order.sort_unstable_by_key(|(expires_at, id, _)| (*expires_at, *id));
    Ok(order.into_iter().map(|(_, id, free)| (id, free)).collect())
}

/// The free points that leave the member next, by lot: also those that are exchanged, given or
/// donated. Where burning is held back, they are the partner's own alone, and none that a merge
/// brought. Points that more lots hold
/// than one command may touch are too many, also where even those do not suffice.
pub(crate) fn legs(draft: &Draft<'_>, points: Points) -> Result<Vec<HoldLeg>, Refusal> {
    let held_back = draft.held_back();
    let (mut legs, mut others) = (Vec::new(), Points::ZERO);
    let mut rest = points;
    for (id, free) in draft.burn_order()? {
        if rest.is_zero() {
            break;
        }
        if legs.len() >= bound::MAX_LOTS {
            return Err(Refusal::AmountTooLarge);
        }
        let lot = draft.lot(id)?;
        let brought = matches!(lot.origin, Origin::Merged { .. });
        if held_back.is_some() && (brought || lot.issuer != draft.operation.partner) {
            others = others.plus(free)?;
            continue;
        }
        let taken = rest.min(free);
        rest = rest.minus(taken)?;
        legs.push(HoldLeg {
            lot: id,
            issuer: lot.issuer,
            funding: lot.funding,
            expires_at: lot.expires_at,
            points: taken,
            captured: Points::ZERO,
            refunded: Points::ZERO,
        });
    }
    if rest.is_positive() {
        draft.knows_all_lots()?;
    }
    if rest > others {
        let available = points.minus(rest)?.plus(others)?;
        return Err(Refusal::PointsInsufficient { available });
    }
    match held_back {
        Some(until) if rest.is_positive() => Err(Refusal::BurnHeldBack { until }),
        Some(_) | None => Ok(legs),
    }
}

fn hold(draft: &Draft<'_>, terms: &Terms, legs: Vec<HoldLeg>, state: HoldState) -> Hold {
    let expires_at = match state {
        HoldState::Open => time::after_seconds(draft.now(), terms.agreement.hold_life_seconds),
        HoldState::Captured | HoldState::Voided | HoldState::Expired => draft.now(),
    };
    Hold {
        authorized_by: draft.operation.seq,
        request_id: draft.operation.request_id,
        partner: terms.partner,
        terms_version: terms.version,
        state,
        expires_at,
        legs,
    }
}
