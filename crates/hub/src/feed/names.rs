//! What events are called. An event's place is the number of its operation in its cell, which would
//! tell a partner how much the whole coalition posts: what leaves the hub is made of it by a key, a
//! file outside the database, so that it is the same for ever and says nothing.

use std::{fmt, path::Path};

use aws_lc_rs::hmac::{self, HMAC_SHA256, Key};
use entente_api::event::OrderKey;
use entente_ledger::PartnerId;
use entente_store::feed::FeedPlace;
use uuid::{Builder, Uuid};

use crate::key_file::{self, KEY_BYTES, KeyError};

const KEY_FILE: &str = "event.key";

/// Where all names come from. Hubs that share a database need the same one.
pub struct EventKey(Key);

/// The names of one partner's events.
#[derive(Debug, Clone, Copy)]
pub(super) struct Names<'a> {
    key: &'a EventKey,
    partner: PartnerId,
}

impl EventKey {
    /// Opens the key in a folder; at the first start, makes both.
    pub fn open(folder: &Path) -> Result<Self, KeyError> {
        Ok(Self::new(&key_file::open(folder, KEY_FILE)?))
    }

    /// With a key that is given.
    #[must_use]
    pub fn new(key: &[u8; KEY_BYTES]) -> Self {
        Self(Key::new(HMAC_SHA256, key))
    }

    /// The names of a partner's events.
    pub(super) const fn of(&self, partner: PartnerId) -> Names<'_> {
        Names { key: self, partner }
    }
}

impl Names<'_> {
    /// The id of an event: of the operation itself, which has no ordinal, or of one of its notices.
    pub(super) fn id(&self, place: FeedPlace, ordinal: Option<i16>) -> Uuid {
        let ordinal = ordinal.unwrap_or(-1).to_be_bytes();
        let cell = place.cell.0.to_be_bytes();
        Builder::from_custom_bytes(self.sign(b"id", &[&cell, &place.seq.0.to_be_bytes(), &ordinal]))
            .into_uuid()
    }

    /// The cell under another name, and the time instead of the number: within a cell it never runs
    /// back, and it is the same for what one batch posted.
    pub(super) fn order_key(&self, place: FeedPlace) -> OrderKey {
        let [a, b, c, d, ..] = self.sign(b"cell", &[&place.cell.0.to_be_bytes()]);
        let cell = i32::from_be_bytes([a, b, c, d]) & i32::MAX;
        OrderKey { cell, number: place.posted_at.as_microsecond() }
    }

    /// Every part has one length for each purpose, so none can be mistaken for two.
    fn sign(&self, purpose: &[u8], parts: &[&[u8]]) -> [u8; 16] {
        let mut context = hmac::Context::with_key(&self.key.0);
        context.update(purpose);
        context.update(&self.partner.0.to_be_bytes());
        for part in parts {
            context.update(part);
        }
        let mut name = [0; 16];
        name.copy_from_slice(&context.sign().as_ref()[..16]);
        name
    }
}

impl fmt::Debug for EventKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EventKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use entente_ledger::{Cell, Seq};
    use jiff::Timestamp;

    use super::*;

    fn place(cell: i16, seq: i64) -> FeedPlace {
        let posted_at = Timestamp::from_second(1_772_438_400).expect("a time");
        FeedPlace { posted_at, cell: Cell(cell), seq: Seq(seq) }
    }

    #[test]
    fn an_event_has_one_id_for_ever_and_none_without_the_key_can_make_it() {
        let (key, again, other) =
            (EventKey::new(&[7; 32]), EventKey::new(&[7; 32]), EventKey::new(&[8; 32]));
        let id = key.of(PartnerId(1)).id(place(3, 42), None);
        assert_eq!(id, again.of(PartnerId(1)).id(place(3, 42), None));
        let others = [
            other.of(PartnerId(1)).id(place(3, 42), None),
            key.of(PartnerId(2)).id(place(3, 42), None),
            key.of(PartnerId(1)).id(place(3, 42), Some(0)),
            key.of(PartnerId(1)).id(place(3, 43), None),
            key.of(PartnerId(1)).id(place(4, 42), None),
        ];
        let distinct: BTreeSet<_> = others.into_iter().chain([id]).collect();
        assert_eq!(distinct.len(), 6);
    }

    #[test]
    fn an_order_key_tells_cells_apart_and_nothing_of_how_much_was_posted() {
        let key = EventKey::new(&[7; 32]);
        let names = key.of(PartnerId(1));
        assert_eq!(names.order_key(place(3, 1)), names.order_key(place(3, 1_000_000)));
        let later = FeedPlace {
            posted_at: Timestamp::from_second(1_772_438_401).expect("a time"),
            ..place(3, 2)
        };
        let (first, second) = (names.order_key(place(3, 1)), names.order_key(later));
        assert_eq!(first.cell, second.cell);
        assert!(first.number < second.number);
        let cells = |partner| -> BTreeSet<i32> {
            (0..64).map(|cell| key.of(PartnerId(partner)).order_key(place(cell, 1)).cell).collect()
        };
        assert_eq!(cells(1).len(), 64);
        assert!(cells(1).is_disjoint(&cells(2)), "partners cannot compare their members' cells");
        assert!(cells(1).iter().all(|cell| *cell >= 0));
    }
}
