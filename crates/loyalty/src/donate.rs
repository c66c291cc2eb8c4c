//! Donate: a member's points go to a charity, which is paid for them as for points that are burned
//! at its own till.

use entente_ledger::{Account, Points};

use crate::{Partner, PartnerCode, Refusal, Terms, bound, burn, draft::Draft, earn, redemption};

/// Gives points to the partner of a code, which must be a charity now.
pub(crate) fn donate(
    draft: &mut Draft<'_>,
    charity: &PartnerCode,
    points: Points,
) -> Result<(), Refusal> {
    let partner = earn::active(draft)?;
    partner.terms_at(draft.now()).ok_or(Refusal::NoTermsInForce)?;
    let terms = charity_terms(draft, partner, charity).ok_or(Refusal::NotACharity)?;
    bound::asked(points, terms.agreement.reimbursement)?;
    for leg in burn::legs(draft, points)? {
        draft.take_free(leg.lot, leg.points)?;
        redemption::redeem(draft, terms, &leg, leg.points, Account::Donated)?;
        draft.touched(leg.issuer, leg.points, leg.expires_at);
    }
    draft.operation.terms_version = Some(terms.version);
    draft.operation.points = points;
    Ok(())
}

/// The terms of a charity. Whoever is none, is suspended, does not exist, or tests where the caller
/// does not, is not told apart: no partner learns from the hub who else takes part.
fn charity_terms<'d>(
    draft: &Draft<'d>,
    caller: &Partner,
    charity: &PartnerCode,
) -> Option<&'d Terms> {
    let charity = draft.catalogue.by_code(charity.as_str())?;
    if charity.suspended || charity.testing != caller.testing {
        return None;
    }
    charity.terms_at(draft.now()).filter(|terms| terms.agreement.accepts_donations)
}
