//! Keeps the guard informed, the hub's keys published, and the tables of what has ended small.

use std::{sync::Arc, time::Duration};

use entente_store::{StoreError, security};
use sqlx::PgPool;
use tokio::{sync::watch, time::Instant};

use super::{Guard, Signer, SignerError, time_of_day};
use crate::{deadline::answered_within, error::chain, workers::Worker};

/// How often keys are looked after and what has ended is forgotten.
const TIDY_EVERY: Duration = Duration::from_mins(1);

/// How long a look may take: less than a hub goes on without one.
const LOOK: Duration = Duration::from_secs(3);

/// How many ids of assertions are forgotten at once.
const PRUNED: i64 = 10_000;

/// Looks at the security epoch again and again.
pub(crate) struct Keeper {
    pool: PgPool,
    guard: Guard,
    signer: Arc<Signer>,
    every: Duration,
    tidied: Option<Instant>,
}

impl Keeper {
    /// Looks so often.
    pub(crate) const fn new(
        pool: PgPool,
        guard: Guard,
        signer: Arc<Signer>,
        every: Duration,
    ) -> Self {
        Self { pool, guard, signer, every, tidied: None }
    }

    /// Whether the hub has a key that was not revoked.
    fn can_sign(&self) -> bool {
        let now = time_of_day();
        let Some(key) = self.signer.key(now) else { return false };
        let in_force = self.guard.in_force();
        in_force.is_ok_and(|it| it.signing_key(key.public_key().kid(), now).is_some())
    }

    async fn tidy(&mut self) -> Result<(), StoreError> {
        match self.signer.publish(&self.pool, time_of_day()).await {
            Ok(()) => {}
            Err(SignerError::Store(error)) => return Err(error),
            Err(error) => tracing::error!(error = chain(&error), "the hub's signing key"),
        }
        security::prune_assertions(&self.pool, PRUNED).await?;
        security::prune_denied(&self.pool).await?;
        security::prune_signing_keys(&self.pool).await?;
        Ok(())
    }
}

impl Worker for Keeper {
    const NAME: &'static str = "security";

    fn every(&self) -> Duration {
        self.every
    }

    /// No call is answered until the epoch is read again: a database that is back is not waited for.
    fn longest_pause(&self) -> Duration {
        self.every
    }

    async fn round(&mut self, _: &watch::Receiver<bool>) -> Result<(), StoreError> {
        answered_within(LOOK, self.guard.look()).await?;
        let due = self.tidied.is_none_or(|tidied| tidied.elapsed() >= TIDY_EVERY);
        if due || !self.can_sign() {
            self.tidied = Some(Instant::now());
            self.tidy().await?;
        }
        Ok(())
    }
}
