//! Whose turn it is to read: one read at a time for each partner, and a few for all of them, in the
//! order in which they came. So a partner with many streams and webhooks waits for itself alone.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use entente_ledger::PartnerId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::Refused;

/// The turns of all partners. Clones share them.
#[derive(Debug, Clone)]
pub(super) struct Turns {
    all: Arc<Semaphore>,
    /// One for each partner that ever read; there are as many as operators created.
    partners: Arc<Mutex<HashMap<PartnerId, Arc<Semaphore>>>>,
}

/// A turn, until it is dropped.
#[derive(Debug)]
pub(super) struct Turn {
    _of_all: OwnedSemaphorePermit,
    _own: OwnedSemaphorePermit,
}

impl Turns {
    /// So many at the same time.
    pub(super) fn new(at_once: usize) -> Self {
        Self { all: Arc::new(Semaphore::new(at_once)), partners: Arc::default() }
    }

    /// Waits for a partner's turn.
    pub(super) async fn take(&self, partner: PartnerId) -> Result<Turn, Refused> {
        let own = {
            let mut partners = self.partners.lock().unwrap_or_else(PoisonError::into_inner);
            let own = partners.entry(partner).or_insert_with(|| Arc::new(Semaphore::new(1)));
            Arc::clone(own)
        };
        // Its own first: a partner has at most one read in the line of all.
        let own = own.acquire_owned().await.map_err(|_| Refused::shutting_down())?;
        let of_all = Arc::clone(&self.all).acquire_owned().await;
        Ok(Turn { _of_all: of_all.map_err(|_| Refused::shutting_down())?, _own: own })
    }
}

#[cfg(test)]
mod tests {
    use futures::{FutureExt, future::join_all};
    use tokio::task::yield_now;

    use super::*;

    #[tokio::test]
    async fn a_partner_that_reads_a_hundred_times_keeps_one_turn_and_no_more() {
        let turns = Turns::new(2);
        let reads = || join_all((0..100).map(|_| turns.take(PartnerId(1))));
        let mut greedy = Box::pin(reads());
        assert!((&mut greedy).now_or_never().is_none(), "one reads, the others wait");
        let other = turns.take(PartnerId(2)).now_or_never();
        let other = other.expect("another partner does not wait").expect("a turn");

        let third = tokio::spawn({
            let turns = turns.clone();
            async move { turns.take(PartnerId(3)).await.map(drop).is_ok() }
        });
        yield_now().await;
        assert!(!third.is_finished(), "there are two turns in all");
        drop(other);
        assert!(third.await.expect("no panic"), "it comes before the ninety-nine");
    }
}
