//! Liveness, readiness and metrics in plain HTTP, on loopback alone.

use std::{future::Future, io, net::SocketAddr, pin::Pin, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header},
    response::IntoResponse,
    routing::get,
};
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};

/// How long the question whether the hub is ready may take.
const READY_WITHIN: Duration = Duration::from_secs(2);

/// How often metrics are brought up to date when nobody reads them, which bounds their memory.
const UPKEEP_EVERY: Duration = Duration::from_secs(5);

/// Asks whether what the hub depends on is within reach, such as its database.
pub type ReadyCheck = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = bool> + Send>> + Send + Sync>;

/// Whether the hub should get calls.
#[derive(Clone)]
pub(crate) struct Readiness {
    check: ReadyCheck,
    draining: watch::Receiver<bool>,
}

impl Readiness {
    pub(crate) fn new(check: ReadyCheck, draining: watch::Receiver<bool>) -> Self {
        Self { check, draining }
    }

    /// Why not, if not.
    pub(crate) async fn obstacle(&self) -> Option<&'static str> {
        if *self.draining.borrow() {
            return Some("draining");
        }
        match tokio::time::timeout(READY_WITHIN, (self.check)()).await {
            Ok(true) => None,
            Ok(false) | Err(_) => {
                Some("the database is out of reach, takes no writes, or disagrees about the time")
            }
        }
    }
}

/// The plain listener.
pub(crate) struct Plain {
    pub(crate) address: SocketAddr,
    serving: JoinHandle<()>,
}

impl Plain {
    /// Serves `/live`, `/ready` and `/metrics`.
    pub(crate) async fn start(
        address: SocketAddr,
        readiness: Readiness,
        metrics: PrometheusHandle,
    ) -> io::Result<Self> {
        if !address.ip().is_loopback() {
            let problem = "the plain listener is for loopback addresses alone";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, problem));
        }
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let router = Router::new()
            .route("/live", get(|| async { "live\n" }))
            .route("/ready", get(ready).with_state(readiness))
            .route("/metrics", get(render).with_state(metrics.clone()));
        let serving = tokio::spawn(async move {
            let upkeep = async {
                loop {
                    tokio::time::sleep(UPKEEP_EVERY).await;
                    metrics.run_upkeep();
                }
            };
            tokio::select! {
                ended = async { axum::serve(listener, router).await } => {
                    tracing::error!(?ended, "the plain listener ended");
                }
                () = upkeep => {}
            }
        });
        Ok(Self { address, serving })
    }
}

impl Drop for Plain {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn ready(State(readiness): State<Readiness>) -> impl IntoResponse {
    match readiness.obstacle().await {
        None => (StatusCode::OK, "ready\n".to_owned()),
        Some(obstacle) => (StatusCode::SERVICE_UNAVAILABLE, format!("{obstacle}\n")),
    }
}

async fn render(State(metrics): State<PrometheusHandle>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], metrics.render())
}
