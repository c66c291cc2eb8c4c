//! Limits: nothing that a caller can do is without one.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::ConfigError;

/// Limits of the edge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Connections of each listener.
    pub connections: usize,
    /// Connections of one caller, at each listener.
    pub connections_per_caller: usize,
    /// How long a TLS handshake may take.
    pub handshake_timeout_ms: u64,
    /// After how long a client is asked to connect anew, which ends no call; so a renewed certificate
    /// is in use after that.
    pub connection_age_ms: u64,
    /// The longest request.
    pub max_message_bytes: usize,
    /// All headers of a request together.
    pub max_header_bytes: u32,
    /// Calls at the same time over one connection.
    pub concurrent_streams: u32,
    /// Streams of one kind that one partner has open at the same time.
    pub streams_per_partner: usize,
    /// Lines of a record that is reconciled: each takes about 200 bytes while it is compared.
    pub reconciliation_lines: usize,
    /// How long nobody may read a stream before it ends.
    pub stream_unread_ms: u64,
    /// How often a stream of events shows that it lives.
    pub watch_heartbeat_ms: u64,
    /// The deadline of a call that names none.
    pub default_deadline_ms: u64,
    /// The latest deadline.
    pub max_deadline_ms: u64,
    /// How long calls get to end when the hub stops.
    pub drain_timeout_ms: u64,
}

/// Limits of the posting pipeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PostingLimits {
    /// How many writers share the cells.
    pub writers: usize,
    /// How many calls wait for a writer at most, half of them one partner's. Lines of streams have places of their own, for two
    /// transactions, so that no number of streams takes the room of calls.
    pub queue: usize,
    /// How many commands one transaction takes at most.
    pub batch: usize,
    /// How long a transaction may take until it is given up: a database whose machine is gone may
    /// never say so. No caller waits for it longer than its own deadline.
    pub transaction_ms: u64,
}

impl Limits {
    pub(super) const NAMES: [&str; 14] = [
        "connections",
        "connections_per_caller",
        "handshake_timeout_ms",
        "connection_age_ms",
        "max_message_bytes",
        "max_header_bytes",
        "concurrent_streams",
        "streams_per_partner",
        "reconciliation_lines",
        "stream_unread_ms",
        "watch_heartbeat_ms",
        "default_deadline_ms",
        "max_deadline_ms",
        "drain_timeout_ms",
    ];

    /// [`Self::handshake_timeout_ms`].
    #[must_use]
    pub const fn handshake_timeout(&self) -> Duration {
        Duration::from_millis(self.handshake_timeout_ms)
    }

    /// [`Self::connection_age_ms`].
    #[must_use]
    pub const fn connection_age(&self) -> Duration {
        Duration::from_millis(self.connection_age_ms)
    }

    /// [`Self::stream_unread_ms`].
    #[must_use]
    pub const fn stream_unread(&self) -> Duration {
        Duration::from_millis(self.stream_unread_ms)
    }

    /// [`Self::watch_heartbeat_ms`].
    #[must_use]
    pub const fn watch_heartbeat(&self) -> Duration {
        Duration::from_millis(self.watch_heartbeat_ms)
    }

    /// [`Self::default_deadline_ms`].
    #[must_use]
    pub const fn default_deadline(&self) -> Duration {
        Duration::from_millis(self.default_deadline_ms)
    }

    /// [`Self::max_deadline_ms`].
    #[must_use]
    pub const fn max_deadline(&self) -> Duration {
        Duration::from_millis(self.max_deadline_ms)
    }

    /// [`Self::drain_timeout_ms`].
    #[must_use]
    pub const fn drain_timeout(&self) -> Duration {
        Duration::from_millis(self.drain_timeout_ms)
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        within("limits.connections", &self.connections, 1..=65_536)?;
        within("limits.connections_per_caller", &self.connections_per_caller, 1..=65_536)?;
        within("limits.handshake_timeout_ms", &self.handshake_timeout_ms, 10..=60_000)?;
        within("limits.connection_age_ms", &self.connection_age_ms, 10..=86_400_000)?;
        within("limits.max_message_bytes", &self.max_message_bytes, 1_024..=4_194_304)?;
        within("limits.max_header_bytes", &self.max_header_bytes, 4_096..=1_048_576)?;
        within("limits.concurrent_streams", &self.concurrent_streams, 1..=1_024)?;
        within("limits.streams_per_partner", &self.streams_per_partner, 1..=1_024)?;
        within("limits.reconciliation_lines", &self.reconciliation_lines, 1..=10_000_000)?;
        within("limits.stream_unread_ms", &self.stream_unread_ms, 10..=3_600_000)?;
        within("limits.watch_heartbeat_ms", &self.watch_heartbeat_ms, 10..=30_000)?;
        within("limits.default_deadline_ms", &self.default_deadline_ms, 10..=self.max_deadline_ms)?;
        within("limits.max_deadline_ms", &self.max_deadline_ms, 10..=30_000)?;
        within("limits.drain_timeout_ms", &self.drain_timeout_ms, 0..=300_000)
    }
}

impl PostingLimits {
    pub(super) const NAMES: [&str; 4] = ["writers", "queue", "batch", "transaction_ms"];

    /// [`Self::transaction_ms`].
    #[must_use]
    pub const fn transaction(&self) -> Duration {
        Duration::from_millis(self.transaction_ms)
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        within("posting.writers", &self.writers, 1..=64)?;
        within("posting.queue", &self.queue, 1..=1_048_576)?;
        within("posting.batch", &self.batch, 1..=4_096)?;
        within("posting.transaction_ms", &self.transaction_ms, 100..=600_000)
    }

    /// How many lines of streams wait in a queue at most: while one batch is written, two more may
    /// wait, so that the next is full though its lines come in one by one.
    pub(crate) const fn lines(&self) -> usize {
        self.batch.saturating_mul(2)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 1_024,
            connections_per_caller: 256,
            handshake_timeout_ms: 5_000,
            connection_age_ms: 300_000,
            max_message_bytes: 1_048_576,
            max_header_bytes: 16_384,
            concurrent_streams: 128,
            streams_per_partner: 16,
            reconciliation_lines: 3_000_000,
            stream_unread_ms: 60_000,
            watch_heartbeat_ms: 15_000,
            default_deadline_ms: 5_000,
            max_deadline_ms: 30_000,
            drain_timeout_ms: 20_000,
        }
    }
}

impl Default for PostingLimits {
    fn default() -> Self {
        Self { writers: 2, queue: 4_096, batch: 512, transaction_ms: 30_000 }
    }
}

pub(super) fn within<T: PartialOrd + ToString>(
    name: &'static str,
    value: &T,
    range: std::ops::RangeInclusive<T>,
) -> Result<(), ConfigError> {
    if range.contains(value) {
        return Ok(());
    }
    let expected = format!("{} to {}", range.start().to_string(), range.end().to_string());
    Err(ConfigError::Range { name, value: value.to_string(), expected: expected.into() })
}
