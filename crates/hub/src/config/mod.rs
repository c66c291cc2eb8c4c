//! Configuration: defaults, then a file, then the environment, then flags.
//!
//! Every value has a default or an error that says how to set it. Units are in the names.

mod limits;
mod linking;
mod secret;
mod tokens;
mod webhooks;
mod workers;

use std::{
    borrow::Cow,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
};

use figment::{
    Figment,
    providers::{Env, Format, Serialized, Toml},
};
use jiff::SignedDuration;
use limits::within;
use serde::{Deserialize, Serialize};

pub use limits::{Limits, PostingLimits};
pub use linking::LinkingSettings;
pub use secret::DatabaseUrl;
pub use tokens::TokenSettings;
pub use webhooks::WebhookSettings;
pub use workers::WorkerSettings;

/// The prefix of environment variables: `ENTENTE_DATABASE_URL`, `ENTENTE_LIMITS__CONNECTIONS`.
pub const PREFIX: &str = "ENTENTE_";

/// What is in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where partners connect. Port 0 takes a free one.
    pub partner_listen: SocketAddr,
    /// Where operators connect.
    pub operator_listen: SocketAddr,
    /// Where liveness, readiness and metrics are, in plain HTTP; a loopback address.
    pub plain_listen: SocketAddr,
    /// The database, as the runtime role.
    pub database_url: Option<DatabaseUrl>,
    /// The trust domain. It is read from the folder of certificates; when given, it has to be the
    /// same.
    pub trust_domain: Option<String>,
    /// The folder of certificates, as `entente pki` makes it.
    pub certificates: PathBuf,
    /// The hub's certificate chain, when it is not in that folder.
    pub hub_certificate: Option<PathBuf>,
    /// The hub's key, when it is not in that folder.
    pub hub_key: Option<PathBuf>,
    /// The folder of keys that must not be in the database; made at the first start.
    pub keys: PathBuf,
    /// For how many days an operator's proposal can be approved.
    pub proposal_days: u16,
    /// Limits of the edge.
    pub limits: Limits,
    /// Limits of the posting pipeline.
    pub posting: PostingLimits,
    /// What the hub does by itself.
    pub workers: WorkerSettings,
    /// Linking of members.
    pub linking: LinkingSettings,
    /// Webhooks.
    pub webhooks: WebhookSettings,
    /// Tokens.
    pub tokens: TokenSettings,
}

/// Flags: what is set here wins.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Overrides {
    /// See [`Config::partner_listen`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partner_listen: Option<SocketAddr>,
    /// See [`Config::operator_listen`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operator_listen: Option<SocketAddr>,
    /// See [`Config::plain_listen`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plain_listen: Option<SocketAddr>,
    /// See [`Config::database_url`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub database_url: Option<DatabaseUrl>,
    /// See [`Config::certificates`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificates: Option<PathBuf>,
    /// See [`Config::keys`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keys: Option<PathBuf>,
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A value is unknown or of the wrong form; figment says which, and where it comes from.
    #[error("{0}")]
    Value(#[from] Box<figment::Error>),
    /// The file is not there.
    #[error("{0}: there is no such file")]
    NoFile(PathBuf),
    /// A needed value is not set.
    #[error("{name} is not set: give it in the file, as {PREFIX}{}, or by its flag", name.to_uppercase())]
    Missing {
        /// Its name.
        name: &'static str,
    },
    /// A value is out of range.
    #[error("{name} is {value}, and has to be {expected}")]
    Range {
        /// Its name.
        name: &'static str,
        /// What it is.
        value: String,
        /// What it may be.
        expected: Cow<'static, str>,
    },
}

impl Default for Config {
    fn default() -> Self {
        let local = |port| SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port);
        Self {
            partner_listen: local(7443),
            operator_listen: local(7444),
            plain_listen: local(7480),
            database_url: None,
            trust_domain: None,
            certificates: "certs".into(),
            hub_certificate: None,
            hub_key: None,
            keys: "keys".into(),
            proposal_days: 7,
            limits: Limits::default(),
            posting: PostingLimits::default(),
            workers: WorkerSettings::default(),
            linking: LinkingSettings::default(),
            webhooks: WebhookSettings::default(),
            tokens: TokenSettings::default(),
        }
    }
}

impl Config {
    /// Reads the configuration and checks it.
    pub fn load(file: Option<&Path>, overrides: &Overrides) -> Result<Self, ConfigError> {
        let mut figment = Figment::from(Serialized::defaults(Self::default()));
        if let Some(file) = file {
            if !file.is_file() {
                return Err(ConfigError::NoFile(file.to_owned()));
            }
            figment = figment.merge(Toml::file_exact(file));
        }
        let figment = figment.merge(environment()).merge(Serialized::defaults(overrides));
        let config: Self = figment.extract().map_err(Box::new)?;
        config.check()?;
        Ok(config)
    }

    /// The database, or what to do about it.
    pub fn database_url(&self) -> Result<&DatabaseUrl, ConfigError> {
        self.database_url.as_ref().ok_or(ConfigError::Missing { name: "database_url" })
    }

    /// [`Self::proposal_days`].
    #[must_use]
    pub fn proposal_life(&self) -> SignedDuration {
        SignedDuration::from_hours(24 * i64::from(self.proposal_days))
    }

    /// The configuration to show: no secrets in it.
    #[must_use]
    pub fn redacted(&self) -> Self {
        let database_url = self.database_url.as_ref().map(DatabaseUrl::redacted);
        Self { database_url, ..self.clone() }
    }

    /// Whether every value is in range. Loading checks; what was made in code is checked at start.
    pub fn check(&self) -> Result<(), ConfigError> {
        let range = |name, value: &SocketAddr, expected: &'static str| {
            Err(ConfigError::Range { name, value: value.to_string(), expected: expected.into() })
        };
        if !self.plain_listen.ip().is_loopback() {
            return range("plain_listen", &self.plain_listen, "a loopback address");
        }
        within("proposal_days", &self.proposal_days, 1..=365)?;
        self.limits.check()?;
        self.posting.check()?;
        self.workers.check()?;
        self.linking.check()?;
        self.webhooks.check()?;
        self.tokens.check()
    }
}

/// The variables that name a value of ours, and no others: a platform may inject some that begin
/// alike, such as `ENTENTE_SERVICE_HOST`.
fn environment() -> Env {
    let nested = |key: &str| {
        let (table, name) = key.split_once("__")?;
        Some(match table {
            "limits" => Limits::NAMES.contains(&name),
            "posting" => PostingLimits::NAMES.contains(&name),
            "workers" => WorkerSettings::NAMES.contains(&name),
            "linking" => LinkingSettings::NAMES.contains(&name),
            "webhooks" => WebhookSettings::NAMES.contains(&name),
            "tokens" => TokenSettings::NAMES.contains(&name),
            _ => false,
        })
    };
    let ours = move |key: &str| nested(key).unwrap_or_else(|| NAMES.contains(&key));
    Env::prefixed(PREFIX).filter(move |key| ours(&key.as_str().to_lowercase())).split("__")
}

/// The values that are not in a table.
const NAMES: [&str; 10] = [
    "partner_listen",
    "operator_listen",
    "plain_listen",
    "database_url",
    "trust_domain",
    "certificates",
    "hub_certificate",
    "hub_key",
    "keys",
    "proposal_days",
];

#[cfg(test)]
mod tests;
