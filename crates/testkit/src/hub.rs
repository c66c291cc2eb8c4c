//! A hub for one test: its own database, its own trust domain, real listeners, real mutual TLS.

use std::{net::SocketAddr, path::Path, time::Duration};

use entente_client::{Client, Operators, Options, Retry, api};
use entente_hub::{
    Config, Hub, Ledger,
    config::{
        DatabaseUrl, Limits, LinkingSettings, PostingLimits, TokenSettings, WebhookSettings,
        WorkerSettings,
    },
    hub::Addresses,
    ledger::OpenError,
    security::bootstrap,
};
use entente_identity::{
    pki::{DomainDirectory, Overwrite},
    spiffe::{Identity, Name, TrustDomain},
};
use jiff::Timestamp;
use tempfile::TempDir;

use crate::{Database, cast, signing};

/// The operator of every test, who proposes what needs two.
pub const OPERATOR: &str = "amelia";

/// The one who approves it.
pub const SECOND_OPERATOR: &str = "benedict";

/// The invariant that the tests' database server cannot keep.
const DURABLE: u8 = 5;

/// A running hub, its database and its certificates. End it with [`TestHub::close`], which checks
/// every invariant of the ledger.
pub struct TestHub {
    database: Database,
    certificates: TempDir,
    hub: Option<Hub>,
    addresses: Addresses,
    given: Box<Given>,
}

/// What a test configures otherwise.
#[derive(Debug, Clone, Default)]
struct Given {
    limits: Limits,
    posting: PostingLimits,
    webhooks: WebhookSettings,
    tokens: TokenSettings,
    linking: LinkingSettings,
}

impl TestHub {
    /// A hub on a fresh simulation ledger, with certificates for the whole cast, and no partners.
    pub async fn start() -> Self {
        Box::pin(Self::over(Database::fresh().await)).await
    }

    /// The same, within other limits, with the whole cast created.
    pub async fn within(limits: Limits) -> Self {
        let given = Given { limits, ..Given::default() };
        let hub = Self::serving(Database::fresh().await, given).await;
        Box::pin(hub.enacted()).await
    }

    /// The same, with another pipeline.
    pub async fn posting(posting: PostingLimits) -> Self {
        let given = Given { posting, ..Given::default() };
        let hub = Self::serving(Database::fresh().await, given).await;
        Box::pin(hub.enacted()).await
    }

    /// The same, with other webhooks.
    pub async fn telling(webhooks: WebhookSettings) -> Self {
        let given = Given { webhooks, ..Given::default() };
        let hub = Self::serving(Database::fresh().await, given).await;
        Box::pin(hub.enacted()).await
    }

    /// The same, with other tokens.
    pub async fn issuing(tokens: TokenSettings) -> Self {
        let given = Given { tokens, ..Given::default() };
        let hub = Self::serving(Database::fresh().await, given).await;
        Box::pin(hub.enacted()).await
    }

    /// The same, with other limits of linking.
    pub async fn linking(linking: LinkingSettings) -> Self {
        let given = Given { linking, ..Given::default() };
        let hub = Self::serving(Database::fresh().await, given).await;
        Box::pin(hub.enacted()).await
    }

    /// A hub with the whole cast created, on the terms that [`cast::agreement`] gives each.
    pub async fn with_cast() -> Self {
        Box::pin(Self::start().await.enacted()).await
    }

    /// A hub on a database that a test made.
    pub async fn over(database: Database) -> Self {
        Box::pin(Self::serving(database, Given::default())).await
    }

    async fn serving(database: Database, given: Given) -> Self {
        let certificates = tempfile::tempdir().expect("a temporary folder");
        make_trust_domain(certificates.path());
        register(&database, certificates.path()).await;
        let hub = Box::pin(serve(&database, certificates.path(), &given)).await;
        let addresses = hub.addresses();
        Self { database, certificates, hub: Some(hub), addresses, given: Box::new(given) }
    }

