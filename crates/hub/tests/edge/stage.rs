//! A hub with a trust domain of its own, a service that tells on its callers, and clients.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use entente_api::ledger::{
    AdvanceClockRequest, AdvanceClockResponse, GetLedgerRequest, GetLedgerResponse,
    ledger_service_client::LedgerServiceClient,
    ledger_service_server::{LedgerService, LedgerServiceServer},
};
use entente_hub::{
    Config, Hub, Services, authorization::Permit, config::Limits, deadline::Deadline,
};
use entente_identity::{
    Credentials, Identity, client_config,
    forge::Forge,
    pem::read_certificates,
    pki::{DomainDirectory, Overwrite},
};
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use rustls::{ClientConfig, pki_types::CertificateDer, pki_types::ServerName};
use tempfile::TempDir;
use tokio::{net::TcpStream, time::Instant};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tonic::{
    Request, Response, Status,
    transport::{Channel, Endpoint},
};

pub(crate) struct Stage {
    pub(crate) directory: DomainDirectory,
    pub(crate) seen: Arc<Seen>,
    pub(crate) ready: Arc<AtomicBool>,
    pub(crate) finished: Arc<AtomicBool>,
    folder: TempDir,
}

/// What the handlers saw.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) calls: AtomicUsize,
    pub(crate) completed: AtomicUsize,
}

/// Answers GetLedger with the caller, after as long as the header `x-sleep-ms` says; panics when
/// the clock is advanced.
struct Telltale(Arc<Seen>);

#[tonic::async_trait]
impl LedgerService for Telltale {
    async fn get_ledger(
        &self,
        request: Request<GetLedgerRequest>,
    ) -> Result<Response<GetLedgerResponse>, Status> {
        self.0.calls.fetch_add(1, Ordering::SeqCst);
        let sleep =
            request.metadata().get("x-sleep-ms").and_then(|ms| ms.to_str().ok()?.parse().ok());
        let caller = Permit::of(&request)?.caller().to_string();
        assert!(Deadline::of(&request).0 <= Instant::now() + Duration::from_secs(30));
        tokio::time::sleep(Duration::from_millis(sleep.unwrap_or(0))).await;
        self.0.completed.fetch_add(1, Ordering::SeqCst);
        Ok(Response::new(GetLedgerResponse { version: caller, ..GetLedgerResponse::default() }))
    }

    async fn advance_clock(
        &self,
        _: Request<AdvanceClockRequest>,
    ) -> Result<Response<AdvanceClockResponse>, Status> {
        self.0.calls.fetch_add(1, Ordering::SeqCst);
        panic!("10.0.0.7 is a secret");
    }
}

pub(crate) fn partner(code: &str) -> Identity {
    Identity::Partner(code.parse().expect("a good code"))
}

pub(crate) fn harbor() -> Identity {
    partner("harbor-hotels")
}

pub(crate) fn rover() -> Identity {
    partner("rover-rides")
}

pub(crate) fn amelia() -> Identity {
    Identity::Operator("amelia".parse().expect("a good name"))
}

#[expect(clippy::disallowed_methods, reason = "certificates are of the time of day")]
fn now() -> Timestamp {
    Timestamp::now()
}

