//! Where webhooks may lead, and how much is sent.

use std::{path::PathBuf, time::Duration};

use serde::{Deserialize, Serialize};

use super::{ConfigError, limits::within};
use crate::webhooks::{AllowedHost, Network};

/// Webhooks. No host is allowed until the operators name one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WebhookSettings {
    /// The hosts that partners may name: `hooks.example.com`, `*.example.com` for every name below,
    /// each with `:8443` or `:*` for other ports than 443.
    pub allowed_hosts: Vec<String>,
    /// Networks that may be reached besides public addresses, such as `10.7.0.0/16`.
    pub allowed_networks: Vec<String>,
    /// A file of root certificates, in PEM, that are trusted besides those of the web.
    pub extra_roots: Option<PathBuf>,
    /// How many webhooks a partner may have.
    pub per_partner: u16,
    /// How many deliveries of one webhook are pending at most before no more events are read for it.
    pub max_pending: u32,
    /// How often it is looked whether something is to be sent.
    pub every_ms: u64,
    /// How long it may take to connect, with the look-up of the name and TLS.
    pub connect_timeout_ms: u64,
    /// How long an attempt may take.
    pub timeout_ms: u64,
}

impl WebhookSettings {
    pub(super) const NAMES: [&str; 8] = [
        "allowed_hosts",
        "allowed_networks",
        "extra_roots",
        "per_partner",
        "max_pending",
        "every_ms",
        "connect_timeout_ms",
        "timeout_ms",
    ];

    /// [`Self::allowed_hosts`]; those that are none were refused by the check.
    #[must_use]
    pub fn hosts(&self) -> Vec<AllowedHost> {
        self.allowed_hosts.iter().filter_map(|host| host.parse().ok()).collect()
    }

    /// [`Self::allowed_networks`]; those that are none were refused by the check.
    #[must_use]
    pub fn networks(&self) -> Vec<Network> {
        self.allowed_networks.iter().filter_map(|network| network.parse().ok()).collect()
    }

    /// [`Self::every_ms`].
    #[must_use]
    pub const fn every(&self) -> Duration {
        Duration::from_millis(self.every_ms)
    }

    /// [`Self::connect_timeout_ms`].
    #[must_use]
    pub const fn connect_timeout(&self) -> Duration {
        Duration::from_millis(self.connect_timeout_ms)
    }

    /// [`Self::timeout_ms`].
    #[must_use]
    pub const fn timeout(&self) -> Duration {
        Duration::from_millis(self.timeout_ms)
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let unreadable = |name, value: &String, expected: &'static str| {
            Err(ConfigError::Range { name, value: value.clone(), expected: expected.into() })
        };
        for host in &self.allowed_hosts {
            if host.parse::<AllowedHost>().is_err() {
                let expected = "a host such as hooks.example.com, *.example.com or \
                                hooks.example.com:8443";
                return unreadable("webhooks.allowed_hosts", host, expected);
            }
        }
        for network in &self.allowed_networks {
            if network.parse::<Network>().is_err() {
                let expected = "a network such as 10.7.0.0/16";
                return unreadable("webhooks.allowed_networks", network, expected);
            }
        }
        within("webhooks.per_partner", &self.per_partner, 0..=256)?;
        within("webhooks.max_pending", &self.max_pending, 1..=1_000_000)?;
        within("webhooks.every_ms", &self.every_ms, 10..=60_000)?;
        within("webhooks.connect_timeout_ms", &self.connect_timeout_ms, 10..=self.timeout_ms)?;
        within("webhooks.timeout_ms", &self.timeout_ms, 10..=20_000)
    }
}

impl Default for WebhookSettings {
    fn default() -> Self {
        Self {
            allowed_hosts: Vec::new(),
            allowed_networks: Vec::new(),
            extra_roots: None,
            per_partner: 16,
            max_pending: 10_000,
            every_ms: 500,
            connect_timeout_ms: 5_000,
            timeout_ms: 10_000,
        }
    }
}
