//! Earn: a purchase credits points into a lot of its own, at the terms in force when it happened.

use entente_ledger::{
    Account, AmountKind, Funding, Lot, LotId, Micros, Origin, Overflow, PartnerId, Points,
    Purchase, RequestId, floor_div, half_up_div,
};
use jiff::Timestamp;

use crate::{
    Agreement, Bought, EarnCategory, EarnRounding, Partner, Refusal, Terms,
    draft::Draft,
    repay,
    time::{FUTURE_TOLERANCE_SECONDS, after_days, after_seconds, year},
};

/// Credits the money part of a purchase, unless another earn has `credited` its receipt.
pub(crate) fn earn(
    draft: &mut Draft<'_>,
    bought: &Bought,
    credited: Option<RequestId>,
) -> Result<(), Refusal> {
    let partner = active(draft)?;
    if let Some(request_id) = credited {
        return Err(Refusal::ReceiptCredited { request_id });
    }
    let activity_at = bought.activity_at.unwrap_or(draft.now());
    let terms = pricing(partner, activity_at, draft.now(), bought.retro_claim)?;
    let agreement = &terms.agreement;
    if bought.currency != agreement.currency {
        return Err(Refusal::CurrencyNotOfTerms { currency: agreement.currency });
    }
    let priced = priced(agreement, &bought.category)?;
    let money = bought.money().ok_or(Refusal::AmountTooLarge)?;
    let earned = points_for(agreement, priced, money)?;
    let points = cut_to_year(draft, partner, agreement, activity_at, earned)?;
    let purchase = Purchase {
        category: bought.category.clone(),
        spend: money,
        spend_reversed: Micros::ZERO,
        activity_at,
        points_earned: points,
        points_clawed: Points::ZERO,
    };
    let lot = open_lot(draft, terms, Origin::Earned(purchase), points);
    issue(draft, terms, lot, points)?;
    draft.operation.terms_version = Some(terms.version);
    draft.operation.points = points;
    repay::repay(draft)
}

/// The partner, which must not be suspended.
pub(crate) fn active<'d>(draft: &Draft<'d>) -> Result<&'d Partner, Refusal> {
    let partner =
        draft.catalogue.partner(draft.operation.partner).ok_or(Refusal::NoTermsInForce)?;
    if partner.suspended { Err(Refusal::PartnerSuspended) } else { Ok(partner) }
}

/// What prices a category: its own rules, or those of all others.
pub(crate) fn priced<'a>(
    agreement: &'a Agreement,
    category: &str,
) -> Result<&'a EarnCategory, Refusal> {
    let named = |name: &str| agreement.categories.iter().find(|c| c.category == name);
    named(category).or_else(|| named("*")).ok_or(Refusal::CategoryUnknown)
}

/// What a spend earns in one operation: the greatest minimum that is met prices the whole spend.
pub(crate) fn points_for(
    agreement: &Agreement,
    priced: &EarnCategory,
    spend: Micros,
) -> Result<Points, Refusal> {
    let rule = priced
        .rules
        .iter()
        .filter(|rule| rule.minimum_spend <= spend)
        .max_by_key(|rule| rule.minimum_spend);
    let Some(rule) = rule else { return Ok(Points::ZERO) };
    let product = i128::from(spend.0).checked_mul(i128::from(rule.points)).ok_or(Overflow)?;
    let points = match agreement.rounding {
        EarnRounding::Down => floor_div(product, i128::from(rule.per_spend.0)),
        EarnRounding::HalfUp => half_up_div(product, i128::from(rule.per_spend.0)),
    }?;
    let most = agreement.max_points_per_operation.unwrap_or(Points(i64::MAX));
    Ok(Points(points).min(most).max(Points::ZERO))
}

