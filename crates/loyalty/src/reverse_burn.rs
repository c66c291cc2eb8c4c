//! Reverse of a burn or a capture: points go back into the lots they came from, last consumed
//! first, each with its own expiry.

use entente_ledger::{HoldLeg, HoldState, Points, Seq};

use crate::{Refusal, ReversePart, Terms, burn, draft::Draft, expire, redemption, repay};

/// Gives back points that a hold captured.
pub(crate) fn reverse_burn(
    draft: &mut Draft<'_>,
    authorized_by: Seq,
    part: ReversePart,
) -> Result<(), Refusal> {
    let partner = draft.operation.partner;
    let hold = draft
        .hold(authorized_by)
        .filter(|hold| hold.partner == partner && hold.state == HoldState::Captured);
    let mut hold = hold.ok_or(Refusal::NotReversible)?.clone();
    let points = refunded(hold.refundable()?, part)?;
    let terms = draft.terms(hold.partner, hold.terms_version)?;
    let mut rest = points;
    for leg in hold.legs.iter_mut().rev() {
        let given_back = rest.min(leg.captured.minus(leg.refunded)?);
        if given_back.is_positive() {
            refund_leg(draft, terms, leg, given_back)?;
            leg.refunded = leg.refunded.plus(given_back)?;
            rest = rest.minus(given_back)?;
        }
    }
    draft.keep_hold(hold);
    draft.operation.terms_version = Some(terms.version);
    draft.operation.points = points;
    draft.operation.value = burn::value(&terms.agreement, points)?;
    repay::repay(draft)
}

/// How many points are given back now.
fn refunded(rest: Points, part: ReversePart) -> Result<Points, Refusal> {
    let exceeds = Refusal::ReversalExceedsRest { rest: rest.0 };
    match part {
        ReversePart::Rest if rest.is_positive() => Ok(rest),
        ReversePart::Rest => Err(exceeds),
        ReversePart::Spend(..) => Err(Refusal::ReversalUnitWrong),
        ReversePart::Points(points) if !points.is_positive() => Err(Refusal::AmountTooLarge),
        ReversePart::Points(points) if points > rest => Err(exceeds),
        ReversePart::Points(points) => Ok(points),
    }
}

/// Gives back points of one leg. Where the lot's time has come, the money is returned and the
/// points expire.
fn refund_leg(
    draft: &mut Draft<'_>,
    terms: &Terms,
    leg: &HoldLeg,
    points: Points,
) -> Result<(), Refusal> {
    redemption::refund(draft, terms, leg, points)?;
    draft.add_free(leg.lot, points)?;
    draft.touched(leg.issuer, points, leg.expires_at);
    expire::expire_if_due(draft, leg.lot, points)
}
