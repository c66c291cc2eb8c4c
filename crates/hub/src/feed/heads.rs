//! How far the cells are, as this hub knows it: told by its own commits at once, and read from the
//! database a few times a second for those of others.

use std::{collections::BTreeMap, time::Duration};

use entente_ledger::{Cell, Seq};
use entente_store::{
    StoreError,
    feed::{self, FeedHead, FeedHeads},
};
use jiff::Timestamp;
use sqlx::PgPool;
use tokio::sync::watch;

use crate::workers::Worker;

/// How often the heads are read.
const EVERY: Duration = Duration::from_millis(200);

/// The newest heads that this hub knows to be committed. Clones share them.
#[derive(Debug, Clone)]
pub struct Heads(watch::Sender<FeedHeads>);

impl Heads {
    /// Reads them for the first time.
    pub async fn load(pool: &PgPool) -> Result<Self, StoreError> {
        Ok(Self(watch::Sender::new(feed::heads(pool).await?)))
    }

    /// Learns of a commit of this hub.
    pub fn committed(&self, last: &BTreeMap<Cell, Seq>, now: Timestamp) {
        self.0.send_if_modified(|known| {
            let mut moved = false;
            for (cell, seq) in last {
                let head = usize::try_from(cell.0).ok().and_then(|cell| known.cells.get_mut(cell));
                moved |= head.is_some_and(|head| advance(head, *seq, now));
            }
            known.now = known.now.max(now);
            moved
        });
    }

    /// What is known.
    #[must_use]
    pub fn known(&self) -> FeedHeads {
        self.0.borrow().clone()
    }

    /// Reads them now.
    pub async fn read(&self, pool: &PgPool) -> Result<FeedHeads, StoreError> {
        let read = feed::heads(pool).await?;
        self.0.send_if_modified(|known| {
            known.now = known.now.max(read.now);
            let cells = known.cells.iter_mut().zip(&read.cells);
            cells
                .fold(false, |moved, (head, read)| advance(head, read.seq, read.last_time) || moved)
        });
        Ok(self.known())
    }

    /// What follows them.
    #[must_use]
    pub fn follow(&self) -> watch::Receiver<FeedHeads> {
        self.0.subscribe()
    }
}

/// Keeps the heads: reads them again and again while somebody follows.
pub(crate) struct KeptHeads {
    pool: PgPool,
    heads: Heads,
}

impl KeptHeads {
    /// Keeps these.
    pub(crate) const fn new(pool: PgPool, heads: Heads) -> Self {
        Self { pool, heads }
    }
}

impl Worker for KeptHeads {
    const NAME: &'static str = "heads";

    fn every(&self) -> Duration {
        EVERY
    }

    async fn round(&mut self, _: &watch::Receiver<bool>) -> Result<(), StoreError> {
        if self.heads.0.receiver_count() > 0 {
            self.heads.read(&self.pool).await?;
        }
        Ok(())
    }
}

/// Moves a head forward; whether its number rose.
fn advance(head: &mut FeedHead, seq: Seq, last_time: Timestamp) -> bool {
    if seq < head.seq {
        return false;
    }
    let moved = seq > head.seq;
    *head = FeedHead { seq, last_time: last_time.max(head.last_time) };
    moved
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_never_moves_back() {
        let at = |second| Timestamp::from_second(second).expect("a time");
        let head = |seq| FeedHead { seq: Seq(seq), last_time: at(0) };
        let heads =
            Heads(watch::Sender::new(FeedHeads { cells: vec![head(5), head(7)], now: at(0) }));
        let mut followed = heads.follow();
        heads.committed(&BTreeMap::from([(Cell(0), Seq(4)), (Cell(1), Seq(7))]), at(1));
        assert!(!followed.has_changed().expect("it lives"), "nothing moved");
        heads.committed(&BTreeMap::from([(Cell(0), Seq(6)), (Cell(9), Seq(1))]), at(2));
        assert!(followed.has_changed().expect("it lives"));
        let known = followed.borrow_and_update().clone();
        assert_eq!((known.cells[0].seq, known.cells[0].last_time), (Seq(6), at(2)));
        assert_eq!((known.cells[1].seq, known.now), (Seq(7), at(2)));
    }
}
