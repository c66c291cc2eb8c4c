//! What one command may move at most. Sums over a window stay in the ledger's range, and one
//! command's rows stay few, whatever a caller asks for.

use entente_ledger::{Micros, Points, Transfer, Unit};

use crate::{Refusal, draft::Draft};

/// The most points that one earn, burn or authorization may be of.
pub(crate) const MAX_POINTS: Points = Points(1_000_000_000);
/// The most money that it may ask for, or that one transfer of it may move: ten million of a
/// currency's unit.
pub(crate) const MAX_MONEY: Micros = Micros(10_000_000_000_000);
/// The most lots that it may touch.
pub(crate) const MAX_LOTS: usize = 1_000;

/// Whether an amount that is asked for, at what a point is reimbursed with, is one at all and within
/// them. Whatever lots it would come from: so it is refused for its size before anything is looked
/// for.
pub(crate) fn asked(points: Points, price: Micros) -> Result<(), Refusal> {
    let money = points.at(price)?;
    let within = points.is_positive() && points <= MAX_POINTS && money <= MAX_MONEY;
    if within { Ok(()) } else { Err(Refusal::AmountTooLarge) }
}

/// Whether a draft stays within them.
pub(crate) fn within(draft: &Draft<'_>) -> Result<(), Refusal> {
    let within = draft.operation.points <= MAX_POINTS;
    if within { moved_within(draft) } else { Err(Refusal::AmountTooLarge) }
}

/// The same of what moves between wallets that become one: it may be all that a member has.
pub(crate) fn moved_within(draft: &Draft<'_>) -> Result<(), Refusal> {
    let mut money = draft.transfers().iter().filter(|transfer| transfer.unit() == Unit::Money);
    let within = draft.operation.portions.len() <= MAX_LOTS
        && money.all(|transfer: &Transfer| transfer.amount() <= MAX_MONEY.0);
    if within { Ok(()) } else { Err(Refusal::AmountTooLarge) }
}
