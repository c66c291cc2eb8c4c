//! A bounded queue of the pipeline, with a lane for each partner. A call takes a place or is refused; a
//! line of a stream waits for one of a few places of its own, so that no number of streams takes the
//! calls' room. Lanes are emptied in turn: who floods the queue waits behind itself, and its lane has
//! never more calls than there is room left for all others. Who is refused again and again waits for it.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use entente_ledger::PartnerId;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, watch};

use super::pace::{Pace, PutOff};
use crate::error::Refused;

/// How many refusals of a queue wait at most; those beyond come at once.
const REFUSALS: usize = 4_096;

/// Who comes to a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Via {
    /// A call, which a full queue refuses, some time before its caller stops waiting.
    Call(Instant),
    /// A line of a stream, which waits for its place; its stream reads no further meanwhile.
    Line,
}

/// The way into a queue. Clones share it.
#[derive(Debug)]
pub(super) struct Queue<T>(Arc<Shared<T>>);

/// The other end of a queue, which closes it when it is dropped.
#[derive(Debug)]
pub(super) struct Waiting<T>(Arc<Shared<T>>);

#[derive(Debug)]
struct Shared<T> {
    lanes: Mutex<Lanes<T>>,
    /// The queue is empty no more.
    arrived: Notify,
    /// Places of lines.
    places: Arc<Semaphore>,
    /// Refusals that may wait.
    refusals: Semaphore,
}

/// What waits, partner by partner.
#[derive(Debug)]
struct Lanes<T> {
    /// Of those that have something here.
    by_partner: HashMap<PartnerId, Lane<T>>,
    /// The same partners, by whose turn it is.
    turns: VecDeque<PartnerId>,
    /// Room that calls have left.
    room: usize,
    pace: Pace,
    closed: bool,
}

/// Why something is not queued.
#[derive(Debug)]
enum Full {
    Closed,
    PutOff(PutOff),
}

#[derive(Debug)]
struct Lane<T> {
    entries: VecDeque<Entry<T>>,
    /// How many of them are calls.
    calls: usize,
}

#[derive(Debug)]
struct Entry<T> {
    item: T,
    /// Of a line: given back when it is taken out.
    place: Option<OwnedSemaphorePermit>,
}

/// A queue with room for so many calls, whatever streams do, and for so many lines of streams.
pub(super) fn queue<T>(calls: usize, lines: usize) -> (Queue<T>, Waiting<T>) {
    let shared = Arc::new(Shared {
        lanes: Mutex::new(Lanes {
            by_partner: HashMap::new(),
            turns: VecDeque::new(),
            room: calls,
            pace: Pace::new(),
            closed: false,
        }),
        arrived: Notify::new(),
        places: Arc::new(Semaphore::new(lines)),
        refusals: Semaphore::new(REFUSALS),
    });
    (Queue(Arc::clone(&shared)), Waiting(shared))
}

impl<T> Queue<T> {
    /// Queues something of a partner's.
    pub(super) async fn send(&self, partner: PartnerId, item: T, via: Via) -> Result<(), Refused> {
        let (place, until) = match via {
            Via::Call(until) => (None, until),
            Via::Line => {
                let place = Arc::clone(&self.0.places).acquire_owned().await;
                (Some(place.map_err(|_| Refused::shutting_down())?), Instant::now())
            }
        };
        let pushed = self.0.lanes().push(partner, Entry { item, place });
        match pushed {
            Ok(true) => self.0.arrived.notify_one(),
            Ok(false) => {}
            Err(full) => return Err(self.refused(full, until).await),
        }
        Ok(())
    }

    /// The refusal, when it is due.
    async fn refused(&self, full: Full, until: Instant) -> Refused {
        let Full::PutOff(PutOff { wait, retry }) = full else { return Refused::shutting_down() };
        let left = until.saturating_duration_since(Instant::now()) / 2;
        let wait = wait.min(left);
        if !wait.is_zero()
            && let Ok(_waits) = self.0.refusals.try_acquire()
        {
            tokio::time::sleep(wait).await;
        }
        Refused::overloaded().retried_after(retry)
    }
}

