//! Partitions made in time: the months ahead of the ledger's clock.

use std::time::Duration;

use entente_store::{StoreError, ensure_months, sweep};
use sqlx::PgPool;
use tokio::sync::watch;

use super::Worker;

/// Makes the months ahead.
pub(crate) struct Months {
    pool: PgPool,
    every: Duration,
}

impl Months {
    /// Months of this ledger.
    pub(crate) const fn new(pool: PgPool, every: Duration) -> Self {
        Self { pool, every }
    }
}

impl Worker for Months {
    const NAME: &'static str = "months";

    fn every(&self) -> Duration {
        self.every
    }

    async fn round(&mut self, _: &watch::Receiver<bool>) -> Result<(), StoreError> {
        let mut connection = self.pool.acquire().await?;
        let now = sweep::now(&mut *connection).await?;
        ensure_months(&mut connection, now).await
    }
}
