//! What the hub and the machine say of a span: batches, round trips, memory, processor time.

use anyhow::Context as _;
use entente_embedded::{Embedded, Status};
use serde_json::{Value, json};
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::lane::Span;
use super::machine::{processor_seconds, resident_mib};
use super::seen::{real, tenth};
use super::stage::Stage;

/// Where to read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Meter {
    metrics: SocketAddr,
    hub: Option<u32>,
    database: Option<u32>,
}

/// What was read over a span.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Readings {
    /// Batches that the hub committed.
    pub(crate) batches: f64,
    /// Commands in them.
    pub(crate) commands: f64,
    /// How often they waited for the database.
    pub(crate) round_trips: f64,
    /// What the hub had resident at the end, in MiB.
    pub(crate) hub_rss_mib: Option<f64>,
    /// Processor seconds of the hub, of the database, and of the callers.
    pub(crate) processor: [Option<f64>; 3],
}

#[derive(Clone, Copy, Debug)]
struct Reading {
    batches: f64,
    commands: f64,
    round_trips: f64,
    processor: [Option<f64>; 3],
}

impl Meter {
    /// The meter of a stage.
    pub(crate) async fn of(stage: &Stage) -> anyhow::Result<Self> {
        let database = match Embedded::status(&stage.folder().database()).await? {
            Status::Running { pid, .. } => u32::try_from(pid).ok(),
            Status::Absent | Status::Stopped => None,
        };
        let hub = stage.hub();
        Ok(Self { metrics: hub.addresses().plain, hub: hub.id(), database })
    }

    /// Reads at the span's beginning and at its end.
    pub(crate) async fn read_over(self, span: Span) -> anyhow::Result<Readings> {
        tokio::time::sleep_until(span.from.into()).await;
        let before = self.read().await?;
        tokio::time::sleep_until(span.to.into()).await;
        let after = self.read().await?;
        let took = |n: usize| Some(after.processor[n]? - before.processor[n]?);
        Ok(Readings {
            batches: after.batches - before.batches,
            commands: after.commands - before.commands,
            round_trips: after.round_trips - before.round_trips,
            hub_rss_mib: self.hub.and_then(resident_mib),
            processor: [took(0), took(1), took(2)],
        })
    }

    /// Processor seconds of the database and of the programs that we ran, so far.
    pub(crate) fn yardstick(self) -> Option<f64> {
        let ours = processor_seconds(std::process::id(), true)?;
        Some(processor_seconds(self.database?, true)? + ours)
    }

    async fn read(self) -> anyhow::Result<Reading> {
        let text = self.scrape().await.context("cannot read the hub's metrics")?;
        Ok(Reading {
            batches: value(&text, "entente_batch_round_trips_count"),
            commands: value(&text, "entente_batch_commands_sum"),
            round_trips: value(&text, "entente_batch_round_trips_sum"),
            processor: [
                self.hub.and_then(|hub| processor_seconds(hub, false)),
                self.database.and_then(|database| processor_seconds(database, true)),
                processor_seconds(std::process::id(), false),
            ],
        })
    }

    /// As a scraper does.
    async fn scrape(self) -> std::io::Result<String> {
        let mut stream = TcpStream::connect(self.metrics).await?;
        let request = b"GET /metrics HTTP/1.1\r\nHost: hub\r\nConnection: close\r\n\r\n";
        stream.write_all(request).await?;
        let mut text = String::new();
        stream.read_to_string(&mut text).await?;
        Ok(text)
    }
}

/// The value of a metric without labels; 0 before it was first counted.
fn value(text: &str, name: &str) -> f64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.and_then(|value| value.trim().parse().ok()).unwrap_or_default()
}

impl Readings {
    /// Nothing yet.
    pub(crate) const NONE: Self = Self {
        batches: 0.0,
        commands: 0.0,
        round_trips: 0.0,
        hub_rss_mib: None,
        processor: [None; 3],
    };

    /// How many commands a batch had on average.
    pub(crate) fn batch_size_mean(&self) -> Option<f64> {
        ratio(self.commands, self.batches)
    }

    /// How often a batch waited for the database on average.
    pub(crate) fn round_trips_per_batch(&self) -> Option<f64> {
        ratio(self.round_trips, self.batches)
    }

    /// Processor time of hub, database and callers together for one of so many answers, in
    /// microseconds.
    pub(crate) fn processor_us(&self, answers: u64) -> Option<f64> {
        let [hub, database, callers] = self.processor;
        ratio((hub? + database? + callers?) * 1e6, real(answers))
    }

    /// Processor time of the hub alone for one of so many answers, in microseconds.
    pub(crate) fn hub_us(&self, answers: u64) -> Option<f64> {
        ratio(self.processor[0]? * 1e6, real(answers))
    }

    /// Those of another span added; the memory is the greater.
    pub(crate) fn and(self, other: &Self) -> Self {
        Self {
            batches: self.batches + other.batches,
            commands: self.commands + other.commands,
            round_trips: self.round_trips + other.round_trips,
            hub_rss_mib: [self.hub_rss_mib, other.hub_rss_mib]
                .into_iter()
                .flatten()
                .reduce(f64::max),
            processor: [None; 3],
        }
    }

    /// For programs.
    pub(crate) fn json(&self) -> Value {
        let [hub, database, callers] = self.processor.map(|seconds| seconds.map(tenth));
        json!({
            "batches": self.batches,
            "batch_size_mean": self.batch_size_mean().map(tenth),
            "roundtrips_per_batch": self.round_trips_per_batch().map(tenth),
            "hub_rss_mib": self.hub_rss_mib.map(tenth),
            "processor_seconds": { "hub": hub, "database": database, "callers": callers },
        })
    }
}

fn ratio(sum: f64, count: f64) -> Option<f64> {
    (count > 0.0).then(|| sum / count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_is_found_by_its_whole_name() {
        let text = "# HELP a b\nentente_batch_commands_sum 12\nentente_batch_commands_count 3\n";
        assert!((value(text, "entente_batch_commands_count") - 3.0).abs() < f64::EPSILON);
        assert!(value(text, "entente_batch_commands").abs() < f64::EPSILON);
    }
}
