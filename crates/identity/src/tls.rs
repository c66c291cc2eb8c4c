//! rustls configurations for both ends: TLS 1.3 alone, HTTP/2 alone, nothing resumed.
//!
//! A resumed session would restore a client's chain without checking it again, so a certificate
//! revoked meanwhile could come back. The hub gives out no tickets and keeps no sessions.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::server::NoServerSessionStorage;
use rustls::version::TLS13;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};

use crate::certificate::parse;
use crate::pem::{FileError, read_certificates, read_key};
use crate::verifier::EntenteClientVerifier;

/// A certificate chain, leaf first, and the leaf's key.
pub struct Credentials {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    /// Where they came from, for errors.
    origin: String,
}

/// Why a configuration cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The certificate and the key do not belong together, or one of them is unusable.
    #[error("{origin}: {problem}; give a certificate and the key that it was made for")]
    Credentials {
        /// The files.
        origin: String,
        /// What rustls says.
        problem: String,
    },
    /// A root certificate that cannot be used.
    #[error("the hub's root certificate cannot be used: {0}; give the hub-ca.pem of the hub")]
    HubRoot(String),
    /// No root certificates at all: nothing could be verified.
    #[error("no root certificate of the hub is given; give the hub-ca.pem of the hub")]
    NoHubRoot,
    /// A revocation list that cannot be used.
    #[error("what the hub's CA has revoked cannot be read: {0}; give its hub-ca.crl, or none")]
    HubRevoked(String),
    /// The provider does not offer what we ask for.
    #[error("TLS cannot be set up: {0}")]
    Setup(String),
}

impl Credentials {
    /// Reads a certificate chain and its key from PEM files.
    pub fn from_pem_files(certificates: &Path, key: &Path) -> Result<Self, FileError> {
        let origin = format!("{} with {}", certificates.display(), key.display());
        Ok(Self { chain: read_certificates(certificates)?, key: read_key(key)?, origin })
    }

    /// Credentials that are in memory already; the chain begins with the leaf.
    pub fn from_der(chain: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static>) -> Self {
        Self { chain, key, origin: "the certificate in memory".to_owned() }
    }

    /// The certificates, leaf first.
    pub fn chain(&self) -> &[CertificateDer<'static>] {
        &self.chain
    }

    /// The last second in which the leaf is valid; `None` if it is malformed.
    pub fn not_after(&self) -> Option<Timestamp> {
        let leaf = parse(self.chain.first()?).ok()?;
        Timestamp::from_second(leaf.validity().not_after.timestamp()).ok()
    }

    /// Whether the leaf was signed, perhaps through others that are sent with it, by one of the
    /// roots. Its dates and names are not looked at.
    pub fn leads_to(&self, roots: &[CertificateDer<'_>]) -> bool {
        let mut under = self.chain.iter();
        let Some(mut below) = under.next() else { return false };
        loop {
            if roots.iter().any(|root| root == below || is_signed_by(below, root)) {
                return true;
            }
            match under.next() {
                Some(above) if is_signed_by(below, above) => below = above,
                _ => return false,
            }
        }
    }

    /// Appends a certificate to what is sent.
    pub fn append(&mut self, certificate: CertificateDer<'static>) {
        self.chain.push(certificate);
    }

    #[cfg(feature = "forge")]
    pub(crate) fn key(&self) -> &PrivateKeyDer<'static> {
        &self.key
    }

    fn unusable(&self, error: &rustls::Error) -> ConfigError {
        ConfigError::Credentials { origin: self.origin.clone(), problem: error.to_string() }
    }
}

impl Clone for Credentials {
    fn clone(&self) -> Self {
        let (chain, origin) = (self.chain.clone(), self.origin.clone());
        Self { chain, key: self.key.clone_key(), origin }
    }
}

/// Says where they came from, and shows no key.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("origin", &self.origin).finish_non_exhaustive()
    }
}

fn is_signed_by(below: &CertificateDer<'_>, above: &CertificateDer<'_>) -> bool {
    let (Ok(below), Ok(above)) = (parse(below), parse(above)) else { return false };
    below.issuer() == above.subject() && below.verify_signature(Some(above.public_key())).is_ok()
}

/// The cryptography of every connection, named rather than taken from the process's default.
pub fn crypto_provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

/// The hub's side of a listener. Make a new one whenever roots, revocation lists or the hub's own
/// certificate change, and use it for the connections that come after.
pub fn server_config(
    hub: &Credentials,
    verifier: Arc<EntenteClientVerifier>,
) -> Result<ServerConfig, ConfigError> {
    let mut config = ServerConfig::builder_with_provider(crypto_provider())
        .with_protocol_versions(&[&TLS13])
        .map_err(|error| ConfigError::Setup(error.to_string()))?
        .with_client_cert_verifier(verifier)
        .with_single_cert(hub.chain.clone(), hub.key.clone_key())
        .map_err(|error| hub.unusable(&error))?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config.max_early_data_size = 0;
    Ok(config)
}

/// A partner's or an operator's side. The hub is verified by its roots and by the DNS name or
/// address that is connected to.
pub fn client_config(
    hub_roots: &[CertificateDer<'static>],
    credentials: &Credentials,
) -> Result<ClientConfig, ConfigError> {
    client_config_refusing(hub_roots, Vec::new(), credentials)
}

/// The same, refusing what the roots have revoked: by lists, which have to be in date.
pub fn client_config_refusing(
    hub_roots: &[CertificateDer<'static>],
    hub_revoked: Vec<CertificateRevocationListDer<'static>>,
    credentials: &Credentials,
) -> Result<ClientConfig, ConfigError> {
    let mut store = RootCertStore::empty();
    for root in hub_roots {
        store.add(root.clone()).map_err(|error| ConfigError::HubRoot(error.to_string()))?;
    }
    if store.is_empty() {
        return Err(ConfigError::NoHubRoot);
    }
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(store), crypto_provider())
        .with_crls(hub_revoked)
        .enforce_revocation_expiration()
        .build()
        .map_err(|error| ConfigError::HubRevoked(error.to_string()))?;
    let mut config = ClientConfig::builder_with_provider(crypto_provider())
        .with_protocol_versions(&[&TLS13])
        .map_err(|error| ConfigError::Setup(error.to_string()))?
        .with_webpki_verifier(verifier)
        .with_client_auth_cert(credentials.chain.clone(), credentials.key.clone_key())
        .map_err(|error| credentials.unusable(&error))?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    config.resumption = Resumption::disabled();
    Ok(config)
}
