//! A bounded queue of the pipeline. A call takes a place or is refused; a line of a stream waits for
//! one of a few places of its own, so that no number of streams takes the calls' room.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};

use crate::error::Refused;

/// Who comes to a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Via {
    /// A call, which a full queue refuses.
    Call,
    /// A line of a stream, which waits for its place; its stream reads no further meanwhile.
    Line,
}

/// The way into a queue. Clones share it.
#[derive(Debug)]
pub(super) struct Queue<T> {
    sender: mpsc::Sender<Entry<T>>,
    lines: Arc<Semaphore>,
}

/// The other end of a queue.
#[derive(Debug)]
pub(super) struct Waiting<T> {
    receiver: mpsc::Receiver<Entry<T>>,
    entries: Vec<Entry<T>>,
}

#[derive(Debug)]
struct Entry<T> {
    item: T,
    /// Of a line: given back when it is taken out.
    _place: Option<OwnedSemaphorePermit>,
}

/// A queue with room for so many calls, whatever streams do, and for so many lines of streams.
pub(super) fn queue<T>(calls: usize, lines: usize) -> (Queue<T>, Waiting<T>) {
    let (sender, receiver) = mpsc::channel(calls.saturating_add(lines));
    let lines = Arc::new(Semaphore::new(lines));
    (Queue { sender, lines }, Waiting { receiver, entries: Vec::new() })
}

impl<T> Queue<T> {
    /// Queues something.
    pub(super) async fn send(&self, item: T, via: Via) -> Result<(), Refused> {
        match via {
            Via::Call => {
                let sent = self.sender.try_send(Entry { item, _place: None });
                sent.map_err(|error| match error {
                    mpsc::error::TrySendError::Full(_) => Refused::overloaded(),
                    mpsc::error::TrySendError::Closed(_) => Refused::shutting_down(),
                })
            }
            Via::Line => {
                let place = Arc::clone(&self.lines).acquire_owned().await;
                let entry = Entry { item, _place: place.ok() };
                self.sender.send(entry).await.map_err(|_| Refused::shutting_down())
            }
        }
    }
}

impl<T> Clone for Queue<T> {
    fn clone(&self) -> Self {
        Self { sender: self.sender.clone(), lines: Arc::clone(&self.lines) }
    }
}

impl<T> Waiting<T> {
    /// Takes all that is queued, up to `most`, into `taken`; once stopped, the queue is closed, and
    /// what is still in it is taken too. `false` when there is nothing more to come.
    pub(super) async fn take(
        &mut self,
        taken: &mut Vec<T>,
        most: usize,
        stopped: &mut watch::Receiver<bool>,
    ) -> bool {
        let received = tokio::select! {
            biased;
            _ = stopped.wait_for(|stopped| *stopped) => None,
            received = self.receiver.recv_many(&mut self.entries, most) => Some(received),
        };
        let received = if let Some(received) = received {
            received
        } else {
            self.receiver.close();
            self.receiver.recv_many(&mut self.entries, most).await
        };
        // The places of the lines among them are free from here on.
        taken.extend(self.entries.drain(..).map(|entry| entry.item));
        received > 0
    }
}

#[cfg(test)]
mod tests {
    use entente_api::error::ErrorReason;
    use tokio::task::{JoinSet, yield_now};

    use super::*;

    const CALLS: usize = 4;
    const LINES: usize = 2;

    /// Lines of many streams that want in at the same time, numbered from 100.
    async fn flood(queue: &Queue<usize>, count: usize) -> JoinSet<Result<(), ErrorReason>> {
        let mut sending = JoinSet::new();
        for number in 0..count {
            let queue = queue.clone();
            sending.spawn(async move {
                let sent = queue.send(100 + number, Via::Line).await;
                sent.map_err(|refused| refused.reason())
            });
        }
        // One thread: after this, each has come as far as it can.
        yield_now().await;
        sending
    }

    #[tokio::test]
    async fn lines_of_any_number_of_streams_leave_the_calls_their_room() {
        let (queue, mut waiting) = queue(CALLS, LINES);
        let (_stop, mut stopped) = watch::channel(false);
        let mut lines = flood(&queue, 50).await;
        for round in 0..5 {
            for number in 0..CALLS {
                assert!(queue.send(number, Via::Call).await.is_ok(), "{number} of round {round}");
            }
            let more = queue.send(CALLS, Via::Call).await.map_err(|refused| refused.reason());
            assert_eq!(more, Err(ErrorReason::Overloaded));
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
        let late = queue.send(1, Via::Call).await.map_err(|refused| refused.reason());
        assert_eq!(late, Err(ErrorReason::ShuttingDown));
    }
}
