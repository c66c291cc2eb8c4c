//! What was seen while playing: counts, refusals, replays, latencies, surprises.

use std::collections::BTreeMap;
use std::time::Duration;

use entente_client::Refusal;
use hdrhistogram::Histogram;
use serde_json::{Value, json};

use super::plan::{Step, Story};
use super::play::{Done, surprise};

/// How many surprises are kept whole.
const MOST_SURPRISES: usize = 20;

/// One answer.
#[derive(Debug)]
pub(crate) struct Played {
    /// What came back.
    pub(crate) answer: Result<Done, Box<Refusal>>,
    /// After how long.
    pub(crate) took: Duration,
}

/// What was seen.
#[derive(Debug)]
pub(crate) struct Tally {
    /// How often each part of the story happened.
    pub(crate) stories: BTreeMap<Story, u64>,
    /// How often each reason was given.
    pub(crate) reasons: BTreeMap<&'static str, u64>,
    /// Writes that were answered, and how many of them had been answered before.
    pub(crate) writes: u64,
    /// Of them.
    pub(crate) replays: u64,
    /// Answers that differ from the plan; the first few of them.
    pub(crate) surprises: Vec<String>,
    /// How many there were.
    pub(crate) surprise_count: u64,
    /// How long commands were being sent.
    pub(crate) playing: Duration,
    latencies: Histogram<u64>,
}

impl Default for Tally {
    fn default() -> Self {
        // Up to a minute, in microseconds.
        let bounds = Histogram::new_with_max(60_000_000, 3);
        Self {
            stories: BTreeMap::new(),
            reasons: BTreeMap::new(),
            writes: 0,
            replays: 0,
            surprises: Vec::new(),
            surprise_count: 0,
            playing: Duration::ZERO,
            latencies: bounds.expect("the bounds are good"),
        }
    }
}

impl Tally {
    /// Counts one answer.
    pub(crate) fn count(&mut self, step: &Step, played: Played) {
        *self.stories.entry(step.story).or_default() += 1;
        let micros = u64::try_from(played.took.as_micros()).unwrap_or(u64::MAX);
        self.latencies.saturating_record(micros);
        if let Some(surprise) = surprise(step, &played) {
            self.surprise_count += 1;
            if self.surprises.len() < MOST_SURPRISES {
                self.surprises.push(surprise);
            }
        }
        match played.answer {
            Ok((Some(replayed), _)) => {
                self.writes += 1;
                self.replays += u64::from(replayed);
            }
            Ok((None, _)) => {}
            Err(refusal) => *self.reasons.entry(refusal.reason_name()).or_default() += 1,
        }
    }

    /// Changes of members' points.
    pub(crate) fn operations(&self) -> u64 {
        let stories = self.stories.iter().filter(|(story, _)| story.is_operation());
        stories.map(|(_, count)| count).sum()
    }

    /// All answers.
    pub(crate) fn calls(&self) -> u64 {
        self.latencies.len()
    }

    /// Answers a second.
    pub(crate) fn calls_per_second(&self) -> f64 {
        let seconds = self.playing.as_secs_f64();
        let calls = u32::try_from(self.calls()).unwrap_or(u32::MAX);
        if seconds > 0.0 { f64::from(calls) / seconds } else { 0.0 }
    }

    /// The latency that so many of a hundred calls did not exceed, in microseconds.
    pub(crate) fn latency_micros(&self, percentile: f64) -> u64 {
        self.latencies.value_at_percentile(percentile)
    }

    /// For programs.
    pub(crate) fn json(&self) -> Value {
        let stories = self.stories.iter().map(|(story, count)| (story.text(), *count));
        json!({
            "operations": self.operations(),
            "story": stories.collect::<BTreeMap<_, _>>(),
            "refusals": self.reasons,
            "writes": self.writes,
            "replayed": self.replays,
            "surprise_count": self.surprise_count,
            "surprises": self.surprises,
            "calls": self.calls(),
            "calls_per_second": self.calls_per_second(),
            "latency_us": {
                "p50": self.latency_micros(50.0),
                "p90": self.latency_micros(90.0),
                "p99": self.latency_micros(99.0),
                "max": self.latency_micros(100.0),
            },
        })
    }
}
