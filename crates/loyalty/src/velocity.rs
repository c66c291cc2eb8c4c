//! Velocity: how much may happen in an hour or a day, of one member at a partner and of a partner as
//! a whole. Counters are of hours and days in UTC; one whose time is over counts from nothing. What is
//! counted stays counted: neither a void nor a reversal gives an allowance back.

use std::collections::BTreeMap;

use entente_ledger::{Account, Overflow, PartnerId, Points, floor_div};
use jiff::Timestamp;

use crate::{
    Catalogue, ExchangeDirection, OperationKind, Refusal, draft::Draft, time::after_seconds,
};

const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;

/// What is counted, and in which time. The order is that of the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Meter {
    /// Commands about a member in an hour.
    MemberOperations,
    /// Points that the partner issues to a member in a day.
    MemberPointsEarned,
    /// Points of other issuers that leave a member in a day.
    MemberForeignPointsBurned,
    /// Points that a member gives to members and charities in a day.
    MemberPointsGiven,
    /// Commands of the partner in an hour.
    Operations,
    /// Points that the partner issues in an hour.
    PointsIssued,
    /// Points of other issuers that members burn at the partner in an hour.
    ForeignPointsBurnedHour,
    /// The same in a day.
    ForeignPointsBurnedDay,
    /// Points that the partner issued and one member burns elsewhere in a day: nothing is refused
    /// beyond that, and the partner is told.
    MemberPointsBurnedElsewhere,
}

/// A meter of a partner's terms.
pub type MeterKey = (PartnerId, Meter);

/// What was counted in an hour or a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counted {
    /// When the hour or day began.
    pub since: Timestamp,
    /// How much since then.
    pub used: i64,
}

/// More points of an issuer were burned elsewhere by one member than it wants to pass in silence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BurnedElsewhere {
    /// Who is told.
    pub issuer: PartnerId,
    /// How many so far that day.
    pub points: Points,
    /// When the day began.
    pub since: Timestamp,
}

/// What a command moves, as meters count it.
#[derive(Debug, Clone, Copy, Default)]
struct Amounts {
    issued: Points,
    foreign: Points,
    given: Points,
}

impl Meter {
    /// All of them, in order.
    pub const ALL: [Self; 9] = [
        Self::MemberOperations,
        Self::MemberPointsEarned,
        Self::MemberForeignPointsBurned,
        Self::MemberPointsGiven,
        Self::Operations,
        Self::PointsIssued,
        Self::ForeignPointsBurnedHour,
        Self::ForeignPointsBurnedDay,
        Self::MemberPointsBurnedElsewhere,
    ];

