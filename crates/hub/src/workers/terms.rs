//! Terms that come into force: their partner is told, and what it owes is seen against another cap
//! from then on. One operation announces each version, with an id that is derived from it, so that
//! several hubs announce it once.

use std::{collections::HashSet, sync::Arc, time::Duration};

use entente_ledger::{Cell, PartnerId, RequestId, TermsVersion};
use entente_loyalty::{Catalogue, Partner, Standing, Terms, crossings};
use entente_store::{
    Notice, Place, StoreError,
    control::Control,
    notices,
    settlement::{Announcement, announce, kept_exposures},
    sweep::now,
};
use jiff::Timestamp;
use sqlx::PgPool;
use tokio::sync::watch;
use uuid::Uuid;

use super::Worker;
use crate::{catalogue::CatalogueCache, notices::Anchor};

/// The namespace of the request ids of announcements: that of a version is derived from it.
const ANNOUNCEMENTS: Uuid = Uuid::from_u128(0x9a4e_2d7b_40c6_4b0d_8f51_d3a8_16ce_72f9);

/// How many versions one transaction announces at most: it holds all heads.
const AT_ONCE: usize = 32;

/// Announces terms when they come into force.
pub(crate) struct TermsInForce {
    pool: PgPool,
    catalogue: Arc<CatalogueCache>,
    every: Duration,
    /// What needs no second look.
    announced: HashSet<(PartnerId, TermsVersion)>,
}

impl TermsInForce {
    /// Announces those of this ledger.
    pub(crate) fn new(pool: PgPool, catalogue: Arc<CatalogueCache>, every: Duration) -> Self {
        Self { pool, catalogue, every, announced: HashSet::new() }
    }

    /// The versions that began and may not be announced yet, the earliest first.
    fn due(&self, catalogue: &Catalogue, now: Timestamp) -> Vec<Terms> {
        let terms = catalogue.partners().flat_map(|partner| &partner.terms);
        let begun = terms.filter(|terms| terms.effective_from <= now);
        let mut due: Vec<Terms> =
            begun.filter(|terms| !self.announced.contains(&key(terms))).cloned().collect();
        due.sort_by_key(|terms| (terms.effective_from, terms.partner));
        due
    }

    /// Announces some of them, in one transaction.
    async fn announce(&self, due: &[Terms]) -> Result<(), StoreError> {
        let mut control = Control::begin(&self.pool).await?;
        let catalogue = self.catalogue.at_least(control.catalogue_epoch()).await?;
        let cells = control.ledger().cell_count;
        let mut told = Vec::new();
        for terms in due {
            let announcement = announcement(terms, cells);
            if let Some(place) = announce(&mut control, announcement).await? {
                told.extend(notices_of(&mut control, &catalogue, terms, place).await?);
            }
        }
        if told.is_empty() {
            return control.rollback().await;
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
        let catalogue = self.catalogue.current().await?;
        let due = self.due(&catalogue, now(&self.pool).await?);
        for due in due.chunks(AT_ONCE) {
            if *stopping.borrow() {
                break;
            }
            self.announce(due).await?;
            self.announced.extend(due.iter().map(key));
        }
        Ok(())
    }
}

fn key(terms: &Terms) -> (PartnerId, TermsVersion) {
    (terms.partner, terms.version)
}

/// In the partner's home cell.
fn announcement(terms: &Terms, cells: i16) -> Announcement {
    let PartnerId(partner) = terms.partner;
    let name = [partner.to_be_bytes(), terms.version.0.to_be_bytes()].concat();
    let request_id = RequestId(Uuid::new_v5(&ANNOUNCEMENTS, &name));
    let cell = i16::try_from(partner.rem_euclid(cells.into())).unwrap_or_default();
    Announcement { request_id, cell: Cell(cell) }
}

/// That the version is in force, and which shares of the cap are crossed by that.
async fn notices_of(
    control: &mut Control,
    catalogue: &Catalogue,
    terms: &Terms,
    place: Place,
) -> Result<Vec<Notice>, StoreError> {
    let anchor = Anchor::at(place, control.now());
    let mut told = vec![anchor.terms_in_force(terms)];
    let before = catalogue.partner(terms.partner).and_then(|partner| predecessor(partner, terms));
    let Some(before) = before else { return Ok(told) };
    for (party, owed) in kept_exposures(control.connection(), Some(terms.partner)).await? {
        let cap = |terms: &Terms| terms.agreement.net_debit_caps.get(&party.currency).copied();
        let standing = |terms| Standing { owed, cap: cap(terms) };
        let crossed = crossings((party.partner, party.currency), standing(before), standing(terms));
        told.extend(crossed.map(|crossing| anchor.cap_threshold(&crossing)));
    }
    Ok(told)
}

/// The version that ended where this one begins.
fn predecessor<'a>(partner: &'a Partner, terms: &Terms) -> Option<&'a Terms> {
    partner.terms.iter().find(|before| before.effective_to == Some(terms.effective_from))
}
