//! Terms that come into force: their partner is told, and what it owes is seen against another cap
//! from then on. A version remembers that it was announced, and one operation announces it, with an id
//! that is derived from it: several hubs announce it once.

use std::{sync::Arc, time::Duration};

use entente_ledger::{Cell, PartnerId, RequestId};
use entente_loyalty::{Catalogue, Terms};
use entente_store::{
    Notice, Place, StoreError,
    catalogue::{mark_announced, to_announce},
    control::Control,
    notices,
    settlement::{Announcement, announce, kept_exposures},
    sweep::now,
};
use sqlx::PgPool;
use tokio::sync::watch;
use uuid::Uuid;

use super::Worker;
use crate::{catalogue::CatalogueCache, control::begin, notices::Anchor, thresholds};

/// The namespace of the request ids of announcements: that of a version is derived from it.
const ANNOUNCEMENTS: Uuid = Uuid::from_u128(0x9a4e_2d7b_40c6_4b0d_8f51_d3a8_16ce_72f9);

/// How many versions one transaction announces at most: it holds all heads.
const AT_ONCE: i64 = 32;

/// Announces terms when they come into force.
pub(crate) struct TermsInForce {
    pool: PgPool,
    catalogue: Arc<CatalogueCache>,
    every: Duration,
}

impl TermsInForce {
    /// Announces those of this ledger.
    pub(crate) fn new(pool: PgPool, catalogue: Arc<CatalogueCache>, every: Duration) -> Self {
        Self { pool, catalogue, every }
    }

    /// Whether versions began that are not announced.
    async fn is_due(&self) -> Result<bool, StoreError> {
        let now = now(&self.pool).await?;
        Ok(!to_announce(&self.pool, now, 1).await?.is_empty())
    }

    /// Announces the earliest of them, in one transaction.
    async fn announce(&self) -> Result<(), StoreError> {
        let mut control = begin(&self.pool, &self.catalogue).await?;
        let catalogue = self.catalogue.at_least(control.catalogue_epoch()).await?;
        let (cells, now) = (control.ledger().cell_count, control.now());
        let mut told = Vec::new();
        for (partner, version) in to_announce(control.connection(), now, AT_ONCE).await? {
            let known = catalogue.partner(partner);
            let known = known.and_then(|known| Some((known, known.terms_version(version)?)));
            let Some((partner, terms)) = known else {
                return Err(StoreError::inconsistent("terms", "version", version.0));
            };
            let announcement = announcement(terms, partner.testing, cells);
            if let Some(place) = announce(&mut control, announcement).await? {
                told.extend(notices_of(&mut control, &catalogue, terms, place).await?);
            }
            mark_announced(control.connection(), (partner.id, version)).await?;
        }
        notices::insert(control.connection(), &told).await?;
        control.commit().await
    }
}

impl Worker for TermsInForce {
    const NAME: &'static str = "terms";

    fn every(&self) -> Duration {
        self.every
    }

    async fn round(&mut self, stopping: &watch::Receiver<bool>) -> Result<(), StoreError> {
        while !*stopping.borrow() && self.is_due().await? {
            self.announce().await?;
        }
        Ok(())
    }
}

/// In the partner's home cell.
fn announcement(terms: &Terms, testing: bool, cells: i16) -> Announcement {
    let PartnerId(partner) = terms.partner;
    let name = [partner.to_be_bytes(), terms.version.0.to_be_bytes()].concat();
    let request_id = RequestId(Uuid::new_v5(&ANNOUNCEMENTS, &name));
    let cell = i16::try_from(partner.rem_euclid(cells.into())).unwrap_or_default();
    Announcement { request_id, cell: Cell(cell), testing }
}

/// That the version is in force, and which shares of the cap in force now are crossed by that.
async fn notices_of(
    control: &mut Control,
    catalogue: &Catalogue,
    terms: &Terms,
    place: Place,
) -> Result<Vec<Notice>, StoreError> {
    let anchor = Anchor::at(place, control.now());
    let exposures = kept_exposures(control.connection(), Some(terms.partner)).await?;
    let mut told = vec![anchor.terms_in_force(terms)];
    told.extend(thresholds::told(control, catalogue, anchor, &exposures).await?);
    Ok(told)
}
