//! Where the hub is, who we are, and how long a call may take.

use std::path::PathBuf;
use std::time::Duration;

use crate::Assertions;

/// How to reach the hubs of one ledger as one identity.
#[derive(Clone, Debug)]
pub struct Options {
    /// Each `https://host:port` or `host:port`. Calls take turns among those that answer.
    pub endpoints: Vec<String>,
    /// The name that a hub's certificate must show; its endpoint's host when absent.
    pub server_name: Option<String>,
    /// PEM file of the roots that sign the hub's certificate. Where a file of the same name with the
    /// extension `crl` lies beside it, that is the list of what they have revoked: it has to be in
    /// date, and a hub whose certificate is on it is not spoken to.
    pub hub_root: PathBuf,
    /// PEM file of our own certificate, leaf first.
    pub certificate: PathBuf,
    /// PEM file of our key.
    pub key: PathBuf,
    /// PEM file of the key by which our assertions are signed; without one, calls carry no token, and
    /// the hub answers few of them.
    pub assertion_key: Option<PathBuf>,
    /// The hub's issuer; `https://` and our certificate's trust domain when absent.
    pub issuer: Option<String>,
    /// How long a connection may take to be made, TLS included.
    pub connect_timeout: Duration,
    /// Deadlines and attempts.
    pub retry: Retry,
}

impl Options {
    /// Options with the usual deadlines.
    pub fn new(
        endpoint: impl Into<String>,
        hub_root: impl Into<PathBuf>,
        certificate: impl Into<PathBuf>,
        key: impl Into<PathBuf>,
    ) -> Self {
        Self {
            endpoints: vec![endpoint.into()],
            server_name: None,
            hub_root: hub_root.into(),
            certificate: certificate.into(),
            key: key.into(),
            assertion_key: None,
            issuer: None,
            connect_timeout: Duration::from_secs(5),
            retry: Retry::default(),
        }
    }

    /// Adds another hub of the same ledger.
    #[must_use]
    pub fn endpoint(mut self, endpoint: impl Into<String>) -> Self {
        self.endpoints.push(endpoint.into());
        self
    }

    /// Names the host in the hub's certificate, where it differs from the endpoint's.
    #[must_use]
    pub fn server_name(mut self, name: impl Into<String>) -> Self {
        self.server_name = Some(name.into());
        self
    }

    /// Names the key by which our assertions are signed: tokens are got by them, and renewed.
    #[must_use]
    pub fn assertion_key(mut self, key: impl Into<PathBuf>) -> Self {
        self.assertion_key = Some(key.into());
        self
    }

    /// Names the hub's issuer, where its operators have chosen another than usual.
    #[must_use]
    pub fn issuer(mut self, issuer: impl Into<String>) -> Self {
        self.issuer = Some(issuer.into());
        self
    }

    pub(crate) fn assertions(&self) -> Option<Assertions> {
        let key = self.assertion_key.clone()?;
        let (certificate, issuer) = (self.certificate.clone(), self.issuer.clone());
        Some(Assertions { key, certificate, issuer })
    }

    /// Sets deadlines and attempts.
    #[must_use]
    pub fn retry(mut self, retry: Retry) -> Self {
        self.retry = retry;
        self
    }
}

/// How long and how often a call is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// For the whole call, waits and all attempts counted.
    pub deadline: Duration,
    /// For one attempt; the hub allows at most 30 s.
    pub attempt_deadline: Duration,
    /// How often a request is sent at most; 1 for never again.
    pub attempts: u32,
    /// The wait before the second attempt, which doubles with each further one.
    pub first_wait: Duration,
    /// The longest wait that is chosen here; the hub may ask for a longer one.
    pub longest_wait: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            deadline: Duration::from_secs(20),
            attempt_deadline: Duration::from_secs(5),
            attempts: 6,
            first_wait: Duration::from_millis(50),
            longest_wait: Duration::from_secs(2),
        }
    }
}

impl Retry {
    /// Every call is sent once.
    #[must_use]
    pub fn never() -> Self {
        Self { attempts: 1, ..Self::default() }
    }
}
