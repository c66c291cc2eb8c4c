//! Floats in metrics: what each prepaid partner has left, whichever hub it was drawn at.

use std::{sync::Arc, time::Duration};

use entente_store::{StoreError, catalogue::catalogue_epoch, settlement::floats};
use sqlx::PgPool;
use tokio::sync::watch;

use super::Worker;
use crate::catalogue::CatalogueCache;

/// Measures floats.
pub(crate) struct FloatGauge {
    pool: PgPool,
    catalogue: Arc<CatalogueCache>,
    every: Duration,
}

impl FloatGauge {
    /// Measures the floats of this ledger.
    pub(crate) const fn new(pool: PgPool, catalogue: Arc<CatalogueCache>, every: Duration) -> Self {
        Self { pool, catalogue, every }
    }
}

impl Worker for FloatGauge {
    const NAME: &'static str = "floats";

    fn every(&self) -> Duration {
        self.every
    }

    async fn round(&mut self, _: &watch::Receiver<bool>) -> Result<(), StoreError> {
        let floats = floats::list_floats(&self.pool, None).await?;
        if floats.is_empty() {
            return Ok(());
        }
        let epoch = catalogue_epoch(&self.pool).await?;
        let catalogue = self.catalogue.at_least(epoch).await?;
        for float in floats {
            let Some(partner) = catalogue.partner(float.partner) else { continue };
            let labels =
                [("partner", partner.code.to_string()), ("currency", float.currency.to_string())];
            let [left, reserve, level] =
                [float.left, float.reserve_left, float.level].map(|points| gauged(points.0));
            metrics::gauge!("entente_float_points_left", &labels).set(left);
            metrics::gauge!("entente_float_reserve_left", &labels).set(reserve);
            metrics::gauge!("entente_float_level", &labels).set(level);
        }
        Ok(())
    }
}

#[expect(
    clippy::as_conversions,
    clippy::cast_precision_loss,
    reason = "a gauge has no more digits than it has"
)]
fn gauged(points: i64) -> f64 {
    points as f64
}
