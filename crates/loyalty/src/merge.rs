//! Merge: one member is made of two. Lots go in transit and arrive as lots that remember them, and so
//! do debts; limits count for both together. No money moves, but for what is repaid at once. A merge
//! can be taken back for 30 days: then what is left of those lots, and of those debts, goes back.

use std::collections::{BTreeMap, BTreeSet};

use entente_ledger::{
    Account, AmountKind, Cell, Debt, HoldState, Lot, LotId, MemberId, Micros, Origin, Overflow,
    PartnerId, Points,
};
use jiff::{Timestamp, civil::Date};

use crate::{
    Forward, Member, Refusal, bound,
    draft::Draft,
    parcel::{self, Parcel},
    repay,
    time::{after_days, month},
};

/// The most members that one may stand for, besides itself.
pub(crate) const MAX_ABSORBED: usize = 16;

/// How long a merge can be taken back.
const REVERSIBLE_DAYS: i32 = 30;

/// What changes hands between the absorbed member and the kept one, in either direction.
#[derive(Debug, Clone)]
pub(crate) struct Estate {
    lots: Vec<Parcel>,
    /// The oldest first, each on one of the lots.
    debts: Vec<Debt>,
    /// Who is absorbed, or is so no longer, and whom that one stands for.
    absorbed: BTreeSet<MemberId>,
    /// What that one earned and gave.
    earned_in_year: BTreeMap<(PartnerId, i16), Points>,
    given_in_month: BTreeMap<(PartnerId, Date), Points>,
}

/// Whether points of a member are set aside.
pub(crate) fn any_open_hold(member: &Member) -> bool {
    member.holds.values().any(|hold| hold.state == HoldState::Open)
}

/// Until when a merge can be taken back.
#[must_use]
pub fn reversible_until(merged_at: Timestamp) -> Timestamp {
    after_days(merged_at, REVERSIBLE_DAYS)
}

/// Whether a merge is not too long ago.
pub(crate) fn is_reversible(forward: &Forward, now: Timestamp) -> bool {
    now < reversible_until(forward.merged_at)
}

/// Everything that a member has and owes. What expired stays where it expired.
pub(crate) fn all(member: &Member, now: Timestamp) -> Result<Estate, Refusal> {
    let debts = open_debts(member, |_| true);
    let mut lots = Vec::new();
    for lot in member.lots.values() {
        let points = lot.free()?;
        if points.is_positive() || debts.iter().any(|debt| debt.lot == lot.id) {
            let origin = came_from(member.id, member.cell, lot.id);
            let lot = Lot { origin, expired: Points::ZERO, ..lot.clone() };
            lots.push(Parcel { source: lot.id, into: None, lot, points });
        }
    }
    Ok(Estate { lots, debts, ..whose(member, now) })
}

/// What is left of what the absorbed member, and whoever it stands for, brought to the kept one.
pub(crate) fn rest(
    kept: &Member,
    absorbed: &Member,
    merged_at: Timestamp,
) -> Result<Estate, Refusal> {
    let whose = whose(absorbed, merged_at);
    let mut lots = Vec::new();
    for lot in kept.lots.values() {
        let Origin::Merged { from, lot: source, .. } = lot.origin else { continue };
        let points = lot.free()?;
        let owes = open_debts(kept, |debt| debt.lot == lot.id);
        let is_left = points.is_positive() || lot.expired.is_positive() || !owes.is_empty();
        if whose.absorbed.contains(&from) && is_left {
            let into = (from == absorbed.id).then_some(source);
            lots.push(Parcel { source: lot.id, into, lot: lot.clone(), points });
        }
    }
    let debts = open_debts(kept, |debt| lots.iter().any(|parcel| parcel.source == debt.lot));
    Ok(Estate { lots, debts, ..whose })
}

/// The absorbed member's leg of a merge.
pub(crate) fn give_up(
    draft: &mut Draft<'_>,
    estate: &Estate,
    into: MemberId,
) -> Result<(), Refusal> {
    leave(draft, estate)?;
    draft.set_forward(Some(Forward { into, merged_at: draft.now() }));
    Ok(())
}

/// The kept member's leg of a merge.
pub(crate) fn take_over(draft: &mut Draft<'_>, estate: Estate) -> Result<(), Refusal> {
    let absorbed = draft.member().absorbed.union(&estate.absorbed).copied().collect();
    draft.set_absorbed(absorbed);
    count(draft, &estate, Points::plus)?;
    arrive(draft, estate)
}

/// The kept member's leg of what takes a merge back.
pub(crate) fn give_back(draft: &mut Draft<'_>, estate: &Estate) -> Result<(), Refusal> {
    let absorbed = draft.member().absorbed.difference(&estate.absorbed).copied().collect();
    draft.set_absorbed(absorbed);
    count(draft, estate, Points::minus)?;
    leave(draft, estate)
}

