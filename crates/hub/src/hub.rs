//! The hub: binds its listeners, serves what it is given, and drains.

use std::{fmt, future::Future, io, net::SocketAddr, pin::Pin, sync::Arc, time::Duration};

use jiff::Timestamp;
use tokio::{
    sync::{mpsc, oneshot, watch},
    task::JoinHandle,
    time::Instant,
};
use tonic_health::{ServingStatus, server::HealthReporter};

use crate::{
    authorization::Door,
    caller::Role,
    config::{Config, ConfigError},
    edge::{Asked, Certificates, CertificatesError, Connections, Edge, InForce, Loader, Reloading},
    observe,
    plain::{Plain, Readiness},
    services::Services,
};

/// How often health is brought up to date.
const HEALTH_EVERY: Duration = Duration::from_secs(1);

/// How long the services get to end even when the calls took all of the drain timeout.
const FINISH_AT_LEAST: Duration = Duration::from_secs(1);

/// How many wishes to load certificates wait; each is met by the same loading.
const RELOADS: usize = 8;

/// A running hub. Dropping it cuts every connection; [`Hub::drain`] ends it in an orderly way.
pub struct Hub {
    addresses: Addresses,
    drain_timeout: Duration,
    partners: Edge,
    operators: Edge,
    plain: Plain,
    draining: watch::Sender<bool>,
    reload: mpsc::Sender<Asked>,
    open: Connections,
    tasks: Tasks,
    finish: Finish,
}

/// What is bound; ports that were 0 are known here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Addresses {
    /// Where partners connect.
    pub partners: SocketAddr,
    /// Where operators connect.
    pub operators: SocketAddr,
    /// Where liveness, readiness and metrics are.
    pub plain: SocketAddr,
}

/// A line for each listener: its name, and its URL.
impl fmt::Display for Addresses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "partners   https://{}", self.partners)?;
        writeln!(f, "operators  https://{}", self.operators)?;
        write!(f, "plain      http://{}", self.plain)
    }
}

impl Addresses {
    /// How many lines they are written in.
    pub const LINES: usize = 3;

    /// Reads what they are written as; `None` where it is not that.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let mut address = |name: &str| {
            let (_, address) = lines.next()?.strip_prefix(name)?.split_once("://")?;
            address.parse().ok()
        };
        let partners = address("partners")?;
        Some(Self { partners, operators: address("operators")?, plain: address("plain")? })
    }
}

/// Ends what the services run behind the calls, such as the posting pipeline.
pub type Finish = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Why the hub does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A value of the configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The certificates.
    #[error("the certificates cannot be used: {0}")]
    Certificates(#[from] CertificatesError),
    /// The folder of certificates is of another trust domain.
    #[error("the certificates are of the trust domain {found}, and not of {configured}")]
    TrustDomain {
        /// That of the folder.
        found: String,
        /// That of the configuration.
        configured: String,
    },
    /// An address cannot be bound.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// Which.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
}

/// Tasks that end with the hub.
struct Tasks(Vec<JoinHandle<()>>);

impl Drop for Tasks {
    fn drop(&mut self) {
        self.0.iter().for_each(JoinHandle::abort);
    }
}

