//! Finds lines by request id and by receipt. Hashes are seeded, so that no file can be made of keys
//! that collide; rings of equal receipts are walked a bounded way.

use std::hash::{DefaultHasher, Hash, Hasher};

use entente_ledger::RequestId;
use hashbrown::{HashTable, hash_table::Entry};

use super::store::{Fate, Sides};
use super::{Line, Operation};

/// How far a ring of lines with one receipt is walked. An honest receipt has a handful of lines.
const MOST_STEPS: usize = 64;

/// The tables of lines.
#[derive(Debug)]
pub(super) struct Index {
    seed: u64,
    by_request: HashTable<u32>,
    /// The last line of each receipt; its `next` is the first.
    by_receipt: HashTable<u32>,
}

impl Index {
    pub(super) const fn new(seed: u64) -> Self {
        Self { seed, by_request: HashTable::new(), by_receipt: HashTable::new() }
    }

    pub(super) fn hash(&self, key: impl Hash) -> u64 {
        seeded(self.seed, key)
    }

    /// Enters the line by its request id; `false` when an earlier line has that id.
    pub(super) fn enter_request(&mut self, sides: &Sides, number: u32, id: RequestId) -> bool {
        let seed = self.seed;
        let of = |number: &u32| sides.line(*number).line.request_id;
        let hash = self.hash(id);
        let again = |number: &u32| seeded(seed, of(number).unwrap_or(id));
        match self.by_request.entry(hash, |other| of(other) == Some(id), again) {
            Entry::Occupied(_) => false,
            Entry::Vacant(vacant) => {
                vacant.insert(number);
                true
            }
        }
    }

    /// Enters the line by its receipt, last of those that have it.
    pub(super) fn enter_receipt(&mut self, sides: &mut Sides, number: u32) {
        let receipt = sides.line_texts(number).receipt;
        if receipt.is_empty() {
            return;
        }
        let (hash, seed) = (self.hash(receipt), self.seed);
        let of = |number: &u32| sides.line_texts(*number).receipt;
        let again = |number: &u32| seeded(seed, of(number));
        let last = match self.by_receipt.entry(hash, |other| of(other) == receipt, again) {
            Entry::Occupied(mut entry) => std::mem::replace(entry.get_mut(), number),
            Entry::Vacant(vacant) => {
                vacant.insert(number);
                return;
            }
        };
        let first = sides.line(last).next;
        sides.line_mut(number).next = first;
        sides.line_mut(last).next = number;
    }

    /// The line that has this request id, its own or lent.
    pub(super) fn by_request(&self, sides: &Sides, id: RequestId) -> Option<u32> {
        let is = |number: &u32| sides.line(*number).line.request_id == Some(id);
        self.by_request.find(self.hash(id), is).copied()
    }

    /// The line with this receipt that fits the operation best: of the free ones that may be it, the
    /// first with its points, else the first.
    pub(super) fn by_receipt(
        &self,
        sides: &Sides,
        (operation, receipt): (&Operation, &str),
        may: impl Fn(&Line) -> bool,
    ) -> Option<u32> {
        let mut best = None;
        for number in self.ring(sides, receipt) {
            let record = sides.line(number);
            if record.fate != Fate::Free || !record.line.may_be(operation) || !may(&record.line) {
                continue;
            }
            if record.line.points == operation.points {
                return Some(number);
            }
            best = best.or(Some(number));
        }
        best
    }

    /// Whether an earlier line has the receipt of this one and may be the same.
    pub(super) fn is_repeated(&self, sides: &Sides, number: u32) -> bool {
        let line = &sides.line(number).line;
        for earlier in self.ring(sides, sides.line_texts(number).receipt) {
            if earlier >= number {
                return false;
            }
            let record = sides.line(earlier);
            let own_id = if record.lent { None } else { record.line.request_id };
            let other_id = own_id.is_some() && line.request_id.is_some();
            let alike = match (record.line.kind, line.kind) {
                (Some(kind), Some(other)) => kind == other,
                _ => record.line.points.0.signum() == line.points.0.signum(),
            };
            if alike && !other_id {
                return true;
            }
        }
        false
    }

    /// The lines of a receipt, in order of the file, as far as they are walked.
    fn ring<'s>(&self, sides: &'s Sides, receipt: &str) -> impl Iterator<Item = u32> + use<'s> {
        let is = |number: &u32| sides.line_texts(*number).receipt == receipt;
        let known = if receipt.is_empty() { None } else { Some(receipt) };
        let last = known.and_then(|receipt| self.by_receipt.find(self.hash(receipt), is)).copied();
        let first = last.map(|last| sides.line(last).next);
        let follow =
            move |number: &u32| Some(sides.line(*number).next).filter(|_| Some(*number) != last);
        std::iter::successors(first, follow).take(MOST_STEPS)
    }
}

fn seeded(seed: u64, key: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write_u64(seed);
    key.hash(&mut hasher);
    hasher.finish()
}
