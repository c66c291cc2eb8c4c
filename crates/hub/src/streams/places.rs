//! How many streams a partner has open: a bound for each, so that none takes the others' memory.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use entente_ledger::PartnerId;

use crate::error::Refused;

/// The streams that are open. Clones share the count.
#[derive(Debug, Clone)]
pub struct Places {
    open: Arc<Mutex<HashMap<PartnerId, usize>>>,
    most: usize,
}

/// An open stream, until it is dropped.
#[derive(Debug)]
pub struct Place {
    partner: PartnerId,
    open: Arc<Mutex<HashMap<PartnerId, usize>>>,
}

impl Places {
    /// So many for each partner.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self { open: Arc::default(), most }
    }

    /// A place for one more stream, unless the partner has as many as it may.
    pub fn take(&self, partner: PartnerId) -> Result<Place, Refused> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(partner).or_default();
        if *count >= self.most {
            return Err(Refused::too_many_streams(self.most));
        }
        *count += 1;
        Ok(Place { partner, open: Arc::clone(&self.open) })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.partner) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.partner);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_partner_has_so_many_streams_and_no_more() {
        let places = Places::new(2);
        let (first, _second) = (places.take(PartnerId(1)), places.take(PartnerId(1)));
        let refused = places.take(PartnerId(1)).map(drop).expect_err("a third");
        assert_eq!(refused.metadata("most"), Some("2"));
        let other = places.take(PartnerId(2)).expect("another partner's");
        drop(first);
        let again = places.take(PartnerId(1)).expect("one has ended");
        drop((again, other));
        assert_eq!(places.open.lock().expect("not poisoned").len(), 1);
    }
}
