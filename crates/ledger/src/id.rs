//! Every identifier, each a type of its own, so that none is taken for another.

use std::fmt;

use uuid::Uuid;

use crate::Overflow;

/// A partner's number inside the ledger. Callers know partners by their codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PartnerId(pub i32);

impl PartnerId {
    /// The hub itself: a counterparty in positions, and the partner of what its workers do.
    pub const HUB: Self = Self(0);
}

impl fmt::Display for PartnerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A member inside the hub: a random UUID that no partner ever sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MemberId(pub Uuid);

impl MemberId {
    /// The member's cell among `cell_count`: FNV-1a over the id's bytes, which is stable for ever.
    ///
    /// # Panics
    /// When `cell_count` is not positive; a ledger is created with at least one cell.
    #[must_use]
    pub fn cell(self, cell_count: i16) -> Cell {
        let hash = self.0.as_bytes().iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
        });
        let count = u64::try_from(cell_count).expect("a ledger has at least one cell");
        let cell = hash.checked_rem(count).expect("a ledger has at least one cell");
        Cell(i16::try_from(cell).expect("a remainder is below its divisor"))
    }
}

/// A slice of the members: the unit of order and of batching.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Cell(pub i16);

/// An operation's number in its cell, without gaps, in commit order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Seq(pub i64);

impl Seq {
    /// The number `count` operations later, or [`Overflow`].
    pub fn after(self, count: usize) -> Result<Self, Overflow> {
        let count = i64::try_from(count).map_err(|_| Overflow)?;
        self.0.checked_add(count).map(Self).ok_or(Overflow)
    }
}

/// The UUID that a caller gives a write. With the partner, it names the operation for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestId(pub Uuid);

/// A settlement window's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WindowId(pub i32);

/// A version of one partner's terms, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TermsVersion(pub i32);

/// A lot of one member: the operation that opened it, and its place among those it opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LotId {
    /// The operation that opened the lot, in the member's cell.
    pub opened_by: Seq,
    /// 0 for an earn; counts on where one operation opens several lots.
    pub ordinal: i16,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_stays_in_its_cell() {
        let member = MemberId(Uuid::from_u128(0x0123_4567_89ab_4def_8123_4567_89ab_cdef));
        assert_eq!(member.cell(16), member.cell(16));
        assert_eq!(member.cell(1), Cell(0));
    }

    #[test]
    fn members_spread_over_all_cells() {
        let mut counts = [0_u32; 16];
        for n in 0..16_000_u128 {
            let cell = MemberId(Uuid::from_u128(n)).cell(16);
            counts[usize::try_from(cell.0).expect("not negative")] += 1;
        }
        assert!(counts.iter().all(|count| (700..1_300).contains(count)), "{counts:?}");
    }
}
