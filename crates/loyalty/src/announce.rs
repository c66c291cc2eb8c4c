//! Announce: an issuer is told once of points that expire within 30 days, all of a member's that end
//! by the same day in one operation. It moves nothing.

use entente_ledger::{Cell, HoldState, Lot, LotId, RequestId};
use jiff::{Timestamp, tz::Offset};
use uuid::Uuid;

use crate::{
    Member, Refusal,
    draft::Draft,
    time::{after_days, days_before},
};

/// How long ahead.
const AHEAD_DAYS: i32 = 30;

/// The namespace of the request ids that announcements derive for themselves.
const ANNOUNCEMENTS: Uuid = Uuid::from_u128(0x7b0e_94d2_3c15_4f6a_8a41_d2f7_6e09_c35b);

impl Member {
    /// Before it nothing of the member expires or is to be announced, as far as its holds and lots are
    /// loaded. What is held ends with its hold.
    #[must_use]
    pub fn next_due_at(&self) -> Option<Timestamp> {
        let holds = self.holds.values().filter(|hold| hold.state == HoldState::Open);
        let lots = self.lots.values().filter(|lot| lot.remaining > lot.held);
        let lots = lots.map(|lot| if lot.announced { lot.expires_at } else { announced_at(lot) });
        holds.map(|hold| hold.expires_at).chain(lots).min()
    }

    /// Whether that is so of the whole member, every open hold being loaded: lots that are not come later
    /// in burn order, and are announced no sooner than the last one that is.
    #[must_use]
    pub fn knows_next_due(&self) -> bool {
        self.lots_until.is_none_or(|(until, _)| {
            self.next_due_at().is_some_and(|due| due <= days_before(until, AHEAD_DAYS))
        })
    }

    /// Whether something is due of a member of whom not every open lot is loaded, as when a command of the
    /// same batch gave points back: what ends and what is announced with it needs them all.
    #[must_use]
    pub fn is_short(&self, now: Timestamp) -> bool {
        self.lots_until.is_some() && self.next_due_at().is_some_and(|due| due <= now)
    }
}

/// Whether points that end so soon are not announced ahead at all.
pub(crate) fn is_too_near(expires_at: Timestamp, now: Timestamp) -> bool {
    expires_at <= after_days(now, AHEAD_DAYS)
}

/// The member's lots whose end is to be announced, by time: none before the first is due, and then
/// all that end by the end of that day (UTC).
pub(crate) fn due_lots(member: &Member, now: Timestamp) -> Vec<LotId> {
    let told = |lot: &&Lot| !lot.announced && lot.remaining > lot.held;
    let lots = || member.lots.values().filter(told);
    if !lots().any(|lot| announced_at(lot) <= now) {
        return Vec::new();
    }
    let horizon = end_of_day(after_days(now, AHEAD_DAYS));
    let near = lots().filter(|lot| lot.expires_at < horizon || announced_at(lot) <= now);
    let mut near: Vec<_> = near.map(|lot| (lot.expires_at, lot.id)).collect();
    near.sort_unstable();
    near.into_iter().map(|(_, lot)| lot).collect()
}

/// The same id on every hub: a lot is announced once, and so is the first of several.
pub(crate) fn request_id(cell: Cell, first: LotId) -> RequestId {
    let mut name = cell.0.to_be_bytes().to_vec();
    name.extend(first.opened_by.0.to_be_bytes());
    name.extend(first.ordinal.to_be_bytes());
    RequestId(Uuid::new_v5(&ANNOUNCEMENTS, &name))
}

/// Tells of lots: each is a portion of the operation.
pub(crate) fn announce(draft: &mut Draft<'_>, lots: &[LotId]) -> Result<(), Refusal> {
    for id in lots {
        let lot = draft.lot_mut(*id)?;
        lot.announced = true;
        let (issuer, points, expires_at) = (lot.issuer, lot.free()?, lot.expires_at);
        draft.touched(issuer, points, expires_at);
    }
    Ok(())
}

fn announced_at(lot: &Lot) -> Timestamp {
    days_before(lot.expires_at, AHEAD_DAYS)
}

/// Midnight (UTC) after a time, or the last instant there is.
fn end_of_day(at: Timestamp) -> Timestamp {
    let tomorrow = Offset::UTC.to_datetime(at).date().tomorrow();
    let midnight = tomorrow.and_then(|day| Offset::UTC.to_timestamp(day.at(0, 0, 0, 0)));
    midnight.unwrap_or(Timestamp::MAX)
}
