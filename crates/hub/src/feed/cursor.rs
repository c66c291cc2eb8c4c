//! A place in a partner's events: a number for each cell, up to which all is read, and a time for
//! each, before which nothing is unread.

use entente_ledger::{Cell, Seq};
use entente_store::feed::{FeedHeads, FeedPlace};
use jiff::{SignedDuration, Timestamp};
use prost::Message;

/// How much later than its time an operation is committed at most. A transaction is cut short long
/// before.
const LATEST_COMMIT: SignedDuration = SignedDuration::from_hours(1);

/// A place in a partner's events. It is the same for every kind of event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    pub(super) seqs: Vec<i64>,
    pub(super) floors: Vec<Timestamp>,
}

/// A cursor as tokens and rows have it.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct StoredCursor {
    /// Nothing before this time is unread, in microseconds.
    #[prost(int64, tag = "1")]
    pub floor_micros: i64,
    /// The number of each cell, in order.
    #[prost(int64, repeated, tag = "2")]
    pub seqs: Vec<i64>,
}

impl Cursor {
    /// Behind everything that the heads say is committed.
    #[must_use]
    pub fn at(heads: &FeedHeads) -> Self {
        let seqs = heads.cells.iter().map(|head| head.seq.0).collect();
        Self { seqs, floors: floors(heads) }
    }

    /// Before everything that was posted at a time or later.
    #[must_use]
    pub fn since(time: Timestamp, heads: &FeedHeads) -> Self {
        let count = heads.cells.len();
        Self { seqs: vec![0; count], floors: vec![time; count] }
    }

    /// The cursor that was stored; `None` when it is none of this ledger, or lies in the future of
    /// these heads.
    #[must_use]
    pub fn of(stored: &StoredCursor, heads: &FeedHeads) -> Option<Self> {
        let floor = Timestamp::from_microsecond(stored.floor_micros).ok()?;
        let known = stored.seqs.len() == heads.cells.len() && floor <= heads.now;
        let past =
            stored.seqs.iter().zip(&heads.cells).all(|(seq, head)| (0..=head.seq.0).contains(seq));
        let floors = vec![floor; stored.seqs.len()];
        (known && past).then(|| Self { seqs: stored.seqs.clone(), floors })
    }

    /// What to store of it.
    #[must_use]
    pub fn stored(&self) -> StoredCursor {
        let floor = self.floors.iter().min().copied().unwrap_or_default();
        StoredCursor { floor_micros: floor.as_microsecond(), seqs: self.seqs.clone() }
    }

    /// Whether something was committed behind it.
    #[must_use]
    pub fn is_behind(&self, heads: &FeedHeads) -> bool {
        self.seqs.iter().zip(&heads.cells).any(|(seq, head)| *seq < head.seq.0)
    }

    /// The time before which nothing is unread in the cells that moved.
    #[must_use]
    pub fn floor(&self, heads: &FeedHeads) -> Timestamp {
        let cells = self.seqs.iter().zip(&self.floors).zip(&heads.cells);
        let moved =
            cells.filter(|((seq, _), head)| **seq < head.seq.0).map(|((_, floor), _)| *floor);
        moved.min().unwrap_or(heads.now)
    }

    /// Goes past one event of a page; those of the same operation follow unless it is `complete`.
    pub(super) fn pass(&mut self, place: FeedPlace, complete: bool, floors: &[Timestamp]) {
        let Seq(seq) = place.seq;
        self.raise(place.cell, if complete { seq } else { seq - 1 });
        self.read_until(place.posted_at, floors);
    }

    /// Everything of a cell up to this number is read.
    pub(super) fn raise(&mut self, cell: Cell, to: i64) {
        let seq = usize::try_from(cell.0).ok().and_then(|cell| self.seqs.get_mut(cell));
        if let Some(seq) = seq {
            *seq = to.max(*seq);
        }
    }

    /// Everything before a time is read of what was committed; what was not has a floor.
    pub(super) fn read_until(&mut self, time: Timestamp, floors: &[Timestamp]) {
        for (known, floor) in self.floors.iter_mut().zip(floors) {
            *known = (*known).max(time.min(*floor));
        }
    }
}

/// The time before which nothing more can come, of each cell: that of its last batch, and for a
/// cell at rest one that lies far enough back.
pub(super) fn floors(heads: &FeedHeads) -> Vec<Timestamp> {
    let far = heads.now.checked_sub(LATEST_COMMIT).unwrap_or(Timestamp::MIN);
    heads.cells.iter().map(|head| head.last_time.max(far)).collect()
}

#[cfg(test)]
mod tests {
    use entente_store::feed::FeedHead;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("a time")
    }

    fn heads(cells: &[(i64, i64)], now: i64) -> FeedHeads {
        let head = |&(seq, last): &(i64, i64)| FeedHead { seq: Seq(seq), last_time: at(last) };
        FeedHeads { cells: cells.iter().map(head).collect(), now: at(now) }
    }

    #[test]
    fn a_cursor_comes_back_as_it_was_stored_and_never_from_the_future() {
        let heads = heads(&[(5, 10_000), (0, 0)], 20_000);
        let cursor = Cursor::at(&heads);
        let stored = cursor.stored();
        assert_eq!(stored.floor_micros, 16_400_000_000, "an hour before now: a cell rests");
        let again = Cursor::of(&stored, &heads).expect("a good cursor");
        assert_eq!(again.seqs, cursor.seqs);
        assert!(!again.is_behind(&heads));
        for bad in [
            StoredCursor { seqs: vec![6, 0], ..stored.clone() },
            StoredCursor { seqs: vec![-1, 0], ..stored.clone() },
            StoredCursor { seqs: vec![5], ..stored.clone() },
            StoredCursor { seqs: vec![5, 0, 0], ..stored.clone() },
            StoredCursor { floor_micros: 20_000_000_001, ..stored.clone() },
            StoredCursor { floor_micros: i64::MIN, ..stored },
        ] {
            assert_eq!(Cursor::of(&bad, &heads), None, "{bad:?}");
        }
    }

    #[test]
    fn what_may_still_be_committed_holds_the_floor_back() {
        let heads = heads(&[(5, 10_000), (9, 9_000)], 10_000);
        let mut cursor = Cursor::since(at(100), &heads);
        assert!(cursor.is_behind(&heads));
        assert_eq!(cursor.floor(&heads), at(100));
        let place = |second, cell, seq| FeedPlace {
            posted_at: at(second),
            cell: Cell(cell),
            seq: Seq(seq),
        };
        cursor.pass(place(8_000, 0, 3), true, &floors(&heads));
        assert_eq!((cursor.seqs.as_slice(), cursor.floor(&heads)), ([3, 0].as_slice(), at(8_000)));
        cursor.pass(place(9_500, 0, 5), false, &floors(&heads));
        assert_eq!(cursor.seqs, [4, 0], "the last event of the operation is still to come");
        assert_eq!(cursor.floors, [at(9_500), at(9_000)], "cell 1 may still commit from 9,000 on");
    }
}
