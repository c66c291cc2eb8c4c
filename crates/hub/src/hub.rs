//! The hub: binds its listeners, serves what it is given, and drains.

use std::{future::Future, io, net::SocketAddr, pin::Pin, sync::Arc, time::Duration};

use tokio::{sync::watch, task::JoinHandle, time::Instant};
use tonic_health::{ServingStatus, server::HealthReporter};

use crate::{
    caller::Role,
    config::{Config, ConfigError},
    edge::{Certificates, CertificatesError, Edge},
    observe,
    plain::{Plain, Readiness},
    services::Services,
};

/// How often health is brought up to date.
const HEALTH_EVERY: Duration = Duration::from_secs(1);

/// How long the services get to end even when the calls took all of the drain timeout.
const FINISH_AT_LEAST: Duration = Duration::from_secs(1);

/// A running hub. Dropping it cuts every connection; [`Hub::drain`] ends it in an orderly way.
pub struct Hub {
    addresses: Addresses,
    drain_timeout: Duration,
    partners: Edge,
    operators: Edge,
    plain: Plain,
    draining: watch::Sender<bool>,
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
        let certificates = Certificates::of(config);
        let loaded = certificates.load()?;
        same_trust_domain(config, &loaded.trust_domain)?;
        let metrics = observe::metrics();

        let draining = services.draining;
        let readiness = Readiness::new(services.ready, draining.subscribe());
        let plain = Plain::start(config.plain_listen, readiness.clone(), metrics).await;
        let plain = plain.map_err(cannot_listen(config.plain_listen))?;

        let (partner_tls, partner_tls_now) = watch::channel(Arc::clone(&loaded.partners));
        let (operator_tls, operator_tls_now) = watch::channel(Arc::clone(&loaded.operators));
        let door = services.door;
        let start = async |address, role, routes, tls| {
            let started = Edge::start(address, role, routes, tls, (&config.limits, &door)).await;
            started.map_err(cannot_listen(address))
        };
        let (partners, operators) = (services.partners, services.operators);
        let partners =
            start(config.partner_listen, Role::Partner, partners, partner_tls_now).await?;
        let operators =
            start(config.operator_listen, Role::Operator, operators, operator_tls_now).await?;

        let reloading = tokio::spawn(certificates.keep_loading(loaded, partner_tls, operator_tls));
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
            tasks: Tasks(vec![reloading, health]),
            finish: services.finish,
        })
    }

    /// What is bound.
    #[must_use]
    pub const fn addresses(&self) -> Addresses {
        self.addresses
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
