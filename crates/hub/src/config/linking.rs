//! How long links are watched, and how often codes are tried.

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

use super::{ConfigError, limits::within};

/// Linking of members.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LinkingSettings {
    /// For how long, after a code made a link, only points that its brand issued can be spent there,
    /// and the other brand can take the link back.
    pub hold_back_seconds: u32,
    /// How many codes one reference may try in an hour.
    pub tries_per_reference: u16,
    /// How many wrong codes one partner may send in an hour.
    pub tries_per_partner: u32,
    /// How many wrong codes all partners together may send in an hour.
    pub tries_per_hub: u32,
}

impl LinkingSettings {
    pub(super) const NAMES: [&str; 4] =
        ["hold_back_seconds", "tries_per_reference", "tries_per_partner", "tries_per_hub"];

    /// [`Self::hold_back_seconds`].
    #[must_use]
    pub fn hold_back(&self) -> SignedDuration {
        SignedDuration::from_secs(self.hold_back_seconds.into())
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        within("linking.hold_back_seconds", &self.hold_back_seconds, 0..=31_536_000)?;
        within("linking.tries_per_reference", &self.tries_per_reference, 1..=1_000)?;
        within("linking.tries_per_partner", &self.tries_per_partner, 1..=1_000_000)?;
        within("linking.tries_per_hub", &self.tries_per_hub, 1..=10_000_000)
    }
}

impl Default for LinkingSettings {
    fn default() -> Self {
        Self {
            hold_back_seconds: 86_400,
            tries_per_reference: 5,
            tries_per_partner: 1_000,
            tries_per_hub: 10_000,
        }
    }
}
