//! Capture: held points are spent, in full or in part, once; the rest is released.

use entente_ledger::{Account, Hold, HoldLeg, HoldState, Points};

use crate::{
    Original, OriginalKind, Refusal, Terms, burn, draft::Draft, expire, exposure, redemption, repay,
};

/// Spends `points` of what an authorization holds; all when absent.
pub(crate) fn capture(
    draft: &mut Draft<'_>,
    original: Original,
    points: Option<Points>,
) -> Result<(), Refusal> {
    let mut hold = open_hold(draft, original)?;
    let held = hold.points()?;
    let points = points.unwrap_or(held);
    if !points.is_positive() {
        return Err(Refusal::AmountTooLarge);
    }
    if points > held {
        return Err(Refusal::CaptureExceedsHold { held });
    }
    let terms = draft.terms(hold.partner, hold.terms_version)?;
    exposure::release(&mut draft.owed, &hold, terms)?;
    let mut rest = points;
    for leg in &mut hold.legs {
        leg.captured = rest.min(leg.points);
        rest = rest.minus(leg.captured)?;
        capture_leg(draft, terms, leg)?;
    }
    hold.state = HoldState::Captured;
    draft.keep_hold(hold);
    draft.operation.terms_version = Some(terms.version);
    draft.operation.points = points;
    draft.operation.value = burn::value(&terms.agreement, points)?;
    repay::repay(draft)
}

/// The open hold that an original operation of the caller authorized.
pub(crate) fn open_hold(draft: &Draft<'_>, original: Original) -> Result<Hold, Refusal> {
    let hold = match original.kind {
        OriginalKind::Authorize => draft.hold(original.seq),
        OriginalKind::Earn
        | OriginalKind::Burn
        | OriginalKind::Capture { .. }
        | OriginalKind::Other => None,
    };
    let hold = hold.filter(|hold| hold.partner == draft.operation.partner);
    let hold = hold.ok_or(Refusal::NotAnAuthorization)?;
    match hold.state {
        HoldState::Open if draft.now() < hold.expires_at => Ok(hold.clone()),
        HoldState::Open | HoldState::Expired => Err(Refusal::HoldExpired),
        HoldState::Captured => Err(Refusal::HoldCaptured),
        HoldState::Voided => Err(Refusal::HoldVoided),
    }
}

/// Spends what is captured of one leg and releases the rest.
fn capture_leg(draft: &mut Draft<'_>, terms: &Terms, leg: &HoldLeg) -> Result<(), Refusal> {
    draft.take_held(leg.lot, leg.captured)?;
    redemption::redeem(draft, terms, leg, leg.captured, Account::Redeemed(terms.partner))?;
    draft.touched(leg.issuer, leg.captured, leg.expires_at);
    expire::release(draft, leg.lot, leg.points.minus(leg.captured)?)
}