impl Stage {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let trust_domain = "entente.example".parse().expect("a good trust domain");
        let certs = folder.path().join("certs");
        let now = now();
        let directory =
            DomainDirectory::init(&certs, trust_domain, &["localhost"], now, Overwrite::Refuse)
                .expect("a trust domain");
        let stage = Self {
            directory,
            seen: Arc::default(),
            ready: Arc::new(AtomicBool::new(true)),
            finished: Arc::default(),
            folder,
        };
        stage.admit(&harbor());
        stage.admit(&rover());
        stage.issue(&amelia());
        stage
    }

    /// Makes a partner's CA and certificate.
    pub(crate) fn admit(&self, identity: &Identity) {
        let Identity::Partner(code) = identity else { unreachable!("a partner") };
        let made = self.directory.make_partner_ca(code, now(), Overwrite::Refuse);
        made.expect("a CA");
        self.issue(identity);
    }

    fn issue(&self, identity: &Identity) {
        let issued = self.directory.issue(identity, None, now(), Overwrite::Refuse);
        issued.expect("a certificate");
    }

    pub(crate) fn config(&self, limits: Limits) -> Config {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        Config {
            partner_listen: any,
            operator_listen: any,
            plain_listen: any,
            certificates: self.directory.folder().to_owned(),
            keys: self.folder.path().join("keys"),
            limits,
            ..Config::default()
        }
    }

    pub(crate) fn services(&self) -> Services {
        let (ready, finished) = (Arc::clone(&self.ready), Arc::clone(&self.finished));
        Services::builder()
            .with(LedgerServiceServer::new(Telltale(Arc::clone(&self.seen))))
            .build(
                Arc::new(move || {
                    let ready = ready.load(Ordering::SeqCst);
                    Box::pin(async move { ready })
                }),
                Box::pin(async move { finished.store(true, Ordering::SeqCst) }),
            )
            .unguarded()
    }

    pub(crate) async fn hub(&self, limits: Limits) -> Hub {
        Hub::start(&self.config(limits), self.services()).await.expect("a hub")
    }

    pub(crate) fn credentials(&self, identity: &Identity) -> Credentials {
        let (certificate, key) =
            (self.directory.certificate(identity), self.directory.key(identity));
        Credentials::from_pem_files(&certificate, &key).expect("a certificate and its key")
    }

    pub(crate) fn hub_roots(&self) -> Vec<CertificateDer<'static>> {
        read_certificates(&self.directory.ca_certificate(&Identity::Hub)).expect("a root")
    }

    pub(crate) fn client(&self, credentials: &Credentials) -> ClientConfig {
        client_config(&self.hub_roots(), credentials).expect("a client")
    }

    pub(crate) fn forge(&self, victim: Identity) -> Forge<'_> {
        let rival = "rover-rides".parse().expect("a good code");
        Forge { directory: &self.directory, victim, rival, now: now() }
    }

    /// A connected channel of an identity.
    pub(crate) async fn channel(&self, address: SocketAddr, identity: &Identity) -> Channel {
        let config = self.client(&self.credentials(identity));
        connect(address, config).await.expect("a connection")
    }

    /// A client of an identity.
    pub(crate) async fn ledger(
        &self,
        address: SocketAddr,
        identity: &Identity,
    ) -> LedgerServiceClient<Channel> {
        LedgerServiceClient::new(self.channel(address, identity).await)
    }

    pub(crate) fn calls(&self) -> usize {
        self.seen.calls.load(Ordering::SeqCst)
    }
}

/// A TLS connection, before HTTP/2.
pub(crate) async fn handshake(
    address: SocketAddr,
    config: ClientConfig,
) -> std::io::Result<TlsStream<TcpStream>> {
    let name = ServerName::try_from("localhost").expect("a host name");
    let stream = TcpStream::connect(address).await?;
    TlsConnector::from(Arc::new(config)).connect(name, stream).await
}

pub(crate) async fn connect(
    address: SocketAddr,
    config: ClientConfig,
) -> Result<Channel, tonic::transport::Error> {
    let connector = tower::service_fn(move |_: http::Uri| {
        let config = config.clone();
        async move { handshake(address, config).await.map(TokioIo::new) }
    });
    let endpoint = Endpoint::from_static("https://localhost");
    endpoint.connect_timeout(Duration::from_secs(5)).connect_with_connector(connector).await
}

/// A request for GetLedger that takes so long.
pub(crate) fn slow(sleep_ms: u64) -> Request<GetLedgerRequest> {
    let mut request = Request::new(GetLedgerRequest {});
    request.metadata_mut().insert("x-sleep-ms", sleep_ms.into());
    request
}

pub(crate) fn reason(status: &Status) -> String {
    use tonic_types::StatusExt;
    let details = status.get_error_details();
    let info = details.error_info().unwrap_or_else(|| panic!("no ErrorInfo in {status:?}"));
    assert_eq!(info.domain, "entente");
    info.reason.clone()
}
