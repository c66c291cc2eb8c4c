//! The catalogue as this hub knows it: reloaded when the ledger's epoch is newer.

use std::{
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, Instant},
};

use entente_loyalty::{Catalogue, Partner, PartnerCode};
use entente_store::{StoreError, catalogue};
use sqlx::PgPool;
use tokio::sync::Mutex;

use crate::{authorization::Permit, caller::Caller, control::partner_unknown, error::RpcError};

/// How long a read may rely on what is known. Writers rely on their heads instead.
const FRESH: Duration = Duration::from_secs(1);

/// The newest catalogue that this hub has loaded.
#[derive(Debug)]
pub struct CatalogueCache {
    pool: PgPool,
    known: RwLock<Known>,
    loading: Mutex<()>,
}

#[derive(Debug, Clone)]
struct Known {
    catalogue: Arc<Catalogue>,
    read_at: Instant,
}

impl CatalogueCache {
    /// Loads the catalogue.
    pub async fn load(pool: PgPool) -> Result<Arc<Self>, StoreError> {
        let known = read(&pool).await?;
        Ok(Arc::new(Self { pool, known: RwLock::new(known), loading: Mutex::new(()) }))
    }

    /// What is known, without a look at the database.
    #[must_use]
    pub fn known(&self) -> Arc<Catalogue> {
        self.snapshot().catalogue
    }

    /// A catalogue of this epoch, or of a newer one: what a writer decides by.
    pub async fn at_least(&self, epoch: i64) -> Result<Arc<Catalogue>, StoreError> {
        self.reload_unless(|known| known.catalogue.epoch >= epoch).await
    }

    /// A catalogue that is at most a second old: for reads.
    pub async fn current(&self) -> Result<Arc<Catalogue>, StoreError> {
        self.reload_unless(|known| known.read_at.elapsed() < FRESH).await
    }

    /// The calling partner; one that was created a moment ago is looked for once more.
    pub async fn caller(&self, permit: &Permit) -> Result<Partner, RpcError> {
        if let Ok(partner) = permit.partner_in(&self.known()) {
            return Ok(partner.clone());
        }
        let current = self.current().await?;
        Ok(permit.partner_in(&current)?.clone())
    }

    /// The calling partner, or `None` for an operator.
    pub async fn own(&self, permit: &Permit) -> Result<Option<Partner>, RpcError> {
        match permit.caller() {
            Caller::Operator(_) => Ok(None),
            Caller::Partner(_) => self.caller(permit).await.map(Some),
        }
    }

    /// Whom a read is about; `None` when an operator names nobody.
    pub async fn subject(
        &self,
        permit: &Permit,
        named: Option<PartnerCode>,
    ) -> Result<Option<Partner>, RpcError> {
        let subject = permit.subject(named)?;
        if let Some(own) = self.own(permit).await? {
            return Ok(Some(own));
        }
        let Some(code) = subject else { return Ok(None) };
        let catalogue = self.current().await?;
        let partner = catalogue.by_code(code.as_str()).ok_or_else(partner_unknown)?;
        Ok(Some(partner.clone()))
    }

    async fn reload_unless(
        &self,
        enough: impl Fn(&Known) -> bool,
    ) -> Result<Arc<Catalogue>, StoreError> {
        let known = self.snapshot();
        if enough(&known) {
            return Ok(known.catalogue);
        }
        // One loads; those who waited for it find what they need.
        let _loading = self.loading.lock().await;
        let known = self.snapshot();
        if enough(&known) {
            return Ok(known.catalogue);
        }
        let read = read(&self.pool).await?;
        let catalogue = Arc::clone(&read.catalogue);
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = read;
        Ok(catalogue)
    }

    fn snapshot(&self) -> Known {
        self.known.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn read(pool: &PgPool) -> Result<Known, StoreError> {
    let read_at = Instant::now();
    let mut connection = pool.acquire().await?;
    let catalogue = Arc::new(catalogue::load_catalogue(&mut connection).await?);
    Ok(Known { catalogue, read_at })
}