    /// What the contract calls it in terms and refusals.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::MemberOperations => "member_operations_per_hour",
            Self::MemberPointsEarned => "member_points_earned_per_day",
            Self::MemberForeignPointsBurned => "member_foreign_points_burned_per_day",
            Self::MemberPointsGiven => "member_points_given_per_day",
            Self::Operations => "operations_per_hour",
            Self::PointsIssued => "points_issued_per_hour",
            Self::ForeignPointsBurnedHour => "foreign_points_burned_per_hour",
            Self::ForeignPointsBurnedDay => "foreign_points_burned_per_day",
            Self::MemberPointsBurnedElsewhere => "member_points_burned_elsewhere_alert",
        }
    }

    /// Whether it counts the partner's commands, not those about one member.
    #[must_use]
    pub const fn is_partner_wide(self) -> bool {
        match self {
            Self::Operations
            | Self::PointsIssued
            | Self::ForeignPointsBurnedHour
            | Self::ForeignPointsBurnedDay => true,
            Self::MemberOperations
            | Self::MemberPointsEarned
            | Self::MemberForeignPointsBurned
            | Self::MemberPointsGiven
            | Self::MemberPointsBurnedElsewhere => false,
        }
    }

    const fn seconds(self) -> i64 {
        match self {
            Self::MemberOperations
            | Self::Operations
            | Self::PointsIssued
            | Self::ForeignPointsBurnedHour => HOUR,
            Self::MemberPointsEarned
            | Self::MemberForeignPointsBurned
            | Self::MemberPointsGiven
            | Self::ForeignPointsBurnedDay
            | Self::MemberPointsBurnedElsewhere => DAY,
        }
    }

    /// When the hour or day of `at` began.
    fn began(self, at: Timestamp) -> Result<Timestamp, Overflow> {
        let seconds = i128::from(self.seconds());
        let whole = floor_div(i128::from(at.as_second()), seconds)?;
        let began = whole.checked_mul(self.seconds()).ok_or(Overflow)?;
        Ok(Timestamp::from_second(began).unwrap_or(Timestamp::MIN))
    }

    /// What a command adds.
    const fn amount(self, amounts: Amounts) -> i64 {
        match self {
            Self::MemberOperations | Self::Operations => 1,
            Self::MemberPointsEarned | Self::PointsIssued => amounts.issued.0,
            Self::MemberForeignPointsBurned
            | Self::ForeignPointsBurnedHour
            | Self::ForeignPointsBurnedDay => amounts.foreign.0,
            Self::MemberPointsGiven => amounts.given.0,
            Self::MemberPointsBurnedElsewhere => 0,
        }
    }

    /// What counts now. A counter that is ahead was begun by a batch whose clock was read later.
    fn current(self, counted: Option<Counted>, now: Timestamp) -> Result<Counted, Overflow> {
        let since = self.began(now)?;
        Ok(match counted {
            Some(counted) if counted.since >= since => counted,
            Some(_) | None => Counted { since, used: 0 },
        })
    }
}

/// Counts a command by the meters that terms in force name, those of its partner and those of the
/// issuers of what it burns. Gives the partner's own as they are then; the member's are kept in the draft.
pub(crate) fn count(
    draft: &mut Draft<'_>,
    partner_wide: &BTreeMap<MeterKey, Counted>,
) -> Result<Vec<(MeterKey, Counted)>, Refusal> {
    if !draft.operation.kind.is_limited() || is_received(draft) {
        return Ok(Vec::new());
    }
    let counted = count_limited(draft, partner_wide)?;
    count_elsewhere(draft)?;
    Ok(counted)
}

/// Refuses a command that would count too much; of several limits, the one that is over last is named.
fn count_limited(
    draft: &mut Draft<'_>,
    partner_wide: &BTreeMap<MeterKey, Counted>,
) -> Result<Vec<(MeterKey, Counted)>, Refusal> {
    let (partner, now) = (draft.operation.partner, draft.now());
    let limits = limits(draft.catalogue, partner, now);
    let amounts = amounts(draft)?;
    let (mut of_partner, mut refused) = (Vec::new(), None);
    for (meter, most) in limits {
        let (key, amount) = ((partner, meter), meter.amount(amounts));
        if amount == 0 {
            continue;
        }
        let wide = meter.is_partner_wide();
        let before = if wide { partner_wide.get(&key).copied() } else { draft.counted(key) };
        let Counted { since, used } = meter.current(before, now)?;
        let after = Counted { since, used: used.checked_add(amount).ok_or(Overflow)? };
        if after.used > most {
            let resets_at = after_seconds(since, meter.seconds());
            let rest = most.saturating_sub(used).max(0);
            let refusal = Refusal::VelocityLimit { limit: meter, rest, resets_at };
            let later = refused.is_none_or(|(before, _)| before < resets_at);
            refused = if later { Some((resets_at, refusal)) } else { refused };
        } else if wide {
            of_partner.push((key, after));
        } else {
            draft.set_counted(key, after);
        }
    }
    match refused {
        Some((_, refusal)) => Err(refusal),
        None => Ok(of_partner),
    }
}

