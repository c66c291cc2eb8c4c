//! How often workers work, and how much at once.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{ConfigError, limits::within};

/// What the hub does though nobody calls.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WorkerSettings {
    /// How often members with something due are looked for.
    pub sweep_every_ms: u64,
    /// How many members one transaction sweeps at most.
    pub sweep_batch: u16,
    /// How often the months ahead are made sure of.
    pub months_every_ms: u64,
    /// How often terms that come into force are looked for.
    pub terms_every_ms: u64,
    /// How often windows are looked for that the calendar closes, or to which nobody objects any more, and
    /// floats are measured.
    pub close_every_ms: u64,
}

impl WorkerSettings {
    pub(super) const NAMES: [&str; 5] =
        ["sweep_every_ms", "sweep_batch", "months_every_ms", "terms_every_ms", "close_every_ms"];

    /// [`Self::sweep_every_ms`].
    #[must_use]
    pub const fn sweep_every(&self) -> Duration {
        Duration::from_millis(self.sweep_every_ms)
    }

    /// [`Self::months_every_ms`].
    #[must_use]
    pub const fn months_every(&self) -> Duration {
        Duration::from_millis(self.months_every_ms)
    }

    /// [`Self::terms_every_ms`].
    #[must_use]
    pub const fn terms_every(&self) -> Duration {
        Duration::from_millis(self.terms_every_ms)
    }

    /// [`Self::close_every_ms`].
    #[must_use]
    pub const fn close_every(&self) -> Duration {
        Duration::from_millis(self.close_every_ms)
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        within("workers.sweep_every_ms", &self.sweep_every_ms, 10..=3_600_000)?;
        within("workers.sweep_batch", &self.sweep_batch, 1..=1_024)?;
        within("workers.months_every_ms", &self.months_every_ms, 10..=86_400_000)?;
        within("workers.terms_every_ms", &self.terms_every_ms, 10..=3_600_000)?;
        within("workers.close_every_ms", &self.close_every_ms, 10..=3_600_000)
    }
}

impl Default for WorkerSettings {
    fn default() -> Self {
        Self {
            sweep_every_ms: 2_000,
            sweep_batch: 128,
            months_every_ms: 3_600_000,
            terms_every_ms: 1_000,
            close_every_ms: 1_000,
        }
    }
}
