//! The ledger behind a hub: its database, its catalogue, its pipeline, and the services over them.

use std::{sync::Arc, time::Duration};

use entente_api::{
    audit::audit_service_server::AuditServiceServer,
    event::{
        event_service_server::EventServiceServer, webhook_service_server::WebhookServiceServer,
    },
    identity::{
        key_service_server::KeyServiceServer, operator_service_server::OperatorServiceServer,
        token_service_server::TokenServiceServer,
    },
    ledger::ledger_service_server::LedgerServiceServer,
    member::member_service_server::MemberServiceServer,
    partner::partner_service_server::PartnerServiceServer,
    points::points_service_server::PointsServiceServer,
    proposal::proposal_service_server::ProposalServiceServer,
    settlement::{
        clearing_service_server::ClearingServiceServer,
        reconciliation_service_server::ReconciliationServiceServer,
        report_service_server::ReportServiceServer,
        settlement_service_server::SettlementServiceServer,
    },
};
use entente_identity::pki::{DomainDirectory, PkiError};
use entente_store::{LedgerKind, StoreError, settlement::WindowPools};
use jiff::SignedDuration;
use sqlx::PgPool;

use crate::{
    Config, ReadyCheck, Services, audit,
    catalogue::CatalogueCache,
    config::{ConfigError, Limits},
    control::Controls,
    feed::{EventKey, Feed, Heads, KeptHeads},
    hub::Finish,
    key_file::KeyError,
    linking::{LinkKey, Linking},
    page_token::PageTokens,
    personal::Vault,
    posting::{Posting, PostingTasks, Quotes},
    reading::Reading,
    reconciliation::Reconciliations,
    rpc::{
        Audit, Clearing, Clock, Events, Keys, Members, Operators, Partners, Points, Proposals,
        Reconciling, Reporting, Settlement, Tokens, Webhooks,
    },
    security::{Domain, Guard, Issuer, Signer, SignerError, time_of_day},
    services::ServicesBuilder,
    settlement::{Reports, Settlements},
    streams::Streams,
    webhooks::{Courier, Desk, RootsError, Sender, WebhookKey},
    workers::{Closer, FloatGauge, Months, Sweeper, TermsInForce, Workers},
};

/// Connections for control writes and reads.
const CONNECTIONS: u32 = 20;

/// Connections for what is added up over whole windows, and as many for their pages.
const WINDOW_CONNECTIONS: u32 = 10;

/// Connections for pages of events.
const FEED_CONNECTIONS: u32 = 5;

/// How long the pipeline gets to answer what is queued when the hub stops.
const DRAIN: Duration = Duration::from_secs(20);

