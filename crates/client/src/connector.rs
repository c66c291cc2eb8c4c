//! The connection: TCP, then TLS 1.3 with our certificate, HTTP/2 only.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use entente_identity::pem::read_certificates;
use entente_identity::tls::{Credentials, client_config};
use http::Uri;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};
use tonic::transport::{Channel, Endpoint};
use tower::service_fn;

use crate::error::{Error, OptionsError, TransportError, chain};
use crate::options::Options;

/// How often a silent connection is asked whether it is alive, and how long it may take to answer.
const KEEP_ALIVE: (Duration, Duration) = (Duration::from_secs(20), Duration::from_secs(10));

/// The host and port to connect to, and the name that must be found there.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) authority: String,
    host: String,
    port: u16,
    server_name: ServerName<'static>,
}

impl Target {
    pub(crate) fn of(options: &Options) -> Result<Self, OptionsError> {
        let bad = || OptionsError::Endpoint(options.endpoint.clone());
        let given = options.endpoint.trim_end_matches('/');
        let authority = match given.split_once("://") {
            Some(("https", authority)) => authority,
            Some(_) => return Err(bad()),
            None => given,
        };
        let parsed: http::uri::Authority = authority.parse().map_err(|_| bad())?;
        let port = parsed.port_u16().ok_or_else(bad)?;
        let host = parsed.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        if host.is_empty() || authority.contains('@') {
            return Err(bad());
        }
        let name = options.server_name.clone().unwrap_or_else(|| host.clone());
        let server_name =
            ServerName::try_from(name.clone()).map_err(|_| OptionsError::ServerName(name))?;
        Ok(Self { authority: authority.to_owned(), host, port, server_name })
    }
}

/// A channel that connects at once, and again by itself whenever the connection is lost.
pub(crate) async fn channel(options: &Options) -> Result<Channel, Error> {
    let target = Target::of(options)?;
    // Made once here, so that bad files are told apart from a hub that is away.
    tls(options)?;
    let (interval, timeout) = KEEP_ALIVE;
    // The scheme here is http, because tonic knows nothing of our TLS; requests say https.
    let endpoint = Endpoint::from_shared(format!("http://{}", target.authority))
        .and_then(|endpoint| endpoint.user_agent(concat!("entente/", env!("CARGO_PKG_VERSION"))))
        .map_err(|_| OptionsError::Endpoint(options.endpoint.clone()))?
        .origin(origin(&target).ok_or_else(|| OptionsError::Endpoint(options.endpoint.clone()))?)
        .connect_timeout(options.connect_timeout)
        .http2_keep_alive_interval(interval)
        .keep_alive_timeout(timeout)
        .keep_alive_while_idle(true);
    let given = Arc::new((options.clone(), target));
    let connector = service_fn(move |_: Uri| {
        let given = Arc::clone(&given);
        async move { open(&given.0, &given.1).await.map(TokioIo::new) }
    });
    endpoint.connect_with_connector(connector).await.map_err(|error| {
        let endpoint = options.endpoint.clone();
        Error::Transport(TransportError { endpoint, problem: chain(&error) })
    })
}

fn origin(target: &Target) -> Option<Uri> {
    Uri::builder()
        .scheme("https")
        .authority(target.authority.as_str())
        .path_and_query("/")
        .build()
        .ok()
}

async fn open(options: &Options, target: &Target) -> io::Result<TlsStream<TcpStream>> {
    let config = tls(options).map_err(io::Error::other)?;
    let work = async {
        let tcp = TcpStream::connect((target.host.as_str(), target.port)).await?;
        tcp.set_nodelay(true)?;
        TlsConnector::from(Arc::new(config)).connect(target.server_name.clone(), tcp).await
    };
    let late = |_| io::Error::new(io::ErrorKind::TimedOut, "no connection within the time allowed");
    tokio::time::timeout(options.connect_timeout, work).await.map_err(late)?
}

/// Reads the files anew, so that a renewed certificate is used from the next connection on.
fn tls(options: &Options) -> Result<ClientConfig, OptionsError> {
    let roots = read_certificates(&options.hub_root)?;
    let credentials = Credentials::from_pem_files(&options.certificate, &options.key)?;
    Ok(client_config(&roots, &credentials)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(endpoint: &str) -> Result<Target, OptionsError> {
        Target::of(&Options::new(endpoint, "r", "c", "k"))
    }

    #[test]
    fn an_endpoint_is_a_host_and_a_port() {
        for (endpoint, host, port) in [
            ("https://hub.example:8443", "hub.example", 8443),
            ("hub.example:1/", "hub.example", 1),
            ("127.0.0.1:443", "127.0.0.1", 443),
            ("https://[::1]:443", "::1", 443),
        ] {
            let target = target(endpoint).expect("an endpoint");
            assert_eq!((target.host.as_str(), target.port), (host, port), "{endpoint}");
        }
    }

    #[test]
    fn plain_text_is_never_spoken() {
        for endpoint in ["http://hub.example:80", "hub.example", "", "https://a@b:1", "https://:1"]
        {
            assert!(target(endpoint).is_err(), "{endpoint:?}");
        }
    }
}