    async fn enacted(self) -> Self {
        let operator = self.operator().await;
        for partner in cast::PARTNERS {
            cast::onboard(&operator, partner, cast::agreement(partner)).await;
        }
        self
    }

    /// A client of a partner of the cast.
    pub async fn partner(&self, code: &str) -> Client {
        self.client(&Identity::Partner(name(code)), self.addresses.partners).await
    }

    /// Clients of the two operators, who do together what needs two.
    pub async fn operator(&self) -> Operators {
        let first = Box::pin(self.operator_named(OPERATOR)).await;
        Operators::new(first, Box::pin(self.operator_named(SECOND_OPERATOR)).await)
    }

    /// A client of one operator.
    pub async fn operator_named(&self, operator: &str) -> Client {
        self.client(&Identity::Operator(name(operator)), self.addresses.operators).await
    }

    /// A client of an identity at an address: also at the wrong one.
    pub async fn client(&self, identity: &Identity, address: SocketAddr) -> Client {
        let options = self.options(identity, address);
        Client::connect(options).await.expect("the hub answers")
    }

    /// How an identity of the cast reaches an address, with one attempt a call.
    pub fn options(&self, identity: &Identity, address: SocketAddr) -> Options {
        let directory = self.trust_domain();
        // Where connections end all the time, a call may meet the end of one, and is sent again.
        let short_lived = self.given.limits.connection_age_ms < 1_000;
        let attempts = if short_lived { Retry::default() } else { Retry::never() };
        let retry = Retry { deadline: Duration::from_secs(30), ..attempts };
        Options::new(
            format!("https://{address}"),
            directory.ca_certificate(&Identity::Hub),
            directory.certificate(identity),
            directory.key(identity),
        )
        .assertion_key(directory.assertion_key(identity))
        .retry(retry)
    }

    /// The certificates, with the keys of all authorities.
    pub fn trust_domain(&self) -> DomainDirectory {
        DomainDirectory::open(self.certificates.path()).expect("the trust domain was made")
    }

    /// Where partners connect.
    pub fn partner_address(&self) -> SocketAddr {
        self.addresses.partners
    }

    /// Where operators connect.
    pub fn operator_address(&self) -> SocketAddr {
        self.addresses.operators
    }

    /// Where liveness, readiness and metrics are.
    pub fn plain_address(&self) -> SocketAddr {
        self.addresses.plain
    }

    /// The database, for looking at rows.
    pub fn database(&self) -> &Database {
        &self.database
    }

    /// Moves the ledger's clock.
    pub async fn advance_to(&self, to: Timestamp) {
        let to = Some(cast::wire_time(to));
        let request = api::ledger::AdvanceClockRequest { to };
        self.operator().await.advance_clock(request).await.expect("the clock moves forward");
    }

    /// A second hub on the same ledger and certificates; the test drains it.
    pub async fn another(&self) -> Hub {
        Box::pin(serve(&self.database, self.certificates.path(), &self.given)).await
    }

    /// Tries to start a hub on the same ledger with keys of its own.
    ///
    /// # Errors
    /// As opening a ledger has.
    pub async fn another_by_keys(&self, keys: &Path) -> Result<Hub, OpenError> {
        Box::pin(try_serve(&self.database, (self.certificates.path(), keys), &self.given)).await
    }

    /// The running hub.
    ///
    /// # Panics
    /// When it was drained.
    pub fn hub(&self) -> &Hub {
        self.hub.as_ref().expect("it runs")
    }

    /// Loads the certificates at once.
    pub async fn reload(&self) {
        if let Some(hub) = &self.hub {
            hub.reload().await;
        }
    }

    /// A client of a partner of the cast at another hub's address.
    pub async fn partner_at(&self, code: &str, address: SocketAddr) -> Client {
        self.client(&Identity::Partner(name(code)), address).await
    }

    /// Ends this hub and starts another on the same ledger and certificates.
    pub async fn restart(&mut self) {
        if let Some(hub) = self.hub.take() {
            hub.drain().await;
        }
        let hub = Box::pin(serve(&self.database, self.certificates.path(), &self.given)).await;
        self.addresses = hub.addresses();
        self.hub = Some(hub);
    }

