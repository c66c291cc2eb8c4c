//! What the hub serves: each RPC module plugs in with one line.

use std::{convert::Infallible, sync::Arc};

use axum::response::IntoResponse;
use entente_api::DESCRIPTOR_SET;
use http::Request;
use tokio::sync::watch;
use tonic::{
    body::Body,
    server::NamedService,
    service::{Routes, RoutesBuilder},
};
use tonic_health::pb::health_server::HealthServer;
use tonic_health::server::{HealthReporter, HealthService};
use tower::Service;

use crate::{
    authorization::Door,
    edge::{CertificateEvents, Connections},
    hub::Finish,
    plain::ReadyCheck,
    security::Guard,
};

/// The services of both listeners, composed.
pub struct Services {
    pub(crate) partners: Routes,
    pub(crate) operators: Routes,
    pub(crate) names: Arc<[&'static str]>,
    pub(crate) health: HealthReporter,
    pub(crate) ready: ReadyCheck,
    pub(crate) finish: Finish,
    pub(crate) draining: watch::Sender<bool>,
    pub(crate) door: Door,
    pub(crate) open: Connections,
    pub(crate) certificate_events: CertificateEvents,
}

/// Composes services. Health is on both listeners, reflection on the operators' alone.
pub struct ServicesBuilder {
    partners: RoutesBuilder,
    operators: RoutesBuilder,
    names: Vec<&'static str>,
    health: HealthReporter,
    draining: watch::Sender<bool>,
    door: Door,
    open: Connections,
    certificate_events: CertificateEvents,
}

impl Services {
    /// Nothing but health and reflection.
    #[must_use]
    pub fn builder() -> ServicesBuilder {
        let health = HealthReporter::new();
        let server = HealthServer::new(HealthService::from_health_reporter(health.clone()));
        let (mut partners, mut operators) = (RoutesBuilder::default(), RoutesBuilder::default());
        partners.add_service(server.clone());
        operators.add_service(server);
        reflection(&mut operators);
        let draining = watch::Sender::new(false);
        ServicesBuilder {
            partners,
            operators,
            names: Vec::new(),
            health,
            draining,
            door: Door::Unopened,
            open: Connections::default(),
            certificate_events: CertificateEvents::default(),
        }
    }

    /// The same services, asking for no tokens: to measure what they cost, and to test what lies
    /// before them. No build that serves has this feature.
    #[cfg(feature = "unguarded")]
    #[must_use]
    pub fn unguarded(mut self) -> Self {
        self.door = Door::Unguarded;
        self
    }
}

impl ServicesBuilder {
    /// Becomes true when the hub drains, for streams, which would not end by themselves.
    #[must_use]
    pub fn draining(&self) -> watch::Receiver<bool> {
        self.draining.subscribe()
    }

    /// The connections that will be open, for those who have to cut some.
    #[must_use]
    pub fn open(&self) -> Connections {
        self.open.clone()
    }

    /// Tells somebody what happens to certificates.
    #[must_use]
    pub fn telling(mut self, events: CertificateEvents) -> Self {
        self.certificate_events = events;
        self
    }

    /// Checks tokens by this guard. Without one, only what needs no token can be called.
    #[must_use]
    pub fn guarded(mut self, guard: Guard) -> Self {
        self.door = Door::Guarded(guard);
        self
    }

    /// Adds a service to both listeners: the table says who may call which of its RPCs.
    #[must_use]
    pub fn with<S>(mut self, service: S) -> Self
    where
        S: Service<Request<Body>, Error = Infallible>
            + NamedService
            + Clone
            + Send
            + Sync
            + 'static,
        S::Response: IntoResponse,
        S::Future: Send + 'static,
    {
        self.partners.add_service(service.clone());
        self.operators.add_service(service);
        self.names.push(S::NAME);
        self
    }

    /// The services; `ready` asks for what they depend on, and `finish` ends what they run, once
    /// the last call has ended.
    #[must_use]
    pub fn build(self, ready: ReadyCheck, finish: Finish) -> Services {
        Services {
            partners: self.partners.routes(),
            operators: self.operators.routes(),
            names: self.names.into(),
            health: self.health,
            ready,
            finish,
            draining: self.draining,
            door: self.door,
            open: self.open,
            certificate_events: self.certificate_events,
        }
    }
}

/// Both versions: tools ask for the older one still.
fn reflection(routes: &mut RoutesBuilder) {
    let builder = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    let readable = "the contract's descriptor set is compiled in";
    routes.add_service(builder().build_v1().expect(readable));
    routes.add_service(builder().build_v1alpha().expect(readable));
}
