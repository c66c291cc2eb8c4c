//! Calls below the client: any bytes to any path, over whatever TLS a test brings.

use std::{error::Error, io, net::SocketAddr, sync::Arc, time::Duration};

use entente_client::{Assertions, AuthorizedChannel, Refusal};
use entente_identity::{
    Credentials, Identity, client_config, pem::read_certificates, pki::DomainDirectory,
};
use entente_testkit::{OPERATOR, SECOND_OPERATOR, TestHub};
use hyper_util::rt::TokioIo;
use prost::{
    Message,
    bytes::{Buf as _, BufMut as _},
};
use rustls::{
    ClientConfig,
    pki_types::{CertificateDer, ServerName},
};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tonic::{
    Request, Status,
    client::Grpc,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
    codegen::http::{Uri, uri::PathAndQuery},
    transport::Endpoint,
};

/// One connection of one caller.
#[derive(Debug, Clone)]
pub(crate) struct Wire {
    channel: AuthorizedChannel,
}

/// An RPC: the package of its service, and its name.
pub(crate) type Rpc = (&'static str, &'static str);

/// Messages as they are.
#[derive(Debug, Default)]
struct Raw;

/// The field that every write begins with.
#[derive(Clone, PartialEq, Message)]
struct Named {
    #[prost(string, tag = "1")]
    request_id: String,
}

impl Wire {
    pub(crate) async fn partner(hub: &TestHub, code: &str) -> Self {
        Self::of(hub, &partner(code), hub.partner_address()).await
    }

    /// A connection that takes 64 KiB of each stream, and no more until it is read.
    pub(crate) async fn partner_with_small_windows(hub: &TestHub, code: &str) -> Self {
        let config = config(hub, &partner(code));
        let connected = Self::connect_within(hub.partner_address(), config, Some(65_535)).await;
        connected.expect("a good certificate connects").with_tokens(hub, &partner(code))
    }

    /// A connection whose calls carry no token, or what the test puts there.
    pub(crate) async fn without_token(hub: &TestHub, identity: &Identity) -> Self {
        let address = match identity {
            Identity::Operator(_) => hub.operator_address(),
            Identity::Partner(_) | Identity::Hub => hub.partner_address(),
        };
        let connected = Self::connect(address, config(hub, identity)).await;
        connected.expect("a good certificate connects")
    }

    pub(crate) async fn operator(hub: &TestHub) -> Self {
        Self::of(hub, &operator(), hub.operator_address()).await
    }

    /// The operator who approves what the first one proposes.
    pub(crate) async fn second_operator(hub: &TestHub) -> Self {
        let second = Identity::Operator(SECOND_OPERATOR.parse().expect("a good name"));
        Self::of(hub, &second, hub.operator_address()).await
    }

    async fn of(hub: &TestHub, identity: &Identity, address: SocketAddr) -> Self {
        let config = config(hub, identity);
        let connected = Self::connect(address, config).await.expect("a good certificate connects");
        connected.with_tokens(hub, identity)
    }

    /// The same connection, with tokens of an identity.
    pub(crate) fn with_tokens(self, hub: &TestHub, identity: &Identity) -> Self {
        let directory = hub.trust_domain();
        let (key, certificate) =
            (directory.assertion_key(identity), directory.certificate(identity));
        let assertions = Assertions::new(key, certificate);
        Self { channel: self.channel.with_tokens(assertions) }
    }

    /// A connection by any TLS configuration.
    pub(crate) async fn connect(
        address: SocketAddr,
        config: ClientConfig,
    ) -> Result<Self, tonic::transport::Error> {
        Self::connect_within(address, config, None).await
    }

