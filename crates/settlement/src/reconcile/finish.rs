//! The end of matching: receipts among what waited, then members, then reversals; the rest is missing.

use std::collections::HashSet;

use entente_ledger::{Overflow, Points};

use super::matcher::Matching;
use super::report::Found;
use super::store::{Fate, index};
use super::{BreakKind, Delta, Operation, fold, nearby};
use crate::Money;

impl Matching {
    /// Matches what is left, and makes breaks of the rest. What counts in the window goes first, then
    /// what is in another window, then what the hub refused: an attempt that failed never takes the
    /// line of the one that succeeded.
    pub(super) fn settle(&mut self) -> Result<(), Overflow> {
        let mut pending = std::mem::take(&mut self.pending);
        pending.sort_by_key(|number| rank(self.sides.operation(*number)));
        let mut rest = Vec::new();
        for number in pending {
            let receipt = self.sides.operation_texts(number).receipt;
            let key = (self.sides.operation(number), receipt);
            match self.index.by_receipt(&self.sides, key, |_| true) {
                Some(line) => self.pair_kept(number, line)?,
                None => rest.push(number),
            }
        }
        let mut found = HashSet::new();
        let ranks =
            |a: &u32, b: &u32| rank(self.sides.operation(*a)) == rank(self.sides.operation(*b));
        let groups: Vec<Vec<u32>> = rest.chunk_by(ranks).map(<[u32]>::to_vec).collect();
        for group in groups {
            for (number, line) in nearby::pairs(self, &group) {
                self.pair_kept(number, line)?;
                found.insert(number);
            }
        }
        rest.retain(|number| !found.contains(number));
        let rest = fold::fold(self, rest)?;
        for number in rest {
            self.missing_at_partner(number)?;
        }
        self.unmatched_lines()
    }

    /// What counts nothing is nothing that the partner misses.
    fn missing_at_partner(&mut self, number: u32) -> Result<(), Overflow> {
        let counted = self.sides.operation(number).counted();
        let delta = Delta::between(counted, (Points::ZERO, Money::nothing(counted.1.currency)))?;
        if !delta.is_zero() {
            let kind = BreakKind::MissingAtPartner;
            self.breaks.push(Found { kind, operation: Some(number), line: None, delta });
        }
        Ok(())
    }

    fn unmatched_lines(&mut self) -> Result<(), Overflow> {
        let alike = nearby::repeated(self);
        for (number, record) in (0_u32..).zip(&self.sides.lines) {
            let counted = record.line.counted();
            let nothing = (Points::ZERO, Money::nothing(counted.1.currency));
            let delta = Delta::between(nothing, counted)?;
            if record.fate == Fate::Matched || delta.is_zero() {
                continue;
            }
            let repeated = record.fate == Fate::Repeated
                || alike[index(number)]
                || self.index.is_repeated(&self.sides, number);
            let kind = if repeated { BreakKind::DuplicateInFile } else { BreakKind::MissingAtHub };
            self.breaks.push(Found { kind, operation: None, line: Some(number), delta });
        }
        Ok(())
    }
}

fn rank(operation: &Operation) -> u8 {
    match (operation.counts(), operation.standing) {
        (true, _) => 0,
        (false, super::Standing::Posted | super::Standing::Reversed) => 1,
        (false, super::Standing::Refused | super::Standing::RefusedLate) => 2,
    }
}
