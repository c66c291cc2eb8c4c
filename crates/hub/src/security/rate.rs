//! How often a caller's refused assertions reach the trail: anybody with a certificate can make them.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// One event of a caller in this time at most.
const EVERY: Duration = Duration::from_secs(1);

/// How many callers are remembered.
const CALLERS: usize = 4_096;

/// Remembers when a caller was last let through.
#[derive(Debug, Default)]
pub(crate) struct Rate(Mutex<HashMap<String, Instant>>);

impl Rate {
    /// Whether this one may pass.
    pub(crate) fn admits(&self, caller: &str) -> bool {
        let now = Instant::now();
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if last.get(caller).is_some_and(|last| now.duration_since(*last) < EVERY) {
            return false;
        }
        if last.len() >= CALLERS {
            last.retain(|_, last| now.duration_since(*last) < EVERY);
        }
        last.insert(caller.to_owned(), now);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn each_caller_passes_once_a_second() {
        let rate = Rate::default();
        assert_eq!(["a", "a", "b"].map(|caller| rate.admits(caller)), [true, false, true]);
        tokio::time::sleep(EVERY).await;
        assert!(rate.admits("a"));
    }
}