/// Counts what leaves the member of points that others issued, for those issuers that want to be told,
/// and notes whom to tell now.
fn count_elsewhere(draft: &mut Draft<'_>) -> Result<(), Refusal> {
    let (partner, now) = (draft.operation.partner, draft.now());
    if !burns(draft) {
        return Ok(());
    }
    let mut by_issuer = BTreeMap::<PartnerId, Points>::new();
    for portion in draft.operation.portions.iter().filter(|portion| portion.issuer != partner) {
        let sum = by_issuer.entry(portion.issuer).or_default();
        *sum = sum.plus(portion.points)?;
    }
    let meter = Meter::MemberPointsBurnedElsewhere;
    for (issuer, points) in by_issuer {
        let Some(most) = alert(draft.catalogue, issuer, now) else { continue };
        let key = (issuer, meter);
        let Counted { since, used } = meter.current(draft.counted(key), now)?;
        let after = used.checked_add(points.0).ok_or(Overflow)?;
        draft.set_counted(key, Counted { since, used: after });
        if used <= most && most < after {
            let points = Points(after);
            draft.burned_elsewhere.push(BurnedElsewhere { issuer, points, since });
        }
    }
    Ok(())
}

impl Catalogue {
    /// Whether a partner's terms in force limit something of each of its members.
    #[must_use]
    pub fn limits_members(&self, partner: PartnerId, now: Timestamp) -> bool {
        limits(self, partner, now).any(|(meter, _)| !meter.is_partner_wide())
    }

    /// Whether a partner's terms in force limit something of the partner as a whole.
    #[must_use]
    pub fn limits_partner(&self, partner: PartnerId, now: Timestamp) -> bool {
        limits(self, partner, now).any(|(meter, _)| meter.is_partner_wide())
    }

    /// Whether a partner wants to be told of what its members burn elsewhere.
    #[must_use]
    pub fn minds_elsewhere(&self, partner: PartnerId, now: Timestamp) -> bool {
        alert(self, partner, now).is_some()
    }
}

/// What the terms in force limit.
fn limits(
    catalogue: &Catalogue,
    partner: PartnerId,
    now: Timestamp,
) -> impl Iterator<Item = (Meter, i64)> {
    let terms = catalogue.partner(partner).and_then(|partner| partner.terms_at(now));
    let limits = terms.map(|terms| terms.agreement.limits.iter());
    let limits = limits.into_iter().flatten().map(|(meter, most)| (*meter, *most));
    limits.filter(|(meter, _)| *meter != Meter::MemberPointsBurnedElsewhere)
}

fn alert(catalogue: &Catalogue, partner: PartnerId, now: Timestamp) -> Option<i64> {
    let terms = catalogue.partner(partner)?.terms_at(now)?;
    terms.agreement.limits.get(&Meter::MemberPointsBurnedElsewhere).copied()
}

/// The second leg of a transfer is no command of its own.
fn is_received(draft: &Draft<'_>) -> bool {
    draft.transfers().first().is_some_and(|transfer| transfer.debit() == Account::InTransit)
}

/// Whether points are burned, or set aside to be.
fn burns(draft: &Draft<'_>) -> bool {
    match draft.operation.kind {
        OperationKind::Burn | OperationKind::Authorize | OperationKind::Donate => true,
        OperationKind::Exchange => !is_inward(draft),
        _ => false,
    }
}

fn is_inward(draft: &Draft<'_>) -> bool {
    let exchange = draft.operation.exchange;
    exchange.is_some_and(|exchange| exchange.direction == ExchangeDirection::In)
}

fn amounts(draft: &Draft<'_>) -> Result<Amounts, Refusal> {
    let operation = &draft.operation;
    let mut amounts = Amounts::default();
    let issues = operation.kind == OperationKind::Earn || is_inward(draft);
    if issues {
        amounts.issued = operation.points;
    }
    if matches!(operation.kind, OperationKind::Transfer | OperationKind::Donate) {
        amounts.given = operation.points;
    }
    if burns(draft) {
        for portion in operation.portions.iter().filter(|found| found.issuer != operation.partner) {
            amounts.foreign = amounts.foreign.plus(portion.points)?;
        }
    }
    Ok(amounts)
}