/// An open ledger.
#[derive(Debug)]
pub struct Ledger {
    pool: PgPool,
    windows: WindowPools,
    catalogue: Arc<CatalogueCache>,
    page_tokens: Arc<PageTokens>,
    vault: Arc<Vault>,
    linking: Arc<Linking>,
    posting: Posting,
    tasks: PostingTasks,
    feed: Feed,
    desk: Arc<Desk>,
    issuer: Arc<Issuer>,
    workers: Workers,
    limits: Limits,
    proposal_life: SignedDuration,
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
    /// A key cannot be used.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The key of personal data is another than the one that the ledger was written by.
    #[error(
        "personal-data.key does not open the personal data of this ledger: restore the key that does"
    )]
    PersonalData,
    /// The trust domain is not to be found where certificates lie.
    #[error(transparent)]
    TrustDomain(#[from] PkiError),
    /// The hub has no key to sign tokens by.
    #[error("the hub cannot sign tokens: {0}")]
    Signer(#[from] SignerError),
    /// The roots that webhooks are to trust besides cannot be used.
    #[error(transparent)]
    Roots(#[from] RootsError),
}

impl Ledger {
    /// Connects to the database as the runtime role and starts the pipeline.
    pub async fn open(config: &Config) -> Result<Self, OpenError> {
        let url = config.database_url()?;
        let pool = entente_store::connect_by_key(url.reveal(), CONNECTIONS).await?;
        let kind = prepared(&pool).await?;
        let windows = WindowPools {
            totals: entente_store::connect(url.reveal(), WINDOW_CONNECTIONS).await?,
            pages: entente_store::connect_in_order(url.reveal(), WINDOW_CONNECTIONS).await?,
        };
        // The pipeline has connections of its own: no read can keep a writer waiting.
        let own = entente_store::connect_by_key(url.reveal(), connections(config)).await?;
        let catalogue = CatalogueCache::load(own.clone()).await?;
        let heads = Heads::load(&pool).await?;
        let (posting, tasks) = Posting::start(&own, &catalogue, &heads, &config.posting);
        let page_tokens = Arc::new(PageTokens::open(&config.keys)?);
        let in_order = entente_store::connect_in_order(url.reveal(), FEED_CONNECTIONS).await?;
        let feed = Feed::new(in_order, heads.clone(), EventKey::open(&config.keys)?);
        let (sender, key) = (Sender::new(&config.webhooks)?, WebhookKey::open(&config.keys)?);
        let desk = Desk::new(pool.clone(), feed.clone(), sender, key, &config.webhooks);
        let issuer = issuer(config, &pool).await?;
        let vault = Arc::new(Vault::open(&config.keys)?);
        opens(&vault, &pool).await?;
        let linking = Arc::new(linking(config, pool.clone(), issuer.guard(), &vault)?);
        let sweeps = Posting::sweeps(&own, &catalogue, &heads, &config.posting);
        let workers = Workers::new()
            .with(Months::new(own.clone(), config.workers.months_every()))
            .with(TermsInForce::new(
                own.clone(),
                Arc::clone(&catalogue),
                config.workers.terms_every(),
            ))
            .with(Closer::new(own.clone(), Arc::clone(&catalogue), config.workers.close_every()))
            .with(FloatGauge::new(
                pool.clone(),
                Arc::clone(&catalogue),
                config.workers.close_every(),
            ))
            .with(KeptHeads::new(pool.clone(), heads))
            .with(issuer.keeper(config.tokens.look_every()))
            .with(Courier::new(Arc::clone(&desk), config.webhooks.every()))
            .with(Sweeper::new(own, sweeps, kind.cell_count, &config.workers));
        let limits = config.limits.clone();
        let proposal_life = config.proposal_life();
        Ok(Self {
            pool,
            windows,
            catalogue,
            page_tokens,
            vault,
            linking,
            posting,
            tasks,
            feed,
            desk,
            issuer,
            workers,
            limits,
            proposal_life,
        })
    }

    /// The services over the ledger.
    #[must_use]
    pub fn services(self) -> Services {
        let Self { pool, windows, catalogue, page_tokens, posting, tasks, feed, desk, .. } = self;
        let (workers, limits, issuer) = (self.workers, self.limits, self.issuer);
        let (linking, vault) = (self.linking, self.vault);
        let guard = issuer.guard().clone();
        let builder = Services::builder().guarded(guard.clone());
        let known = || Arc::clone(&catalogue);
        let controls = Controls::new(pool.clone(), known(), Arc::clone(&vault));
        let members = Members {
            controls: controls.clone(),
            posting: posting.clone(),
            reading: Reading::new(pool.clone(), known(), Arc::clone(&vault))
                .with_sums(posting.sums()),
            linking,
            catalogue: known(),
            page_tokens: Arc::clone(&page_tokens),
        };
        let points = Points {
            posting,
            quotes: Quotes::new(pool.clone(), known(), 8),
            pool: pool.clone(),
            catalogue: known(),
            streams: Streams::new(&limits, builder.draining()),
            line_deadline: limits.default_deadline(),
            vault: Arc::clone(&vault),
        };
        let partners = Partners {
            controls: controls.clone(),
            catalogue: known(),
            pool: pool.clone(),
            page_tokens: Arc::clone(&page_tokens),
        };
        let (proposing, life) = ((controls.clone(), pool.clone()), self.proposal_life);
        let proposals = Proposals::new(proposing, Arc::clone(&page_tokens), life);
        let events = Events {
            feed,
            catalogue: known(),
            page_tokens: Arc::clone(&page_tokens),
            streams: Streams::new(&limits, builder.draining()),
            heartbeat: limits.watch_heartbeat(),
        };
        let webhooks = Webhooks {
            controls: controls.clone(),
            desk,
            pool: pool.clone(),
            catalogue: known(),
            page_tokens: Arc::clone(&page_tokens),
        };
        let builder = with_identity(builder, issuer, &controls, &pool);
        let lists = (known(), Arc::clone(&page_tokens));
        let reads = (pool.clone(), windows.pages.clone());
        let writes = (&controls, known(), vault);
        let builder = with_reconciliation(builder, reads, writes, (&limits, &page_tokens));
        let builder = with_settlement(builder, &controls, windows, lists);
        let audit = Audit { pool: pool.clone(), page_tokens };
        let clock = Clock { controls, pool: pool.clone(), catalogue: known() };
        let points = PointsServiceServer::new(points);
        builder
            .with(points.max_decoding_message_size(limits.max_message_bytes))
            .with(MemberServiceServer::new(members))
            .with(PartnerServiceServer::new(partners))
            .with(ProposalServiceServer::new(proposals))
            .with(EventServiceServer::new(events))
            .with(WebhookServiceServer::new(webhooks))
            .with(AuditServiceServer::new(audit))
            .with(LedgerServiceServer::new(clock))
            .telling(audit::certificates(pool.clone()))
            .build(ready(pool, guard), ended(workers, tasks))
    }
}

/// Adds the service that compares partners' records: one stream of each partner.
fn with_reconciliation(
    builder: ServicesBuilder,
    reads: (PgPool, PgPool),
    (controls, catalogue, vault): (&Controls, Arc<CatalogueCache>, Arc<Vault>),
    (limits, page_tokens): (&Limits, &Arc<PageTokens>),
) -> ServicesBuilder {
    let streams = Streams::new(limits, builder.draining()).with_most(1);
    let writes = (controls.clone(), Arc::clone(&catalogue), vault);
    let reconciliations = Reconciliations::new(reads, writes, streams, limits);
    let (controls, page_tokens) = (controls.clone(), Arc::clone(page_tokens));
    let reconciling = Reconciling { reconciliations, controls, catalogue, page_tokens };
    let reconciling = ReconciliationServiceServer::new(reconciling);
    builder.with(reconciling.max_decoding_message_size(limits.max_message_bytes))
}

/// Adds the services of who may prove what.
fn with_identity(
    builder: ServicesBuilder,
    issuer: Arc<Issuer>,
    controls: &Controls,
    pool: &PgPool,
) -> ServicesBuilder {
    let (controls, pool) = (controls.clone(), pool.clone());
    let guard = issuer.guard().clone();
    let tokens = Tokens { controls: controls.clone(), issuer, pool: pool.clone() };
    builder
        .with(TokenServiceServer::new(tokens))
        .with(KeyServiceServer::new(Keys { controls, guard, pool: pool.clone() }))
        .with(OperatorServiceServer::new(Operators { pool }))
}

/// Adds the services of who owes whom.
fn with_settlement(
    builder: ServicesBuilder,
    controls: &Controls,
    windows: WindowPools,
    (catalogue, page_tokens): (Arc<CatalogueCache>, Arc<PageTokens>),
) -> ServicesBuilder {
    let (names, vault) = (Arc::clone(&catalogue), Arc::clone(controls.vault()));
    let settlements = Settlements::new(windows.clone(), names, vault);
    let reports = Reports::new(windows.totals, settlements.clone());
    let reports = Reporting { reports, catalogue: Arc::clone(&catalogue) };
    let clearing = Clearing {
        controls: controls.clone(),
        settlements: settlements.clone(),
        catalogue: Arc::clone(&catalogue),
        page_tokens: Arc::clone(&page_tokens),
    };
    let controls = controls.clone();
    let settlement = Settlement { controls, settlements, catalogue, page_tokens };
    builder
        .with(SettlementServiceServer::new(settlement))
        .with(ClearingServiceServer::new(clearing))
        .with(ReportServiceServer::new(reports))
}

/// Ends what runs behind the services.
fn ended(workers: Workers, tasks: PostingTasks) -> Finish {
    Box::pin(async move {
        let (worked, drained) = tokio::join!(workers.stopped(DRAIN), tasks.drained(DRAIN));
        if !(worked && drained) {
            tracing::warn!("the pipeline did not end in time");
        }
    })
}

/// What gives and checks tokens; the hub's own key is published when this returns.
async fn issuer(config: &Config, pool: &PgPool) -> Result<Arc<Issuer>, OpenError> {
    let trust_domain = DomainDirectory::open(&config.certificates)?.trust_domain().clone();
    let issuer = config.tokens.issuer.clone();
    let issuer = issuer.unwrap_or_else(|| format!("https://{trust_domain}"));
    let signer = Signer::new(config.keys.clone(), config.tokens.signing_key_days);
    signer.publish(pool, time_of_day()).await?;
    let guard = Guard::load(pool.clone(), Domain { trust_domain, issuer }).await?;
    let signer = Arc::new(signer);
    Ok(Arc::new(Issuer::new(pool.clone(), guard, signer, config.tokens.life())))
}

/// Whether the key opens what the ledger keeps: with another, every member would be unknown.
async fn opens(vault: &Vault, pool: &PgPool) -> Result<(), OpenError> {
    match entente_store::personal::some_key(pool).await? {
        Some((member, wrapped)) if vault.unwrap(member, &wrapped).is_err() => {
            Err(OpenError::PersonalData)
        }
        Some(_) | None => Ok(()),
    }
}

/// What verifies member assertions.
fn linking(
    config: &Config,
    pool: PgPool,
    guard: &Guard,
    vault: &Arc<Vault>,
) -> Result<Linking, OpenError> {
    let keys = (LinkKey::open(&config.keys)?, Arc::clone(vault));
    Ok(Linking::new(pool, guard.clone(), keys, config.linking.clone()))
}

/// Two for each writer, which may load the catalogue in the middle of a batch, and some for the
/// resolver, for the workers and for the catalogue's readers.
fn connections(config: &Config) -> u32 {
    u32::try_from(config.posting.writers.saturating_mul(2)).unwrap_or(32).min(32) + 4
}

/// Whether the database answers, and takes writes: one that only reads is a standby, or full of its
/// owner's caution; and whether its clock and the hub's agree.
fn ready(pool: PgPool, guard: Guard) -> ReadyCheck {
    Arc::new(move || {
        let (pool, guard) = (pool.clone(), guard.clone());
        Box::pin(async move {
            if guard.agrees().is_err() {
                return false;
            }
            let writes = sqlx::query_scalar!(
                r#"SELECT current_setting('transaction_read_only') = 'off' AS "writes!""#
            );
            writes.fetch_one(&pool).await.is_ok_and(|writes| writes)
        })
    })
}

/// Makes the months that operations will need, and says what kind of ledger it is.
async fn prepared(pool: &PgPool) -> Result<LedgerKind, StoreError> {
    let mut connection = pool.acquire().await?;
    let kind = entente_store::ledger_kind(&mut connection).await?;
    let now = entente_store::sweep::now(&mut *connection).await?;
    entente_store::ensure_months(&mut connection, now).await?;
    Ok(kind)
}
