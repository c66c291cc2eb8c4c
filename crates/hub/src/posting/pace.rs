//! How fast a full queue turns calls away. A refusal costs a fraction of a call, but whoever sends the next
//! request as soon as the last is refused brings many times as many, until they cost more than what is
//! served. So a partner is refused at once half as often as calls are served; beyond that, a refusal waits
//! here, a little of what its RetryInfo asks for.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use entente_ledger::PartnerId;

/// Refusals of a partner that are answered at once, however fast calls are served.
const BURST: u32 = 64;
/// How many calls are served for each refusal beyond those.
const SERVED: u32 = 2;
/// The longest time between two refusals of a partner, and the longest that one waits.
const SLOWEST: Duration = Duration::from_millis(20);
const LONGEST: Duration = Duration::from_secs(1);
/// What RetryInfo asks for, beyond what refusals wait behind one another.
const RETRY: Duration = Duration::from_millis(250);
const LONGEST_RETRY: Duration = Duration::from_secs(10);
/// Partners that are remembered until their refusals are over.
const REMEMBERED: usize = 256;

/// The pace of one queue's refusals.
#[derive(Debug)]
pub(super) struct Pace {
    /// Between two refusals of a partner.
    every: Duration,
    /// When the next refusal of a partner is due.
    due: HashMap<PartnerId, Instant>,
    taken_at: Option<Instant>,
}

/// When a refusal is answered, and what it asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PutOff {
    pub(super) wait: Duration,
    pub(super) retry: Duration,
}

impl Pace {
    pub(super) fn new() -> Self {
        Self { every: Duration::ZERO, due: HashMap::new(), taken_at: None }
    }

    /// So many calls are taken to be served; `busy` where they had been waiting for it.
    pub(super) fn taken(&mut self, count: usize, busy: bool, now: Instant) {
        let before = self.taken_at.replace(now);
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        if let (Some(before), true, 1..) = (before, busy, count) {
            let every = now.duration_since(before) * SERVED / count;
            self.every = ((self.every * 3 + every) / 4).min(SLOWEST);
        }
    }

    /// One more call of a partner is refused.
    pub(super) fn refused(&mut self, partner: PartnerId, now: Instant) -> PutOff {
        if self.due.len() > REMEMBERED {
            self.due.retain(|_, due| *due > now);
        }
        let due = self.due.entry(partner).or_insert(now);
        let ahead = due.saturating_duration_since(now);
        // What was not used before is no more than a burst.
        *due = (*due).max(now) + self.every;
        let wait = ahead.saturating_sub(self.every * BURST);
        // Those beyond the longest wait do not make it longer for the next.
        *due = (*due).min(now + LONGEST + self.every * BURST);
        PutOff { wait: wait.min(LONGEST), retry: (RETRY + ahead * 2).min(LONGEST_RETRY) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLOODER: PartnerId = PartnerId(1);

    /// Serves so many calls in so many milliseconds, again and again.
    fn serving(count: usize, millis: u64, begun: Instant) -> Pace {
        let mut pace = Pace::new();
        for round in 0..50 {
            pace.taken(count, true, begun + Duration::from_millis(millis) * round);
        }
        pace
    }

    #[test]
    fn refusals_beyond_a_burst_come_half_as_fast_as_answers() {
        let now = Instant::now();
        // 1,000 a second: a refusal each 2 ms.
        let mut pace = serving(50, 50, now);
        let waits: Vec<_> = (0..200).map(|_| pace.refused(FLOODER, now).wait).collect();
        assert!(waits[..64].iter().all(Duration::is_zero));
        let last = waits[199].as_millis();
        assert!((250..=272).contains(&last), "{last} ms");
        assert_eq!(pace.refused(PartnerId(2), now).wait, Duration::ZERO, "another partner");
        let later = now + Duration::from_mins(1);
        assert_eq!(pace.refused(FLOODER, later).wait, Duration::ZERO, "it has stopped");
    }

    #[test]
    fn no_refusal_waits_longer_than_a_second_and_retry_info_grows() {
        let now = Instant::now();
        let mut pace = serving(1, 1_000, now);
        let first = pace.refused(FLOODER, now);
        assert_eq!(first, PutOff { wait: Duration::ZERO, retry: RETRY });
        let mut last = first;
        for _ in 0..10_000 {
            last = pace.refused(FLOODER, now);
        }
        assert_eq!(last.wait, LONGEST);
        assert!(last.retry > RETRY && last.retry <= LONGEST_RETRY);
    }

    #[test]
    fn a_queue_that_was_never_busy_refuses_at_once() {
        let now = Instant::now();
        let mut pace = Pace::new();
        pace.taken(10, false, now);
        pace.taken(10, false, now + Duration::from_hours(1));
        for _ in 0..1_000 {
            assert_eq!(pace.refused(FLOODER, now).wait, Duration::ZERO);
        }
    }
}
