//! Expire: holds and lots end at their time, as operations of their own. Points that come free in a
//! lot whose time has come expire in the operation that frees them; so a lot has one such operation.

use entente_ledger::{
    Account, AmountKind, Cell, HoldState, LotId, Micros, PartnerId, Points, RequestId, Seq,
};
use jiff::Timestamp;
use uuid::Uuid;

use crate::{Member, Refusal, draft::Draft, void};

/// The namespace of the request ids that expiries derive for themselves.
const EXPIRIES: Uuid = Uuid::from_u128(0x6d1f_3f0a_52c7_4b3e_9d53_0e1c_5a8b_77f4);

/// What is due: a hold, or a lot with free points.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Due {
    /// A hold, by the operation that authorized it.
    Hold(Seq),
    /// A lot.
    Lot(LotId),
}

impl Due {
    /// The same id on every hub, so that no hub expires it twice.
    pub(crate) fn request_id(self, cell: Cell) -> RequestId {
        let mut name = cell.0.to_be_bytes().to_vec();
        match self {
            Self::Hold(seq) => {
                name.extend(b"hold");
                name.extend(seq.0.to_be_bytes());
            }
            Self::Lot(lot) => {
                name.extend(b"lot");
                name.extend(lot.opened_by.0.to_be_bytes());
                name.extend(lot.ordinal.to_be_bytes());
            }
        }
        RequestId(Uuid::new_v5(&EXPIRIES, &name))
    }
}

/// The member's holds that are due, by time.
pub(crate) fn due_holds(member: &Member, now: Timestamp) -> Vec<Due> {
    let mut due: Vec<_> = member
        .holds
        .values()
        .filter(|hold| hold.state == HoldState::Open && now >= hold.expires_at)
        .map(|hold| (hold.expires_at, Due::Hold(hold.authorized_by)))
        .collect();
    due.sort_unstable();
    due.into_iter().map(|(_, due)| due).collect()
}

/// The member's lots that are due and have free points, by time.
pub(crate) fn due_lots(member: &Member, now: Timestamp) -> Vec<Due> {
    let mut due: Vec<_> = member
        .lots
        .values()
        .filter(|lot| lot.is_due(now) && lot.remaining > lot.held)
        .map(|lot| (lot.expires_at, Due::Lot(lot.id)))
        .collect();
    due.sort_unstable();
    due.into_iter().map(|(_, due)| due).collect()
}

/// Ends what is due.
pub(crate) fn end(draft: &mut Draft<'_>, due: Due) -> Result<(), Refusal> {
    match due {
        Due::Hold(authorized_by) => {
            let hold = draft.hold(authorized_by).ok_or(Refusal::NotAnAuthorization)?.clone();
            draft.operation.original = Some((hold.authorized_by, hold.request_id));
            void::end_hold(draft, hold, HoldState::Expired)
        }
        Due::Lot(lot) => {
            let lot = draft.lot(lot)?;
            let (id, issuer, points, expires_at) =
                (lot.id, lot.issuer, lot.free()?, lot.expires_at);
            draft.operation.points = points;
            draft.touched(issuer, points, expires_at);
            expire(draft, id, points)
        }
    }
}

/// Held points of a lot are free again; when the lot's time has come, they expire.
pub(crate) fn release(draft: &mut Draft<'_>, lot: LotId, points: Points) -> Result<(), Refusal> {
    if points.is_zero() {
        return Ok(());
    }
    draft.set_free(lot, points)?;
    expire_if_due(draft, lot, points)
}

/// Expires points that have come free in a lot whose time has come; in any other they stay.
pub(crate) fn expire_if_due(
    draft: &mut Draft<'_>,
    lot: LotId,
    points: Points,
) -> Result<(), Refusal> {
    if draft.lot(lot)?.is_due(draft.now()) { expire(draft, lot, points) } else { Ok(()) }
}

/// Expires free points of a lot. No money moves.
fn expire(draft: &mut Draft<'_>, lot: LotId, points: Points) -> Result<(), Refusal> {
    draft.take_free(lot, points)?;
    let ended = draft.lot_mut(lot)?;
    ended.expired = ended.expired.plus(points)?;
    let (issuer, currency) = (ended.issuer, ended.currency);
    draft.book_points(
        AmountKind::Expired,
        (draft.wallet_account(), Account::Expired(issuer)),
        points,
        (lot, issuer),
        (issuer, PartnerId::HUB),
        (currency, Micros::ZERO),
    )
}
