//! Handshakes under way. Whoever says nothing, or little at a time, takes a place until its time is
//! over; where places run out, it gives its place up sooner, so that thousands of such connections do
//! not keep the next caller waiting.

use std::{
    collections::{BTreeMap, HashMap},
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::oneshot, time::Instant};

/// The handshakes of one listener. Clones share them.
#[derive(Debug, Clone)]
pub(crate) struct Handshakes {
    pending: Arc<Mutex<Pending>>,
    /// What each has in any case, however many wait.
    at_least: Duration,
}

#[derive(Debug, Default)]
struct Pending {
    /// In the order in which they began.
    by_number: BTreeMap<u64, Handshake>,
    by_address: HashMap<IpAddr, usize>,
    last: u64,
}

#[derive(Debug)]
struct Handshake {
    address: IpAddr,
    begun: Instant,
    _give_up: oneshot::Sender<()>,
}

/// A handshake under way, until it is dropped.
#[derive(Debug)]
pub(crate) struct UnderWay {
    handshakes: Handshakes,
    number: u64,
    given_up: oneshot::Receiver<()>,
}

impl Handshakes {
    /// None yet; each has at least so long.
    pub(crate) fn new(at_least: Duration) -> Self {
        Self { pending: Arc::default(), at_least }
    }

    /// One begins, with somebody at an address.
    pub(crate) fn begin(&self, address: IpAddr) -> UnderWay {
        let (give_up, given_up) = oneshot::channel();
        let mut pending = self.pending();
        pending.last += 1;
        let number = pending.last;
        let handshake = Handshake { address, begun: Instant::now(), _give_up: give_up };
        pending.by_number.insert(number, handshake);
        *pending.by_address.entry(address).or_default() += 1;
        UnderWay { handshakes: self.clone(), number, given_up }
    }

    /// Waits until one has had its time, and ends it: the oldest of the address that has most under way.
    /// Without one, it waits for ever.
    pub(crate) async fn end_one(&self) {
        loop {
            let Some((number, since)) = self.pending().dispensable() else {
                return std::future::pending().await;
            };
            let due = since + self.at_least;
            if due <= Instant::now() {
                self.pending().remove(number);
                return;
            }
            tokio::time::sleep_until(due).await;
        }
    }

    fn pending(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pending {
    fn dispensable(&self) -> Option<(u64, Instant)> {
        let most = self.by_address.values().max()?;
        let of_most = |handshake: &Handshake| self.by_address.get(&handshake.address) == Some(most);
        let mut handshakes = self.by_number.iter();
        let (number, handshake) = handshakes.find(|(_, handshake)| of_most(handshake))?;
        Some((*number, handshake.begun))
    }

    fn remove(&mut self, number: u64) {
        let Some(Handshake { address, .. }) = self.by_number.remove(&number) else { return };
        if let Some(count) = self.by_address.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                self.by_address.remove(&address);
            }
        }
    }
}

impl UnderWay {
    /// Waits until this one has to give its place up.
    pub(crate) async fn given_up(&mut self) {
        // The sender is dropped when it is ended.
        let _ = (&mut self.given_up).await;
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.handshakes.pending().remove(self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT_LEAST: Duration = Duration::from_millis(500);

    fn address(last: u8) -> IpAddr {
        IpAddr::from([127, 0, 0, last])
    }

    #[tokio::test(start_paused = true)]
    async fn the_oldest_of_whoever_has_most_gives_its_place_up_after_its_time() {
        let handshakes = Handshakes::new(AT_LEAST);
        let mut honest = handshakes.begin(address(1));
        let mut first = handshakes.begin(address(2));
        let mut second = handshakes.begin(address(2));
        let begun = Instant::now();
        handshakes.end_one().await;
        assert_eq!(begun.elapsed(), AT_LEAST);
        first.given_up().await;
        drop(first);
        // All have as many now: the oldest of all is next.
        handshakes.end_one().await;
        honest.given_up().await;
        drop(honest);
        tokio::select! {
            biased;
            () = second.given_up() => panic!("nobody wants its place"),
            () = tokio::time::sleep(Duration::from_hours(1)) => {}
        }
        drop(second);
        let left = handshakes.pending();
        assert!(left.by_address.is_empty() && left.by_number.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn without_handshakes_there_is_nothing_to_end() {
        let handshakes = Handshakes::new(AT_LEAST);
        let ended = tokio::time::timeout(Duration::from_hours(1), handshakes.end_one()).await;
        assert!(ended.is_err());
    }
}
