//! Void: held points are released, and every lot is as it was before.

use entente_ledger::{Hold, HoldState};

use crate::{Original, Refusal, burn, capture, draft::Draft, expire, exposure, repay};

/// Releases what an authorization holds.
pub(crate) fn void(draft: &mut Draft<'_>, original: Original) -> Result<(), Refusal> {
    let hold = capture::open_hold(draft, original)?;
    let terms = draft.terms(hold.partner, hold.terms_version)?;
    draft.operation.terms_version = Some(terms.version);
    draft.operation.value = burn::value(&terms.agreement, hold.points()?)?;
    end_hold(draft, hold, HoldState::Voided)
}

/// Ends an open hold without spending anything of it: its points are free again, unless their lot's
/// time has come, and repay debts first.
pub(crate) fn end_hold(
    draft: &mut Draft<'_>,
    mut hold: Hold,
    state: HoldState,
) -> Result<(), Refusal> {
    let terms = draft.terms(hold.partner, hold.terms_version)?;
    exposure::release(&mut draft.owed, &hold, terms)?;
    draft.operation.points = hold.points()?;
    for leg in &hold.legs {
        draft.touched(leg.issuer, leg.points, leg.expires_at);
        expire::release(draft, leg.lot, leg.points)?;
    }
    hold.state = state;
    draft.keep_hold(hold);
    repay::repay(draft)
}
