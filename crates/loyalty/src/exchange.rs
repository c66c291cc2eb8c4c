//! Exchange: a partner's own points become shared points, or shared points its own. In, the partner
//! issues; out, it redeems. Its own points it keeps itself: the hub says how many to take or to give.

use entente_ledger::{Account, Origin, Overflow, Points, ceil_div, floor_div};

use crate::{
    Agreement, ExchangeAmount, ExchangeDirection, ExchangeRate, Exchanged, Refusal, Terms, bound,
    burn, draft::Draft, earn, redemption, repay,
};

/// What a rate makes of points.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Conversion {
    /// What is given.
    given: Points,
    /// What is off the increment, and stays.
    left: Points,
    /// What is received.
    received: Points,
}

/// Converts points at the terms in force now.
pub(crate) fn exchange(draft: &mut Draft<'_>, amount: ExchangeAmount) -> Result<(), Refusal> {
    let partner = earn::active(draft)?;
    let terms = partner.terms_at(draft.now()).ok_or(Refusal::NoTermsInForce)?;
    draft.operation.terms_version = Some(terms.version);
    match amount {
        ExchangeAmount::In(offered) => inward(draft, terms, offered),
        ExchangeAmount::Out(offered) => outward(draft, terms, offered),
    }
}

/// Whether points that go around once, out of own points and back into them, can become more. Each
/// rate is taken at its most: as if every point given had its share of the bonus. That is exact for
/// multiples of the threshold, and no exchange gives more.
#[must_use]
pub fn cycle_gains(agreement: &Agreement) -> bool {
    let (Some(inward), Some(outward)) = (&agreement.exchange_in, &agreement.exchange_out) else {
        return false;
    };
    // What cannot be computed is not shown to be safe.
    gains(inward, outward).unwrap_or(true)
}

fn gains(inward: &ExchangeRate, outward: &ExchangeRate) -> Result<bool, Overflow> {
    let ((made, of), (made_back, of_made)) = (most(inward)?, most(outward)?);
    Ok(times(made, made_back)? > times(of, of_made)?)
}

/// The most that a rate gives: so many received, of so many given.
fn most(rate: &ExchangeRate) -> Result<(i128, i128), Overflow> {
    let (give, receive) = (i128::from(rate.give), i128::from(rate.receive));
    let Some(bonus) = rate.bonus else { return Ok((receive, give)) };
    let (threshold, points) = (i128::from(bonus.threshold.0), i128::from(bonus.points.0));
    let received = times(receive, threshold)?.checked_add(times(points, give)?);
    Ok((received.ok_or(Overflow)?, times(give, threshold)?))
}

fn times(a: i128, b: i128) -> Result<i128, Overflow> {
    a.checked_mul(b).ok_or(Overflow)
}

/// The partner takes its own points, and issues.
fn inward(draft: &mut Draft<'_>, terms: &Terms, offered: Points) -> Result<(), Refusal> {
    let rate = terms.agreement.exchange_in.as_ref().ok_or(Refusal::ExchangeNotAgreed)?;
    let Conversion { given, left, received } = convert(rate, offered)?;
    let lot = earn::open_lot(draft, terms, Origin::Exchanged, received);
    earn::issue(draft, terms, lot, received)?;
    draft.operation.points = received;
    let direction = ExchangeDirection::In;
    draft.operation.exchange = Some(Exchanged { direction, own_points: given, left });
    repay::repay(draft)
}

/// The partner redeems, and gives its own points.
fn outward(draft: &mut Draft<'_>, terms: &Terms, offered: Points) -> Result<(), Refusal> {
    let rate = terms.agreement.exchange_out.as_ref().ok_or(Refusal::ExchangeNotAgreed)?;
    let Conversion { given, left, received } = convert(rate, offered)?;
    bound::asked(given, terms.agreement.reimbursement)?;
    for leg in burn::legs(draft, given)? {
        draft.touched(leg.issuer, leg.points, leg.expires_at);
        draft.take_free(leg.lot, leg.points)?;
        redemption::redeem(draft, terms, &leg, leg.points, Account::Redeemed(terms.partner))?;
    }
    draft.operation.points = given;
    let direction = ExchangeDirection::Out;
    draft.operation.exchange = Some(Exchanged { direction, own_points: received, left });
    Ok(())
}

fn convert(rate: &ExchangeRate, offered: Points) -> Result<Conversion, Refusal> {
    let given = whole(rate, offered)?;
    let left = offered.minus(given)?;
    let minimum = least(rate)?;
    if given < minimum {
        return Err(Refusal::ExchangeBelowMinimum { minimum });
    }
    if rate.exact_increments && !left.is_zero() {
        return Err(Refusal::ExchangeOffIncrement { increment: rate.increment });
    }
    Ok(Conversion { given, left, received: received(rate, given)? })
}

/// The whole multiples of the increment.
fn whole(rate: &ExchangeRate, offered: Points) -> Result<Points, Overflow> {
    let increment = i128::from(rate.increment.0);
    let count = i128::from(floor_div(i128::from(offered.0), increment)?);
    points(times(count, increment)?)
}

/// The bonus counts full thresholds; both parts are rounded down.
fn received(rate: &ExchangeRate, given: Points) -> Result<Points, Overflow> {
    let given = i128::from(given.0);
    let converted = floor_div(times(given, i128::from(rate.receive))?, i128::from(rate.give))?;
    let Some(bonus) = rate.bonus else { return Ok(Points(converted)) };
    let count = floor_div(given, i128::from(bonus.threshold.0))?;
    let on_top = points(times(i128::from(count), i128::from(bonus.points.0))?)?;
    Points(converted).plus(on_top)
}

/// The least that converts, more than 0: it meets the minimum, is on the increment, and gives a point.
fn least(rate: &ExchangeRate) -> Result<Points, Overflow> {
    let a_point = ceil_div(i128::from(rate.give), i128::from(rate.receive))?;
    let a_point = rate.bonus.map_or(a_point, |bonus| a_point.min(bonus.threshold.0));
    let increment = i128::from(rate.increment.0);
    let count = ceil_div(i128::from(rate.minimum.0.max(a_point)), increment)?;
    points(times(i128::from(count), increment)?)
}

fn points(number: i128) -> Result<Points, Overflow> {
    i64::try_from(number).map(Points).map_err(|_| Overflow)
}
