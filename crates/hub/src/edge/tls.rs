//! The hub's certificates and those it trusts, read from a trust domain's folder, and read again
//! when a file there changes.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use entente_identity::{
    Credentials, EntenteClientVerifier, Identity, Kind, pem::FileError, pki::DomainDirectory,
    pki::PkiError, server_config, tls::ConfigError,
};
use rustls::ServerConfig;
use tokio::sync::watch;

use crate::{caller::Role, config::Config};

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);

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
}

/// What one listener needs for its handshakes. Never changed: a new one replaces it, so that no
/// session of the old one can be resumed.
pub(crate) struct ListenerTls {
    pub(crate) config: Arc<ServerConfig>,
    pub(crate) verifier: Arc<EntenteClientVerifier>,
}

/// The certificates of both listeners.
pub(crate) struct Loaded {
    /// The files as they were before they were read: what changes meanwhile is read again.
    marks: Option<Vec<Mark>>,
    pub(crate) trust_domain: String,
    pub(crate) partners: Arc<ListenerTls>,
    pub(crate) operators: Arc<ListenerTls>,
}

/// What tells that a file changed.
type Mark = (PathBuf, Option<SystemTime>, u64);

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

    pub(crate) fn load(&self) -> Result<Loaded, CertificatesError> {
        let marks = self.marks().ok();
        let directory = DomainDirectory::open(&self.folder)?;
        let at = |given: &Option<PathBuf>, usual: PathBuf| given.clone().unwrap_or(usual);
        let certificate = at(&self.hub_certificate, directory.certificate(&Identity::Hub));
        let key = at(&self.hub_key, directory.key(&Identity::Hub));
        let hub = Credentials::from_pem_files(&certificate, &key)?;
        let listener = |role| {
            let kind = match role {
                Role::Partner => Kind::Partner,
                Role::Operator => Kind::Operator,
            };
            let verifier = EntenteClientVerifier::new(directory.identity_roots()?, [kind]);
            let config = Arc::new(server_config(&hub, Arc::clone(&verifier))?);
            Ok::<_, CertificatesError>(Arc::new(ListenerTls { config, verifier }))
        };
        Ok(Loaded {
            marks,
            trust_domain: directory.trust_domain().to_string(),
            partners: listener(Role::Partner)?,
            operators: listener(Role::Operator)?,
        })
    }

    /// The state of every file that matters, in a fixed order.
    fn marks(&self) -> io::Result<Vec<Mark>> {
        let mut marks = Vec::new();
        mark_folder(&self.folder, 3, &mut marks)?;
        for path in [&self.hub_certificate, &self.hub_key].into_iter().flatten() {
            marks.push(mark(path)?);
        }
        marks.sort();
        Ok(marks)
    }

    /// Loads the certificates again whenever a file changes, for ever. What cannot be loaded is
    /// logged, and what was loaded before stays in use.
    pub(crate) async fn keep_loading(
        self,
        mut loaded: Loaded,
        partners: watch::Sender<Arc<ListenerTls>>,
        operators: watch::Sender<Arc<ListenerTls>>,
    ) {
        loop {
            partners.send_replace(Arc::clone(&loaded.partners));
            operators.send_replace(Arc::clone(&loaded.operators));
            loaded = self.changed(loaded.marks).await;
            tracing::info!("loaded the changed certificates");
        }
    }

    /// Waits for a change that can be loaded.
    async fn changed(&self, mut seen: Option<Vec<Mark>>) -> Loaded {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let (certificates, before) = (self.clone(), seen.clone());
            let look = move || {
                let now = certificates.marks().ok();
                (now != before).then(|| (now, certificates.load()))
            };
            match tokio::task::spawn_blocking(look).await {
                Ok(None) | Err(_) => {}
                Ok(Some((_, Ok(loaded)))) => return loaded,
                Ok(Some((now, Err(error)))) => {
                    tracing::error!(%error, "cannot load the changed certificates");
                    seen = now;
                }
            }
        }
    }
}

fn mark_folder(folder: &Path, depth: u8, marks: &mut Vec<Mark>) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            if let Some(depth) = depth.checked_sub(1) {
                mark_folder(&path, depth, marks)?;
            }
        } else {
            marks.push(mark(&path)?);
        }
    }
    Ok(())
}

fn mark(path: &Path) -> io::Result<Mark> {
    let metadata = std::fs::metadata(path)?;
    Ok((path.to_owned(), metadata.modified().ok(), metadata.len()))
}