impl<T> Clone for Queue<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Waiting<T> {
    /// Takes what is queued, of each partner its share, up to `most`, into `taken`; once stopped, the
    /// queue is closed, and what is still in it is taken too. `false` when there is nothing more to
    /// come.
    pub(super) async fn take(
        &mut self,
        taken: &mut Vec<T>,
        most: usize,
        stopped: &mut watch::Receiver<bool>,
    ) -> bool {
        let mut busy = true;
        loop {
            if *stopped.borrow() || stopped.has_changed().is_err() {
                self.0.close();
            }
            {
                let mut lanes = self.0.lanes();
                if lanes.take(taken, most) {
                    lanes.pace.taken(taken.len(), busy, Instant::now());
                    return true;
                }
                busy = false;
                if lanes.closed {
                    return false;
                }
            }
            tokio::select! {
                biased;
                _ = stopped.wait_for(|stopped| *stopped) => {}
                () = self.0.arrived.notified() => {}
            }
        }
    }
}

impl<T> Drop for Waiting<T> {
    fn drop(&mut self) {
        self.0.close();
        let mut lanes = self.0.lanes();
        lanes.turns.clear();
        lanes.by_partner.clear();
    }
}

impl<T> Shared<T> {
    fn close(&self) {
        self.lanes().closed = true;
        self.places.close();
    }

    fn lanes(&self) -> MutexGuard<'_, Lanes<T>> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Lanes<T> {
    /// Adds to a partner's lane; answers whether nothing was queued before.
    fn push(&mut self, partner: PartnerId, entry: Entry<T>) -> Result<bool, Full> {
        if self.closed {
            return Err(Full::Closed);
        }
        let is_call = entry.place.is_none();
        if is_call && self.is_full_for(partner) {
            return Err(Full::PutOff(self.pace.refused(partner, Instant::now())));
        }
        let was_empty = self.turns.is_empty();
        let lane = self.by_partner.entry(partner).or_insert_with(|| {
            self.turns.push_back(partner);
            Lane { entries: VecDeque::new(), calls: 0 }
        });
        lane.entries.push_back(entry);
        if is_call {
            lane.calls += 1;
            self.room -= 1;
        }
        Ok(was_empty)
    }

    fn is_full_for(&self, partner: PartnerId) -> bool {
        self.room <= self.by_partner.get(&partner).map_or(0, |lane| lane.calls)
    }

    /// Takes from each lane in turn; what one leaves of its share is the others'. `false` when there
    /// is nothing.
    fn take(&mut self, taken: &mut Vec<T>, most: usize) -> bool {
        let before = taken.len();
        let mut left = most;
        while left > 0 {
            let share = left.div_ceil(self.turns.len().max(1));
            let Some(partner) = self.turns.pop_front() else { break };
            let Some(lane) = self.by_partner.get_mut(&partner) else { continue };
            let count = share.min(lane.entries.len());
            for Entry { item, place } in lane.entries.drain(..count) {
                let was_call = usize::from(place.is_none());
                lane.calls -= was_call;
                self.room += was_call;
                taken.push(item);
            }
            left -= count;
            if lane.entries.is_empty() {
                self.by_partner.remove(&partner);
            } else {
                self.turns.push_back(partner);
            }
        }
        taken.len() > before
    }
}

#[cfg(test)]
mod tests {
    use entente_api::error::ErrorReason;
    use tokio::task::{JoinSet, yield_now};

    use super::*;

    const CALLS: usize = 4;
    const LINES: usize = 2;

    fn partner(number: usize) -> PartnerId {
        PartnerId(i32::try_from(number).expect("a small number"))
    }

    /// Lines of many streams that want in at the same time, numbered from 100.
    async fn flood(queue: &Queue<usize>, count: usize) -> JoinSet<Result<(), ErrorReason>> {
        let mut sending = JoinSet::new();
        for number in 0..count {
            let queue = queue.clone();
            sending.spawn(async move {
                let sent = queue.send(partner(1), 100 + number, Via::Line).await;
                sent.map_err(|refused| refused.reason())
            });
        }
        // One thread: after this, each has come as far as it can.
        yield_now().await;
        sending
    }

    /// A call of a partner's.
    async fn call(queue: &Queue<usize>, of: usize) -> Result<(), ErrorReason> {
        queue
            .send(partner(of), of, Via::Call(Instant::now()))
            .await
            .map_err(|refused| refused.reason())
    }

