//! The ledger behind a hub: its database, its catalogue, its pipeline, and the services over them.

use std::{sync::Arc, time::Duration};

use entente_api::{
    ledger::ledger_service_server::LedgerServiceServer,
    member::member_service_server::MemberServiceServer,
    partner::partner_service_server::PartnerServiceServer,
    points::points_service_server::PointsServiceServer,
    settlement::settlement_service_server::SettlementServiceServer,
};
use entente_store::{StoreError, batch::Snapshot};
use sqlx::PgPool;
use tokio::task::JoinHandle;

use crate::{
    Config, ReadyCheck, Services,
    catalogue::CatalogueCache,
    config::ConfigError,
    control::Controls,
    page_token::{KeyError, PageTokens},
    posting::{Posting, PostingTasks, Quotes},
    reading::Reading,
    rpc::{Clock, Members, Partners, Points, Settlement},
    settlement::Settlements,
};

/// How often the months ahead are made sure of.
const MONTHS_EVERY: Duration = Duration::from_hours(1);

/// Connections for control writes and reads.
const CONNECTIONS: u32 = 26;

/// How long the pipeline gets to answer what is queued when the hub stops.
const DRAIN: Duration = Duration::from_secs(20);

/// An open ledger.
#[derive(Debug)]
pub struct Ledger {
    pool: PgPool,
    catalogue: Arc<CatalogueCache>,
    page_tokens: Arc<PageTokens>,
    posting: Posting,
    tasks: PostingTasks,
    months: JoinHandle<()>,
}

/// Why a ledger cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// No database is configured.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The database is out of reach, or holds no ledger.
    #[error("the ledger cannot be opened: {0}")]
    Store(#[from] StoreError),
    /// The key of page tokens cannot be used.
    #[error(transparent)]
    Key(#[from] KeyError),
}

impl Ledger {
    /// Connects to the database as the runtime role and starts the pipeline.
    pub async fn open(config: &Config) -> Result<Self, OpenError> {
        let url = config.database_url()?;
        let pool = entente_store::connect(url.reveal(), CONNECTIONS).await?;
        ensure_months(&pool).await?;
        // The pipeline has connections of its own: no read can keep a writer waiting.
        let own = entente_store::connect(url.reveal(), connections(config)).await?;
        let catalogue = CatalogueCache::load(own.clone()).await?;
        let (posting, tasks) = Posting::start(&own, &catalogue, &config.posting);
        let page_tokens = Arc::new(PageTokens::open(&config.keys)?);
        let months = tokio::spawn(keep_months(pool.clone()));
        Ok(Self { pool, catalogue, page_tokens, posting, tasks, months })
    }

    /// The services over the ledger.
    #[must_use]
    pub fn services(self) -> Services {
        let Self { pool, catalogue, page_tokens, posting, tasks, months } = self;
        let known = || Arc::clone(&catalogue);
        let controls = Controls::new(pool.clone(), known());
        let points = Points {
            posting,
            quotes: Quotes::new(pool.clone(), known(), 8),
            pool: pool.clone(),
            catalogue: known(),
        };
        let members = Members {
            controls: controls.clone(),
            reading: Reading::new(pool.clone(), known()),
            catalogue: known(),
            page_tokens: Arc::clone(&page_tokens),
        };
        let partners = Partners {
            controls: controls.clone(),
            catalogue: known(),
            pool: pool.clone(),
            page_tokens: Arc::clone(&page_tokens),
        };
        let settlement = Settlement {
            controls: controls.clone(),
            settlements: Settlements::new(pool.clone(), known()),
            catalogue: known(),
            page_tokens,
        };
        let clock = Clock { controls, pool: pool.clone(), catalogue: known() };
        let finish = Box::pin(async move {
            months.abort();
            if !tasks.drained(DRAIN).await {
                tracing::warn!("the pipeline did not end in time");
            }
        });
        Services::builder()
            .with(PointsServiceServer::new(points))
            .with(MemberServiceServer::new(members))
            .with(PartnerServiceServer::new(partners))
            .with(SettlementServiceServer::new(settlement))
            .with(LedgerServiceServer::new(clock))
            .build(ready(pool), finish)
    }
}

/// Two for each writer, which may load the catalogue in the middle of a batch, and some for the
/// resolver and for the catalogue's readers.
fn connections(config: &Config) -> u32 {
    u32::try_from(config.posting.writers.saturating_mul(2)).unwrap_or(32).min(32) + 2
}

fn ready(pool: PgPool) -> ReadyCheck {
    Arc::new(move || {
        let pool = pool.clone();
        Box::pin(async move { sqlx::query!("SELECT 1 AS one").fetch_one(&pool).await.is_ok() })
    })
}

async fn keep_months(pool: PgPool) {
    loop {
        tokio::time::sleep(MONTHS_EVERY).await;
        if let Err(error) = ensure_months(&pool).await {
            tracing::error!(%error, "the months ahead could not be made");
        }
    }
}

async fn ensure_months(pool: &PgPool) -> Result<(), StoreError> {
    let now = Snapshot::begin(pool).await?.now;
    let mut connection = pool.acquire().await?;
    entente_store::ensure_months(&mut connection, now).await
}
