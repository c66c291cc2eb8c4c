//! The hub's certificates and those it trusts: read from a trust domain's folder, put in force for
//! new connections, and asked again about the open ones.

mod expiry;
mod load;
mod marks;
mod reload;

use std::{path::PathBuf, sync::Arc};

use entente_identity::{
    EntenteClientVerifier, pem::FileError, pki::PkiError, roots::RootsError, tls::ConfigError,
};
use rustls::ServerConfig;
use tokio::sync::watch;

use crate::{caller::Role, config::Config};

pub(crate) use load::Loader;
pub(crate) use reload::{Asked, Reloading};

/// Where the certificates are.
#[derive(Debug, Clone)]
pub struct Certificates {
    /// The folder of the trust domain.
    pub folder: PathBuf,
    /// The hub's certificate chain, when it is not in the folder.
    pub hub_certificate: Option<PathBuf>,
    /// The hub's key, when it is not in the folder.
    pub hub_key: Option<PathBuf>,
}

/// Why the certificates cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CertificatesError {
    /// The folder is not a trust domain's, or is damaged.
    #[error(transparent)]
    Folder(#[from] PkiError),
    /// A file cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// Certificate and key do not fit.
    #[error(transparent)]
    Unusable(#[from] ConfigError),
    /// Roots that cannot be in force together; each is checked alone before, so never expected.
    #[error(transparent)]
    Roots(#[from] RootsError),
    /// The hub's certificate has expired, or is malformed.
    #[error("the hub's certificate is not valid any more; renew it with `entente pki renew hub`")]
    Expired,
    /// The hub's certificate is not of the CA that clients pin.
    #[error("the hub's certificate is not signed by the hub-ca.pem of its folder")]
    NotItsRoot,
    /// The folder became another trust domain's.
    #[error("the folder is of the trust domain {0} now")]
    TrustDomain(String),
}

/// What one listener needs for its handshakes. Never changed: a new one replaces it, so that no
/// session of the old one can be resumed.
pub(crate) struct ListenerTls {
    pub(crate) config: Arc<ServerConfig>,
    pub(crate) verifier: Arc<EntenteClientVerifier>,
}

/// What both listeners use now.
#[derive(Clone)]
pub(crate) struct InForce {
    partners: watch::Sender<Arc<ListenerTls>>,
    operators: watch::Sender<Arc<ListenerTls>>,
}

/// What was loaded for both listeners.
pub(crate) struct Loaded {
    pub(crate) partners: Arc<ListenerTls>,
    pub(crate) operators: Arc<ListenerTls>,
}

impl Certificates {
    /// Where the configuration says.
    #[must_use]
    pub fn of(config: &Config) -> Self {
        Self {
            folder: config.certificates.clone(),
            hub_certificate: config.hub_certificate.clone(),
            hub_key: config.hub_key.clone(),
        }
    }
}

impl InForce {
    pub(crate) fn new(loaded: Loaded) -> Self {
        Self {
            partners: watch::Sender::new(loaded.partners),
            operators: watch::Sender::new(loaded.operators),
        }
    }

    /// What a listener uses, now and later.
    pub(crate) fn of(&self, role: Role) -> watch::Receiver<Arc<ListenerTls>> {
        self.sender(role).subscribe()
    }

    /// For the connections that come from now on.
    fn replace(&self, loaded: Loaded) {
        self.partners.send_replace(loaded.partners);
        self.operators.send_replace(loaded.operators);
    }

    fn verifier(&self, role: Role) -> Arc<EntenteClientVerifier> {
        Arc::clone(&self.sender(role).borrow().verifier)
    }

    const fn sender(&self, role: Role) -> &watch::Sender<Arc<ListenerTls>> {
        match role {
            Role::Partner => &self.partners,
            Role::Operator => &self.operators,
        }
    }
}