/// The absorbed member's leg of what takes a merge back.
pub(crate) fn take_back(draft: &mut Draft<'_>, estate: Estate) -> Result<(), Refusal> {
    draft.set_forward(None);
    arrive(draft, estate)
}

/// Whatever the member has free goes into transit: it is a merged one, whose points are elsewhere.
pub(crate) fn send_off(draft: &mut Draft<'_>) -> Result<(), Refusal> {
    let lots = draft.member().lots.values().map(|lot| Ok((lot.id, lot.free()?)));
    for (lot, points) in lots.collect::<Result<Vec<_>, Overflow>>()? {
        if points.is_positive() {
            parcel::send(draft, lot, points)?;
        }
    }
    Ok(())
}

/// What came back to a merged member arrives where its points are now.
pub(crate) fn receive(draft: &mut Draft<'_>, parcels: Vec<Parcel>) -> Result<(), Refusal> {
    parcel::receive(draft, AmountKind::Merge, parcels)?;
    repay::repay(draft)
}

/// The origin of a lot that a merge opens.
pub(crate) const fn came_from(from: MemberId, cell: Cell, lot: LotId) -> Origin {
    Origin::Merged { from, cell, lot }
}

/// Books what a clawback is owed from one wallet to another: here it is owed from now on.
pub(crate) fn owe(draft: &mut Draft<'_>, debt: Debt) -> Result<(), Refusal> {
    let accounts = (draft.wallet_account(), Account::InTransit);
    move_debt(draft, &debt, accounts)?;
    draft.keep_debt(debt)
}

/// A member without anything to leave.
fn whose(absorbed: &Member, merged_at: Timestamp) -> Estate {
    let month = month(merged_at);
    let given = absorbed.given_in_month.iter().filter(|((_, given_in), _)| *given_in == month);
    Estate {
        lots: Vec::new(),
        debts: Vec::new(),
        absorbed: absorbed.absorbed.iter().copied().chain([absorbed.id]).collect(),
        earned_in_year: absorbed.earned_in_year.clone(),
        given_in_month: given.map(|(key, points)| (*key, *points)).collect(),
    }
}

fn open_debts(member: &Member, is_wanted: impl Fn(&Debt) -> bool) -> Vec<Debt> {
    let open = member.debts.values().filter(|debt| debt.points.is_positive());
    open.filter(|debt| is_wanted(debt)).copied().collect()
}

/// Points go into transit, and debts are owed here no longer.
fn leave(draft: &mut Draft<'_>, estate: &Estate) -> Result<(), Refusal> {
    let mut sum = Points::ZERO;
    for Parcel { source, lot, points, .. } in &estate.lots {
        sum = sum.plus(*points)?;
        let left = draft.lot_mut(*source)?;
        left.expired = left.expired.minus(lot.expired)?;
        draft.touched(lot.issuer, *points, lot.expires_at);
        parcel::send(draft, *source, *points)?;
    }
    for debt in &estate.debts {
        let accounts = (Account::InTransit, draft.wallet_account());
        move_debt(draft, debt, accounts)?;
        draft.keep_debt(Debt { points: Points::ZERO, ..*debt })?;
    }
    draft.operation.points = sum;
    bound::moved_within(draft)
}

/// What left the other member is here now, and repays debts first.
fn arrive(draft: &mut Draft<'_>, estate: Estate) -> Result<(), Refusal> {
    let lots = parcel::receive(draft, AmountKind::Merge, estate.lots)?;
    for (ordinal, debt) in (0_i16..).zip(estate.debts) {
        let lot = *lots.get(&debt.lot).ok_or(Refusal::NotReversible)?;
        owe(draft, Debt { id: draft.debt_id(ordinal), lot, ..debt })?;
    }
    repay::repay(draft)?;
    bound::moved_within(draft)
}

fn move_debt(
    draft: &mut Draft<'_>,
    debt: &Debt,
    accounts: (Account, Account),
) -> Result<(), Refusal> {
    draft.book_points(
        AmountKind::Merge,
        accounts,
        debt.points,
        (debt.lot, debt.issuer),
        (PartnerId::HUB, PartnerId::HUB),
        (debt.currency, Micros::ZERO),
    )
}

/// Adds what the other member earned and gave, or takes it out again.
fn count(
    draft: &mut Draft<'_>,
    estate: &Estate,
    with: impl Fn(Points, Points) -> Result<Points, Overflow>,
) -> Result<(), Refusal> {
    for (key, points) in &estate.earned_in_year {
        let earned = with(draft.earned_in_year(*key), *points)?;
        draft.set_earned_in_year(*key, earned);
    }
    for (key, points) in &estate.given_in_month {
        let given = with(draft.given_in_month(*key), *points)?;
        draft.set_given_in_month(*key, given);
    }
    Ok(())
}
