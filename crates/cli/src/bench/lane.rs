//! Lanes: callers who send a request, wait for its answer, and send the next, until time is up.

use std::time::{Duration, Instant};

use entente_client::Error;
use tokio::task::JoinSet;

use super::seen::{Seen, Told};

/// When a scenario is measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    /// From here on,
    pub(crate) from: Instant,
    /// up to here; nothing is sent afterwards.
    pub(crate) to: Instant,
}

impl Span {
    /// Begins now.
    pub(crate) fn begin(warm_up: Duration, measured: Duration) -> Self {
        let from = Instant::now() + warm_up;
        Self { from, to: from + measured }
    }

    /// How long it is.
    pub(crate) fn length(self) -> Duration {
        self.to - self.from
    }

    /// How long an answer took that came just now, if it came within the span.
    pub(crate) fn took(self, sent: Instant) -> Option<Duration> {
        let now = Instant::now();
        (self.from..self.to).contains(&now).then(|| now - sent)
    }

    /// Whether time is up.
    pub(crate) fn is_over(self) -> bool {
        Instant::now() >= self.to
    }
}

/// One caller.
pub(crate) trait Lane: Send + 'static {
    /// Makes one call and waits for its answer.
    fn call(&mut self) -> impl Future<Output = Result<Told, Error>> + Send;
}

/// Runs all lanes side by side, and answers what all of them saw.
pub(crate) async fn run<L: Lane>(
    lanes: impl IntoIterator<Item = L>,
    span: Span,
) -> anyhow::Result<Seen> {
    let mut running = JoinSet::new();
    for lane in lanes {
        running.spawn(one(lane, span));
    }
    let mut all = Seen::new(span.length());
    while let Some(seen) = running.join_next().await {
        all.add(&seen?)?;
    }
    Ok(all)
}

async fn one<L: Lane>(mut lane: L, span: Span) -> Seen {
    let mut seen = Seen::new(span.length());
    while !span.is_over() {
        let sent = Instant::now();
        let told = lane.call().await;
        seen.count(told, span.took(sent));
    }
    seen
}