    /// Drains the hub, and verifies nothing: for a ledger that a test wrote past the hub.
    pub async fn close_unverified(mut self) {
        if let Some(hub) = self.hub.take() {
            hub.drain().await;
        }
    }

    /// Drains the hub and checks every invariant of the ledger.
    ///
    /// # Panics
    /// When an invariant is broken: the message names the offenders.
    pub async fn close(mut self) {
        if let Some(hub) = self.hub.take() {
            hub.drain().await;
        }
        let pool = self.database.owner_pool().await;
        for verdict in entente_store::check::run(&pool).await.expect("the ledger can be read") {
            // The tests' server is thrown away, and flushes nothing.
            let excused = verdict.number == DURABLE;
            assert!(excused || verdict.holds(), "{verdict:?}");
        }
        pool.close().await;
    }
}

impl Drop for TestHub {
    fn drop(&mut self) {
        let forgotten = self.hub.is_some() && !std::thread::panicking();
        assert!(!forgotten, "a test ends its hub with close(), which checks the invariants");
    }
}

async fn serve(database: &Database, certificates: &Path, given: &Given) -> Hub {
    let keys = certificates.join("keys");
    let served = try_serve(database, (certificates, &keys), given).await;
    served.expect("the ledger opens")
}

async fn try_serve(
    database: &Database,
    (certificates, keys): (&Path, &Path),
    given: &Given,
) -> Result<Hub, OpenError> {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let config = Config {
        partner_listen: any,
        operator_listen: any,
        plain_listen: any,
        database_url: Some(DatabaseUrl::new(database.runtime_url())),
        certificates: certificates.to_owned(),
        keys: keys.to_owned(),
        workers: WorkerSettings {
            sweep_every_ms: 200,
            months_every_ms: 1_000,
            terms_every_ms: 200,
            ..WorkerSettings::default()
        },
        limits: given.limits.clone(),
        posting: given.posting.clone(),
        webhooks: given.webhooks.clone(),
        tokens: given.tokens.clone(),
        linking: given.linking.clone(),
        ..Config::default()
    };
    let ledger = Ledger::open(&config).await?;
    Ok(Hub::start(&config, ledger.services()).await.expect("the hub starts"))
}

/// Makes the operators, and registers everybody's keys, as the database's owner.
async fn register(database: &Database, certificates: &Path) {
    let directory = DomainDirectory::open(certificates).expect("the trust domain was made");
    let operators = [OPERATOR, SECOND_OPERATOR].map(name);
    let registered =
        bootstrap(database.owner_url(), &directory, &operators, &cast::PARTNERS.map(name)).await;
    registered.expect("keys are registered");
}

/// Makes the tests' trust domain in a folder: the hub, two operators, and the whole cast.
///
/// # Panics
/// Where it cannot be written.
pub fn make_trust_domain(folder: &Path) {
    let (now, overwrite) = (cast::real_now(), Overwrite::Refuse);
    let domain: TrustDomain = signing::TRUST_DOMAIN.parse().expect("a trust domain");
    let hosts = ["localhost", "127.0.0.1"];
    let made = DomainDirectory::init(folder, domain, &hosts, now, overwrite);
    let directory = made.expect("a new folder takes a trust domain");
    for partner in cast::PARTNERS {
        let partner = name(partner);
        directory.make_partner_ca(&partner, now, overwrite).expect("a CA for each partner");
        let identity = Identity::Partner(partner);
        signing::write_key(&directory.assertion_key(&identity), &identity);
        directory.issue(&identity, None, now, overwrite).expect("a certificate for each");
    }
    for operator in [OPERATOR, SECOND_OPERATOR] {
        let operator = Identity::Operator(name(operator));
        directory.issue(&operator, None, now, overwrite).expect("a certificate for each operator");
    }
}

fn name(code: &str) -> Name {
    code.parse().expect("a name of the cast")
}
