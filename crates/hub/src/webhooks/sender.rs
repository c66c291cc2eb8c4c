//! Sending: one message to one endpoint, over a connection to an address that was looked at.
//!
//! The name is resolved once, here, and the address that was checked is the one that is connected to,
//! so that no second answer of a name server can lead elsewhere. No proxy is asked, no redirect is
//! followed, and what the endpoint answers is read within bounds and not looked at.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use entente_api::event::DeliveryFailure;
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::{
    body::Incoming,
    client::conn::http1::{self, SendRequest},
};
use hyper_util::rt::TokioIo;
use rustls::{
    ClientConfig, RootCertStore,
    crypto::aws_lc_rs,
    version::{TLS12, TLS13},
};
use rustls_pki_types::{CertificateDer, ServerName, pem::PemObject};
use tokio::{
    net::{TcpStream, lookup_host},
    task::JoinHandle,
    time::{Instant, timeout, timeout_at},
};
use tokio_rustls::TlsConnector;

use super::{
    address::{Network, is_public},
    endpoint::{AllowedHost, Endpoint, Host},
    message::Message,
    signature::Secret,
};
use crate::config::WebhookSettings;

/// How many addresses of one name are tried.
const ADDRESSES: usize = 4;
/// How much of an answer is read, so that the connection can be used again.
const MAX_ANSWER_BYTES: usize = 65_536;
/// How long that may take once the answer has begun.
const ANSWER_REST: Duration = Duration::from_secs(1);
/// The longest head of an answer.
const MAX_HEAD_BYTES: usize = 16_384;

/// Sends messages.
pub struct Sender {
    tls: TlsConnector,
    hosts: Vec<AllowedHost>,
    networks: Vec<Network>,
    connect_timeout: Duration,
    timeout: Duration,
}

/// A way to an endpoint: a connection that is kept while it is good.
#[derive(Debug, Default)]
pub struct Lane(Option<Connection>);

/// How an attempt failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failure {
    /// In what way.
    pub kind: DeliveryFailure,
    /// What the endpoint answered, where it answered.
    pub status: Option<u16>,
}

/// The certificates that the operators trust besides cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("webhooks.extra_roots: {}: {problem}", path.display())]
pub struct RootsError {
    path: PathBuf,
    problem: String,
}

#[derive(Debug)]
struct Connection {
    requests: SendRequest<Full<Bytes>>,
    driver: JoinHandle<()>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl From<DeliveryFailure> for Failure {
    fn from(kind: DeliveryFailure) -> Self {
        Self { kind, status: None }
    }
}

impl Sender {
    /// A sender as configured. It trusts the roots of the web, and those that a file adds.
    pub fn new(settings: &WebhookSettings) -> Result<Self, RootsError> {
        let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        if let Some(path) = &settings.extra_roots {
            let unusable = |problem| RootsError { path: path.clone(), problem };
            add_roots(&mut roots, path).map_err(unusable)?;
        }
        let provider = Arc::new(aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&TLS13, &TLS12])
            .expect("the provider has both versions");
        let mut config = config.with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self {
            tls: TlsConnector::from(Arc::new(config)),
            hosts: settings.hosts(),
            networks: settings.networks(),
            connect_timeout: settings.connect_timeout(),
            timeout: settings.timeout(),
        })
    }

    /// Whether the operators allow an endpoint.
    #[must_use]
    pub fn allows(&self, endpoint: &Endpoint) -> bool {
        endpoint.is_allowed_by(&self.hosts)
    }

    /// Sends one message; 2xx accepts it.
    pub async fn send(
        &self,
        lane: &mut Lane,
        endpoint: &Endpoint,
        signed: &Signed<'_>,
    ) -> Result<(), Failure> {
        if !self.allows(endpoint) {
            return Err(DeliveryFailure::EndpointNotAllowed.into());
        }
        let deadline = Instant::now() + self.timeout;
        // An endpoint may close a connection that rested at any moment: that says nothing of it.
        if let Some(connection) = lane.0.take() {
            match post(connection, endpoint, signed, deadline).await {
                Err(Failure { kind: DeliveryFailure::Broken, .. }) => {}
                answered => return answered?.into_lane(lane),
            }
        }
        let connection = self.connect(endpoint).await?;
        post(connection, endpoint, signed, deadline).await?.into_lane(lane)
    }

    async fn connect(&self, endpoint: &Endpoint) -> Result<Connection, Failure> {
        let deadline = Instant::now() + self.connect_timeout;
        let addresses = timeout_at(deadline, resolve(endpoint)).await;
        let addresses = addresses.unwrap_or(Err(DeliveryFailure::HostUnresolved))?;
        let mut allowed = addresses.into_iter().filter(|address| self.may_reach(*address));
        let allowed: Vec<_> = allowed.by_ref().take(ADDRESSES).collect();
        if allowed.is_empty() {
            return Err(DeliveryFailure::AddressNotAllowed.into());
        }
        let stream = reach(&allowed, endpoint.port, deadline).await?;
        let name = match &endpoint.host {
            Host::Name(name) => ServerName::try_from(name.clone()),
            Host::Address(address) => Ok(ServerName::from(*address)),
        };
        let name = name.map_err(|_| DeliveryFailure::Tls)?;
        let stream = timeout_at(deadline, self.tls.connect(name, stream)).await;
        let stream = stream.map_err(|_| DeliveryFailure::Timeout)?;
        let stream = stream.map_err(|_| DeliveryFailure::Tls)?;
        let handshake = http1::Builder::new()
            .max_buf_size(MAX_HEAD_BYTES)
            .handshake(TokioIo::new(stream))
            .await;
        let (requests, driver) = handshake.map_err(|_| DeliveryFailure::Broken)?;
        let driver = tokio::spawn(async move {
            // Whoever waits for an answer is told of it.
            let _ = driver.await;
        });
        Ok(Connection { requests, driver })
    }

    fn may_reach(&self, address: IpAddr) -> bool {
        is_public(address) || self.networks.iter().any(|network| network.contains(address))
    }
}