    async fn connect_within(
        address: SocketAddr,
        config: ClientConfig,
        window: Option<u32>,
    ) -> Result<Self, tonic::transport::Error> {
        let config = Arc::new(config);
        let connector = tower::service_fn(move |_: Uri| {
            let config = Arc::clone(&config);
            async move {
                let name = ServerName::try_from("localhost").map_err(io::Error::other)?;
                let stream = TcpStream::connect(address).await?;
                TlsConnector::from(config).connect(name, stream).await.map(TokioIo::new)
            }
        });
        let endpoint = Endpoint::from_static("https://localhost");
        let endpoint = endpoint.connect_timeout(Duration::from_secs(5));
        let endpoint = endpoint.initial_stream_window_size(window);
        let channel = endpoint.connect_with_connector(connector).await?;
        Ok(Self { channel: AuthorizedChannel::bare(channel) })
    }

    /// A connection that a test has already.
    pub(crate) fn over(channel: AuthorizedChannel) -> Self {
        Self { channel }
    }

    /// The connection, for a generated client.
    pub(crate) fn channel(&self) -> AuthorizedChannel {
        self.channel.clone()
    }

    /// Calls an RPC of the contract; of a stream, its first message.
    pub(crate) async fn call(&self, rpc: Rpc, message: &[u8]) -> Result<Vec<u8>, Refusal> {
        let sent = self.send(&path(rpc), Request::new(message.to_vec())).await;
        sent.map_err(|status| Refusal::from_status(&status))
    }

    /// Sends a request to any path.
    pub(crate) async fn send(
        &self,
        path: &str,
        mut request: Request<Vec<u8>>,
    ) -> Result<Vec<u8>, Status> {
        request.set_timeout(Duration::from_secs(30));
        let path = PathAndQuery::try_from(path).expect("a path");
        self.ready().await?.unary(request, path, Raw).await.map(tonic::Response::into_inner)
    }

    /// Whether an RPC begins to answer. A stream may then say nothing for as long as it likes.
    pub(crate) async fn begin(
        &self,
        path: &str,
        mut request: Request<Vec<u8>>,
    ) -> Result<(), Status> {
        request.set_timeout(Duration::from_secs(30));
        let path = PathAndQuery::try_from(path).expect("a path");
        self.ready().await?.server_streaming(request, path, Raw).await.map(drop)
    }

    async fn ready(&self) -> Result<Grpc<AuthorizedChannel>, Status> {
        let mut client = Grpc::new(self.channel.clone());
        let broken = |error: Box<dyn Error + Send + Sync>| Status::unavailable(error.to_string());
        client.ready().await.map_err(broken)?;
        Ok(client)
    }
}

pub(crate) fn config(hub: &TestHub, identity: &Identity) -> ClientConfig {
    let directory = hub.trust_domain();
    let (certificate, key) = (directory.certificate(identity), directory.key(identity));
    let credentials = Credentials::from_pem_files(&certificate, &key).unwrap();
    client_config(&hub_roots(&directory), &credentials).unwrap()
}

/// `/package.Service/Method`.
/// A package with several services names the service too: `event/webhook`.
pub(crate) fn path((package, method): Rpc) -> String {
    let (package, service) = package.split_once('/').unwrap_or((package, package));
    let (first, rest) = service.split_at(1);
    format!("/entente.{package}.v1.{}{rest}Service/{method}", first.to_uppercase())
}

/// The request id of an encoded write.
pub(crate) fn request_id(message: &[u8]) -> String {
    Named::decode(message).expect("a write").request_id
}

pub(crate) fn partner(code: &str) -> Identity {
    Identity::Partner(code.parse().expect("a good code"))
}

pub(crate) fn operator() -> Identity {
    Identity::Operator(OPERATOR.parse().expect("a good name"))
}

pub(crate) fn hub_roots(directory: &DomainDirectory) -> Vec<CertificateDer<'static>> {
    read_certificates(&directory.ca_certificate(&Identity::Hub)).expect("the hub's root")
}

impl Codec for Raw {
    type Encode = Vec<u8>;
    type Decode = Vec<u8>;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, message: Vec<u8>, to: &mut EncodeBuf<'_>) -> Result<(), Status> {
        to.put_slice(&message);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Vec<u8>>, Status> {
        Ok(Some(from.copy_to_bytes(from.remaining()).to_vec()))
    }
}
