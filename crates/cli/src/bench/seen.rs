//! What callers saw: how many answers in how long, how late, and what they were told.

use std::collections::BTreeMap;
use std::time::Duration;

use entente_client::Error;
use hdrhistogram::Histogram;
use serde_json::{Value, json};

/// The longest latency that is told apart, in microseconds.
const LONGEST_US: u64 = 60_000_000;

/// What was seen. The rate and the latencies are of the measured span alone; the amounts are of
/// everything, as the ledger has it all.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    latencies: Histogram<u64>,
    /// How long the measured span was.
    pub(crate) span: Duration,
    /// Everything that the hub acknowledged as done.
    pub(crate) acknowledged: Acknowledged,
    /// Refusals, by reason.
    pub(crate) refusals: BTreeMap<&'static str, u64>,
    /// Calls whose outcome is unknown, and what the first of them was told.
    pub(crate) failures: (u64, Option<String>),
}

/// What the ledger must hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Acknowledged {
    /// Operations.
    pub(crate) operations: u64,
    /// Points that earns issued.
    pub(crate) issued: i64,
    /// Points that burns and captures redeemed.
    pub(crate) redeemed: i64,
}

/// What one answer says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// An earn of so many points.
    Earned(i64),
    /// A burn or a capture of so many points.
    Redeemed(i64),
    /// Another operation.
    Operation,
    /// A read.
    Read,
}

impl Seen {
    /// Nothing yet.
    pub(crate) fn new(span: Duration) -> Self {
        let latencies = Histogram::new_with_max(LONGEST_US, 3);
        Self {
            latencies: latencies.expect("the bounds are good"),
            span,
            acknowledged: Acknowledged::default(),
            refusals: BTreeMap::new(),
            failures: (0, None),
        }
    }

    /// What was acknowledged before anything was measured.
    pub(crate) fn of_before(acknowledged: Acknowledged) -> Self {
        Self { acknowledged, ..Self::new(Duration::ZERO) }
    }

    /// Counts an answer; `took` is given for one within the measured span.
    pub(crate) fn count(&mut self, told: Result<Told, Error>, took: Option<Duration>) {
        match told {
            Ok(told) => {
                self.acknowledged.count(told);
                if let Some(took) = took {
                    let micros = u64::try_from(took.as_micros()).unwrap_or(LONGEST_US);
                    self.latencies.saturating_record(micros);
                }
            }
            Err(Error::Refused(refusal)) => {
                *self.refusals.entry(refusal.reason_name()).or_default() += 1;
            }
            Err(error) => {
                self.failures.0 += 1;
                self.failures.1.get_or_insert_with(|| error.to_string());
            }
        }
    }

    /// Adds what somebody else saw in the same span.
    pub(crate) fn add(&mut self, other: &Self) -> anyhow::Result<()> {
        self.latencies.add(&other.latencies)?;
        self.acknowledged.add(other.acknowledged);
        for (reason, count) in &other.refusals {
            *self.refusals.entry(reason).or_default() += count;
        }
        self.failures.0 += other.failures.0;
        if self.failures.1.is_none() {
            self.failures.1.clone_from(&other.failures.1);
        }
        Ok(())
    }

    /// How many answers came in the measured span.
    pub(crate) fn answers(&self) -> u64 {
        self.latencies.len()
    }

    /// How many in a second of it.
    pub(crate) fn per_second(&self) -> f64 {
        let (seconds, answers) = (self.span.as_secs_f64(), real(self.answers()));
        if seconds > 0.0 { answers / seconds } else { 0.0 }
    }

    /// The latency that so many of a hundred answers did not exceed, in microseconds.
    pub(crate) fn latency_us(&self, percentile: f64) -> u64 {
        self.latencies.value_at_percentile(percentile)
    }

    /// For programs.
    pub(crate) fn json(&self) -> Value {
        let percentiles = [("p50", 50.0), ("p90", 90.0), ("p99", 99.0), ("p999", 99.9)];
        let mut latencies: BTreeMap<_, _> =
            percentiles.map(|(name, percentile)| (name, self.latency_us(percentile))).into();
        latencies.insert("max", self.latencies.max());
        json!({
            "per_s": tenth(self.per_second()),
            "answers": self.answers(),
            "operations": self.acknowledged.operations,
            "latency_us": latencies,
            "refusals": self.refusals,
            "unknown_outcomes": self.failures.0,
            "first_unknown": self.failures.1,
        })
    }
}

impl Acknowledged {
    /// Counts an answer.
    pub(crate) fn count(&mut self, told: Told) {
        match told {
            Told::Earned(points) => self.issued += points,
            Told::Redeemed(points) => self.redeemed += points,
            Told::Operation => {}
            Told::Read => return,
        }
        self.operations += 1;
    }

    /// Adds what was counted elsewhere.
    pub(crate) fn add(&mut self, other: Self) {
        self.operations += other.operations;
        self.issued += other.issued;
        self.redeemed += other.redeemed;
    }
}

/// A count as a real number.
pub(crate) fn real(count: u64) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

/// To one decimal, which is more than is repeatable.
pub(crate) fn tenth(number: f64) -> f64 {
    (number * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_warm_up_counts_for_the_ledger_and_not_for_the_rate() {
        let mut seen = Seen::new(Duration::from_secs(2));
        seen.count(Ok(Told::Earned(5)), None);
        seen.count(Ok(Told::Earned(7)), Some(Duration::from_micros(900)));
        seen.count(Ok(Told::Read), Some(Duration::from_micros(100)));
        let expected = Acknowledged { operations: 2, issued: 12, redeemed: 0 };
        assert_eq!(seen.acknowledged, expected);
        assert_eq!((seen.answers(), seen.latency_us(100.0)), (2, 900));
        assert!((seen.per_second() - 1.0).abs() < f64::EPSILON);
    }
}