impl std::fmt::Debug for Sender {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sender(..)")
    }
}

/// A message, when it is sent, and what signs it.
#[derive(Debug)]
pub struct Signed<'a> {
    /// The message.
    pub message: &'a Message,
    /// Seconds since 1970, by the time of day.
    pub timestamp: i64,
    /// The webhook's.
    pub secret: &'a Secret,
}

/// An answer that came whole or in part.
struct Answered {
    status: StatusCode,
    /// When the whole of it was read.
    connection: Option<Connection>,
}

impl Answered {
    fn into_lane(self, lane: &mut Lane) -> Result<(), Failure> {
        lane.0 = self.connection;
        let kind = match self.status {
            status if status.is_success() => return Ok(()),
            status if status.is_redirection() => DeliveryFailure::Redirect,
            _ => DeliveryFailure::Status,
        };
        Err(Failure { kind, status: Some(self.status.as_u16()) })
    }
}

async fn post(
    mut connection: Connection,
    endpoint: &Endpoint,
    signed: &Signed<'_>,
    deadline: Instant,
) -> Result<Answered, Failure> {
    let request = request(endpoint, signed).ok_or(DeliveryFailure::Broken)?;
    let answered = async {
        connection.requests.ready().await?;
        connection.requests.send_request(request).await
    };
    let answered = timeout_at(deadline, answered).await.map_err(|_| DeliveryFailure::Timeout)?;
    let response = answered.map_err(|_| DeliveryFailure::Broken)?;
    let status = response.status();
    let read = timeout(ANSWER_REST, drain(response.into_body())).await;
    let connection = matches!(read, Ok(true)).then_some(connection);
    Ok(Answered { status, connection })
}

fn request(endpoint: &Endpoint, signed: &Signed<'_>) -> Option<Request<Full<Bytes>>> {
    let Signed { message, timestamp, secret } = signed;
    let request = Request::builder()
        .method(Method::POST)
        .uri(&endpoint.path)
        .header(header::HOST, endpoint.authority())
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::USER_AGENT, concat!("entente/", env!("CARGO_PKG_VERSION")))
        .header("webhook-id", &message.id)
        .header("webhook-timestamp", *timestamp)
        .header("webhook-signature", secret.sign(&message.id, *timestamp, &message.body))
        .body(Full::new(message.body.clone()));
    request.ok()
}

/// Reads an answer to its end; `false` when it is too long for that, or breaks.
async fn drain(mut body: Incoming) -> bool {
    let mut left = MAX_ANSWER_BYTES;
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { return false };
        let length = frame.data_ref().map_or(0, Bytes::len);
        let Some(rest) = left.checked_sub(length) else { return false };
        left = rest;
    }
    true
}

async fn resolve(endpoint: &Endpoint) -> Result<Vec<IpAddr>, DeliveryFailure> {
    match &endpoint.host {
        Host::Address(address) => Ok(vec![*address]),
        Host::Name(name) => {
            let found = lookup_host((name.as_str(), endpoint.port)).await;
            let found = found.map_err(|_| DeliveryFailure::HostUnresolved)?;
            Ok(found.map(|address| address.ip()).collect())
        }
    }
}

/// The first of the addresses that accepts a connection; each gets its share of the time.
async fn reach(
    addresses: &[IpAddr],
    port: u16,
    deadline: Instant,
) -> Result<TcpStream, DeliveryFailure> {
    for (left, address) in (1..=addresses.len()).rev().zip(addresses) {
        let rest = deadline.saturating_duration_since(Instant::now());
        let share = rest / u32::try_from(left).unwrap_or(1);
        let connecting = TcpStream::connect(SocketAddr::new(*address, port));
        if let Ok(Ok(stream)) = timeout(share, connecting).await {
            // A message is written whole: nothing is gained by waiting to fill a packet.
            let _: io::Result<()> = stream.set_nodelay(true);
            return Ok(stream);
        }
    }
    Err(DeliveryFailure::Unreachable)
}

fn add_roots(roots: &mut RootCertStore, path: &Path) -> Result<(), String> {
    let certificates = CertificateDer::pem_file_iter(path).map_err(|error| error.to_string())?;
    let mut count = 0;
    for certificate in certificates {
        let certificate = certificate.map_err(|error| error.to_string())?;
        roots.add(certificate).map_err(|error| error.to_string())?;
        count += 1;
    }
    if count == 0 { Err("there is no certificate in it".to_owned()) } else { Ok(()) }
}

#[cfg(test)]
mod tests;