    /// Calls until one is refused; answers how many were not.
    async fn fill(queue: &Queue<usize>, of: usize) -> usize {
        let mut count = 0;
        while call(queue, of).await == Ok(()) {
            count += 1;
        }
        count
    }

    #[tokio::test]
    async fn lines_of_any_number_of_streams_leave_the_calls_their_room() {
        let (queue, mut waiting) = queue(CALLS, LINES);
        let (_stop, mut stopped) = watch::channel(false);
        let mut lines = flood(&queue, 50).await;
        for round in 0..5 {
            for number in 0..CALLS {
                assert_eq!(call(&queue, 2 + number).await, Ok(()), "{number} of round {round}");
            }
            assert_eq!(call(&queue, 9).await, Err(ErrorReason::Overloaded));
            let mut taken = Vec::new();
            assert!(waiting.take(&mut taken, 50, &mut stopped).await);
            assert_eq!(taken.iter().filter(|number| **number >= 100).count(), LINES);
            assert_eq!(taken.len(), CALLS + LINES);
            // Those that were waiting come in.
            for _ in 0..LINES {
                assert_eq!(lines.join_next().await.map(Result::ok), Some(Some(Ok(()))));
            }
            yield_now().await;
        }
    }

    #[tokio::test]
    async fn a_queue_that_stops_gives_out_what_is_in_it_and_turns_away_who_waits() {
        let (queue, mut waiting) = queue(CALLS, LINES);
        let (stop, mut stopped) = watch::channel(false);
        let lines = flood(&queue, 10).await;
        stop.send_replace(true);
        let mut taken = Vec::new();
        while waiting.take(&mut taken, 1, &mut stopped).await {}
        assert_eq!(taken, [100, 101]);
        let outcomes = lines.join_all().await;
        let turned_away =
            outcomes.iter().filter(|sent| **sent == Err(ErrorReason::ShuttingDown)).count();
        assert_eq!(turned_away, 8);
        assert_eq!(call(&queue, 1).await, Err(ErrorReason::ShuttingDown));
    }

    #[tokio::test]
    async fn a_queue_that_nobody_empties_any_more_turns_everybody_away() {
        let (queue, waiting) = queue(CALLS, LINES);
        let lines = flood(&queue, 10).await;
        drop(waiting);
        let turned_away = lines.join_all().await.into_iter().filter(Result::is_err).count();
        assert_eq!(turned_away, 8);
        assert_eq!(call(&queue, 1).await, Err(ErrorReason::ShuttingDown));
    }

    #[tokio::test]
    async fn partners_that_flood_leave_room_for_one_that_does_not() {
        let (queue, _waiting) = queue(64, LINES);
        assert_eq!(fill(&queue, 1).await, 32);
        assert_eq!(fill(&queue, 2).await, 16);
        assert_eq!(fill(&queue, 3).await, 8);
        for honest in 10..14 {
            assert_eq!(call(&queue, honest).await, Ok(()));
        }
        // What was taken is room again, for those that flood too.
        assert_eq!(call(&queue, 1).await, Err(ErrorReason::Overloaded));
    }

    #[tokio::test]
    async fn whoever_floods_waits_behind_itself_alone() {
        let (queue, mut waiting) = queue(64, LINES);
        let (_stop, mut stopped) = watch::channel(false);
        assert_eq!(fill(&queue, 1).await, 32);
        let mut lines = flood(&queue, 1).await;
        for honest in [2, 3, 3] {
            assert_eq!(call(&queue, honest).await, Ok(()));
        }
        let mut taken = Vec::new();
        assert!(waiting.take(&mut taken, 8, &mut stopped).await);
        taken.sort_unstable();
        // Shares that are not used are the others'.
        assert_eq!(taken, [1, 1, 1, 1, 1, 2, 3, 3]);
        let mut count = 0;
        while count < 28 {
            taken.clear();
            assert!(waiting.take(&mut taken, 8, &mut stopped).await);
            count += taken.len();
        }
        // In its own order: the line came after the calls.
        assert_eq!(taken.last(), Some(&100));
        assert_eq!(lines.join_next().await.map(Result::ok), Some(Some(Ok(()))));
        assert_eq!(fill(&queue, 1).await, 32);
    }
}
