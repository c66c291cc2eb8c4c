//! Tokens: who issues them, how long they live, and how soon revocations are learned of.

use std::time::Duration;

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

use super::{ConfigError, limits::within};

/// Tokens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TokenSettings {
    /// The name of this hub in tokens, and for whom assertions are: all hubs of a database share it.
    /// `https://` and the trust domain, unless given.
    pub issuer: Option<String>,
    /// How long a token lives, in seconds.
    pub life_s: u16,
    /// For how many days a hub signs by one key.
    pub signing_key_days: u16,
    /// How often a hub looks whether something was revoked.
    pub look_every_ms: u64,
}

impl TokenSettings {
    pub(super) const NAMES: [&str; 4] = ["issuer", "life_s", "signing_key_days", "look_every_ms"];

    /// [`Self::life_s`].
    #[must_use]
    pub fn life(&self) -> SignedDuration {
        SignedDuration::from_secs(self.life_s.into())
    }

    /// [`Self::look_every_ms`].
    #[must_use]
    pub const fn look_every(&self) -> Duration {
        Duration::from_millis(self.look_every_ms)
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        within("tokens.life_s", &self.life_s, 1..=900)?;
        within("tokens.signing_key_days", &self.signing_key_days, 1..=365)?;
        within("tokens.look_every_ms", &self.look_every_ms, 10..=2_000)?;
        let Some(issuer) = &self.issuer else { return Ok(()) };
        if issuer.starts_with("https://") && (9..=255).contains(&issuer.len()) {
            return Ok(());
        }
        let (name, expected) = ("tokens.issuer", "an https URL of at most 255 characters".into());
        Err(ConfigError::Range { name, value: issuer.clone(), expected })
    }
}

impl Default for TokenSettings {
    fn default() -> Self {
        Self { issuer: None, life_s: 900, signing_key_days: 30, look_every_ms: 1_000 }
    }
}
