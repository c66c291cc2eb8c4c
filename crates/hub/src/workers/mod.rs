//! Workers: what the hub does though nobody calls. Each works in rounds; a round that fails, or
//! panics, is logged, counted and tried again later and later; none ends the hub. Every worker may
//! run on several hubs of one ledger at once: what one has done, another finds done.

mod closer;
mod floats;
mod months;
mod sweeper;
mod terms;

use std::{fmt, future::Future, panic::AssertUnwindSafe, time::Duration};

use entente_store::StoreError;
use futures::FutureExt;
use tokio::{sync::watch, task::JoinSet};

pub(crate) use closer::Closer;
pub(crate) use floats::FloatGauge;
pub(crate) use months::Months;
pub(crate) use sweeper::Sweeper;
pub(crate) use terms::TermsInForce;

use crate::error::chain;

/// How long a round may take. What it does is done in small transactions, so the next one goes on; a
/// database that is gone without a word would keep this one for ever.
const ROUND: Duration = Duration::from_mins(10);

/// The longest pause after failures.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

/// Work in rounds.
pub(crate) trait Worker: Send + 'static {
    /// What it is called in metrics and in the log.
    const NAME: &'static str;

    /// How long it rests between rounds.
    fn every(&self) -> Duration;

    /// How long it rests at most after rounds that failed.
    fn longest_pause(&self) -> Duration {
        LONGEST_PAUSE
    }

    /// One round. It looks at `stopping` before each of its transactions, and never leaves one half
    /// done.
    fn round(
        &mut self,
        stopping: &watch::Receiver<bool>,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Ends what rounds have left running, once the last round is over.
    fn end(&mut self) -> impl Future<Output = ()> + Send {
        std::future::ready(())
    }
}

/// The workers of a hub.
pub(crate) struct Workers {
    tasks: JoinSet<()>,
    stop: watch::Sender<bool>,
}

impl Workers {
    /// None yet.
    pub(crate) fn new() -> Self {
        describe();
        Self { tasks: JoinSet::new(), stop: watch::Sender::new(false) }
    }

    /// Starts a worker.
    pub(crate) fn with(mut self, worker: impl Worker) -> Self {
        self.tasks.spawn(keep(worker, self.stop.subscribe()));
        self
    }

    /// Begins no more rounds, and waits until those that have begun end, at most for `bound`.
    pub(crate) async fn stopped(mut self, bound: Duration) -> bool {
        self.stop.send_replace(true);
        let all = async { while self.tasks.join_next().await.is_some() {} };
        tokio::time::timeout(bound, all).await.is_ok()
    }
}

impl fmt::Debug for Workers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Workers({})", self.tasks.len())
    }
}

async fn keep<W: Worker>(mut worker: W, mut stopping: watch::Receiver<bool>) {
    let mut failures = 0;
    while !*stopping.borrow() {
        let round = AssertUnwindSafe(worker.round(&stopping)).catch_unwind();
        let failure = match tokio::time::timeout(ROUND, round).await {
            Ok(Ok(Ok(()))) => None,
            Ok(Ok(Err(error))) => Some(chain(&error)),
            Ok(Err(_)) => Some("it panicked".to_owned()),
            Err(_) => Some("it took too long".to_owned()),
        };
        let outcome = if failure.is_none() { "done" } else { "failed" };
        let labels = [("worker", W::NAME), ("outcome", outcome)];
        metrics::counter!("entente_worker_rounds_total", &labels).increment(1);
        failures = match failure {
            None => 0,
            Some(error) => {
                tracing::error!(worker = W::NAME, error, failures, "a worker's round failed");
                failures + 1
            }
        };
        let pause = pause(worker.every(), failures).min(worker.longest_pause().max(worker.every()));
        // The sender lives as long as the hub; gone, there is nothing to work for.
        let _ = tokio::time::timeout(pause, stopping.wait_for(|stopping| *stopping)).await;
    }
    worker.end().await;
}

/// How long to rest: twice as long after each failure in a row, to a minute, unless rounds are
/// farther apart anyway.
fn pause(every: Duration, failures: u32) -> Duration {
    if failures == 0 {
        return every;
    }
    // A failed round is tried again sooner than a worker that is seldom due would be.
    let first = every.min(Duration::from_secs(1));
    first.saturating_mul(1 << failures.min(10)).min(LONGEST_PAUSE)
}

fn describe() {
    metrics::describe_counter!(
        "entente_worker_rounds_total",
        "Rounds of workers, by worker and outcome"
    );
    metrics::describe_counter!("entente_swept_members_total", "Members that had something due");
    metrics::describe_counter!(
        "entente_swept_operations_total",
        "Operations that sweeps posted: expiries and announcements"
    );
    metrics::describe_counter!(
        "entente_sweep_failures_total",
        "Times that a member could not be swept"
    );
    metrics::describe_gauge!(
        "entente_float_points_left",
        "What a prepaid partner has left to issue, the reserve not counted"
    );
    metrics::describe_gauge!("entente_float_reserve_left", "What its reserve has left");
    metrics::describe_gauge!(
        "entente_float_level",
        "What was left after its last purchase, the reserve not counted"
    );
    metrics::describe_gauge!(
        "entente_sweep_overdue_seconds",
        "How long the longest overdue member had waited when the last round began"
    );
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    };

    use super::*;

    /// Fails, panics, and then works.
    struct Clumsy(Arc<AtomicU32>);

    impl Worker for Clumsy {
        const NAME: &'static str = "clumsy";

        fn every(&self) -> Duration {
            Duration::from_millis(1)
        }

        async fn round(&mut self, _: &watch::Receiver<bool>) -> Result<(), StoreError> {
            match self.0.fetch_add(1, Ordering::Relaxed) {
                0 => Err(StoreError::Claimed),
                1 => panic!("on purpose"),
                _ => Ok(()),
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_worker_outlives_its_failures_and_its_panics_and_ends_when_told() {
        let rounds = Arc::new(AtomicU32::new(0));
        let workers = Workers::new().with(Clumsy(Arc::clone(&rounds)));
        while rounds.load(Ordering::Relaxed) < 5 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert!(workers.stopped(Duration::from_secs(1)).await);
    }

    /// Fails, and may not rest for long.
    struct Pressed(Arc<AtomicU32>);

    impl Worker for Pressed {
        const NAME: &'static str = "pressed";

        fn every(&self) -> Duration {
            Duration::from_secs(1)
        }

        fn longest_pause(&self) -> Duration {
            Duration::from_secs(1)
        }

        async fn round(&mut self, _: &watch::Receiver<bool>) -> Result<(), StoreError> {
            self.0.fetch_add(1, Ordering::Relaxed);
            Err(StoreError::Claimed)
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_worker_that_is_waited_for_tries_again_at_once_however_often_it_failed() {
        let rounds = Arc::new(AtomicU32::new(0));
        let workers = Workers::new().with(Pressed(Arc::clone(&rounds)));
        tokio::time::sleep(Duration::from_mins(5)).await;
        assert!(rounds.load(Ordering::Relaxed) >= 299);
        assert!(workers.stopped(Duration::from_secs(1)).await);
    }

    #[test]
    fn pauses_double_to_a_minute() {
        let often = |failures| pause(Duration::from_secs(2), failures).as_secs();
        assert_eq!([often(0), often(1), often(2), often(6), often(99)], [2, 2, 4, 60, 60]);
        let seldom = |failures| pause(Duration::from_hours(1), failures).as_secs();
        assert_eq!([seldom(0), seldom(1), seldom(99)], [3_600, 2, 60]);
    }
}
