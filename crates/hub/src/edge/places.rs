//! Places for connections: so many in all, and so many for one caller, so that no partner can keep
//! the others out.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::caller::Caller;

/// The places of one listener.
#[derive(Debug, Clone)]
pub(crate) struct Places {
    all: Arc<Semaphore>,
    held: Arc<Mutex<HashMap<Caller, usize>>>,
    per_caller: usize,
}

/// A place, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    holder: Caller,
    held: Arc<Mutex<HashMap<Caller, usize>>>,
    _permit: OwnedSemaphorePermit,
}

impl Places {
    pub(crate) fn new(all: usize, per_caller: usize) -> Self {
        Self { all: Arc::new(Semaphore::new(all)), held: Arc::default(), per_caller }
    }

    /// Waits for a place whose caller is not known yet.
    pub(crate) async fn any(&self) -> OwnedSemaphorePermit {
        let permit = Arc::clone(&self.all).acquire_owned().await;
        permit.expect("the semaphore is never closed")
    }

    /// Gives the place to a caller, unless it has its share already.
    pub(crate) fn give(&self, permit: OwnedSemaphorePermit, holder: Caller) -> Option<Place> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let count = held.entry(holder.clone()).or_default();
        if *count >= self.per_caller {
            return None;
        }
        *count += 1;
        Some(Place { holder, held: Arc::clone(&self.held), _permit: permit })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = held.get_mut(&self.holder) {
            *count -= 1;
            if *count == 0 {
                held.remove(&self.holder);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn partner(code: &str) -> Caller {
        Caller::Partner(code.parse().expect("a good code"))
    }

    #[tokio::test]
    async fn a_caller_gets_its_share_and_no_more() {
        let places = Places::new(8, 2);
        let first = places.give(places.any().await, partner("harbor-hotels"));
        let second = places.give(places.any().await, partner("harbor-hotels"));
        assert!(first.is_some() && second.is_some());
        assert!(places.give(places.any().await, partner("harbor-hotels")).is_none());
        let rovers = places.give(places.any().await, partner("rover-rides"));
        assert!(rovers.is_some());
        drop(first);
        assert!(places.give(places.any().await, partner("harbor-hotels")).is_some());
        drop((second, rovers));
        assert_eq!(places.all.available_permits(), 8);
        assert!(places.held.lock().expect("not poisoned").is_empty());
    }
}
