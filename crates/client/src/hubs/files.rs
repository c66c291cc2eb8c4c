//! The files that say who we are and whom we trust: noticed when they change, read for each new
//! connection.

use std::{
    path::{Path, PathBuf},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use entente_identity::{Thumbprint, pem::read_certificates};
use tokio::time::Instant;

use crate::Options;

/// How often the files are looked at, at most.
const LOOK: Duration = Duration::from_secs(1);

/// Where the files are.
#[derive(Clone, Debug)]
pub(crate) struct Paths {
    pub(super) hub_root: PathBuf,
    /// Beside the root; it need not exist.
    pub(super) hub_revocations: PathBuf,
    pub(super) certificate: PathBuf,
    pub(super) key: PathBuf,
}

/// The files, and how often they have changed.
#[derive(Debug)]
pub(crate) struct Files {
    pub(super) paths: Paths,
    pub(super) connect_timeout: Duration,
    edition: AtomicU64,
    seen: Mutex<Seen>,
}

#[derive(Debug)]
struct Seen {
    marks: Vec<Mark>,
    at: Instant,
}

/// What tells that a file changed, without reading it.
type Mark = Option<(SystemTime, u64)>;

impl Files {
    pub(super) fn of(options: &Options) -> Self {
        let paths = Paths {
            hub_root: options.hub_root.clone(),
            hub_revocations: options.hub_root.with_extension("crl"),
            certificate: options.certificate.clone(),
            key: options.key.clone(),
        };
        let seen = Mutex::new(Seen { marks: marks(&paths), at: Instant::now() });
        let edition = AtomicU64::new(0);
        Self { paths, connect_timeout: options.connect_timeout, edition, seen }
    }

    /// How often they have changed, as far as is known.
    pub(super) fn edition(&self) -> u64 {
        self.edition.load(Ordering::Acquire)
    }

    /// Looks whether they changed, unless that was done a moment ago.
    pub(super) fn look(&self) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.at.elapsed() < LOOK {
            return;
        }
        seen.at = Instant::now();
        let marks = marks(&self.paths);
        if marks != seen.marks {
            seen.marks = marks;
            self.edition.fetch_add(1, Ordering::AcqRel);
        }
    }

    /// Whether another certificate than this one would be shown now.
    pub(super) async fn renewed_since(&self, shown: Thumbprint) -> bool {
        let path = self.paths.certificate.clone();
        let read = tokio::task::spawn_blocking(move || read_certificates(&path)).await;
        let Ok(Ok(chain)) = read else { return false };
        chain.first().is_some_and(|leaf| Thumbprint::of(leaf) != shown)
    }
}

fn marks(paths: &Paths) -> Vec<Mark> {
    let Paths { hub_root, hub_revocations, certificate, key } = paths;
    [hub_root, hub_revocations, certificate, key].map(|path| mark(path)).to_vec()
}

fn mark(path: &Path) -> Mark {
    let found = std::fs::metadata(path).ok()?;
    Some((found.modified().ok()?, found.len()))
}
