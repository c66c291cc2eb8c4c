//! The closer: closes windows by the calendar though nobody posts, and notes who has agreed by silence.
//! It rests until the next cut-off at most, so that a cut-off does not wait for the first operation
//! after it.

use std::{sync::Arc, time::Duration};

use entente_store::{
    StoreError,
    settlement::{
        agreement::{agree_by_silence, lapsed},
        arrangement_in_force,
    },
    sweep::now,
};
use sqlx::PgPool;
use tokio::sync::watch;

use super::Worker;
use crate::{
    catalogue::CatalogueCache,
    control::{begin_without_heads, close_due},
};

/// How many windows one round brings to the end of their objection period at most.
const AT_ONCE: i64 = 64;

/// Closes windows at their time.
pub(crate) struct Closer {
    pool: PgPool,
    catalogue: Arc<CatalogueCache>,
    at_most: Duration,
    rest: Duration,
}

impl Closer {
    /// Closes those of this ledger.
    pub(crate) const fn new(pool: PgPool, catalogue: Arc<CatalogueCache>, every: Duration) -> Self {
        Self { pool, catalogue, at_most: every, rest: every }
    }

    /// How long it is until the next cut-off; `None` where none comes.
    async fn until_cut_off(&self) -> Result<Option<Duration>, StoreError> {
        let mut connection = self.pool.acquire().await?;
        let now = now(&mut *connection).await?;
        let closes_at = arrangement_in_force(&mut connection).await?.closes_at;
        let rest = closes_at.map(|at| at.duration_since(now));
        Ok(rest.map(|rest| Duration::try_from(rest).unwrap_or_default()))
    }

    async fn silence(&self) -> Result<(), StoreError> {
        let now = now(&self.pool).await?;
        for window in lapsed(&self.pool, now, AT_ONCE).await? {
            let mut control = begin_without_heads(&self.pool).await?;
            agree_by_silence(&mut control, window).await?;
            control.commit().await?;
        }
        Ok(())
    }
}

impl Worker for Closer {
    const NAME: &'static str = "closer";

    fn every(&self) -> Duration {
        self.rest
    }

    async fn round(&mut self, stopping: &watch::Receiver<bool>) -> Result<(), StoreError> {
        self.rest = self.at_most;
        while !*stopping.borrow() {
            match self.until_cut_off().await? {
                Some(Duration::ZERO) => close_due(&self.pool, &self.catalogue).await?,
                Some(rest) => {
                    self.rest = self.at_most.min(rest);
                    break;
                }
                None => break,
            }
        }
        if *stopping.borrow() { Ok(()) } else { self.silence().await }
    }
}
