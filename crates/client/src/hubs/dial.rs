//! Making a connection: TCP, TLS 1.3 with our certificate, HTTP/2, and the hub's first answer.

use std::{io, sync::Arc, time::Duration};

use entente_identity::{
    Thumbprint,
    pem::{read_certificates, read_crls},
    tls::{Credentials, client_config_refusing},
};
use http::uri::Authority;
use rustls::{ClientConfig, pki_types::ServerName};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::{connection::Connection, files::Files, files::Paths};
use crate::{Options, OptionsError, error::chain};

/// How often it is begun anew because our certificate was renewed while hands were shaken.
const RENEWALS: u32 = 3;

/// The host and port to connect to, and the name that must be found there.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(super) authority: Authority,
    host: String,
    port: u16,
    server_name: ServerName<'static>,
}

/// Why there is no connection.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum Unreachable {
    /// Another attempt may help.
    #[error("{0}")]
    Away(String),
    /// The hub showed a certificate that we do not trust: another hub may be meant, or it will be
    /// mended.
    #[error("{0}")]
    Distrusted(String),
    /// The hub does not admit our certificate, as a TLS alert says.
    #[error("{0}")]
    Shut(String),
}

impl Target {
    pub(super) fn of(endpoint: &str, options: &Options) -> Result<Self, OptionsError> {
        let bad = || OptionsError::Endpoint(endpoint.to_owned());
        let given = endpoint.trim_end_matches('/');
        let authority = match given.split_once("://") {
            Some(("https", authority)) => authority,
            Some(_) => return Err(bad()),
            None => given,
        };
        let parsed: Authority = authority.parse().map_err(|_| bad())?;
        let port = parsed.port_u16().ok_or_else(bad)?;
        let host = parsed.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        if host.is_empty() || authority.contains('@') {
            return Err(bad());
        }
        let name = options.server_name.clone().unwrap_or_else(|| host.clone());
        let server_name =
            ServerName::try_from(name.clone()).map_err(|_| OptionsError::ServerName(name))?;
        Ok(Self { authority: parsed, host, port, server_name })
    }
}

/// Connects. A certificate that was renewed meanwhile is no reason to fail: the hub may have been
/// told to refuse the one before, which we have just shown.
pub(super) async fn dial(target: &Target, files: &Files) -> Result<Connection, Unreachable> {
    let mut renewals = 0;
    loop {
        let edition = files.edition();
        let (shown, failure) = match once(target, files, edition).await {
            Ok(connection) => return Ok(connection),
            Err(failed) => failed,
        };
        let Some(shown) = shown else { return Err(failure) };
        renewals += 1;
        if renewals > RENEWALS || !files.renewed_since(shown).await {
            return Err(failure);
        }
        tracing::debug!(%failure, "connecting again with the renewed certificate");
    }
}

/// One attempt; if it fails, with which certificate, unless that could not be read.
async fn once(
    target: &Target,
    files: &Files,
    edition: u64,
) -> Result<Connection, (Option<Thumbprint>, Unreachable)> {
    let paths = files.paths.clone();
    let read = tokio::task::spawn_blocking(move || tls(&paths)).await;
    let away = |error: &(dyn std::error::Error + 'static)| Unreachable::Away(chain(error));
    let (config, shown) = match read {
        Ok(Ok(read)) => read,
        Ok(Err(error)) => return Err((None, away(&error))),
        Err(error) => return Err((None, away(&error))),
    };
    let opening = async {
        let stream = open(target, config).await.map_err(|error| {
            let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
            match tls {
                Some(rustls::Error::InvalidCertificate(_)) => {
                    Unreachable::Distrusted(chain(&error))
                }
                _ => away(&error),
            }
        })?;
        let authority = target.authority.clone();
        let connection = Connection::over(stream, authority, shown, edition).await?;
        connection.prove().await?;
        Ok(connection)
    };
    let within: Duration = files.connect_timeout;
    let late = |_| Err(Unreachable::Away("no connection within the time allowed".to_owned()));
    let opened = tokio::time::timeout(within, opening).await.unwrap_or_else(late);
    opened.map_err(|unreachable| (Some(shown), unreachable))
}

async fn open(target: &Target, config: ClientConfig) -> io::Result<TlsStream<TcpStream>> {
    let tcp = TcpStream::connect((target.host.as_str(), target.port)).await?;
    tcp.set_nodelay(true)?;
    TlsConnector::from(Arc::new(config)).connect(target.server_name.clone(), tcp).await
}

/// Reads the files, and says which certificate they show.
pub(super) fn tls(paths: &Paths) -> Result<(ClientConfig, Thumbprint), OptionsError> {
    let roots = read_certificates(&paths.hub_root)?;
    let revoked = &paths.hub_revocations;
    let revoked = if revoked.exists() { read_crls(revoked)? } else { Vec::new() };
    let credentials = Credentials::from_pem_files(&paths.certificate, &paths.key)?;
    let leaf = credentials.chain().first().map(Thumbprint::of);
    let shown = leaf.ok_or_else(|| OptionsError::Certificate(paths.certificate.clone()))?;
    Ok((client_config_refusing(&roots, revoked, &credentials)?, shown))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(endpoint: &str) -> Result<Target, OptionsError> {
        Target::of(endpoint, &Options::new(endpoint, "r", "c", "k"))
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