impl Hub {
    /// Starts the hub: when this returns, it is connected to and answers.
    pub async fn start(config: &Config, services: Services) -> Result<Self, StartError> {
        config.check()?;
        // First, so that what is wrong with certificates at the start is seen there too.
        let metrics = observe::metrics();
        let (loader, loaded) = Loader::start(Certificates::of(config), time_of_day())?;
        same_trust_domain(config, &loader.trust_domain())?;

        let draining = services.draining;
        let readiness = Readiness::new(services.ready, draining.subscribe());
        let plain = Plain::start(config.plain_listen, readiness.clone(), metrics).await;
        let plain = plain.map_err(cannot_listen(config.plain_listen))?;

        let in_force = InForce::new(loaded);
        let door = services.door;
        let start = |address, role, routes| {
            let tls = (in_force.of(role), services.open.clone());
            let started = Edge::start(address, role, routes, tls, (&config.limits, &door));
            started.map_err(cannot_listen(address))
        };
        let (partners, operators) = (services.partners, services.operators);
        let partners = start(config.partner_listen, Role::Partner, partners)?;
        let operators = start(config.operator_listen, Role::Operator, operators)?;

        let (reload, asked) = mpsc::channel(RELOADS);
        let (open, events) = (services.open.clone(), services.certificate_events);
        let reloading = Reloading::new(loader, in_force.clone(), open, events, asked, door.clone());
        let reloading = tokio::spawn(reloading.run());
        let denying = tokio::spawn(cut_denied(door, services.open.clone()));
        let health = tokio::spawn(keep_health(services.health, services.names, readiness));
        let addresses = Addresses {
            partners: partners.address(),
            operators: operators.address(),
            plain: plain.address,
        };
        tracing::info!(
            partners = %addresses.partners,
            operators = %addresses.operators,
            plain = %addresses.plain,
            "the hub is up"
        );
        Ok(Self {
            addresses,
            drain_timeout: config.limits.drain_timeout(),
            partners,
            operators,
            plain,
            draining,
            reload,
            open: services.open,
            tasks: Tasks(vec![reloading, denying, health]),
            finish: services.finish,
        })
    }

    /// What is bound.
    #[must_use]
    pub const fn addresses(&self) -> Addresses {
        self.addresses
    }

    /// The connections that are open.
    #[must_use]
    pub fn open(&self) -> &Connections {
        &self.open
    }

    /// Loads the certificates at once, as for a SIGHUP, and answers when that is done. What cannot
    /// be loaded is logged, and what was in force before stays.
    pub async fn reload(&self) {
        let (done, loaded) = oneshot::channel();
        if self.reload.send(done).await.is_ok() {
            // The task lives as long as the hub.
            let _ = loaded.await;
        }
    }

    /// Stops accepting, lets the calls that have begun end, and then what runs behind them: all
    /// within the drain timeout. What was acknowledged is durable whenever this is cut short.
    pub async fn drain(self) {
        tracing::info!("draining");
        self.draining.send_replace(true);
        let within = self.drain_timeout;
        let latest = Instant::now() + within;
        tokio::join!(self.partners.drain(within), self.operators.drain(within));
        let latest = latest.max(Instant::now() + FINISH_AT_LEAST);
        if tokio::time::timeout_at(latest, self.finish).await.is_err() {
            tracing::warn!("the services did not end in time");
        }
        drop((self.tasks, self.plain));
        tracing::info!("drained");
    }
}

#[expect(clippy::disallowed_methods, reason = "certificates are of the time of day")]
fn time_of_day() -> Timestamp {
    Timestamp::now()
}

fn same_trust_domain(config: &Config, found: &str) -> Result<(), StartError> {
    match &config.trust_domain {
        Some(configured) if configured != found => {
            Err(StartError::TrustDomain { found: found.to_owned(), configured: configured.clone() })
        }
        Some(_) | None => Ok(()),
    }
}

fn cannot_listen(address: SocketAddr) -> impl Fn(io::Error) -> StartError {
    move |source| StartError::Listen { address, source }
}

/// Cuts the connections of certificates that come to be denied, for ever.
async fn cut_denied(door: Door, open: Connections) {
    let Door::Guarded(guard) = door else { return };
    let mut in_force = guard.follow();
    // The guard lives as long as the services, which the hub outlives only while it drains.
    while in_force.changed().await.is_ok() {
        let now = Arc::clone(&in_force.borrow_and_update());
        open.cut(|info| now.denies_certificate(&info.thumbprint), "the certificate is denied");
    }
}

/// Tells grpc.health.v1 what readiness is, for the hub as a whole and for each service.
async fn keep_health(reporter: HealthReporter, names: Arc<[&'static str]>, readiness: Readiness) {
    let mut said = None;
    loop {
        let status = match readiness.obstacle().await {
            None => ServingStatus::Serving,
            Some(_) => ServingStatus::NotServing,
        };
        if said.replace(status) != Some(status) {
            reporter.set_service_status("", status).await;
            for name in names.iter() {
                reporter.set_service_status(name, status).await;
            }
        }
        tokio::time::sleep(HEALTH_EVERY).await;
    }
}