/// Adds to what the member earned in the activity's year, where any terms of the partner cap it.
pub(crate) fn count_in_year(
    draft: &mut Draft<'_>,
    partner: PartnerId,
    activity_at: Timestamp,
    points: Points,
) -> Result<(), Refusal> {
    let capped = |terms: &Terms| terms.agreement.max_points_per_member_year.is_some();
    if draft.catalogue.partner(partner).is_some_and(|p| p.terms.iter().any(capped)) {
        let key = (partner, year(activity_at));
        let earned = draft.earned_in_year(key).plus(points)?;
        draft.set_earned_in_year(key, earned);
    }
    Ok(())
}

/// The terms at the time of the purchase, which must not be older than they allow.
fn pricing(
    partner: &Partner,
    activity_at: Timestamp,
    now: Timestamp,
    retro_claim: bool,
) -> Result<&Terms, Refusal> {
    if activity_at > after_seconds(now, FUTURE_TOLERANCE_SECONDS) {
        return Err(Refusal::ActivityInFuture);
    }
    let terms = partner.terms_at(activity_at.min(now)).ok_or(Refusal::NoTermsInForce)?;
    let Agreement { late_limit_days, claim_limit_days, .. } = terms.agreement;
    let is_too_old = |limit_days| after_days(activity_at, limit_days) < now;
    if retro_claim && (claim_limit_days <= 0 || is_too_old(claim_limit_days)) {
        return Err(Refusal::ClaimTooOld { claim_limit_days });
    }
    if !retro_claim && is_too_old(late_limit_days) {
        return Err(Refusal::ActivityTooOld { late_limit_days });
    }
    Ok(terms)
}

fn cut_to_year(
    draft: &mut Draft<'_>,
    partner: &Partner,
    agreement: &Agreement,
    activity_at: Timestamp,
    earned: Points,
) -> Result<Points, Refusal> {
    let points = match agreement.max_points_per_member_year {
        None => earned,
        Some(most) => {
            let before = draft.earned_in_year((partner.id, year(activity_at)));
            earned.min(most.minus(before)?).max(Points::ZERO)
        }
    };
    count_in_year(draft, partner.id, activity_at, points)?;
    Ok(points)
}

/// Opens the operation's lot for `points`, still empty. An earn of nothing has one too, so that it
/// can be reversed.
pub(crate) fn open_lot(
    draft: &mut Draft<'_>,
    terms: &Terms,
    origin: Origin,
    points: Points,
) -> LotId {
    let id = LotId { opened_by: draft.operation.seq, ordinal: 0 };
    let expires_at = after_days(draft.now(), terms.agreement.lot_life_days.max(1));
    draft.open_lot(Lot {
        id,
        issuer: terms.partner,
        funding: terms.agreement.funding,
        terms_version: terms.version,
        currency: terms.agreement.currency,
        expires_at,
        remaining: Points::ZERO,
        held: Points::ZERO,
        expired: Points::ZERO,
        announced: false,
        origin,
    });
    draft.touched(terms.partner, points, expires_at);
    id
}

/// Books points that the partner issues into a lot, and their money.
pub(crate) fn issue(
    draft: &mut Draft<'_>,
    terms: &Terms,
    lot: LotId,
    points: Points,
) -> Result<(), Refusal> {
    let (issuer, currency) = (terms.partner, terms.agreement.currency);
    let price = issue_price(&terms.agreement);
    if terms.agreement.prepaid {
        draft.draw((issuer, currency), points);
    }
    draft.add_free(lot, points)?;
    draft.book_points(
        AmountKind::Issue,
        (Account::Issued(issuer), draft.wallet_account()),
        points,
        (lot, issuer),
        (issuer, PartnerId::HUB),
        (currency, price),
    )?;
    let accounts = (Account::Clearing(issuer), Account::Pool);
    draft.book_money(AmountKind::Issue, accounts, points.at(price)?, currency)
}

/// What the issuer pays the pool for a point when it is issued: nothing when it funds redemptions, or
/// has bought the point ahead.
pub(crate) const fn issue_price(agreement: &Agreement) -> Micros {
    match agreement.funding {
        Funding::AtIssue if !agreement.prepaid => agreement.issue_price,
        Funding::AtIssue | Funding::AtRedemption => Micros::ZERO,
    }
}
